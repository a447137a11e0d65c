#!/usr/bin/env python3
"""Time an encoder that `curricle export --layout onnx` wrote in ONNX Runtime and OpenVINO, in lower precisions too.

usage: encoders.py ENCODER.onnx --batch-size 1 16 --threads 2

OpenVINO as float32, as bf16 (its inference precision hint) and as int8 of NNCF (a transformer's preset, 32 samples of noise); ONNX Runtime as float32 and as dynamic int8 with a scale a column
(`quantize_dynamic`, per_channel). One line each: median and least seconds of a pass, and the mean and the worst cosine of the class tokens
with those of ONNX Runtime's float32. What is not installed is passed over with a word.
"""
from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time

import numpy as np


def timed(run, pixels, repeats: int):
    """(median, least, last result) of `repeats` passes after two."""
    times = []
    for i in range(repeats + 2):
        start = time.perf_counter()
        result = run(pixels)
        if i >= 2:
            times.append(time.perf_counter() - start)
    return statistics.median(times), min(times), result


def onnx_runtime(path: str, threads: int):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pixels: session.run(None, {name: pixels})[0]


def quantized(path: str, threads: int):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    folder = tempfile.mkdtemp()
    quantize_dynamic(path, f"{folder}/int8.onnx", per_channel=True, weight_type=QuantType.QInt8)
    return onnx_runtime(f"{folder}/int8.onnx", threads)


def openvino(path: str, threads: int, precision: str, shape, quantizes: bool = False):
    import openvino as ov

    core = ov.Core()
    model = core.read_model(path)
    model.reshape(list(shape))
    if quantizes:
        import nncf

        samples = [np.random.default_rng(i).standard_normal(shape, np.float32) for i in range(max(2, 32 // shape[0]))]
        model = nncf.quantize(model, nncf.Dataset(samples), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(samples))
    compiled = core.compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    )
    request = compiled.create_infer_request()
    return lambda pixels: next(iter(request.infer([pixels]).values())).copy()


def main() -> None:
    parser = argparse.ArgumentParser(description="Time an exported encoder in ONNX Runtime and OpenVINO.")
    parser.add_argument("encoder")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--batch-size", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    for batch in options.batch_size:
        shape = (batch, options.channels, options.size, options.size)
        pixels = np.random.default_rng(0).standard_normal(shape, np.float32)
        ways = {
            "onnxruntime f32": lambda: onnx_runtime(options.encoder, options.threads),
            "onnxruntime int8": lambda: quantized(options.encoder, options.threads),
            "openvino f32": lambda: openvino(options.encoder, options.threads, "f32", shape),
            "openvino bf16": lambda: openvino(options.encoder, options.threads, "bf16", shape),
            "openvino int8": lambda: openvino(options.encoder, options.threads, "f32", shape, quantizes=True),
        }
        exact = None
        for name, make in ways.items():
            try:
                run = make()
            except ImportError as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            median, least, tokens = timed(run, pixels, options.repeats)
            classes = np.asarray(tokens)[:, 0].astype(float)
            exact = classes if exact is None else exact
            cosine = (classes * exact).sum(1) / np.linalg.norm(classes, axis=1) / np.linalg.norm(exact, axis=1)
            print(f"{os.path.basename(options.encoder)} batch {batch} {name:17} median {median * 1e3:8.2f} ms  least {least * 1e3:8.2f} ms  "
                  f"cosine {cosine.mean():.5f} worst {cosine.min():.5f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
