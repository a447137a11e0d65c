#!/bin/sh
# Runs under mpirun: the same weights for any number of ranks, threads and either implementation; what is said and how it ends when a rank dies,
# stops answering or is asked to leave.
#   tools/test_mpi.sh [CURRICLE] [--all]      default .build/release/curricle, a covering part
# Needs the engines beside the command (tools/build_engines.sh) and what tools/setup.sh --mpi installs.
set -eu
cd "$(dirname "$0")/.."
curricle=.build/release/curricle
all=""
for word in "$@"; do
    if [ "$word" = --all ]; then all=1; else curricle=$word; fi
done
curricle=$(realpath "$curricle")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none

fail() { echo "FAILED: $*" >&2; exit 1; }
# A second rank's threads wait for processors here, not for one another.
model="--image-size 8 --patch-size 2 --channels 1 --embed-dim 16 --depth 1 --num-heads 2 --decoder-embed-dim 16 --decoder-depth 1 --decoder-num-heads 2
    --augment none --mean 0.5 --std 0.5 --batch-size 4 --epochs 2 --warmup-epochs 1"
python3 tools/faults/digits.py "$folder/data" 52
run() { # run KIND RANKS OUTPUT OPTIONS…
    kind=$1 ranks=$2 output=$3
    shift 3
    # shellcheck disable=SC2086
    timeout -k 5 60 "mpirun.$kind" -n "$ranks" "$curricle" pretrain --data "$folder/data" --output "$folder/$output" $model "$@" >"$folder/out" 2>&1
}
weights() { sha256sum "$folder/$1/model.safetensors" | cut -c1-64; }
state() { sha256sum "$(ls "$folder/$1"/state-* | tail -1)" | cut -c1-64; }

# 13 batches an epoch: the last update has fewer than the others.
number=0
check() { # check GROUPS OPTIONS…
    groups=$1
    shift
    number=$((number + 1))
    # shellcheck disable=SC2086
    "$curricle" pretrain --data "$folder/data" --output "$folder/one-$number" $model --gradient-groups "$groups" --accum-iter "$groups" --threads 2 "$@" >"$folder/out" 2>&1 ||
        { cat "$folder/out"; fail "one process, $*"; }
    for kind in $kinds; do
        for ranks in $counts; do
            [ "$ranks" -le "$groups" ] || continue
            name="$kind-$ranks-$number"
            run "$kind" "$ranks" "$name" --gradient-groups "$groups" --accum-iter "$groups" --threads $((ranks % 2 + 1)) "$@" || { cat "$folder/out"; fail "$kind, $ranks ranks: $*"; }
            [ "$(state "one-$number")" = "$(state "$name")" ] || fail "$kind, $ranks ranks, $groups groups: other bits: $*"
            [ "$(weights "one-$number")" = "$(weights "$name")" ] || fail "$kind, $ranks ranks, $groups groups: other weights: $*"
        done
    done
    echo "$groups groups: $*: ranks $counts of $kinds give one process's bits"
}
kinds=""
for kind in openmpi mpich; do command -v "mpirun.$kind" >/dev/null && kinds="$kinds $kind"; done
[ -n "$kinds" ] || fail "no mpirun: tools/setup.sh --mpi"
if [ -n "$all" ]; then counts="2 3 4 8"; else counts="2 3"; fi
check 6
check 8 --masker rank --clip-grad 0.5
if [ -n "$all" ]; then
    check 8
    check 8 --masking random
    check 6 --mask-noise 0.5 --masker-every 2
    check 8 --micro-batch 3 --clip-grad 1
    check 6 --masking block --uniformity 0.1
    check 2 --on-nonfinite skip --lr 1e9
fi

# Ended after some steps, resumed by another number of ranks.
kind=${kinds##* }
run "$kind" 2 part --gradient-groups 6 --accum-iter 6 --threads 1 --max-steps 2 || { cat "$folder/out"; fail "a part"; }
run "$kind" 3 part --gradient-groups 6 --accum-iter 6 --threads 1 --resume || { cat "$folder/out"; fail "resuming with another number of ranks"; }
[ "$(state part)" = "$(state one-1)" ] || fail "resumed by three ranks: other bits"
run "$kind" 2 told || fail "without options"
grep -q -- "2 ranks: --gradient-groups 2 --accum-iter 2" "$folder/out" || fail "what one process is to be given is not said"

# Killed, and gone on with.
rounds=2
[ -z "$all" ] || rounds=20
for kind in $kinds; do
    for round in $(seq $rounds); do
        rm -rf "$folder/killed"
        # shellcheck disable=SC2086
        timeout -k 5 60 "mpirun.$kind" -n 3 "$curricle" pretrain --data "$folder/data" --output "$folder/killed" $model --epochs 40 --gradient-groups 6 --accum-iter 6 --threads 1 --save-every-steps 1 >"$folder/out" 2>&1 &
        launcher=$!
        while ! ls "$folder/killed"/state-* >/dev/null 2>&1; do sleep 0.1; done
        sleep "0.$((round * 3 % 10))"
        pkill -9 -n -f "$folder/killed" || true
        code=0
        wait $launcher || code=$?
        [ $code -ne 0 ] && [ $code -ne 124 ] || fail "$kind: killed rank, launcher ended with $code"
    done
    echo "$kind: $rounds jobs with a killed rank ended"
done
# shellcheck disable=SC2086
run "$kind" 2 killed --epochs 40 --gradient-groups 6 --accum-iter 6 --threads 1 --save-every-steps 1 --resume || { cat "$folder/out"; fail "resuming after a kill"; }
# shellcheck disable=SC2086
"$curricle" pretrain --data "$folder/data" --output "$folder/whole" $model --epochs 40 --gradient-groups 6 --accum-iter 6 --save-every-steps 1 >"$folder/out" 2>&1
[ "$(state whole)" = "$(state killed)" ] || fail "killed and resumed: other bits"

# A rank that stops answering; a signal that asks all to leave; the wrong launcher; no engine; a command that is for one process.
for kind in $kinds; do
    # shellcheck disable=SC2086
    timeout -k 5 60 "mpirun.$kind" -n 3 "$curricle" pretrain --data "$folder/data" --output "$folder/stopped-$kind" $model --epochs 100000 --threads 1 --accum-iter 4 --peer-timeout 5 >"$folder/out" 2>&1 &
    launcher=$!
    while ! ls "$folder/stopped-$kind"/log.jsonl >/dev/null 2>&1; do sleep 0.1; done
    sleep 1
    stopped=$(pgrep -n -f "$folder/stopped-$kind")
    kill -STOP "$stopped"
    code=0
    wait $launcher || code=$?
    kill -9 "$stopped" 2>/dev/null || true
    [ $code -eq 3 ] || { cat "$folder/out"; fail "$kind: stopped rank, code $code"; }
    grep -q "has not answered for .* --resume" "$folder/out" || { cat "$folder/out"; fail "$kind: a stopped rank is not named"; }

    # shellcheck disable=SC2086
    timeout -k 5 60 "mpirun.$kind" -n 2 "$curricle" pretrain --data "$folder/data" --output "$folder/left-$kind" $model --epochs 100000 --threads 1 >"$folder/out" 2>&1 &
    launcher=$!
    while ! ls "$folder/left-$kind"/log.jsonl >/dev/null 2>&1; do sleep 0.1; done
    sleep 1
    pkill -USR1 -f "^[^ ]*mpirun.$kind.*left-$kind" # the launcher, which hands it on
    code=0
    wait $launcher || code=$?
    # MPICH's launcher forgets its ranks' code once it has handed on a signal.
    [ $code -eq 130 ] || { [ $code -eq 0 ] && [ "$kind" = mpich ]; } || { cat "$folder/out"; fail "$kind: SIGUSR1, code $code"; }
    ls "$folder/left-$kind"/state-* >/dev/null 2>&1 || fail "$kind: SIGUSR1 saved nothing"
    code=0
    timeout -k 5 60 "mpirun.$kind" -n 2 "$curricle" knn --weights x --train x --test x >"$folder/out" 2>&1 || code=$?
    [ $code -eq 2 ] || { cat "$folder/out"; fail "$kind: knn under mpirun, code $code"; }
    code=0
    run "$kind" 3 few --gradient-groups 2 --accum-iter 2 || code=$?
    [ $code -eq 2 ] || { cat "$folder/out"; fail "$kind: more ranks than groups, code $code"; }
    [ ! -e "$folder/few" ] || fail "$kind: a refused job wrote"
    mkdir -p "$folder/bare" && cp "$curricle" "$folder/bare/curricle"
    code=0
    timeout -k 5 60 "mpirun.$kind" -n 2 "$folder/bare/curricle" pretrain --data "$folder/data" --output "$folder/none" >"$folder/out" 2>&1 || code=$?
    [ $code -eq 2 ] || { cat "$folder/out"; fail "$kind: no engine, code $code"; }
    grep -q "libcurricle-$kind.so" "$folder/out" || { cat "$folder/out"; fail "$kind: the missing engine is not named"; }
    echo "$kind: a stopped rank, a signal, a foreign command, too many ranks and a missing engine end as they should"
done
if [ "$kinds" = " openmpi mpich" ]; then
    code=0
    CURRICLE_ENGINE=openmpi timeout -k 5 60 mpirun.mpich -n 2 "$curricle" pretrain --data "$folder/data" --output "$folder/wrong" >"$folder/out" 2>&1 || code=$?
    [ $code -ne 0 ] && [ $code -ne 124 ] && [ ! -e "$folder/wrong" ] || { cat "$folder/out"; fail "the wrong launcher, code $code"; }
fi
echo "runs under mpirun: all as they should be"
