# shellcheck shell=bash
# Sourced by deploy/quickstart.sh and tests/run.sh: installs Debian packages that are missing, and only those.

# shellcheck disable=SC2034  # for those who source this
BUILD_PACKAGES=(
    build-essential cmake ninja-build pkg-config libpq-dev rapidjson-dev libtomlplusplus-dev
    libssl-dev libspdlog-dev libcli11-dev prometheus-cpp-dev libsystemd-dev
    libmimalloc-dev
)

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The Boost headers: any version from 1.81 on does, and Debian has another one in each release. They
# conflict with each other, so one that is there already is taken as it is.
boost_package() {
    local version
    for version in 1.81 1.83 1.88; do
        if is_installed "libboost$version-dev"; then
            echo "libboost$version-dev"
            return
        fi
    done
    for version in 1.81 1.83 1.88; do
        if apt-cache show "libboost$version-dev" >/dev/null 2>&1; then
            break
        fi
    done
    echo "libboost$version-dev"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "this needs root, and there is no sudo: $*" >&2
        return 1
    fi
}

APT_INSTALL=(
    env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300
    install -y --no-install-recommends
)

apt_install() {
    as_root "${APT_INSTALL[@]}" "$@" </dev/null
}

# Debian makes a database cluster named main as it installs the server, and starts it. Nobody asked for that
# one here, so it isn't made; afterwards the setting is as it was, also when Ctrl-C ends it: one shell of root's
# does it all, so that no second password is asked for in between.
install_postgres() {
    local setting=/etc/postgresql-common/createcluster.conf
    is_installed postgresql-common || apt_install postgresql-common || return
    if ! grep -q '^#create_main_cluster = true' "$setting"; then
        apt_install postgresql # somebody has decided it already
        return
    fi
    # shellcheck disable=SC2016 # expanded by that shell
    as_root bash -c '
        setting=$1
        shift
        trap '\''sed -i "s/^create_main_cluster = false/#create_main_cluster = true/" "$setting"'\'' EXIT
        trap "exit 130" INT
        trap "exit 143" TERM HUP
        sed -i "s/^#create_main_cluster = true/create_main_cluster = false/" "$setting"
        "$@"
        exit' install-postgres "$setting" "${APT_INSTALL[@]}" postgresql </dev/null
}

# install_missing PACKAGE...: "boost" stands for the Boost headers.
install_missing() {
    local package missing=() postgres=
    if ! command -v apt-get >/dev/null; then
        echo "no apt-get here: taking it that these are installed: $*" >&2
        return
    fi
    for package in "$@"; do
        is_installed "$package" && continue
        case $package in
            boost) is_installed "$(boost_package)" || missing+=(boost) ;;
            postgresql) [ -n "$(postgres_bin)" ] || postgres=yes ;;
            *) missing+=("$package") ;;
        esac
    done
    if [ ${#missing[@]} -eq 0 ] && [ -z "$postgres" ]; then
        return
    fi
    echo "installing: ${missing[*]}${postgres:+ postgresql}"
    as_root apt-get -q -o DPkg::Lock::Timeout=300 update </dev/null || return
    for package in "${!missing[@]}"; do
        [ "${missing[package]}" != boost ] || missing[package]=$(boost_package)
    done
    if [ ${#missing[@]} -gt 0 ]; then
        apt_install "${missing[@]}" || return
    fi
    [ -z "$postgres" ] || install_postgres
}

# Where initdb and pg_ctl are; Debian keeps them out of PATH, one folder a version. Nothing: not installed.
postgres_bin() {
    local initdb
    initdb=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$initdb" ]; then
        initdb=$(command -v initdb || true)
    fi
    [ -z "$initdb" ] || dirname "$initdb"
}

# As many compilers as there are cores, but a file that includes Beast can take 2 GB.
build_jobs() {
    local cores memory
    cores=$(nproc)
    memory=$(awk '/^MemAvailable/ { print int($2 / 2000000) }' /proc/meminfo)
    if [ "$memory" -lt 1 ]; then
        memory=1
    fi
    echo $((memory < cores ? memory : cores))
}
