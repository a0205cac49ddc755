#!/usr/bin/env bash
# Makes the two secrets compose.yaml reads, once: deploy/secrets/postgres_password and deploy/secrets/dsn.
# The folder is closed to others on this machine; the files aren't, because the users inside the containers
# read them.
set -euo pipefail

folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/secrets
if [ -e "$folder/dsn" ]; then
    echo "$folder is there already; it is left alone"
    exit 0
fi
mkdir -m 700 "$folder"
umask 022
password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
printf '%s' "$password" >"$folder/postgres_password"
printf 'host=postgres user=pgherald dbname=pgherald password=%s' "$password" >"$folder/dsn"
echo "made $folder/postgres_password and $folder/dsn"
