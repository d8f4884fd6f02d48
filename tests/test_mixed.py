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

from sayso.engines.ground import of_plans
from sayso.errors import BadInput, Unknown
from sayso.models import tokens
from sayso.models.specs import pocket
from sayso.models.tokens import Pieces
from sayso.models.unified import UnifiedModel, patch_coordinates
from sayso.training import loop, mixed, reel, run, state, stream
from sayso.training.config import MENU, MENUS, Stage, TrainConfig, planned
from sayso.training.corpus import texts
from sayso.training.mixed import Group, Mixed, draft, group_loss, ready, sizes, texts_of, together
from sayso.training.optim import Optimiser
from sayso.training.stream import world_of
from sayso.training.tasks import ASKED, BY_NAME, SEEN, TASKS, Desk, Painting, Reel, Shot, Task, View, Words, Zoomed, as_named, fill
from sayso.types import Plan
from sayso.world import alley, looks, motion, plan, revision, sheets, shorthand, solids
from sayso.world import atlas as atlases
from sayso.world.atlas import Atlas
from sayso.world.grounds import characters
from sayso.world.scene import Background, Item, Relation, Scene
from sayso.world.splits import held_out


def config(tasks: tuple[tuple[str, float], ...] = MENUS["all"], batch: int = 40) -> TrainConfig:
    made = planned(depth=2, patch=8, core=60, mix="world", pictures=640, stages="64", batch=batch, seed=5, aspects=True)
    return replace(made, tasks=tasks, reel=(2, 2))


CONFIG = config()
STAGE = CONFIG.stages[0]


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return tokens.train([*texts(60, 0), "turn it degrees to the left right step forward picture"], 2000).with_marks(shorthand.MARKS)


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return atlases.build(world_of(CONFIG), size=16, glyph_size=16)


@pytest.fixture(scope="module")
def film() -> Reel:
    """A reel of coloured squares: what is tested here is not the renderer."""
    noise = np.random.default_rng(0).integers(0, 90, (2, 12, 2, 2, 6), dtype=np.uint8).repeat(32, 2).repeat(32, 3)
    noise[..., 3] = 255
    place = motion.begun(-1, "night")
    places = place, motion.stepped(place, "left"), motion.stepped(place, "forward")
    walks = tuple((places, v[3:6, ..., :4], v[:3, ..., :4]) for v in noise)
    return Reel((("car", noise[0]), ("dog", noise[1])), walks)


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
            if isinstance(content, Painting):
                painted_as_planned(content, size)
            elif isinstance(content, View):
                assert isinstance(block, Shot) and block.painted != block.sketched == (content.sketch is not None) == content.motion.walks
                assert content.image.shape == (size[1], size[0], 4) and content.image.dtype == np.uint8
            elif isinstance(content, Scene | Zoomed):
                assert not held_out(content.scene if isinstance(content, Zoomed) else content)
            elif isinstance(block, Words) and block.width == 144:
                design = world.aspects[0][0]
                shorthand.read(content, *design)
                assert len(pieces.encode(content)) <= block.width
        texts = [content for content in made if isinstance(content, str)]
        if task.name in ("views", "walk"):
            motions = [v.motion for v in made if isinstance(v, View)]
            assert all(m.begins and m.walks == m.placed == (task.name == "walk") for m in motions) and motions[0] != motions[1]
        if task.name == "glance":
            seen = made[0].shown if isinstance(made[0], Zoomed) else made[0]
            assert isinstance(seen, Scene) and not any(i.shadow for i in seen.items)
        if task.name in ("think", "think look"):
            assert (" look " in texts[1]) == (task.name == "think look")
        if task.name in ("rethink", "remask"):
            before = shorthand.read(texts[0], *design)
            assert len(texts) == 1 + 2 * ASKED
            assert all(revision.read(change, before) != before for change in texts[2::2]), "something changes"
        if task.name in ("combine", "combine three"):
            base = shorthand.read(texts[shorthand.MARKS.index(texts[-1][0]) - 1], *design)
            assert revision.read(texts[-1][1:], base) != base
        for asked in texts[1::2] if task.name == "remask" else ():
            edges = [shorthand.MARKS.index(c) for c in asked[:4]]
            assert asked[4] == " " and edges[0] < edges[2] and edges[1] < edges[3]


def painted_as_planned(painting: Painting, size: tuple[int, int]) -> None:
    """The picture is that of the plan, but for the plan's rounding."""
    if isinstance(painting.image, Scene):
        assert painting.plan == plan.to_plan(painting.image) and not painting.plan.look and not held_out(painting.image)
        assert not any(i.shadow for i in painting.image.items), "plans do not speak of shadows"
        assert painting.sketch is None
    else:
        assert painting.plan == Plan(*size, "transparent", look=painting.plan.look) and painting.plan.look in looks.NAMES
        assert painting.sketch is not None and painting.sketch.shape == painting.image.shape == (size[1], size[0], 4)
        assert (painting.sketch != painting.image).any()


@pytest.mark.parametrize("size", [(64, 64), (80, 48)])
def test_most_of_what_is_painted_is_one_sheet_of_a_plan(size: tuple[int, int]) -> None:
    rng, aspects = random.Random(0), (((64 * size[0] // size[1], 64), 1.0),)
    world = replace(world_of(CONFIG), aspects=aspects)
    made = [fill(BY_NAME["paint"], Desk(rng, world, size, "en"), lambda text, width: True)[0] for _ in range(120)]
    scenes = [p.image for p in made if isinstance(p, Painting) and isinstance(p.image, Scene)]
    assert all(s.width / s.height == pytest.approx(size[0] / size[1], rel=0.02) for s in scenes), "one canvas a step"
    lone = [s for s in scenes if len(s.items) == 1 and s.items[0].size == sheets.LARGE and s.background.kind == "transparent"]
    behind = [s for s in scenes if not s.items and not s.lettering]
    assert len(scenes) == 120 and len(behind) > 8 and (len(lone) > 24) == (size == (64, 64))


def test_a_world_without_samples_of_a_task_says_so(pieces: Pieces) -> None:
    desk = Desk(random.Random(0), world_of(CONFIG), (64, 64), "en")
    with pytest.raises(BadInput, match='"answer"'):
        fill(BY_NAME["answer"], desk, lambda text, width: False, tries=2)


def fingerprint(step: Mixed) -> str:
    words = [(g.layout, [(i.ids.tolist(), i.lengths.tolist(), i.learnt.tolist()) for i in g.scripts]) for g in step.groups]
    told = [x.tobytes() for g in step.groups for made in g.grounds for x in (made.what, made.measures, made.behind, made.ink)]
    told += [x.tobytes() for g in step.groups for x in g.sketches]
    shown = [(p.tobytes() if isinstance(p, np.ndarray) else p) for g in step.groups for block in g.pictures for p in block]
    return repr((words, told, shown, [s for s, _, _ in step.draw]))


def test_a_step_is_a_function_of_seed_and_step(pieces: Pieces, film: Reel) -> None:
    world = world_of(CONFIG)
    one = fingerprint(draft(CONFIG, STAGE, 3, world, pieces, (8, 8), film))
    assert one == fingerprint(draft(CONFIG, STAGE, 3, world, pieces, (8, 8), film))
    assert one != fingerprint(draft(CONFIG, STAGE, 4, world, pieces, (8, 8), film))
    assert one != fingerprint(draft(replace(CONFIG, seed=6), STAGE, 3, world, pieces, (8, 8), film))


@pytest.mark.parametrize("batch", [40, 64, 100, 128, 400, 2048])
def test_parts_sum_to_the_batch(batch: int) -> None:
    """Whatever is rounded: no sample of a task that is not on the menu, and none too many."""
    drawn, others = sizes(CONFIG, batch)
    assert drawn == 0 and sum(others.values()) == batch and set(others) == {n for n, _ in MENUS["all"]} and min(others.values()) >= 2
    mine = config((("draw", 0.5), ("think", 0.3), ("views", 0.01)))
    drawn, others = sizes(mine, batch)
    assert drawn + sum(others.values()) == batch and set(others) == {"think", "views"} and others["think"] == round(batch * 0.3 / 0.81)
    assert sizes(config(MENUS["draw"]), batch) == (batch, {})


def test_the_usual_menu_thinks_in_plans() -> None:
    assert MENU == "all" and {n for n, _ in MENUS["all"]} == set(BY_NAME) and mixed.thinks(CONFIG) and not mixed.plain(CONFIG)
    alone = config(MENUS["draw"])
    assert mixed.plain(alone) and not mixed.thinks(alone) and loop.grounds_of(alone) is None
    assert mixed.thinks(config((("draw", 0.5), ("walk", 0.5)))) and mixed.thinks(config((("draw", 0.5), ("glance", 0.5))))


@pytest.mark.parametrize(("tasks", "main"), [(MENUS["all"], "paint"), ((("draw", 0.1), ("think", 0.6), ("views", 0.3)), "draw"),
                                             ((("views", 1.0),), "draw")])
def test_what_needs_squares_leaves_its_part_on_oblong_steps(
    tasks: tuple[tuple[str, float], ...], main: str, pieces: Pieces, film: Reel
) -> None:
    mine = config(tasks, batch=40)
    assert mixed.main_task(mine) == main
    counts = []
    for shape in ((8, 8), (7, 9)):
        made = draft(mine, replace(STAGE, batch=40), 0, world_of(mine), pieces, shape, film)
        drawn = sum(len(s) for s, _, _ in made.draw)
        assert drawn + sum(map(len, made.groups)) == 40
        views = sum(len(g) for g in made.groups if g.layout == BY_NAME["views"].layout)
        painted = sum(len(g) for g in made.groups if g.layout == BY_NAME["paint"].layout)
        counts.append({"draw": drawn, "views": views, "paint": painted})
    square, oblong = counts
    assert square["views"] > 0 == oblong["views"]
    assert oblong[main] > square[main] and all(oblong[k] == square[k] for k in ("draw", "paint") if k != main)


def test_packing_keeps_every_text(pieces: Pieces, film: Reel) -> None:
    """Groups of one text each are sorted by length into few widths; what is read and what is learnt of each stays."""
    world = replace(world_of(CONFIG), snap=8)
    tasks = ("think", "rethink", "answer", "compare", "glance", "paint", "views")
    groups = [mixed.draft_group(BY_NAME[name], 5, 0, world, pieces, 6, (64, 64), 8, film) for name in tasks]
    packed = together(groups, pieces.pad)

    def lines(some: tuple[Group, ...] | list[Group]) -> list[tuple[bytes, bytes]]:
        return sorted((s.ids[b, :n].tobytes(), s.learnt[b, :n].tobytes()) for g in some for s in g.scripts for b, n in enumerate(s.lengths))

    assert lines(groups) == lines(packed) and sum(map(len, groups)) == sum(map(len, packed))
    pure = [g for g in packed if not g.pictures]
    assert 2 <= len(pure) <= len(mixed.SHELVES) - 1 and len(packed) == len(pure) + 3
    widths = [g.scripts[0].ids.shape[1] for g in pure]
    assert widths == sorted(widths) and all(w % 16 == 0 for w in widths)
    for g in pure:
        script = g.scripts[0]
        assert all((script.ids[b, n:] == pieces.pad).all() and not script.learnt[b, n:].any() for b, n in enumerate(script.lengths))
        assert script.learnt.any(1).all() and not script.learnt[:, 0].any() and len(texts_of(g.layout)) == 1


def test_only_what_is_to_be_written_is_learnt(pieces: Pieces, film: Reel) -> None:
    group = mixed.draft_group(BY_NAME["rethink"], 5, 0, world_of(CONFIG), pieces, 4, (64, 64), 8, film)
    (script,) = group.scripts
    for ids, length, learnt in zip(script.ids, script.lengths, script.learnt, strict=True):
        begins = [i for i in range(length) if ids[i] == pieces.begin]
        ends = [*begins[1:], length]
        assert len(begins) == 1 + 2 * ASKED and ids[length - 1] == pieces.end
        before = shorthand.read(pieces.decode(ids[: begins[1]].tolist()), *world_of(CONFIG).aspects[0][0])
        for k, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            mine = k > 0 and k % 2 == 0
            assert not learnt[begin] and learnt[begin + 1 : end].all() == mine and learnt[begin + 1 : end].any() == mine
            assert not mine or revision.read(pieces.decode(ids[begin:end].tolist()), before) != before


def fresh(pieces: Pieces, depth: int = 2) -> UnifiedModel:
    model = UnifiedModel(pocket(depth, pieces.size, 8), grounds=loop.grounds_of(CONFIG))
    model.initialise(torch.Generator().manual_seed(0))
    return model


def test_losses_of_every_task_fall(pieces: Pieces, atlas: Atlas, film: Reel) -> None:
    """Twelve updates on the samples of every task, at depth 2: the loss of each is below where it began."""
    world = replace(world_of(CONFIG), snap=8)
    groups = {t.name: ready(mixed.draft_group(t, 5, 0, world, pieces, 2, (64, 64), 8, film), atlas, world, 8, 8, 8, 2.0) for t in TASKS}
    model, heavy = fresh(pieces), replace(CONFIG, text_weight=1.0)
    optimiser = Optimiser(model)

    def losses() -> dict[str, float]:
        with torch.no_grad():
            noise = torch.Generator().manual_seed(1)
            return {name: float(group_loss(model, g, heavy, noise, torch.float32)[0]) for name, g in groups.items()}

    before = losses()
    for step in range(12):
        generator = torch.Generator().manual_seed(step)
        for group in groups.values():
            group_loss(model, group, heavy, generator, torch.float32)[0].backward()
        optimiser.step(0.01, 0.003)
    after = losses()
    assert {name for name in before if after[name] >= 0.97 * before[name]} == set(), (before, after)


def test_a_painted_picture_is_told_of_its_plan(pieces: Pieces, atlas: Atlas, film: Reel) -> None:
    """Its grounds are those that the engine makes of the same plan, and the loss follows them."""
    world = world_of(CONFIG)
    desk = Desk(random.Random("5/0/paint"), world, (64, 64), "en", film)
    group = mixed.draft_group(BY_NAME["paint"], 5, 0, world, pieces, 3, (64, 64), 8, film)
    made = ready(group, atlas, world, 8, 8, 8, 2.0)
    plans = []
    for _ in range(3):
        desk = replace(desk, language="zh" if desk.rng.random() < mixed.CHINESE else "en")
        content = fill(BY_NAME["paint"], desk, lambda text, width: True)[0]
        assert isinstance(content, Painting)
        plans.append(content.plan)
    told = of_plans(plans, loop.known_of(CONFIG), 8, 8, torch.device("cpu"))
    (ground,) = made.grounds
    assert torch.equal(ground.what, told.what) and torch.equal(ground.measures, told.measures) and torch.equal(ground.ink, told.ink)
    model = fresh(pieces)
    torch.manual_seed(0)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.1)
    other = replace(made, grounds=[ground.pick(torch.tensor([1, 2, 0]))])
    one, two = (group_loss(model, g, CONFIG, torch.Generator().manual_seed(0), torch.float32)[0] for g in (made, other))
    assert float(one) != float(two)


def test_painting_and_everything_else_about_plans_share_no_weight(pieces: Pieces, atlas: Atlas, film: Reel) -> None:
    """So that the two can be trained side by side and put together by name."""
    learnt = {}
    for name in ("paint", "look", "views", "walk", "glance", "think", "rethink", "answer"):
        model = fresh(pieces)
        group = mixed.draft_group(BY_NAME[name], 5, 0, world_of(CONFIG), pieces, 2, (64, 64), 8, film)
        made = ready(group, atlas, world_of(CONFIG), 8, 8, 8, 2.0)
        group_loss(model, made, CONFIG, torch.Generator().manual_seed(0), torch.float32)[0].backward()
        learnt[name] = frozenset(n for n, p in model.named_parameters() if p.grad is not None)
    painting = learnt.pop("paint")
    assert learnt.pop("views") == painting, "a pose is painted as a plan is"
    assert learnt.pop("walk") <= painting, "and a place over its sketch"
    assert learnt.pop("look") == painting and any(".draw." in n for n in painting) and not any(".understand." in n for n in painting)
    for name, mine in learnt.items():
        assert mine and not mine & painting and any(n.startswith("eye.") for n in mine) == (name == "glance")


def test_words_read_piece_by_piece_equal_words_read_at_once(pieces: Pieces) -> None:
    model = fresh(pieces)
    torch.manual_seed(0)
    for p in model.parameters():  # zero-initialised projections would hide differences
        torch.nn.init.normal_(p, std=0.05)
    coordinates = patch_coordinates(8, 8)
    ids = torch.randint(5, 200, (2, 9))
    with torch.no_grad():
        first = model.read(ids[:, :4], torch.tensor([4, 3]), None, torch.zeros(2), torch.float32)
        seen = model.show(torch.randn(2, 64, 256), coordinates, torch.tensor([4.0, 3.0]), first.cache).cache
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
            cache = model.show(x, coordinates, torch.tensor([4.0]), cache).cache
            cache = model.read(padded, lengths, cache, torch.tensor([5.0]), torch.float32).cache
            outs.append(model.predict(z, torch.tensor([0.5]), coordinates, torch.tensor([9.0]), cache))
    torch.testing.assert_close(*outs, rtol=1e-4, atol=1e-5)


def test_a_run_with_tasks_goes_on_as_if_it_had_not_stopped(pieces: Pieces, atlas: Atlas, film: Reel, tmp_path: Path) -> None:
    plan_of_run = config((("draw", 0.4), ("paint", 0.2), ("rethink", 0.2), ("answer", 0.2)), batch=16)
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
    assert run.shares("all") == MENUS["all"] and run.shares("draw=3,think=1") == (("draw", 3.0), ("think", 1.0))
    with pytest.raises(Unknown, match="think"):
        run.shares("thnik=1")
    for odd in ("think", "think=x", "think=-1", "think=0"):
        with pytest.raises(BadInput, match="share above 0"):
            run.shares(odd)


def test_a_reel_is_drawn_once_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path))
    reel.build(1, 1, 16, 1)
    told = next(iter(tmp_path.rglob("*.safetensors")))
    stamp = os.stat(told).st_mtime_ns
    again = reel.build(1, 1, 16, 1)
    assert os.stat(told).st_mtime_ns == stamp and len(list(tmp_path.rglob("*"))) == 2
    solid = solids.sample_solid(random.Random("train solid 0"), solids.KINDS[0])
    kind, views = again.turntables[0]
    assert kind == solids.KINDS[0] and np.array_equal(views[1], solids.undyed(solid, 30, 16, 16))
    places, sketches, pictures = again.walks[0]
    assert len(pictures) == len(places) == reel.STEPS + 1 and all(p.placed for p in places) and places[0] == motion.begun(-1, "day")
    last = alley.Walker(places[-1].cell, places[-1].way)
    assert np.array_equal(pictures[-1], alley.render(alley.numbered(-1, "day")[0], last, 16, 16))
    assert np.array_equal(sketches[-1], motion.sketched(places[-1], 16, 16)) and sketches.shape == pictures.shape


def test_operations_of_a_mixed_step_count_every_block(pieces: Pieces) -> None:
    model = fresh(pieces)

    def flops(*tasks: tuple[str, float]) -> float:
        return mixed.flops(model, config(tasks), STAGE, 32.0)

    assert flops(("paint", 1.0)) < flops(("draw", 1.0)) < flops(("views", 1.0))
    assert flops(("think", 1.0)) < flops(("rethink", 1.0)) < flops(("combine three", 1.0))
    spec = model.spec
    weights = 2 * spec.layers * (4 * spec.width * spec.width + 3 * spec.width * spec.hidden)
    pairs = 4 * spec.layers * spec.heads * spec.head_width
    assert flops(("paint", 1.0)) == pytest.approx(3 * (weights * 64 + pairs * 64 * 64))
    words = mixed.WORDS_HELD * (112 + 144)
    assert 3 * weights * words < flops(("think", 1.0)) < 3 * (weights + pairs * words) * words


def test_stages_keep_their_shapes(pieces: Pieces, atlas: Atlas, film: Reel) -> None:
    """What compiles: pictures have the same shapes in every step, texts are of few widths."""
    shapes, widths = set(), set()
    for step in range(2):
        made = draft(CONFIG, Stage(64, 40, 1.0, 1.0), step, world_of(CONFIG), pieces, (8, 8), film)
        for g in made.groups:
            r = ready(g, atlas, world_of(CONFIG), 8, 8, 8, 2.0)
            if g.pictures:
                shapes.add((g.layout, tuple(p.shape for p in r.patches)))
            widths |= {ids.shape[1] for ids, _, _ in r.scripts}
            assert all(float(w.mean()) == pytest.approx(1, abs=1e-4) for w in r.weights)
            assert len(r.patches) == sum(isinstance(b, Shot) for b in g.layout)
            assert len(r.grounds) == sum(isinstance(b, Shot) and b.painted for b in g.layout)
            assert len(r.sketches) == sum(isinstance(b, Shot) and b.sketched for b in g.layout)
            assert (r.names is not None) == (g.layout[0] == SEEN)
    assert len(shapes) == len({t.layout for t in TASKS if t.pictures})
    assert all(w % 8 == 0 for w in widths)


def test_workers_make_the_same_steps(pieces: Pieces) -> None:
    plan_of_run = config((("draw", 0.5), ("rethink", 0.25), ("paint", 0.25)), batch=16)
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


def test_weights_grow_by_name(pieces: Pieces) -> None:
    """Things keep their rows wherever they stand in the new table, and measures that are new change nothing yet."""
    old, new = fresh(pieces), fresh(pieces)
    for p in old.parameters():
        torch.nn.init.normal_(p, std=0.1, generator=torch.Generator().manual_seed(p.numel()))
    concepts = world_of(CONFIG).concepts
    facts = {"concepts": list(concepts), "characters": characters()}
    tensors = old.state_dict()
    least = tensors[loop.MEASURES].shape[1] - 8
    held = {**tensors, loop.MEASURES: tensors[loop.MEASURES][:, :least]}
    held = {name: tensor for name, tensor in held.items() if not name.startswith("eye.")}
    turned = concepts[::-1]
    out = loop.grown(held, facts, new, turned)
    new.load_state_dict(out)
    assert all(torch.equal(out[name], tensor) for name, tensor in fresh(pieces).state_dict().items() if name.startswith("eye."))
    for k, slug in enumerate(concepts):
        assert torch.equal(out[loop.THINGS][2 + turned.index(slug)], tensors[loop.THINGS][2 + k])
    assert torch.equal(out[loop.MEASURES][:, :least], tensors[loop.MEASURES][:, :least]) and not out[loop.MEASURES][:, least:].any()


def test_a_plan_names_things_as_its_prompt_does() -> None:
    car, panda = Item("car", "flat", 0.25, 0.5, 0.4, tint="#8b5a2b"), Item("panda", "flat", 0.75, 0.5, 0.4, tint="#222222")
    scene = Scene(64, 64, Background("solid", ("#ffffff",)), (car, panda), relations=(Relation("left of", 0, (1,)),))
    for said in ("a black panda and a brown car", "棕色的汽车右边有一只黑色的熊猫", "a black panda beside a brown automobile"):
        first = ("car", "panda") if said[0] == "棕" else ("panda", "car")
        named = as_named(scene, said)
        assert tuple(i.concept for i in named.items) == first and set(named.items) == {car, panda} and not named.relations
    over = replace(scene, items=(car, replace(panda, x=0.4)))
    assert as_named(over, "a panda and a car") is over, "the order says which is above"
    assert as_named(scene, "nothing of it").items == (car, panda)
