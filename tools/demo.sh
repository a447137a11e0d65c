#!/usr/bin/env bash
# Sets up, builds, pretrains a small CL-MAE on bundled digits for about two minutes, and judges its features.
#   tools/demo.sh [RUN FOLDER] [EPOCHS]
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh
swift build -c release --product curricle
curricle=.build/release/curricle
run=${1:-runs/mnist}
epochs=${2:-10}
data=Tests/Fixtures/mnist5k

resume=()
if [ -d "$run" ]; then resume=(--resume); fi
"$curricle" pretrain --data "$data" --output "$run" "${resume[@]}" \
    --image-size 28 --patch-size 4 --channels 3 --embed-dim 96 --depth 4 --num-heads 4 \
    --decoder-embed-dim 64 --decoder-depth 2 --decoder-num-heads 4 \
    --batch-size 64 --epochs "$epochs" --blr 8e-3 --warmup-epochs 2 --augment none --mean 0.1307 --std 0.3081
# The same encoder before its first step: what the pixels alone give.
untrained=$run/untrained
if [ ! -e "$untrained/model.safetensors" ]; then
    "$curricle" pretrain --data "$data" --output "$untrained" --config "$run/config.json" --max-steps 0 2> /dev/null > /dev/null
fi
for pool in cls mean; do
    for encoder in untrained trained; do
        weights=$run/model.safetensors
        if [ "$encoder" = untrained ]; then weights=$untrained/model.safetensors; fi
        printf '%-4s %-9s ' "$pool" "$encoder"
        "$curricle" knn --weights "$weights" --train "$data" --test "$data" --pool "$pool"
    done
done
number() { grep -o "\"held_$1_error\":[0-9.]*" "$run/log.jsonl" | tail -n 1 | cut -d : -f 2; }
ratio=$(awk -v masked="$(number masked)" -v random="$(number random)" 'BEGIN { if (random > 0) printf "%.2f", masked / random; else print "?" }')
echo "what the masker removes is $ratio times as hard to fill in as what chance removes: below 1 it is a partner, above 1 an adversary"
echo "pictures of masks and reconstructions: $run/pictures"
