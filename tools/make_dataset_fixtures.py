#!/usr/bin/env python3
"""Makes Tests/VisionTests/Fixtures/datasets: tar shards, .npy files and what webdataset, tarfile, numpy and Pillow make of them.

    python3 -m venv venv && venv/bin/pip install pillow numpy webdataset
    venv/bin/python tools/make_dataset_fixtures.py           # needs GNU tar for the sparse members

`datasets.json` says what each file holds: for shards webdataset's samples and tarfile's offsets, for arrays numpy's shapes and bytes.
"""

import io
import json
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import webdataset
from PIL import Image

from fixtures import noise

out = Path(__file__).resolve().parent.parent / "Tests" / "VisionTests" / "Fixtures" / "datasets"
out.mkdir(parents=True, exist_ok=True)
IMAGES = ["jpg", "jpeg", "png", "webp"]


def png(level):
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), (level, 255 - level, 7)).save(buffer, "PNG")
    return buffer.getvalue()


def add(archive, name, data=b"", **fields):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in fields.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(data))


def trimmed(path):
    """tarfile fills up to 10240 bytes; two empty blocks say the end."""
    data = path.read_bytes()
    path.write_bytes(data[: (len(data.rstrip(b"\0")) + 511) // 512 * 512 + 1024])


def shard(name, kind):
    path = out / name
    with tarfile.open(path, "w", format=kind) as archive:
        add(archive, "a", type=tarfile.DIRTYPE)
        add(archive, "a/0001.png", png(1))
        add(archive, "a/0001.cls", b"3\n")
        add(archive, "a/0002.json", b"{}")
        add(archive, "a/0002.cls", b"0")
        add(archive, "a/0002.PNG", png(2))
        add(archive, "a/.0002.png", b"a fork that some systems add")
        add(archive, "b/0002.png", png(3))  # another folder: another key
        add(archive, "b/0003.cls", b"1")  # no image
        add(archive, "README", b"no dot, no key")
        add(archive, "link.png", type=tarfile.SYMTYPE, linkname="a/0001.png")
        add(archive, "hard.png", type=tarfile.LNKTYPE, linkname="a/0001.png")
        add(archive, "x.y/0004.left.png", png(9))  # of kind left.png
        add(archive, "x.y/0004.webp.png", png(9))
        add(archive, "x.y/0004.png", png(4))
        add(archive, "ä/" + "l" * 80 + "/" + "m" * 60 + ".png", png(5))
        add(archive, "ä/" + "l" * 80 + "/" + "m" * 60 + ".cls", b" 10 ")
    trimmed(path)
    return describe(path)


def describe(path):
    members = {m.name: m for m in tarfile.open(path)}
    samples = []
    for sample in webdataset.WebDataset([str(path)], shardshuffle=False, empty_check=False):
        kinds = [key for key in sample if key in IMAGES]
        if not kinds:
            continue
        found = [m for n, m in members.items() if n.lower() == f"{sample['__key__']}.{kinds[0]}".lower()][0]
        label = int(sample["cls"]) if "cls" in sample else -1
        level = int(np.asarray(Image.open(io.BytesIO(sample[kinds[0]])))[0, 0, 0])
        samples.append(dict(name=found.name, offset=found.offset_data, size=found.size, label=label, level=level))
    return dict(file=path.name, samples=samples)


def sparse(name, *options):
    """Two members with holes, a whole one before and behind."""
    with tempfile.TemporaryDirectory() as folder:
        for file, data in [("1.png", png(1)), ("4.png", png(4))]:
            Path(folder, file).write_bytes(data)
        for file in ["2.png", "3.png"]:
            with open(Path(folder, file), "wb") as hole:
                hole.truncate(100_000)
        with open(Path(folder, "2.png"), "r+b") as hole:
            hole.seek(50_000)
            hole.write(b"island")
        names = ["1.png", "2.png", "3.png", "4.png"]
        subprocess.run(
            ["tar", "-b1", "-S", *options, "--owner=0", "--group=0", "--mtime=2000-01-01", "-cf", str(out / name), "-C", folder, *names],
            check=True,
        )
    members = {m.name: m for m in tarfile.open(out / name)}
    return dict(
        file=name,
        samples=[
            dict(name=n, offset=members[n].offset_data, size=members[n].size, label=-1, level=v) for n, v in [("1.png", 1), ("4.png", 4)]
        ],
    )


def array(name, values, version=None):
    with open(out / name, "wb") as file:
        np.lib.format.write_array(file, values, version=version)
    return dict(file=name, shape=list(values.shape), bytes=np.ascontiguousarray(values).reshape(-1).tolist())


def resized(values, width, height):
    """Each channel by Pillow: horizontal pass, then vertical."""
    channels = [Image.fromarray(np.ascontiguousarray(values[:, :, c])) for c in range(values.shape[2])]
    planes = [c.resize((width, c.height), Image.BICUBIC).resize((width, height), Image.BICUBIC) for c in channels]
    return np.stack([np.asarray(p) for p in planes], -1)


cases = dict(
    shards=[
        shard("ustar.tar", tarfile.USTAR_FORMAT),
        shard("gnu.tar", tarfile.GNU_FORMAT),
        shard("pax.tar", tarfile.PAX_FORMAT),
        sparse("sparse-gnu.tar", "--format=gnu"),
        sparse("sparse-0.0.tar", "--format=posix", "--sparse-version=0.0"),
        sparse("sparse-0.1.tar", "--format=posix", "--sparse-version=0.1"),
        sparse("sparse-1.0.tar", "--format=posix", "--sparse-version=1.0"),
    ],
    arrays=[
        array("nhwc.npy", noise(4 * 5, 3, 6).reshape(4, 5, 3, 6)),
        array("nhw-2.npy", noise(4, 5, 6), (2, 0)),
        array("nhw-3.npy", noise(2, 7, 9), (3, 0)),
    ],
    pictures=[array("hw.npy", noise(5, 3, 1)[:, :, 0]), array("hwc.npy", noise(5, 3, 7))],
    fortran=array("fortran.npy", np.asfortranarray(noise(5, 3, 7)))["file"],
    floats=array("floats.npy", noise(5, 3, 7).astype(np.float32) / 255)["file"],
    resize=[
        dict(height=h, width=w, channels=c, toHeight=th, toWidth=tw, pixels=resized(noise(h, w, c), tw, th).reshape(-1).tolist())
        for h, w, c, th, tw in [(9, 13, 5, 6, 7), (9, 13, 7, 12, 20), (10, 8, 8, 8, 8), (12, 6, 13, 5, 5)]
    ],
)
(out / "datasets.json").write_text(json.dumps(cases) + "\n")
print(f"{sum(os.path.getsize(out / f) for f in os.listdir(out))} bytes in {out}")
