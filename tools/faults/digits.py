"""A few images of ten classes in MNIST's files: digits.py FOLDER COUNT."""

import struct
import sys
from pathlib import Path


def idx(path: Path, shape: list[int], values: bytes) -> None:
    path.write_bytes(bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values)


def make_digits(folder: Path, count: int) -> None:
    """Images of ten classes in MNIST's files."""
    folder.mkdir()
    for prefix, salt in [("train", 0), ("t10k", 1)]:
        pixels = bytes((p * (i % 10 + 1) * 13) % 251 + (i * 7 + p * 3 + salt) % 5 for i in range(count) for p in range(64))
        idx(folder / f"{prefix}-images-idx3-ubyte", [count, 8, 8], pixels)
        idx(folder / f"{prefix}-labels-idx1-ubyte", [count], bytes(i % 10 for i in range(count)))


if __name__ == "__main__":
    make_digits(Path(sys.argv[1]), int(sys.argv[2]))
