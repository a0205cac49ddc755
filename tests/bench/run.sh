#!/usr/bin/env bash
# Measures: installs what is missing (Debian), builds, runs the load generator, writes a page and pictures.
#   tests/bench/run.sh            all scenarios; into build/bench/
#   tests/bench/run.sh B D        these only (A to K, costs)
#   tests/bench/run.sh --save     the page and the pictures also into docs/bench/
# Wants a machine that does nothing else. Exits with 1 when anything failed, 64 for a scenario there isn't.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
# shellcheck source=deploy/packages.sh
. deploy/packages.sh

save=
scenarios=()
for word in "$@"; do
    case $word in
        --save) save=yes ;;
        [A-K]|costs) scenarios+=("$word") ;;
        *) echo "tests/bench/run.sh: there is no $word; scenarios are A to K and costs" >&2; exit 64 ;;
    esac
done

fail() { echo "tests/bench/run.sh: $*" >&2; exit 1; }

packages=("${BUILD_PACKAGES[@]}" boost libgtest-dev python3 postgresql postgresql-client)
if [ "$(node -p 'process.versions.node.split(".")[0] >= 18' 2>/dev/null)" != true ] || ! command -v npm >/dev/null; then
    packages+=(nodejs npm)
fi
install_missing "${packages[@]}" || fail "could not install what is missing"

out=build/bench
mkdir -p "$out"
cmake --preset release -D Python3_EXECUTABLE=/usr/bin/python3 -D PGHERALD_TESTS=ON >"$out/configure.log" 2>&1 ||
    { cat "$out/configure.log" >&2; fail "could not configure"; }
cmake --build build/release -j "$(build_jobs)" --target pgherald bench_load

peer=tests/bench/peers/node
if [ ! "$peer/node_modules/.package-lock.json" -nt "$peer/package-lock.json" ]; then
    npm ci --prefix "$peer" --no-audit --no-fund --ignore-scripts
fi

# Time that the host gave to other machines, and all time, in ticks.
ticks() { awk '/^cpu / { print $9, $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 }' /proc/stat; }
before=$(ticks)

rm -f "$out"/results.jsonl "$out"/results.md "$out"/*.svg # the load generator adds to what is there
build/release/bench_load --node "$peer/server.mjs" --daemon build/release/pgherald --out "$out/results.jsonl" \
    ${scenarios[@]+"${scenarios[@]}"}

stolen=$(awk '{ printf "%.0f %% of the cores", 100 * ($3 - $1) / ($4 - $2) }' <<<"$before $(ticks)")

# report FILE FOLDER
report() {
    python3 tests/bench/report.py "$out/results.jsonl" --markdown "$1" --pictures "$2" \
        --meta "pgherald=$(git describe --always --dirty 2>/dev/null || true)" \
        --meta "Postgres=$("${PGHERALD_PG_BIN:-$(postgres_bin)}/postgres" --version | sed 's/^postgres (PostgreSQL) //'), fsync on" \
        --meta "Node.js=$(node --version)" \
        --meta "compiler=$("$(sed -n 's/^CMAKE_CXX_COMPILER:[^=]*=//p' build/release/CMakeCache.txt)" --version | head -n 1)" \
        --meta "taken by other machines=$stolen" \
        --meta "command=tests/bench/run.sh${scenarios[*]:+ ${scenarios[*]}}"
}
report "$out/results.md" "$out"
echo "$out/results.md"
if [ -n "$save" ]; then
    report docs/bench/results.md docs/bench
    echo docs/bench/results.md
fi
