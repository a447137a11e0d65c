"""A few grey PNGs of 8 x 8 pixels: pictures.py FOLDER COUNT [--broken INDEX …]; broken ones end in their middle."""

import argparse
import struct
import zlib
from pathlib import Path


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(index: int) -> bytes:
    rows = b"".join(b"\0" + bytes((x * 31 + y * 17 + index * 13) % 251 for x in range(8)) for y in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--broken", type=int, nargs="*", default=[])
    given = parser.parse_args()
    given.folder.mkdir()
    for index in range(given.count):
        content = png(index)
        (given.folder / f"{index:04}.png").write_bytes(content[: len(content) // 2] if index in given.broken else content)


if __name__ == "__main__":
    main()
