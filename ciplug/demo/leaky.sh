# A build script that leaks in every way the demo could think of.
echo "connecting to $DATABASE_URL"
env | grep -E '^(DATABASE_URL|NPM_TOKEN)='
echo "$DATABASE_URL" | base64
printf '%s' "$NPM_TOKEN" | od -An -v -tx1 | tr -d ' \n'; echo
printf '%.12s' "$NPM_TOKEN"; printf '%s\n' "${NPM_TOKEN#????????????}"
set -x
: "$DATABASE_URL" 2>&1
set +x
printf '%s' "$DATABASE_URL" | sha256sum | cut -d' ' -f1 >digest
