"""One mixture-of-transformers for text and pictures: two experts, *understand* and *draw*, sharing self-attention.

Everything a conversation holds is a sequence of blocks. A block has understand rows (text, marks, vision rows) and draw
rows (picture patches), and attends to itself (causally for text, fully for pictures) and to everything before it, which
it sees only through the cache of keys and values. Training and inference are the same calls: the cache carries
gradients when they are wanted. Two SDPA calls for a text-to-picture pass, and no mask but for padded text in a batch.

Axes: B batch, U understand rows, P draw rows, T = U + P, S cached rows, H heads, D head width, C model width,
A position axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sayso.models.grounding import Ground, Grounding, GroundSpec
from sayso.models.linear import Linear
from sayso.models.naming import Naming
from sayso.models.specs import Prediction, UnifiedSpec
from sayso.models.vision import Eye, VisionTower

# ---------------------------------------------------------------------------------------------------------------------
# helpers


@dataclass(frozen=True)
class Block:
    """One block of a sequence. Rows [B, U, C] / [B, P, C], positions [B or 1, U or P, A]."""

    understand: Tensor
    draw: Tensor
    understand_positions: Tensor
    draw_positions: Tensor
    causal: bool


@dataclass(frozen=True)
class Cache:
    """Keys and values of all earlier blocks, one [B, H_kv, S, D] pair a layer.

    `valid`: bool [B, S], False on padding; None where nothing is padded (then attention needs no mask).
    """

    layers: tuple[tuple[Tensor, Tensor], ...]
    valid: Tensor | None

    def repeat(self, times: int) -> Cache:
        """Each sequence `times` in a row along the batch."""
        layers = tuple((k.repeat_interleave(times, 0), v.repeat_interleave(times, 0)) for k, v in self.layers)
        return Cache(layers, None if self.valid is None else self.valid.repeat_interleave(times, 0))


@dataclass(frozen=True)
class Output:
    """Rows after the final norms [B, U, C], [B, P, C], the cache with this block's rows appended, and the rows half-way up of the
    expert that has the picture: draw's, or understand's where there are no others."""

    understand: Tensor
    draw: Tensor
    cache: Cache
    middle: Tensor


def sine_table(positions: Tensor, width: int, max_period: float = 10000.0) -> Tensor:
    """[...] → [..., width]: cosines, then sines, of geometric frequencies (Vaswani et al. 2017)."""
    half = width // 2
    frequencies = torch.exp(-math.log(max_period) * torch.arange(half, device=positions.device) / half)
    angles = positions[..., None].float() * frequencies
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


def patch_coordinates(rows: int, columns: int) -> Tensor:
    """Centres of the patches [rows · columns, 2] as (row, column), in units where the shorter side measures 8.

    The unit keeps places where they were when the same weights go from 64 to 256 tokens.
    """
    unit = 8 / min(rows, columns)
    r, c = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack((r.flatten(), c.flatten()), dim=-1).float().add(0.5).mul(unit)


def grid_coordinates(rows: int, columns: int) -> Tensor:
    """Places of the patches [rows · columns, 2] as whole (row, column), for a model whose places are a table."""
    r, c = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack((r.flatten(), c.flatten()), dim=-1)


def rotations(positions: Tensor, spec: UnifiedSpec) -> tuple[Tensor, Tensor]:
    """Positions [B, T, A] → cosines and sines [B, 1, T, D / 2] (rotary embedding, Su et al. 2021; angles in float32)."""
    parts = []
    for axis, (pairs, theta) in enumerate(zip(spec.rope_axes, spec.rope_thetas, strict=True)):
        frequencies = theta ** (-torch.arange(pairs, device=positions.device, dtype=torch.float32) / pairs)
        parts.append(positions[..., axis, None].float() * frequencies)
    angles = torch.cat(parts, dim=-1)[:, None]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates channel pairs (i, i + D/2) of [B, H, T, D]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


# ---------------------------------------------------------------------------------------------------------------------
# kernels


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, grouped: bool) -> Tensor:
    """Softmax attention [B, H, T, D]. On a CPU with gradients plain products win: fused attention's backward is slow there."""
    if q.device.type == "cpu" and torch.is_grad_enabled():
        return attend_plainly(q, k, v, mask, causal, grouped)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, enable_gqa=grouped)


def attend_plainly(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, grouped: bool) -> Tensor:
    """The slow twin of the fused kernel: scores, mask, softmax, mean."""
    if grouped:
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ v


# ---------------------------------------------------------------------------------------------------------------------
# layers


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    """One expert's projections; the attention itself is joint over both experts' rows."""

    def __init__(self, spec: UnifiedSpec):
        super().__init__()
        self.heads, self.kv_heads, self.head_width = spec.heads, spec.kv_heads, spec.head_width
        self.q_proj = Linear(spec.width, spec.heads * spec.head_width, bias=spec.qkv_bias)
        self.k_proj = Linear(spec.width, spec.kv_heads * spec.head_width, bias=spec.qkv_bias)
        self.v_proj = Linear(spec.width, spec.kv_heads * spec.head_width, bias=spec.qkv_bias)
        self.o_proj = Linear(spec.heads * spec.head_width, spec.width, bias=False)
        self.q_norm = RMSNorm(spec.head_width, spec.norm_eps)
        self.k_norm = RMSNorm(spec.head_width, spec.norm_eps)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        B, T, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(B, T, self.heads, self.head_width))
        k = self.k_norm(self.k_proj(x).view(B, T, self.kv_heads, self.head_width))
        v = self.v_proj(x).view(B, T, self.kv_heads, self.head_width)
        return q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # each [B, H, T, D]


class SwiGLU(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.gate_proj = Linear(width, hidden, bias=False)
        self.up_proj = Linear(width, hidden, bias=False)
        self.down_proj = Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Expert(nn.Module):
    """One expert's half of a layer."""

    def __init__(self, spec: UnifiedSpec):
        super().__init__()
        self.input_norm = RMSNorm(spec.width, spec.norm_eps)
        self.attention = Attention(spec)
        self.mlp_norm = RMSNorm(spec.width, spec.norm_eps)
        self.mlp = SwiGLU(spec.width, spec.hidden)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = self.attention.project(self.input_norm(x))
        return rotate(q, cos, sin), rotate(k, cos, sin), v

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Adds the attention's output [B, H, T, D] and the MLP to the rows [B, T, C]."""
        x = x + self.attention.o_proj(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(self.mlp_norm(x))


class Layer(nn.Module):
    def __init__(self, spec: UnifiedSpec):
        super().__init__()
        self.understand = Expert(spec)
        self.draw = Expert(spec)
        self.grouped = spec.kv_heads != spec.heads

    def forward(
        self,
        rows: tuple[Tensor, Tensor],
        turns: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]],
        past: tuple[Tensor, Tensor] | None,
        mask: Tensor | None,
        causal: bool,
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """rows: ([B, U, C], [B, P, C]); turns: their rotary tables; mask: bool [B, 1, T or 1, S + T] or None."""
        U = rows[0].shape[1]
        experts = (self.understand, self.draw)
        parts = [e.project(x, *turn) for e, x, turn in zip(experts, rows, turns, strict=True) if x.shape[1]]
        q, k, v = (torch.cat(p, dim=2) if len(p) > 1 else p[0] for p in zip(*parts, strict=True))
        if past is not None:
            k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)
        y = attend(q, k, v, mask, causal, self.grouped)
        pieces = (y[:, :, :U], y[:, :, U:])
        understood, drawn = (e.finish(x, p) if x.shape[1] else x for e, x, p in zip(experts, rows, pieces, strict=True))
        return (understood, drawn), (k, v)


class TimeEmbedding(nn.Module):
    """t in 0..1 [B] → [B, C]."""

    def __init__(self, width: int, scale: float):
        super().__init__()
        self.scale = scale
        self.fc1 = Linear(256, width)
        self.fc2 = Linear(width, width)

    def forward(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        return self.fc2(F.silu(self.fc1(sine_table(t * self.scale, 256).to(dtype))))


# ---------------------------------------------------------------------------------------------------------------------
# model


class UnifiedModel(nn.Module):
    """See the module's docstring. `forward` runs one block; `read`, `see`, `show` and `draw` make blocks and call it."""

    def __init__(self, spec: UnifiedSpec, strides: bool = False, grounds: GroundSpec | None = None):
        """`strides`: the draw expert is told how long the sampler's step is, as weights distilled to few steps need.

        `grounds`: it thinks in plans: it can be told, patch by patch, what a plan puts there, and has an eye that says
        the same of pictures.
        """
        super().__init__()
        self.spec = spec
        self.embed = nn.Embedding(spec.vocab, spec.width)
        self.layers = nn.ModuleList(Layer(spec) for _ in range(spec.layers))
        self.understand_norm = RMSNorm(spec.width, spec.norm_eps)
        self.draw_norm = RMSNorm(spec.width, spec.norm_eps)
        self.head = None if spec.tied_head else Linear(spec.width, spec.vocab, bias=False)
        self.time = TimeEmbedding(spec.width, spec.time_scale)
        self.stride = TimeEmbedding(spec.width, spec.time_scale) if strides else None
        inner = spec.bottleneck
        self.squeeze = None if inner is None else Linear(spec.patch_channels, inner, bias=False)
        self.patch_in = Linear(inner or spec.patch_channels, spec.width)
        self.patch_out = Linear(spec.width, spec.patch_channels)
        self.places = None if spec.table_side is None else nn.Embedding(spec.table_side**2, spec.width)
        self.vision = None if spec.vision is None else VisionTower(spec.vision, spec.width)
        self.grounding = None if grounds is None else Grounding(grounds, spec.width)
        self.eye = None if grounds is None else Eye(4, math.isqrt(spec.patch_channels // 4), spec.width)
        self.naming = None if grounds is None else Naming(grounds, spec.width)

    def initialise(self, generator: torch.Generator) -> None:
        """Fresh weights from the generator: σ = 1/√fan-in, output projections of the layers and the picture head zero."""
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                if name.endswith("bias"):
                    nn.init.zeros_(parameter)
                continue
            if name.endswith(("o_proj.weight", "down_proj.weight")) or name in ("patch_out.weight", "stride.fc2.weight") or (
                name.startswith("eye.") and name.endswith("second.weight")
            ) or name == "grounding.ink.weight":
                nn.init.zeros_(parameter)
            elif name in ("embed.weight", "grounding.things.weight", "grounding.poses.weight", "grounding.manners.weight"):
                nn.init.normal_(parameter, std=0.25, generator=generator)
            else:
                nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5, generator=generator)

    @property
    def dtype(self) -> torch.dtype:
        return self.embed.weight.dtype

    def forward(self, block: Block, cache: Cache | None, valid: Tensor | None = None) -> Output:
        """Runs one block after `cache`. `valid` [B, T]: False on this block's padding rows (None: no padding)."""
        rows = (block.understand, block.draw)
        turns = tuple(
            (cos.to(x.dtype), sin.to(x.dtype))
            for x, p in zip(rows, (block.understand_positions, block.draw_positions), strict=True)
            for cos, sin in (rotations(p, self.spec),)
        )
        B, T = rows[0].shape[0], rows[0].shape[1] + rows[1].shape[1]
        valid = _join_valid(cache, valid, B, T, rows[0].device)
        mask, causal = _attention_mask(valid, cache, T, block.causal, rows[0].device)
        kept = []
        for index, layer in enumerate(self.layers):
            past = None if cache is None else cache.layers[index]
            rows, pair = layer(rows, turns, past, mask, causal)
            kept.append(pair)
            if index + 1 == (len(self.layers) + 1) // 2:
                middle = rows[1] if rows[1].shape[1] else rows[0]
        return Output(self.understand_norm(rows[0]), self.draw_norm(rows[1]), Cache(tuple(kept), valid), middle)

    def read(self, ids: Tensor, lengths: Tensor | None, cache: Cache | None, start: Tensor, dtype: torch.dtype) -> Output:
        """Text ids [B, U] (padded at the right; `lengths` [B], None = all full) from positions `start` [B] on."""
        rows = F.embedding(ids, self.embed.weight).to(dtype)
        steps = torch.arange(ids.shape[1], device=ids.device)
        positions = self._positions((start[:, None] + steps)[..., None])
        valid = None if lengths is None else steps < lengths[:, None]
        empty = rows[:, :0]
        return self(Block(rows, empty, positions, positions[:, :0], causal=True), cache, valid)

    def see(self, pixels: Tensor, start: Tensor, cache: Cache | None, dtype: torch.dtype) -> Output:
        """A picture through the vision tower: [B, channels, H, W] in −1..1, all of its rows at position `start` [B]."""
        assert self.vision is not None
        rows = self.vision(pixels.to(self.vision.patch_in.weight.dtype)).to(dtype)
        marks = self.mark_rows(len(rows), dtype)
        rows = torch.cat((marks[:, :1], rows, marks[:, 1:]), dim=1)
        positions = self._positions(start[:, None, None].expand(-1, rows.shape[1], 1))
        return self(Block(rows, rows[:, :0], positions, positions[:, :0], causal=False), cache)

    def predict(
        self,
        z: Tensor,
        t: Tensor,
        coordinates: Tensor,
        start: Tensor,
        cache: Cache | None,
        stride: Tensor | None = None,
        ground: Ground | None = None,
    ) -> Tensor:
        """What `draw` puts out, through the picture head: [B, P, patch_channels] like z."""
        return self.patch_out(self.draw(z, t, coordinates, start, cache, stride, ground).draw)

    def show(self, x: Tensor, coordinates: Tensor, start: Tensor, cache: Cache | None) -> Output:
        """Clean patches x [B, P, patch_channels] become context for what is drawn after them, as a picture at time 0."""
        return self.draw(x, torch.zeros(len(x), device=x.device), coordinates, start, cache)

    def glance(self, pixels: Tensor, coordinates: Tensor) -> Tensor:
        """A picture [B, 4, H, W] in −1..1 through the eye: [B, U, C]. `coordinates` [U, 2] of its patches."""
        assert self.eye is not None, "these weights read no pictures"
        return self.eye(pixels) + self.place_rows(coordinates, pixels.dtype)

    def draw(
        self,
        z: Tensor,
        t: Tensor,
        coordinates: Tensor,
        start: Tensor,
        cache: Cache | None,
        stride: Tensor | None = None,
        ground: Ground | None = None,
    ) -> Output:
        """Runs patches z [B, P, patch_channels] at times t [B] (0 = a clean picture to look back on) after `cache`.

        `coordinates` [P, 2] from `where`; `start` [B]: the sequence position of the picture and of its marks. `stride` [B]:
        how much time the sampler's step takes, for weights that were distilled to few steps (None: an infinitely small one).
        `ground`: what a plan or a pose puts where (None: the words before, or what z already shows, must do).
        """
        rows = self.patch_in(z if self.squeeze is None else self.squeeze(z))
        when = self.time(t, z.dtype)
        if self.stride is not None and stride is not None:
            when = when + self.stride(stride, z.dtype)
        rows = rows + self.place_rows(coordinates, z.dtype) + when[:, None]
        if ground is not None:
            assert self.grounding is not None, "these weights cannot be told of a plan"
            rows = rows + self.grounding(ground, z.dtype)
        marks = self.mark_rows(len(z), z.dtype)
        sequence = start[:, None, None].expand(-1, marks.shape[1] + z.shape[1], 1)
        places = F.pad(coordinates.float(), (0, 0, marks.shape[1], 0)).expand(len(z), -1, -1)
        positions = self._positions(torch.cat((sequence, places), dim=-1))
        U = marks.shape[1]
        return self(Block(marks, rows, positions[:, :U], positions[:, U:], causal=False), cache)

    def where(self, rows: int, columns: int) -> Tensor:
        """The coordinates [rows · columns, 2] of a picture's patches in the form this model takes."""
        grid = patch_coordinates(rows, columns) if self.places is None else grid_coordinates(rows, columns)
        return grid.to(self.embed.weight.device)

    def place_rows(self, coordinates: Tensor, dtype: torch.dtype) -> Tensor:
        """[P, 2] → what is added to the patches for their places [P, C]."""
        if self.places is not None:
            assert self.spec.table_side is not None
            return F.embedding(coordinates[:, 0] * self.spec.table_side + coordinates[:, 1], self.places.weight).to(dtype)
        half = self.spec.width // 2
        return torch.cat((sine_table(coordinates[:, 1], half), sine_table(coordinates[:, 0], half)), dim=-1).to(dtype)

    def mark_rows(self, count: int, dtype: torch.dtype) -> Tensor:
        """[count, 2, C] before and after a picture, or [count, 0, C] for a model without marks."""
        ids = torch.tensor(self.spec.marks or (), dtype=torch.long, device=self.embed.weight.device)
        return F.embedding(ids, self.embed.weight).to(dtype).expand(count, -1, -1)

    def logits(self, rows: Tensor) -> Tensor:
        """Understand rows [B, U, C] → [B, U, vocab]."""
        return F.linear(rows, self.embed.weight.to(rows.dtype)) if self.head is None else self.head(rows)

    def _positions(self, positions: Tensor) -> Tensor:
        """Fits [B, T, n] to the model's axes: extra axes are dropped, missing ones are zero."""
        axes = len(self.spec.rope_axes)
        return F.pad(positions.float(), (0, axes - positions.shape[-1]))

    @property
    def predicts_data(self) -> bool:
        return self.spec.prediction is Prediction.DATA


def _join_valid(cache: Cache | None, valid: Tensor | None, B: int, T: int, device: torch.device) -> Tensor | None:
    """[B, S + T] over cached and new rows, or None where neither is padded."""
    before = None if cache is None else cache.valid
    if valid is None and before is None:
        return None
    S = 0 if cache is None else cache.layers[0][0].shape[2]
    old = before if before is not None else torch.ones(B, S, dtype=torch.bool, device=device)
    new = valid if valid is not None else torch.ones(B, T, dtype=torch.bool, device=device)
    return torch.cat((old, new), dim=1)


def _attention_mask(valid: Tensor | None, cache: Cache | None, T: int, causal: bool, device: torch.device) -> tuple[Tensor | None, bool]:
    """The mask for SDPA and whether to use its causal mode instead (only aligned where nothing is cached).

    Right-padded text needs no mask of its own: causality keeps real rows from seeing the padding after them.
    """
    S = 0 if cache is None else cache.layers[0][0].shape[2]
    if causal and S == 0:
        return None, True
    mask = None if valid is None else valid[:, None, None]
    if causal:  # the last query sees all keys
        past = torch.ones(T, S + T, dtype=torch.bool, device=device).tril(diagonal=S)
        mask = past if mask is None else mask & past
    return mask, False
