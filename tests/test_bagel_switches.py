"""Each fast path of BAGEL beside its slow twin, on a tiny random checkpoint in float32: they agree within 2e-4, or are called lossy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import bagel_tiny
import pytest
import torch
from bagel_tiny import picture
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sayso.engines.bagel import load, reference
from sayso.engines.bagel.contexts import Context, Piece, lay
from sayso.engines.bagel.engine import BagelEngine, Passes, compiled_halves
from sayso.engines.bagel.reading import Reader
from sayso.engines.bagel.sampling import branches_of
from sayso.engines.bagel.settings import settled
from sayso.engines.offload import Visiting
from sayso.errors import BadInput, CannotDo, Unknown
from sayso.models import lowbits
from sayso.models.packed import Branch, Packed, Writing
from sayso.models.specs import pocket
from sayso.models.stepping import Foreseen, Recording, Remembered, Replayed, Whole, apart, record_calls
from sayso.models.unified import UnifiedModel
from sayso.types import Ask, Drew, Event, Message, Part, Preview, Said, Step, Text, Thought


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=2e-4, atol=2e-4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bagel_tiny.write(tmp_path_factory.mktemp("bagel"))


def loaded(folder: Path, **more: object) -> BagelEngine:
    return load.load("cpu", folder, {"dtype": "float32", **more})


@pytest.fixture(scope="module")
def engine(folder: Path) -> BagelEngine:
    return loaded(folder)


def ask(*parts: Part, **more: Any) -> Ask:
    given = {"width": 64, "height": 48, "steps": 4, **more}
    given["options"] = {"previews": 0, **given.get("options", {})}
    return Ask((Message("user", parts),), **given)


def final(engine: BagelEngine, asked: Ask) -> Tensor:
    """The finished patches of one ask."""
    kept: list[Tensor] = []
    engine.watch_steps = lambda i, t, roles, found, z, v: kept.append(z - t * v)
    for _ in engine.respond(asked):
        pass
    engine.watch_steps = None
    return kept[-1]


def pixels(events: list[Event]) -> Any:
    return [e.picture.pixels.astype(int) for e in events if isinstance(e, Drew)]


DRAWING, EDITING = ask(Text("3 17 99")), ask(picture(60, 80), Text("5 6"), picture(48, 64, 1), Text("12 4 8"))

# ---------------------------------------------------------------------------------------------------------------------
# the packed pass


def branches(model: UnifiedModel) -> tuple[Packed, list[Branch], list[tuple[int, int]]]:
    grids = [(2, 3), (4, 2), (2, 3)]
    texts = [[1, 2, 3], [4, 5, 6, 7, 8], [9, 10, 11]]
    caches = [model.read(torch.tensor([ids]), None, None, torch.zeros(1), torch.float32).cache for ids in texts]
    rows = [Branch(0, caches[0], 3), Branch(1, caches[1], 5), Branch(2, caches[2], 3), Branch(0, None, 0), Branch(2, None, 0)]
    return Packed(model, rows, grids, torch.float32), rows, grids


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("chosen", [[0], [0, 1, 2, 3, 4], [4, 1], [0, 2, 4]])
def test_packed_branches_equal_single_passes(engine: BagelEngine, marked: bool, chosen: list[int]) -> None:
    model = engine.model
    if not marked:  # the pocket model has no marks, three axes and sines for places
        model = UnifiedModel(pocket(2, 40, 4)).requires_grad_(False)
        model.initialise(torch.Generator().manual_seed(0))
        nn.init.normal_(model.patch_out.weight, std=0.1, generator=torch.Generator().manual_seed(1))
    packed, rows, grids = branches(model)
    z = torch.randn(20, model.spec.patch_channels, generator=torch.Generator().manual_seed(3))
    t = torch.tensor([0.7])
    selection = packed.select(chosen)
    found = apart(packed.predict(z, model.time(t, torch.float32)[0], selection), selection)
    assert set(found) == set(chosen)
    for n in chosen:
        b = rows[n]
        own = z[packed.offsets[b.picture] : packed.offsets[b.picture + 1]][None]
        close(found[n][None], model.predict(own, t, model.where(*grids[b.picture]), torch.tensor([float(b.start)]), b.cache))


def test_texts_written_together_equal_texts_read_one_by_one(engine: BagelEngine) -> None:
    model = engine.model
    starts = [3, 5]
    caches = [model.read(torch.tensor([list(range(n))]), None, None, torch.zeros(1), torch.float32).cache for n in starts]
    writing = Writing(model, caches, starts, 4, torch.float32)
    alone = [model.read(torch.tensor([[i]]), None, c, torch.tensor([float(s)]), torch.float32).understand
             for i, c, s in zip([20, 30], caches, starts, strict=True)]
    close(writing.step([20, 30]), torch.cat([model.logits(rows)[0] for rows in alone]))
    writing.keep([1])
    second = model.read(torch.tensor([[30, 31]]), None, caches[1], torch.tensor([5.0]), torch.float32)
    close(writing.step([31]), model.logits(second.understand)[0, 1:])


# ---------------------------------------------------------------------------------------------------------------------
# the published schedule, plainly


@pytest.mark.parametrize("asked", [DRAWING, EDITING], ids=["draw", "edit"])
@pytest.mark.parametrize("way", [reference.uncached, reference.after_cache])
def test_the_engine_equals_the_plain_schedule(engine: BagelEngine, asked: Ask, way: Callable[..., Any]) -> None:
    asked = replace(asked, options={"previews": 0, "as_released": True})
    apart = engine._taken(asked)
    with torch.no_grad():
        reader = Reader(engine.model, engine.coder, engine.words, torch.float32, None)
        drawing = engine._drawing(reader, apart, 0, 0, None)
        noises = engine._noises(apart, engine.draws(asked.seed))
    close(final(engine, asked), reference.denoise(reader, drawing.job, apart.seen, noises, way))


def test_equal_contexts_are_one_branch(engine: BagelEngine) -> None:
    """Plain drawing needs two branches, also as released, where the third context equals the first; an edit needs three."""
    for asked, options, count in ((DRAWING, {}, 2), (DRAWING, {"as_released": True}, 2), (EDITING, {}, 3),
                                  (EDITING, {"picture_guidance": 1}, 2)):
        apart = engine._taken(replace(asked, options={"previews": 0, **options}))
        with torch.no_grad():
            job = engine._drawing(Reader(engine.model, engine.coder, engine.words, torch.float32, None), apart, 0, 0, None).job
        assert len(branches_of([job])[0]) == count


def test_passes_outside_the_interval_are_single(engine: BagelEngine) -> None:
    final(engine, replace(DRAWING, options={"previews": 0, "interval": "0.8-1", "shift": 1}))
    assert engine.whole_passes == 1 + 4  # of times 1, .75, .5, .25 only the first is guided
    final(engine, replace(DRAWING, guidance=1.0))
    assert engine.whole_passes == 4


# ---------------------------------------------------------------------------------------------------------------------
# batches


def test_mixed_asks_in_one_go_equal_each_alone(engine: BagelEngine) -> None:
    asks = [DRAWING, replace(EDITING, seed=5), ask(Text("42"), width=32, height=96, seed=9, guidance=2.5, options={"renorm": "channel"})]
    assert len({engine.batch_key(a) for a in asks}) == 1 and engine.batch_key(DRAWING) is not None
    together: dict[int, Any] = {n: e.picture.pixels.astype(int) for n, e in engine.respond_together(asks) if isinstance(e, Drew)}
    for n, one in enumerate(asks):
        assert abs(together[n] - pixels(list(engine.respond(one)))[0]).max() <= 1


def test_several_pictures_equal_single_ones_with_their_seeds(engine: BagelEngine) -> None:
    many = list(engine.respond(replace(EDITING, count=3, seed=4)))
    assert [(e.index, e.seed) for e in many if isinstance(e, Drew)] == [(0, 4), (1, 5), (2, 6)]
    for n, found in enumerate(pixels(many)):
        assert abs(found - pixels(list(engine.respond(replace(EDITING, seed=4 + n))))[0]).max() <= 1
    assert abs(pixels(many)[0] - pixels(many)[1]).max() > 8


def test_thinking_asks_with_other_pictures_are_not_mixed_up(engine: BagelEngine) -> None:
    asks = [ask(picture(60, 80, n), Text("5 6"), think=True, seed=n, options={"think_pieces": 5}) for n in (1, 2)]
    together = list(engine.respond_together(asks))
    for n, one in enumerate(asks):
        alone = list(engine.respond(one))
        thoughts = [e.text for m, e in together if m == n and isinstance(e, Thought)]
        assert "".join(thoughts) == "".join(e.text for e in alone if isinstance(e, Thought))
        assert abs(pixels([e for m, e in together if m == n])[0] - pixels(alone)[0]).max() <= 1


def test_asks_that_cannot_go_together_are_refused_before_any_work(engine: BagelEngine) -> None:
    assert engine.batch_key(replace(DRAWING, steps=5)) != engine.batch_key(DRAWING)
    assert engine.batch_key(replace(DRAWING, options={"as_released": True})) is None
    with pytest.raises(BadInput, match="one after another"):
        engine.respond_together([DRAWING, replace(DRAWING, steps=5)])


# ---------------------------------------------------------------------------------------------------------------------
# replaying, compiling, skipping


@pytest.mark.parametrize("asked", [DRAWING, EDITING], ids=["draw", "edit"])
def test_a_step_replayed_on_fixed_memory_equals_the_step(engine: BagelEngine, asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = final(engine, asked)
    monkeypatch.setattr(Passes, "stepper", lambda self, packed, settings: Replayed(packed, record_calls))
    close(final(engine, asked), exact)


def test_a_recording_is_made_once_and_sees_only_its_inputs() -> None:
    calls: list[int] = []

    def work(x: Tensor, y: Tensor) -> Tensor:
        calls.append(1)
        return x + 2 * y

    recording = Recording(work, (torch.ones(2), torch.ones(2)), record_calls)
    first = recording(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    assert recording(torch.zeros(2), torch.zeros(2)).tolist() == [0, 0] and first.tolist() == [7, 10]
    assert len(calls) == 3


def test_compiled_halves_are_whole_graphs_and_equal_eager_ones(engine: BagelEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[Any] = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    exact = final(engine, DRAWING)
    plain = torch.compile
    monkeypatch.setattr(torch, "compile", lambda work, **more: plain(work, backend=backend, fullgraph=True, **more))
    compiled_halves.cache_clear()
    monkeypatch.setattr(engine, "passes", Passes(compiled=True))
    close(final(engine, DRAWING), exact)
    compiled_halves.cache_clear()
    assert 0 < len(graphs) <= 8  # two halves, marks and patches, guided and not; never one for each layer


def test_foreseen_steps_follow_the_formula() -> None:
    """The slow twin: differences from Newton's table over all full steps, for a path that is a polynomial of the step."""
    packed = _Scripted(lambda step: torch.full((1, 2), 1.0 + step + step**2))
    ours = Foreseen(packed, warm=5, every=3, order=6)  # type: ignore[arg-type]
    kept: list[float] = [float(ours.step([0], torch.zeros(1, 2), torch.zeros(2))[0][0, 0]) for _ in range(9)]
    exact = [1.0 + k + k**2 for k in range(9)]
    assert kept[:5] == exact[:5] and kept[7] == exact[7] and ours.whole_passes() == 6
    assert kept[5] == pytest.approx(exact[4] + (exact[4] - exact[3])) and kept[6] == pytest.approx(exact[4] + 2 * (exact[4] - exact[3]))
    slope = (exact[7] - exact[4]) / 3
    bend = (slope - (exact[4] - exact[3])) / 3
    assert kept[8] == pytest.approx(exact[7] + slope + bend / 2)


class _Scripted:
    """Stands in for a pack of one branch whose last rows are told by the number of the step, and counts full passes."""

    M = 0

    def __init__(self, rows: Callable[[int], Tensor]):
        self.rows, self.model, self.step = rows, type("Model", (), {"layers": [0]}), -1

    def select(self, chosen: Any) -> Any:
        return type("Selection", (), {"branches": tuple(chosen), "lengths": (1,)})

    def enter(self, z: Tensor, time: Tensor, chosen: Any) -> Any:
        return torch.zeros(1, 0, 2), z[None]

    def through(self, rows: Any, chosen: Any, first: int, last: int) -> Any:
        full = [k for k in range(9) if k < 5 or k == 7]
        self.step += 1
        return rows[0], self.rows(full[self.step])[None]

    def leave(self, rows: Tensor) -> Tensor:
        return rows[0]


def test_skipping_changes_the_picture_and_saves_passes(engine: BagelEngine) -> None:
    long = replace(DRAWING, steps=16)
    exact = final(engine, long)
    whole = engine.whole_passes
    for reuse in ("taylor", "block:5"):
        skipped = final(engine, replace(long, options={"previews": 0, "reuse": reuse}))
        assert engine.whole_passes < 0.8 * whole and float((skipped - exact).abs().max()) > 1e-4, reuse
    close(final(engine, replace(long, options={"previews": 0, "reuse": "block:0"})), exact)
    assert engine.whole_passes == whole


def test_first_blocks_are_judged_for_each_branch_alone(engine: BagelEngine) -> None:
    """A still branch is remembered while a moved one beside it is computed."""
    packed, _, _ = branches(engine.model)
    time = engine.model.time(torch.tensor([0.7]), torch.float32)[0]
    z = torch.randn(20, 64, generator=torch.Generator().manual_seed(3))
    ours, exact = Remembered(packed, limit=0.01), Whole(packed)
    ours.step([0, 1], z, time)
    moved = z.clone()
    moved[6:14] += 1  # the second picture
    found, full = ours.step([0, 1], moved, time), exact.step([0, 1], moved, time)
    close(found[0], full[0])
    close(found[1], full[1])
    assert ours.whole_passes() == pytest.approx(2 + 2 * 1 / 2 + 1 * 1 / 2)


# ---------------------------------------------------------------------------------------------------------------------
# weights


@pytest.mark.parametrize(("kind", "limit"), [("int8", 0.01), ("int4", 0.12), ("fp8", 0.05)])
def test_a_smaller_layer_multiplies_with_what_it_stores(kind: lowbits.Kind, limit: float) -> None:
    g = torch.Generator().manual_seed(0)
    weight, bias, x = torch.randn(48, 128, generator=g), torch.randn(48, generator=g), torch.randn(2, 5, 128, generator=g)
    layer = lowbits.LowBits(weight, bias, kind)
    exact = x @ weight.T + bias
    assert 1e-5 < float((layer(x) - exact).square().mean().sqrt() / exact.square().mean().sqrt()) < limit
    torch.testing.assert_close(layer(x), x @ layer.dense(torch.float32).T + bias, rtol=1e-4, atol=1e-4)
    stored = sum(t.numel() * t.element_size() for name, t in layer.state_dict().items() if name != "bias")
    assert stored * 8 / weight.numel() <= lowbits.BITS[kind] + 0.6  # scales weigh more in so small a matrix


@pytest.mark.parametrize("kind", ["int8", "int4", "fp8"])
def test_a_quantised_engine_draws_nearly_the_same(folder: Path, engine: BagelEngine, kind: str) -> None:
    smaller = loaded(folder, quantise=kind)
    kinds = {m.kind if isinstance(m, lowbits.LowBits) else type(m).__name__ for m in smaller.model.layers.modules()}
    assert kind in kinds and "Linear" not in kinds
    exact, found = final(engine, DRAWING), final(smaller, DRAWING)
    error = float((found - exact).square().mean().sqrt() / exact.square().mean().sqrt())
    assert 1e-5 < error < {"int8": 0.05, "int4": 0.5, "fp8": 0.2}[kind]


def test_matrices_may_stay_in_bfloat16_under_rows_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they do not fit in float32: half the memory, and the same picture to the bit."""
    path = bagel_tiny.write(tmp_path / "bagel") / "ema.safetensors"
    save_file({name: t.to(torch.bfloat16) for name, t in load_file(path).items()}, path)
    asked = ask(Text("3 17 99"), steps=2)
    wide = loaded(path.parent)
    found = load.files.examine(path.parent)
    layers, rest = load.weight_bytes(found.spec, found.autoencoder, torch.float32, None)
    room = layers * 0.75 + rest + load.working_bytes(found.spec, found.autoencoder, torch.float32)
    monkeypatch.setattr(load.machine, "device_memory", lambda device: int(room))
    narrow = loaded(path.parent)
    kinds = {narrow.model.get_parameter(f"layers.0.{name}.weight").dtype for name, m in narrow.model.layers[0].named_modules()
             if name.endswith("_proj")}
    assert kinds == {torch.bfloat16} and narrow.model.embed.weight.dtype == torch.float32
    assert all(p.dtype == torch.float32 for p in wide.model.parameters())
    assert torch.equal(final(narrow, asked), final(wide, asked))


@pytest.mark.parametrize("more", [{}, {"quantise": "int8"}])
def test_visiting_layers_equal_resident_ones(folder: Path, more: dict[str, object]) -> None:
    resident, visited = loaded(folder, **more), loaded(folder, offload="on", **more)
    assert isinstance(visited.model.layers, Visiting)
    for asked in (DRAWING, EDITING):
        close(final(visited, asked), final(resident, asked))


def test_two_layers_at_most_are_away_from_home() -> None:
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(5)).requires_grad_(False)
    weights, homes = [layer.weight.clone() for layer in layers], [layer.weight.data_ptr() for layer in layers]  # type: ignore
    visiting = Visiting(layers, torch.device("cpu"))
    for _ in range(2):
        for n in range(5):
            assert torch.equal(visiting[n].weight, weights[n])  # type: ignore[arg-type]
            assert {i for i, layer in enumerate(layers) if layer.weight.data_ptr() != homes[i]} == {n, (n + 1) % 5}  # type: ignore
    assert sum(1 for _ in visiting) == 5 and [layer.weight.data_ptr() for layer in layers] == homes  # type: ignore


# ---------------------------------------------------------------------------------------------------------------------
# events and settings


def test_the_order_of_events_and_previews(engine: BagelEngine) -> None:
    events = list(engine.respond(replace(DRAWING, steps=8, options={"previews": 3})))
    assert [e.index for e in events if isinstance(e, Step)] == list(range(1, 9))
    assert [type(e).__name__ for e in events if not isinstance(e, Step)] == ["Preview"] * 3 + ["Drew"]
    assert isinstance(events[-1], Drew) and events[-1].picture.pixels.shape == (48, 64, 4)
    small = next(e for e in events if isinstance(e, Preview)).picture
    assert max(small.width, small.height) <= 256


def test_closing_between_steps_cancels(engine: BagelEngine) -> None:
    passes: list[int] = []
    engine.watch_steps = lambda i, *rest: passes.append(i)
    events = engine.respond(replace(DRAWING, steps=50))
    assert isinstance(next(events), Step)
    events.close()  # type: ignore[attr-defined]
    engine.watch_steps = None
    assert passes == [0]


def test_an_answer_depends_on_the_picture_and_on_the_seed_only_with_a_temperature(engine: BagelEngine) -> None:
    def said(**more: Any) -> list[str]:
        asked = ask(more.pop("shown", picture(60, 80)), Text("5 6"), want="text", **more)
        return [e.text for e in engine.respond(asked) if isinstance(e, Said)]

    short = {"answer_pieces": 8}
    assert said(options=short) == said(options=short, seed=3)
    assert said(options={**short, "temperature": 2}) != said(options={**short, "temperature": 2}, seed=3)
    assert said(options={**short, "temperature": 2}, seed=3) == said(options={**short, "temperature": 2}, seed=3)


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"mask": True}, CannotDo, "mask"), ({"background": "transparent"}, CannotDo, "transparency"), ({"style": "flat"}, CannotDo, "style"),
    ({"width": 65}, BadInput, "65x48"), ({"width": 208, "height": 16}, BadInput, "up to 192"), ({"count": 0}, BadInput, "0 pictures"),
    ({"steps": 0}, BadInput, 'steps "0"'), ({"guidance": -1.0}, BadInput, "guidance"), ({"seed": -1}, BadInput, "seed"),
    ({"options": {"interval": "1-0"}}, BadInput, "interval"), ({"options": {"shift": "nan"}}, BadInput, "shift"),
    ({"options": {"renorm": "local"}}, Unknown, "local"), ({"options": {"shfit": 2}}, Unknown, "shift"),
    ({"options": {"reuse": "taylor:2"}}, BadInput, "no limit"), ({"options": {"as_released": "maybe"}}, BadInput, "on or off"),
    ({"options": {"think_pieces": 1.5}}, BadInput, "whole"),
])
def test_bad_asks_are_refused_before_any_work(engine: BagelEngine, change: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        engine.respond(replace(DRAWING, **change))


def test_prompts_that_are_none_of_this_models(engine: BagelEngine) -> None:
    for parts, words in (((Text("  "),), "empty"), ((Text("7 301"),), "301"), ((Text("a fox"),), "list of ids"),
                         ((picture(4, 1200), Text("5")), "narrow")):
        with pytest.raises(BadInput, match=words):
            engine.respond(ask(*parts))


# ---------------------------------------------------------------------------------------------------------------------
# contexts


T1, T2, PIC = (Piece("text", (1, 2)),), (Piece("text", (3,)),), (Piece("latent", picture=0), Piece("vision", picture=0))


def kinds(context: Context | None) -> list[tuple[str, int]]:
    return [] if context is None else [(p.kind if p.kind != "text" else str(p.ids[0]), at) for p, at in context.pieces]


def test_contexts_as_released_and_in_their_right_mind() -> None:
    released, ours = lay([PIC, T1], None, None, True), lay([PIC, T1], None, None, False)
    assert kinds(released.whole) == kinds(ours.whole) == [("latent", 0), ("vision", 1), ("1", 2)]
    assert kinds(released.wordless) == kinds(ours.wordless) == [("latent", 0), ("vision", 1)]
    assert kinds(released.pictureless) == [("1", 0)] and kinds(ours.pictureless) == [("1", 2)]


def test_a_picture_at_the_end_still_leaves_words_to_guide_away_from() -> None:
    released, ours = lay([T1, PIC], None, None, True), lay([T1, PIC], None, None, False)
    assert released.wordless == released.whole and kinds(ours.wordless) == [("latent", 0), ("vision", 1)]


def test_the_thought_is_among_the_words() -> None:
    system, thought = Piece("text", (7,)), Piece("text", (8,))
    released, ours = lay([PIC, T1, T2], system, thought, True), lay([PIC, T1, T2], system, thought, False)
    assert [k for k, _ in kinds(released.pictureless)] == ["7", "1", "3"]
    assert [k for k, _ in kinds(ours.pictureless)] == ["7", "1", "3", "8"]
    assert [k for k, _ in kinds(released.wordless)] == ["7", "latent", "vision", "1"]
    assert lay([T1], None, None, False).pictureless is None and lay([PIC], None, None, False).wordless is None


def test_settings_of_drawing_editing_and_the_release() -> None:
    draws, edits = settled(False, None, None, {}), settled(True, None, None, {})
    assert (draws.steps, draws.words, draws.pictures, draws.low, draws.renorm) == (50, 4.0, 1.0, 0.4, "global")
    assert (edits.words, edits.pictures, edits.low, edits.renorm) == (4.0, 2.0, 0.0, "text_channel")
    released = settled(False, 50, None, {"as_released": "on", "reuse": "block:0.3", "interval": "0.2-0.9"})
    assert (released.steps, released.pictures, released.limit, released.low, released.high) == (49, 1.5, 0.3, 0.2, 0.9)


def test_as_released_is_another_picture(engine: BagelEngine) -> None:
    """The posterior's noise, the seed's order of draws and the steps differ; words and sizes do not."""
    ours, released = (pixels(list(engine.respond(replace(EDITING, options={"previews": 0, "as_released": r}))))[0] for r in (False, True))
    assert ours.shape == released.shape and abs(ours - released).max() > 8
