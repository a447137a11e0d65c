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
for pool in cls mean; do
    printf '%-4s ' "$pool"
    "$curricle" knn --weights "$run/model.safetensors" --train "$data" --test "$data" --pool "$pool"
done
echo "pictures of masks and reconstructions: $run/pictures"
