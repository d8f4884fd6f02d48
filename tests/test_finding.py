"""Things, lines and backgrounds found in pictures, by an eye that says of every patch what is true of it (tests/test_named.py)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from sayso.engines import behind, finding, lines, votes
from sayso.engines.votes import Votes
from sayso.training.named import names
from sayso.world import art, fonts, grounds
from sayso.world.grounds import MANNERS, Known, centres, characters
from sayso.world.layout import frame
from sayso.world.render import render
from sayso.world.sampler import default_mix, sample_scene
from sayso.world.scene import Background, Item, Lettering, Scene

KNOWN = Known(art.CORE[:60], characters())
WHITE = Background("solid", ("#ffffff",))
FOX = Item("fox", "flat", 0.4, 0.5, 0.5)
ASPECTS = ((64, 64), (106, 64))


def told(scene: Scene, rows: int = 8, columns: int = 8) -> tuple[Votes, np.ndarray]:
    """What an eye that knows all says of a scene."""
    right = names([scene], KNOWN, rows, columns)
    thing, manner, part, place, tint, sort = (x[0].numpy() for x in vars(right).values())
    x, y = centres(rows, columns)
    grain = np.full(len(x), 1 / min(rows, columns))
    what, how = np.eye(KNOWN.count)[thing], np.eye(len(MANNERS))[manner]
    return Votes(x, y, grain, what, how, part, tint, x + place[:, 0], y + place[:, 1], place[:, 2]), sort


def whole(scene: Scene) -> tuple[Votes, np.ndarray]:
    w, h = frame(scene.width, scene.height)
    return told(scene, round(8 * h), round(8 * w))


@pytest.fixture(autouse=True)
def no_ink(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures here hold places, and no ink to tell letters apart by (tests/test_letters.py)."""

    def said(picture: np.ndarray, x: float, y: float, em: float, ink: np.ndarray, font: str, characters: Sequence[str], chances: np.ndarray
             ) -> tuple[str, float]:
        return characters[int(chances.argmax())], x

    monkeypatch.setattr(lines.letters, "told_apart", said)
    monkeypatch.setattr(lines.letters, "missed", lambda *_: "")


class Looking:
    """Looks at squares of a scene's picture. Where a square lies is told by colours of a picture that has its places for colours."""

    def __init__(self, scene: Scene, side: int = 512):
        self.scene, self.side, self.looks = scene, side, 0
        w, h = frame(scene.width, scene.height)
        y, x = np.mgrid[: round(h * side), : round(w * side)]
        self.picture = np.stack((x // 256, x % 256, y // 256, y % 256), -1).astype(np.uint8)

    def __call__(self, squares: Sequence[np.ndarray]) -> list[Votes]:
        self.looks += len(squares)
        return [told(self.seen(square))[0] for square in squares]

    def seen(self, square: np.ndarray) -> Scene:
        """The scene as the square shows it; where the square lies is known from a pixel of it that is not beyond the frame."""
        wide = len(square)
        place = square.astype(int)
        across, down = place[..., 0] * 256 + place[..., 1], place[..., 2] * 256 + place[..., 3]
        middle = wide // 2
        left, top, scale = across[middle, middle] - middle, down[middle, middle] - middle, wide / self.side
        w, h = frame(self.scene.width, self.scene.height)

        def there(px: float, py: float) -> tuple[float, float]:
            return (px * w - left / self.side) / scale, (py * h - top / self.side) / scale

        items, letters = [], []
        for item in self.scene.items:
            x, y = there(item.x, item.y)
            items.append(replace(item, x=x, y=y, size=item.size / scale))
        for line in self.scene.lettering:
            x, y = there(line.x, line.y)
            letters.append(replace(line, x=x, y=y, height=line.height / scale))
        return Scene(64, 64, self.scene.background, tuple(items), tuple(letters))


def alike(got: Item, right: Item) -> bool:
    near = max(abs(got.x - right.x), abs(got.y - right.y), abs(got.size - right.size)) < 0.02
    return near and (got.concept, got.style, got.tint) == (right.concept, right.style, right.tint)


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("kind", ["single", "pair", "several", "count", "colours", "relation", "grid", "crowd"])
def test_all_things_are_found_where_every_patch_is_right(kind: str, aspect: tuple[int, int]) -> None:
    world = replace(default_mix(art.CORE[:60], aspects=((aspect, 1.0),)), kinds=((kind, 1.0),))
    rng, right, total = random.Random(kind), 0, 0
    for _ in range(8):
        scene = sample_scene(rng, world)
        look = Looking(scene)
        seen = votes.closely(look.picture, whole(scene)[0], look)
        assert look.looks == (9 if aspect == (64, 64) else 18)
        got = finding.items(seen, KNOWN, *aspect)
        right += sum(any(alike(one, item) for one in got) for item in scene.items)
        total += max(len(scene.items), len(got))
    assert right >= 0.95 * total, f"{right} of {total}: one in twenty may lie under another"


def test_a_things_turn_and_side_follow_from_what_its_patches_show() -> None:
    for turn in (0.0, 25.0, -30.0):
        for flip in (False, True):
            (got,) = finding.items(told(Scene(64, 64, WHITE, (replace(FOX, turn=turn, flip=flip),)))[0], KNOWN, 64, 64)
            assert got.flip == flip and got.turn == pytest.approx(turn, abs=0.5)


def test_what_is_larger_lies_below_and_else_the_order_is_that_of_reading() -> None:
    hat = Item("top-hat", "flat", 0.4, 0.3, 0.25)
    for size in (0.49, 0.51):
        apple, owl = Item("apple", "flat", 0.25, 0.25, 0.3), Item("owl", "flat", 0.5, 0.8, 0.3)
        apart = apple, Item("car", "flat", 0.75, 0.25, 0.3 * size / 0.5), owl
        assert [i.concept for i in finding.items(told(Scene(64, 64, WHITE, apart))[0], KNOWN, 64, 64)] == ["apple", "car", "owl"]
    assert [i.concept for i in finding.items(told(Scene(64, 64, WHITE, (FOX, hat)))[0], KNOWN, 64, 64)] == ["fox", "top-hat"]


def test_votes_that_are_few_or_unsure_are_no_thing() -> None:
    seen, _ = told(Scene(64, 64, WHITE, (FOX,)))
    mine = np.flatnonzero(seen.things[:, grounds.NOTHING] < 0.5)
    unsure = seen.things.copy()
    unsure[mine[len(mine) // 5 :]] = np.eye(KNOWN.count)[grounds.NOTHING]
    assert finding.items(replace(seen, things=unsure), KNOWN, 64, 64) == []
    unsure = seen.things * 0.3
    unsure[:, grounds.NOTHING] += 0.7
    assert finding.items(replace(seen, things=unsure), KNOWN, 64, 64) == []
    assert finding.items(told(Scene(64, 64, WHITE))[0], KNOWN, 64, 64) == []


def test_patches_that_differ_are_outvoted() -> None:
    """A third of the patches of a thing take it for another, of another style, in another colour and a little aside."""
    seen, _ = told(Scene(64, 64, WHITE, (replace(FOX, tint="#2563eb"),)))
    mine = np.flatnonzero(seen.things[:, grounds.NOTHING] < 0.5)[::3]
    things, manners, tint = seen.things.copy(), seen.manners.copy(), seen.tint.copy()
    things[mine], manners[mine], tint[mine] = np.eye(KNOWN.count)[5], np.eye(len(MANNERS))[1], 0
    to_x = seen.to_x.copy()
    to_x[mine] += 0.05
    (got,) = finding.items(replace(seen, things=things, manners=manners, tint=tint, to_x=to_x), KNOWN, 64, 64)
    assert alike(got, replace(FOX, tint="#2563eb"))


@pytest.mark.parametrize("font", fonts.FONTS)
@pytest.mark.parametrize("aspect", ASPECTS)
def test_lines_are_read_in_close_ups(font: str, aspect: tuple[int, int]) -> None:
    for text in ("Hi", "VIOLET", "Go on! 42", "ll", *(("生日快乐", "我a们") if font in fonts.CHINESE else ())):
        em = min(0.3, 0.8 / fonts.width(font, text))
        line = Lettering(text, font, 0.5, 0.3, em, "#2563eb")
        scene = Scene(*aspect, WHITE, (replace(FOX, y=0.75, size=0.3),), (line,))
        look = Looking(scene)
        (got,) = lines.letterings(look.picture, whole(scene)[0], KNOWN, *aspect, look)
        assert (got.text, got.font, got.colour) == (text, font, line.colour)
        assert max(abs(got.x - line.x), abs(got.y - line.y), abs(got.height - em)) < 0.02


def test_two_lines_are_two_and_none_is_none() -> None:
    two = tuple(Lettering(text, "sans", 0.5, y, 0.16, "#222222") for text, y in (("above", 0.3), ("below", 0.7)))
    scene = Scene(64, 64, WHITE, (), two)
    look = Looking(scene)
    assert [line.text for line in lines.letterings(look.picture, whole(scene)[0], KNOWN, 64, 64, look)] == ["above", "below"]
    bare = Scene(64, 64, WHITE, (FOX,))
    assert lines.letterings(Looking(bare).picture, whole(bare)[0], KNOWN, 64, 64, Looking(bare)) == []


GROUNDS = [
    Background("transparent"),
    Background("solid", ("#f7d020",)),
    Background("solid", ("#0a1b2c",)),
    *(Background("gradient", ("#f7d020", "#2563eb"), angle=angle) for angle in behind.ANGLES),
    Background("pattern", ("#ffffff", "#2563eb"), "dots"),
    Background("pattern", ("#0f8b8d", "#fbd9c0"), "zigzag"),
    Background("backdrop", name="night", variant=2),
]


@pytest.mark.parametrize("ground", GROUNDS, ids=str)
@pytest.mark.parametrize("aspect", ASPECTS)
def test_backgrounds_are_found_with_their_colours(ground: Background, aspect: tuple[int, int]) -> None:
    """The eye says the kind and nearly the colours; the pixels say the rest, in spite of a thing that stands there."""
    scene = Scene(*aspect, ground, (replace(FOX, size=0.6),))
    seen, said = whole(scene)
    said[grounds.COLOURS] += np.random.default_rng(0).normal(0, 0.15, 6)
    picture = render(scene, 4 * aspect[0], 4 * aspect[1])
    assert behind.background(picture, seen, said) == ground


def test_pixels_say_whether_a_ground_is_clear_or_of_one_colour() -> None:
    solid, gradient, clear = GROUNDS[1], GROUNDS[3], GROUNDS[0]
    for said, shown in ((gradient, solid), (solid, gradient), (solid, clear), (clear, solid)):
        scene = Scene(64, 64, shown, (FOX,))
        picture = render(scene, 256, 256)
        assert behind.background(picture, whole(scene)[0], grounds.sort_of(said)) == shown


def test_a_picture_full_of_things_has_a_background_all_the_same() -> None:
    full = Scene(64, 64, GROUNDS[1], (replace(FOX, x=0.5, size=1.0),))
    assert behind.background(render(full, 256, 256), *whole(full)).kind == "solid"


@pytest.mark.parametrize("aspect", ASPECTS)
def test_a_scene_is_found_with_all_that_is_in_it(aspect: tuple[int, int]) -> None:
    line = Lettering("HELLO", "slab", 0.5, 0.85, 0.2, "#222222")
    scene = Scene(*aspect, GROUNDS[1], (replace(FOX, y=0.35),), (line,))
    look = Looking(scene)
    got = finding.found(look.picture, *whole(scene), KNOWN, *aspect, look)
    assert alike(got.items[0], scene.items[0]) and [n.text for n in got.lettering] == ["HELLO"]
