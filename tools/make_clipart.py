#!/usr/bin/env python3
"""Makes a folder of colour images by class from the drawings of Debian's package openclipart-png (public domain).

    sudo apt-get install openclipart-png && pip install pillow
    tools/make_clipart.py OUTPUT [--source /usr/share/openclipart/png] [--size 128] [--fewest 100]

Each subject with at least --fewest drawings is a class: OUTPUT/train/SUBJECT/NAME.png and OUTPUT/test/SUBJECT/NAME.png.
Transparency is composited on white, and the shorter side is reduced to --size pixels, so that loading is quick. A fifth of
the drawings is the test set, chosen by a checksum of the name: the same ones everywhere. Drawings that are almost all one
colour, that cannot be read, or that have the very pixels of one before, are left out.
"""
import argparse
import zlib
from pathlib import Path

from PIL import Image

Image.MAX_IMAGE_PIXELS = 1 << 26


def drawing(path: Path, size: int) -> Image.Image | None:
    """A drawing on white at its new size; None where there is nothing to see."""
    try:
        with Image.open(path) as file:
            image = file.convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    canvas = Image.new("RGBA", image.size, "white")
    canvas.alpha_composite(image)
    image = canvas.convert("RGB")
    scale = size / min(image.size)
    if scale < 1:
        image = image.resize((max(size, round(image.width * scale)), max(size, round(image.height * scale))), Image.Resampling.BICUBIC)
    low = image.resize((16, 16), Image.Resampling.BOX).convert("L").getextrema()
    return image if low[1] - low[0] > 8 else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--source", type=Path, default=Path("/usr/share/openclipart/png"))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--fewest", type=int, default=100)
    options = parser.parse_args()
    if not options.source.is_dir():
        parser.error(f"{options.source} is not there: install Debian's package openclipart-png")

    seen: set[bytes] = set()
    print(f"{'class':20} train  test  left out")
    for subject in sorted(p for p in options.source.iterdir() if p.is_dir()):
        files = sorted(subject.rglob("*.png"))
        if len(files) < options.fewest or subject.name == "unsorted":
            continue
        counts = {"train": 0, "test": 0}
        for path in files:
            name = "-".join(path.relative_to(subject).parts)
            image = drawing(path, options.size)
            pixels = image.tobytes() if image else b""
            if not pixels or pixels in seen:
                continue
            seen.add(pixels)
            part = "test" if zlib.crc32(f"{subject.name}/{name}".encode()) % 5 == 0 else "train"
            folder = options.output / part / subject.name
            folder.mkdir(parents=True, exist_ok=True)
            image.save(folder / name, optimize=False)
            counts[part] += 1
        print(f"{subject.name:20} {counts['train']:5} {counts['test']:5} {len(files) - sum(counts.values()):9}", flush=True)


if __name__ == "__main__":
    main()
