#!/usr/bin/env bash
# Run by the Postgres image of compose.yaml when its volume is new: two roles that are no superusers. pgherald_owner owns
# the database and runs the migrations; pgherald is the daemon's, and gets its rights from grants.sql after them.
set -euo pipefail

password() {
    sed 's/.*password=//' "/run/secrets/$1"
}

# Passwords go in by standard input: a command line shows in the list of processes.
psql -X -q -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
set log_statement = none;
create role pgherald_owner login password '$(password owner_dsn)';
create role pgherald login password '$(password dsn)';
alter database $POSTGRES_DB owner to pgherald_owner;
SQL
