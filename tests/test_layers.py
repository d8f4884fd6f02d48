"""Pictures laid together from sheets: beside the exact renderer, at the frame's edge, transparent, and through the pocket engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.engines import layers
from sayso.engines.keeping import resized
from sayso.engines.layers import Layers
from sayso.engines.pocket import BATCH, PocketEngine
from sayso.errors import BadInput, CannotDo
from sayso.models import tokens
from sayso.types import Ability, Ask, Drew, Plan, PlanItem, PlanText, Preview, Step
from sayso.world import plan, sheets, shorthand
from sayso.world.layout import frame
from sayso.world.render import render
from sayso.world.scene import Background, Item, Lettering, Scene
from tests.pocket_kit import ask, made, picture, pictures, says

SHAPES = ((64, 64), (82, 64), (64, 82), (107, 64), (64, 107))
SHEET = 512
FOX = Item("fox", "flat", 0.5, 0.5, 0.4)
RED, BLUE = "#d92d20", "#2563eb"


def exact_sheets(parts: Layers, width: int, height: int) -> list[np.ndarray]:
    """The sheets as a perfect painter would make them: by the exact renderer, their things of the true size."""
    out = [] if parts.ground is None else [stretched(plan.scene_of(parts.ground), width, height)]
    for piece in parts.pieces:
        scene = plan.scene_of(piece)  # its boxes are rounded to the percent; training shows what was meant
        items = tuple(replace(i, x=0.5, y=0.5, size=sheets.LARGE) for i in scene.items)
        lines = tuple(replace(line, x=0.5, y=0.5, height=sheets.EM) for line in scene.lettering)
        out.append(render(replace(scene, items=items, lettering=lines), SHEET, SHEET))
    return out


def stretched(scene: Scene, width: int, height: int) -> np.ndarray:
    """The scene drawn at a size of its aspect to the pixel."""
    return render(replace(scene, width=width, height=height), width, height)


def premultiplied(pixels: np.ndarray) -> np.ndarray:
    out = pixels.astype(float)
    out[..., :3] *= out[..., 3:] / 255
    return out


def laid(scene: Scene, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """(laid together from exact sheets, drawn by the exact renderer) of what a plan of the scene says."""
    planned = plan.to_plan(scene)
    parts = layers.taken_apart(planned)
    return layers.composed(parts, exact_sheets(parts, width, height), width, height), stretched(plan.scene_of(planned), width, height)


items = st.builds(
    Item, st.sampled_from(("fox", "crown", "bicycle", "apple")), st.sampled_from(("flat", "fluent", "noto", "line")),
    st.floats(-0.1, 1.1), st.floats(-0.1, 1.1), st.floats(0.12, 0.8), st.sampled_from((0.0, 0.0, 15.0, -30.0, 90.0, 200.0)), st.booleans(),
    st.sampled_from((None, RED)),
).map(lambda i: replace(i, turn=0.0) if i.style == "fluent" else i)  # resvg shades the soft lights of this art otherwise when it is turned
lines = st.builds(
    Lettering, st.sampled_from(("HELLO", "a", "Go on!")), st.sampled_from(("sans", "slab")), st.floats(0.3, 0.7), st.floats(0.1, 0.9),
    st.floats(0.12, 0.3), st.just(BLUE),
)
grounds = st.sampled_from((Background("transparent"), Background("solid", ("#f7d020",)), Background("backdrop", name="sea", variant=1)))
scenes = st.builds(
    lambda shape, ground, i, t: Scene(*shape, ground, tuple(i), tuple(t)),
    st.sampled_from(SHAPES), grounds, st.lists(items, min_size=1, max_size=3), st.lists(lines, max_size=1),
)


@settings(max_examples=40, deadline=None)
@given(scenes, st.sampled_from((128, 256, 300)))
def test_exact_sheets_laid_together_are_the_exact_picture(scene: Scene, short: int) -> None:
    w, h = frame(scene.width, scene.height)
    ours, exact = laid(scene, round(w * short), round(h * short))
    apart = np.abs(premultiplied(ours) - premultiplied(exact))
    assert apart.mean() < 1.0, "of 255: edges are softer by part of a pixel"
    coarse = apart[: short // 8 * 8, : short // 8 * 8].reshape(short // 8, 8, short // 8, 8, 4).mean((1, 3))
    assert coarse.max() < 30, "nowhere is a thing missing or moved"


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (0.3, -0.3), (0.5, 0.5)])
def test_a_thing_lies_within_half_a_pixel_of_its_place(dx: float, dy: float) -> None:
    disc = np.zeros((SHEET, SHEET, 4), np.uint8)
    y, x = np.mgrid[:SHEET, :SHEET] + 0.5 - SHEET / 2
    disc[np.hypot(x, y) < 0.3 * SHEET] = 255
    for turn in (0.0, 40.0):
        one = layers.Laid(0, (30 + dx) / 64, (30 + dy) / 64, 0.5, (0.4, 0.4), turn)
        alpha = layers.composed(Layers(64, 64, None, (plan.read("canvas 64x64"),), (one,)), [disc], 64, 64)[..., 3].astype(float)
        rows, columns = np.mgrid[:64, :64] + 0.5
        assert abs((alpha * columns).sum() / alpha.sum() - 30 - dx) < 0.1 and abs((alpha * rows).sum() / alpha.sum() - 30 - dy) < 0.1
        assert abs(np.sqrt(alpha.sum() / 255 / np.pi) - 0.3 * 32) < 0.15


def test_a_picture_that_is_stretched_is_stretched_with_its_things() -> None:
    planned = plan.to_plan(Scene(64, 64, Background("solid", ("#ffffff",)), (replace(FOX, turn=30.0, x=0.4),)))
    parts = layers.taken_apart(planned)
    ours = layers.composed(parts, exact_sheets(parts, 256, 256), 300, 200)
    exact = resized(render(plan.scene_of(planned), 600, 600), 300, 200)
    assert np.abs(ours.astype(int) - exact.astype(int)).mean() < 1.0


def test_what_lies_beyond_the_frame_is_cut_off() -> None:
    for x, y, columns, rows in ((0.0, 0.5, slice(70, None), slice(None)), (0.5, 1.0, slice(None), slice(0, 58))):
        ours, exact = laid(Scene(64, 64, Background("transparent"), (replace(FOX, x=x, y=y, size=0.5),)), 128, 128)
        assert not ours[rows, columns].any() and ours[..., 3].any()
        assert np.abs(premultiplied(ours) - premultiplied(exact)).mean() < 1.0
    gone = laid(Scene(64, 64, Background("transparent"), (replace(FOX, x=-0.8),)), 128, 128)[0]
    assert not gone.any()


def test_a_half_transparent_edge_keeps_its_colour() -> None:
    """On nothing the edge is transparent and red, on white pink, on another sheet's edge the sum of both."""
    sheet = np.zeros((64, 64, 4), np.uint8)
    sheet[16:48, 16:48] = (255, 0, 0, 128)
    one = layers.Laid(0, 0.5, 0.5, 1.0, (0.4, 0.4))
    bare = Layers(64, 64, None, (plan.read("canvas 64x64"),), (one,))
    assert layers.composed(bare, [sheet], 64, 64)[32, 32].tolist() == [255, 0, 0, 128]
    assert layers.composed(replace(bare, laid=(one, one)), [sheet], 64, 64)[32, 32].tolist() == [255, 0, 0, 192]
    white = replace(bare, ground=plan.read("canvas 64x64 solid #ffffff"))
    on_white = layers.composed(white, [np.full((64, 64, 4), 255, np.uint8), sheet], 64, 64)
    assert on_white[32, 32].tolist() == [255, 127, 127, 255] and (on_white[..., 3] == 255).all() and (on_white[0] == 255).all()
    edges = layers.composed(bare, [sheet], 50, 50)
    assert (edges[edges[..., 3] > 8][:, 0] > 240).all() and not edges[..., 1:3].any(), "no dark rim"


def test_a_haze_is_cleared_and_an_edge_stays_where_it_is() -> None:
    sheet = np.full((2, 3, 4), 90, np.uint8)
    sheet[..., 3] = (0, 20, 64), (127, 235, 255)
    clear = layers.cleared(sheet)
    assert clear[..., 3].tolist() == [[0, 0, 48], [127, 255, 255]] and (clear[..., :3] == 90).all()


def test_the_same_thing_is_painted_once() -> None:
    box = (0, 0, 20, 20)
    fox = PlanItem("fox", box, "flat")
    others = (replace(fox, colour=RED), replace(fox, style="line"), replace(fox, name="apple"))
    same = (replace(fox, box=(50, 50, 90, 90)), replace(fox, turn=30), replace(fox, flip=True))
    hello = PlanText("HELLO", (0, 80, 60, 95), "sans", RED)
    parts = layers.taken_apart(Plan(64, 64, "solid #ffffff", (fox, *same, *others), (hello, replace(hello, box=(0, 0, 30, 8)))))
    assert [x.piece for x in parts.laid] == [0, 0, 0, 0, 1, 2, 3, *(4, 5, 6, 6, 7) * 2] and len(parts.sheets) == 9, "H, E, L, O"
    assert all((p.width, p.height, p.background) == (64, 64, "transparent") for p in parts.pieces)
    assert parts.ground == Plan(64, 64, "solid #ffffff") and [x.flip for x in parts.laid[:4]] == [False, False, False, True]
    assert layers.taken_apart(Plan(64, 64, "transparent", (fox,))).ground is None
    for kept in (Plan(64, 64, "solid #ffffff"), Plan(64, 64, "transparent")):
        assert layers.taken_apart(kept) == layers.whole(kept)


@pytest.mark.parametrize("shape", SHAPES)
def test_lettering_lies_in_its_box(shape: tuple[int, int]) -> None:
    x0, y0, x1, y1 = 10, 60, 90, 85
    planned = Plan(*shape, "transparent", (), (PlanText("HELLO", (x0, y0, x1, y1), "sans", BLUE),))
    parts = layers.taken_apart(planned)
    width, height = 4 * shape[0], 4 * shape[1]
    ours = layers.composed(parts, exact_sheets(parts, width, height), width, height)
    rows, columns = np.nonzero(ours[..., 3] > 40)
    assert x0 * width / 100 - 2 <= columns.min() and columns.max() <= x1 * width / 100 + 2
    assert y0 * height / 100 - 2 <= rows.min() and rows.max() <= y1 * height / 100 + 2
    assert abs((columns.min() + columns.max() + 1) / 2 - width / 2) < 0.02 * width
    assert (ours[rows, columns][:, :3] == (0x25, 0x63, 0xEB)).mean() > 0.8


# ---------------------------------------------------------------------------------------------------------------------
# through the engine, with weights that know nothing

TWO = """canvas 64x64 solid #2563eb
fox flat 5 5 45 45
fox flat 55 55 95 95 flip
apple flat 60 5 90 35
text "HI" sans 5 70 40 90 #ffffff"""
ONE = "canvas 64x64 transparent\nfox flat 5 5 45 45"


@pytest.fixture(scope="module")
def engine() -> PocketEngine:
    return made(tokens.train(["a fox and an apple"], 300).with_marks(shorthand.MARKS), concepts=("fox", "apple"))


def told(text: str, **more: object) -> Ask:
    options = {"plan": text, **more.pop("options", {})}  # type: ignore[dict-item]
    return ask(says("a fox"), **{"width": 128, "height": 128, "options": options, **more})


def test_pictures_are_the_same_alone_and_together(engine: PocketEngine) -> None:
    asks = [told(TWO, seed=3, count=3), told(ONE, seed=9), told(TWO + "\ncrown flat 40 40 60 60", seed=4, width=256, height=256),
            told(TWO.replace("#2563eb", "#2563eb look watercolour"), seed=5), told(TWO, seed=6, options={"layers": "off"}),
            told("canvas 64x64 solid #ffffff", seed=7)]
    assert len({engine.batch_key(a) for a in asks}) == 1 and sum(a.count for a in asks) >= BATCH
    together = list(engine.respond_together(asks))
    for place, one in enumerate(asks):
        mine, alone = [e for where, e in together if where == place], list(engine.respond(one))
        assert [e for e in mine if isinstance(e, Step)] == [e for e in alone if isinstance(e, Step)]
        for a, b in zip(mine, alone, strict=True):
            assert type(a) is type(b)
            if isinstance(a, Drew) and isinstance(b, Drew):
                assert a.picture.origin == b.picture.origin
                assert np.abs(premultiplied(a.picture.pixels) - premultiplied(b.picture.pixels)).max() <= 8


def test_every_different_sheet_is_painted_once_for_each_picture(engine: PocketEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[torch.Size] = []
    predict = engine.model.predict

    def counted(z: torch.Tensor, *rest: object) -> torch.Tensor:
        rows.append(z.shape)
        return predict(z, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.model, "predict", counted)
    pictures(engine, told(TWO, steps=1, count=2))
    assert [len(z) if isinstance(z, torch.Tensor) else z[0] for z in rows] == [8, 2]  # background, fox, apple, H, I; twice
    rows.clear()
    pictures(engine, told(TWO.replace("64x64", "106x64"), steps=1, width=640, height=384))
    assert sorted((z[0], z[1]) for z in rows) == [(1, 60), (4, 64)]
    rows.clear()
    pictures(engine, told(TWO, steps=1, options={"layers": "off"}))
    assert [z[0] for z in rows] == [1]


def test_steps_and_previews(engine: PocketEngine) -> None:
    events = list(engine.respond(told(TWO, steps=4)))
    assert [(e.index, e.total) for e in events if isinstance(e, Step)] == [(k, 4) for k in (1, 2, 3, 4)]
    shown = [e.picture for e in events if isinstance(e, Preview)]
    assert [p.pixels.shape for p in shown] == [(128, 128, 4)] * 3
    assert not any(isinstance(e, Preview) for e in engine.respond(told(TWO, steps=1)))


def test_an_edit_is_painted_in_layers_and_keeps_the_rest(engine: PocketEngine) -> None:
    before = picture(128, 128)
    before = replace(before, origin={"plan": plan.write(plan.read(TWO))})
    after = TWO + "\nfox flat 40 40 60 60"
    both = [pictures(engine, ask(says(before, "so"), options={"plan": after, "layers": how}))[0].pixels for how in ("on", "off")]
    assert not np.array_equal(*both)
    for new in both:
        assert np.array_equal(new[:32], before.pixels[:32]) and not np.array_equal(new[56:72, 56:72], before.pixels[56:72, 56:72])


@pytest.mark.parametrize("given", ["maybe", "", 2])
def test_what_is_no_answer_to_layers_is_refused(engine: PocketEngine, given: object) -> None:
    with pytest.raises(BadInput, match=f'"{given}".*on.*off'):
        engine.respond(told(TWO, options={"layers": given}))
    for known in ("On", True, "false", " off "):
        engine.batch_key(told(TWO, options={"layers": known}))


def test_weights_without_plans_have_no_layers() -> None:
    plain = made(tokens.train(["a fox"], 300), (Ability.DRAW,), plans=False)
    with pytest.raises(CannotDo, match="layers"):
        plain.respond(ask(says("a fox"), options={"layers": "on"}))
