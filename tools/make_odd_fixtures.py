#!/usr/bin/env python3
"""Makes Tests/VisionTests/Fixtures/odd: pictures as phones, cameras and old tools write them, and what Pillow makes of them.

    python3 -m venv venv && venv/bin/pip install pillow==13.0.0 numpy
    venv/bin/python tools/make_odd_fixtures.py

`odd.json` holds, per file, Pillow's pixels as a hash (FNV-1a) for `convert(mode)`, upright or not; resizes of noise by Pillow 13 and evaluation's
resize and crop by torchvision's rules; everything is generated.
"""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from PIL import __version__ as pillow_version

from fixtures import chunk, fnv, noise, pillow

assert int(pillow_version.split(".")[0]) >= 13, "the order of the passes is that of Pillow 13"
out = Path(__file__).resolve().parent.parent / "Tests" / "VisionTests" / "Fixtures" / "odd"
out.mkdir(parents=True, exist_ok=True)
decode, damaged, resize, evaluation = [], [], [], []


def keep(name, data, mode="RGB", upright=False):
    (out / name).write_bytes(bytes(data))
    image = Image.open(io.BytesIO(bytes(data)))
    if upright:
        image = ImageOps.exif_transpose(image)
    image = image.convert(mode)
    pixels = np.asarray(image)
    decode.append(
        dict(
            file=name,
            channels=1 if pixels.ndim == 2 else pixels.shape[2],
            upright=upright,
            width=image.width,
            height=image.height,
            hash=fnv(pixels),
        )
    )


def damage(name, data):
    (out / name).write_bytes(bytes(data))
    damaged.append(name)


y, x = np.mgrid[0:20, 0:28]
rgb = np.stack([x * 9, y * 12, (x + y) * 5], -1).clip(0, 255).astype(np.uint8)
rgb[4:12, 8:18] = [200, 40, 90]
picture = Image.fromarray(rgb)


# -- JPEG -------------------------------------------------------------------------------------------------------------
def jpeg(image=picture, **options):
    data = io.BytesIO()
    image.save(data, "JPEG", **{"quality": 90, **options})
    return bytearray(data.getvalue())


def marker(data, kind, start=2):
    place = start
    while data[place + 1] != kind:
        place += 2 + (data[place + 2] << 8 | data[place + 3])
    return place


def scan_header(data, *values):
    data = bytearray(data)
    place = marker(data, 0xDA)
    end = place + 2 + (data[place + 2] << 8 | data[place + 3])
    data[end - 3 : end] = bytes(values)
    return data


def adobe(transform):
    return bytes([0xFF, 0xEE, 0, 14]) + b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform)


plain = jpeg()
jfif_end = 4 + (plain[4] << 8 | plain[5])
keep("scan-end-0.jpg", scan_header(plain, 0, 0, 0))
keep("scan-limits.jpg", scan_header(plain, 3, 9, 0x12))
keep("scan-end-0-grey.jpg", scan_header(jpeg(picture.convert("L")), 0, 0, 0))
keep("scan-end-0-grey.jpg", scan_header(jpeg(picture.convert("L")), 0, 0, 0), mode="L")
versioned = bytearray(plain)
versioned[11] = 7
keep("jfif-7.jpg", versioned)
keep("adobe-9.jpg", plain[:2] + adobe(9) + plain[jfif_end:])
keep("adobe-9-and-scan.jpg", scan_header(plain[:2] + adobe(9) + plain[jfif_end:], 0, 0, 0))
ink = jpeg(Image.fromarray(np.concatenate([rgb, rgb[..., :1] // 3], -1), "CMYK"))
ink[marker(ink, 0xEE) + 15] = 7
keep("cmyk-adobe-7.jpg", ink)
tables = marker(plain, 0xDB)
keep("bytes-between.jpg", plain[:tables] + bytes([0, 1, 2, 3, 0xFF, 0, 9]) + plain[tables:])
keep("zeros-before-end.jpg", plain[:-2] + bytes(300) + plain[-2:])
several = jpeg(progressive=True)
first = marker(several, 0xDA)
second = several.index(b"\xff\xc4", first)
keep("progressive-bytes-between.jpg", several[:second] + bytes([7, 7, 7]) + several[second:])
# What follows the harmless warning is looked for, too.
cut = scan_header(plain, 0, 0, 0)
damage("scan-end-0-cut.jpg", cut[: len(cut) * 2 // 3] + cut[-2:])
damage("jfif-7-cut.jpg", versioned[: len(versioned) * 2 // 3])
damage("progressive-between-cut.jpg", several[:second] + bytes([7, 7, 7]) + several[second : len(several) * 4 // 5] + several[-2:])


# -- Orientation ------------------------------------------------------------------------------------------------------
def exif(kind, value, count=1, endian="<"):
    """A directory of one entry, the orientation."""
    codes = {1: "B", 3: "H", 4: "I", 5: "II", 6: "b", 7: "B", 8: "h", 9: "i", 11: "f", 12: "d"}
    data = b"".join(struct.pack(endian + codes[kind], *(value if isinstance(value, tuple) else (value,))) for _ in range(count))
    rest = b""
    if len(data) > 4:
        data, rest = struct.pack(endian + "I", 26), data
    header = (b"II*\0" if endian == "<" else b"MM\0*") + struct.pack(endian + "IH", 8, 1)
    return header + struct.pack(endian + "HHI", 0x112, kind, count) + data.ljust(4, b"\0") + struct.pack(endian + "I", 0) + rest


for name, block in [
    ("long-le", exif(4, 6)),
    ("long-be", exif(4, 6, endian=">")),
    ("byte", exif(1, 6)),
    ("undefined", exif(7, 6)),
    ("signed-byte", exif(6, 8)),
    ("signed-short", exif(8, 5, endian=">")),
    ("signed-long", exif(9, 7)),
    ("float", exif(11, 6.0)),
    ("half", exif(11, 6.5)),
    ("double", exif(12, 3.0, endian=">")),
    ("rational", exif(5, (12, 2))),
    ("two-shorts", exif(3, 6, 2)),
    ("three-longs", exif(4, 6, 3)),
    ("long-9", exif(4, 9)),
    ("long-65542", exif(4, 65542)),
]:
    block = b"Exif\0\0" + block
    keep(f"orientation-{name}.jpg", plain[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + plain[2:], upright=True)


# -- PNG --------------------------------------------------------------------------------------------------------------
SIGNATURE, END = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")


def png(data, width, height, depth=8, color=2, between=b"", pieces=None, behind=b""):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    cuts = [0] + (pieces or []) + [len(data)]
    body = b"".join(chunk(b"IDAT", data[a:b]) for a, b in zip(cuts, cuts[1:]))
    return SIGNATURE + header + between + body + behind + END


def rows(array):
    return b"".join(b"\0" + row.tobytes() for row in array)


far = noise(20, 120, 3)
far = np.concatenate([far, far])
windowed = bytearray(zlib.compress(rows(far), 9))
windowed[:2] = bytes([0x08, 0x1D])  # says 256 bytes, reaches back 7,220
keep("window-256.png", png(bytes(windowed), 120, 40))
keep("window-256-in-pieces.png", png(bytes(windowed), 120, 40, pieces=[0, 1, 1, 2, 900]))
windowed[:2] = bytes([0x18, 0x19])
keep("window-512.png", png(bytes(windowed), 120, 40))
packed = zlib.compress(rows(rgb))
profile = (
    f"\nexif\n{len(exif(4, 6)) + 6:8d}\n".encode()
    + b"\n".join((b"Exif\0\0" + exif(4, 6)).hex().encode()[i : i + 72] for i in range(0, 400, 72) if i < 2 * len(exif(4, 6)) + 12)
    + b"\n"
)
key = b"Raw profile type exif\0"
for name, text in [
    ("ztxt", chunk(b"zTXt", key + b"\0" + zlib.compress(profile))),
    ("text", chunk(b"tEXt", key + profile)),
    ("itxt", chunk(b"iTXt", key + b"\0\0en\0\0" + profile)),
    ("itxt-packed", chunk(b"iTXt", key + b"\1\0\0\0" + zlib.compress(profile))),
    ("not-hex", chunk(b"tEXt", key + b"\nexif\n    4\nxyzw\n")),
]:
    if name == "not-hex":
        (out / "profile-not-hex.png").write_bytes(
            png(packed, 28, 20, between=text)
        )  # Pillow raises an error where nobody asked for more than pixels
    else:
        keep(f"profile-{name}.png", png(packed, 28, 20, between=text), upright=True)
keep("profile-behind.png", png(packed, 28, 20, behind=chunk(b"zTXt", key + b"\0" + zlib.compress(profile))), upright=True)
keep("exif-before-profile.png", png(packed, 28, 20, between=chunk(b"eXIf", exif(3, 3)) + chunk(b"tEXt", key + profile)), upright=True)
keep("exif-long.png", png(packed, 28, 20, between=chunk(b"eXIf", exif(4, 8, endian=">"))), upright=True)
grey = rgb[..., 1]
for name, array, depth, color in [("grey", grey, 8, 0), ("grey-alpha", np.stack([grey, rgb[..., 0]], -1), 8, 4)]:
    keep(f"{name}.png", png(zlib.compress(rows(array)), 28, 20, depth, color), mode="L")
bits = np.packbits(grey > 90, axis=1)
keep("grey-1bit.png", png(zlib.compress(rows(bits)), 28, 20, 1, 0), mode="L")
alpha = np.concatenate([rgb, rgb[..., :1]], -1)
keep("rgba.png", png(zlib.compress(rows(alpha)), 28, 20, 8, 6), mode="RGBA")
keep(
    "palette-alpha.png",
    png(
        zlib.compress(rows((x // 4).astype(np.uint8))),
        28,
        20,
        8,
        3,
        between=chunk(b"PLTE", bytes(range(0, 84, 4))) + chunk(b"tRNS", bytes([0, 9, 255])),
    ),
    mode="RGBA",
)
data = io.BytesIO()
Image.fromarray(alpha).save(data, "WEBP", lossless=True, exact=True)
keep("alpha.webp", data.getvalue(), mode="RGBA")


# -- Resizing -----------------------------------------------------------------------------------------------------------
random = np.random.default_rng(5)
for number in range(60):
    height, width, channels = int(random.integers(1, 120)), int(random.integers(1, 60)), int(random.choice([1, 3, 4]))
    to_height, to_width = int(random.integers(1, 60)), int(random.integers(1, 70))
    image = pillow(noise(height, width, channels, number + 1))
    made = image.resize((to_width, to_height), Image.BICUBIC)
    first = image.resize((to_width, height), Image.BICUBIC).resize((to_width, to_height), Image.BICUBIC)
    resize.append(
        dict(
            height=height,
            width=width,
            channels=channels,
            seed=number + 1,
            toHeight=to_height,
            toWidth=to_width,
            hash=fnv(made),
            horizontalFirst=fnv(first),
        )
    )


def evaluated(image, size):
    """MAE's transform for evaluation: torchvision's Resize(int) and CenterCrop of a PIL picture."""
    share = 224 / 256 if size <= 224 else 1.0
    short_to, (width, height) = int(size / share), image.size
    short, long = min(width, height), max(width, height)
    long_to = int(short_to * long / short)
    if (width, height) != ((short_to, long_to) if width <= height else (long_to, short_to)):
        image = image.resize((short_to, long_to) if width <= height else (long_to, short_to), Image.BICUBIC)
    top, left = int(round((image.height - size) / 2.0)), int(round((image.width - size) / 2.0))
    return short_to, image.crop((left, top, left + size, top + size))


for height, width, channels, size in [
    (224, 224, 3, 224),
    (223, 224, 3, 224),
    (32, 32, 3, 32),
    (28, 28, 1, 28),
    (40, 30, 3, 240),
    (240, 240, 1, 240),
    (300, 90, 3, 288),
    (1, 3000, 3, 16),
    (3000, 1, 3, 16),
    (1, 300, 1, 40),
    (2, 900, 3, 33),
    (500, 7, 3, 24),
]:
    to, made = evaluated(pillow(noise(height, width, channels, 7)), size)
    evaluation.append(dict(height=height, width=width, channels=channels, size=size, resizeTo=to, hash=fnv(made)))

(out / "odd.json").write_text(
    json.dumps(dict(pillow=pillow_version, decode=decode, damaged=damaged, resize=resize, evaluation=evaluation), indent=0) + "\n"
)
print(len(decode), len(damaged), len(resize), sum(r["hash"] != r["horizontalFirst"] for r in resize), len(evaluation))
