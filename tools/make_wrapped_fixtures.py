#!/usr/bin/env python3
"""Makes one very small encoder of timm's, saved in the ways that trainers save them, and encoders on grids that their shapes do not show.

    python3 -m venv venv && venv/bin/pip install torch timm safetensors numpy
    venv/bin/python tools/make_wrapped_fixtures.py       writes Tests/Fixtures/checkpoints/wrapped

`features.json` holds what timm computes (float64) of `HEIGHTxWIDTH.npy`, with ImageNet's mean and deviation: `cls` and `mean` after the last norm, and
`fc_norm`: the mean of the patch tokens before it, through a LayerNorm (eps 1e-6) without parameters. `fp8` holds torch's reading of every byte.
"""

import argparse
import collections
import json
import pathlib
import shutil

import numpy
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "checkpoints" / "wrapped"
PATCH, WIDTH, DEPTH, HEADS = 4, 8, 3, 2
MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]).double(), torch.tensor([0.229, 0.224, 0.225]).double()


def pixels(height, width):
    path = FOLDER / f"{height}x{width}.npy"
    if not path.exists():
        numpy.save(path, numpy.random.default_rng(height * width).integers(0, 256, (2, height, width, 3), dtype=numpy.uint8))
    return ((torch.tensor(numpy.load(path)).double() / 255 - MEAN) / DEVIATION).permute(0, 3, 1, 2)


def model(height, width, seed, **options):
    made = VisionTransformer(
        img_size=(height, width), patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, num_classes=0, **options
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, parameter in sorted(made.named_parameters()):
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return made.eval()


@torch.no_grad()
def features(made, height, width):
    made = made.double()
    before = []
    hook = made.norm.register_forward_hook(lambda _, inputs, output: before.append(inputs[0]))
    tokens = made.forward_features(pixels(height, width))
    hook.remove()
    fresh = torch.nn.functional.layer_norm(before[0][:, 1:].mean(1), (WIDTH,), eps=1e-6)
    return {"cls": tokens[:, 0].flatten().tolist(), "mean": tokens[:, 1:].mean(1).flatten().tolist(), "fc_norm": fresh.flatten().tolist()}


def prefixed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    torch.manual_seed(0)
    plain, other = model(8, 8, 1), model(8, 8, 2)
    state, others = ({k: v.clone() for k, v in m.state_dict().items()} for m in (plain, other))
    cases = {"plain": features(plain, 8, 8), "other": features(other, 8, 8)}

    def save(name, content, **options):
        torch.save(content, FOLDER / name, **options)

    save("module.pth", {"state_dict": prefixed(state, "module._orig_mod.")})
    save("lightning.ckpt", {"epoch": 1, "state_dict": prefixed(state, "model."), "optimizer_states": [], "hyper_parameters": {"lr": 1e-3}})
    save("lightly.ckpt", {"state_dict": {**prefixed(state, "backbone.vit."), "decoder.mask_token": torch.zeros(1, 1, 8)}})
    save("dino.pth", {"student": prefixed(others, "module.backbone."), "teacher": prefixed(state, "backbone."), "epoch": 3})
    save("ema.pth.tar", {"epoch": 2, "state_dict": others, "state_dict_ema": state, "args": argparse.Namespace(lr=0.1)})
    save("model-ema.pth", {"model": others, "model_ema": state})
    save("two.pth", {"encoder": prefixed(state, "module."), "predictor": {}, "target_encoder": prefixed(others, "module.")})
    shapes = [collections.OrderedDict((k, v.shape) for k, v in state.items())]
    save("deepspeed.pt", {"module": state, "optimizer": None, "ds_version": "0.14", "param_shapes": shapes})
    save("config.pth", {"model": {"name": "vit", "width": 8}, "state_dict": state})
    save("net.pth", {"net": state, "best": 0.5})
    kinds = {"shape": torch.Size([3, 8]), "dtype": torch.float16, "device": torch.device("cpu"), "names": {"a"}, "point": complex(1, 2)}
    save("kinds.pth", {"model_state_dict": {k.encode(): v for k, v in state.items()}, **kinds})
    save_file(prefixed(state, "backbone."), FOLDER / "backbone.safetensors")
    save_file(state, FOLDER / "safetensors-as.pth")
    for name, element in [
        ("e4m3fn", torch.float8_e4m3fn),
        ("e5m2", torch.float8_e5m2),
        ("e4m3fnuz", torch.float8_e4m3fnuz),
        ("e5m2fnuz", torch.float8_e5m2fnuz),
    ]:
        every = torch.arange(256, dtype=torch.uint8).view(element)
        save(f"{name}.pth", {"every": every})
        cases[name] = [repr(float(x)) for x in every.float()]

    # 3×5 patches and the class token are 16 positions; 2×5 without its position are 3² + 1.
    for name, height, width, options in [("oblong", 12, 20, {}), ("bare", 8, 20, {"no_embed_class": True}), ("square", 16, 16, {})]:
        made = model(height, width, 3, **options)
        save_file({k: v.clone() for k, v in made.state_dict().items()}, FOLDER / f"{name}.safetensors")
        cases[name] = features(made, height, width)
    # The square's positions on a rectangle of as many patches, as timm brings them there.
    made = made.float()
    made.set_input_size((8, 32))
    cases["square 8,32"] = features(made, 8, 32)

    (FOLDER / "features.json").write_text(json.dumps(cases) + "\n")
    for file in sorted(FOLDER.iterdir()):
        print(file.name, file.stat().st_size)


if __name__ == "__main__":
    main()
