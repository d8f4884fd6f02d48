"""The vision tower: shapes of any aspect, places and batches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sayso.models.specs import VisionSpec
from sayso.models.vision import Eye, VisionTower

SPEC = VisionSpec(channels=4, patch=4, width=24, hidden=40, layers=2, heads=3, table_side=6, norm_eps=1e-6, model_table=False)


@pytest.fixture
def tower() -> VisionTower:
    torch.manual_seed(0)
    return VisionTower(SPEC, 32).eval()


def pixels(batch: int, rows: int, columns: int, seed: int = 1) -> Tensor:
    shape = (batch, SPEC.channels, rows * SPEC.patch, columns * SPEC.patch)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (6, 6), (2, 5), (5, 2), (1, 6)])
def test_any_aspect_gives_one_row_a_patch(tower: VisionTower, rows: int, columns: int) -> None:
    assert tower(pixels(2, rows, columns)).shape == (2, rows * columns, 32)


def test_a_batch_equals_one_by_one(tower: VisionTower) -> None:
    x = pixels(3, 3, 4)
    torch.testing.assert_close(tower(x), torch.cat([tower(x[i : i + 1]) for i in range(3)]), rtol=1e-5, atol=1e-5)


def test_a_picture_larger_than_the_table_is_refused(tower: VisionTower) -> None:
    with pytest.raises(AssertionError):
        tower(pixels(1, 1, 7))


def test_places_are_anchored_at_the_top_left(tower: VisionTower) -> None:
    """With blind layers a row depends on its patch and its place alone, so a crop keeps the rows of what it keeps."""
    tower = VisionTower(replace(SPEC, layers=0), 32)
    x = pixels(1, 4, 5)
    whole = tower(x).view(4, 5, 32)
    part = tower(x[..., :12, :8]).view(3, 2, 32)
    torch.testing.assert_close(part, whole[:3, :2], rtol=1e-5, atol=1e-5)
    same = tower(torch.zeros_like(x)).view(-1, 32)
    assert len({tuple(row) for row in same.round(decimals=4).tolist()}) == 20  # equal patches still differ by place


def test_every_row_sees_every_patch(tower: VisionTower) -> None:
    x = pixels(1, 3, 3)
    changed = x.clone()
    changed[..., -1, -1] += 0.5
    with torch.no_grad():
        moved = (tower(changed) - tower(x)).abs().amax(-1)[0]
    assert float(moved.min()) > 0


def test_an_eye_has_one_row_a_patch_in_their_order() -> None:
    """A dot in one patch moves the row of that patch most; sides need not be equal."""
    torch.manual_seed(0)
    eye = Eye(4, 8, 32)
    blank = torch.zeros(1, 4, 24, 40)
    for place, (row, column) in enumerate((r, c) for r in range(3) for c in range(5)):
        dotted = blank.clone()
        dotted[..., 8 * row + 3 : 8 * row + 5, 8 * column + 3 : 8 * column + 5] = 1
        moved = (eye(dotted) - eye(blank)).abs().sum(-1)[0]
        assert moved.shape == (15,) and int(moved.argmax()) == place
    assert eye(blank.bfloat16()).dtype == torch.bfloat16
    with pytest.raises(AssertionError, match="power of two"):
        Eye(4, 12, 32)
