#!/usr/bin/env python3
"""Rules for fewer tokens that the command does not have, judged as Benchmarks/pruning.py judges its own: what looks at the encoder's own
attention first (an oracle: it has paid for all tokens already), the masker's scores after its first block (cheaper than the masker), and scores
turned round, image by image.

    pip install torch timm scikit-learn pillow
    Benchmarks/pruning_oracles.py --sets eurosat,plankton,heritage [--seeds 0,1,2] [--runs DIR] [--real64 DIR]    after pruning.py run

The encoder and the masker are written here with timm's blocks, which read the run's weights. So "all" and "final masker" are computed a second
time; where they are not what pruning.py found (0.2 points of kNN; half a point of the ridge probe, whose penalties are others), nothing is kept.
"""

import argparse
import functools
import io
import json
import os
import pathlib
import tarfile

import numpy
import safetensors.torch
import timm.models.vision_transformer
import torch
from PIL import Image
from pruning import JUDGES, RESULTS, SHARES, result
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SIZE, PATCH, WIDTH = 64, 8, 96
MEAN, STD = numpy.float32([0.485, 0.456, 0.406]), numpy.float32([0.229, 0.224, 0.225])
CHECKED = {"kNN": 0.002, "ridge": 0.005}


def load(file):
    """Pixels [N, 3, 64, 64], resized and cropped as MAE's evaluation does, and labels."""
    resized, pixels, labels = int(SIZE * 256 / 224), [], []
    edge = round((resized - SIZE) / 2)
    with tarfile.open(file) as tar:
        for name in sorted(n for n in tar.getnames() if n.endswith(".jpg")):
            image = Image.open(io.BytesIO(tar.extractfile(name).read())).convert("RGB")
            image = image.resize((resized, resized), Image.Resampling.BICUBIC).crop((edge, edge, edge + SIZE, edge + SIZE))
            pixels.append(((numpy.asarray(image, numpy.float32) / 255 - MEAN) / STD).transpose(2, 0, 1))
            labels.append(int(tar.extractfile(name[:-3] + "cls").read()))
    return torch.from_numpy(numpy.stack(pixels)), numpy.array(labels)


class Blocks(torch.nn.Module):
    """Blocks of timm's vision transformer with the tensors below a prefix."""

    def __init__(self, tensors, prefix, depth, epsilon):
        super().__init__()
        norm = functools.partial(torch.nn.LayerNorm, eps=epsilon)
        block = timm.models.vision_transformer.Block
        self.blocks = torch.nn.ModuleList(block(WIDTH, 4, qkv_bias=True, norm_layer=norm) for _ in range(depth))
        self.blocks.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}, strict=True)

    def forward(self, tokens, depth=None):
        for block in self.blocks[:depth]:
            tokens = block(tokens)
        return tokens


class Encoder:
    def __init__(self, weights):
        self.t = safetensors.torch.load_file(weights)
        self.blocks = Blocks(self.t, "blocks.", 4, 1e-6)

    def embedded(self, pixels):
        """Patch tokens with their positions, [N, 64, D]."""
        tokens = torch.nn.functional.conv2d(pixels, self.t["patch_embed.proj.weight"], self.t["patch_embed.proj.bias"], stride=PATCH)
        return tokens.flatten(2).transpose(1, 2) + self.t["pos_embed"][:, 1:]

    def with_class(self, tokens):
        first = self.t["cls_token"] + self.t["pos_embed"][:, :1]
        return torch.cat([first.expand(len(tokens), -1, -1), tokens], 1)

    def features(self, tokens, kept):
        tokens = tokens.gather(1, kept[..., None].expand(-1, -1, WIDTH))
        norm = (WIDTH,), self.t["norm.weight"], self.t["norm.bias"], 1e-6
        return torch.nn.functional.layer_norm(self.blocks(self.with_class(tokens)), *norm)[:, 1:].mean(1)

    def class_attention(self, tokens):
        """How much the class token looks at each patch in the last block, mean over the heads, [N, 64]."""
        tokens = self.blocks(self.with_class(tokens), -1)
        last = self.blocks.blocks[-1]
        query, key, _ = last.attn.qkv(last.norm1(tokens)).reshape(len(tokens), -1, 3, 4, WIDTH // 4).permute(2, 0, 3, 1, 4)
        return (query[:, :, :1] @ key.transpose(-2, -1) / (WIDTH // 4) ** 0.5).softmax(-1).mean(1)[:, 0, 1:]


class Masker:
    def __init__(self, weights):
        tensors = safetensors.torch.load_file(weights)
        self.t = {n.removeprefix("masking_net."): t for n, t in tensors.items() if n.startswith("masking_net.")}
        self.blocks = Blocks(self.t, "blocks.", 5, 1e-5)

    def scores(self, tokens, depth=5):
        """[N, 64]; by the head on the class token after so many blocks."""
        first = (self.t["cls_token"] + self.t["pos_embed"]).expand(len(tokens), -1, -1)
        token = self.blocks(torch.cat([first, tokens], 1), depth)[:, 0]
        token = torch.nn.functional.layer_norm(token, (WIDTH,), self.t["mlp_head.0.weight"], self.t["mlp_head.0.bias"], 1e-5)
        return torch.sigmoid(torch.nn.functional.linear(token, self.t["mlp_head.1.weight"], self.t["mlp_head.1.bias"]))


def accuracy(judge, training, labels, test, answers):
    if judge == "ridge":
        model = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=numpy.logspace(-4, 0, 9) * len(labels)))
        return float((model.fit(training, labels).predict(test) == answers).mean())
    # The most frequent class of the five nearest, of equally frequent ones the smallest.
    nearest = torch.cdist(torch.from_numpy(test).double(), torch.from_numpy(training).double()).topk(5, largest=False).indices.numpy()
    return float((numpy.array([numpy.bincount(row).argmax() for row in labels[nearest]]) == answers).mean())


def rules(encoder, run):
    final, partner = Masker(run / "model.safetensors"), Masker(run / "partner.safetensors")
    return {
        "all": lambda tokens: torch.zeros(tokens.shape[:2]),
        "final masker": final.scores,
        "class attention (oracle)": encoder.class_attention,
        "class attention, lowest": lambda tokens: -encoder.class_attention(tokens),
        "partner, first block": lambda tokens: partner.scores(tokens, 1),
        "final masker, lowest": lambda tokens: -final.scores(tokens),
        "final masker, first block, lowest": lambda tokens: -final.scores(tokens, 1),
    }


@torch.no_grad()
def judged(run, data):
    """Rows of all rules, unkept."""
    encoder = Encoder(run / "model.safetensors")
    sides = [load(f"{data}/{part}.tar") for part in ("train", "test")]
    tokens = [torch.cat([encoder.embedded(b) for b in pixels.split(256)]) for pixels, _ in sides]
    for rule, scores in rules(encoder, run).items():
        orders = [torch.cat([scores(b).argsort(dim=1, descending=True, stable=True) for b in side.split(256)]) for side in tokens]
        for share in [1.0] if rule == "all" else SHARES:
            # Kept patches go in as they lie in the image.
            kept = [order[:, : int(share * order.shape[1])].sort(1).values for order in orders]
            features = [
                torch.cat([encoder.features(*b) for b in zip(side.split(256), k.split(256), strict=True)]).numpy()
                for side, k in zip(tokens, kept, strict=True)
            ]
            for judge in JUDGES:
                yield rule, share, judge, accuracy(judge, features[0], sides[0][1], features[1], sides[1][1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="eurosat,plankton,heritage")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--runs", default="runs/pruning", help="folder of pruning.py's runs")
    parser.add_argument("--real64", default="real64", help="folder with eurosat, plankton, … (train.tar, test.tar)")
    options = parser.parse_args()
    os.nice(19)
    known = {(r["set"], r["seed"], r["rule"], r["keep"], r["judge"]): r["acc1"] for r in map(json.loads, RESULTS.read_text().splitlines())}
    for seed in map(int, options.seeds.split(",")):
        for name in options.sets.split(","):
            if (name, seed, "all", 1.0, "kNN") not in known:
                raise SystemExit(f"{name}, seed {seed}: what pruning.py finds is needed first: pruning.py run --sets {name} --seeds {seed}")
            kept = []
            for rule, share, judge, found in judged(pathlib.Path(options.runs) / f"{name}-{seed}", f"{options.real64}/{name}"):
                there = known.get((name, seed, rule, share, judge))
                print(f"{name} {seed} {rule} {share:g} {judge}: {found:.4f}" + (f", there {there:.4f}" if there else ""), flush=True)
                if there is None:
                    kept.append(result(name, seed, rule, share, judge, found))
                elif abs(there - found) > CHECKED[judge]:
                    raise SystemExit(f"{found}, and {there} by the command: nothing of this set and seed is kept")
            with RESULTS.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in kept)


if __name__ == "__main__":
    main()
