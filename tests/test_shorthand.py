"""Plans in shorthand: what is written is read, one trip settles a plan, and anything else is refused with BadInput."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.errors import BadInput
from sayso.models import tokens
from sayso.models.tokens import Pieces
from sayso.training.corpus import texts
from sayso.types import Plan, PlanItem, PlanText
from sayso.world import art, colours, fonts, looks, plan
from sayso.world.sampler import KINDS, default_mix, sample_scene
from sayso.world.scene import BACKDROP_VARIANTS, BACKDROPS, MAX_ITEMS, PATTERNS, STYLES, Background, Lettering, Scene
from sayso.world.shorthand import COUNT, MARKS, legible, mark, plainly, read, salvaged, settled, write

ASPECTS = ((64, 64), (82, 64), (64, 82), (106, 64), (64, 106))
SHORT = f'solid yellow; ladybug line{mark(60)}{mark(50)}{mark(40)}; cactus line{mark(60)}{mark(140)}{mark(40)} green flip turn{mark(7)}; ' \
        f'"HELLO" slab{mark(100)}{mark(180)}{mark(15)} black'

hexes = st.integers(0, 0xFFFFFF).map(lambda v: f"#{v:06x}") | st.sampled_from([c.hex for c in colours.COLOURS])
backgrounds = st.one_of(
    st.just("transparent"),
    hexes.map(lambda c: f"solid {c}"),
    st.builds("gradient {} {} {}".format, hexes, hexes, st.integers(0, 360)),
    st.builds("pattern {} {} {}".format, st.sampled_from(PATTERNS), hexes, hexes),
    st.builds("backdrop {} {}".format, st.sampled_from(BACKDROPS), st.integers(0, BACKDROP_VARIANTS - 1)),
)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    x0, y0 = draw(st.integers(-10, 95)), draw(st.integers(-10, 95))
    return x0, y0, x0 + draw(st.integers(5, 80)), y0 + draw(st.integers(5, 80))


@st.composite
def letterings(draw: st.DrawFn) -> PlanText:
    font = draw(st.sampled_from(fonts.FONTS))
    able = sorted(fonts.glyphs(font))
    hard = [c for c in '";\\ n,“”' if c in able]
    text = draw(st.text(st.sampled_from(hard) | st.sampled_from(able), min_size=1, max_size=12).filter(str.strip))
    return PlanText(text, draw(boxes()), font, draw(hexes))


items = st.builds(
    PlanItem, st.sampled_from(art.CORE), boxes(), st.sampled_from(STYLES), st.none() | hexes, st.booleans(), st.integers(0, 359)
)
plans = st.builds(
    Plan,
    st.just(64),
    st.just(64),
    backgrounds,
    st.lists(
        items,
        max_size=4,
    ).map(tuple),
    st.lists(letterings(), max_size=3).map(tuple),
    st.just("") | st.sampled_from(looks.NAMES),
).flatmap(lambda p: st.sampled_from(ASPECTS).map(lambda size: replace(p, width=size[0], height=size[1])))


def near(a: Plan, b: Plan) -> None:
    """The same things in the same order; boxes within three percents, angles within a mark."""
    assert (a.width, a.height, a.background.split()[0], a.look) == (b.width, b.height, b.background.split()[0], b.look)
    assert [(i.name, i.style, i.colour, i.flip) for i in a.items] == [(i.name, i.style, i.colour, i.flip) for i in b.items]
    assert [(t.text, t.font, t.colour) for t in a.lettering] == [(t.text, t.font, t.colour) for t in b.lettering]
    for one, two in zip((*a.items, *a.lettering), (*b.items, *b.lettering), strict=True):
        assert max(abs(p - q) for p, q in zip(one.box, two.box, strict=True)) <= 3, (one, two)
    for one, two in zip(a.items, b.items, strict=True):
        assert (one.turn - two.turn + 1) % 360 <= 2


@given(plans)
def test_one_trip_settles_a_plan(made: Plan) -> None:
    once = settled(made)
    assert settled(once) == once and write(settled(once)) == write(once)
    assert [(t.text, t.font, t.colour) for t in once.lettering] == [(t.text, t.font, t.colour) for t in made.lettering]
    assert [(i.name, i.style, i.colour, i.flip) for i in once.items] == [(i.name, i.style, i.colour, i.flip) for i in made.items]
    assert (once.look, once.background.split()[0]) == (made.look, made.background.split()[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", ASPECTS)
def test_a_scene_survives_the_trip_near_enough(kind: str, size: tuple[int, int]) -> None:
    rng = random.Random(f"{kind} {size}")
    for snap in (0, 8):
        world = replace(default_mix(), kinds=((kind, 1.0),), aspects=((size, 1.0),), snap=snap)
        for _ in range(12):
            made = replace(plan.to_plan(sample_scene(rng, world)), look=rng.choice(("", *looks.NAMES)))
            once = settled(made)
            near(made, once)
            assert settled(once) == once


def test_a_narrow_letter_keeps_its_height() -> None:
    """Its box is a few percents wide, of which rounding is a large part: the height tells the size."""
    for em in (9, 10, 13, 20):
        made = plan.to_plan(Scene(64, 64, Background("transparent"), (), (Lettering("I", "script", 0.5, 0.5, em / 100, "#000000"),)))
        side = MARKS.index(write(made).split("script")[1][2])
        assert abs(side - em) <= 1 and settled(made) == made


def test_the_example_is_written_as_in_the_docstring() -> None:
    text = """canvas 64x64 solid #f7d020\nladybug line 10 5 50 45\ncactus line 10 50 50 90 #2e9e3f flip turn 14
text "HELLO" slab 22 82 78 98 #1a1a1a"""
    yellow, green, black = (next(c.hex for c in colours.COLOURS if name in c.en) for name in ("yellow", "green", "black"))
    text = text.replace("#f7d020", yellow).replace("#2e9e3f", green).replace("#1a1a1a", black)
    first, ladybug, cactus, hello = legible(write(plan.read(text))).split("; ")
    assert first == "solid yellow" and ladybug == "ladybug line⟨60⟩⟨50⟩⟨40⟩" and cactus == "cactus line⟨60⟩⟨140⟩⟨40⟩ green flip turn⟨7⟩"
    assert hello.startswith('"HELLO" slab⟨100⟩⟨180⟩') and hello.endswith(" black")
    back = read(SHORT, 64, 64)
    assert [i.name for i in back.items] == ["ladybug", "cactus"] and back.items[1].turn == 14 and back.lettering[0].text == "HELLO"


def test_hard_letterings_come_back_letter_by_letter() -> None:
    for font, text in (("sans", 'say "hi"; now'), ("mono", "a\\b\\\\n;"), ("slab", '\\"'), ("hei", "你好；“世界”")):
        if not fonts.covers(font, text):
            text = "".join(c for c in text if fonts.covers(font, c))
        made = Plan(64, 64, "transparent", (), (PlanText(text, (10, 40, 90, 50), font, "#123456"),))
        assert settled(made).lettering[0].text == text and len(text) > 1


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return tokens.train(texts(40, 0), 1500).with_marks(MARKS)


@given(plans)
def test_pieces_carry_shorthand_unchanged(pieces: Pieces, made: Plan) -> None:
    """Capitals of letterings too, quotation marks within them or not; runs of blanks are folded to one."""
    lines = tuple(replace(t, text=" ".join(t.text.split())) for t in made.lettering)
    text = write(replace(made, lettering=lines))
    assert pieces.decode(pieces.encode(text)) == tokens.fold(text) == text


def test_a_thing_costs_few_pieces(pieces: Pieces) -> None:
    rng = random.Random(0)
    made = [write(plan.to_plan(sample_scene(rng, replace(default_mix(), kinds=(("single", 1.0),))))) for _ in range(50)]
    assert max(sum(c in MARKS for c in text) for text in made) <= 6
    assert all(len(pieces.encode(c)) == 3 for c in MARKS), "a mark is one piece"


# ---------------------------------------------------------------------------------------------------------------------
# what is refused


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        "solid",
        "solid nocolour",
        "solid yellow blue",
        "mist yellow",
        "solid yellow; fox",
        f"solid yellow; fox flat{mark(1)}{mark(2)}",
        f"solid yellow; fox oily{mark(1)}{mark(2)}{mark(3)}",
        f"solid yellow; unheard of flat{mark(1)}{mark(2)}{mark(3)}",
        f"solid yellow; fox flat{mark(1)}{mark(2)}{mark(3)} upside",
        f"solid yellow; fox flat{mark(1)}{mark(2)}{mark(3)} turn",
        f'solid yellow; "" slab{mark(1)}{mark(2)}{mark(3)} black',
        f'solid yellow; "  " slab{mark(1)}{mark(2)}{mark(3)} black',
        f'solid yellow; "你好" slab{mark(1)}{mark(2)}{mark(3)} black',
        f'solid yellow; "A" wavy{mark(1)}{mark(2)}{mark(3)} black',
        f'solid yellow; "A" slab{mark(1)}{mark(2)}{mark(3)} nocolour',
        f'solid yellow; "{"A" * 201}" slab{mark(1)}{mark(2)}{mark(3)} black',
        "solid yellow" + f'; "A" slab{mark(1)}{mark(2)}{mark(3)} black' * 9,
        "solid yellow" + f"; fox flat{mark(1)}{mark(2)}{mark(3)}" * (MAX_ITEMS + 1),
        f"gradient yellow{mark(3)}",
        f"gradient yellow blue{mark(200)}",
        "backdrop night",
        f"backdrop nowhere{mark(1)}",
        "solid yellow look unheard-of",
        "pattern dots yellow",
    ],
)
def test_malformed_shorthand_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=";|known|must be"):
        read(text, 64, 64)


words = st.sampled_from(
    ["solid", "yellow", "fox", "flat", "; ", ";", '"', '"HI"', "slab", "black", "turn", "flip", " ", " look ", "watercolour", "\\", "\n",
     "gradient", "backdrop", "night", "pattern", "dots", "#112233", "transparent", *(mark(n) for n in (0, 50, 100, 200))]
)


@given(st.text() | st.lists(words | st.text(MARKS, max_size=3), max_size=14).map("".join))
def test_reading_anything_raises_bad_input_at_most(text: str) -> None:
    try:
        made = read(text, 64, 64)
    except BadInput:
        return
    assert plan.read(plan.write(made)) == made and settled(settled(made)) == settled(made)


@given(st.integers(0, len(SHORT)), st.integers(0, 12), st.text(max_size=3) | words)
def test_damaged_shorthand_raises_bad_input_at_most(at: int, gone: int, put: str) -> None:
    try:
        made = read(SHORT[:at] + put + SHORT[at + gone :], 82, 64)
    except BadInput:
        return
    plan.scene_of(made)


FOX, SALE = f"fox flat{mark(100)}{mark(60)}{mark(50)}", f'"SALE" sans{mark(100)}{mark(160)}{mark(20)} black'


@pytest.mark.parametrize(("text", "kept"), [
    (f"p magenta lime; {SALE}", f"pattern checks magenta lime; {SALE}"), (f"pattern dots red; {FOX}", f"solid red; {FOX}"),
    (f"patern waves red red blue; {FOX}", f"pattern waves red blue; {FOX}"), (f"what; {FOX}; hat; {SALE}", f"solid #ffffff; {FOX}; {SALE}"),
    (f"solid red; {SALE}; {'; '.join([FOX] * 30)}; \"SA", f"solid red; {'; '.join([FOX] * MAX_ITEMS)}; {SALE}"), (f"gradient {FOX}", None),
    ("solid red", None), ("", None)])
def test_what_can_be_read_is_salvaged(text: str, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(BadInput, match="nothing in"):
            salvaged(text, 64, 64)
    else:
        assert salvaged(text, 64, 64) == read(kept, 64, 64)


@given(st.text() | st.lists(st.sampled_from([FOX, SALE, "solid", "gradient red", ";", '"', mark(3)])).map("; ".join))
def test_salvaging_anything_raises_bad_input_at_most(text: str) -> None:
    with contextlib.suppress(BadInput):
        salvaged(text, 64, 64)

# ---------------------------------------------------------------------------------------------------------------------
# marks


@given(st.floats(-1000, 1000))
def test_marks_hold_numbers(number: float) -> None:
    assert MARKS.index(mark(number)) == min(max(int(number + 0.5), 0), 200) and len(MARKS) == COUNT == 201


@given(st.text(st.sampled_from(MARKS) | st.characters()))
def test_marks_are_dropped_from_a_persons_words(text: str) -> None:
    said = plainly(text)
    assert not set(said) & set(MARKS) and said == "".join(c for c in text if c not in MARKS)
    assert not set(legible(text)) & set(MARKS)
