"""HiDream's transformer: the released numbers, diffusers' on drawn shapes, and every saving beside its slow twin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hidream_tiny import CONFIG, FIXTURES, fixtures, needs_fixtures, parity_model, random_model, released
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sayso.models import lowbits, sparse_dit, sparse_names, sparse_plain
from sayso.models.sparse_dit import HIDREAM, SparseDiT, SparseSpec, padding, patchify, unpatchify

SPEC = SparseSpec.from_config(CONFIG)


def close(found: Tensor, expected: Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


def inputs(spec: SparseSpec, rows: int, columns: int, batch: int = 2, words: int = 5, seed: int = 0) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    layers = max(spec.llama_layers) + 1
    return {"z": torch.randn(batch, spec.channels, rows * spec.patch, columns * spec.patch, generator=g),
            "times": torch.rand(batch, generator=g) * 1000,
            "t5": torch.randn(batch, words + 2, spec.t5_width, generator=g),
            "llama": torch.randn(layers, batch, words, spec.llama_width, generator=g),
            "pooled": torch.randn(batch, spec.pooled_width, generator=g)}


@needs_fixtures
@torch.no_grad()
def test_the_released_numbers() -> None:
    """All transformer cases, the slow twin in float64 among them; an edit's right half is given as the source as well.."""
    model, (f, cases) = parity_model(), fixtures("transformer_cases")
    exact = parity_model().double()
    for name, case in cases.items():
        x = {key: f[f"{name}.{key}"] for key in ("latent", "timestep", "t5", "llama", "pooled", "out", "out_f64")}
        rest = (x["timestep"].expand(case["batch"]), x["t5"], x["llama"], x["pooled"])
        close(-model(x["latent"], *rest, case["max_seq"]), x["out"])
        twin = -sparse_plain.velocity(exact, x["latent"].double(), *(t if t is rest[0] else t.double() for t in rest), case["max_seq"])
        close(twin.float(), x["out_f64"])
        if name.startswith("edit"):
            left, right = x["latent"].chunk(2, dim=-1)
            close(-model(left, *rest, case["max_seq"], right), x["out"].chunk(2, dim=-1)[0])


@needs_fixtures
@torch.no_grad()
def test_the_released_numbers_inside() -> None:
    """Patches, time, captions, routing and every block's streams of two cases."""
    model = parity_model()
    f = load_file(FIXTURES / "transformer_intermediates.safetensors")
    cases, meta = fixtures("transformer_cases")
    for case in ("square_b1", "nonsq_b1"):
        x = {key: cases[f"{case}.{key}"] for key in ("latent", "timestep", "t5", "llama", "pooled")}
        got = {key.removeprefix(f"{case}."): t for key, t in f.items() if key.startswith(f"{case}.")}
        real = patchify(x["latent"], 2).shape[1]
        close(model.patch_in(patchify(x["latent"], 2)), got["x_embed"][:, :real])
        captions = model.before.captions(x["t5"], x["llama"])
        close(captions.text, torch.cat((got["caption.4"], got["caption.3"]), dim=1))
        close(captions.context, torch.stack([sparse_dit.normed(got[f"caption.{i}"]) for i in range(4)]))
        seen: list[Any] = []
        blocks = (*model.double_blocks, *model.single_blocks)
        hooks = [block.register_forward_hook(lambda m, a, out, to=seen: to.append(out)) for block in blocks]
        model(x["latent"], x["timestep"].expand(1), x["t5"], x["llama"], x["pooled"], meta[case]["max_seq"])
        for hook in hooks:
            hook.remove()
        pads = got["x_embed"].shape[1] - real
        for i in range(2):
            close(seen[i][0][:, : real + min(1, pads)], got[f"double.{i}.0"][:, : real + min(1, pads)])
            close(seen[i][1], got[f"double.{i}.1"][:, :12])
        close(seen[2][:, :real], got["single.0"][:, :real])
        close(seen[2][:, real + min(1, pads):], got["single.0"][:, real + pads : real + pads + 12])
        close(seen[3], got["single.1"][:, :real])


def test_every_released_tensor_has_its_place() -> None:
    """Counts of the released model; together the slots fill every parameter once and nothing twice."""
    for spec in (HIDREAM, SPEC, replace(SPEC, double=2, experts=3, llama_layers=(0, 1, 1))):
        with torch.device("meta"):
            model = SparseDiT(spec)
        slots = sparse_names.slots(spec)
        parameters = {name: p.data for name, p in model.named_parameters()}
        assert all(tuple(slot.view(parameters).shape) == slot.shape for slot in slots.values())
        assert sum(p.numel() for p in parameters.values()) == sum(torch.Size(slot.shape).numel() for slot in slots.values())
    assert len(sparse_names.slots(HIDREAM)) == 1615
    assert sum(torch.Size(slot.shape).numel() for slot in sparse_names.slots(HIDREAM).values()) == 17_105_733_184
    model = random_model(SPEC)
    for t in sparse_names.released(model, SPEC).values():
        assert not t.isnan().any()
        t.fill_(float("nan"))
    assert all(bool(p.isnan().all()) for p in model.parameters())


@st.composite
def shapes(draw: st.DrawFn) -> tuple[SparseSpec, int, int, int, int]:
    """A spec, rows and columns of a picture that it takes, rows of the batch and words of the prompt."""
    double, single = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    axes = draw(st.sampled_from([(8, 4, 4), (4, 4, 8), (16, 8, 8), (2, 2, 4)]))
    experts = draw(st.integers(1, 5))
    layers = tuple(draw(st.lists(st.integers(0, 2), min_size=double + single, max_size=double + single)))
    side = draw(st.integers(3, 6))
    spec = SparseSpec(channels=draw(st.sampled_from([4, 16])), patch=2, double=double, single=single, heads=draw(st.integers(1, 3)),
                      head_width=sum(axes), t5_width=draw(st.integers(3, 20)), llama_width=draw(st.integers(3, 20)), pooled_width=8,
                      experts=experts, active=draw(st.integers(1, experts)), rope_axes=axes, llama_layers=layers,
                      resolution=(2 * side, 2 * side))
    rows, columns = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)).filter(lambda p: p[0] == p[1] or p[0] * p[1] <= side * side))
    return spec, rows, columns, draw(st.integers(1, 3)), draw(st.integers(1, 6))


def reference(spec: SparseSpec, model: SparseDiT) -> Any:
    from diffusers import HiDreamImageTransformer2DModel

    theirs = HiDreamImageTransformer2DModel(
        patch_size=spec.patch, in_channels=spec.channels, out_channels=spec.channels, num_layers=spec.double, num_single_layers=spec.single,
        attention_head_dim=spec.head_width, num_attention_heads=spec.heads, caption_channels=[spec.t5_width, spec.llama_width],
        text_emb_dim=spec.pooled_width, num_routed_experts=spec.experts, num_activated_experts=spec.active,
        axes_dims_rope=list(spec.rope_axes), max_resolution=list(spec.resolution), llama_layers=list(spec.llama_layers)).eval()
    theirs.load_state_dict(released(model), strict=True)
    return theirs


@settings(max_examples=25)
@given(shapes(), st.integers(0, 10**6))
@torch.no_grad()
def test_ours_is_that_of_diffusers(shape: tuple[SparseSpec, int, int, int, int], seed: int) -> None:
    spec, rows, columns, batch, words = shape
    model = random_model(spec, seed)
    x = inputs(spec, rows, columns, batch, words, seed)
    theirs = reference(spec, model)(x["z"], timesteps=x["times"], encoder_hidden_states_t5=x["t5"], encoder_hidden_states_llama3=x["llama"],
                                    pooled_embeds=x["pooled"], return_dict=False)[0]
    torch.testing.assert_close(-model(*x.values(), spec.max_tokens), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("rows", "columns", "tokens"), [(4, 4, 64), (3, 5, 64), (3, 5, 15), (2, 8, 400)])
@torch.no_grad()
def test_no_saving_changes_the_result(rows: int, columns: int, tokens: int) -> None:
    """Collapsed padding, context without queries, a last block of wanted tokens only: all beside the twin that does it all."""
    spec = replace(SPEC, double=2, single=2, llama_layers=(0, 1, 1, 0))
    model, x = random_model(spec), inputs(spec, rows, columns)
    close(model(*x.values(), tokens), sparse_plain.velocity(model, *x.values(), tokens))


@torch.no_grad()
def test_padding_weighs_what_it_should() -> None:
    """More padding gives another picture, as it did in training; a square picture has none."""
    model, x = random_model(SPEC), inputs(SPEC, 3, 5)
    assert (model(*x.values(), 15) - model(*x.values(), 64)).abs().max() > 1e-3
    assert (padding(4, 4, 64), padding(3, 5, 64), padding(8, 8, 9)) == (0, 49, 0)
    with pytest.raises(ValueError, match="are more than 14"):
        model(*x.values(), 14)


@torch.no_grad()
def test_experts_in_one_product() -> None:
    """Also when one expert gets everything and others nothing."""
    module = random_model(SPEC).double_blocks[0].experts
    x = torch.randn(2, 50, SPEC.width)
    close(module(x), sparse_plain.experts(module, x))
    module.gate.weight[0], x = 9.0, x.abs()
    assert set(module.route(x.flatten(0, 1))[1][:, 0].tolist()) == {0}
    close(module(x), sparse_plain.experts(module, x))


@torch.no_grad()
def test_tables_made_at_once_are_those_made_in_turn() -> None:
    before, x = random_model(SPEC).before, inputs(SPEC, 4, 4)
    times = torch.tensor([[1000.0], [512.0], [0.0]])
    together = before.tables(times, x["pooled"])
    for i, t in enumerate(times):
        close(together[i], before.tables(t.expand(1, 2), x["pooled"])[0])
    assert together.shape == (3, 2, (12 * SPEC.double + 6 * SPEC.single + 2) * SPEC.width)


def test_rotation_of_half_the_dimensions() -> None:
    place = sparse_dit.layout(SPEC, 3, 4, 6, 64, torch.device("cpu"))
    x = torch.randn(2, 19, SPEC.heads, SPEC.head_width)
    ids = torch.zeros(19, 3)
    ids[:12, 1], ids[:12, 2] = torch.arange(3).repeat_interleave(4), torch.arange(4).repeat(3)
    close(sparse_dit.rotate(x.clone(), place), sparse_plain.turned(x, sparse_plain.rotation(SPEC.rope_axes, ids)), 1e-6)


class Watcher(TorchDispatchMode):
    """Names of the operators that make a host wait for its device."""

    WAITING = ("_local_scalar_dense", "nonzero", "item", "bincount", "unique", "is_nonzero", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if (name := func.overloadpacket.__name__) in self.WAITING:
            self.seen.add(name)
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def test_a_step_never_waits_for_the_device() -> None:
    model, x = random_model(SPEC), inputs(SPEC, 3, 5)
    captions, tables = model.before(x["t5"], x["llama"], x["pooled"], x["times"][None])
    place = sparse_dit.layout(SPEC, 3, 5, 17, 64, torch.device("cpu"))
    with Watcher() as ours:
        model.step(patchify(x["z"], 2), tables[0], captions, place)
    with Watcher() as plain:
        sparse_plain.velocity(model, *x.values(), 64)
    assert ours.seen == set() and "nonzero" in plain.seen


@torch.no_grad()
def test_the_whole_step_compiles_as_one_graph() -> None:
    model = random_model(SPEC).to(torch.bfloat16)
    x = {name: t if name == "times" else t.to(torch.bfloat16) for name, t in inputs(SPEC, 3, 5).items()}
    captions, tables = model.before(x["t5"], x["llama"], x["pooled"], x["times"][None])
    place = sparse_dit.layout(SPEC, 3, 5, 17, 64, torch.device("cpu"))
    compiled = torch.compile(model.step, fullgraph=True, dynamic=False, backend="aot_eager")
    got, expected = compiled(patchify(x["z"], 2), tables[0], captions, place), model.step(patchify(x["z"], 2), tables[0], captions, place)
    assert (got.float() - expected.float()).norm() < 0.02 * expected.float().norm()


def test_patches_come_back() -> None:
    z = torch.randn(2, 3, 6, 10)
    assert torch.equal(unpatchify(patchify(z, 2), 2, 3, 5), z)
    assert patchify(z, 2)[0, 1].tolist() == [float(z[0, c, y, x]) for y in (0, 1) for x in (2, 3) for c in range(3)]


@pytest.mark.parametrize(("change", "says"), [
    ({"axes_dims_rope": [8, 4, 2]}, "do not fill"), ({"llama_layers": [0]}, "llama_layers"), ({"num_routed_experts": 0}, "experts"),
    ({"out_channels": 4}, "out_channels"), ({"num_layers": 0, "llama_layers": [0]}, "blocks")])
def test_odd_descriptions_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SparseSpec.from_config({**CONFIG, **change})


@pytest.mark.parametrize(("kind", "off"), [("int8", 0.008), ("int4", 0.1), ("fp8", 0.04)])
@torch.no_grad()
def test_weights_in_fewer_bits(kind: lowbits.Kind, off: float) -> None:
    """The stored weight is near the wide one, a layer computes exactly with the stored one, and it is as small as it says.

    For int8 each value is within half a step, and a step is 1/127 of its row's largest.
    """
    torch.manual_seed(0)
    weight, bias = torch.randn(4, 96, 64), torch.randn(96)
    low = lowbits.LowBits(weight[0], bias, kind)
    x = torch.randn(5, 7, 64)
    assert (low.dense(torch.float32) - weight[0]).norm() < off * weight[0].norm()
    if kind == "int8":
        step = weight[0].abs().amax(-1, keepdim=True) / 127
        assert ((low.dense(torch.float32) - weight[0]).abs() <= 0.5001 * step).all()
    close(low(x), x @ low.dense(torch.float32).T + bias, 1e-4)
    grouped, ends = lowbits.LowBits(weight, None, kind), torch.tensor([3, 3, 20, 35], dtype=torch.int32)
    flat = x.flatten(0, 1)
    whole = grouped.dense(torch.float32)
    expected = torch.cat([flat[a:b] @ whole[e].T for e, (a, b) in enumerate([(0, 3), (3, 3), (3, 20), (20, 35)])])
    close(grouped(flat, ends), expected, 1e-4)
    stored = sum(b.nbytes for b in grouped.buffers())
    assert stored <= weight.numel() * (0.5 if kind == "int4" else 1.0) + weight.numel() // (8 if kind == "int4" else 16) + 64


@torch.no_grad()
def test_products_in_fp8_are_near_the_widened_ones() -> None:
    """The kernel for plain layers also runs on processors, so its scales can be checked without a graphics card."""
    low = lowbits.LowBits(torch.randn(48, 64), None, "fp8")
    x = torch.randn(3, 16, 64).to(torch.bfloat16)
    got, expected = low._fp8(x, None).float(), low(x).float()
    assert 0 < (got - expected).norm() < 0.05 * expected.norm()
