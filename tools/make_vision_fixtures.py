#!/usr/bin/env python3
"""Makes Tests/VisionTests/Fixtures: what Pillow decodes and resizes, for Vision's tests to match.

    python3 -m venv venv && venv/bin/pip install pillow numpy
    venv/bin/python tools/make_vision_fixtures.py GOLDEN_FOLDER     # holds flower.jpg and flower.safetensors

Files: flower.jpg and Pillow's crops of it as PNG; one small file per kind of JPEG and PNG; `expected.bin`, all expected
pixels one after another; `cases.json`, which says where in it each case's pixels are.
"""

import io
import json
import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from fixtures import chunk, fnv, noise, pillow

golden = Path(sys.argv[1])
out = Path(__file__).resolve().parent.parent / "Tests" / "VisionTests" / "Fixtures"
out.mkdir(parents=True, exist_ok=True)
expected = bytearray()
cases = {"decode": [], "resize": [], "evaluation": []}


def keep(pixels):
    place = len(expected)
    expected.extend(np.ascontiguousarray(pixels, np.uint8).tobytes())
    return place


# -- Resizing ---------------------------------------------------------------------------------------------------------
def bicubic(image, width, height):
    """Horizontal pass, then vertical: what `resize` does up to Pillow 12 for all sizes.

    Pillow 13 (its pull request 9549) goes vertically first where the height shrinks much more than the width,
    which changes some bytes by one; two calls give the same bytes with every version.
    """
    return image.resize((width, image.height), Image.BICUBIC).resize((width, height), Image.BICUBIC)


def resized(array, box, width, height):
    top, left, h, w = box
    image = bicubic(pillow(array).crop((left, top, left + w, top + h)), width, height)
    return np.asarray(image).reshape(height, width, array.shape[2])


for height, width, channels, box, to_height, to_width in [
    (7, 13, 3, None, 11, 5),
    (28, 28, 1, None, 32, 32),
    (28, 28, 1, None, 14, 14),
    (31, 17, 3, None, 9, 17),
    (31, 17, 3, None, 31, 40),
    (20, 40, 4, None, 15, 21),
    (100, 3, 3, None, 3, 100),
    (1, 1, 3, None, 8, 8),
    (60, 90, 3, None, 5, 7),
    (16, 16, 3, None, 16, 16),
    (50, 60, 3, (41, 33, 9, 27), 24, 24),
    (50, 60, 1, (0, 0, 50, 1), 24, 24),
    (50, 60, 3, (49, 59, 1, 1), 6, 6),
    (50, 60, 4, (3, 5, 40, 50), 20, 31),
    (50, 60, 3, (10, 20, 12, 18), 12, 18),
]:
    array = noise(height, width, channels)
    box = box or (0, 0, height, width)
    place = keep(resized(array, box, to_width, to_height))
    cases["resize"].append(
        dict(
            height=height,
            width=width,
            channels=channels,
            top=box[0],
            left=box[1],
            boxHeight=box[2],
            boxWidth=box[3],
            toHeight=to_height,
            toWidth=to_width,
            offset=place,
        )
    )


def evaluation(array, height, width, resize_to):
    """torchvision's Resize and CenterCrop on a PIL image."""
    h, w = array.shape[:2]
    short, long = min(h, w), max(h, w)
    new_long = int(resize_to * long / short)
    new_w, new_h = (resize_to, new_long) if w <= h else (new_long, resize_to)
    image = np.asarray(bicubic(pillow(array), new_w, new_h)).reshape(new_h, new_w, -1)
    if width > new_w or height > new_h:
        left, top = max(0, (width - new_w) // 2), max(0, (height - new_h) // 2)
        right, bottom = max(0, (width - new_w + 1) // 2), max(0, (height - new_h + 1) // 2)
        image = np.pad(image, ((top, bottom), (left, right), (0, 0)))
        new_h, new_w = image.shape[:2]
    top, left = int(round((new_h - height) / 2.0)), int(round((new_w - width) / 2.0))
    return image[top : top + height, left : left + width]


for height, width, channels, to_height, to_width, resize_to in [
    (13, 40, 3, 14, 14, 16),
    (40, 13, 3, 14, 14, 16),
    (33, 50, 1, 28, 28, 32),
    (50, 33, 3, 28, 28, 33),
    (29, 29, 3, 24, 24, 27),
    (30, 47, 3, 24, 24, 29),
    (20, 31, 3, 24, 40, 22),
    (25, 25, 3, 18, 31, 20),
]:
    array = noise(height, width, channels, seed=7)
    place = keep(evaluation(array, to_height, to_width, resize_to))
    cases["evaluation"].append(
        dict(height=height, width=width, channels=channels, toHeight=to_height, toWidth=to_width, resizeTo=resize_to, offset=place)
    )


# -- Decoding ---------------------------------------------------------------------------------------------------------
def decode_case(name, data, pixels=None):
    (out / name).write_bytes(data)
    if pixels is None:
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    cases["decode"].append(dict(file=name, width=pixels.shape[1], height=pixels.shape[0], offset=keep(pixels)))


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


y, x = np.mgrid[0:13, 0:19]
smooth = np.stack([x * 13 + y, 255 - y * 15, (x * y) % 256], -1).astype(np.uint8)
picture = Image.fromarray(smooth)
decode_case("444.jpg", saved(picture, "JPEG", quality=90, subsampling=0))
decode_case("422.jpg", saved(picture, "JPEG", quality=90, subsampling=1))
decode_case("420.jpg", saved(picture, "JPEG", quality=90, subsampling=2))
decode_case("progressive.jpg", saved(picture, "JPEG", quality=80, progressive=True))
decode_case("restart.jpg", saved(picture, "JPEG", quality=80, restart_marker_blocks=1))
decode_case("grey.jpg", saved(picture.convert("L"), "JPEG", quality=90))
decode_case("cmyk.jpg", saved(Image.fromarray(noise(13, 19, 4), "CMYK"), "JPEG", quality=95))
decode_case("rgb.jpg", saved(picture, "JPEG", quality=90, keep_rgb=True))
turned = Image.Exif()
turned[0x0112] = 6
decode_case("rotated.jpg", saved(picture, "JPEG", quality=90, exif=turned))
# Sampling 2×2, 1×2, 2×1, written once with libjpeg (comp_info[].h_samp_factor …): Pillow reads it but cannot write it.
decode_case("odd-sampling.jpg", (out / "odd-sampling.jpg").read_bytes())


def png(samples, color_type, depth, interlaced=False, extra=b"", filtering=0):
    """A PNG written by hand, for what Pillow does not write. `samples`: [H, W, C] integers below 2^depth."""
    height, width = samples.shape[:2]

    def packed(part):
        raw = b""
        for row in part:
            if depth == 16:
                line = row.astype(">u2").tobytes()
            elif depth == 8:
                line = row.astype(np.uint8).tobytes()
            else:
                bits = "".join(format(int(v), f"0{depth}b") for v in row.reshape(-1))
                bits += "0" * (-len(bits) % 8)
                line = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
            if filtering == 1:  # Sub
                step = max(1, samples.shape[2] * depth // 8)
                line = bytes((line[i] - (line[i - step] if i >= step else 0)) & 255 for i in range(len(line)))
            raw += bytes([filtering]) + line
        return raw

    raw = (
        packed(samples)
        if not interlaced
        else b"".join(
            packed(samples[y0::dy, x0::dx])
            for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
            if samples[y0::dy, x0::dx].size
        )
    )
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def noise16(height, width, channels):
    return noise(height, width, 2 * channels).astype(np.uint16).reshape(height, width, channels, 2) @ np.array([256, 1], np.uint16)


quantized = picture.quantize(200)
decode_case("palette.png", saved(quantized, "PNG"))
decode_case("palette-transparent.png", saved(quantized, "PNG", transparency=3))
decode_case("palette-2bit.png", saved(picture.quantize(4), "PNG", bits=2))
decode_case("palette-4bit.png", saved(picture.quantize(13), "PNG", bits=4))
decode_case("1bit.png", saved(picture.convert("1"), "PNG"))
decode_case("grey.png", saved(picture.convert("L"), "PNG"))
decode_case("grey-2bit.png", png(noise(13, 19, 1) >> 6, 0, 2))
decode_case("grey-4bit.png", png(noise(13, 19, 1) >> 4, 0, 4))
decode_case("grey-transparent.png", saved(picture.convert("L"), "PNG", transparency=100))
decode_case("grey-alpha.png", saved(Image.fromarray(noise(13, 19, 2), "LA"), "PNG"))
decode_case("rgb.png", saved(picture, "PNG"))
decode_case("rgb-transparent.png", saved(picture, "PNG", transparency=(13, 255, 0)))
decode_case("rgba.png", saved(Image.fromarray(noise(13, 19, 4), "RGBA"), "PNG"))
decode_case("gamma.png", png(smooth, 2, 8, extra=chunk(b"gAMA", struct.pack(">I", 100000))))
decode_case("background.png", png(noise(13, 19, 4), 6, 8, extra=chunk(b"bKGD", struct.pack(">HHH", 10, 20, 30))))
decode_case("interlaced.png", png(smooth, 2, 8, interlaced=True))
decode_case("interlaced-rgba.png", png(noise(13, 19, 4), 6, 8, interlaced=True, filtering=1))
decode_case("interlaced-1bit.png", png(noise(13, 19, 1) >> 7, 0, 1, interlaced=True))
decode_case("rgb-16bit.png", png(noise16(13, 19, 3), 2, 16))
# Pillow clips 16-bit grey at 255 when it converts to RGB; Vision takes the high byte, as Pillow itself does for the other 16-bit kinds.
grey16 = noise16(13, 19, 1)
decode_case("grey-16bit.png", png(grey16, 0, 16), (grey16 >> 8).astype(np.uint8).repeat(3, axis=2))
decode_case("grey-alpha-16bit.png", png(noise16(13, 19, 2), 4, 16, filtering=1))
decode_case("rgba-16bit.png", png(noise16(13, 19, 4), 6, 16))

# -- The photograph ---------------------------------------------------------------------------------------------------
shutil.copyfile(golden / "flower.jpg", out / "flower.jpg")
(out / "flower.jpg").chmod(0o644)
raw = (golden / "flower.safetensors").read_bytes()
length = struct.unpack("<Q", raw[:8])[0]
header = json.loads(raw[8 : 8 + length])


def tensor(name):
    entry = header[name]
    begin, end = entry["data_offsets"]
    return np.frombuffer(raw[8 + length + begin : 8 + length + end], {"U8": np.uint8, "F32": np.float32}[entry["dtype"]]).reshape(
        entry["shape"]
    )


boxes = json.loads(header["__metadata__"]["boxes"])
for number in range(3):
    (out / f"flower-crop{number}.png").write_bytes(saved(Image.fromarray(tensor(f"crop{number}")), "PNG", optimize=True))
decoded = tensor("decoded")
view = evaluation(decoded, 224, 224, 256)
mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
difference = np.abs((view / 255.0 - mean) / std - tensor("eval224").transpose(1, 2, 0)).max()
assert difference < 1e-6, difference  # so these bytes stand for the golden numbers
(out / "flower-eval224.png").write_bytes(saved(Image.fromarray(view), "PNG", optimize=True))
cases["flower"] = dict(width=decoded.shape[1], height=decoded.shape[0], hash=fnv(decoded), boxes=boxes)

(out / "expected.bin").write_bytes(expected)
(out / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
print(f"{sum(f.stat().st_size for f in out.iterdir())} bytes in {out}")
