#!/usr/bin/env python3
"""Time encoder features in PyTorch, ONNX Runtime and OpenVINO.

usage: features.py --preset tiny-p16 base-p16 --batch-size 1 16 --threads 2 --json

Features are the encoder over all patches of 224 × 224 images without a mask, after the final norm: the class token and
all tokens. ONNX Runtime and OpenVINO run a model that `torch.onnx` exports at the batch size in question; those that
are not installed are passed over with a word on standard error. Prints one line for each combination, a JSON object
with --json; `max_error` is the largest difference from PyTorch's tokens relative to their largest magnitude.
"""
from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.util
import io
import json
import logging
import os
import statistics
import sys
import tempfile
import time

RUNTIMES = {"pytorch": "torch", "onnxruntime": "onnxruntime", "openvino": "openvino"}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time encoder features in PyTorch, ONNX Runtime and OpenVINO.")
    parser.add_argument("--preset", nargs="+", default=["tiny-p16", "base-p16"])
    parser.add_argument("--batch-size", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--runtime", nargs="+", default=list(RUNTIMES), choices=list(RUNTIMES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10, help="timed passes")
    parser.add_argument("--warmup", type=int, default=3, help="passes before them")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line")
    return parser.parse_args()


def export_onnx(module, images, path: str) -> None:
    """Writes `module` at the shape of `images` as an ONNX file, without the exporter's chatter."""
    import torch

    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(module, (images,), path, input_names=["images"], output_names=["cls", "tokens"],
                          dynamo=True, external_data=False)  # fmt: skip


def onnxruntime_session(path: str, threads: int):
    """A function from images to (class token, tokens) in ONNX Runtime."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["cls", "tokens"], {"images": images})


def openvino_session(path: str, threads: int):
    """A function from images to (class token, tokens) in OpenVINO, held to float32."""
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    request = compiled.create_infer_request()

    def run(images):
        request.infer([images], share_inputs=True, share_outputs=True)
        return [request.get_output_tensor(i).data for i in range(2)]

    return run


def main() -> int:
    options = parse()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)

    import numpy
    import torch
    from torch import nn

    from clmae import CLMAE, preset
    from step import percentile

    class Features(nn.Module):
        """The encoder's features as a module of their own."""

        def __init__(self, model: CLMAE):
            super().__init__()
            self.model = model

        def forward(self, images):
            return self.model.features(images)

    torch.set_num_threads(options.threads)
    runtimes = []
    for runtime in options.runtime:
        if importlib.util.find_spec(RUNTIMES[runtime]):
            runtimes.append(runtime)
        else:
            print(f"{runtime} is not installed", file=sys.stderr)
    versions = {runtime: getattr(__import__(RUNTIMES[runtime]), "__version__", "") for runtime in runtimes}

    for name in options.preset:
        torch.manual_seed(0)
        features = Features(CLMAE(preset(name, attention="sdpa"))).eval().requires_grad_(False)
        size = features.model.config.img_size
        for batch in options.batch_size:
            images = torch.randn(batch, 3, size, size)
            with torch.inference_mode():
                reference = features(images)[1].numpy()
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "features.onnx")
                if set(runtimes) - {"pytorch"}:
                    try:
                        export_onnx(features, images, path)
                    except Exception as error:  # an optional comparison: the others go on
                        print(f"torch.onnx cannot export {name}: {error}", file=sys.stderr)
                for runtime in runtimes:
                    if runtime == "pytorch":
                        run, given = torch.inference_mode()(features.forward), images
                    elif not os.path.exists(path):
                        continue
                    else:
                        start = onnxruntime_session if runtime == "onnxruntime" else openvino_session
                        run, given = start(path, options.threads), images.numpy()
                    for _ in range(options.warmup):
                        run(given)
                    times = []
                    for _ in range(max(1, options.repeats)):
                        begin = time.perf_counter()
                        output = run(given)
                        times.append(time.perf_counter() - begin)
                    error = abs(numpy.asarray(output[1]) - reference).max() / abs(reference).max()
                    median = statistics.median(times)
                    record = {
                        "runtime": runtime,
                        "version": versions[runtime],
                        "preset": name,
                        "batch": batch,
                        "precision": "float32",
                        "threads": options.threads,
                        "repeats": len(times),
                        "features_s": round(median, 6),
                        "features_p90_s": round(percentile(times, 0.9), 6),
                        "features_min_s": round(min(times), 6),
                        "img_s": round(batch / median, 3),
                        "max_error": float(f"{error:.2e}"),
                    }
                    if options.json:
                        print(json.dumps(record), flush=True)
                    else:
                        print("  ".join(f"{key} {value}" for key, value in record.items()), flush=True)
                    del run, output
                    gc.collect()
    return 0


if __name__ == "__main__":
    sys.exit(main())
