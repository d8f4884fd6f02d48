"""Who changes a part of a picture is promised the rest: sealing leaves it alone, down to the last level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sayso.trust import formats
from sayso.trust.seal import Sealer
from sayso.trust.settings import from_environment
from sayso.types import Parent, Picture, Record


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer(from_environment({"SAYSO_TRUST_FOLDER": str(tmp_path)}))


def scene(seed: int) -> np.ndarray:
    """uint8 [192, 192, 4]: blocks of colour, black and white among them."""
    rng = np.random.default_rng(seed)
    small = rng.choice([0, 40, 128, 200, 255], (12, 12, 4)).astype(np.uint8)
    small[..., 3] = 255
    return small.repeat(16, 0).repeat(16, 1)


@pytest.mark.parametrize("settings", [{"mask": True}, {"tool": "recolour"}])
def test_what_an_edit_of_a_part_left_alone_stays_as_it_is(sealer: Sealer, settings: dict[str, object]) -> None:
    first = sealer.seal(Picture(scene(1)), Record("created", "fake", "", 1, "blocks"), "png", None)
    before = formats.decode(first.data)
    edited = before.copy()
    edited[32:96, 32:96] = scene(2)[32:96, 32:96]
    record = Record("edited", "fake", "", 2, "other blocks", settings, (Parent(first.data, "parentOf", "first"),))
    after = formats.decode(sealer.seal(Picture(edited), record, "png", None).data)
    outside = np.ones(before.shape[:2], bool)
    outside[32:96, 32:96] = False
    assert (after[outside] == before[outside]).all()
    assert (after[~outside] != edited[~outside]).any()  # what is new carries the new mark


def test_an_edit_of_the_whole_is_marked_as_a_whole(sealer: Sealer) -> None:
    first = sealer.seal(Picture(scene(1)), Record("created", "fake", "", 1, "blocks"), "png", None)
    before = formats.decode(first.data)
    record = Record("edited", "fake", "", 2, "the same", {}, (Parent(first.data, "parentOf", "first"),))
    after = formats.decode(sealer.seal(Picture(before.copy()), record, "png", None).data)
    assert (after != before).any(-1).mean() > 0.5
