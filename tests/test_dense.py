"""Dense labels: they say what a render shows at each patch, in any turn and flip, and the head can learn them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sayso.training.dense import NONE, DenseHead, label
from sayso.training.named import names
from sayso.world.grounds import NOTHING, Known, characters
from sayso.world.sampler import FIRST_LIGHT
from sayso.world.scene import Background, Item, Lettering, Scene

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


def test_parts_and_concepts_are_those_that_the_eye_is_taught() -> None:
    """Which tests/test_named.py compares with the render; lettering is no item and hides none."""
    items = Item("dog", "flat", 0.5, 0.5, 0.7, turn=30.0, flip=True), Item("balloon", "noto", 0.2, 0.2, 0.3)
    word = Lettering("HELLO", "sans", 0.5, 0.5, 0.3, "#000000")
    got = label([replace(scene(*items), lettering=(word,))], WORLD, 8, 8)
    right = names([scene(*items)], Known(WORLD.concepts, characters()), 8, 8)
    assert torch.equal(got.part, right.part) and torch.equal(got.concept == NONE, right.thing == NOTHING)
    assert torch.equal(got.concept[got.concept != NONE], right.thing[right.thing != NOTHING] - 2)
    assert set(got.style.flatten().tolist()) == {NONE, 0, 1}


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
