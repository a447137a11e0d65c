#!/usr/bin/env python3
"""Makes the fixtures of the file format tests with the formats' own Python packages.

python3 -m venv venv && venv/bin/pip install numpy ml_dtypes safetensors tensorboard
venv/bin/python tools/make_format_fixtures.py            writes Tests/Fixtures
venv/bin/python tools/make_format_fixtures.py FILE...    reads files that Curricle wrote, and prints what is in them
"""

import pathlib
import sys

import numpy

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Fixtures"


def write_tensors(path):
    """One tensor of every type that numpy knows, an empty one and a single number; data 0, 1, 2, ... and their negatives."""
    import ml_dtypes
    from safetensors.numpy import save_file

    ramp = numpy.arange(6).reshape(2, 3)
    tensors = {
        "f32": (ramp * 0.5 - 1).astype(numpy.float32),
        "f64": ramp * 0.1,
        "f16": (ramp - 2.5).astype(numpy.float16),
        "bf16": (ramp * 1.5 - 3).astype(ml_dtypes.bfloat16),
        "i64": ramp.astype(numpy.int64) - 3,
        "i32": ramp.astype(numpy.int32) - 3,
        "i16": ramp.astype(numpy.int16) - 3,
        "i8": ramp.astype(numpy.int8) - 3,
        "u64": ramp.astype(numpy.uint64),
        "u32": ramp.astype(numpy.uint32) + 4_000_000_000,
        "u16": ramp.astype(numpy.uint16) + 60_000,
        "u8": ramp.astype(numpy.uint8) + 250,
        "bool": ramp % 2 == 1,
        "empty": numpy.zeros((0, 4), numpy.float32),
        "single": numpy.array(7.25, numpy.float32),
        'quote " and λ': numpy.array([1, 2], numpy.float32),
    }
    save_file(tensors, path, metadata={"format": "pt"})


def write_events(path):
    """The version record, two scalars at step 0, one at step 300 and a picture at step 301, at fixed times."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    value = Summary.Value
    picture = Summary.Image(height=2, width=3, colorspace=3, encoded_image_string=bytes(range(200)))
    events = [
        Event(wall_time=1000.5, file_version="brain.Event:2"),
        Event(
            wall_time=1001.5, step=0, summary=Summary(value=[value(tag="train_loss", simple_value=0.75), value(tag="λ", simple_value=0)])
        ),
        Event(wall_time=1002.5, step=300, summary=Summary(value=[value(tag="train_loss", simple_value=0.5)])),
        Event(wall_time=1003.5, step=301, summary=Summary(value=[value(tag="masks", image=picture)])),
    ]
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString(deterministic=True))
        writer.flush()


def show(path):
    """Reads a file by its own package."""
    if "tfevents" in path:
        from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
        from tensorboard.compat.proto.event_pb2 import Event

        for record in RawEventFileLoader(path).Load():
            event = Event.FromString(record)
            values = [
                (v.tag, v.simple_value if v.HasField("simple_value") else f"{v.image.width}x{v.image.height}") for v in event.summary.value
            ]
            print(path, event.step, event.file_version, values)
        return
    import ml_dtypes  # noqa: F401 (numpy learns bfloat16 from it)
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        print(path, file.metadata())
        for name in file.keys():
            tensor = file.get_tensor(name)
            print(" ", name, tensor.dtype, tensor.shape, tensor.ravel()[:4])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        for argument in sys.argv[1:]:
            show(argument)
    else:
        FOLDER.mkdir(parents=True, exist_ok=True)
        write_tensors(FOLDER / "reference.safetensors")
        write_events(FOLDER / "reference.tfevents")
        for file in sorted(FOLDER.iterdir()):
            print(file, file.stat().st_size)
