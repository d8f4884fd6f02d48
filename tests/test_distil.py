"""Few steps: strides add up, the student follows the guided teacher, and the weights that come out say how to be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import pytest
import torch
from conftest import Ran

from sayso.engines import header, pocket
from sayso.engines.ground import spec_of
from sayso.errors import BadInput
from sayso.models import flow, tokens
from sayso.models.specs import CanvasSpec
from sayso.models.specs import pocket as pocket_spec
from sayso.models.tokens import Pieces
from sayso.models.unified import UnifiedModel
from sayso.training import distil, polish, state
from sayso.training.config import MIXES
from sayso.training.corpus import texts
from sayso.training.distil import DistilConfig, guided, land, read, sample_strides, step_loss, stride_velocity, student_of
from sayso.training.distil_run import Lesson, batches_of, follow
from sayso.training.polish import Heads, heads_loss, polish_losses, scores
from sayso.training.stream import Batch
from sayso.types import Ask, Drew, Message, Step, Text
from sayso.world import art, shorthand
from sayso.world import atlas as atlases
from sayso.world.grounds import Known, characters
from sayso.world.sampler import FIRST_LIGHT

WORLD = replace(FIRST_LIGHT, concepts=art.CORE[:12])
CONFIG = DistilConfig(guidance=3.0, steps=30, polish=4, batch=16, rate=2e-3, seed=0, grid=4, warmup=5)


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return tokens.train(list(texts(40, 0)), 1000)


@pytest.fixture(scope="module")
def batch(pieces: Pieces) -> list[Batch]:
    atlas = atlases.build(WORLD, size=16, glyph_size=16)
    return next(batches_of(WORLD, MIXES["simple"], pieces, atlas, 8, 8, CONFIG))


def some_teacher(pieces: Pieces) -> UnifiedModel:
    """Depth 2 and random, so that it has a velocity that depends on words and time."""
    torch.manual_seed(0)
    model = UnifiedModel(pocket_spec(2, pieces.size, 8))
    model.initialise(torch.Generator().manual_seed(0))
    for name, p in model.named_parameters():
        if p.dim() > 1:
            torch.nn.init.normal_(p, std=1.0 if name == "embed.weight" else p.shape[1] ** -0.5)
    return model.requires_grad_(False)


def test_a_student_begins_as_its_teacher(pieces: Pieces, batch: list[Batch]) -> None:
    teacher = some_teacher(pieces)
    student, b = student_of(teacher), batch[0]
    t = torch.full((len(b.ids),), 0.5)
    cache = teacher.read(b.ids, b.lengths, None, torch.zeros(len(t)), torch.float32).cache
    plain = teacher.predict(b.patches, t, b.coordinates, b.lengths.float(), cache)
    for stride in (None, torch.full_like(t, 0.25)):
        torch.testing.assert_close(student.predict(b.patches, t, b.coordinates, b.lengths.float(), cache, stride), plain)


def test_times_lie_on_the_grid_of_their_strides() -> None:
    t, stride = sample_strides(4000, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert float((stride == 0).float().mean()) == pytest.approx(distil.STEP_SHARE, abs=0.03)
    moving = stride > 0
    assert set(stride[moving].tolist()) == {0.5**k for k in range(distil.HALVINGS)}
    cells = t[moving] / stride[moving]
    assert torch.equal(cells, cells.round()) and float(t[moving].max()) == 1 and bool((t[moving] >= stride[moving]).all())


def test_untold_words_are_the_teachers_empty_prompt(pieces: Pieces, batch: list[Batch]) -> None:
    teacher = some_teacher(pieces)
    b, empty = batch[0], torch.tensor(pieces.encode(""))
    words = read(student_of(teacher), teacher, b, empty, torch.float32)
    t = torch.full((len(b.ids),), 0.7)
    z = torch.randn(b.patches.shape, generator=torch.Generator().manual_seed(1))
    got = guided(teacher, words, z, t, b.coordinates, 3.0, torch.float32)

    def velocity(ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        cache = teacher.read(ids, lengths, None, torch.zeros(len(t)), torch.float32).cache
        return flow.velocity_of_data(teacher.predict(z, t, b.coordinates, lengths.float(), cache), z, t)

    told, untold = velocity(b.ids, b.lengths), velocity(empty.expand(len(t), -1), torch.full((len(t),), 2))
    torch.testing.assert_close(got, untold + 3 * (told - untold), rtol=1e-3, atol=1e-4)


def test_the_path_is_learnt_and_a_stride_becomes_two_halves(pieces: Pieces, batch: list[Batch]) -> None:
    """Sixty updates, since thirty are not enough for every draw of captions: for this one, four strides end 0.81 of the first
    distance away after 30, 0.77 after 40, 0.65 after 50, 0.61 after 60."""
    teacher = some_teacher(pieces)
    student = student_of(teacher)
    config = replace(CONFIG, steps=60, polish=0)
    lesson = Lesson(student, teacher, repeat(batch), torch.tensor(pieces.encode("")), config, torch.float32)
    told: list[float] = []
    first = student_of(teacher)
    weights, done = follow(lesson, lambda: False, lambda step, losses: told.append(losses["path"]))
    assert done == 60 and sum(told[25:30]) < 0.6 * sum(told[:5]), told

    def apart(model: UnifiedModel) -> float:
        """How far four strides of the student end from sixty-four small guided steps of the teacher."""
        b = batch[0]
        words = read(model, teacher, b, lesson.empty, torch.float32)
        noise = torch.randn(b.patches.shape, generator=torch.Generator().manual_seed(5))
        z = noise
        for k in range(64):
            t = torch.full((len(z),), 1 - k / 64)
            z = z - guided(teacher, words, z, t, b.coordinates, CONFIG.guidance, torch.float32) / 64
        return float((land(model, words.student, words.start, noise, b.coordinates, 4, 4, torch.float32) - z).square().mean())

    student.load_state_dict(weights)
    with torch.no_grad():
        assert apart(student) < 0.7 * apart(first)


def test_strides_of_nought_are_the_teachers_and_gradients_stay_in_the_student(pieces: Pieces, batch: list[Batch]) -> None:
    teacher = some_teacher(pieces)
    student, mean = student_of(teacher), student_of(teacher).requires_grad_(False)
    loss = step_loss(
        student, mean, teacher, batch[0], torch.tensor(pieces.encode("")), CONFIG, torch.Generator().manual_seed(3), torch.float32
    )
    loss.backward()
    assert student.stride is not None and student.stride.fc2.weight.grad is not None
    assert float(student.stride.fc2.weight.grad.abs().sum()) > 0
    assert all(p.grad is None for p in [*teacher.parameters(), *mean.parameters()])


def test_heads_learn_to_tell_and_each_backward_keeps_to_its_own(pieces: Pieces, batch: list[Batch]) -> None:
    teacher = some_teacher(pieces)
    student, b = student_of(teacher), batch[0]
    torch.manual_seed(0)
    heads = Heads(teacher.spec.width, teacher.spec.layers)
    optimiser = torch.optim.Adam(heads.parameters(), lr=3e-3)
    judged = []
    for step in range(25):
        words = read(student, teacher, b, torch.tensor(pieces.encode("")), torch.float32)
        _, loss = polish_losses(student, teacher, heads, words, b, CONFIG, torch.Generator().manual_seed(step), torch.float32)
        optimiser.zero_grad()
        loss.backward(inputs=list(heads.parameters()))
        optimiser.step()
        judged.append(loss.item())
    assert sum(judged[-5:]) < 0.7 * sum(judged[:5])
    words = read(student, teacher, b, torch.tensor(pieces.encode("")), torch.float32)
    passing, _ = polish_losses(student, teacher, heads, words, b, CONFIG, torch.Generator().manual_seed(0), torch.float32)
    before = [p.grad for p in heads.parameters()]
    passing.backward(inputs=list(student.parameters()))
    assert all(p.grad is g for p, g in zip(heads.parameters(), before, strict=True))
    assert any(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in student.parameters())


def test_the_slope_of_exact_scores_is_penalised() -> None:
    rows = [torch.ones(2, 3, 4, requires_grad=True)]
    flat = heads_loss(torch.full((2, 3), -2.0), rows[0].sum(-1) * 0 + 2.0, rows)
    steep = heads_loss(torch.full((2, 3), -2.0), rows[0].sum(-1) * 5 + 2.0, rows)
    assert flat.item() == 0 and steep.item() == pytest.approx(polish.SLOPE * 25 * 12)


def test_scores_are_one_for_each_patch_and_see_the_picture(pieces: Pieces, batch: list[Batch]) -> None:
    teacher, b = some_teacher(pieces), batch[0]
    heads = Heads(teacher.spec.width, teacher.spec.layers)
    cache = teacher.read(b.ids, b.lengths, None, torch.zeros(len(b.ids)), torch.float32).cache
    place = (torch.full((len(b.ids),), 0.3), torch.zeros_like(b.patches), b.lengths.float(), cache, b.coordinates, torch.float32)
    one, rows = scores(heads, teacher, b.patches, *place)
    assert one.shape == b.patches.shape[:2] and len(rows) == len(heads.depths)
    assert not torch.equal(one, scores(heads, teacher, -b.patches, *place)[0])
    assert not any(layer._forward_hooks for layer in teacher.layers)


def test_a_step_of_the_engine_is_a_stride_of_the_student(pieces: Pieces, batch: list[Batch]) -> None:
    student = student_of(some_teacher(pieces)).requires_grad_(False)
    assert student.stride is not None
    torch.nn.init.normal_(student.stride.fc2.weight, std=0.5)
    b = batch[0]
    cache = student.read(b.ids, b.lengths, None, torch.zeros(len(b.ids)), torch.float32).cache
    z, t = torch.randn(b.patches.shape), torch.ones(len(b.ids))
    us = [
        stride_velocity(student, cache, b.lengths.float(), z, t, torch.full_like(t, s), b.coordinates, torch.float32) for s in (0.25, 0.5)
    ]
    assert float((us[0] - us[1]).abs().mean()) > 1e-3
    assert torch.equal(land(student, cache, b.lengths.float(), z, b.coordinates, 4, 1, torch.float32), z - 0.25 * us[0])


def test_the_command_makes_weights_that_say_how_to_be_used(pieces: Pieces, sayso: Callable[..., Ran], tmp_path: Path) -> None:
    teacher = some_teacher(pieces)
    state.export(
        tmp_path / "teacher.safetensors",
        teacher.spec,
        CanvasSpec(8, 64),
        pieces,
        dict(teacher.state_dict()),
        art.CORE[:12],
        ("flat",),
        {"depth": 2},
        ["draw", "transparent"],
        [],
    )
    words = (
        "distil",
        "--weights",
        "teacher.safetensors",
        "--steps",
        "2",
        "--polish",
        "2",
        "--batch",
        "8",
        "--grid",
        "2",
        "--device",
        "cpu",
    )
    ran = sayso(*words, "--out", "student")
    assert ran.code == 0, ran.err
    found = header.facts(tmp_path / "student" / "model.safetensors")
    assert found["sampling"] == {"steps": 2, "guidance": 1.0} and found["strides"] and found["history"]["distilled_updates"] == 4
    engine = pocket.load("cpu", tmp_path / "student" / "model.safetensors")
    events = list(engine.respond(Ask((Message("user", (Text("a fox"),)),))))
    assert [e.total for e in events if isinstance(e, Step)] == [2, 2] and isinstance(events[-1], Drew)
    assert (tmp_path / "student" / "log.csv").read_text().startswith("step,")
    assert sayso(*words, "--out", "student").code == 2
    again = sayso("distil", "--weights", "student/model.safetensors", "--out", "more", "--device", "cpu")
    assert again.code == 2 and "a student already" in again.err and not (tmp_path / "more").exists()
    assert sayso(*words, "--out", "x", "--guidance", "0").code == 2


def test_weights_that_paint_plans_are_refused_before_any_work(pieces: Pieces, sayso: Callable[..., Ran], tmp_path: Path) -> None:
    """They take one step without guidance as they are. Weights of --tasks draw are the command's own (above)."""
    more = pieces.with_marks(shorthand.MARKS)
    known = Known(art.CORE[:12], characters())
    model = UnifiedModel(pocket_spec(2, more.size, 8), grounds=spec_of(known))
    state.export(
        tmp_path / "plans.safetensors", model.spec, CanvasSpec(8, 64), more, dict(model.state_dict()), known.concepts, ("flat",),
        {"depth": 2}, ["draw", "think", "transparent"], [], characters=known.characters,
    )
    assert pocket.load("cpu", tmp_path / "plans.safetensors").known == known
    ran = sayso("distil", "--weights", "plans.safetensors", "--out", "student", "--device", "cpu")
    assert ran.code == 2 and "paints plans" in ran.err and "--tasks draw" in ran.err and ran.err.count("\n") == 1 and ran.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["plans.safetensors"]


def test_limits_name_the_value() -> None:
    import argparse

    from sayso.training import distil_run

    args = argparse.Namespace(guidance=99.0, steps=1, polish=0, batch=8, rate=1e-4, minutes=None, seed=0, out=Path("nowhere"))
    with pytest.raises(BadInput, match="guidance 99"):
        distil_run._check(args)
