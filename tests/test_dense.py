"""Dense labels: they say what a render shows at each patch, in any turn and flip, and the head can learn them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sayso.training.dense import NONE, DenseHead, label
from sayso.world.render import render
from sayso.world.sampler import FIRST_LIGHT
from sayso.world.scene import Background, Item, Scene

WORLD = replace(FIRST_LIGHT, concepts=("dog", "apple", "balloon"), styles=("flat", "noto"))
GROUND = Background("solid", ("#ffffff",))


def scene(*items: Item, size: tuple[int, int] = (256, 256)) -> Scene:
    return Scene(*size, GROUND, items)


def test_a_patch_belongs_to_the_item_drawn_last_over_its_centre() -> None:
    below, above = Item("dog", "flat", 0.5, 0.5, 1.0), Item("balloon", "noto", 0.25, 0.25, 0.5)
    got = label([scene(below, above)], WORLD, 4, 4)
    assert got.concept.view(4, 4).tolist() == [[2, 2, 0, 0], [2, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert got.style.view(4, 4)[:2, :2].eq(1).all() and got.style.view(4, 4)[2:].eq(0).all()
    torch.testing.assert_close(got.part.view(4, 4, 2)[0, 1], torch.tensor([0.25, -0.25]))


def test_patches_beside_the_items_have_no_label() -> None:
    got = label([scene(), scene(Item("dog", "flat", 0.25, 0.5, 0.5))], WORLD, 8, 8)
    assert got.concept[0].eq(NONE).all()
    assert got.concept[1].view(8, 8)[:, 4:].eq(NONE).all() and got.concept[1].view(8, 8)[2:6, :4].eq(0).all()


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("turn", [0.0, 30.0, -75.0])
@pytest.mark.parametrize("size", [(256, 256), (320, 192)])
def test_the_part_is_the_place_in_the_art(flip: bool, turn: float, size: tuple[int, int]) -> None:
    """The pixel at a patch's centre has the colour that the plain art has at the part."""
    width, height = size
    item = Item("dog", "flat", 0.5, 0.5, 0.7, turn=turn, flip=flip)
    rows, columns = height // 8, width // 8
    got = label([scene(item, size=size)], WORLD, rows, columns)
    shown = render(scene(item, size=size), width, height).astype(float)
    plain = render(scene(Item("dog", "flat", 0.5, 0.5, 1.0)), 512, 512).astype(float)
    mine = np.flatnonzero(got.concept[0].numpy() != NONE)
    y, x = np.divmod(mine, columns)
    part = got.part[0].numpy()[mine]
    there = plain[np.clip(((part[:, 1] + 0.5) * 512).astype(int), 0, 511), np.clip(((part[:, 0] + 0.5) * 512).astype(int), 0, 511)]
    here = shown[y * 8 + 4, x * 8 + 4]
    assert len(mine) > 100
    assert np.mean(np.abs(here - there).max(-1) < 40) > 0.85  # the rest are edges


def test_the_head_learns_what_the_rows_say_and_passes_gradients() -> None:
    torch.manual_seed(0)
    labels = label([scene(Item("dog", "flat", 0.3, 0.3, 0.5), Item("balloon", "noto", 0.7, 0.7, 0.5))], WORLD, 8, 8)
    named = [of.clamp(min=0)[..., None].float() for of in (labels.concept, labels.style)]
    rows = torch.cat((*named, labels.part), -1)
    rows = torch.nn.functional.pad(rows, (0, 28)).requires_grad_(True)
    head = DenseHead(32, WORLD)
    optimiser = torch.optim.Adam(head.parameters(), 0.05)
    losses = []
    for _ in range(200):
        loss = head(rows, labels)
        losses.append(float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    part = float(labels.part[labels.concept != NONE].square().mean())
    assert losses[0] == pytest.approx(np.log(3) + np.log(2) + 4 * part, rel=1e-4)
    assert losses[-1] < 0.15 * losses[0]
    assert rows.grad is not None and rows.grad[labels.concept == NONE].eq(0).all() and rows.grad.abs().sum() > 0


def test_a_picture_without_items_costs_nothing() -> None:
    rows = torch.ones(1, 16, 32, requires_grad=True)
    assert float(DenseHead(32, WORLD)(rows, label([scene()], WORLD, 4, 4)).detach()) == 0
