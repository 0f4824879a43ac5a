# shellcheck shell=sh disable=SC2154,SC2034,SC3047  # much is assigned in, or used by, text that is evaluated; RETURN is for bash
# The EXIT handling of a job's shell whose output goes through the filter, for every POSIX shell. It is read by `.`,
# needs ciplug_directory (the filter's) and ciplug_ending (the command that ends it, quoted for eval), and removes the
# file that it is in, for the secrets follow it there.
# The path is fixed because the job may have changed PATH.
/bin/rm -f -- "$ciplug_directory/env" 2>/dev/null || command rm -f -- "$ciplug_directory/env" || :

# Whose names these are. In bash, aliases that were without effect stay so: `trap` is a function there.
unalias trap ciplug_trap ciplug_show ciplug_quote ciplug_find_pid ciplug_in_subshell \
    ciplug_restore 2>/dev/null || :

# The pid of this process, which $$ is not in a subshell. bash tells it since version 4, which matters where it must not
# fork (see below). The path is fixed because the job may change PATH.
# shellcheck disable=SC2016  # expanded by the other shell
ciplug_whoami='echo "$PPID"'
# shellcheck disable=SC3028  # bash has it
ciplug_find_pid() {
    ciplug_pid=${BASH_VERSION:+${BASHPID-}}
    [ -n "$ciplug_pid" ] || ciplug_pid=$(exec /bin/sh -c "$ciplug_whoami")
}
ciplug_in_subshell() {
    ciplug_find_pid
    [ "$ciplug_pid" != "$ciplug_shell" ]
}
ciplug_find_pid
ciplug_shell=$ciplug_pid
# The filter watches this process: a shell that sends its output elsewhere still uses its secrets.
echo "$ciplug_shell" >|"$ciplug_directory/shell" || :

# What the real EXIT trap does: `eval` at its level, so that $? and the positional parameters are the script's.
# shellcheck disable=SC2016  # expanded when the shell exits
ciplug_handler='{ ciplug_given=$? ciplug_flags=$-; set +exv; } 2>/dev/null; eval "$ciplug_at_exit"'

# The user's action runs in a subshell, so that whatever it does (`exit`, `set -e`, a syntax error) the ending follows.
# It sees what it would see as the real trap, except that `wait` does not know the shell's children there. In bash a
# trap of the subshell itself gives `exit` its status; dash and busybox get it right only without one.
# There the handler does nothing, should the script have made it a part of its own action.
# The last line leaves a shell that a signal ends to die of that signal. A child of bash that is killed before it has
# begun comes here too; it would survive if it forked here.
# What traces the shell ends first: its lines after the ending would meet no reader, and the shell would die of SIGPIPE.
# So do traps that would take our commands for the script's. A signal that the action sends to its process group must
# not end this shell, which it meets twice: a subshell sets handled signals back, ignored ones not.
# shellcheck disable=SC2016  # expanded when the shell exits
ciplug_at_exit='
if ! ciplug_in_subshell; then
    ciplug_status=$ciplug_given
    [ -z "${BASH_VERSION-}" ] || command trap - ERR DEBUG RETURN
    command trap : HUP INT QUIT TERM USR1 USR2
    if [ -n "$ciplug_action" ] && [ "$ciplug_action" != - ]; then
        [ -z "${BASH_VERSION-}" ] || ciplug_jobs=$(jobs -p)
        (
            ciplug_at_exit="{ ciplug_restore; } 2>/dev/null"
            if [ -n "${BASH_VERSION-}" ]; then
                eval "$ciplug_bash_jobs"
                command trap -- "$ciplug_action" EXIT
                { ciplug_restore; } 2>/dev/null
            elif [ "$ciplug_status" = 0 ]; then
                ciplug_restore
                eval "$ciplug_action"
            else
                ciplug_restore
                (exit "$ciplug_status") || eval "$ciplug_action"
            fi
            exit "$ciplug_status"
        )
        ciplug_status=$?
    fi
    command trap "" HUP INT QUIT TERM USR1 USR2
    eval "$ciplug_ending" </dev/null || :
    exec >/dev/null 2>&1
    [ "$ciplug_status" = "$ciplug_given" ] || exit "$ciplug_status"
fi
'
# shellcheck disable=SC2016  # expanded in the action
ciplug_bash_jobs='function jobs {
    if [ "$*" != -p ]; then builtin jobs "$@"; elif [ -n "$ciplug_jobs" ]; then echo "$ciplug_jobs"; fi
}'

ciplug_restore() {
    case $ciplug_flags in *e*) set -e ;; esac
    case $ciplug_flags in *v*) set -v ;; esac
    case $ciplug_flags in *x*) set -x ;; esac
}

# `trap` as the job's script says it: conditions other than the shell's own EXIT are the real one's.
ciplug_trap() {
    case ${1-} in
    --) shift ;;
    -[pP]*) ciplug_show "$@"; return ;;
    -?*) command trap "$@"; return ;;
    esac
    [ "$#" -gt 0 ] || { ciplug_show; return; }
    case $1 in
    "" | *[!0-9]*) [ "$#" -gt 1 ] || set -- - "$1" ;;
    *) set -- - "$@" ;; # a number first: all are conditions, to be reset
    esac
    ciplug_new=$1
    shift
    ciplug_count=$# ciplug_at_exit_too=
    for ciplug_condition do
        case $ciplug_new/$ciplug_condition in
        */0 | */[Ee][Xx][Ii][Tt] | */[Ss][Ii][Gg][Ee][Xx][Ii][Tt]) ciplug_at_exit_too=yes ;;
        # What a function resets of these bash sets again when the function ends; what it sets stays.
        -/[Ee][Rr][Rr] | -/[Dd][Ee][Bb][Uu][Gg] | -/[Rr][Ee][Tt][Uu][Rr][Nn]) command trap -- : "$ciplug_condition" ;;
        # bash would run it at the end of our functions already.
        */[Rr][Ee][Tt][Uu][Rr][Nn])
            ciplug_quote "$ciplug_new"
            command trap -- "case \${FUNCNAME-} in trap | ciplug_trap) ;; *) eval $ciplug_quoted ;; esac" RETURN
            ;;
        *) set -- "$@" "$ciplug_condition" ;;
        esac
    done
    shift "$ciplug_count"
    if [ -z "$ciplug_at_exit_too" ]; then
        :
    elif ciplug_in_subshell; then
        ciplug_action=-
        set -- "$@" EXIT
    elif [ "$ciplug_new" != "$ciplug_handler" ]; then
        ciplug_action=$ciplug_new
    fi
    [ "$#" -eq 0 ] || command trap -- "$ciplug_new" "$@"
}

# What `trap` prints, with the user's action in the place of ours. A subshell shows its parent's until it sets one: bash
# knows them all, dash and busybox, for which this is no plain `trap`, only the one that is known here.
ciplug_show() {
    if ! ciplug_in_subshell; then
        ciplug_status=0
        command trap -- "$ciplug_action" EXIT
        command trap "$@" || ciplug_status=$?
        command trap -- "$ciplug_handler" EXIT
        return "$ciplug_status"
    fi
    ciplug_theirs=
    if [ "$ciplug_action" != - ]; then
        ciplug_quote "$ciplug_action"
        ciplug_theirs="trap -- $ciplug_quoted EXIT"
    fi
    if [ -z "${BASH_VERSION-}" ]; then
        command trap "$@" || return
        [ "$#" -gt 0 ] || [ -z "$ciplug_theirs" ] || printf '%s\n' "$ciplug_theirs"
        return
    fi
    ciplug_shown=$(command trap "$@") || return
    ciplug_ours="trap -- '$ciplug_handler' EXIT"
    case $ciplug_shown in
    *"$ciplug_ours"*) ciplug_shown=${ciplug_shown%%"$ciplug_ours"*}$ciplug_theirs${ciplug_shown#*"$ciplug_ours"} ;;
    esac
    [ -z "$ciplug_shown" ] || printf '%s\n' "$ciplug_shown"
}

ciplug_quote() {
    ciplug_rest=$1 ciplug_quoted=
    while :; do
        case $ciplug_rest in *\'*) ;; *) break ;; esac
        ciplug_quoted=$ciplug_quoted${ciplug_rest%%\'*}"'\\''"
        ciplug_rest=${ciplug_rest#*\'}
    done
    ciplug_quoted="'$ciplug_quoted$ciplug_rest'"
}

# A special builtin can be an alias everywhere and a function in bash, where aliases are off unless in POSIX mode.
# shellcheck disable=SC3028  # bash has it
case ${BASH_VERSION:+:${SHELLOPTS-}:} in
'' | *:posix:*) ;;
*) eval 'function trap { ciplug_trap "$@"; }' ;;
esac
alias trap=ciplug_trap

# The action of a second filter in the same shell is the first one's.
[ "${ciplug_owner-}" = "$ciplug_shell" ] || ciplug_action=-
ciplug_owner=$ciplug_shell
# The action that the script has set already. bash shows a subshell its parent's until it sets a trap, be it in vain.
command trap - NONE 2>/dev/null || :
command trap >|"$ciplug_directory/traps" || :
command trap -- "$ciplug_handler" EXIT
# shellcheck source=/dev/null  # what `trap` prints is what it reads
. "$ciplug_directory/traps"
command rm -f -- "$ciplug_directory/traps" || :
