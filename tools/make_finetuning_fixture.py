#!/usr/bin/env python3
"""Makes a small classifier, and what PyTorch makes of it in a few steps of fine-tuning.

    python3 -m venv venv && venv/bin/pip install torch timm safetensors
    venv/bin/python tools/make_finetuning_fixture.py      writes Tests/Fixtures/finetuning.safetensors

The model is timm's, in float64, its residual branches multiplied by given scales as drop path does; the groups of AdamW are those of MAE's
`util/lr_decay.py`; the loss is timm's SoftTargetCrossEntropy. Three updates follow one another; then, from the first weights again, one update
from two batches' mean gradient with its norm clipped.
"""

import pathlib

import torch
from safetensors.torch import save_file
from timm.loss import SoftTargetCrossEntropy
from timm.models.vision_transformer import VisionTransformer

FILE = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "finetuning.safetensors"
SIDE, PATCH, WIDTH, DEPTH, HEADS, CLASSES, IMAGES, STEPS = 16, 4, 24, 3, 4, 5, 4, 3
RATES, DECAY, WEIGHT_DECAY, CLIP = [1e-3, 4e-3, 2e-3], 0.65, 0.05, 0.4

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)


def make(pool):
    model = VisionTransformer(
        img_size=SIDE, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, num_classes=CLASSES, global_pool=pool
    )
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn_like(p)
            p.copy_(
                (1 + 0.2 * noise)
                if p.dim() == 1 and "norm" in name and name.endswith("weight")
                else noise * 0.7 / p[0].numel() ** 0.5
                if p.dim() >= 2 and "embed" not in name and "token" not in name
                else 0.3 * noise
            )
            p.copy_(p.float().double())
        # Curricle's checkpoints have added the class token's position to the token.
        model.pos_embed[:, 0] = 0
    return model


def forward(model, images, scales):
    x = model.patch_embed(images)
    x = torch.cat([model.cls_token.expand(len(x), -1, -1), x], 1) + model.pos_embed
    for i, block in enumerate(model.blocks):
        x = x + scales[2 * i][:, None, None] * block.attn(block.norm1(x))
        x = x + scales[2 * i + 1][:, None, None] * block.mlp(block.norm2(x))
    return model.forward_head(model.norm(x))


def optimizer(model):
    groups = []
    for name, p in model.named_parameters():
        layer = (
            0
            if name.split(".")[0] in ("cls_token", "pos_embed", "patch_embed")
            else int(name.split(".")[1]) + 1
            if name.startswith("blocks")
            else DEPTH + 1
        )
        plain = p.dim() == 1 or name.endswith("bias") or name in ("cls_token", "pos_embed")
        groups.append({"params": [p], "scale": DECAY ** (DEPTH + 1 - layer), "weight_decay": 0 if plain else WEIGHT_DECAY})
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.999))


def set_rate(adamw, rate):
    for group in adamw.param_groups:
        group["lr"] = rate * group["scale"]


def patches(images):
    """[N, L, P] in (row, column, channel) order."""
    n, c, h, w = images.shape
    return images.reshape(n, c, h // PATCH, PATCH, w // PATCH, PATCH).permute(0, 2, 4, 3, 5, 1).reshape(n, -1, PATCH * PATCH * c)


images = torch.randn(STEPS, IMAGES, 3, SIDE, SIDE).float().double()
targets = torch.softmax(2 * torch.randn(STEPS, IMAGES, CLASSES), -1).float().double()
rates = torch.linspace(0, 0.4, DEPTH)
scales = (
    ((torch.rand(STEPS, 2 * DEPTH, IMAGES) >= rates.repeat_interleave(2)[None, :, None]) / (1 - rates.repeat_interleave(2))[None, :, None])
    .float()
    .double()
)
criterion = SoftTargetCrossEntropy()
tensors = {"patches": torch.stack([patches(i) for i in images]), "targets": targets, "scales": scales, "rates": torch.tensor(RATES)}

for pool in ("avg", "token"):
    model = make(pool)
    first = {name: p.detach().clone() for name, p in model.named_parameters()}
    tensors |= {f"{pool}.before.{name}": p for name, p in first.items()}
    adamw, losses = optimizer(model), []
    for step in range(STEPS):
        set_rate(adamw, RATES[step])
        logits = forward(model, images[step], scales[step])
        loss = criterion(logits, targets[step])
        adamw.zero_grad()
        loss.backward()
        adamw.step()
        tensors[f"{pool}.logits.{step}"] = logits.detach()
        losses.append(loss.detach())
    tensors[f"{pool}.losses"] = torch.stack(losses)
    tensors |= {f"{pool}.after.{name}": p.detach().clone() for name, p in model.named_parameters()}

    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(first[name])
    adamw = optimizer(model)
    adamw.zero_grad()
    set_rate(adamw, RATES[0])
    for step in range(2):
        (criterion(forward(model, images[step], scales[step]), targets[step]) / 2).backward()
    tensors[f"{pool}.norm"] = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).reshape(1)
    assert tensors[f"{pool}.norm"] > CLIP
    adamw.step()
    tensors |= {f"{pool}.clipped.{name}": p.detach().clone() for name, p in model.named_parameters()}

save_file({name: t.float().contiguous() for name, t in tensors.items()}, FILE)
print(FILE.stat().st_size, "bytes")
