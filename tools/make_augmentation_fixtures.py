#!/usr/bin/env python3
"""Makes fixtures of what Pillow and timm do: WebP, orientation, backgrounds, reduced JPEGs, 200 resizes, RandAugment, colour jitter.

    python3 -m venv venv && venv/bin/pip install 'pillow<13' numpy safetensors && venv/bin/pip install --no-deps timm
    venv/bin/python tools/make_augmentation_fixtures.py     # after tools/make_vision_fixtures.py

Pillow below 13, because 13 resizes vertically first in some cases (see CSupport/resample.c). Files go to Tests/VisionTests/Fixtures:
small pictures, and `augmentation.json`, which holds for each case its parameters and the FNV-1a hash of the bytes that come out; the
pictures that go in are formulas, which the Swift tests repeat. A small file for `curricle verify --image` goes to Tests/Fixtures.
"""

import importlib.util
import io
import json
import random
import site
import struct
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageEnhance, ImageOps
from safetensors.numpy import save_file

from fixtures import fnv, noise, pillow

assert int(PIL.__version__.split(".")[0]) < 13, "needs pillow<13"
tests = Path(__file__).resolve().parent.parent / "Tests"
out = tests / "VisionTests" / "Fixtures"
cases = {"decode": [], "resize": [], "operations": [], "adjustments": []}

# timm's file alone: its package imports PyTorch.
found = next(Path(folder) / "timm/data/auto_augment.py" for folder in site.getsitepackages() if (Path(folder) / "timm").exists())
spec = importlib.util.spec_from_file_location("auto_augment", found)
timm = importlib.util.module_from_spec(spec)
spec.loader.exec_module(timm)


def scene(height, width, channels, seed=1):
    """Slopes with a little noise, 30…199: what a photograph's histogram is rather like."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    return (30 + (x * 5 + y * 3 + c * 40 + (noise(height, width, channels, seed) >> 4)) % 170).astype(np.uint8)


# -- Decoding ---------------------------------------------------------------------------------------------------------
def decode_case(file, upright=False, background=None, shortest=None):
    image = Image.open(out / file)
    if shortest:
        width, height = image.size
        by = next((n for n in (8, 4, 2) if -(-min(width, height) // n) >= shortest), 1)
        image.draft(None, (width // by, height // by))
        assert image.size == (-(-width // by), -(-height // by)), (file, image.size, by)
    if upright:
        image = ImageOps.exif_transpose(image)
    if background:
        front = image.convert("RGBA")
        image = Image.new("RGB", image.size, background)
        image.paste(front, mask=front.getchannel("A"))
    image = image.convert("RGB")
    cases["decode"].append(
        dict(file=file, upright=upright, background=background, shortest=shortest, width=image.width, height=image.height, hash=fnv(image))
    )


def saved(name, image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    (out / name).write_bytes(buffer.getvalue())


y, x = np.mgrid[0:13, 0:19]
picture = Image.fromarray(np.stack([x * 13 + y, 255 - y * 15, (x * y) % 256], -1).astype(np.uint8))
translucent = Image.fromarray(np.concatenate([np.asarray(picture), noise(13, 19, 1)], -1))

saved("lossy.webp", picture, "WEBP", quality=70)
saved("lossless.webp", picture, "WEBP", lossless=True)
saved("lossy-alpha.webp", translucent, "WEBP", quality=70, exact=True)
saved("lossless-alpha.webp", translucent, "WEBP", lossless=True, exact=True)
frames = [Image.fromarray(scene(13, 19, 3, seed)) for seed in (3, 4, 5)]
saved("animated.webp", frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, duration=40)
saved(
    "animated-alpha.webp",
    translucent,
    "WEBP",
    save_all=True,
    append_images=[translucent.rotate(180)],
    lossless=True,
    exact=True,
    duration=40,
)
for file in ["lossy.webp", "lossless.webp", "lossy-alpha.webp", "lossless-alpha.webp", "animated.webp", "animated-alpha.webp"]:
    decode_case(file)


def exif(orientation, order="<"):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


for orientation in range(1, 9):
    saved(f"orientation-{orientation}.jpg", picture, "JPEG", quality=90, exif=b"Exif\0\0" + exif(orientation, "<>"[orientation % 2]))
    decode_case(f"orientation-{orientation}.jpg", upright=True)
    decode_case(f"orientation-{orientation}.jpg")
saved("orientation-8.png", picture, "PNG", exif=exif(8))
saved("orientation-5.webp", picture, "WEBP", lossless=True, exif=exif(5, ">"))
saved("orientation-9.png", picture, "PNG", exif=exif(9))
for file in ["orientation-8.png", "orientation-5.webp", "orientation-9.png", "420.jpg", "rgb.png", "lossless.webp"]:
    decode_case(file, upright=True)

palette = picture.quantize(60)
saved("palette-alpha.png", palette, "PNG", transparency=bytes(noise(1, 60, 1, seed=9).reshape(-1)))
for file in [
    "rgba.png",
    "grey-alpha.png",
    "grey-alpha-16bit.png",
    "palette-transparent.png",
    "palette-alpha.png",
    "rgb-transparent.png",
    "grey-transparent.png",
    "interlaced-rgba.png",
    "background.png",
    "rgb.png",
    "420.jpg",
    "lossy-alpha.webp",
    "lossless-alpha.webp",
    "lossless.webp",
    "animated-alpha.webp",
]:
    for color in ["#ffffff", "#000000", "#336699"]:
        decode_case(file, background=color)

for file, shortest in [
    ("flower.jpg", 300),
    ("flower.jpg", 214),
    ("flower.jpg", 200),
    ("flower.jpg", 107),
    ("flower.jpg", 54),
    ("flower.jpg", 1),
    ("420.jpg", 7),
    ("420.jpg", 8),
    ("progressive.jpg", 4),
    ("grey.jpg", 2),
    ("cmyk.jpg", 7),
    ("444.jpg", 4),
    ("422.jpg", 7),
]:
    decode_case(file, shortest=shortest)
decode_case("orientation-6.jpg", upright=True, shortest=7)

# -- Resizing ---------------------------------------------------------------------------------------------------------
chance = random.Random(2024)
for seed in range(1, 201):
    height, width, channels = chance.randint(1, 160), chance.randint(1, 160), chance.choice([1, 3, 3, 4])
    box_height, box_width = chance.randint(1, height), chance.randint(1, width)
    top, left = chance.randint(0, height - box_height), chance.randint(0, width - box_width)
    to_height, to_width = chance.randint(1, 96), chance.randint(1, 96)
    image = (
        pillow(noise(height, width, channels, seed))
        .crop((left, top, left + box_width, top + box_height))
        .resize((to_width, to_height), Image.BICUBIC)
    )
    cases["resize"].append(
        dict(
            seed=seed,
            height=height,
            width=width,
            channels=channels,
            top=top,
            left=left,
            boxHeight=box_height,
            boxWidth=box_width,
            toHeight=to_height,
            toWidth=to_width,
            hash=fnv(image),
        )
    )

# -- RandAugment ------------------------------------------------------------------------------------------------------
SIGNED = [
    "Rotate",
    "ColorIncreasing",
    "ContrastIncreasing",
    "BrightnessIncreasing",
    "SharpnessIncreasing",
    "ShearX",
    "ShearY",
    "TranslateXRel",
    "TranslateYRel",
]
NAMES = dict(
    AutoContrast="autoContrast",
    Equalize="equalize",
    Invert="invert",
    Rotate="rotate",
    PosterizeIncreasing="posterize",
    SolarizeIncreasing="solarize",
    SolarizeAdd="solarizeAdd",
    ColorIncreasing="color",
    ContrastIncreasing="contrast",
    BrightnessIncreasing="brightness",
    SharpnessIncreasing="sharpness",
    ShearX="shearX",
    ShearY="shearY",
    TranslateXRel="translateX",
    TranslateYRel="translateY",
)
assert list(NAMES) == timm._RAND_INCREASING_TRANSFORMS
FILL = (124, 116, 104)
for name in timm._RAND_INCREASING_TRANSFORMS:
    for kind, source in [("noise", noise), ("scene", scene)]:
        for height, width, channels in [(40, 33, 3), (24, 61, 1), (2, 5, 3)]:
            for magnitude in [0, 2.5, 7.37, 9, 10]:
                for negative in [False, True] if name in SIGNED else [False]:
                    for resample in ["bicubic", "bilinear"] if name[:5] in ("Rotat", "Shear", "Trans") else ["bicubic"]:
                        timm._randomly_negate = lambda value: -value if negative else value
                        level = timm.LEVEL_TO_ARG[name]
                        arguments = level(magnitude, {}) if level else ()
                        image = timm.NAME_TO_OP[name](
                            pillow(source(height, width, channels)),
                            *arguments,
                            fillcolor=FILL if channels == 3 else FILL[0],
                            resample=getattr(Image, resample.upper()),
                        )
                        cases["operations"].append(
                            dict(
                                operation=NAMES[name],
                                kind=kind,
                                height=height,
                                width=width,
                                channels=channels,
                                magnitude=magnitude,
                                negative=negative,
                                resample=resample,
                                hash=fnv(image),
                            )
                        )


# -- Colour jitter ----------------------------------------------------------------------------------------------------
def hue(image, turn):
    """torchvision's adjust_hue on a PIL image."""
    h, s, v = image.convert("HSV").split()
    h = np.array(h, np.uint8)
    h += np.array(np.int32(turn * 255)).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(h), s, v)).convert("RGB")


for kind, source in [("noise", noise), ("scene", scene)]:
    image = pillow(source(50, 70, 3))
    for adjustment, enhancer in [
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
    ]:
        for factor in [0, 0.3, 0.7731, 1, 1.4, 2.7]:
            cases["adjustments"].append(dict(adjustment=adjustment, kind=kind, factor=factor, hash=fnv(enhancer(image).enhance(factor))))
    for turn in [-0.5, -0.21, -0.1, 0, 0.05, 0.33, 0.5]:
        cases["adjustments"].append(dict(adjustment="hue", kind=kind, factor=turn, hash=fnv(hue(image, turn))))

text = ",\n".join(f'"{key}": [\n' + ",\n".join(json.dumps(case) for case in rows) + "\n]" for key, rows in cases.items())
(out / "augmentation.json").write_text("{\n" + text + "\n}\n")

# -- A file for `curricle verify --image` -----------------------------------------------------------------------------
folder = tests / "Fixtures"
with Image.open(out / "flower.jpg") as flower:
    flower.resize((60, 40), Image.BICUBIC).save(folder / "photograph.jpg", "JPEG", quality=90)
image = Image.open(folder / "photograph.jpg").convert("RGB")
boxes = [
    dict(top=4, left=12, height=20, width=36, flip=0, size=16),
    dict(top=0, left=0, height=40, width=60, flip=1, size=12),
    dict(top=16, left=18, height=5, width=6, flip=0, size=14),
]
tensors = {"decoded": np.asarray(image)}
for number, box in enumerate(boxes):
    crop = image.crop((box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"])).resize(
        (box["size"], box["size"]), Image.BICUBIC
    )
    tensors[f"crop{number}"] = np.ascontiguousarray(np.asarray(crop)[:, ::-1] if box["flip"] else np.asarray(crop))
size, short = 28, 32
view = np.asarray(image.resize((int(short * 60 / 40), short), Image.BICUBIC))
top, left = round((view.shape[0] - size) / 2), round((view.shape[1] - size) / 2)
view = view[top : top + size, left : left + size]
normalised = (view / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
tensors["eval224"] = np.ascontiguousarray(normalised.transpose(2, 0, 1).astype(np.float32))
save_file(
    tensors, folder / "photograph.safetensors", metadata=dict(format="clmae-preprocess/1", boxes=json.dumps(boxes), pillow=PIL.__version__)
)
print({key: len(rows) for key, rows in cases.items()})
