"""The unified model: caches, batches, kernels, positions, and that each is what its slow twin says.

Float32 on a CPU; two ways to the same number agree within 2e-5 (values are of order one).
"""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sayso.engines import checkpoint
from sayso.errors import BadWeights
from sayso.models.specs import BAGEL_7B, CanvasSpec, Prediction, UnifiedSpec, VisionSpec, pocket
from sayso.models.unified import Block, Cache, Layer, UnifiedModel, attend, attend_plainly, patch_coordinates, rotate, rotations, sine_table

SPEC = UnifiedSpec(
    vocab=40, width=32, layers=3, heads=4, kv_heads=4, head_width=16, hidden=48, qkv_bias=False, norm_eps=1e-6, rope_axes=(2, 3, 3),
    rope_thetas=(1000.0, 100.0, 100.0), tied_head=True, patch_channels=24, bottleneck=8, prediction=Prediction.DATA,
    time_scale=1000.0, vision=None, table_side=None, marks=None,
)
GROUPED = replace(SPEC, kv_heads=2, qkv_bias=True, tied_head=False, bottleneck=None)
WHERE = patch_coordinates(2, 3)
START = torch.zeros(1)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=2e-5, atol=2e-5)


def build(spec: UnifiedSpec, seed: int = 0) -> UnifiedModel:
    """Every parameter random, also those that training starts at zero or one."""
    model = UnifiedModel(spec)
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            noise = torch.randn(p.shape, generator=g)
            p.copy_(1 + 0.3 * noise if p.dim() == 1 else noise * p.shape[-1] ** -0.5)
    return model.eval()


@pytest.fixture(scope="module", params=[SPEC, GROUPED], ids=["pocket", "grouped"])
def model(request: pytest.FixtureRequest) -> UnifiedModel:
    return build(request.param).requires_grad_(False)


def ids_of(batch: int, length: int, seed: int = 1) -> Tensor:
    return torch.randint(0, SPEC.vocab, (batch, length), generator=torch.Generator().manual_seed(seed))


def patches_of(batch: int, tokens: int = 6, seed: int = 2) -> Tensor:
    return torch.randn(batch, tokens, SPEC.patch_channels, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------------------------------------------------------------
# cache and batch


def at_once(model: UnifiedModel, ids: Tensor, z: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The slow twin of read-then-predict: all rows of one sequence in every layer, and one explicit mask."""
    U, P = ids.shape[1], z.shape[1]
    half = SPEC.width // 2
    table = torch.cat((sine_table(WHERE[:, 1], half), sine_table(WHERE[:, 0], half)), dim=-1)
    squeezed = z if model.squeeze is None else z @ model.squeeze.weight.T
    rows = (model.embed.weight[ids], model.patch_in(squeezed) + table + model.time(t, z.dtype)[:, None])
    places = torch.zeros(1, U + P, 3)
    places[0, :U, 0] = torch.arange(U)
    places[0, U:] = torch.cat((torch.full((P, 1), float(U)), WHERE), dim=-1)
    cos, sin = rotations(places, model.spec)
    mask = torch.ones(U + P, U + P, dtype=torch.bool)
    mask[:U] = torch.ones(U, U + P, dtype=torch.bool).tril()
    for layer in model.layers:
        assert isinstance(layer, Layer)
        experts = (layer.understand, layer.draw)
        parts = [e.project(x, cos[:, :, s], sin[:, :, s]) for e, x, s in zip(experts, rows, (slice(U), slice(U, None)), strict=True)]
        q, k, v = (torch.cat(p, dim=2) for p in zip(*parts, strict=True))
        y = attend_plainly(q, k, v, mask, False, grouped=True)
        rows = (layer.understand.finish(rows[0], y[:, :, :U]), layer.draw.finish(rows[1], y[:, :, U:]))
    return model.understand_norm(rows[0]), model.patch_out(model.draw_norm(rows[1]))


def test_cached_equals_at_once(model: UnifiedModel) -> None:
    ids, z, t = ids_of(2, 5), patches_of(2), torch.tensor([0.3, 0.9])
    text, drawn = at_once(model, ids, z, t)
    out = model.read(ids, None, None, torch.zeros(2), torch.float32)
    close(out.understand, text)
    close(model.predict(z, t, WHERE, torch.full((2,), 5.0), out.cache), drawn)


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_text_read_in_two_parts_equals_at_once(model: UnifiedModel, cut: int) -> None:
    ids = ids_of(2, 7)
    whole = model.read(ids, None, None, torch.zeros(2), torch.float32)
    first = model.read(ids[:, :cut], None, None, torch.zeros(2), torch.float32)
    second = model.read(ids[:, cut:], None, first.cache, torch.full((2,), float(cut)), torch.float32)
    close(torch.cat((first.understand, second.understand), dim=1), whole.understand)
    for (k, v), (k_whole, v_whole) in zip(second.cache.layers, whole.cache.layers, strict=True):
        close(k, k_whole)
        close(v, v_whole)
    z, t = patches_of(2), torch.tensor([0.5, 1.0])
    close(model.predict(z, t, WHERE, torch.full((2,), 7.0), second.cache), model.predict(z, t, WHERE, torch.full((2,), 7.0), whole.cache))


def test_a_padded_batch_equals_one_by_one(model: UnifiedModel) -> None:
    """Two texts and a picture; both texts of different lengths, so that padding lies in the middle of the cache."""
    first, second = torch.tensor([3, 6, 1]), torch.tensor([4, 2, 5])
    ids, more, z, t = ids_of(3, 6), ids_of(3, 5, seed=3), patches_of(3), torch.tensor([0.2, 0.6, 1.0])
    read = model.read(ids, first, None, torch.zeros(3), torch.float32)
    read_more = model.read(more, second, read.cache, first.float(), torch.float32)
    drawn = model.predict(z, t, WHERE, (first + second).float(), read_more.cache)
    for i in range(3):
        one = model.read(ids[i : i + 1, : first[i]], None, None, START, torch.float32)
        close(read.understand[i, : first[i]], one.understand[0])
        two = model.read(more[i : i + 1, : second[i]], None, one.cache, first[i : i + 1].float(), torch.float32)
        close(read_more.understand[i, : second[i]], two.understand[0])
        start = (first + second)[i : i + 1].float()
        close(drawn[i], model.predict(z[i : i + 1], t[i : i + 1], WHERE, start, two.cache)[0])


def test_what_stands_in_the_padding_does_not_matter(model: UnifiedModel) -> None:
    lengths, z, t = torch.tensor([2, 5]), patches_of(2), torch.tensor([0.4, 0.4])
    outs = []
    for filler in (0, 17):
        ids = ids_of(2, 5)
        ids[0, 2:] = filler
        cache = model.read(ids, lengths, None, torch.zeros(2), torch.float32).cache
        outs.append(model.predict(z, t, WHERE, lengths.float(), cache))
    assert torch.equal(*outs)


def test_text_is_causal_and_a_picture_is_not(model: UnifiedModel) -> None:
    ids = ids_of(1, 6)
    changed = ids.clone()
    changed[0, 4] = (ids[0, 4] + 1) % SPEC.vocab
    a, b = (model.read(x, None, None, START, torch.float32) for x in (ids, changed))
    assert torch.equal(a.understand[:, :4], b.understand[:, :4])
    assert float((a.understand[:, 4:] - b.understand[:, 4:]).abs().amax(-1).min()) > 1e-4
    z, t = patches_of(1), torch.tensor([0.5])
    moved = z.clone()
    moved[0, -1] += 1
    start = torch.tensor([6.0])
    base = model.predict(z, t, WHERE, start, a.cache)
    for other in (model.predict(moved, t, WHERE, start, a.cache), model.predict(z, t, WHERE, start, b.cache),
                  model.predict(z, t + 0.2, WHERE, start, a.cache)):
        assert float((other - base).abs().amax(-1).min()) > 1e-5  # every patch sees every patch, the text and the time


def test_a_picture_needs_no_text(model: UnifiedModel) -> None:
    assert model.predict(patches_of(2), torch.ones(2), WHERE, torch.zeros(2), None).shape == (2, 6, SPEC.patch_channels)


def test_repeating_a_cache(model: UnifiedModel) -> None:
    lengths = torch.tensor([3, 5])
    cache = model.read(ids_of(2, 5), lengths, None, torch.zeros(2), torch.float32).cache
    z, t = patches_of(2), torch.tensor([0.3, 0.7])
    once = model.predict(z, t, WHERE, lengths.float(), cache)
    thrice = model.predict(z.repeat_interleave(3, 0), t.repeat_interleave(3), WHERE, lengths.float().repeat_interleave(3), cache.repeat(3))
    close(thrice, once.repeat_interleave(3, 0))
    unpadded = model.read(ids_of(2, 5), None, None, torch.zeros(2), torch.float32).cache
    assert unpadded.valid is None and unpadded.repeat(2).valid is None


def test_a_block_of_both_experts_ignores_the_order_of_its_rows(model: UnifiedModel) -> None:
    """Marks around a picture: full attention with explicit positions, so their place in the block means nothing."""
    g = torch.Generator().manual_seed(5)
    marks, patches = torch.randn(1, 2, 32, generator=g), torch.randn(1, 4, 32, generator=g)
    places = (torch.rand(1, 2, 3, generator=g), torch.rand(1, 4, 3, generator=g))
    out = model(Block(marks, patches, *places, causal=False), None)
    turned = model(Block(marks.flip(1), patches.flip(1), places[0].flip(1), places[1].flip(1), causal=False), None)
    close(turned.understand.flip(1), out.understand)
    close(turned.draw.flip(1), out.draw)


# ---------------------------------------------------------------------------------------------------------------------
# kernels and positions


@given(st.integers(1, 3), st.integers(1, 6), st.integers(0, 5), st.sampled_from(((4, 4), (4, 2), (4, 1))),
       st.sampled_from(("none", "causal", "keys", "square")), st.integers(0, 99))
def test_attention_equals_its_slow_twin(batch: int, rows: int, past: int, heads: tuple[int, int], kind: str, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    past = 0 if kind == "causal" else past  # SDPA's causal mode is used only where nothing is cached
    q = torch.randn(batch, heads[0], rows, 8, generator=g)
    k, v = (torch.randn(batch, heads[1], past + rows, 8, generator=g) for _ in range(2))
    mask: Tensor | None = None
    if kind in ("keys", "square"):
        mask = torch.rand(batch, 1, 1 if kind == "keys" else rows, past + rows, generator=g) < 0.7
        mask[..., 0] = True  # softmax over nothing is undefined
    grouped = heads[0] != heads[1]
    slow = attend_plainly(q, k, v, mask, kind == "causal", grouped)
    close(attend(q, k, v, mask, kind == "causal", grouped), slow)
    with torch.no_grad():
        close(attend(q, k, v, mask, kind == "causal", grouped), slow)


def test_the_plain_twin_is_softmax_attention() -> None:
    g = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 1, 3, 4, generator=g) for _ in range(3))
    row = torch.tensor([float(q[0, 0, 1] @ k[0, 0, j]) / 2 for j in range(2)]).softmax(0)
    close(attend_plainly(q, k, v, None, True, False)[0, 0, 1], row @ v[0, 0, :2])


def test_with_and_without_gradients_the_model_says_the_same(model: UnifiedModel) -> None:
    lengths, z, t = torch.tensor([2, 5]), patches_of(2), torch.tensor([0.4, 0.9])

    def predict() -> Tensor:
        cache = model.read(ids_of(2, 5), lengths, None, torch.zeros(2), torch.float32).cache
        return model.predict(z, t, WHERE, lengths.float(), cache)

    with torch.no_grad():
        fused = predict()
    close(predict(), fused)


@given(st.lists(st.floats(-30, 30), min_size=9, max_size=9), st.integers(0, 99))
def test_a_rotary_product_depends_on_differences_of_positions_only(numbers: list[float], seed: int) -> None:
    a, b, shift = torch.tensor(numbers).view(3, 1, 1, 3)
    g = torch.Generator().manual_seed(seed)
    q, k = (torch.randn(1, 1, 1, SPEC.head_width, generator=g) for _ in range(2))

    def product(p: Tensor, r: Tensor) -> Tensor:
        return (rotate(q, *rotations(p, SPEC)) * rotate(k, *rotations(r, SPEC))).sum()

    torch.testing.assert_close(product(a + shift, b + shift), product(a, b), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(rotate(q, *rotations(a, SPEC)).norm(), q.norm(), rtol=1e-5, atol=1e-5)
    assert torch.equal(rotate(q, *rotations(torch.zeros(1, 1, 3), SPEC)), q)


def test_every_axis_turns_its_own_channels() -> None:
    q = torch.ones(1, 1, 1, SPEC.head_width)
    for axis, pairs in enumerate(([0, 1], [2, 3, 4], [5, 6, 7])):
        turned = rotate(q, *rotations(torch.eye(3)[axis].view(1, 1, 3), SPEC))[0, 0, 0]
        assert (turned != 1).nonzero().flatten().tolist() == pairs + [8 + i for i in pairs]


def test_places_stay_where_they_were_from_64_to_256_tokens() -> None:
    coarse, fine = patch_coordinates(8, 8).view(8, 8, 2), patch_coordinates(16, 16).view(16, 16, 2)
    torch.testing.assert_close(fine.view(8, 2, 8, 2, 2).mean((1, 3)), coarse)
    assert coarse[0, 0].tolist() == [0.5, 0.5] and coarse[7, 0].tolist() == [7.5, 0.5]
    wide = patch_coordinates(4, 8)
    assert wide.shape == (32, 2) and wide[-1].tolist() == [7.0, 15.0]  # the shorter side measures 8
    assert torch.equal(patch_coordinates(8, 4).flip(-1).view(8, 4, 2).transpose(0, 1), wide.view(4, 8, 2))


def test_the_sine_table() -> None:
    table = sine_table(torch.tensor([[0.0, 2.0]]), 8)
    assert table.shape == (1, 2, 8)
    assert table[0, 0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    torch.testing.assert_close(table[0, 1, :4], torch.cos(2.0 * torch.tensor([1, 0.1, 0.01, 0.001])))
    torch.testing.assert_close(table[0, 1, 4:], torch.sin(2.0 * torch.tensor([1, 0.1, 0.01, 0.001])))


# ---------------------------------------------------------------------------------------------------------------------
# specs and weights


def test_a_grouped_model_is_the_full_model_with_its_keys_repeated() -> None:
    grouped = build(GROUPED)
    full = build(replace(GROUPED, kv_heads=GROUPED.heads))
    weights = grouped.state_dict()
    for name in list(weights):
        if "k_proj" in name or "v_proj" in name:
            weights[name] = weights[name].unflatten(0, (2, 16)).repeat_interleave(2, 0).flatten(0, 1)
    full.load_state_dict(weights, strict=True)
    a, b = (m.read(ids_of(2, 5), None, None, torch.zeros(2), torch.float32) for m in (grouped, full))
    close(a.understand, b.understand)
    assert a.cache.layers[0][0].shape == (2, 2, 5, 16) and b.cache.layers[0][0].shape == (2, 4, 5, 16)


VISION = VisionSpec(channels=3, patch=14, width=32, hidden=48, layers=2, heads=4, table_side=10, norm_eps=1e-6, model_table=False)


WITH_EYES = replace(SPEC, vision=VISION, prediction=Prediction.VELOCITY)


@pytest.mark.parametrize("spec", [SPEC, GROUPED, pocket(8, 6144, 8), WITH_EYES, BAGEL_7B])
def test_a_spec_goes_through_json(spec: UnifiedSpec) -> None:
    again = UnifiedSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec and hash(again) == hash(spec)


def test_a_spec_is_strict_and_frozen() -> None:
    values = SPEC.to_dict()
    with pytest.raises(TypeError, match="depth"):
        UnifiedSpec.from_dict({**values, "depth": 3})
    with pytest.raises(TypeError, match="hidden"):
        UnifiedSpec.from_dict({k: v for k, v in values.items() if k != "hidden"})
    with pytest.raises(FrozenInstanceError):
        SPEC.width = 3  # type: ignore[misc]
    with pytest.raises(AssertionError):
        replace(SPEC, rope_axes=(2, 3, 4))
    with pytest.raises(AssertionError):
        replace(SPEC, kv_heads=3)
    assert all(f.default is f.default_factory for f in fields(UnifiedSpec))  # both missing: no defaults


@pytest.mark.parametrize(("depth", "patch", "millions"), [(2, 8, 0.665), (8, 8, 14.659), (12, 16, 45.670)])
def test_the_one_dial(depth: int, patch: int, millions: float) -> None:
    spec = pocket(depth, 6144, patch)
    assert (spec.width, spec.layers, spec.heads) == (32 * depth, depth, depth // 2)
    assert spec.hidden % 64 == 0 and spec.hidden >= 8 * spec.width / 3 and spec.patch_channels == 4 * patch * patch
    with torch.device("meta"):
        model = UnifiedModel(spec)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.001)


def test_a_canvas_knows_its_side() -> None:
    assert (CanvasSpec(8, 64).side, CanvasSpec(16, 64).side, CanvasSpec(16, 256).side) == (64, 128, 256)


def test_loading_is_strict(tmp_path: Path) -> None:
    weights = build(SPEC).state_dict()
    with torch.device("meta"):
        empty = UnifiedModel(SPEC)
        grouped = UnifiedModel(GROUPED)
    name = "layers.1.draw.mlp.up_proj.weight"
    with pytest.raises(BadWeights, match=f"lacks {name}"):
        checkpoint.fill(empty, {k: t for k, t in weights.items() if k != name}, tmp_path / "x")
    with pytest.raises(BadWeights, match="unknown tensor head.weight"):
        checkpoint.fill(empty, {**weights, "head.weight": torch.zeros(40, 32)}, tmp_path / "x")
    with pytest.raises(BadWeights):
        checkpoint.fill(grouped, weights, tmp_path / "x")
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, weights, {})
    checkpoint.fill(empty, checkpoint.load(path)[0], path)
    z, t = patches_of(1), torch.tensor([0.5])
    assert all(torch.equal(tensor, weights[name]) for name, tensor in empty.state_dict().items())
    # Where memory begins decides which kernel a processor takes, so that products may differ in the last bit.
    assert torch.allclose(empty.predict(z, t, WHERE, START, None), build(SPEC).predict(z, t, WHERE, START, None), rtol=0, atol=1e-5)


def test_fresh_weights_follow_from_the_generator() -> None:
    def fresh(seed: int) -> dict[str, Tensor]:
        model = UnifiedModel(replace(SPEC, vision=VISION))
        model.initialise(torch.Generator().manual_seed(seed))
        return model.state_dict()

    torch.manual_seed(1)
    a = fresh(0)
    torch.manual_seed(2)
    b, c = fresh(0), fresh(1)
    random = {k for k in a if not torch.equal(a[k], c[k])}
    zero = ("o_proj.weight", "down_proj.weight", "patch_out.weight")
    matrices = {k for k, t in a.items() if t.dim() >= 2 and not k.endswith(zero)}
    assert not any(t.any() for k, t in a.items() if k.endswith(zero))
    assert random == matrices
    assert [k for k in a if not torch.equal(a[k], b[k])] == []
    for name in ("embed.weight", "layers.0.draw.attention.q_proj.weight", "layers.2.understand.mlp.up_proj.weight"):
        expected = 0.25 if name == "embed.weight" else a[name].shape[1] ** -0.5
        assert float(a[name].std()) == pytest.approx(expected, rel=0.1)


def test_a_fresh_model_draws_nothing_and_passes_text_through() -> None:
    model = UnifiedModel(SPEC)
    model.initialise(torch.Generator().manual_seed(0))
    assert torch.equal(model.predict(patches_of(1), torch.ones(1), WHERE, START, None), torch.zeros(1, 6, SPEC.patch_channels))
    ids = ids_of(1, 4)
    rows = model.embed.weight[ids]
    close(model.read(ids, None, None, START, torch.float32).understand, rows * torch.rsqrt(rows.square().mean(-1, keepdim=True) + 1e-6))


# ---------------------------------------------------------------------------------------------------------------------
# gradients and types


def without_gradient(model: UnifiedModel) -> set[str]:
    return {n for n, p in model.named_parameters() if p.grad is None or not bool(p.grad.any())}


@pytest.mark.parametrize("spec", [SPEC, GROUPED], ids=["pocket", "grouped"])
def test_a_picture_teaches_everything_that_it_depends_on(spec: UnifiedSpec) -> None:
    model = build(spec)
    lengths = torch.tensor([3, 5])
    cache = model.read(ids_of(2, 5), lengths, None, torch.zeros(2), torch.float32).cache
    model.predict(patches_of(2), torch.tensor([0.3, 0.8]), WHERE, lengths.float(), cache).square().sum().backward()
    last = f"layers.{spec.layers - 1}.understand."
    # the last layer's text rows are seen through keys and values only
    expected = {n for n, _ in model.named_parameters() if n.startswith(last) and not any(s in n for s in ("k_", "v_proj", "input_norm"))}
    assert without_gradient(model) == expected | {"understand_norm.weight"} | (set() if spec.tied_head else {"head.weight"})
    assert model.embed.weight.grad is not None
    used = set(ids_of(2, 5)[0, :3].tolist() + ids_of(2, 5)[1].tolist())
    assert set(model.embed.weight.grad.abs().sum(-1).nonzero().flatten().tolist()) == used  # padding teaches nothing


def test_text_teaches_the_understanding_half_only() -> None:
    model = build(GROUPED)
    model.logits(model.read(ids_of(2, 5), None, None, torch.zeros(2), torch.float32).understand).square().sum().backward()
    drawing = {n for n, _ in model.named_parameters() if ".draw." in n or n.startswith(("draw_norm", "patch_", "time."))}
    assert without_gradient(model) == drawing


def test_rows_in_bfloat16_over_weights_in_float32(model: UnifiedModel) -> None:
    ids, z, t = ids_of(1, 5), patches_of(1), torch.tensor([0.5])

    def predict(dtype: torch.dtype) -> Tensor:
        cache: Cache = model.read(ids, None, None, START, dtype).cache
        assert cache.layers[0][0].dtype == dtype
        return model.predict(z.to(dtype), t, WHERE, torch.tensor([5.0]), cache)

    exact, rough = predict(torch.float32), predict(torch.bfloat16)
    assert rough.dtype == torch.bfloat16
    assert float((rough.float() - exact).norm() / exact.norm()) < 0.03
