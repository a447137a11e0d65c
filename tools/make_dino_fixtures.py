#!/usr/bin/env python3
"""Makes Tests/Fixtures/checkpoints/dino: small DINOv2s with random weights, LayerScale and register tokens, and features by those who define them.

    python3 -m venv venv && venv/bin/pip install torch timm transformers safetensors pillow
    venv/bin/python tools/make_dino_fixtures.py

A folder each: `timm`, `timm-registers` (timm's VisionTransformer), `hf`, `hf-registers` (transformers' Dinov2Model and
Dinov2WithRegistersModel), with model.safetensors and expected.safetensors: `cls` and `mean` [4, 16] in float64 of the pictures in
`pictures`, 42 pixels a side, as they are.
"""
import json
from pathlib import Path

import numpy as np
import timm
import torch
from fixtures import noise, pillow
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

FOLDER = Path(__file__).resolve().parent.parent / "Tests/Fixtures/checkpoints/dino"
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 42, "patch_size": 14, "layerscale_value": 0.6}


def pictures():
    """Normalised pictures [4, 3, 42, 42], which are written too."""
    (FOLDER / "pictures").mkdir(parents=True, exist_ok=True)
    arrays = []
    for i in range(4):
        picture = pillow(noise(6, 6, 3, seed=i + 1)).resize((42, 42))
        picture.save(FOLDER / "pictures" / f"{i}.png")
        arrays.append(np.asarray(picture))
    x = torch.tensor(np.stack(arrays)).permute(0, 3, 1, 2).double() / 255
    return (x - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def draw(model):
    """Wide enough for every part to matter."""
    for name, p in model.named_parameters():
        with torch.no_grad():
            one = 1 if "norm" in name and name.endswith("weight") else 0
            p.copy_(torch.randn_like(p) * (0.2 if p.ndim == 2 or p.ndim == 4 else 0.5) + one)


def save_expected(folder, tokens, leading):
    mean = tokens[:, leading:].mean(1)
    save_file({"cls": tokens[:, 0].contiguous(), "mean": mean.contiguous()}, folder / "expected.safetensors")


def main():
    torch.manual_seed(5)
    x = pictures()
    for name, registers in (("timm", 0), ("timm-registers", 3)):
        model = timm.models.vision_transformer.VisionTransformer(
            img_size=42, patch_size=14, embed_dim=16, depth=2, num_heads=2, init_values=1e-5, num_classes=0, reg_tokens=registers,
            no_embed_class=registers > 0)  # fmt: skip
        draw(model)
        (FOLDER / name).mkdir(exist_ok=True)
        save_file(model.state_dict(), FOLDER / name / "model.safetensors")
        with torch.no_grad():
            save_expected(FOLDER / name, model.eval().double().forward_features(x), 1 + registers)
    for name, model, registers in (
        ("hf", Dinov2Model(Dinov2Config(**SIZES)), 0),
        ("hf-registers", Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**SIZES, num_register_tokens=2)), 2),
    ):
        draw(model)
        model.save_pretrained(FOLDER / name)
        settings = {"image_mean": MEAN, "image_std": STD, "do_center_crop": True, "resample": 3}
        (FOLDER / name / "preprocessor_config.json").write_text(json.dumps(settings))
        with torch.no_grad():
            save_expected(FOLDER / name, model.eval().double()(x).last_hidden_state, 1 + registers)


if __name__ == "__main__":
    main()
