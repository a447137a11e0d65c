#!/usr/bin/env python3
"""Fine-tuning beside PyTorch eager: images a second of whole steps (mixing, drop path 0.1, AdamW), pictures of noise, in turn.

    swift build -c release --product curricle; Benchmarks/peer/setup.sh
    Benchmarks/finetune.py [--preset tiny-p16] [--batch 16] [--rounds 3]

PyTorch gets its batch ready-made; Curricle reads, resizes and mixes its own.
"""

import argparse
import json
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent
CURRICLE, PYTHON = ROOT.parent / ".build" / "release" / "curricle", ROOT / "peer" / ".venv" / "bin" / "python"
CLASSES, STEPS = 10, 12


def peer(preset_name, batch):
    """Prints PyTorch's images a second."""
    sys.path.insert(0, str(ROOT / "peer"))
    import torch
    from clmae import CLMAE, adamw, preset

    torch.manual_seed(0)
    config = preset(preset_name)
    model = CLMAE(config)
    head, norm = torch.nn.Linear(config.embed_dim, CLASSES), torch.nn.LayerNorm(config.embed_dim, eps=1e-6)
    position = torch.nn.Parameter(torch.zeros(1, config.num_patches + 1, config.embed_dim))
    trained = {"position": position, "cls_token": model.cls_token}
    for name, module in {"patch_embed": model.patch_embed, "blocks": model.blocks, "fc_norm": norm, "head": head}.items():
        trained |= {f"{name}.{n}": p for n, p in module.named_parameters()}
    for p in trained.values():
        p.requires_grad_(True)
    optimizer = adamw(trained, 1e-4, 0.05, betas=(0.9, 0.999))
    images, targets = torch.randn(batch, 3, 224, 224), torch.softmax(torch.randn(batch, CLASSES), -1)

    def dropped(branch, rate):
        return branch * ((torch.rand(batch, 1, 1) >= rate) / (1 - rate))

    def step():
        mixed = 0.7 * images + 0.3 * images.flip(0)
        x = torch.cat([model.cls_token.expand(batch, -1, -1), model.patch_embed(mixed)], 1) + position
        for i, block in enumerate(model.blocks):
            rate = 0.1 * i / (len(model.blocks) - 1)
            x = x + dropped(block.attn(block.norm1(x)), rate)
            x = x + dropped(block.mlp(block.norm2(x)), rate)
        loss = torch.nn.functional.cross_entropy(head(norm(x[:, 1:].mean(1))), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    for _ in range(3):
        step()
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    print(batch * STEPS / (time.perf_counter() - start))


def write_images(folder, batch):
    """Grey noise of 224 pixels a side in IDX files."""
    count, source = batch * STEPS, random.Random(0)
    for part in ("train", "t10k"):
        images = count if part == "train" else batch
        (folder / f"{part}-images-idx3-ubyte").write_bytes(
            struct.pack(">IIII", 0x803, images, 224, 224) + source.randbytes(images * 224 * 224)
        )
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, images) + bytes(i % CLASSES for i in range(images)))


def curricle(folder, batch, number):
    """Images a second of the second epoch: the first has the pages to touch for the first time."""
    run = folder / f"run-{number}"
    words = [
        "finetune",
        "--weights",
        folder / "start" / "model.safetensors",
        "--train",
        folder,
        "--test",
        folder,
        "--output",
        run,
        "--epochs",
        "2",
        "--batch-size",
        batch,
        "--augment",
        "none",
    ]
    subprocess.run([CURRICLE, *map(str, words)], check=True, capture_output=True)
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return batch * STEPS / [line["time_s"] for line in lines if "time_s" in line][-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny-p16")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", action="store_true", help="PyTorch's part, in its own process")
    options = parser.parse_args()
    if options.peer:
        return peer(options.preset, options.batch)
    with tempfile.TemporaryDirectory() as name:
        folder, ratios = pathlib.Path(name), []
        write_images(folder, options.batch)
        words = ["pretrain", "--data", folder, "--output", folder / "start", "--model", options.preset, "--max-steps", "0"]
        subprocess.run([CURRICLE, *map(str, words)], check=True, capture_output=True)
        for number in range(options.rounds):
            ours = curricle(folder, options.batch, number)
            command = [PYTHON, __file__, "--peer", "--preset", options.preset, "--batch", str(options.batch)]
            theirs = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            ratios.append(ours / theirs)
            print(f"{options.preset}, batch {options.batch}: Curricle {ours:.1f} images/s, PyTorch {theirs:.1f}, ratio {ratios[-1]:.2f}")
    print(f"median ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})")


main()
