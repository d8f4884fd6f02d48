"""Words written piece by piece for several sequences at once: what `UnifiedModel.read` does for one row, without its detours.

A row at a time is bound by the bytes of the weights and by the number of calls. So the weights are kept once more, turned round (a
product with one row is twice as quick on a CPU, and in float32 as quick as in bfloat16), with the norms' weights in them, with
queries, keys and values in one matrix and gate and up in another; keys and values have their room from the beginning.

Axes: B sequences, S cached rows, R room (S and what is to be written), H heads, G key heads, D head width, C model width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sayso.models.unified import Cache, Expert, UnifiedModel, rotations


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer of the understand expert. `qk_scale` [H + G, D]: the weights of the queries' and keys' norms."""

    qkv: Tensor
    bias: Tensor | None
    qk_scale: Tensor
    out: Tensor
    gate_up: Tensor
    down: Tensor


class Writer:
    """A model's understand expert for writing. float32 on a CPU, the model's own type elsewhere. The weights are those of now."""

    @torch.no_grad()
    def __init__(self, model: UnifiedModel):
        self.spec = model.spec
        weight = model.embed.weight
        self.dtype = torch.float32 if weight.device.type == "cpu" else weight.dtype
        self.embed = weight.to(self.dtype)
        head = weight if model.head is None else model.head.weight
        self.head = self._turned(head, model.understand_norm.weight)
        self.layers = [self._layer(layer.understand) for layer in model.layers]  # type: ignore[arg-type]

    def _turned(self, weight: Tensor, norm: Tensor | None = None) -> Tensor:
        """[out, in] → [in, out], times the weight of the norm [in] before it."""
        turned = weight.float().T if norm is None else weight.float().T * norm.float()[:, None]
        return turned.to(self.dtype).contiguous()

    def _layer(self, expert: Expert) -> _Layer:
        mine, mlp = expert.attention, expert.mlp
        three = (mine.q_proj, mine.k_proj, mine.v_proj)
        biases = [p.bias for p in three]
        scale = torch.cat((mine.q_norm.weight.expand(self.spec.heads, -1), mine.k_norm.weight.expand(self.spec.kv_heads, -1)))
        return _Layer(
            self._turned(torch.cat([p.weight.detach() for p in three]), expert.input_norm.weight),
            None if biases[0] is None else torch.cat([b.detach() for b in biases if b is not None]).to(self.dtype),
            scale.to(self.dtype),
            self._turned(mine.o_proj.weight),
            self._turned(torch.cat((mlp.gate_proj.weight, mlp.up_proj.weight)), expert.mlp_norm.weight),
            self._turned(mlp.down_proj.weight),
        )

    def begin(self, cache: Cache | None, start: Tensor, room: int) -> Writing:
        """Sequences after `cache`, whose next pieces have the positions `start` [B]; at most `room` pieces will be written."""
        return Writing(self, cache, start, room)


class Writing:
    """Sequences that are being written. Not to be shared."""

    def __init__(self, writer: Writer, cache: Cache | None, start: Tensor, room: int):
        self.writer, self.start, self.done = writer, start, 0
        spec, device = writer.spec, writer.embed.device
        B, S = len(start), 0 if cache is None else cache.layers[0][0].shape[2]
        self.length = S
        shape = (B, spec.kv_heads, S + room, spec.head_width)
        self.keys = [torch.empty(shape, dtype=writer.dtype, device=device) for _ in writer.layers]
        self.values = [torch.empty(shape, dtype=writer.dtype, device=device) for _ in writer.layers]
        for k, v, held in zip(self.keys, self.values, () if cache is None else cache.layers, strict=False):
            k[:, :, :S], v[:, :, :S] = held
        self.valid = None
        if cache is not None and cache.valid is not None:
            self.valid = F.pad(cache.valid, (0, room), value=True)[:, None, None]  # [B, 1, 1, R]

    @torch.no_grad()
    def __call__(self, ids: Sequence[int]) -> Tensor:
        """The next piece of each sequence → the scores [B, vocab] of the one after it, float32 on the CPU."""
        writer, spec = self.writer, self.writer.spec
        H, G, D, at = spec.heads, spec.kv_heads, spec.head_width, self.length
        x = F.embedding(torch.tensor(ids, device=writer.embed.device), writer.embed)  # [B, C]
        positions = F.pad((self.start + self.done)[:, None, None].float(), (0, len(spec.rope_axes) - 1))
        cos, sin = (part.squeeze(1).to(writer.dtype) for part in rotations(positions, spec))  # [B, 1, D / 2]
        cos, sin = torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)
        mask = None if self.valid is None else self.valid[..., : at + 1]
        for layer, keys, values in zip(writer.layers, self.keys, self.values, strict=True):
            qkv = self._normed(x) @ layer.qkv
            qkv = (qkv if layer.bias is None else qkv + layer.bias).view(len(x), H + 2 * G, D)
            qk = self._normed(qkv[:, : H + G]) * layer.qk_scale
            qk = qk * cos + qk.roll(D // 2, -1) * sin
            keys[:, :, at], values[:, :, at] = qk[:, H:], qkv[:, H + G :]
            y = F.scaled_dot_product_attention(
                qk[:, :H, None], keys[:, :, : at + 1], values[:, :, : at + 1], attn_mask=mask, enable_gqa=H != G
            )
            x = torch.addmm(x, y.view(len(x), H * D), layer.out)
            gate, up = (self._normed(x) @ layer.gate_up).chunk(2, -1)
            x = torch.addmm(x, F.silu(gate) * up, layer.down)
        self.length, self.done = at + 1, self.done + 1
        return (self._normed(x) @ writer.head).float().cpu()

    def _normed(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.writer.spec.norm_eps)
