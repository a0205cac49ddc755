#!/usr/bin/env bash
# Run by compose.yaml after each migration: grants.sql as the owner.
set -euo pipefail

dsn=$(cat /run/secrets/owner_dsn)
# The password goes by the environment: a command line shows in the list of processes.
PGPASSWORD=${dsn##*password=} psql -X -q -v ON_ERROR_STOP=1 -f /grants.sql "${dsn% password=*}"
