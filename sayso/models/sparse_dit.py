"""HiDream's sparse diffusion transformer: two streams, then one, with two of four experts for every token.

The architecture is that of HiDream-I1 (Cai et al., "HiDream-I1: A High-Efficient Image Generative Foundation Model with
Sparse Diffusion Transformer", 2025); E1 and E1.1 are other weights of it. Checkpoints come in through `sparse_names`.

What depends on the request alone (captions, adaLN tables, rotary tables) is made once by `Before` and `layout`; a step
reads it. A block's own caption tokens are context: only their keys and values are computed. The zero patches that a
picture that is not square was padded with in training are one token whose weight in the attention is their number.
`sparse_plain` is the same maths with none of this.

Axes: B rows (guidance rows included), P picture tokens, T lasting text tokens, K context tokens, L blocks, H heads,
D head width, C model width, E experts, F hidden width, S steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sayso.models.linear import Linear

NORM_EPS, QK_EPS = 1e-6, 1e-5
WAVES, THETA = 256, 10000.0


@dataclass(frozen=True)
class SparseSpec:
    """`rope_axes`: head dimensions of the axes (none, row, column). `llama_layers`: for each block the entry of the stack of
    hidden states that it reads. `resolution`: rows and columns of the largest latents; a picture that is not square was padded to
    as many patches in training."""

    channels: int
    patch: int
    double: int
    single: int
    heads: int
    head_width: int
    t5_width: int
    llama_width: int
    pooled_width: int
    experts: int
    active: int
    rope_axes: tuple[int, int, int]
    llama_layers: tuple[int, ...]
    resolution: tuple[int, int]

    @property
    def width(self) -> int:
        return self.heads * self.head_width

    @property
    def blocks(self) -> int:
        return self.double + self.single

    @property
    def max_tokens(self) -> int:
        return math.prod(self.resolution) // self.patch**2

    @property
    def patch_width(self) -> int:
        return self.channels * self.patch**2

    @property
    def hidden(self) -> int:
        return swiglu_width(4 * self.width)

    @property
    def shared_hidden(self) -> int:
        return swiglu_width(2 * self.width)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SparseSpec:
        """The spec of a released config.json. Raises ValueError, KeyError or TypeError when it is of another architecture."""
        patch = int(config["patch_size"])
        t5, llama = config["caption_channels"]
        none, row, column = config["axes_dims_rope"]
        spec = cls(
            int(config["in_channels"]), patch, int(config["num_layers"]), int(config["num_single_layers"]),
            int(config["num_attention_heads"]), int(config["attention_head_dim"]), int(t5), int(llama), int(config["text_emb_dim"]),
            int(config["num_routed_experts"]), int(config["num_activated_experts"]), (int(none), int(row), int(column)),
            tuple(int(i) for i in config["llama_layers"]),
            (int(config["max_resolution"][0]), int(config["max_resolution"][1])),
        )
        if int(config.get("out_channels") or spec.channels) != spec.channels:
            raise ValueError(f"out_channels is {config['out_channels']}, but in_channels {spec.channels}")
        if sum(spec.rope_axes) != spec.head_width or any(axis % 2 for axis in spec.rope_axes):
            raise ValueError(f"axes_dims_rope {list(spec.rope_axes)} do not fill {spec.head_width} head dimensions in pairs")
        if len(spec.llama_layers) != spec.blocks or min(spec.double, spec.single) < 1:
            raise ValueError(f"{len(spec.llama_layers)} llama_layers for {spec.double} and {spec.single} blocks")
        if not 1 <= spec.active <= spec.experts:
            raise ValueError(f"{spec.active} of {spec.experts} experts")
        return spec


HIDREAM = SparseSpec(
    channels=16, patch=2, double=16, single=32, heads=20, head_width=128, t5_width=4096, llama_width=4096, pooled_width=2048, experts=4,
    active=2, rope_axes=(64, 32, 32), llama_layers=(*range(32), *[31] * 16), resolution=(128, 128),
)


class Captions(NamedTuple):
    """`text` [B, T, C]: the lasting text tokens as they enter. `context` [L, B, K, C]: every block's own tokens, normalised."""

    text: Tensor
    context: Tensor


class Layout(NamedTuple):
    """Where the picture tokens stand. `cos`, `sin` [P, 1, R]: turns of the rotating head dimensions. `bias` [1, 1, 1, P + T + K] is
    added to the logits of the keys (None when there is no padding). `wanted`: the first so many tokens are predicted."""

    cos: Tensor
    sin: Tensor
    bias: Tensor | None
    wanted: int


# Helpers


def swiglu_width(inner: int) -> int:
    """Hidden width of a SwiGLU with the parameters of a plain one of width `inner`: two thirds, rounded up to 256."""
    return -(-int(2 * inner / 3) // 256) * 256


def patchify(z: Tensor, patch: int) -> Tensor:
    """[B, c, H, W] → [B, P, patch² · c]: row by row; inside a patch the channel runs fastest."""
    b, c, h, w = z.shape
    z = z.reshape(b, c, h // patch, patch, w // patch, patch)
    return z.permute(0, 2, 4, 3, 5, 1).reshape(b, h // patch * (w // patch), patch * patch * c)


def unpatchify(x: Tensor, patch: int, rows: int, columns: int) -> Tensor:
    """[B, rows · columns, patch² · c] → [B, c, rows · patch, columns · patch]; the inverse of `patchify`."""
    b, _, width = x.shape
    x = x.reshape(b, rows, columns, patch, patch, width // patch**2)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(b, width // patch**2, rows * patch, columns * patch)


def padding(rows: int, columns: int, max_tokens: int) -> int:
    """Zero patches that training padded a grid with: none when it is square, else up to `max_tokens`. Raises ValueError."""
    if rows == columns:
        return 0
    if rows * columns > max_tokens:
        raise ValueError(f"{rows} x {columns} patches are more than {max_tokens}")
    return max_tokens - rows * columns


def turns(spec: SparseSpec, rows: Tensor, columns: Tensor) -> Tensor:
    """Angles [P, R] of the rotating pairs of head dimensions for tokens at rows [P] and columns [P] (float64 inside)."""
    parts = []
    for places, width in ((rows, spec.rope_axes[1]), (columns, spec.rope_axes[2])):
        speeds = THETA ** -(torch.arange(0, width, 2, dtype=torch.float64, device=places.device) / width)
        parts.append(places.double()[:, None] * speeds)
    return torch.cat(parts, dim=-1)


def layout(spec: SparseSpec, rows: int, columns: int, text: int, max_tokens: int, device: torch.device, source: bool = False) -> Layout:
    """The layout of a picture of rows × columns patches beside `text` = T + K text tokens.

    With `source`, a second picture of that size follows, standing to the right of the first. Raises ValueError for a grid that
    is not square and has more than `max_tokens` patches.
    """
    y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    y, x = y.flatten(), x.flatten()
    if source:
        y, x = torch.cat((y, y)), torch.cat((x, x + columns))
    pads = padding(rows, columns * (1 + source), max_tokens)
    bias = None
    if pads:  # one token for all of them; it stands at the origin
        y, x = F.pad(y, (0, 1)), F.pad(x, (0, 1))
        bias = torch.zeros(1, 1, 1, len(y) + text, device=device)
        bias[..., len(y) - 1] = math.log(pads)
    angles = turns(spec, y, x)
    return Layout(angles.cos().float()[:, None], angles.sin().float()[:, None], bias, rows * columns)


def rotate(x: Tensor, place: Layout) -> Tensor:
    """Turns the last dimensions of the picture tokens, the first of x [B, ·, H, D], in place; text does not turn.

    Neighbours turn together, in float32: as complex numbers, which is one pass, or written out, which a compiler fuses.
    """
    tokens, pairs = len(place.cos), place.cos.shape[-1]
    part = x[:, :tokens, :, -2 * pairs:]
    parted = part.float().unflatten(-1, (pairs, 2))
    if torch.compiler.is_compiling():
        even, odd = parted.unbind(-1)
        turned = torch.stack((even * place.cos - odd * place.sin, even * place.sin + odd * place.cos), dim=-1)
    else:
        turned = torch.view_as_real(torch.view_as_complex(parted) * torch.complex(place.cos, place.sin))
    part.copy_(turned.flatten(-2))
    return x


def normed(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=NORM_EPS)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Normalised x [B, ·, C] with shift and scale [B, 1, C]."""
    return x * (1 + scale) + shift


def gated(x: Tensor) -> Tensor:
    """[…, 2F] → […, F]: the SiLU of the first half times the second (Shazeer, "GLU Variants Improve Transformer", 2020)."""
    gate, linear = x.chunk(2, dim=-1)
    return F.silu(gate) * linear


def speeds(device: torch.device) -> Tensor:
    """Radians a timestep of each wave [WAVES / 2], by float32's own exponential: timesteps reach a thousand, so the last bit shows."""
    half = WAVES // 2
    return torch.exp(-math.log(THETA) * torch.arange(half, dtype=torch.float32, device=device) / half)


def waves(t: Tensor, dtype: torch.dtype) -> Tensor:
    """Timesteps […] on the scale 0…1000 → […, WAVES]: cosines, then sines."""
    angles = t.float()[..., None] * speeds(t.device)
    return torch.cat((angles.cos(), angles.sin()), dim=-1).to(dtype)


# Layers


class Grouped(nn.Module):
    """One linear layer for each expert: `weight` [E, out, in]."""

    def __init__(self, experts: int, inner: int, outer: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, outer, inner))

    def forward(self, x: Tensor, ends: Tensor) -> Tensor:
        """Rows x [·, in], sorted by expert; `ends` int32 [E]: where each expert's rows end. One kernel, no look from the host."""
        return F.grouped_mm(x, self.weight.to(x.dtype).transpose(1, 2), offs=ends)


class SwiGLU(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.up = Linear(width, 2 * hidden, bias=False)
        self.down = Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(gated(self.up(x)))


class Experts(nn.Module):
    """A shared SwiGLU and the `active` best of several, weighted by their softmax, which is not made to sum to one."""

    def __init__(self, spec: SparseSpec):
        super().__init__()
        self.active, self.count = spec.active, spec.experts
        self.gate = Linear(spec.width, spec.experts, bias=False)
        self.shared = SwiGLU(spec.width, spec.shared_hidden)
        self.up = Grouped(spec.experts, spec.width, 2 * spec.hidden)
        self.down = Grouped(spec.experts, spec.hidden, spec.width)

    def route(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and experts [tokens, active] of x [tokens, C]. The logits are in the model's type, their softmax in float32."""
        best = self.gate(x).float().softmax(dim=-1).topk(self.active, dim=-1)
        return best.values.to(x.dtype), best.indices

    def forward(self, x: Tensor) -> Tensor:
        """[B, ·, C] → the same."""
        flat = x.reshape(-1, x.shape[-1])
        weights, chosen = self.route(flat)
        chosen = chosen.flatten()
        order = chosen.argsort(stable=True)
        ends = (chosen[:, None] == torch.arange(self.count, device=x.device)).sum(dim=0).cumsum(dim=0).to(torch.int32)
        rows = self.down(gated(self.up(flat[order // self.active], ends)), ends)  # [tokens · active, C], sorted by expert
        back = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=x.device)).view_as(weights)
        out = self.shared(flat)
        for i in range(self.active):  # gathered, never scattered: no two writes meet
            out = torch.addcmul(out, rows[back[:, i]], weights[:, i, None])
        return out.view_as(x)


class Attention(nn.Module):
    """Projections of one stream; queries and keys are normalised over the whole width before they are cut into heads."""

    def __init__(self, spec: SparseSpec):
        super().__init__()
        self.heads, width = spec.heads, spec.width
        self.to_q, self.to_kv, self.out = Linear(width, width), Linear(width, 2 * width), Linear(width, width)
        self.q_norm, self.k_norm = nn.RMSNorm(width, eps=QK_EPS), nn.RMSNorm(width, eps=QK_EPS)

    def queries(self, x: Tensor) -> Tensor:
        """[B, ·, C] → [B, ·, H, D]."""
        return self.q_norm(self.to_q(x)).unflatten(-1, (self.heads, -1))

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, ·, C] → two [B, ·, H, D]."""
        k, v = self.to_kv(x).chunk(2, dim=-1)
        return self.k_norm(k).unflatten(-1, (self.heads, -1)), v.unflatten(-1, (self.heads, -1))


def attend(q: Tensor, k: Tensor, v: Tensor, place: Layout) -> Tensor:
    """q [B, ·, H, D], k and v [B, P + T + K, H, D] → [B, ·, C]; k may be changed.

    The padding token's key is zero, as training had it, and counts as often as the bias says.
    """
    bias = place.bias
    if bias is not None:
        k[:, len(place.cos) - 1] = 0
        bias = bias.to(q.dtype).expand(1, 1, q.shape[1], -1)
    out = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=bias)
    return out.transpose(1, 2).flatten(-2)


class DoubleBlock(nn.Module):
    """Picture and text with weights of their own and one attention over both."""

    def __init__(self, spec: SparseSpec):
        super().__init__()
        self.picture, self.text = Attention(spec), Attention(spec)
        self.experts = Experts(spec)
        self.mlp = SwiGLU(spec.width, spec.hidden)

    def forward(self, x: Tensor, text: Tensor, context: Tensor, m: Tensor, place: Layout) -> tuple[Tensor, Tensor]:
        """x [B, P, C], text [B, T, C], normalised context [B, K, C], m [B, 12C] → x, text."""
        a, b, g1, c, d, g2, ta, tb, tg1, tc, td, tg2 = m[:, None].chunk(12, dim=-1)
        h = modulate(normed(x), a, b)
        words = torch.cat((modulate(normed(text), ta, tb), modulate(context, ta, tb)), dim=1)
        lasting = words[:, : text.shape[1]]
        q = rotate(torch.cat((self.picture.queries(h), self.text.queries(lasting)), dim=1), place)
        k, v = (torch.cat(pair, dim=1) for pair in zip(self.picture.keys_values(h), self.text.keys_values(words), strict=True))
        seen, read = attend(q, rotate(k, place), v, place).split((x.shape[1], text.shape[1]), dim=1)
        x = torch.addcmul(x, g1, self.picture.out(seen))
        text = torch.addcmul(text, tg1, self.text.out(read))
        x = torch.addcmul(x, g2, self.experts(modulate(normed(x), c, d)))
        return x, torch.addcmul(text, tg2, self.mlp(modulate(normed(text), tc, td)))


class SingleBlock(nn.Module):
    """Picture and text with the same weights."""

    def __init__(self, spec: SparseSpec):
        super().__init__()
        self.attention = Attention(spec)
        self.experts = Experts(spec)

    def forward(self, x: Tensor, context: Tensor, m: Tensor, place: Layout, wanted: int | None = None) -> Tensor:
        """x [B, P + T, C], normalised context [B, K, C], m [B, 6C] → x, or only its first `wanted` tokens."""
        a, b, g1, c, d, g2 = m[:, None].chunk(6, dim=-1)
        everything = torch.cat((modulate(normed(x), a, b), modulate(context, a, b)), dim=1)
        k, v = self.attention.keys_values(everything)
        k = rotate(k, place)
        x = x[:, :wanted]
        if wanted is None:
            q = rotate(self.attention.queries(everything[:, : x.shape[1]]), place)
        else:
            q = rotate(self.attention.queries(everything[:, :wanted]), Layout(place.cos[:wanted], place.sin[:wanted], None, wanted))
        x = torch.addcmul(x, g1, self.attention.out(attend(q, k, v, place)))
        return torch.addcmul(x, g2, self.experts(modulate(normed(x), c, d)))


# Model

Call = Callable[..., Any]  # a block, then what it is called with


class Before(nn.Module):
    """What is computed once for a request. Its weights (6 GB of the released models) may leave the device afterwards."""

    def __init__(self, spec: SparseSpec):
        super().__init__()
        width = spec.width
        self.spec = spec
        self.time_in, self.time_out = Linear(WAVES, width), Linear(width, width)
        self.pooled_in, self.pooled_out = Linear(spec.pooled_width, width), Linear(width, width)
        self.t5 = Linear(spec.t5_width, width, bias=False)
        self.llama = nn.Parameter(torch.empty(spec.blocks, width, spec.llama_width))
        chunks = [12] * spec.double + [6] * spec.single + [2]
        self.heads = nn.ModuleList(Linear(width, n * width) for n in chunks)

    def captions(self, t5: Tensor, llama: Tensor) -> Captions:
        """t5 [B, ·, t5_width] and the stack of Llama's hidden states [layers, B, K, llama_width] → captions."""
        own = [F.linear(llama[layer], weight.to(llama.dtype)) for layer, weight in zip(self.spec.llama_layers, self.llama, strict=True)]
        return Captions(torch.cat((self.t5(t5), own[-1]), dim=1), torch.stack([normed(c) for c in own]))

    def tables(self, times: Tensor, pooled: Tensor) -> Tensor:
        """All adaLN numbers of a run: times [S, B or 1] on the scale 0…1000, pooled [B, ·] → [S, B, M], one matrix product a head."""
        time = self.time_out(F.silu(self.time_in(waves(times, pooled.dtype))))
        condition = F.silu(time + self.pooled_out(F.silu(self.pooled_in(pooled))))  # [S, B, C]
        return torch.cat([head(condition) for head in self.heads], dim=-1)

    def forward(self, t5: Tensor, llama: Tensor, pooled: Tensor, times: Tensor) -> tuple[Captions, Tensor]:
        """Both of the above."""
        return self.captions(t5, llama), self.tables(times, pooled)


class SparseDiT(nn.Module):
    def __init__(self, spec: SparseSpec):
        super().__init__()
        self.spec = spec
        self.before = Before(spec)
        self.patch_in = nn.Linear(spec.patch_width, spec.width)
        self.double_blocks = nn.ModuleList(DoubleBlock(spec) for _ in range(spec.double))
        self.single_blocks = nn.ModuleList(SingleBlock(spec) for _ in range(spec.single))
        self.patch_out = nn.Linear(spec.width, spec.patch_width)

    def step(self, tokens: Tensor, m: Tensor, captions: Captions, place: Layout, double: Call = DoubleBlock.__call__,
             single: Call = SingleBlock.__call__) -> Tensor:
        """Patches [B, tokens, patch² · c], those of a source after the picture's, and one row of the tables [B, M] → velocities
        [B, wanted, patch² · c]. `double`, `single`: how a block is called, for instance compiled.

        The checkpoints put out data − noise; the velocity of this house is noise − data.
        """
        c, at = self.spec.width, 0
        if place.bias is not None:
            tokens = F.pad(tokens, (0, 0, 0, 1))  # the padding's token is a zero patch
        x, text = self.patch_in(tokens), captions.text
        for i, block in enumerate(self.double_blocks):
            x, text = double(block, x, text, captions.context[i], m[:, at : at + 12 * c], place)
            at += 12 * c
        x = torch.cat((x, text), dim=1)  # [B, P + T, C]
        for i, block in enumerate(self.single_blocks):
            wanted = place.wanted if i == self.spec.single - 1 else None
            x = single(block, x, captions.context[self.spec.double + i], m[:, at : at + 6 * c], place, wanted)
            at += 6 * c
        shift, scale = m[:, None, at:].chunk(2, dim=-1)
        return -self.patch_out(modulate(normed(x), shift, scale))  # [B, wanted, patch² · c]

    def forward(self, z: Tensor, times: Tensor, t5: Tensor, llama: Tensor, pooled: Tensor, max_tokens: int, source: Tensor | None = None
                ) -> Tensor:
        """The velocity of latents z [B, c, H, W] at times [B] (0…1000), everything computed for this one call.

        `source` [B, c, H, W]: latents of the picture that is edited. Raises ValueError as `layout` does.
        """
        patch = self.spec.patch
        rows, columns = z.shape[2] // patch, z.shape[3] // patch
        tokens = patchify(z, patch)
        if source is not None:
            tokens = torch.cat((tokens, patchify(source, patch)), dim=1)
        captions, tables = self.before(t5, llama, pooled, times[None])
        text = captions.text.shape[1] + captions.context.shape[2]
        place = layout(self.spec, rows, columns, text, max_tokens, z.device, source is not None)
        return unpatchify(self.step(tokens, tables[0], captions, place), patch, rows, columns)
