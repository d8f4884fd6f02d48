"""Steps of several tasks: every task fits its layout, a step is a function of (seed, step), losses fall, and what is read piece
by piece equals what is read at once."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sayso.errors import BadInput, Unknown
from sayso.models import tokens
from sayso.models.specs import pocket
from sayso.models.tokens import Pieces
from sayso.models.unified import UnifiedModel, patch_coordinates
from sayso.training import loop, mixed, reel, run, state, stream
from sayso.training.config import MENUS, Stage, TrainConfig, planned
from sayso.training.corpus import texts
from sayso.training.mixed import Mixed, draft, group_loss, ready, sizes
from sayso.training.optim import Optimiser
from sayso.training.stream import world_of
from sayso.training.tasks import BY_NAME, TASKS, Desk, Reel, Shot, Task, Words, fill
from sayso.world import alley, plan, solids
from sayso.world import atlas as atlases
from sayso.world.atlas import Atlas
from sayso.world.scene import Scene
from sayso.world.splits import held_out


def config(tasks: tuple[tuple[str, float], ...] = MENUS["all"], batch: int = 40) -> TrainConfig:
    made = planned(depth=2, patch=8, core=60, mix="world", pictures=640, stages="64", batch=batch, seed=5, aspects=True)
    return replace(made, tasks=tasks, reel=(2, 2))


CONFIG = config()
STAGE = CONFIG.stages[0]


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return tokens.train([*texts(60, 0), "turn it degrees to the left right step forward picture"], 2000)


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return atlases.build(world_of(CONFIG), size=16, glyph_size=16)


@pytest.fixture(scope="module")
def film() -> Reel:
    """A reel of coloured squares: what is tested here is not the renderer."""
    noise = np.random.default_rng(0).integers(0, 255, (2, 12, 2, 2, 4), dtype=np.uint8).repeat(32, 2).repeat(32, 3)
    noise[..., 3] = 255
    said = {"en": "a toy car", "zh": "一辆玩具车"}
    return Reel(tuple((said, tuple(v)) for v in noise), tuple((said, ("forward", "left", "right", "forward"), tuple(v[:5])) for v in noise))


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_every_task_fits_its_layout_and_holds_nothing_held_out(task: Task, pieces: Pieces, film: Reel) -> None:
    rng = random.Random(task.name)
    for i in range(5):
        world, size = (world_of(CONFIG), (64, 64)) if i < 4 else (replace(world_of(CONFIG), aspects=(((106, 64), 1.0),)), (80, 48))
        if i == 4 and task.name in mixed.SQUARE_ONLY:
            continue
        desk = Desk(rng, world, size, "zh" if i == 3 else "en", film)
        made = fill(task, desk, lambda text, width: len(pieces.encode(text)) <= width)
        assert len(made) == len(task.layout)
        for block, content in zip(task.layout, made, strict=True):
            assert isinstance(content, str) == isinstance(block, Words)
            if isinstance(content, np.ndarray):
                assert content.shape == (size[1], size[0], 4) and content.dtype == np.uint8
            elif isinstance(content, Scene):
                assert not held_out(content)
        assert isinstance(task.layout[0], Words), "words, then a picture, and so on"
        if task.name.startswith(("plan", "think")):
            written = made[task.layout.index(next(b for b in task.layout if isinstance(b, Words) and (b.learnt or task.name == "plan")))]
            assert isinstance(written, str) and isinstance(made[-1], Scene)
            assert plan.scene_of(plan.read(written)).background == made[-1].background


def test_a_world_without_samples_of_a_task_says_so(pieces: Pieces) -> None:
    desk = Desk(random.Random(0), world_of(CONFIG), (64, 64), "en")
    with pytest.raises(BadInput, match='"ask"'):
        fill(BY_NAME["ask"], desk, lambda text, width: False, tries=2)


def fingerprint(step: Mixed) -> str:
    words = [(g.task, [i.tolist() for i in g.ids], [n.tolist() for n in g.lengths]) for g in step.groups]
    shown = [(p.tobytes() if isinstance(p, np.ndarray) else p) for g in step.groups for block in g.pictures for p in block]
    return repr((words, shown, [s for s, _, _ in step.draw]))


def test_a_step_is_a_function_of_seed_and_step(pieces: Pieces, film: Reel) -> None:
    world = world_of(CONFIG)
    one = fingerprint(draft(CONFIG, STAGE, 3, world, pieces, (8, 8), film))
    assert one == fingerprint(draft(CONFIG, STAGE, 3, world, pieces, (8, 8), film))
    assert one != fingerprint(draft(CONFIG, STAGE, 4, world, pieces, (8, 8), film))
    assert one != fingerprint(draft(replace(CONFIG, seed=6), STAGE, 3, world, pieces, (8, 8), film))


def test_parts_sum_to_the_batch_on_square_and_oblong_steps(pieces: Pieces, film: Reel) -> None:
    drawn, others = sizes(CONFIG, 400)
    assert drawn + sum(others.values()) == 400 and set(others) == {n for n, _ in MENUS["all"]} - {"draw"}
    assert sizes(config(MENUS["draw"]), 40) == (40, {}) and mixed.plain(config(MENUS["draw"])) and not mixed.plain(CONFIG)
    for shape in ((8, 8), (7, 9)):
        made = draft(config(batch=60), replace(STAGE, batch=60), 0, world_of(CONFIG), pieces, shape, film)
        assert sum(len(s) for s, _, _ in made.draw) + sum(len(g) for g in made.groups) == 60
        assert ("views" in {g.task for g in made.groups}) == (shape == (8, 8))


def fresh(pieces: Pieces, depth: int = 2) -> UnifiedModel:
    model = UnifiedModel(pocket(depth, pieces.size, 8))
    model.initialise(torch.Generator().manual_seed(0))
    return model


def test_losses_of_every_task_fall(pieces: Pieces, atlas: Atlas, film: Reel) -> None:
    """Twelve updates on one step's samples, at depth 2: the loss of every task is below where it began."""
    drafted = draft(config(batch=34), replace(STAGE, batch=34), 0, world_of(CONFIG), pieces, (8, 8), film)
    groups = {g.task: ready(g, atlas, 8, 8, 8, 2.0) for g in drafted.groups}
    model, heavy = fresh(pieces), replace(CONFIG, text_weight=1.0)
    optimiser = Optimiser(model)

    def losses() -> dict[str, float]:
        with torch.no_grad():
            noise = torch.Generator().manual_seed(1)
            return {name: float(group_loss(model, g, STAGE, heavy, noise, torch.float32)[0]) for name, g in groups.items()}

    before = losses()
    for step in range(12):
        generator = torch.Generator().manual_seed(step)
        for group in groups.values():
            group_loss(model, group, STAGE, heavy, generator, torch.float32)[0].backward()
        optimiser.step(0.01, 0.003)
    after = losses()
    assert {name for name in before if after[name] >= 0.97 * before[name]} == set(), (before, after)


def test_words_read_piece_by_piece_equal_words_read_at_once(pieces: Pieces) -> None:
    model = fresh(pieces)
    torch.manual_seed(0)
    for p in model.parameters():  # zero-initialised projections would hide differences
        torch.nn.init.normal_(p, std=0.05)
    coordinates = patch_coordinates(8, 8)
    ids = torch.randint(5, 200, (2, 9))
    with torch.no_grad():
        first = model.read(ids[:, :4], torch.tensor([4, 3]), None, torch.zeros(2), torch.float32)
        seen = model.show(torch.randn(2, 64, 256), coordinates, torch.tensor([4.0, 3.0]), first.cache)
        start = torch.tensor([5.0, 4.0])
        whole = model.read(ids, None, seen, start, torch.float32).understand
        cache, rows = seen, []
        for k in range(9):
            out = model.read(ids[:, k : k + 1], None, cache, start + k, torch.float32)
            rows.append(out.understand)
            cache = out.cache
    torch.testing.assert_close(torch.cat(rows, 1), whole, rtol=1e-4, atol=1e-5)


def test_padding_before_a_picture_changes_nothing(pieces: Pieces) -> None:
    model = fresh(pieces)
    torch.manual_seed(0)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.05)
    coordinates, x, z = patch_coordinates(8, 8), torch.randn(1, 64, 256), torch.randn(1, 64, 256)
    ids = torch.tensor([[1, 50, 60, 2]])
    outs = []
    with torch.no_grad():
        for width in (4, 9):
            padded = torch.full((1, width), pieces.pad)
            padded[:, :4] = ids
            lengths = torch.tensor([4])
            cache = model.read(padded, lengths, None, torch.zeros(1), torch.float32).cache
            cache = model.show(x, coordinates, torch.tensor([4.0]), cache)
            cache = model.read(padded, lengths, cache, torch.tensor([5.0]), torch.float32).cache
            outs.append(model.predict(z, torch.tensor([0.5]), coordinates, torch.tensor([9.0]), cache))
    torch.testing.assert_close(*outs, rtol=1e-4, atol=1e-5)


def test_a_run_with_tasks_goes_on_as_if_it_had_not_stopped(pieces: Pieces, atlas: Atlas, film: Reel, tmp_path: Path) -> None:
    plan_of_run = config((("draw", 0.6), ("edit", 0.2), ("ask", 0.2)), batch=16)
    world, stage = world_of(plan_of_run), plan_of_run.stages[0]
    drafts = [draft(plan_of_run, stage, step, world, pieces, (8, 8), film) for step in range(4)]

    def new(folder: Path) -> loop.Run:
        return loop._assembled(folder, plan_of_run, pieces, fresh(pieces))

    unbroken = new(tmp_path / "a")
    losses = [float(loop.train_step(unbroken, d, atlas, (8, 8))) for d in drafts]
    stopped = new(tmp_path / "b")
    for d in drafts[:2]:
        loop.train_step(stopped, d, atlas, (8, 8))
    stopped.save()
    resumed = loop.resume(tmp_path / "b", torch.device("cpu"))
    assert resumed.config == plan_of_run
    assert [float(loop.train_step(resumed, d, atlas, (8, 8))) for d in drafts[2:]] == losses[2:]
    from sayso.engines import header

    assert header.facts(tmp_path / "b" / state.MODEL)["abilities"] == ["ask", "draw", "edit", "transparent"]


def test_states_from_before_there_were_tasks_still_load() -> None:
    values = config(MENUS["draw"]).to_dict()
    for name in ("tasks", "text_weight", "reel"):
        del values[name]
    assert TrainConfig.from_dict(values).tasks == MENUS["draw"]
    assert TrainConfig.from_dict(CONFIG.to_dict()) == CONFIG


def test_shares_are_read_and_checked() -> None:
    assert run.shares("all") == MENUS["all"] and run.shares("draw=3,edit=1") == (("draw", 3.0), ("edit", 1.0))
    with pytest.raises(Unknown, match="edit"):
        run.shares("edti=1")
    for odd in ("edit", "edit=x", "edit=-1", "edit=0"):
        with pytest.raises(BadInput, match="share above 0"):
            run.shares(odd)


def test_a_reel_is_drawn_once_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path))
    made = reel.build(1, 1, 16, 1)
    told = next(iter(tmp_path.rglob("*.safetensors")))
    stamp = os.stat(told).st_mtime_ns
    again = reel.build(1, 1, 16, 1)
    assert os.stat(told).st_mtime_ns == stamp and len(list(tmp_path.rglob("*"))) == 2
    solid = solids.sample_solid(random.Random("train solid 0"), solids.KINDS[0])
    assert np.array_equal(again.turntables[0][1][1], solids.render(solid, 30, 16, 16))
    said, steps, pictures = made.walks[0]
    assert len(pictures) == len(steps) + 1 and set(steps) <= set(alley.STEPS) and set(said) == {"en", "zh"}


def test_operations_of_a_mixed_step_count_every_block(pieces: Pieces) -> None:
    model = fresh(pieces)
    alone = mixed.flops(model, config(MENUS["draw"]), STAGE, 32.0)
    edits = mixed.flops(model, config((("edit", 1.0),)), STAGE, 32.0)
    turns = mixed.flops(model, config((("turns", 1.0),)), STAGE, 32.0)
    assert alone < edits < turns
    spec = model.spec
    weights = 2 * spec.layers * (4 * spec.width * spec.width + 3 * spec.width * spec.hidden)
    assert edits > 3 * weights * (40 + 24 + 2 * 64) > alone


def test_stages_keep_their_shapes(pieces: Pieces, atlas: Atlas, film: Reel) -> None:
    """What compiles once: the same task has the same shapes in every step."""
    shapes = set()
    for step in range(2):
        made = draft(CONFIG, Stage(64, 40, 1.0, 1.0), step, world_of(CONFIG), pieces, (8, 8), film)
        for g in made.groups:
            r = ready(g, atlas, 8, 8, 8, 2.0)
            shapes.add((g.task, tuple(i.shape for i in r.ids), tuple(p.shape for p in r.patches)))
            assert all(float(w.mean()) == pytest.approx(1, abs=1e-4) for w in r.weights)
            assert len(r.patches) == sum(isinstance(b, Shot) for b in BY_NAME[g.task].layout)
    assert len(shapes) == len(TASKS)


def test_workers_make_the_same_steps(pieces: Pieces) -> None:
    plan_of_run = config((("draw", 0.5), ("edit", 0.25), ("think", 0.25)), batch=16)
    running = mixed.stream_of(plan_of_run, pieces, 1)
    assert isinstance(running, mixed.MixedStream)
    try:
        steps = running.steps(4, replace(STAGE, batch=16))
        for wanted in (4, 5):
            at, got = next(steps)
            shape = stream.grid_of(plan_of_run, STAGE, wanted)
            here = draft(plan_of_run, replace(STAGE, batch=16), wanted, world_of(plan_of_run), pieces, shape, None)
            assert at == wanted and fingerprint(got) == fingerprint(here)
    finally:
        running.close()
    assert not isinstance(mixed.stream_of(config(MENUS["draw"]), pieces, 1), mixed.MixedStream)
