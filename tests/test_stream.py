"""The training stream: the same pictures for the same step, full buckets, nothing held out, weights with mean one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from sayso.models import tokens
from sayso.models.codecs.pixels import unpatchify
from sayso.models.tokens import Pieces
from sayso.training import stream
from sayso.training.config import MIXES, TEXT_LIMIT, Stage, TrainConfig, planned, rate
from sayso.training.corpus import texts
from sayso.training.stream import Drafts, Stream, bucket_sizes, compose, draft, grid_of, world_of
from sayso.world import art, compositor
from sayso.world import atlas as atlases
from sayso.world.atlas import Atlas
from sayso.world.sampler import FIRST_LIGHT
from sayso.world.splits import held_out


def config(stages: str = "64", aspects: bool = True, batch: int = 32, core: int = 12, mix: str = "world") -> TrainConfig:
    return planned(depth=2, patch=8, core=core, mix=mix, pictures=640, stages=stages, batch=batch, seed=5, aspects=aspects)


CONFIG = config()
STAGE = CONFIG.stages[0]
MIX = MIXES[CONFIG.mix]


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return tokens.train(list(texts(60, 0)), 2000)


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return atlases.build(world_of(CONFIG), size=32, glyph_size=32)


def fingerprint(drafts: Drafts) -> str:
    return sha256(repr([(scenes, ids.tolist(), lengths.tolist()) for scenes, ids, lengths in drafts]).encode()).hexdigest()


def test_a_draft_is_a_function_of_seed_and_step(pieces: Pieces) -> None:
    world = world_of(CONFIG)
    first = fingerprint(draft(5, 3, world, MIX, pieces, 32))
    draft(5, 4, world, MIX, pieces, 32)
    assert fingerprint(draft(5, 3, world, MIX, pieces, 32)) == first
    assert len({first, fingerprint(draft(5, 4, world, MIX, pieces, 32)), fingerprint(draft(6, 3, world, MIX, pieces, 32))}) == 3


def test_a_draft_does_not_hang_on_the_process(pieces: Pieces, tmp_path: Path) -> None:
    """Another process with another hash seed (sets in another order) drafts the same."""
    definition = tmp_path / "pieces.json"
    definition.write_text(pieces.definition, encoding="utf-8")
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from test_stream import *\n"
        "print(fingerprint(draft(5, 3, world_of(CONFIG), MIX, Pieces(open(sys.argv[1], encoding='utf-8').read()), 32)))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": str(Path(__file__).parent.parent)}
    words = [sys.executable, "-c", code, str(definition), str(Path(__file__).parent)]
    ran = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == fingerprint(draft(5, 3, world_of(CONFIG), MIX, pieces, 32))


@pytest.mark.parametrize("batch", [16, 17, 32, 100, 128, 2048])
def test_buckets_sum_to_the_batch(batch: int) -> None:
    assert sum(bucket_sizes(MIX, batch)) == batch and min(bucket_sizes(MIX, batch)) >= 1


def test_buckets_are_full_and_texts_fit(pieces: Pieces) -> None:
    for step in range(4):
        drafts = draft(5, step, world_of(CONFIG), MIX, pieces, 32)
        assert [len(scenes) for scenes, _, _ in drafts] == bucket_sizes(MIX, 32)
        for (scenes, ids, lengths), (width, _) in zip(drafts, MIX.texts, strict=True):
            assert ids.shape == (len(scenes), width) and ids.dtype == np.int64 and lengths.shape == (len(scenes),)
            for row, length in zip(ids, lengths, strict=True):
                assert 2 <= length <= width <= TEXT_LIMIT
                assert row[0] == pieces.begin and row[length - 1] == pieces.end and (row[length:] == pieces.pad).all()
                assert pieces.pad not in row[:length] and list(row).count(pieces.end) == 1


def test_some_pictures_come_without_a_caption_and_some_in_chinese(pieces: Pieces) -> None:
    lines = [pieces.decode(row[:n]) for step in range(12) for _, ids, lengths in draft(1, step, world_of(CONFIG), MIX, pieces, 32)
             for row, n in zip(ids.tolist(), lengths.tolist(), strict=True)]
    bare = sum(line == "" for line in lines) / len(lines)
    chinese = sum(any("一" <= c <= "鿿" for c in line) for line in lines) / len(lines)
    assert 0.03 < bare < 0.25 and 0.1 < chinese < 0.45


def test_held_out_compositions_never_come(pieces: Pieces) -> None:
    world = world_of(config(core=40))
    assert not any(held_out(s) for step in range(20) for scenes, _, _ in draft(0, step, world, MIX, pieces, 32) for s in scenes)


def test_drawing_gives_patches_and_weights(pieces: Pieces, atlas: Atlas) -> None:
    drafts = draft(5, 0, world_of(CONFIG), MIX, pieces, 32)
    batches = compose(drafts, atlas, world_of(CONFIG), 8, 8, 8, CONFIG.foreground)
    assert [len(b.ids) for b in batches] == bucket_sizes(MIX, 32)
    weights, patches = (torch.cat([getattr(b, name) for b in batches]) for name in ("weight", "patches"))
    assert weights.shape == (32, 64) and patches.shape == (32, 64, 256) and patches.dtype == torch.float32
    assert float(weights.mean()) == pytest.approx(1, abs=1e-5)
    ratio = float(weights.max() / weights.min())
    assert 2 < ratio <= 1 + CONFIG.foreground + 1e-4
    assert -1 <= float(patches.min()) and float(patches.max()) <= 1
    # the patches are the compositor's picture, in the order of the scenes
    scenes = [s for group, _, _ in drafts for s in group]
    drawn = compositor.compose(compositor.pack(scenes, atlas), atlas, 64, 64).rgba
    torch.testing.assert_close(unpatchify(patches, 8, 8, 8), drawn * 2 - 1)
    again = torch.cat([b.patches for b in compose(drafts, atlas, world_of(CONFIG), 8, 8, 8, CONFIG.foreground)])
    assert torch.equal(again, patches)


def test_without_extra_weight_all_patches_count_alike(pieces: Pieces, atlas: Atlas) -> None:
    for b in compose(draft(5, 1, world_of(CONFIG), MIX, pieces, 16), atlas, world_of(CONFIG), 8, 8, 8, 0.0):
        assert torch.equal(b.weight, torch.ones_like(b.weight))


def test_one_step_in_six_is_oblong() -> None:
    for stage in config("64,256").stages:
        grids = [grid_of(config("64,256"), stage, step) for step in range(24)]
        side = round(stage.tokens**0.5)
        assert [i for i, g in enumerate(grids) if g != (side, side)] == [5, 11, 17, 23]
        unit = side // 8
        assert {(g[0] // unit, g[1] // unit) for g in grids if g[0] != g[1]} == {(7, 9), (9, 7), (6, 10), (10, 6)}
        assert all(rows % unit == columns % unit == 0 for rows, columns in grids)
    assert {grid_of(config(aspects=False), STAGE, step) for step in range(24)} == {(8, 8)}


def test_oblong_steps_are_drafted_and_drawn_oblong(pieces: Pieces, atlas: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_worker", (5, world_of(CONFIG), MIX, pieces))
    rows, columns = grid_of(CONFIG, STAGE, 5)
    drafts = stream._work(5, 16, (rows, columns))
    assert all(abs(s.width / s.height - columns / rows) < 0.02 for scenes, _, _ in drafts for s in scenes)
    batches = compose(drafts, atlas, world_of(CONFIG), 8, rows, columns, CONFIG.foreground)
    assert {tuple(b.patches.shape[1:]) for b in batches} == {(rows * columns, 256)}
    assert all(b.coordinates.shape == (rows * columns, 2) for b in batches)


@pytest.fixture
def running(pieces: Pieces) -> Iterator[Stream]:
    made = Stream(CONFIG, pieces, workers=1, ahead=1)
    yield made
    made.close()


def test_workers_give_the_same_steps_from_any_step_on(running: Stream, pieces: Pieces) -> None:
    steps = running.steps(4, Stage(64, 16, 1.0, 1.0))
    got = [next(steps) for _ in range(3)]
    assert [step for step, _ in got] == [4, 5, 6]
    later = next(running.steps(6, Stage(64, 16, 1.0, 1.0)))
    assert later[0] == 6 and fingerprint(later[1]) == fingerprint(got[2][1])
    here = draft(CONFIG.seed, 4, replace(world_of(CONFIG), aspects=(((64, 64), 1.0),)), MIX, pieces, 16)
    assert fingerprint(here) == fingerprint(got[0][1])


def test_a_plan_follows_from_the_dial() -> None:
    one, two = config("64"), config("64,256", batch=128)
    assert [(s.tokens, s.batch, s.until, s.time_shift) for s in one.stages] == [(64, 32, 1.0, 1.0)]
    assert [(s.tokens, s.batch, s.time_shift) for s in two.stages] == [(64, 128, 1.0), (256, 32, 2.0)]
    assert two.stages[0].until == pytest.approx(5 / 6) and two.stages[1].until == 1
    assert config(batch=512).muon_rate == config(batch=2048).muon_rate == pytest.approx(2 * two.muon_rate)
    assert config(batch=32).adam_rate == pytest.approx(two.adam_rate / 2)
    assert TrainConfig.from_dict(two.to_dict()) == two


@pytest.mark.parametrize("mix", sorted(MIXES))
def test_every_mix_is_of_the_worlds_kinds(mix: str) -> None:
    spec = world_of(config(mix=mix))
    kinds = dict(spec.kinds)
    assert kinds.keys() == dict(FIRST_LIGHT.kinds).keys() and sum(kinds.values()) == pytest.approx(1)
    assert spec.concepts == art.CORE[:12] and spec.split == "train"
    assert world_of(config(core=0)).concepts == tuple(c.slug for c in art.concepts())


def test_the_rate_warms_up_holds_and_falls_to_zero() -> None:
    plan = replace(config(), pictures=100_000)
    assert [rate(plan, step, 0) for step in (0, 49, 99, 500)] == [0.01, 0.5, 1.0, 1.0]
    assert rate(plan, 500, 70_000) == pytest.approx(1.0) and rate(plan, 500, 85_000) == pytest.approx(0.5)
    assert rate(plan, 500, 100_000) == 0 and rate(plan, 500, 100_016) == 0
