#!/usr/bin/env bash
# Makes the secrets compose.yaml reads, in deploy/secrets: postgres_password, the superuser's; owner_dsn, for migrations; dsn,
# the daemon's; and token_secret, which tokens are made (make-token.sh) and verified with. What is there already is left alone.
# The folder is closed to others on this machine; the files aren't, because the users inside the containers
# read them.
set -euo pipefail

folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/secrets
[ -d "$folder" ] || mkdir -m 700 "$folder"
umask 022

random() {
    od -An -v -N"$1" -tx1 /dev/urandom | tr -d ' \n'
}

# Whole or not at all: an interrupted run leaves no half of a secret.
make() {
    local file=$folder/$1
    if [ -e "$file" ]; then
        echo "$file is there already; it is left alone"
        return
    fi
    printf '%s' "$2" >"$file.new"
    mv "$file.new" "$file"
    echo "made $file"
}

if [ -e "$folder/dsn" ] && [ ! -e "$folder/owner_dsn" ]; then
    echo "$folder is of an earlier compose.yaml, where the daemon was a superuser. Dump what you want to keep, remove that folder" \
        "and the volume (docker compose -f deploy/compose.yaml down --volumes), and run this again" >&2
    exit 1
fi
make postgres_password "$(random 24)"
# In this order: dsn alone is what an earlier compose.yaml had.
make owner_dsn "host=postgres user=pgherald_owner dbname=pgherald password=$(random 24)"
make dsn "host=postgres user=pgherald dbname=pgherald password=$(random 24)"
make token_secret "$(random 32)"
