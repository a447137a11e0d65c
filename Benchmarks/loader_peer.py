#!/usr/bin/env python3
"""Time torchvision's loader, with PIL, on a folder of JPEG images in one process.

usage: loader_peer.py --data FOLDER [--make IMAGES] [--json]

The path of MAE pretraining: ImageFolder, RandomResizedCrop to 224 pixels (bicubic), flip, ToTensor, Normalize, batches.
--make first fills the folder with 500 × 375 images, the same ones on every machine: smooth noise and shapes, quality 90;
a folder that has them already is left alone. With --make and no --json nothing is timed.
"""
from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

WIDTH, HEIGHT, CLASSES = 500, 375, 8
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def picture(seed: int):
    """One image: noise of three scales, blurred into each other, and shapes with sharp edges on top."""
    from PIL import Image, ImageChops, ImageDraw

    generator = random.Random(seed)

    def noise(width: int, height: int):
        small = Image.frombytes("RGB", (width, height), generator.randbytes(3 * width * height))
        return small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)

    image = Image.blend(noise(5, 4), noise(20, 15), 0.4)
    image = Image.blend(image, noise(100, 75), 0.25)
    image = ImageChops.overlay(image, Image.blend(Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128)), noise(WIDTH, HEIGHT), 0.12))
    draw = ImageDraw.Draw(image)
    for _ in range(generator.randint(4, 12)):
        x, y, size = generator.randint(-50, WIDTH), generator.randint(-50, HEIGHT), generator.randint(15, 160)
        colour = tuple(generator.randint(0, 255) for _ in range(3))
        box = (x, y, x + size, y + generator.randint(15, 160))
        shape = generator.choice(("ellipse", "rectangle", "line", "polygon"))
        if shape == "line":
            draw.line(box, fill=colour, width=generator.randint(1, 6))
        elif shape == "polygon":
            draw.polygon([(x + generator.randint(0, size), y + generator.randint(0, size)) for _ in range(5)], fill=colour)
        else:
            getattr(draw, shape)(box, fill=colour)
    return image


def make(folder: Path, images: int) -> None:
    """Fills a folder with one folder a class; images that are there already are kept."""
    for seed in range(images):
        path = folder / f"class-{seed % CLASSES}" / f"{seed:05}.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            picture(seed).save(partial, "JPEG", quality=90)
            partial.rename(path)


def measure(folder: Path, batch: int, repeats: int) -> dict:
    """Images a second over whole epochs, after a warm-up batch."""
    import torch
    import torchvision
    from torchvision import datasets, transforms
    from torchvision.transforms import InterpolationMode

    torch.set_num_threads(1)
    torch.manual_seed(0)
    steps = transforms.Compose([
        transforms.RandomResizedCrop(224, scale=(0.2, 1.0), interpolation=InterpolationMode.BICUBIC),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ])  # fmt: skip
    dataset = datasets.ImageFolder(folder, steps)
    loader = torch.utils.data.DataLoader(dataset, batch_size=batch, shuffle=True, num_workers=0)
    next(iter(loader))
    start, processor = time.perf_counter(), time.process_time()
    images = sum(len(labels) for _ in range(repeats) for _, labels in loader)
    seconds, core_seconds = time.perf_counter() - start, time.process_time() - processor
    return {
        "bench": "loader",
        "runtime": "torchvision",
        "version": torchvision.__version__,
        "images": images,
        "batch": batch,
        "img_s": round(images / seconds, 3),
        "img_s_per_core": round(images / core_seconds, 3),
        "core_share": round(core_seconds / seconds, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder of images a class")
    parser.add_argument("--make", type=int, default=0, metavar="IMAGES", help="generate the folder's images where they are missing")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=1, help="timed epochs")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    options = parser.parse_args()
    if options.make:
        make(options.data, options.make)
        print(f"{options.make} images in {options.data}" if not options.json else "", end="" if options.json else "\n")
        if not options.json:
            return
    record = measure(options.data, options.batch_size, max(1, options.repeats))
    print(json.dumps(record) if options.json else "  ".join(f"{key} {value}" for key, value in record.items()), flush=True)


if __name__ == "__main__":
    main()
