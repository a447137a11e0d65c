#!/usr/bin/env bash
# Fuzzes the parsers that read what others wrote, with AddressSanitizer, from the corpus in Tests/Fuzz/Corpus.
#   tools/fuzz.sh [RUNS] [PARSER …]      RUNS executions each (100000); all parsers unless some are named
# An input that crashes, hangs or leaks is left in .build/fuzz-findings.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh
runs=${1:-100000}
shift || true
parsers=("$@")
if [ "${#parsers[@]}" = 0 ]; then parsers=($(ls Tests/Fuzz/Corpus)); fi
export CURRICLE_FUZZ=1
swift build -c release --product Fuzz --scratch-path .build/fuzz -Xswiftc -sanitize=fuzzer,address -Xswiftc -use-ld=lld
for parser in "${parsers[@]}"; do
    work=$(mktemp -d)
    mkdir -p .build/fuzz-findings
    echo "fuzzing $parser, $runs runs"
    FUZZ_PARSER=$parser .build/fuzz/release/Fuzz -runs="$runs" -max_len=32768 -timeout=5 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix=".build/fuzz-findings/$parser-" "$work" "Tests/Fuzz/Corpus/$parser" > "$work.log" 2>&1 || true
    grep -E "ERROR|SUMMARY|stat::number_of_executed|stat::peak_rss|Test unit" "$work.log" || true
    executed=$(grep -oE "number_of_executed_units: [0-9]+" "$work.log" | grep -oE "[0-9]+" || echo 0)
    rm -rf "$work" /dev/shm/curricle-fuzz-*
    if [ "$executed" -lt "$runs" ]; then tail -20 "$work.log"; echo "only $executed of $runs runs"; exit 1; fi
    if compgen -G ".build/fuzz-findings/$parser-*" > /dev/null; then echo "findings: $(ls .build/fuzz-findings/$parser-*)"; exit 1; fi
done
