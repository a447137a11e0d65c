#!/usr/bin/env python3
"""Makes the fixture of the evaluations' tests with PyTorch: Tests/Fixtures/evaluation.json.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python tools/make_evaluation_fixtures.py

- `lars`: a probe (BatchNorm1d without affine, Linear) trained with LARS as MAE's main_linprobe.py does it, from given weights in
  a given order of rows: weights, bias and running statistics after it.
- `dino`: shares of right predictions of the weighted, cosine k nearest neighbours of DINOv2's eval/knn.py.
"""

import json
import math
import pathlib

import torch
from torch import nn

FIXTURE = pathlib.Path(__file__).resolve().parent.parent / "Tests/Fixtures/evaluation.json"


def clusters(count: int, width: int, classes: int, spread: float):
    centres = torch.randn(classes, width)
    labels = torch.randint(classes, (count,))
    return (centres[labels] + spread * torch.randn(count, width) + 0.5).float(), labels


def lars_probe() -> dict:
    count, width, classes, batch, epochs, warmup, base = 26, 5, 3, 8, 6, 2, 3000.0
    features, labels = clusters(count, width, classes, 1.0)
    features = features.double()
    norm, linear = nn.BatchNorm1d(width, affine=False, eps=1e-6).double(), nn.Linear(width, classes).double()
    nn.init.trunc_normal_(linear.weight, std=0.01)
    nn.init.zeros_(linear.bias)
    out = {"features": features.flatten().tolist(), "labels": labels.tolist(), "width": width, "batch": batch, "epochs": epochs, "warmup": warmup,
           "base_rate": base, "initial": linear.weight.flatten().tolist(), "orders": []}  # fmt: skip
    peak, velocity = base * batch / 256, [torch.zeros_like(p) for p in linear.parameters()]
    steps = count // batch
    for epoch in range(epochs):
        order = torch.randperm(count)
        out["orders"].append(order.tolist())
        for step in range(steps):
            at = epoch + step / steps
            rate = peak * at / warmup if at < warmup else peak * 0.5 * (1 + math.cos(math.pi * (at - warmup) / (epochs - warmup)))
            rows = order[step * batch : (step + 1) * batch]
            linear.zero_grad()
            nn.functional.cross_entropy(linear(norm(features[rows])), labels[rows]).backward()
            with torch.no_grad():
                for p, v in zip(linear.parameters(), velocity):
                    g = p.grad
                    if p.ndim > 1:
                        q = 0.001 * p.norm() / g.norm() if p.norm() > 0 and g.norm() > 0 else 1.0
                        g = g * q
                    v.mul_(0.9).add_(g)
                    p.sub_(rate * v)
    return out | {"weights": linear.weight.flatten().tolist(), "bias": linear.bias.tolist(), "mean": norm.running_mean.tolist(),
                  "variance": norm.running_var.tolist()}  # fmt: skip


def dino_neighbours() -> dict:
    width, classes, ks = 7, 6, [1, 5, 10, 40]
    features, labels = clusters(150, width, classes, 1.6)
    train, test = features[:110], features[110:]
    similarity = nn.functional.normalize(test.double(), dim=1) @ nn.functional.normalize(train.double(), dim=1).T
    top, index = similarity.topk(max(ks), dim=1)
    votes = nn.functional.one_hot(labels[:110], classes).double()[index] * (top / 0.07).softmax(dim=1).unsqueeze(2)
    right = [(votes[:, :k].sum(1).argmax(1) == labels[110:]).double().mean().item() for k in ks]
    return {"train": train.flatten().tolist(), "train_labels": labels[:110].tolist(), "test": test.flatten().tolist(), "test_labels": labels[110:].tolist(),
            "width": width, "ks": ks, "accuracy": right}  # fmt: skip


if __name__ == "__main__":
    torch.manual_seed(7)
    FIXTURE.write_text(json.dumps({"lars": lars_probe(), "dino": dino_neighbours()}) + "\n")
    print(FIXTURE, FIXTURE.stat().st_size)
