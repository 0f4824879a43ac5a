package org.ciplug

import groovy.json.JsonSlurperClassic

/**
 * ciplug on the agent where a step runs. Each of its commands is one constant text, so that no value in it can be
 * expanded, traced or stored; what it has to know comes through the environment.
 */
class Agent implements Serializable {
    static final String CIPLUG = '''#!/bin/sh
set +x
command -v ciplug >/dev/null || {
    echo 'ciplug: error: command: this agent has no ciplug. Next: pip install ciplug, or use an image that has it' >&2
    exit 127
}
exec ciplug '''
    static final String FETCH = CIPLUG + 'fetch --to run'
    static final String FETCH_VALUES = CIPLUG + 'fetch --to jenkins'
    static final String SCRIPT = ' -- sh -e "$CIPLUG_SCRIPT"'
    static final String RUN = CIPLUG + 'run' + SCRIPT
    static final String RUN_FETCHED = CIPLUG + 'run --fetched' + SCRIPT
    static final String REVOKE = CIPLUG + 'revoke --best-effort'
    static final String MASKING = 'MaskPasswordsBuildWrapper'

    final Object steps

    Agent(Object steps) {
        this.steps = steps
    }

    /** `given` with its defaults, all of it plain text; the build fails when anything is wrong with it. */
    Map checked(String step, Map given, List<String> required, List<String> optional) {
        String problems = Parameters.problems(given, required, optional)
        if (problems) { steps.error('ciplug: error: usage: ' + step + ': ' + problems) }
        Map plain = given.collectEntries { [it.key, it.value instanceof CharSequence ? it.value.toString() : it.value] }
        return [credentialsId: 'vault-id-token', returnStatus: false] + plain
    }

    /** `body` with a folder that nobody else has: parallel branches share their workspace. */
    Object withFolder(Closure body) {
        if (!steps.isUnix()) { steps.error('ciplug: error: usage: this is a Windows agent. Next: use Linux or macOS') }
        String folder = steps.pwd(tmp: true) + '/ciplug-' + UUID.randomUUID()
        try {
            return body(folder)
        } finally {
            cleanUp { steps.dir(folder) { steps.deleteDir() } }
        }
    }

    /** The same, with what ciplug has to know of one job; the full path of the manifest holds in any `dir` in it. */
    Object withJob(Map options, Closure body) {
        String manifest = options.manifest ?: steps.env.CIPLUG_MANIFEST ?: 'ciplug.toml'
        return withFolder { folder ->
            steps.withEnv([
                'CIPLUG_JOB=' + literal(options.job),
                'CIPLUG_ENV=' + literal(options.environment ?: ''),
                'CIPLUG_MANIFEST=' + literal(manifest.startsWith('/') ? manifest : steps.pwd() + '/' + manifest),
            ]) { body(folder) }
        }
    }

    /** `body` with an ID token that is minted for it alone. */
    Object withToken(Map options, Closure body) {
        boolean bound = false
        List bindings = [steps.string(credentialsId: options.credentialsId, variable: 'VAULT_ID_TOKEN')]
        try {
            return steps.withCredentials(bindings) {
                bound = true
                body()
            }
        } catch (IOException err) {
            if (bound) { throw err }
            steps.error('ciplug: error: identity: no identity token: ' + err.message + '. Next: create an "OpenID ' +
                'Connect id token" credential with the ID ' + options.credentialsId + ', or set credentialsId')
        }
    }

    /** `body` with what `fetch` gave, in a session that ends with the block, however that ends. */
    Object withSession(Map options, Closure fetch, Closure body) {
        return withJob(options) { folder ->
            steps.withEnv(['CIPLUG_STATE_DIR=' + literal(folder)]) {
                try {
                    return body(withToken(options, fetch))
                } finally {
                    cleanUp { steps.sh(label: 'ciplug revoke', script: REVOKE, returnStatus: true) }
                }
            }
        }
    }

    /** Runs the user's script by `command`. It goes by a file: withEnv would expand it, sh would trace it. */
    Object runScript(String command, Map options, String folder) {
        String file = folder + '/script.sh'
        steps.writeFile(file: file, text: options.script, encoding: 'UTF-8')
        return steps.withEnv(['CIPLUG_SCRIPT=' + literal(file)]) {
            steps.sh(label: 'ciplug run', script: command, returnStatus: options.returnStatus)
        }
    }

    /** Fails unless Jenkins can mask values that are known only at run time. */
    void requireMasking() {
        try {
            steps.wrap([$class: MASKING, varPasswordPairs: []]) { }
        } catch (IllegalArgumentException | UnsupportedOperationException absent) {
            steps.error('ciplug: error: hand-over: nothing was fetched: without the Mask Passwords plugin Jenkins ' +
                'masks no values in Groovy. Next: install it, or use withCiplug, which keeps them on the agent')
        }
    }

    /** What the job is granted, as `values` by name, and as `masks` in every form. */
    Map fetchValues() {
        String document = steps.sh(label: 'ciplug fetch', script: FETCH_VALUES, returnStdout: true)
        return new JsonSlurperClassic().parseText(document)
    }

    /** `body` with all `masks` hidden in the log. */
    Object withMasks(List<String> masks, Closure body) {
        List<Map> pairs = []
        for (String mask in masks) { pairs.add([var: 'CIPLUG_' + pairs.size(), password: mask]) }
        return steps.wrap([$class: MASKING, varPasswordPairs: pairs], body)
    }

    // What cannot be cleaned up, as on an agent that is gone, must not hide how the build ended.
    private void cleanUp(Closure work) {
        try {
            work()
        } catch (IOException err) {
            steps.echo('ciplug: warning: not cleaned up on the agent: ' + err.message)
        }
    }

    // withEnv expands $NAME, and makes one dollar sign of two.
    private String literal(String text) {
        return text.replace('$', '$$')
    }
}
