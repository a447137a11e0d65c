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
launcher=""
trap '[ -z "$launcher" ] || kill "$launcher" 2>/dev/null || true; rm -rf "$folder"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none

fail() { echo "FAILED: $*" >&2; exit 1; }
model="--image-size 8 --patch-size 2 --channels 1 --embed-dim 16 --depth 1 --num-heads 2 --decoder-embed-dim 16 --decoder-depth 1 --decoder-num-heads 2
    --augment none --mean 0.5 --std 0.5 --batch-size 4 --epochs 2 --warmup-epochs 1"
python3 tools/faults/digits.py "$folder/data" 52
python3 tools/faults/digits.py "$folder/fewer" 51
python3 tools/faults/pictures.py "$folder/pictures" 52 --broken 7 30
data=$folder/data
# each A B COMMAND…: the word @ is A on the first rank and B on the others, which stand for other machines.
cat >"$folder/each" <<'EOF'
#!/bin/sh
own=$1 others=$2
shift 2
[ "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" = 0 ] || own=$others
for word in "$@"; do
    shift
    if [ "$word" = @ ]; then word=$own; fi
    set -- "$@" "$word"
done
exec "$@"
EOF
chmod +x "$folder/each"
run() { # run KIND RANKS OUTPUT OPTIONS…
    kind=$1 ranks=$2 output=$3
    shift 3
    # shellcheck disable=SC2086
    timeout -k 5 60 "mpirun.$kind" -n "$ranks" "$curricle" pretrain --data "$data" --output "$folder/$output" $model "$@" >"$folder/out" 2>&1
}
# The command's processes below one of ours, wherever the launcher puts them.
ranks_of() {
    for process in $(pgrep -P "$1"); do
        if [ "$(readlink "/proc/$process/exe")" = "$curricle" ]; then echo "$process"; else ranks_of "$process"; fi
    done
}
weights() { sha256sum "$folder/$1/model.safetensors" | cut -c1-64; }
state() { sha256sum "$(ls "$folder/$1"/state-* | tail -1)" | cut -c1-64; }

# 13 batches an epoch: the last update has fewer than the others. An update has as many batches as groups, but where `batches` says otherwise.
number=0
check() { # check GROUPS OPTIONS…
    groups=$1
    shift
    number=$((number + 1))
    iterations=${batches:-$groups}
    # shellcheck disable=SC2086
    "$curricle" pretrain --data "$data" --output "$folder/one-$number" $model --gradient-groups "$groups" --accum-iter "$iterations" --threads 2 "$@" >"$folder/out" 2>&1 ||
        { cat "$folder/out"; fail "one process, $*"; }
    for kind in $kinds; do
        for ranks in $counts; do
            [ "$ranks" -le "$groups" ] || continue
            name="$kind-$ranks-$number"
            run "$kind" "$ranks" "$name" --gradient-groups "$groups" --accum-iter "$iterations" --threads $((ranks % 2 + 1)) "$@" || { cat "$folder/out"; fail "$kind, $ranks ranks: $*"; }
            [ "$(state "one-$number")" = "$(state "$name")" ] || fail "$kind, $ranks ranks, $groups groups: other bits: $*"
            [ "$(weights "one-$number")" = "$(weights "$name")" ] || fail "$kind, $ranks ranks, $groups groups: other weights: $*"
        done
    done
    echo "$groups groups: $*: ranks $counts of $kinds give one process's bits"
}
# Every option of what is learned: one process with other threads, and a run that was cut and gone on with by other ranks, end in the same bits.
option() { # option OPTIONS…
    check 6 "$@"
    # shellcheck disable=SC2086
    "$curricle" pretrain --data "$data" --output "$folder/single" $model --gradient-groups 6 --accum-iter 6 --threads 1 "$@" >"$folder/out" 2>&1 ||
        { cat "$folder/out"; fail "one thread, $*"; }
    [ "$(state "one-$number")" = "$(state single)" ] || fail "one thread and two, $*: other bits"
    run "${kinds##* }" 2 cut --gradient-groups 6 --accum-iter 6 --threads 2 --max-steps 2 "$@" || { cat "$folder/out"; fail "a part, $*"; }
    run "${kinds##* }" 3 cut --gradient-groups 6 --accum-iter 6 --threads 1 --resume "$@" || { cat "$folder/out"; fail "resuming, $*"; }
    [ "$(state "one-$number")" = "$(state cut)" ] || fail "cut and resumed, $*: other bits"
    rm -rf "$folder/single" "$folder/cut"
}
kinds=""
for kind in openmpi mpich; do command -v "mpirun.$kind" >/dev/null && kinds="$kinds $kind"; done
[ -n "$kinds" ] || fail "no mpirun: tools/setup.sh --mpi"
if [ -n "$all" ]; then counts="2 3 4 8"; else counts="2 3"; fi
check 6
check 6 --precision bf16 --moments bf16
narrow=$model
# More parameters than fit one bucket, and ranks whose last group has no batch in an epoch's last update.
model="$(echo "$model" | sed 's/embed-dim 16/embed-dim 48/g') --depth 2"
[ -n "$all" ] || counts=4
check 8 --masker rank --clip-grad 0.5
# Batches that are cut over ranks: scores and errors come from several.
batches=1
model="$(echo "$narrow" | sed 's/--batch-size 4/--batch-size 12/')"
check 4 --micro-batch 3
batches=2
check 8 --micro-batch 3 --clip-grad 1
batches=""
model=$narrow
[ -n "$all" ] || counts="2 3"
data=$folder/pictures
check 6 --masking random
grep -q "0030.png" "$folder/out" || { cat "$folder/out"; fail "broken images are not named"; }
data=$folder/data
if [ -n "$all" ]; then
    check 8
    check 8 --masking random
    batches=1
    model="$(echo "$narrow" | sed 's/--batch-size 4/--batch-size 12/')"
    for options in "--masker rank" "--masking random" "--mask-noise 0.5" "--precision bf16" "--on-nonfinite skip --lr 1e9"; do
        # shellcheck disable=SC2086
        check 4 --micro-batch 3 $options
    done
    batches=""
    model=$narrow
    check 6 --mask-noise 0.5 --masker-every 2
    check 8 --micro-batch 3 --clip-grad 1
    check 6 --masking block --uniformity 0.1
    check 2 --on-nonfinite skip --lr 1e9
    for curriculum in partner neutral adversary reverse; do option --curriculum $curriculum; done
    for masking in block color; do option --masking $masking; done
    option --masker rank
    option --masker-every 3
    option --mask-noise 0.5
    option --uniformity 0.01
    option --precision bf16 --moments bf16
fi

# Ended after some steps, resumed by another number of ranks.
kind=${kinds##* }
run "$kind" 2 part --gradient-groups 6 --accum-iter 6 --threads 1 --max-steps 2 || { cat "$folder/out"; fail "a part"; }
run "$kind" 3 part --gradient-groups 6 --accum-iter 6 --threads 1 --resume || { cat "$folder/out"; fail "resuming with another number of ranks"; }
[ "$(state part)" = "$(state one-1)" ] || fail "resumed by three ranks: other bits"
run "$kind" 2 told || fail "without options"
grep -q -- "2 ranks: --gradient-groups 2 --accum-iter 2" "$folder/out" || fail "what one process is to be given is not said"

# Fine-tuning: the states, the weights and the best epoch's are one process's.
tuning="--weights $folder/one-1/model.safetensors --train $folder/data --holdout 0.3 --epochs 3 --batch-size 4 --gradient-groups 6 --accum-iter 6"
# shellcheck disable=SC2086
"$curricle" finetune $tuning --threads 2 --output "$folder/tuned" >"$folder/out" 2>&1 || { cat "$folder/out"; fail "finetune"; }
for kind in $kinds; do
    for ranks in $counts; do
        [ "$ranks" -le 6 ] || continue
        # shellcheck disable=SC2086
        timeout -k 5 60 "mpirun.$kind" -n "$ranks" "$curricle" finetune $tuning --threads 1 --max-steps 3 --output "$folder/tuned-$kind-$ranks" >"$folder/out" 2>&1 || { cat "$folder/out"; fail "$kind: finetune"; }
        # shellcheck disable=SC2086
        timeout -k 5 60 "mpirun.$kind" -n 2 "$curricle" finetune $tuning --threads 1 --resume --output "$folder/tuned-$kind-$ranks" >"$folder/out" 2>&1 || { cat "$folder/out"; fail "$kind: finetune --resume"; }
        [ "$(state tuned)" = "$(state "tuned-$kind-$ranks")" ] || fail "$kind, $ranks ranks: finetune: other bits"
        cmp "$folder/tuned/model-best.safetensors" "$folder/tuned-$kind-$ranks/model-best.safetensors" || fail "$kind: finetune: another best epoch"
    done
    code=0
    timeout -k 5 60 "mpirun.$kind" -n 2 "$curricle" finetune --eval --weights "$folder/tuned/model.safetensors" --train "$folder/data" --test "$folder/data" >"$folder/out" 2>&1 || code=$?
    [ $code -eq 2 ] || { cat "$folder/out"; fail "$kind: finetune --eval under mpirun, code $code"; }
done
echo "finetune: ranks $counts of $kinds, cut and gone on with, give one process's bits"

# What is measured between ranks is what a plan takes.
for kind in $kinds; do
    timeout -k 5 60 "mpirun.$kind" -n 2 "$curricle" bench exchange --json --repeats 3 >"$folder/network.json" 2>"$folder/out" || { cat "$folder/out"; fail "$kind: bench exchange"; }
    # shellcheck disable=SC2086
    timeout -k 5 60 "mpirun.$kind" -n 2 "$curricle" bench step --json --model tiny-p16 --image-size 32 --batch-size 2 --repeats 1 --warmup 0 --threads 1 >"$folder/update.json" 2>"$folder/out" || { cat "$folder/out"; fail "$kind: bench step"; }
    grep -q '"ranks":2.*"update_s":' "$folder/update.json" || { cat "$folder/update.json"; fail "$kind: bench step"; }
done
"$curricle" plan --model tiny-p16 --image-size 32 --batch-size 2 --threads 1 --ranks 1,2,64 --network "$folder/network.json" --json >"$folder/plan.json"
[ "$(grep -c '"efficiency":' "$folder/plan.json")" = 3 ] || { cat "$folder/plan.json"; fail "plan --ranks"; }
code=0
"$curricle" bench exchange >"$folder/out" 2>&1 || code=$?
[ $code -eq 2 ] || fail "bench exchange in one process, code $code"

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
        kill -9 "$(ranks_of $launcher | shuf -n 1)" || true
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
    stopped=$(ranks_of $launcher | tail -1)
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
    kill -USR1 "$(pgrep -P $launcher)" # below timeout; mpirun hands it on
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

    # Other images, a broken one, another file of weights, no run's folder on the other ranks' machines.
    code=0
    # shellcheck disable=SC2086
    timeout -k 5 60 "mpirun.$kind" -n 3 "$folder/each" "$data" "$folder/fewer" "$curricle" pretrain --data @ --output "$folder/other-$kind" $model >"$folder/out" 2>&1 || code=$?
    [ $code -eq 2 ] || { cat "$folder/out"; fail "$kind: other images on a rank, code $code"; }
    grep -q "rank 1 (.*) sees 51 images, rank 0 52 images" "$folder/out" || { cat "$folder/out"; fail "$kind: the rank with other images is not named"; }
    [ ! -e "$folder/other-$kind" ] || fail "$kind: a job whose ranks see other images wrote"
    code=0
    data=$folder/pictures
    run "$kind" 3 strict --strict --masking random || code=$?
    rm -rf "$folder/strict"
    data=$folder/data
    [ $code -eq 2 ] || { cat "$folder/out"; fail "$kind: a broken image with --strict, code $code"; }
    grep -q "00\(07\|30\).png" "$folder/out" || { cat "$folder/out"; fail "$kind: the broken image is not named"; }
    # shellcheck disable=SC2086
    timeout -k 5 60 "mpirun.$kind" -n 2 "$folder/each" "$folder/one-1/model.safetensors" "$folder/one-2/model.safetensors" "$curricle" pretrain --data "$data" --output "$folder/from-$kind" $model \
        --accum-iter 6 --gradient-groups 6 --threads 1 --max-steps 2 --init-from @ >"$folder/out" 2>&1 || { cat "$folder/out"; fail "$kind: --init-from"; }
    # shellcheck disable=SC2086
    [ -e "$folder/from" ] || "$curricle" pretrain --data "$data" --output "$folder/from" $model --accum-iter 6 --gradient-groups 6 --init-from "$folder/one-1/model.safetensors" >"$folder/out" 2>&1
    timeout -k 5 60 "mpirun.$kind" -n 3 "$folder/each" "$folder/from-$kind" "$folder/nowhere" "$curricle" pretrain --data "$data" --output @ --threads 1 --resume >"$folder/out" 2>&1 ||
        { cat "$folder/out"; fail "$kind: --resume where the first rank alone has the run's folder"; }
    [ "$(weights from)" = "$(weights "from-$kind")" ] || fail "$kind: begun by the first rank's weights, resumed by its folder: other bits"
    [ ! -e "$folder/nowhere" ] || fail "$kind: a rank other than the first wrote"

    # Features: rows dealt to ranks, the last batches of which are fewer than the ranks; a broken image ends the job.
    features="--weights $folder/one-1/model.safetensors --data $folder/pictures --skip-broken --batch-size 4 --pool mean --threads 1"
    # shellcheck disable=SC2086
    "$curricle" extract $features --output "$folder/one.npy" --csv "$folder/one.csv" >"$folder/out" 2>&1 || { cat "$folder/out"; fail "extract"; }
    for ranks in 2 3 8; do
        rm -f "$folder/dealt."*
        # shellcheck disable=SC2086
        timeout -k 5 60 "mpirun.$kind" -n $ranks "$curricle" extract $features --output "$folder/dealt.npy" --csv "$folder/dealt.csv" >"$folder/out" 2>&1 ||
            { cat "$folder/out"; fail "$kind: extract on $ranks ranks"; }
        cmp "$folder/one.npy" "$folder/dealt.npy" && cmp "$folder/one.csv" "$folder/dealt.csv" || fail "$kind: extract on $ranks ranks: other features"
    done
    code=0
    timeout -k 5 60 "mpirun.$kind" -n 3 "$curricle" extract --weights "$folder/one-1/model.safetensors" --data "$folder/pictures" --batch-size 4 --threads 1 --output "$folder/broken.npy" >"$folder/out" 2>&1 || code=$?
    [ $code -eq 2 ] && grep -q "00\(07\|30\).png" "$folder/out" && [ ! -e "$folder/broken.npy" ] || { cat "$folder/out"; fail "$kind: extract of a broken image, code $code"; }

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

# A cable between two hosts that is pulled: each says so within --peer-timeout. (Open MPI's launcher may then wait for the far host for ever.)
if [ -n "$all" ] && [ "$(id -u)" = 0 ] && tools/two_hosts.sh up 1gbit 2>"$folder/out"; then
    trap '[ -z "$launcher" ] || kill "$launcher" 2>/dev/null || true; tools/two_hosts.sh down; rm -rf "$folder"' EXIT
    for kind in $kinds; do
        # Several times: how a job ends is a race of its ranks.
        for _ in $(seq 10); do
            rm -rf "$folder/hosts-$kind"
            # shellcheck disable=SC2086
            timeout -k 5 60 tools/two_hosts.sh run "$kind" "$curricle" pretrain --data "$folder/data" --output "$folder/hosts-$kind" $model --gradient-groups 6 --accum-iter 6 --threads 1 >"$folder/out" 2>&1 ||
                { cat "$folder/out"; fail "$kind: two hosts"; }
            ! grep -q "has not ended" "$folder/out" || { cat "$folder/out"; fail "$kind: two hosts: MPI did not end"; }
            [ "$(state one-1)" = "$(state "hosts-$kind")" ] || fail "$kind: two hosts: other bits"
        done
        # shellcheck disable=SC2086
        timeout -k 5 60 tools/two_hosts.sh run "$kind" "$curricle" pretrain --data "$folder/data" --output "$folder/cut-$kind" $model --epochs 100000 --threads 1 --accum-iter 4 --peer-timeout 5 >"$folder/out" 2>&1 &
        launcher=$!
        while ! ls "$folder/cut-$kind"/log.jsonl >/dev/null 2>&1; do sleep 0.1; done
        sleep 1
        tools/two_hosts.sh cut
        for _ in $(seq 200); do ! grep -q "curricle2) has not answered for .* --resume" "$folder/out" || break; sleep 0.1; done
        grep -q "curricle2) has not answered for .* --resume" "$folder/out" || { cat "$folder/out"; fail "$kind: a pulled cable is not named"; }
        tools/two_hosts.sh down
        wait $launcher || true
        tools/two_hosts.sh up 1gbit
    done
    tools/two_hosts.sh down
    echo "two hosts: the same bits, and a pulled cable is named"
fi
echo "runs under mpirun: all as they should be"
