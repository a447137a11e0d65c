#!/usr/bin/env python3
"""Makes Tests/Fixtures/checkpoints/encoders: small encoders with random weights, and features by those who define them.

    python3 -m venv venv && venv/bin/pip install torch timm transformers safetensors pillow
    venv/bin/python tools/make_encoder_fixtures.py

A folder each: `timm`, `timm-registers` (timm's VisionTransformer with LayerScale, as DINOv2 has it), `hf`, `hf-registers` (transformers'
Dinov2Model and Dinov2WithRegistersModel), `timm-deit`, `hf-deit` (DeiT with its distillation token, timm's and transformers'),
`timm-no-class` (timm's VisionTransformer without a class token), with model.safetensors and expected.safetensors: `cls` and `mean` [4, 16] in float64 of the pictures in
`pictures`, 42 pixels a side, as they are.
"""
import json
from pathlib import Path

import numpy as np
import torch
from fixtures import noise, pillow
from safetensors.torch import save_file
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from transformers import DeiTConfig, DeiTModel, Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

FOLDER = Path(__file__).resolve().parent.parent / "Tests/Fixtures/checkpoints/encoders"
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 42, "patch_size": 14}
TIMM = {"img_size": 42, "patch_size": 14, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 0}


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
    """`leading` tokens stand before the patches', the first of which is the class token."""
    features = {"mean": tokens[:, leading:].mean(1).contiguous()}
    if leading:
        features["cls"] = tokens[:, 0].contiguous()
    save_file(features, folder / "expected.safetensors")


def main():
    torch.manual_seed(5)
    x = pictures()
    for name, model, leading in (
        ("timm", VisionTransformer(**TIMM, init_values=1e-5), 1),
        ("timm-registers", VisionTransformer(**TIMM, init_values=1e-5, reg_tokens=3, no_embed_class=True), 4),
        ("timm-deit", VisionTransformerDistilled(**TIMM), 2),
        ("timm-no-class", VisionTransformer(**TIMM, class_token=False, global_pool="avg", fc_norm=False), 0),
    ):
        draw(model)
        (FOLDER / name).mkdir(exist_ok=True)
        save_file(model.state_dict(), FOLDER / name / "model.safetensors")
        with torch.no_grad():
            save_expected(FOLDER / name, model.eval().double().forward_features(x), leading)
    for name, model, leading in (
        ("hf", Dinov2Model(Dinov2Config(**SIZES, layerscale_value=0.6)), 1),
        ("hf-registers", Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**SIZES, layerscale_value=0.6, num_register_tokens=2)), 3),
        ("hf-deit", DeiTModel(DeiTConfig(**SIZES, intermediate_size=64), add_pooling_layer=False), 2),
    ):
        draw(model)
        model.save_pretrained(FOLDER / name)
        settings = {"image_mean": MEAN, "image_std": STD, "do_center_crop": True, "resample": 3}
        (FOLDER / name / "preprocessor_config.json").write_text(json.dumps(settings))
        with torch.no_grad():
            save_expected(FOLDER / name, model.eval().double()(x).last_hidden_state, leading)


if __name__ == "__main__":
    main()
