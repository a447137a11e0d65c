#!/usr/bin/env python3
"""Time one joint CL-MAE iteration in PyTorch: step A with its update, then step B with its update.

usage: step.py --preset tiny-p16 --batch-size 16 --threads 2 --mode sdpa --json

Images are ready-made normal noise of 224 × 224 pixels; mask ratio 0.75, per-patch normalised targets. Prints one line,
a JSON object with --json. One mode a process, so that `rss_mb`, the peak resident memory in 10^6 bytes, is its own;
`first_step_s` is the first iteration, compilation included, which no other figure counts.
"""
from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import time


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time one joint CL-MAE iteration in PyTorch.")
    parser.add_argument("--preset", default="tiny-p16", choices=["tiny-p16", "small-p16", "base-p16"])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mode", default="eager", choices=["eager", "sdpa", "compile"])
    parser.add_argument("--attention", choices=["eager", "sdpa"], help="attention under --mode compile (sdpa)")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"],
                        help="bfloat16 is automatic mixed precision")  # fmt: skip
    parser.add_argument("--repeats", type=int, default=5, help="timed iterations")
    parser.add_argument("--warmup", type=int, default=2, help="iterations before them, one at least")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    return parser.parse_args()


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie, interpolated linearly."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def main() -> None:
    options = parse()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)

    import torch

    from clmae import CLMAE, Trainer, preset

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    attention = (options.attention or "sdpa") if options.mode == "compile" else options.mode
    model = CLMAE(preset(options.preset, norm_pix_loss=True, attention=attention))
    lr = 1e-3 * options.batch_size / 256
    trainer = Trainer(model, lr=lr, compiled=options.mode == "compile",
                      autocast=torch.bfloat16 if options.precision == "bfloat16" else None)  # fmt: skip
    images = torch.randn(options.batch_size, 3, model.config.img_size, model.config.img_size)

    def iteration() -> tuple[float, float]:
        """Runs a joint iteration; returns the seconds of step A (the targets included) and of step B."""
        start = time.perf_counter()
        targets = model.targets(images)
        trainer.step_autoencoder(images, targets)
        middle = time.perf_counter()
        trainer.step_masker(images, targets, lambda_cl=1.0)
        return middle - start, time.perf_counter() - middle

    first = sum(iteration())
    for _ in range(options.warmup - 1):
        iteration()
    times = [iteration() for _ in range(max(1, options.repeats))]
    steps = [a + b for a, b in times]
    median = statistics.median(steps)
    record = {
        "runtime": "pytorch",
        "version": torch.__version__,
        "mode": options.mode,
        "attention": attention,
        "preset": options.preset,
        "batch": options.batch_size,
        "precision": options.precision,
        "threads": options.threads,
        "repeats": len(steps),
        "step_s": round(median, 5),
        "step_p90_s": round(percentile(steps, 0.9), 5),
        "step_min_s": round(min(steps), 5),
        "step_a_s": round(statistics.median(a for a, _ in times), 5),
        "step_b_s": round(statistics.median(b for _, b in times), 5),
        "first_step_s": round(first, 3),
        "img_s": round(options.batch_size / median, 3),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
    }
    if options.json:
        print(json.dumps(record), flush=True)
    else:
        print("  ".join(f"{key} {value}" for key, value in record.items()), flush=True)


if __name__ == "__main__":
    main()
