#!/usr/bin/env bash
# The console page in headless Chromium, against the daemon binary and a Postgres of its own.
#   PGHERALD_BIN=/path/to/pgherald tests/browser/run.sh [test files]
# PGHERALD_BIN defaults to the release build. Exits with the status of the tests.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${PGHERALD_BIN:=$here/../../build/release/pgherald}"
: "${CHROMIUM:=/usr/bin/chromium}"
export CHROMIUM

fail() { echo "browser tests: $*" >&2; exit 2; }
export PGHERALD_BIN
[ -x "$PGHERALD_BIN" ] || fail "no daemon at $PGHERALD_BIN; build it or set PGHERALD_BIN"
[ -x "$CHROMIUM" ] || fail "no Chromium at $CHROMIUM; set CHROMIUM"
command -v psql >/dev/null || fail "psql is missing"

# Debian keeps initdb and pg_ctl out of PATH, one folder per version.
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
[ -n "$bin" ] || bin=$(pg_config --bindir)

if [ ! -d "$here/node_modules/playwright-core" ]; then
  (cd "$here" && npm ci --no-audit --no-fund --ignore-scripts) || fail "npm ci failed"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/pgherald-browser.XXXXXX")
daemon=
stop() {
  if [ -n "$daemon" ]; then
    kill -TERM "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
  fi
  if [ -f "$work/data/postmaster.pid" ]; then
    as_postgres "$bin/pg_ctl" -D "$work/data" -m immediate -w stop >/dev/null 2>&1 || true
  fi
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

# Postgres refuses to run as root.
if [ "$(id -u)" -eq 0 ]; then
  chown postgres "$work"
  as_postgres() { (cd "$work" && runuser -u postgres -- "$@"); }
else
  as_postgres() { (cd "$work" && "$@"); }
fi

as_postgres "$bin/initdb" -D "$work/data" -U postgres --auth=trust --encoding=UTF8 --no-locale -N >"$work/initdb.log" 2>&1 \
  || { cat "$work/initdb.log" >&2; fail "initdb failed"; }
as_postgres "$bin/pg_ctl" -D "$work/data" -l "$work/postgres.log" -w -t 30 \
  -o "-c listen_addresses='' -c unix_socket_directories='$work' -c fsync=off" start >/dev/null \
  || { cat "$work/postgres.log" >&2; fail "Postgres did not start"; }

psql -X -q -v ON_ERROR_STOP=1 "host=$work user=postgres dbname=postgres" -c 'create database console'
export PGHERALD_DSN="host=$work user=postgres dbname=console"
export PGHERALD_POSTGRES_DSN="$PGHERALD_DSN"
"$PGHERALD_BIN" migrate >"$work/migrate.log" 2>&1 || { cat "$work/migrate.log" >&2; fail "pgherald migrate failed"; }

port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
export PGHERALD_URL="http://127.0.0.1:$port"
PGHERALD_SERVER_LISTEN="127.0.0.1:$port" "$PGHERALD_BIN" serve >"$work/daemon.log" 2>&1 &
daemon=$!

node "$here/ready.mjs" "$PGHERALD_URL/readyz" "$daemon" || { cat "$work/daemon.log" >&2; fail "the daemon did not become ready"; }

[ $# -gt 0 ] || set -- "$here"/*.test.mjs
status=0
node --test --test-concurrency=1 "$@" || status=$?
if [ "$status" -ne 0 ]; then
  echo "--- daemon log" >&2
  tail -n 60 "$work/daemon.log" >&2
fi
exit "$status"
