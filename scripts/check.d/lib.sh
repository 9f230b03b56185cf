# Functions of scripts/check: programs, their deadlines and results. Sourced.
# shellcheck shell=bash

logs=build/check
names=() kinds=() deadlines=() commands=() reasons=()
passed=0 failed=0 skipped=0

say() { printf 'check: %s\n' "$*"; }

# add NAME KIND DEADLINE_S COMMAND...   kinds: cmocka, unittest (their cases are counted), plain (counts as one)
add() {
    names+=("$1") kinds+=("$2") deadlines+=("$3")
    shift 3
    commands+=("$(printf '%q ' "$@")")
    reasons+=('')
}

# skip NAME REASON
skip() {
    names+=("$1") kinds+=(skip) deadlines+=(0) commands+=('') reasons+=("$2")
}

# Prints the sum of the numbers that the pattern (one group) finds in the file.
sum_of() { sed -nE "s/.*$1.*/\\1/p" "$2" | awk '{ n += $1 } END { print n + 0 }'; }

# Reads how many cases passed, failed and were skipped; a program that dies, fails or runs nothing has failed.
# usage: count KIND STATUS LOG; sets ret_passed, ret_failed, ret_skipped
count() {
    local kind=$1 status=$2 log=$3
    ret_passed=0 ret_failed=0 ret_skipped=0
    case $kind in
    cmocka)
        ret_passed=$(sum_of '^\[  PASSED  \] ([0-9]+) test' "$log")
        ret_failed=$(sum_of '^\[  FAILED  \] ([0-9]+) test' "$log")
        ret_skipped=$(sum_of '^\[  SKIPPED \] ([0-9]+) test' "$log")
        ;;
    unittest)
        ret_failed=$(($(sum_of '^FAILED \(failures=([0-9]+)' "$log") + $(sum_of '^FAILED \(.*errors=([0-9]+)' "$log") +
            $(sum_of '^FAILED \(.*unexpected successes=([0-9]+)' "$log")))
        # An expected failure is an open defect: it has not passed.
        ret_skipped=$(($(sum_of '^[A-Z]+ \(.*skipped=([0-9]+)' "$log") + $(sum_of '^[A-Z]+ \(.*expected failures=([0-9]+)' "$log")))
        ret_passed=$(($(sum_of '^Ran ([0-9]+) tests? in' "$log") - ret_failed - ret_skipped))
        [ "$ret_passed" -ge 0 ] || ret_passed=0
        ;;
    *)
        if [ "$status" -eq 0 ]; then ret_passed=1; fi
        if [ "$status" -eq 77 ]; then ret_skipped=1 status=0; fi # what it needs is not to be had; its output says what
        ;;
    esac
    if [ "$ret_failed" -eq 0 ] && { [ "$status" -ne 0 ] || [ $((ret_passed + ret_skipped)) -eq 0 ]; }; then
        ret_failed=1
    fi
}

# Ends what a program has left behind: processes that carry its mark in their environment.
reap() {
    local mark=$1 pid pids=() round
    for round in 1 2 3 4 5 6; do
        mapfile -t pids < <(grep -lsF -- "HECATE_CHECK_MARK=$mark" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3)
        [ ${#pids[@]} -gt 0 ] || return 0
        [ "$round" -lt 6 ] || break
        sleep 0.5
    done
    printf 'check: left behind and killed:\n'
    for pid in "${pids[@]}"; do
        tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null || true
        printf '(pid %s)\n' "$pid"
        kill -9 "$pid" 2>/dev/null || true
    done
    pids=("${pids[@]/#//proc/}")
    for round in $(seq 50); do # until they are gone: what follows may look for them
        grep -qsF -- "HECATE_CHECK_MARK=$mark" "${pids[@]/%//environ}" || return 0
        sleep 0.1
    done
}

# Runs program I; leaves its output in a log and STATUS and seconds in a file beside it.
run_one() {
    local i=$1 log start status=0 mark
    log=$logs/${names[$i]}.log
    mkdir -p "$(dirname "$log")"
    rm -f "$log".*
    start=$(date +%s.%N)
    mark=$$-$i-$start
    # Sanitizers also speak when standard error is not ours, as in the daemons of cluster tests.
    HECATE_CHECK_MARK=$mark \
        ASAN_OPTIONS="log_path=$PWD/$log.sanitizer:${ASAN_OPTIONS-}" \
        UBSAN_OPTIONS="print_stacktrace=1:log_path=$PWD/$log.sanitizer:${UBSAN_OPTIONS-}" \
        timeout --kill-after=20 --signal=INT "${deadlines[$i]}" bash -c "exec ${commands[$i]}" \
        </dev/null >"$log" 2>&1 || status=$?
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        printf 'check: not done within %s s\n' "${deadlines[$i]}" >>"$log"
    fi
    reap "$mark" >>"$log"
    local report
    for report in "$log".sanitizer.*; do
        [ -s "$report" ] || continue
        cat "$report" >>"$log"
        [ "$status" -ne 0 ] || status=99
    done
    printf '%s %s\n' "$status" "$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')" >"$log.result"
}

# One line for program I, its whole output when it failed; adds to the totals.
report_one() {
    local i=$1 log status seconds word=ok text
    log=$logs/${names[$i]}.log
    if [ "${kinds[$i]}" = skip ]; then
        skipped=$((skipped + 1))
        printf '%-5s %-42s %s\n' skip "${names[$i]}" "${reasons[$i]}"
        return
    fi
    read -r status seconds <"$log.result"
    count "${kinds[$i]}" "$status" "$log"
    passed=$((passed + ret_passed)) failed=$((failed + ret_failed)) skipped=$((skipped + ret_skipped))
    text="$ret_passed passed"
    [ "$ret_failed" -eq 0 ] || { text+=", $ret_failed failed" word=FAIL; }
    [ "$ret_skipped" -eq 0 ] || text+=", $ret_skipped skipped"
    printf '%-5s %-42s %-32s %8s s\n' "$word" "${names[$i]}" "$text" "$seconds"
    if [ "$word" = FAIL ]; then
        printf -- '----- %s (exit status %s)\n' "$log" "$status"
        cat "$log"
        printf -- '----- end of %s\n' "$log"
    elif [ "$ret_skipped" -gt 0 ]; then
        grep -iE 'skipped|expected failure|error:' "$log" | head -n 5 | sed 's/^/      /' || true
    fi
}

# Runs the programs with the given numbers, up to $1 at a time, and reports them in order.
run_all() {
    local width=$1 i running=0
    shift
    for i in "$@"; do
        [ "${kinds[$i]}" != skip ] || continue
        if [ "$width" -eq 1 ]; then
            run_one "$i"
            report_one "$i"
            continue
        fi
        if [ "$running" -ge "$width" ]; then
            wait -n
            running=$((running - 1))
        fi
        run_one "$i" &
        running=$((running + 1))
    done
    [ "$width" -eq 1 ] || wait
    for i in "$@"; do
        if [ "$width" -ne 1 ] || [ "${kinds[$i]}" = skip ]; then
            report_one "$i"
        fi
    done
}
