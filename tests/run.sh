#!/usr/bin/env bash
# The one test command: installs what is missing (Debian), builds, runs every tier, says how it went.
#   tests/run.sh              all tiers
#   tests/run.sh unit pg      these only
# Tiers: arch unit pg e2e chaos (the release build), browser, asan and tsan (unit, pg and e2e again, with
# the daemon under sanitizers), fuzz, tidy. Exits with 1 when any failed, 64 for a tier it doesn't know.
# FUZZ_SECONDS (10): how long each fuzz target runs.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=deploy/packages.sh
. deploy/packages.sh

ALL_TIERS=(arch unit pg e2e chaos browser asan tsan fuzz tidy)
results=$root/build/test-results

# Tests wait more than they work. Meanwhile another process of this script, at the lowest priority, does
# what later tiers need the processor for: `tests/run.sh --ahead TIER...`.
ahead=
if [ "${1-}" = --ahead ]; then
    ahead=yes
    shift
elif [ $# -eq 0 ]; then
    set -- "${ALL_TIERS[@]}"
fi
for tier in "$@"; do
    if [[ " ${ALL_TIERS[*]} " != *" $tier "* ]]; then
        echo "tests/run.sh: there is no tier $tier; tiers are: ${ALL_TIERS[*]}" >&2
        exit 64
    fi
done

wants() {
    local tier
    for tier in "$@"; do
        [[ " $wanted " != *" $tier "* ]] || return 0
    done
    return 1
}
wanted=$*

# Any Node from 18 on will do, wherever it comes from.
has_node() {
    [ "$(node -p 'process.versions.node.split(".")[0] >= 18' 2>/dev/null)" = true ] && command -v npm >/dev/null
}

install_for_build() {
    install_missing "${BUILD_PACKAGES[@]}" boost libgtest-dev python3
}

install_for_tests() {
    local packages=()
    if wants arch unit; then
        packages+=(python3-jsonschema)
    fi
    if wants pg e2e chaos browser asan tsan; then
        packages+=(postgresql postgresql-client)
    fi
    if wants e2e chaos asan tsan; then
        packages+=(iptables)
    fi
    if wants e2e asan tsan; then
        packages+=(pgbouncer)
    fi
    if wants browser; then
        packages+=(chromium)
        has_node || packages+=(nodejs npm)
    fi
    if wants asan tsan fuzz tidy; then
        packages+=(clang-14)
    fi
    if wants asan tsan fuzz; then
        packages+=(libclang-rt-14-dev lld-14 llvm-14) # llvm-14: names instead of addresses in reports
    fi
    if wants tidy; then
        packages+=(clang-tidy-14 shellcheck)
    fi
    install_missing "${packages[@]}"
}

# Configures a preset; a build folder that CMake won't go on with (moved here, of another compiler) is begun anew.
configure() {
    local preset=$1
    shift
    # Debian's interpreter sees Debian's modules; another one that comes first in PATH may not.
    set -- --preset "$preset" -D Python3_EXECUTABLE=/usr/bin/python3 "$@"
    cmake "$@" >"$results/configure-$preset.log" 2>&1 || cmake --fresh "$@"
}

build() {
    local folder=$1
    shift
    cmake --build "$folder" -j "$(build_jobs)" "$@"
}

# check LABEL[|LABEL] FOLDER JOBS [COMMAND...]: runs the tests with this label, COMMAND in front of ctest, and counts them.
check() {
    local label=$1 folder=$2 jobs=$3 status=0
    shift 3
    local report=$results/$tier-${label//|/-}
    rm -rf "$report".xml "$report".gtest
    # A binary that is one test to ctest counts its tests into reports of its own.
    local environment=(env)
    [[ $label = unit || $label = arch ]] || environment+=("GTEST_OUTPUT=xml:$report.gtest/")
    "${environment[@]}" "$@" ctest --test-dir "$folder" -L "^($label)\$" --no-tests=error -j "$jobs" \
        --output-on-failure --output-junit "$report.xml" || status=$?
    /usr/bin/python3 - "$report" >>"$results/$tier.count" <<'PYTHON'
import pathlib, sys, xml.etree.ElementTree as xml
report = pathlib.Path(sys.argv[1] + ".xml")
binaries, passed, failed = set(), 0, 0
for inside in pathlib.Path(sys.argv[1] + ".gtest").glob("*.xml"):
    cases = list(xml.parse(inside).iter("testcase"))
    bad = sum(case.find("failure") is not None for case in cases)
    passed += sum(case.get("result") == "completed" for case in cases) - bad
    failed += bad
    binaries |= {inside.stem} | {f'{case.get("classname")}.{case.get("name")}' for case in cases}
broken = 0
for test in xml.parse(report).iter("testcase") if report.exists() else []:
    counted = any(test.get("name").startswith(name) for name in binaries)
    broken += test.get("status") == "fail"
    passed += test.get("status") == "run" and not counted
failed = max(failed, broken)
print(passed, failed)
PYTHON
    return "$status"
}

# Unit tests side by side; those with deadlines want the machine, but wait most of the time.
# The tests that drive the daemon from outside are those of the release build.
check_sanitized() {
    local folder=$1 status=0
    shift
    check unit "$folder" "$(nproc)" "$@" || status=$?
    check 'pg|ws' "$folder" 3 "$@" || status=$?
    PGHERALD_BINARY=$root/$folder/pgherald PGHERALD_SANITIZED=1 check e2e build/release 3 "$@" || status=$?
    return "$status"
}

arch_tier() {
    build_release && check arch build/release "$(nproc)"
}

unit_tier() {
    build_release && check unit build/release "$(nproc)"
}

pg_tier() {
    build_release && check pg build/release 2
}

e2e_tier() {
    build_release && check 'ws|e2e|bench' build/release 4
}

chaos_tier() {
    build_release && check chaos build/release 1
}

build_release() {
    configure release -D PGHERALD_TESTS=ON && build build/release
}

browser_tier() {
    build_release || return
    local status=0
    tests/browser/run.sh | tee "$results/browser.log" || status=$?
    awk '/^[^ ]+ pass [0-9]+$/ { passed = $3 } /^[^ ]+ fail [0-9]+$/ { failed = $3 }
         END { print passed + 0, failed + 0 }' "$results/browser.log" >"$results/browser.count"
    return "$status"
}

# The runtimes of Clang 14 can't live with the address space layout of newer kernels.
fixed_layout=(setarch -R)
"${fixed_layout[@]}" true 2>/dev/null || fixed_layout=()
symbolizer=/usr/lib/llvm-14/bin/llvm-symbolizer

prepare_asan() {
    configure asan-ubsan && build build/asan-ubsan
}

asan_tier() {
    build_release && prepared asan || return
    ASAN_SYMBOLIZER_PATH=$symbolizer ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 \
        UBSAN_OPTIONS=print_stacktrace=1 check_sanitized build/asan-ubsan "${fixed_layout[@]}"
}

prepare_tsan() {
    configure tsan && build build/tsan
}

tsan_tier() {
    build_release && prepared tsan || return
    TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:external_symbolizer_path=$symbolizer \
        check_sanitized build/tsan "${fixed_layout[@]}"
}

fuzz_targets() {
    local source
    for source in tests/fuzz/*_fuzz.cpp; do
        basename "$source" .cpp
    done
}

fuzz_one() {
    # What is found goes into the first folder; the second one, in the repository, is only read.
    local target=$1 folder=build/asan-ubsan
    local corpus=$folder/corpus/$target
    mkdir -p "$corpus" "tests/fuzz/corpus/${target%_fuzz}"
    ASAN_SYMBOLIZER_PATH=$symbolizer "${fixed_layout[@]}" "$folder/$target" \
        -max_total_time="${FUZZ_SECONDS:-10}" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="$folder/$target-" \
        "$corpus" "tests/fuzz/corpus/${target%_fuzz}" >"$results/fuzz-$target.log" 2>&1
}

prepare_fuzz() {
    local targets
    mapfile -t targets < <(fuzz_targets)
    configure asan-ubsan && build build/asan-ubsan --target "${targets[@]}"
}

fuzz_tier() {
    prepared fuzz || return
    local targets running=() target at=0 failed=0
    mapfile -t targets < <(fuzz_targets)
    while [ "$at" -lt "${#targets[@]}" ] || [ "${#running[@]}" -gt 0 ]; do
        if [ "$at" -lt "${#targets[@]}" ] && [ "${#running[@]}" -lt "$(nproc)" ]; then
            fuzz_one "${targets[at]}" &
            running+=("$!:${targets[at]}")
            at=$((at + 1))
            continue
        fi
        target=${running[0]#*:}
        if wait "${running[0]%%:*}"; then
            echo "fuzzed $target: $(grep -a number_of_executed_units "$results/fuzz-$target.log" || true)"
        else
            failed=$((failed + 1))
            cat "$results/fuzz-$target.log"
            echo "FAILED $target"
        fi
        running=("${running[@]:1}")
    done
    echo $((${#targets[@]} - failed)) "$failed" >"$results/fuzz.count"
    [ "$failed" -eq 0 ]
}

prepare_tidy() {
    # clang-tidy needs the command lines of its own compiler; GCC's have flags it doesn't know. A room's files
    # as one: most of what it walks are headers, and so once a room.
    configure dev -B build/tidy -D CMAKE_CXX_COMPILER=clang++-14 -D CMAKE_C_COMPILER=clang-14 \
        -D PGHERALD_TESTS=OFF -D CMAKE_DISABLE_PRECOMPILE_HEADERS=ON \
        -D CMAKE_UNITY_BUILD=ON -D CMAKE_UNITY_BUILD_BATCH_SIZE=0 || return
    local scripts
    mapfile -t scripts < <(find .ci deploy tests -name node_modules -prune -o -type f \( -name '*.sh' -o -path '.ci/run' \) -print)
    shellcheck -x -S warning "${scripts[@]}" || return
    run-clang-tidy-14 -quiet -p build/tidy -j "$(build_jobs)" "^$root/(src|build/tidy/src/CMakeFiles/pgherald(_[a-z]+)?\.dir)/" 2>/dev/null
}

tidy_tier() {
    prepared tidy
}

# What the other process has done, is doing, or what has to be done now.
prepared() {
    local tier=$1
    while [ ! -e "$results/$tier.ahead" ] && [ -n "$ahead_pid" ] && kill -0 "$ahead_pid" 2>/dev/null; do
        sleep 1
    done
    if [ ! -e "$results/$tier.ahead" ]; then
        "prepare_$tier"
        return
    fi
    cat "$results/$tier.ahead.log"
    return "$(cat "$results/$tier.ahead")"
}

prepare_ahead() {
    local tier status
    # Sessions have a priority of their own where the kernel groups by them.
    renice -n 19 -p $$ >/dev/null 2>&1 || true
    echo 19 2>/dev/null >/proc/self/autogroup || true
    for tier in "$@"; do
        status=0
        "prepare_$tier" >"$results/$tier.ahead.log" 2>&1 </dev/null || status=$?
        echo "$status" >"$results/$tier.status"
        mv "$results/$tier.status" "$results/$tier.ahead"
    done
}

ahead_pid=
start_ahead() {
    local tier later=()
    rm -f "$results"/*.ahead
    for tier in "$@"; do
        [[ " asan tsan fuzz tidy " != *" $tier "* ]] || later+=("$tier")
    done
    # With nothing to wait for in the meantime there is nothing to gain.
    [ ${#later[@]} -gt 0 ] && [ $# -gt 1 ] || return 0
    setsid "$root/tests/run.sh" --ahead "${later[@]}" </dev/null >/dev/null 2>&1 &
    ahead_pid=$!
    trap 'kill -- "-$ahead_pid" 2>/dev/null || true' EXIT
}

if [ -n "$ahead" ]; then
    prepare_ahead "$@"
    exit
fi

mkdir -p "$results"
install_failed() {
    echo "tests/run.sh: could not install what is missing" >&2
    exit 1
}
install_for_build || install_failed
# The release build needs nothing of the rest, and dpkg keeps one core busy.
install_for_tests >"$results/install.log" 2>&1 &
installing=$!

begun=$SECONDS
if wants arch unit pg e2e chaos browser asan tsan; then
    build_release || true # the first tier says so once more, and fails
fi
built=$((SECONDS - begun))
wait "$installing" || { cat "$results/install.log"; install_failed; }
start_ahead "$@"

passed=0
failed=0
summary=("$(printf '%-8s built in %d s' release "$built")")
for tier in "$@"; do
    echo
    echo "== $tier"
    begun=$SECONDS
    rm -f "$results/$tier.count"
    status=0
    "${tier}_tier" </dev/null || status=$?
    # A tier that counts nothing, or failed before it could, is one test.
    good=0
    bad=0
    if [ -f "$results/$tier.count" ]; then
        read -r good bad < <(awk '{ good += $1; bad += $2 } END { print good + 0, bad + 0 }' "$results/$tier.count")
    elif [ "$status" -eq 0 ]; then
        good=1
    fi
    verdict=passed
    if [ "$status" -ne 0 ]; then
        verdict=FAILED
        [ "$bad" -gt 0 ] || bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    summary+=("$(printf '%-8s %s in %d s: %d passed, %d failed' "$tier" "$verdict" "$((SECONDS - begun))" "$good" "$bad")")
done

echo
printf '%s\n' "${summary[@]}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
