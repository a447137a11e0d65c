"""CL-MAE in PyTorch: the peer that the runtime is measured against.

A curriculum-learned masked autoencoder is a masked autoencoder (MAE) whose mask comes from a small transformer, the
*masker*. One joint iteration on a batch has two steps:

* step A trains the autoencoder on the patches the frozen masker chose to remove;
* step B trains the masker through the frozen autoencoder, first to help it and later in training to oppose it.

Parameters carry the names of the reference implementation, so its state dictionaries load unchanged. The model is
plain PyTorch as a careful user writes it: fused AdamW, the frozen half excluded by ``requires_grad``, gradients set to
``None``, reconstruction targets computed once per iteration. It does the work a module-by-module model does; no dead
work is cut out by hand.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

AUTOENCODER_EPS = 1e-6
MASKER_EPS = 1e-5


@dataclass(frozen=True)
class Config:
    """Sizes and loss weights of a model."""

    img_size: int = 224
    patch_size: int = 16
    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    decoder_embed_dim: int = 512
    decoder_depth: int = 8
    decoder_num_heads: int = 16
    mlp_ratio: int = 4
    masker_depth: int = 5
    masker_heads: int = 4
    mask_ratio: float = 0.75
    norm_pix_loss: bool = False
    lambda_gauss: float = 1.0
    lambda_kl: float = 0.1
    lambda_diversity: float = 2.0
    attention: str = "sdpa"  # "eager": explicit softmax; "sdpa": scaled_dot_product_attention

    @property
    def grid(self) -> int:
        """Patches along a side of the image."""
        return self.img_size // self.patch_size

    @property
    def num_patches(self) -> int:
        return self.grid**2

    @property
    def num_kept(self) -> int:
        """Patches that step A shows the encoder."""
        kept = int(self.num_patches * (1 - self.mask_ratio))
        if not 0 < kept < self.num_patches:
            raise ValueError(f"mask ratio {self.mask_ratio} keeps {kept} of {self.num_patches} patches")
        return kept

    @classmethod
    def from_dict(cls, values: dict) -> "Config":
        """A configuration from a dictionary; keys that are not fields are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})


PRESETS = {
    "tiny-p16": Config(embed_dim=192, num_heads=3, decoder_embed_dim=128, decoder_depth=2, decoder_num_heads=4),
    "small-p16": Config(embed_dim=384, num_heads=6, decoder_embed_dim=256, decoder_depth=4, decoder_num_heads=8),
    "base-p16": Config(),
    "base-p8": Config(patch_size=8),
    "large-p16": Config(embed_dim=1024, depth=24, num_heads=16),
    "huge-p14": Config(patch_size=14, embed_dim=1280, depth=32, num_heads=16),
}


def preset(name: str, **changes) -> Config:
    """The configuration called `name`, with some fields changed."""
    return replace(PRESETS[name], **changes)


def sincos_position_embedding(dim: int, grid: int) -> Tensor:
    """Fixed 2-D position embedding, [1, 1 + grid², dim] in float64; the first row, the class token's, is zero.

    The first half of a row encodes the column and the second the row, each as sines and then cosines.
    """
    if dim % 4:
        raise ValueError(f"the width {dim} is not divisible by 4")
    frequencies = 10000.0 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim / 4))
    angles = torch.arange(grid, dtype=torch.float64)[:, None] * frequencies
    axis = torch.cat([angles.sin(), angles.cos()], dim=1)
    columns = axis[None, :, :].expand(grid, grid, -1)
    rows = axis[:, None, :].expand(grid, grid, -1)
    table = torch.cat([columns, rows], dim=2).reshape(1, grid * grid, dim)
    return torch.cat([torch.zeros(1, 1, dim, dtype=torch.float64), table], dim=1)


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, dim: int, heads: int, implementation: str):
        super().__init__()
        if implementation not in ("eager", "sdpa"):
            raise ValueError(f"unknown attention implementation {implementation!r}")
        self.heads = heads
        self.implementation = implementation
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        n, s, d = x.shape
        qkv = self.qkv(x).reshape(n, s, 3, self.heads, d // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        if self.implementation == "sdpa":
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            scale = (d // self.heads) ** -0.5
            y = ((q * scale) @ k.transpose(-2, -1)).softmax(dim=-1) @ v
        return self.proj(y.transpose(1, 2).reshape(n, s, d))


class Mlp(nn.Module):
    """Two linear layers with an exact (erf) GELU between them."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, dim: int, heads: int, mlp_ratio: int, eps: float, attention: str):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, heads, attention)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim, mlp_ratio * dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """Images [N, 3, H, W] to patch tokens [N, L, D]."""

    def __init__(self, patch: int, dim: int):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images).flatten(2).transpose(1, 2)


class MaskingNet(nn.Module):
    """The masker: embedded patch tokens [N, L, D] to scores [N, L] in (0, 1); a large score means keep."""

    def __init__(self, config: Config):
        super().__init__()
        dim = config.embed_dim
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.register_buffer("pos_embed", torch.zeros(1, 1, dim))
        self.blocks = nn.ModuleList(
            Block(dim, config.masker_heads, config.mlp_ratio, MASKER_EPS, config.attention)
            for _ in range(config.masker_depth)
        )
        self.mlp_head = nn.Sequential(nn.LayerNorm(dim, eps=MASKER_EPS), nn.Linear(dim, config.num_patches))

    def forward(self, tokens: Tensor) -> Tensor:
        cls = (self.cls_token + self.pos_embed).expand(tokens.shape[0], -1, -1)
        x = torch.cat([cls.to(tokens.dtype), tokens], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.mlp_head(x[:, 0]).sigmoid()


class CLMAE(nn.Module):
    """Masked autoencoder and masker."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        dim, decoder_dim, attention = config.embed_dim, config.decoder_embed_dim, config.attention
        self.patch_embed = PatchEmbed(config.patch_size, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.register_buffer("pos_embed", sincos_position_embedding(dim, config.grid).float())
        self.blocks = nn.ModuleList(
            Block(dim, config.num_heads, config.mlp_ratio, AUTOENCODER_EPS, attention) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(dim, eps=AUTOENCODER_EPS)
        self.decoder_embed = nn.Linear(dim, decoder_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_dim))
        self.register_buffer("decoder_pos_embed", sincos_position_embedding(decoder_dim, config.grid).float())
        self.decoder_blocks = nn.ModuleList(
            Block(decoder_dim, config.decoder_num_heads, config.mlp_ratio, AUTOENCODER_EPS, attention)
            for _ in range(config.decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(decoder_dim, eps=AUTOENCODER_EPS)
        self.decoder_pred = nn.Linear(decoder_dim, config.patch_size**2 * 3)
        self.masking_net = MaskingNet(config)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier-uniform weights, zero biases, unit norms, tokens from N(0, 0.02²)."""
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.xavier_uniform_(module.weight.data.flatten(1))
                nn.init.zeros_(module.bias)
        for token in (self.cls_token, self.mask_token, self.masking_net.cls_token):
            nn.init.normal_(token, std=0.02)

    def masker_parameters(self) -> dict[str, nn.Parameter]:
        """The masker's parameters by their full names."""
        return {name: p for name, p in self.named_parameters() if name.startswith("masking_net.")}

    def autoencoder_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters of patch embedding, encoder and decoder by name."""
        return {name: p for name, p in self.named_parameters() if not name.startswith("masking_net.")}

    @torch.no_grad()
    def targets(self, images: Tensor) -> Tensor:
        """What the decoder is to predict, [N, L, p·p·3]: pixels ordered (row, column, channel), normalised or not."""
        n, p, g = images.shape[0], self.config.patch_size, self.config.grid
        patches = images.reshape(n, 3, g, p, g, p).permute(0, 2, 4, 3, 5, 1).reshape(n, g * g, p * p * 3)
        if self.config.norm_pix_loss:
            variance, mean = torch.var_mean(patches, dim=-1, correction=1, keepdim=True)
            patches = (patches - mean) / (variance + 1e-6).sqrt()
        return patches

    def embed(self, images: Tensor) -> Tensor:
        """Patch tokens with their position embedding, [N, L, D]."""
        return self.patch_embed(images) + self.pos_embed[:, 1:]

    def encode(self, tokens: Tensor) -> Tensor:
        """Class token and `tokens` through the encoder and its final norm."""
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(tokens.shape[0], -1, -1)
        x = torch.cat([cls.to(tokens.dtype), tokens], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def decode(self, x: Tensor) -> Tensor:
        """Embedded tokens [N, 1 + L, Dd], class token first, to predictions [N, L, p·p·3]."""
        x = x + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x = block(x)
        return self.decoder_pred(self.decoder_norm(x[:, 1:]))

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The class token [N, D] and all tokens [N, 1 + L, D] of the unmasked image after the final norm."""
        x = self.encode(self.embed(images))
        return x[:, 0], x

    def autoencoder_pass(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Step A forward: loss, and beside it predictions, mask (1 = removed), kept patches, scores, class token."""
        tokens = self.embed(images)
        with torch.no_grad():
            scores = self.masking_net(tokens)
            ids_keep = scores.argsort(dim=1, descending=True)[:, : self.config.num_kept]
            mask = torch.ones_like(scores, dtype=targets.dtype).scatter(1, ids_keep, 0.0)
        latent = self.encode(tokens.gather(1, ids_keep[..., None].expand(-1, -1, tokens.shape[2])))
        embedded = self.decoder_embed(latent)
        n, _, width = embedded.shape
        places = ids_keep[..., None].expand(-1, -1, width)
        full = self.mask_token.to(embedded.dtype).expand(n, self.config.num_patches, -1)
        full = full.scatter(1, places, embedded[:, 1:])
        pred = self.decode(torch.cat([embedded[:, :1], full], dim=1))
        error = F.mse_loss(pred.to(targets.dtype), targets, reduction="none").mean(dim=-1)
        loss = (error * mask).sum() / mask.sum()
        return {
            "loss": loss, "pred": pred, "mask": mask, "ids_keep": ids_keep, "scores": scores,
            "latent_cls": latent[:, 0],
        }  # fmt: skip

    def masker_pass(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Step B forward: the four parts of the loss, each but `recon` times its weight, and predictions and scores."""
        tokens = self.embed(images)
        scores = self.masking_net(tokens)
        pred = self.decode(self.decoder_embed(self.encode(tokens * scores[..., None])))
        m = scores.to(targets.dtype)
        w = 1 - m
        error = F.mse_loss(pred.to(targets.dtype), targets, reduction="none").mean(dim=-1)
        alpha, beta = -1 / (2 * 0.12**2), 1 / (0.12 * math.sqrt(2 * math.pi))
        m_mean, w_mean = m.mean(dim=1), w.mean(dim=1)
        kl = (m_mean * (m_mean / 0.25).log() + w_mean * (w_mean / 0.75).log()).sum()
        parts = {
            "recon": (error * w).sum() / w.sum(),
            "gauss": self.config.lambda_gauss * ((alpha * (m - 0.5) ** 2).exp() / beta).mean(),
            "kl": self.config.lambda_kl * kl,
            "diversity": m.new_zeros(()),
        }
        if m.shape[0] > 1:
            # pdist's gradient is 0 where two images have equal scores.
            parts["diversity"] = self.config.lambda_diversity * (-0.1 * F.pdist(m)).exp().mean()
        return parts | {"pred": pred, "scores": scores}

    def autoencoder_loss(self, images: Tensor, targets: Tensor) -> Tensor:
        """Step A's loss alone."""
        return self.autoencoder_pass(images, targets)["loss"]

    def masker_losses(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Step B's four parts alone: recon, gauss, kl, diversity."""
        parts = self.masker_pass(images, targets)
        return {name: parts[name] for name in ("recon", "gauss", "kl", "diversity")}


def masker_total(parts: dict[str, Tensor], lambda_cl: float) -> Tensor:
    """Step B's loss from its parts and the curriculum factor."""
    return lambda_cl * parts["recon"] + parts["gauss"] + parts["kl"] + parts["diversity"]


def adamw(parameters: dict[str, nn.Parameter], lr: float, weight_decay: float, betas=(0.9, 0.95), eps=1e-8):
    """Fused AdamW that decays every parameter of two or more dimensions that is not a bias."""
    decayed = [p for name, p in parameters.items() if p.ndim > 1 and not name.endswith(".bias")]
    plain = [p for name, p in parameters.items() if p.ndim <= 1 or name.endswith(".bias")]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=eps, fused=True)


class Trainer:
    """Runs joint iterations on a model: step A with its update, then step B with its update."""

    def __init__(self, model: CLMAE, lr: float, weight_decay: float = 0.05, betas=(0.9, 0.95), eps: float = 1e-8,
                 compiled: bool = False, autocast: torch.dtype | None = None):  # fmt: skip
        self.model = model
        self.autocast = autocast
        self.autoencoder = list(model.autoencoder_parameters().values())
        self.masker = list(model.masker_parameters().values())
        self.autoencoder_optimizer = adamw(model.autoencoder_parameters(), lr, weight_decay, betas, eps)
        self.masker_optimizer = adamw(model.masker_parameters(), lr, weight_decay, betas, eps)
        wrap = torch.compile if compiled else (lambda function: function)
        self.autoencoder_loss = wrap(model.autoencoder_loss)
        self.masker_losses = wrap(model.masker_losses)

    def train_only(self, trained: list[nn.Parameter], frozen: list[nn.Parameter]) -> None:
        for parameter in frozen:
            parameter.requires_grad_(False)
        for parameter in trained:
            parameter.requires_grad_(True)

    def _autocast(self):
        return torch.autocast("cpu", dtype=self.autocast, enabled=self.autocast is not None)

    def step_autoencoder(self, images: Tensor, targets: Tensor) -> Tensor:
        """Step A: one update of the autoencoder; returns its loss."""
        self.train_only(self.autoencoder, self.masker)
        with self._autocast():
            loss = self.autoencoder_loss(images, targets)
        loss.backward()
        self.autoencoder_optimizer.step()
        self.autoencoder_optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def step_masker(self, images: Tensor, targets: Tensor, lambda_cl: float) -> dict[str, Tensor]:
        """Step B: one update of the masker with the autoencoder as it is; returns the parts of its loss."""
        self.train_only(self.masker, self.autoencoder)
        with self._autocast():
            parts = self.masker_losses(images, targets)
        masker_total(parts, lambda_cl).backward()
        self.masker_optimizer.step()
        self.masker_optimizer.zero_grad(set_to_none=True)
        return {name: part.detach() for name, part in parts.items()}

    def joint_iteration(self, images: Tensor, lambda_cl: float) -> dict[str, Tensor]:
        """Both steps on one batch; returns the loss of step A as `mae` and the parts of step B's."""
        targets = self.model.targets(images)
        return {"mae": self.step_autoencoder(images, targets)} | self.step_masker(images, targets, lambda_cl)
