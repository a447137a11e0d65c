#!/usr/bin/env python3
"""Makes small checkpoints of other programs, an image, and the features that those programs compute.

    python3 -m venv venv && venv/bin/pip install torch timm transformers pillow
    venv/bin/python tools/make_checkpoint_fixtures.py       writes Tests/Fixtures/checkpoints

Weights are random, drawn wide enough for every part to matter. timm is the oracle of the timm and MAE fixtures (MAE's
encoder is timm's), transformers of its own. Features are of the images as they are, with ImageNet's mean and deviation.
"""

import argparse
import json
import pathlib
import zipfile

import numpy
import timm
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer
from transformers import ViTConfig, ViTMAEConfig, ViTMAEForPreTraining, ViTModel

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "checkpoints"
SIDE, PATCH, WIDTH, DEPTH, HEADS = 32, 8, 24, 2, 4


def randomise(model, seed):
    """Every parameter from a normal distribution, norms around 1, positions of the class token included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("weight") and parameter.dim() == 1:
                parameter.copy_(1 + 0.2 * noise)
            elif parameter.dim() >= 2 and "embed" not in name and "token" not in name:
                parameter.copy_(noise * 0.7 / parameter[0].numel() ** 0.5)
            elif "decoder_pos_embed" not in name:
                parameter.copy_(0.3 * noise)
    return model.eval()


def make_image():
    """Waves and noise, as a PNG: nothing of it is anybody's."""
    generator = numpy.random.default_rng(7)
    rows, columns = numpy.mgrid[0:SIDE, 0:SIDE]
    waves = [128 + 90 * numpy.sin(rows / (3 + c) + columns / (5 - c)) for c in range(3)]
    pixels = numpy.stack(waves, -1) + generator.normal(0, 20, (SIDE, SIDE, 3))
    image = Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8))
    for shape in ("square", "oblong"):
        (FOLDER / shape).mkdir(exist_ok=True)
    image.save(FOLDER / "square" / "waves.png")
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((torch.tensor(numpy.asarray(image)) / 255.0 - mean) / deviation).permute(2, 0, 1)[None]


def sincos(width, side):
    """MAE's fixed positions [1 + side², width]: a zero row, then of each place sines and cosines of its column, then of its row."""
    frequencies = 1 / 10000 ** (numpy.arange(width // 4) / (width / 4))
    rows = [numpy.zeros(width)]
    for row in range(side):
        for column in range(side):
            rows.append(numpy.concatenate([f(place * frequencies) for place in (column, row) for f in (numpy.sin, numpy.cos)]))
    return torch.tensor(numpy.stack(rows), dtype=torch.float32)[None]


def timm_model(**options):
    return VisionTransformer(
        img_size=SIDE,
        patch_size=PATCH,
        embed_dim=WIDTH,
        depth=DEPTH,
        num_heads=HEADS,
        mlp_ratio=options.pop("mlp_ratio", 4),
        num_classes=options.pop("num_classes", 0),
        **options,
    )


def numbers(tensor):
    return [float(x) for x in tensor.detach().double().flatten()]


def save(tensors, name):
    from safetensors.torch import save_file

    save_file({k: v.contiguous() for k, v in tensors.items()}, FOLDER / name, metadata={"format": "pt"})


def record(cases, name, tokens, mean=None):
    cases[name] = {"cls": numbers(tokens[0, 0]), "mean": numbers(tokens[0, 1:].mean(0) if mean is None else mean)}


@torch.no_grad()
def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    image, cases = make_image(), {}

    plain = randomise(timm_model(num_classes=3), 1).double()
    save({k: v.float() for k, v in plain.state_dict().items()}, "timm.safetensors")
    record(cases, "timm.safetensors", plain.forward_features(image.double()))
    half = {
        k: v.to(torch.bfloat16 if "fc1" in k else torch.float16 if "fc2" in k else torch.float64 if k == "cls_token" else torch.float32)
        for k, v in plain.state_dict().items()
    }
    # Views of other storages, transposed and offset: what a reader must unravel.
    half["blocks.0.attn.qkv.weight"] = (
        torch.cat([torch.zeros(5), half["blocks.0.attn.qkv.weight"].t().flatten()])[5:].reshape(WIDTH, 3 * WIDTH).t()
    )
    half["blocks.1.attn.qkv.bias"] = half["blocks.1.attn.qkv.bias"].repeat_interleave(2)[::2]
    half["counts"] = torch.arange(6).reshape(2, 3).t()
    torch.save(half, FOLDER / "timm.pth")
    mixed = timm_model(num_classes=3).double()
    mixed.load_state_dict({k: v.double() for k, v in half.items() if k != "counts"})
    record(cases, "timm.pth", mixed.eval().forward_features(image.double()))

    pooled = randomise(timm_model(global_pool="avg", mlp_ratio=2, num_classes=3), 2).double()
    save({k: v.float() for k, v in pooled.state_dict().items()}, "pooled.safetensors")
    tokens = pooled.forward_features(image.double())
    record(cases, "pooled.safetensors", tokens, pooled.forward_head(tokens, pre_logits=True)[0])

    # The grid of another image size, as timm brings positions to it.
    large = torch.nn.functional.interpolate(image, size=(48, 40), mode="nearest").double()
    resized = timm_model(num_classes=3).double()
    resized.load_state_dict(plain.state_dict())
    resized.set_input_size((48, 40))
    pixels = (large[0].permute(1, 2, 0) * torch.tensor([0.229, 0.224, 0.225]) + torch.tensor([0.485, 0.456, 0.406])) * 255
    Image.fromarray(pixels.round().numpy().astype(numpy.uint8)).save(FOLDER / "oblong" / "waves.png")
    record(cases, "timm.safetensors 48,40", resized.eval().forward_features(large))

    # MAE: an encoder of timm's and a decoder, in a training checkpoint with its arguments and optimiser.
    encoder = randomise(timm_model(), 3)
    encoder.pos_embed[:, 0] = 0
    decoder = randomise(timm_model(class_token=True), 4)
    state = encoder.state_dict()
    state["mask_token"] = torch.zeros(1, 1, WIDTH)
    state["decoder_embed.weight"], state["decoder_embed.bias"] = torch.eye(WIDTH), torch.zeros(WIDTH)
    for name, tensor in decoder.state_dict().items():
        if name.startswith("blocks.0."):
            state["decoder_" + name] = tensor
        if name.startswith("norm."):
            state["decoder_" + name] = tensor
    state["decoder_pred.weight"], state["decoder_pred.bias"] = torch.randn(PATCH * PATCH * 3, WIDTH) * 0.1, torch.zeros(PATCH * PATCH * 3)
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.ones(3))], lr=1e-3)
    optimiser.param_groups[0]["params"][0].grad = torch.ones(3)
    optimiser.step()
    arguments = argparse.Namespace(
        model="mae_vit_tiny", norm_pix_loss=True, mask_ratio=0.75, blr=1e-3, resume="", device="cpu", distributed=False, seed=2**70
    )
    torch.save(
        {
            "model": state,
            "optimizer": optimiser.state_dict(),
            "epoch": 3,
            "scaler": {"scale": 65536.0, "growth": [1, (2, None)]},
            "args": arguments,
        },
        FOLDER / "mae.pth",
    )
    record(cases, "mae.pth", encoder.double().forward_features(image.double()))

    sizes = dict(
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        image_size=SIDE,
        patch_size=PATCH,
    )
    vit = randomise(ViTModel(ViTConfig(**sizes)), 5).double()
    save({k: v.float() for k, v in vit.state_dict().items()}, "hf-new-names.safetensors")  # as transformers 5 holds them
    record(cases, "hf-new-names.safetensors", vit(image.double()).last_hidden_state)

    mae = ViTMAEForPreTraining(
        ViTMAEConfig(
            **sizes,
            mask_ratio=0.0,
            decoder_hidden_size=16,
            decoder_num_hidden_layers=1,
            decoder_num_attention_heads=2,
            decoder_intermediate_size=64,
        )
    )
    mae = randomise(mae, 6)
    mae.decoder.decoder_pos_embed.copy_(sincos(16, SIDE // PATCH))  # as in the published weights; transformers 5 begins with zeros
    mae.save_pretrained(FOLDER / "hf-mae")  # writes the classic names, and config.json
    # Without a mask, ViTMAE still shuffles its patches: ascending noise keeps their order.
    noise = torch.arange(float((SIDE // PATCH) ** 2))[None].double()
    record(cases, "hf-mae/model.safetensors", mae.double().vit(image.double(), noise=noise).last_hidden_state)

    evil = {"model": {"cls_token": torch.zeros(1, 1, 4)}, "args": Call()}
    torch.save(evil, FOLDER / "evil.pth")
    torch.save({"model": {"a": torch.zeros(2)}}, FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)
    for protocol in (3, 4, 5):
        torch.save(
            {"w": torch.arange(6.0).reshape(2, 3), "p": torch.nn.Parameter(torch.ones(2)), "i": torch.tensor([3, -4])},
            FOLDER / f"protocol{protocol}.pth",
            pickle_protocol=protocol,
        )

    # What torch.save never writes: a pickle that unfolds to 32 MB, and a storage that is compressed.
    with zipfile.ZipFile(FOLDER / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"N" * (32 << 20))
    with (
        zipfile.ZipFile(FOLDER / "protocol3.pth") as plain,
        zipfile.ZipFile(FOLDER / "compressed.pth", "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for entry in plain.namelist():
            archive.writestr(entry, plain.read(entry))

    resampled = {}
    values = torch.tensor(numpy.random.default_rng(3).normal(size=(1, 3, 5, 4)))
    for size in [(5, 4), (7, 9), (3, 2), (2, 11), (1, 1), (14, 3)]:
        for antialias in (False, True):
            out = torch.nn.functional.interpolate(values, size=size, mode="bicubic", align_corners=False, antialias=antialias)
            resampled[f"{size[0]} {size[1]} {'antialiased' if antialias else 'bicubic'}"] = numbers(out[0].permute(1, 2, 0))
    (FOLDER / "positions.json").write_text(json.dumps({"values": numbers(values[0].permute(1, 2, 0)), "resampled": resampled}))
    (FOLDER / "features.json").write_text(json.dumps(cases))
    print(f"torch {torch.__version__}, timm {timm.__version__}")
    for file in sorted(FOLDER.rglob("*")):
        if file.is_file():
            print(file.relative_to(FOLDER), file.stat().st_size)


class Call:
    """Pickles as a call of os.system, as a hostile file would."""

    def __reduce__(self):
        import os

        return os.system, ("true",)


if __name__ == "__main__":
    main()
