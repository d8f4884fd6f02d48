"""What the eye is taught: labels that say what a render shows at each patch, and a loss that is least where they are said."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sayso.engines.ground import spec_of
from sayso.models.naming import Named, Naming
from sayso.training.named import Names, names, naming_loss
from sayso.training.tasks import ZOOM, Zoomed
from sayso.world import fonts, grounds
from sayso.world.grounds import MANNERS, NOTHING, Known, characters
from sayso.world.render import render
from sayso.world.scene import Background, Item, Lettering, Scene

KNOWN = Known(("dog", "apple", "balloon"), characters())
GROUND = Background("solid", ("#ffffff",))
DOG = Item("dog", "flat", 0.5, 0.5, 0.6)


def scene(*items: Item, lettering: tuple[Lettering, ...] = (), size: tuple[int, int] = (64, 64), ground: Background = GROUND) -> Scene:
    return Scene(*size, ground, items, lettering)


def row(name: str) -> int:
    return ("", "", *KNOWN.concepts, *KNOWN.characters).index(name)


def test_a_patch_belongs_to_the_thing_drawn_last_over_its_centre() -> None:
    got = names([scene(replace(DOG, size=1.0), Item("balloon", "noto", 0.25, 0.25, 0.5, tint="#ff0000"))], KNOWN, 4, 4)
    d, b = row("dog"), row("balloon")
    assert got.thing.view(4, 4).tolist() == [[b, b, d, d], [b, b, d, d], [d, d, d, d], [d, d, d, d]]
    assert got.manner.view(4, 4)[0, 0] == MANNERS.index("noto") and got.manner.view(4, 4)[3, 3] == MANNERS.index("flat")
    torch.testing.assert_close(got.part.view(4, 4, 2)[0, 1], torch.tensor([0.25, -0.25]))
    torch.testing.assert_close(got.place.view(4, 4, 3)[0, 1], torch.tensor([-0.125, 0.125, 0.5]))
    torch.testing.assert_close(got.place.view(4, 4, 3)[3, 0], torch.tensor([0.375, -0.375, 1.0]))
    assert got.tint.view(4, 4, 4)[0, 0].tolist() == [1, 1, -1, -1] and not got.tint.view(4, 4, 4)[3, 3].any()
    assert names([scene()], KNOWN, 8, 8).thing.eq(NOTHING).all()


def test_characters_are_labelled_where_they_are_set() -> None:
    line = Lettering("Hi", "sans", 0.5, 0.5, 0.5, "#2563eb")
    got = names([scene(replace(DOG, size=1.0), lettering=(line,))], KNOWN, 16, 16)
    thing = got.thing.view(16, 16)
    wide = fonts.width("sans", "Hi") * 0.5
    h = fonts.width("sans", "H") * 0.5
    x = round((0.5 - wide / 2 + h / 2) * 16 - 0.5)
    assert thing[8, x] == row("H") and row("i") in thing[8] and thing[0, 0] == row("dog")
    at = 8 * 16 + x
    assert got.manner[0, at] == MANNERS.index("sans") and got.place[0, at, 2] == 0.5
    middle = (x + 0.5) / 16 + float(got.place[0, at, 0])
    assert middle == pytest.approx(0.5 - wide / 2 + h / 2, abs=1e-6)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("turn", [0.0, 30.0, -75.0])
@pytest.mark.parametrize("size", [(256, 256), (320, 192)])
def test_the_part_is_the_place_in_the_art(flip: bool, turn: float, size: tuple[int, int]) -> None:
    """The pixel at a patch's centre has the colour that the plain art has at the part."""
    width, height = size
    item = replace(DOG, size=0.7, turn=turn, flip=flip)
    rows, columns = height // 8, width // 8
    got = names([scene(item, size=size)], KNOWN, rows, columns)
    shown = render(scene(item, size=size), width, height).astype(float)
    plain = render(scene(replace(DOG, size=1.0)), 512, 512).astype(float)
    mine = np.flatnonzero(got.thing[0].numpy() != NOTHING)
    y, x = np.divmod(mine, columns)
    part = got.part[0].numpy()[mine]
    there = plain[np.clip(((part[:, 1] + 0.5) * 512).astype(int), 0, 511), np.clip(((part[:, 0] + 0.5) * 512).astype(int), 0, 511)]
    here = shown[y * 8 + 4, x * 8 + 4]
    assert len(mine) > 100
    assert np.mean(np.abs(here - there).max(-1) < 40) > 0.85  # the rest are edges


def test_a_part_of_a_scene_is_labelled_as_it_is_shown() -> None:
    """A quarter of a scene, twice as large, has the labels of that quarter of the whole on as many patches."""
    whole = scene(replace(DOG, x=0.6, turn=20.0), lettering=(Lettering("AB", "slab", 0.4, 0.8, 0.3, "#000000"),))
    fine = names([whole], KNOWN, 8 * ZOOM, 8 * ZOOM)
    for left, top in ((0.0, 0.0), (0.25, 0.5)):
        part = names([Zoomed(whole, left, top)], KNOWN, 8, 8)
        x, y = round(left * 16), round(top * 16)
        assert torch.equal(part.thing.view(8, 8), fine.thing.view(16, 16)[y : y + 8, x : x + 8])
        torch.testing.assert_close(part.place.view(8, 8, 3), ZOOM * fine.place.view(16, 16, 3)[y : y + 8, x : x + 8])
        torch.testing.assert_close(part.part.view(8, 8, 2), fine.part.view(16, 16, 2)[y : y + 8, x : x + 8])
        assert not part.behind.any() and fine.behind.any(), "nothing is said of a background that is not seen whole"


def said_rightly(right: Names, known: Known) -> Named:
    """What would be said by one who is sure of it."""
    tint = torch.cat((20 * (2 * right.tint[..., :1] - 1), right.tint[..., 1:]), -1)
    sorts = torch.cat((20 * right.behind[:, : grounds.COLOURS.start], right.behind[:, grounds.COLOURS]), -1)
    what, how = (20 * F.one_hot(x, n).float() for x, n in ((right.thing, known.count), (right.manner, len(MANNERS))))
    return Named(what, how, right.part, right.place, tint, sorts)


def test_the_loss_is_least_where_all_is_said_rightly_and_every_part_of_it_counts() -> None:
    pattern = Background("pattern", ("#2563eb", "#ffffff"), "dots")
    right = names([scene(replace(DOG, tint="#ff0000"), ground=pattern), scene(), Zoomed(scene(DOG), 0.25, 0.25)], KNOWN, 8, 8)
    said = said_rightly(right, KNOWN)
    assert float(naming_loss(said, right)) < 1e-3
    for field in fields(Named):
        value = getattr(said, field.name)
        assert float(naming_loss(replace(said, **{field.name: value.flip(-1) + 0.1}), right)) > 0.01, field.name
    nothing = names([scene()], KNOWN, 8, 8)
    assert torch.isfinite(naming_loss(said_rightly(nothing, KNOWN), nothing))


def test_naming_learns_and_passes_gradients_to_the_eye() -> None:
    torch.manual_seed(0)
    right = names([scene(replace(DOG, x=0.3, y=0.3, size=0.5), Item("balloon", "noto", 0.7, 0.7, 0.5))], KNOWN, 8, 8)
    rows = torch.randn(1, 64, 32, requires_grad=True)
    naming = Naming(spec_of(KNOWN), 32)
    optimiser = torch.optim.Adam(naming.parameters(), 0.03)
    losses = []
    for _ in range(150):
        loss = naming_loss(naming(rows), right)
        losses.append(float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.3 * losses[0] and rows.grad is not None and rows.grad.abs().sum() > 0
    half = naming.bfloat16()(rows.detach().bfloat16())
    assert all(getattr(half, f.name).dtype == torch.float32 for f in fields(Named)), "votes are counted in full"
