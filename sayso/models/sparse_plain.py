"""The slow twin of `sparse_dit`: the same weights and the same maths with none of its savings, as the reference runs it.

Captions and adaLN numbers are made anew for every call, a block's own caption tokens go through all of it and are thrown away,
padding is real tokens, experts run one after another, and every head dimension of every token turns. Tests hold the fast path
against it, and `sayso bench hidream` measures what the savings are worth.

Axes as in `sparse_dit`; here P counts the padding too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sayso.models import sparse_dit
from sayso.models.sparse_dit import THETA, Attention, DoubleBlock, Experts, SingleBlock, SparseDiT, SwiGLU, normed


def experts(module: Experts, x: Tensor) -> Tensor:
    """[B, ·, C] → the same: each expert in turn on the tokens that chose it."""
    flat = x.reshape(-1, x.shape[-1])
    best = module.gate(flat).softmax(dim=-1, dtype=torch.promote_types(x.dtype, torch.float32)).topk(module.active, dim=-1)
    out = module.shared(flat)
    for e in range(module.count):
        tokens, places = torch.where(best.indices == e)
        gate, linear = (flat[tokens] @ module.up.weight[e].to(x.dtype).T).chunk(2, dim=-1)
        share = best.values[tokens, places, None].to(x.dtype)
        out[tokens] += share * (F.silu(gate) * linear @ module.down.weight[e].to(x.dtype).T)
    return out.view_as(x)


def rotation(axes: tuple[int, int, int], ids: Tensor) -> Tensor:
    """Matrices [tokens, D / 2, 2, 2] for ids [tokens, 3], one block of head dimensions an axis."""
    angles = torch.cat([ids[:, i, None].double() * THETA ** -(torch.arange(0, n, 2).double() / n) for i, n in enumerate(axes)], dim=-1)
    cos, sin = angles.cos().float(), angles.sin().float()
    return torch.stack((cos, -sin, sin, cos), dim=-1).unflatten(-1, (2, 2))


def turned(x: Tensor, matrices: Tensor) -> Tensor:
    """x [B, tokens, H, D] with neighbouring dimensions turned together, in float32 or finer."""
    pairs = x.to(torch.promote_types(x.dtype, torch.float32)).unflatten(-1, (-1, 1, 2))
    return (matrices[:, None] * pairs).sum(dim=-1).flatten(-2).to(x.dtype)


def projected(attention: Attention, x: Tensor) -> list[Tensor]:
    """Queries, keys and values [B, ·, H, D], each from a product of its own."""
    weights, biases = (part.to(x.dtype).chunk(2) for part in (attention.to_kv.weight, attention.to_kv.bias))
    q, k = attention.q_norm(attention.to_q(x)), attention.k_norm(F.linear(x, weights[0], biases[0]))
    return [t.unflatten(-1, (attention.heads, -1)) for t in (q, k, F.linear(x, weights[1], biases[1]))]


def attended(q: Tensor, k: Tensor, v: Tensor, real: Tensor, matrices: Tensor) -> Tensor:
    """Keys of padding tokens are zero; `real` [P] is 0 for those."""
    k = torch.cat((k[:, : len(real)] * real[:, None, None].to(k.dtype), k[:, len(real):]), dim=1)
    q, k = turned(q, matrices), turned(k, matrices)
    return F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2).flatten(-2)


def mlp(module: SwiGLU, x: Tensor) -> Tensor:
    w1, w3 = module.up.weight.to(x.dtype).chunk(2)
    return module.down(F.silu(F.linear(x, w1)) * F.linear(x, w3))


def double(block: DoubleBlock, x: Tensor, text: Tensor, m: Tensor, real: Tensor, matrices: Tensor) -> tuple[Tensor, Tensor]:
    """x [B, P, C], text with the block's own tokens [B, T + K, C]."""
    a, b, g1, c, d, g2, ta, tb, tg1, tc, td, tg2 = m[:, None].chunk(12, dim=-1)
    both = zip(projected(block.picture, normed(x) * (1 + b) + a), projected(block.text, normed(text) * (1 + tb) + ta), strict=True)
    q, k, v = (torch.cat(pair, dim=1) for pair in both)
    out = attended(q, k, v, real, matrices)
    x = x + g1 * block.picture.out(out[:, : x.shape[1]])
    text = text + tg1 * block.text.out(out[:, x.shape[1]:])
    x = x + g2 * experts(block.experts, normed(x) * (1 + d) + c)
    return x, text + tg2 * mlp(block.mlp, normed(text) * (1 + td) + tc)


def single(block: SingleBlock, x: Tensor, m: Tensor, real: Tensor, matrices: Tensor) -> Tensor:
    """x [B, P + T + K, C]."""
    a, b, g1, c, d, g2 = m[:, None].chunk(6, dim=-1)
    q, k, v = projected(block.attention, normed(x) * (1 + b) + a)
    x = x + g1 * block.attention.out(attended(q, k, v, real, matrices))
    return x + g2 * experts(block.experts, normed(x) * (1 + d) + c)


def _padded(model: SparseDiT, z: Tensor, text: int, max_tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    """Patches with padding [B, P, ·], which of them are real [P], and the rotation of all tokens."""
    patch = model.spec.patch
    rows, columns = z.shape[2] // patch, z.shape[3] // patch
    pads = sparse_dit.padding(rows, columns, max_tokens)
    ids = torch.zeros(rows * columns + pads + text, 3)
    ids[: rows * columns, 1] = torch.arange(rows).repeat_interleave(columns)
    ids[: rows * columns, 2] = torch.arange(columns).repeat(rows)
    real = (torch.arange(rows * columns + pads) < rows * columns).float()
    return F.pad(sparse_dit.patchify(z, patch), (0, 0, 0, pads)), real.to(z.device), rotation(model.spec.rope_axes, ids).to(z.device)


def velocity(model: SparseDiT, z: Tensor, times: Tensor, t5: Tensor, llama: Tensor, pooled: Tensor, max_tokens: int) -> Tensor:
    """As `SparseDiT.forward`; a picture that is edited is given as the right half of z."""
    spec, before = model.spec, model.before
    lasting = before.captions(t5, llama).text
    own = [F.linear(llama[layer], weight) for layer, weight in zip(spec.llama_layers, before.llama, strict=True)]
    kept, whole = lasting.shape[1], lasting.shape[1] + own[0].shape[1]
    patches, real, matrices = _padded(model, z, whole, max_tokens)
    m = before.tables(times[None], pooled)[0].split([head.out_features for head in before.heads], dim=-1)
    x, text = model.patch_in(patches), lasting
    for i, pair in enumerate(model.double_blocks):
        assert isinstance(pair, DoubleBlock)
        x, text = double(pair, x, torch.cat((text, own[i]), dim=1), m[i], real, matrices)
        text = text[:, :kept]
    x = torch.cat((x, text), dim=1)
    for i, block in enumerate(model.single_blocks, spec.double):
        assert isinstance(block, SingleBlock)
        x = single(block, torch.cat((x, own[i]), dim=1), m[i], real, matrices)[:, : len(real) + kept]
    rows, columns = z.shape[2] // spec.patch, z.shape[3] // spec.patch
    shift, scale = m[-1][:, None].chunk(2, dim=-1)
    out = model.patch_out(normed(x[:, : rows * columns]) * (1 + scale) + shift)
    return -sparse_dit.unpatchify(out, spec.patch, rows, columns)
