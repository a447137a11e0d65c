#!/usr/bin/env python3
"""Check the PyTorch peer in float64 against golden traces.

usage: check.py TRACE.safetensors…

Runs every trace with both attention implementations and prints, for each kind of value, the largest error relative to
the largest magnitude of its tensor. Exits with 1 where one passes the tolerance. Traces are stored as float32, which
alone makes up to 6e-8 of that. `move` is the L2 error of a parameter's move over the trajectory, relative to the move,
without the keys' third of `qkv.bias`, whose true gradient is zero; the rounding of the stored values weighs more there,
so it has a tolerance of its own.
"""
from __future__ import annotations

import argparse
import json
import sys

import torch
from safetensors import safe_open

from clmae import CLMAE, Config, Trainer, masker_total

MOVE_TOLERANCE = 3e-3


def load_trace(path: str) -> tuple[dict, dict[str, torch.Tensor]]:
    """A trace's configuration and its tensors, floats widened to float64."""
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    return config, {name: t.double() if t.is_floating_point() else t for name, t in tensors.items()}


def build(config: dict, trace: dict[str, torch.Tensor], attention: str) -> CLMAE:
    """The traced model in float64 at its initial parameters, every one of them from the trace.

    Fixed position embeddings are computed, and compared with the trace's, like every other value.
    """
    model = CLMAE(Config.from_dict(config | {"attention": attention})).double()
    state = {name.removeprefix("param."): t for name, t in trace.items() if name.startswith("param.")}
    model.load_state_dict(state, strict=True)
    return model


class Errors:
    """The largest error of each kind of value, and where it was."""

    def __init__(self):
        self.largest: dict[str, tuple[float, str]] = {}

    def add(self, kind: str, name: str, value: float) -> None:
        if not value <= self.largest.get(kind, (-1.0, ""))[0]:
            self.largest[kind] = (value, name)

    def compare(self, kind: str, name: str, ours: torch.Tensor, theirs: torch.Tensor) -> None:
        """Adds the largest difference relative to the tensor's largest magnitude."""
        ours = ours.detach().reshape(theirs.shape)
        scale = theirs.abs().max().item()
        difference = (ours - theirs).abs().max().item()
        self.add(kind, name, difference / scale if scale > 0 else difference)

    def compare_gradients(self, kind: str, parameters: dict, trace: dict[str, torch.Tensor]) -> None:
        """Compares the gradients of `parameters` with all those of the trace called `kind`.NAME."""
        traced = {name.removeprefix(kind + ".") for name in trace if name.startswith(kind + ".")}
        if traced != set(parameters):
            raise SystemExit(f"{kind}: the trace and the model name different parameters: {traced ^ set(parameters)}")
        for name, parameter in parameters.items():
            self.compare(kind, name, parameter.grad, trace[f"{kind}.{name}"])


def without_keys(name: str, move: torch.Tensor) -> torch.Tensor:
    """`move` without the middle third where it is that of a `qkv.bias`."""
    if not name.endswith("attn.qkv.bias"):
        return move
    queries, _, values = move.chunk(3)
    return torch.cat([queries, values])


def check(path: str, attention: str) -> Errors:
    """Replays a trace: single passes at the initial parameters, then the trajectory."""
    config, trace = load_trace(path)
    images = trace["images"]
    errors = Errors()

    fresh = CLMAE(Config.from_dict(config))
    for name, buffer in fresh.named_buffers():
        errors.compare("positions", name, buffer.double(), trace[f"param.{name}"])

    model = build(config, trace, attention)
    targets = model.targets(images)
    trainer = Trainer(model, lr=config["lr"], weight_decay=config["weight_decay"],
                      betas=(config["beta1"], config["beta2"]), eps=config["eps"])  # fmt: skip

    with torch.no_grad():
        cls, tokens = model.features(images)
    errors.compare("features", "features.cls", cls, trace["features.cls"])
    errors.compare("features", "features.mean", tokens[:, 1:].mean(dim=1), trace["features.mean"])

    trainer.train_only(trainer.autoencoder, trainer.masker)
    result = model.autoencoder_pass(images, targets)
    result["loss"].backward()
    if not torch.equal(result["ids_keep"], trace["ids_keep"]):
        raise SystemExit(f"{path}: the masker keeps other patches than the trace")
    errors.compare("scores", "scores", result["scores"], trace["scores"])
    errors.compare("predictions", "mae.mask", result["mask"], trace["mae.mask"])
    errors.compare("predictions", "mae.pred", result["pred"], trace["mae.pred"])
    errors.compare("predictions", "mae.latent_cls", result["latent_cls"], trace["mae.latent_cls"])
    errors.compare("losses", "mae.loss", result["loss"], trace["mae.loss"])
    errors.compare_gradients("mae.grad", model.autoencoder_parameters(), trace)
    if any(p.grad is not None for p in trainer.masker):
        raise SystemExit(f"{path}: step A left a gradient in the masker")
    model.zero_grad(set_to_none=True)

    trainer.train_only(trainer.masker, trainer.autoencoder)
    result = model.masker_pass(images, targets)
    total = masker_total(result, config["lambda_cl"])
    total.backward()
    errors.compare("predictions", "masker.pred", result["pred"], trace["masker.pred"])
    for name in ("recon", "gauss", "kl", "diversity"):
        errors.compare("losses", f"masker.loss.{name}", result[name], trace[f"masker.loss.{name}"])
    errors.compare("losses", "masker.loss.total", total, trace["masker.loss.total"])
    errors.compare_gradients("masker.grad", model.masker_parameters(), trace)
    if any(p.grad is not None for p in trainer.autoencoder):
        raise SystemExit(f"{path}: step B left a gradient in the autoencoder")
    model.zero_grad(set_to_none=True)

    iterations = config["iterations"]
    for i in range(iterations):
        sweep = 1 - 2 * i / (iterations - 1) if config.get("sweep") else 1.0
        for name, value in trainer.joint_iteration(images, config["lambda_cl"] * sweep).items():
            errors.compare("trajectory", f"{name} of iteration {i}", value, trace[f"trajectory.{name}"][i])

    finals = {name.removeprefix("final."): t for name, t in trace.items() if name.startswith("final.")}
    missing = set(dict(model.named_parameters())) - set(finals)
    if missing:
        raise SystemExit(f"{path}: no final value of {sorted(missing)}")
    for name, parameter in model.named_parameters():
        errors.compare("finals", name, parameter, finals[name])
        start = trace[f"param.{name}"]
        off = without_keys(name, parameter.detach() - finals[name]).norm()
        moved = without_keys(name, finals[name] - start).norm()
        errors.add("move", name, (off / moved).item() if moved > 0 else off.item())
    return errors


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the PyTorch peer in float64 against golden traces.")
    parser.add_argument("traces", nargs="+", metavar="TRACE", help="trace files (safetensors)")
    parser.add_argument("--tolerance", type=float, default=1e-6, help="largest relative error allowed (1e-6)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for path in options.traces:
        for attention in ("eager", "sdpa"):
            print(f"{path} ({attention})")
            for kind, (value, name) in check(path, attention).largest.items():
                good = value <= (MOVE_TOLERANCE if kind == "move" else options.tolerance)
                failed |= not good
                print(f"  {kind:12} {value:.1e}  {name}{'' if good else '  TOO LARGE'}")
    print("failed" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
