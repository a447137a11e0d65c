#!/usr/bin/env python3
"""How far bfloat16 autocast in PyTorch is from golden traces: what `curricle verify --precision bf16` is held against.

usage: precision.py TRACE.safetensors…

Prints norms of differences over norms: of features, of the autoencoder's and the masker's gradients (each all parameters as
one vector), and the relative error of each loss; each for both attention implementations.
"""
from __future__ import annotations

import argparse

import torch

from check import load_trace
from clmae import CLMAE, Config, masker_total


def distance(pairs) -> float:
    """‖ours − theirs‖ / ‖theirs‖ of several tensors together."""
    difference, whole = 0.0, 0.0
    for ours, theirs in pairs:
        difference += (ours.detach().double().reshape(theirs.shape) - theirs).square().sum().item()
        whole += theirs.square().sum().item()
    return (difference / whole) ** 0.5


def distances(path: str, attention: str) -> dict[str, float]:
    config, trace = load_trace(path)
    model = CLMAE(Config.from_dict(config | {"attention": attention}))
    model.load_state_dict({n.removeprefix("param."): t.float() if t.is_floating_point() else t for n, t in trace.items() if n.startswith("param.")}, strict=True)  # fmt: skip
    images = trace["images"].float()
    targets = model.targets(images)
    found = {}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with torch.no_grad():
            cls, tokens = model.features(images)
        found["features"] = distance([(cls, trace["features.cls"]), (tokens[:, 1:].mean(1), trace["features.mean"])])
        result = model.autoencoder_pass(images, targets)
    found["other patches"] = float((result["ids_keep"] != trace["ids_keep"]).sum())
    found["mae.loss"] = distance([(result["loss"], trace["mae.loss"])])
    result["loss"].backward()
    found["mae.grad"] = distance((p.grad, trace[f"mae.grad.{n}"]) for n, p in model.autoencoder_parameters().items())
    model.zero_grad(set_to_none=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = model.masker_pass(images, targets)
    for name in ("recon", "gauss", "diversity"):
        found[f"masker.loss.{name}"] = distance([(result[name], trace[f"masker.loss.{name}"])])
    total = masker_total(result, config["lambda_cl"])
    found["masker.loss.total"] = distance([(total, trace["masker.loss.total"])])
    total.backward()
    found["masker.grad"] = distance((p.grad, trace[f"masker.grad.{n}"]) for n, p in model.masker_parameters().items())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="How far bfloat16 autocast is from golden traces.")
    parser.add_argument("traces", nargs="+", metavar="TRACE", help="trace files (safetensors)")
    for path in parser.parse_args().traces:
        for attention in ("eager", "sdpa"):
            print(f"{path} ({attention})")
            for name, value in distances(path, attention).items():
                print(f"  {name:24} {value:.2e}")


if __name__ == "__main__":
    main()
