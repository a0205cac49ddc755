#!/usr/bin/env bash
# From a checkout to a running daemon: installs what is missing (Debian 12 and later), builds, starts a
# Postgres of its own and pgherald on it, until Ctrl-C. The data is kept for the next run.
#   PORT=8081 deploy/quickstart.sh               another port for HTTP and WebSocket
#   QUICKSTART_DIR=/srv/try deploy/quickstart.sh another folder for the data (.quickstart in the checkout)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/packages.sh
. "$root/deploy/packages.sh"

port=${PORT:-8080}
daemon=
postgres_started=
socket_dir=

fail() {
    echo "quickstart: $*" >&2
    exit 1
}

# Sets `become` to what stands before a command to run it as this user; without one, as whoever runs this script. Not
# runuser, which waits beside the command, and kills it when it takes two seconds to end.
become_user() {
    become=()
    [ -z "$1" ] || [ "$1" = "$(id -un)" ] ||
        become=(env "HOME=$(getent passwd "$1" | cut -d : -f 6)" setpriv --reuid "$1" --regid "$(id -g "$1")" --init-groups --)
}

as_server() {
    (cd / && become_user "$server_user" && exec "${become[@]}" "$@")
}

# Postgres refuses to run as root, and the daemon has no need to. A folder that is there belongs to who runs them in it,
# so it can be used with sudo and without.
pick_user() {
    local owner
    server_user=
    [ "$(id -u)" -eq 0 ] || return 0
    server_user=${SUDO_USER:-postgres}
    if [ "$server_user" = root ]; then
        server_user=postgres
    fi
    owner=$(stat -c %U "$folder" 2>/dev/null || echo root)
    if [ "$owner" != root ] && id "$owner" >/dev/null 2>&1; then
        server_user=$owner
    fi
}

# Every folder above the data must be open to that user; /root, for one, isn't.
pick_folder() {
    local parent
    folder=${QUICKSTART_DIR:-$root/.quickstart}
    mkdir -p "$(dirname "$folder")"
    parent=$(cd "$(dirname "$folder")" && pwd)
    folder=$parent/$(basename "$folder")
    pick_user
    if ! as_server test -x "$parent"; then
        [ -z "${QUICKSTART_DIR:-}" ] || fail "the user ${server_user:-$(id -un)} can't enter $parent: choose another QUICKSTART_DIR"
        folder=/var/lib/pgherald-quickstart
        pick_user
    fi
    if [ ! -d "$folder" ]; then
        mkdir -m 700 "$folder"
    fi
    if [ -n "$server_user" ] && [ "$(stat -c %U "$folder")" = root ]; then
        chown "$server_user" "$folder"
    fi
    as_server test -w "$folder" ||
        fail "$folder belongs to $(stat -c %U "$folder"): run this with sudo, or choose another one:" \
            "QUICKSTART_DIR=~/quickstart deploy/quickstart.sh"
}

# One at a time in a folder, whoever it is.
lock_folder() {
    [ -e "$folder/lock" ] || as_server touch "$folder/lock"
    { exec 9<"$folder/lock"; } 2>/dev/null ||
        fail "can't open $folder/lock, which belongs to $(stat -c %U "$folder/lock"): remove it and run this again"
    flock -n 9 || fail "another quickstart runs in $folder"
}

port_is_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

build() {
    cd "$root"
    # A build folder that has the tests keeps them; a new one is made without, which takes half the time.
    local output builder='' tests=(-D PGHERALD_TESTS=OFF)
    if [ -f build/release/CMakeCache.txt ]; then
        tests=()
    fi
    # Not as root in somebody's checkout: without sudo it couldn't be built again.
    if [ "$(id -u)" -eq 0 ]; then
        builder=$(stat -c %U build 2>/dev/null || stat -c %U .)
        id "$builder" >/dev/null 2>&1 || builder=
    fi
    become_user "$builder"
    if [ -e build/release ] && ! "${become[@]}" test -w build/release; then
        fail "$root/build/release belongs to $(stat -c %U build/release): remove it, or run this with sudo"
    fi
    echo "building (a few minutes the first time)"
    output=$("${become[@]}" cmake --preset release "${tests[@]}" 2>&1) || fail "cmake failed:"$'\n'"$output"
    "${become[@]}" cmake --build --preset release --target pgherald -j "$(build_jobs)"
    binary=$root/build/release/pgherald
    if ! as_server test -x "$binary"; then
        # The checkout is closed to the user the daemon runs as.
        as_server rm -f "$folder/pgherald"
        install -m 755 "$binary" "$folder/pgherald"
        binary=$folder/pgherald
    fi
}

start_postgres() {
    local major made
    bin=$(postgres_bin)
    [ -n "$bin" ] || fail "found no Postgres server"
    if [ ! -f "$folder/data/PG_VERSION" ]; then
        as_server rm -rf "$folder/data.new"
        as_server "$bin/initdb" -D "$folder/data.new" -U postgres --auth=trust --encoding=UTF8 \
            --locale=C.UTF-8 >/dev/null || fail "initdb failed"
        as_server mv "$folder/data.new" "$folder/data"
    fi
    major=$("$bin/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    made=$(cat "$folder/data/PG_VERSION")
    [ "$major" = "$made" ] || fail "$folder/data is of Postgres $made, installed is $major: remove the folder to start anew"

    # The socket alone lets clients in, and its folder only this user and root. A socket's path may have
    # 107 bytes.
    socket_dir=$folder/run
    if [ ${#socket_dir} -gt 85 ]; then
        socket_dir=$(as_server mktemp -d /tmp/pgherald-quickstart.XXXXXX)
    fi
    as_server mkdir -p -m 700 "$socket_dir"
    postgres_started=yes
    if as_server "$bin/pg_ctl" -D "$folder/data" status >/dev/null 2>&1; then
        # Left by a run that was killed.
        as_server "$bin/pg_ctl" -D "$folder/data" -m fast -w stop >/dev/null || fail "could not stop the Postgres in $folder"
    fi
    as_server "$bin/pg_ctl" -D "$folder/data" -l "$folder/postgres.log" -w -t 60 \
        -o "-c listen_addresses='' -c port=5432 -c unix_socket_directories='$socket_dir'" start >/dev/null 9>&- ||
        { tail -n 20 "$folder/postgres.log" >&2; fail "Postgres did not start"; }
}

# One value of a libpq connection string.
quoted() {
    local value=${1//\\/\\\\}
    case $value in
        *[\ \'\\]*) echo "'${value//\'/\\\'}'" ;;
        *) echo "$value" ;;
    esac
}

is_ready() {
    local answer
    # shellcheck disable=SC2016  # expanded by the inner shell
    answer=$(timeout 2 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" &&
        printf "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" >&3 &&
        head -n 1 <&3' ready "$port" 2>/dev/null) || return 1
    [[ $answer == *" 200 "* ]]
}

start_daemon() {
    # A session of its own: Ctrl-C at the terminal goes to this script alone, which stops it in order. Should the script be
    # killed, it goes as well.
    become_user "$server_user"
    (
        cd /
        export PGHERALD_POSTGRES_DSN=$dsn PGHERALD_SERVER_LISTEN=127.0.0.1:$port
        exec "${become[@]}" setsid setpriv --pdeathsig TERM "$binary" serve 9>&-
    ) &
    daemon=$!
    for _ in $(seq 150); do
        if is_ready; then
            return
        fi
        kill -0 "$daemon" 2>/dev/null || fail "pgherald ended; its last words stand above"
        sleep 0.2
    done
    fail "pgherald did not become ready"
}

# shellcheck disable=SC2317  # called by the trap
stop() {
    local status=$?
    trap '' INT TERM HUP
    if [ -n "$daemon" ]; then
        kill -TERM "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    if [ -n "$postgres_started" ]; then
        as_server "$bin/pg_ctl" -D "$folder/data" -m fast -w stop >/dev/null 2>&1 || true
        if [ "$socket_dir" != "$folder/run" ]; then
            rm -rf "$socket_dir"
        fi
        echo "stopped; the data stays in $folder"
    fi
    exit "$status"
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

if ! [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
    fail "PORT is \"$port\", not a number from 1 to 65535"
fi
first_open_port=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024)
((port >= first_open_port)) ||
    fail "PORT is $port: ports below $first_open_port are for root, and the daemon doesn't run as root here, even with sudo"
if port_is_taken; then
    fail "port $port is taken; try another one: PORT=$((port + 1)) deploy/quickstart.sh"
fi

install_missing "${BUILD_PACKAGES[@]}" boost postgresql
pick_folder
lock_folder
build
start_postgres

server="host=$(quoted "$socket_dir") port=5432 user=postgres"
dsn="$server dbname=pgherald"
psql=(psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$server dbname=postgres")
if [ -z "$("${psql[@]}" -c "select 1 from pg_database where datname = 'pgherald'")" ]; then
    "${psql[@]}" -c "create database pgherald"
fi
PGHERALD_POSTGRES_DSN=$dsn as_server "$binary" migrate
start_daemon

# Only who runs Postgres, and root, can enter the folder of its socket.
sudo=
if [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ] && [ "$server_user" != "$SUDO_USER" ]; then
    sudo='sudo '
fi

cat <<TEXT

pgherald is running. The console: http://127.0.0.1:$port/

Subscribe to the channel sports there, then insert a message from another terminal:

  ${sudo}psql "$dsn" -c "insert into queue.message (channel, data) values ('sports', '{\"match\":\"final\",\"score\":\"2:1\"}')"

Plain LISTEN receives it too:

  ${sudo}psql "$dsn" -c "listen sports" -c "select pg_sleep(20)" -c "select"

Ctrl-C stops pgherald and its Postgres; the data stays in $folder

TEXT

status=0
wait "$daemon" || status=$?
daemon=
echo "quickstart: pgherald ended by itself with exit code $status" >&2
exit 1
