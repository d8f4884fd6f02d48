"""The compositor beside its slow twin, the exact renderer.

Stated agreement (premultiplied colours and alpha, 1 = full): mean absolute difference of a scene at most 0.02, at most
0.012 for 95 % of the scenes, at most 0.006 on average.
"""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from sayso.errors import BadInput, Unknown
from sayso.world import art, atlas, sprites
from sayso.world.compositor import compose, pack
from sayso.world.render import render
from sayso.world.sampler import FIRST_LIGHT, KINDS, sample_scene
from sayso.world.scene import BACKDROPS, PATTERNS, Background, Item, Lettering, Relation, Scene

SMALL = replace(FIRST_LIGHT, concepts=art.CORE[:12] + ("top-hat", "glasses", "chair", "basket"), fonts=("sans", "hei"))
WHITE = Background("solid", ("#ffffff",))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAYSO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield atlas.build(SMALL, 64)


def exact(scene: Scene, height: int, width: int) -> np.ndarray:
    pixels = render(scene, width, height).astype(np.float32) / 255
    pixels[..., :3] *= pixels[..., 3:]
    return pixels.transpose(2, 0, 1)


def mean_differences(scenes: list[Scene], book: atlas.Atlas, height: int, width: int) -> np.ndarray:
    drawn = compose(pack(scenes, book), book, height, width).rgba.numpy()
    return np.array([np.abs(a - exact(s, height, width)).mean() for a, s in zip(drawn, scenes)])


SIZES = [((256, 256), 64, 64), ((256, 256), 128, 128), ((384, 256), 64, 96), ((256, 448), 112, 64)]


@pytest.mark.parametrize("aspect, height, width", SIZES)
def test_agrees_with_the_exact_renderer(book, aspect, height, width):
    rng = random.Random(3)
    spec = replace(SMALL, aspects=((aspect, 1.0),))
    scenes = [sample_scene(rng, replace(spec, kinds=((kind, 1.0),))) for kind in KINDS for _ in range(5)]
    off = mean_differences(scenes, book, height, width)
    assert off.max() <= 0.02 and np.percentile(off, 95) <= 0.012 and off.mean() <= 0.006, off


GROUNDS = [Background("transparent"), WHITE] + [Background("gradient", ("#e02424", "#2563eb"), angle=a) for a in (0, 30, 90, 135, 270)]
GROUNDS += [Background("pattern", ("#f7d020", "#1e2a5a"), name) for name in PATTERNS]
GROUNDS += [Background("backdrop", name=name, variant=v) for v, name in enumerate(BACKDROPS[:4])]


def test_backgrounds_agree_to_rounding(book):
    scenes = [Scene(256, 384, ground) for ground in GROUNDS]
    drawn = compose(pack(scenes, book), book, 96, 64)
    for got, scene in zip(drawn.rgba.numpy(), scenes):
        assert np.abs(got - exact(scene, 96, 64)).max() <= 2.5 / 255, scene.background
    assert drawn.foreground.max() == 0


def _one(**changes: object) -> Item:
    return replace(Item("fox", "flat", 0.5, 0.5, 0.8), **changes)


@pytest.mark.parametrize("change", [
    {}, {"flip": True}, {"turn": 25.0}, {"turn": -30.0, "flip": True}, {"tint": "#e02424"}, {"style": "line", "tint": "#2563eb"},
    {"style": "line"}, {"shadow": True}, {"shadow": True, "turn": 15.0}, {"x": 0.05, "y": 0.9}, {"size": 0.11}, {"size": 1.6},
    {"style": "fluent", "tint": "#ffffff"}, {"style": "noto", "turn": 180.0}], ids=str)
def test_each_property_alone(book, change):
    scene = Scene(256, 256, Background("solid", ("#9ad0f5",)), (_one(**change),))
    plain = replace(scene, items=(_one(),)) if change else Scene(256, 256, scene.background)
    off = mean_differences([scene], book, 64, 64)[0]
    assert off <= 0.01
    # The tolerance must be far below what leaving the property out would cost.
    assert np.abs(exact(scene, 64, 64) - exact(plain, 64, 64)).mean() > 1.5 * off


def test_later_items_lie_over_earlier_ones_and_lettering_over_all(book):
    items = (_one(concept="car"), _one(concept="top-hat", size=0.6), _one(concept="cat", size=0.4, shadow=True))
    scene = Scene(256, 256, WHITE, items, (Lettering("Mm", "sans", 0.5, 0.5, 0.4, "#e02424"),), (Relation("on", 1, (0,)),))
    other = replace(scene, items=items[::-1])
    off = mean_differences([scene, other], book, 96, 96)
    assert off.max() <= 0.01
    assert np.abs(exact(scene, 96, 96) - exact(other, 96, 96)).mean() > 3 * off.max()


def test_foreground_is_the_coverage_of_items_and_lettering(book):
    items = (_one(x=0.25, size=0.45, shadow=True, turn=10.0),)
    line = Lettering("ok", "sans", 0.7, 0.5, 0.4, "#000000")
    scene = Scene(256, 256, Background("pattern", ("#f7d020", "#1e2a5a"), "dots"), items, (line,))
    bare = replace(scene, background=Background("transparent"), items=(replace(items[0], shadow=False),))
    got = compose(pack([scene], book), book, 64, 64).foreground[0, 0].numpy()
    assert np.abs(got - exact(bare, 64, 64)[3]).mean() <= 0.006


def test_a_batch_is_its_scenes_one_by_one(book):
    rng = random.Random(9)
    scenes = [sample_scene(rng, SMALL) for _ in range(70)]  # more than one chunk
    together = compose(pack(scenes, book), book, 64, 64)
    for k, scene in enumerate(scenes):
        alone = compose(pack([scene], book), book, 64, 64)
        assert torch.allclose(alone.rgba[0], together.rgba[k], atol=1e-5)
        assert torch.allclose(alone.foreground[0], together.foreground[k], atol=1e-5)
    assert (together.rgba[:, :3] <= together.rgba[:, 3:] + 2 / 255).all() and together.rgba.min() >= 0 and together.rgba.max() <= 1


def test_sprites_are_kept_and_made_again_when_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path))
    pairs, told = (("fox", "flat"), ("car", "noto")), []
    first, _ = sprites.art_and_glyphs(pairs, (("sans", "a"),), 32, 32, lambda done, all_: told.append((done, all_)))
    assert told == [(2, 3), (3, 3)]
    files = list((tmp_path / "sprites").iterdir())
    assert len(files) == 1
    monkeypatch.setattr(sprites.render, "sprite", None)  # the second time nothing may be drawn
    again, _ = sprites.art_and_glyphs(pairs, (("sans", "a"),), 32, 32)
    assert (again == first).all()
    monkeypatch.undo()
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path))
    files[0].write_bytes(files[0].read_bytes()[:100])
    assert (sprites.art_and_glyphs(pairs, (("sans", "a"),), 32, 32)[0] == first).all()


def test_what_cannot_be_drawn_is_refused(book):
    with pytest.raises(BadInput, match="one aspect"):
        pack([Scene(256, 256, WHITE), Scene(384, 256, WHITE)], book)
    with pytest.raises(BadInput, match="aspect"):
        compose(pack([Scene(256, 256, WHITE)], book), book, 64, 96)
    with pytest.raises(Unknown, match="sprite"):
        pack([Scene(256, 256, WHITE, (_one(concept="zebra"),))], book)
    with pytest.raises(BadInput, match="at least one"):
        pack([], book)
    with pytest.raises(BadInput, match="3000 pixels"):
        compose(pack([Scene(256, 256, WHITE, (_one(size=6.0),))], book), book, 500, 500)
    with pytest.raises(BadInput, match="8 to 512"):
        atlas.build(SMALL, 4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_draws_the_same(book):
    rng = random.Random(4)
    scenes = [sample_scene(rng, SMALL) for _ in range(40)]
    there = book.to("cuda")
    a, b = compose(pack(scenes, book), book, 64, 64), compose(pack(scenes, there), there, 64, 64)
    assert (a.rgba - b.rgba.cpu()).abs().max() < 2e-3 and (a.foreground - b.foreground.cpu()).abs().max() < 2e-3
