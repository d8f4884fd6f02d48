"""The finisher: shapes, validity, strict weights, its start at bicubic, its training data, and that the bundled one beats bicubic."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso import paths
from sayso.errors import BadInput, BadWeights
from sayso.models.codecs.pixels import encode
from sayso.models.upscale import POCKET, Upscaler, UpscaleSpec, enlarge_plainly, valid
from sayso.training import finish, finish_run
from sayso.world import atlas as atlases
from sayso.world import compositor
from sayso.world.render import render
from sayso.world.sampler import FIRST_LIGHT

SMALL = UpscaleSpec(factor=8, width=8, blocks=2, head=16)
BUNDLED = paths.WEIGHTS / "pocket" / "finisher.safetensors"


def fresh(spec: UpscaleSpec = SMALL, awake: bool = True) -> Upscaler:
    """A finisher with weights from a fixed seed; `awake`: with a last layer that is not zero."""
    generator = torch.Generator().manual_seed(1)
    model = Upscaler(spec)
    model.initialise(generator)
    if awake:
        torch.nn.init.normal_(model.conv_out.weight, std=0.3, generator=generator)
    return model.eval()


def pictures(count: int, height: int, width: int, seed: int = 0, spread: float = 1.0) -> torch.Tensor:
    return spread * torch.randn(count, 4, height, width, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=12)
@given(st.integers(1, 21), st.integers(1, 21), st.sampled_from((4, 8)), st.floats(0.1, 4))
def test_any_size_gives_a_valid_picture(height: int, width: int, factor: int, spread: float) -> None:
    model = fresh(UpscaleSpec(factor, 8, 1, 8))
    x = pictures(2, height, width, spread=spread)
    with torch.inference_mode():
        for drawn in (model(x), enlarge_plainly(x, factor)):
            assert drawn.shape == (2, 4, factor * height, factor * width) and drawn.dtype == torch.float32
            assert drawn.min() >= -1 and drawn.max() <= 1
            assert (drawn[:, :3] <= drawn[:, 3:]).all(), "a premultiplied colour is brighter than its alpha"


def test_at_first_it_is_bicubic() -> None:
    x = pictures(2, 9, 13)
    with torch.inference_mode():
        assert torch.equal(fresh(awake=False)(x), enlarge_plainly(x, 8))
        assert not torch.equal(fresh()(x), enlarge_plainly(x, 8))


def test_pixels_lie_where_they_lay() -> None:
    """A dot of the small picture is enlarged in place by both ways."""
    x = torch.full((1, 4, 8, 10), -1.0)
    x[:, :, 2, 7] = 1
    with torch.inference_mode():
        for drawn in (fresh(awake=False)(x), enlarge_plainly(x, 8)):
            lit = drawn[0, 3].clamp(min=-1) + 1
            y, across = torch.meshgrid(torch.arange(64), torch.arange(80), indexing="ij")
            centre = ((lit * y).sum() / lit.sum(), (lit * across).sum() / lit.sum())
            assert centre[0] == pytest.approx(2.5 * 8 - 0.5, abs=0.1) and centre[1] == pytest.approx(7.5 * 8 - 0.5, abs=0.1)


def test_batch_equals_one_by_one() -> None:
    model, x = fresh(), pictures(3, 11, 7, seed=4, spread=0.5)
    with torch.inference_mode():
        together = model(x)
        apart = torch.cat([model(one[None]) for one in x])
    assert torch.allclose(together, apart, atol=1e-5)


def test_flat_stays_flat_whatever_the_weights() -> None:
    colours = valid(pictures(6, 1, 1, seed=3, spread=0.7))
    with torch.inference_mode():
        drawn = fresh()(colours.expand(-1, -1, 9, 12))
    assert (drawn - colours).abs().max() < 1e-5


def test_reach_is_local() -> None:
    """What is drawn far from a changed pixel stays the same: no statistic of the whole picture is used."""
    model, x = fresh(), pictures(1, 40, 40, spread=0.5)
    other = x.clone()
    other[:, :, :4, :4] += 0.5
    with torch.inference_mode():
        a, b = model(x), model(other)
    assert torch.allclose(a[..., 160:, 160:], b[..., 160:, 160:], atol=1e-6) and not torch.allclose(a[..., :32, :32], b[..., :32, :32])


def test_half_precision_agrees() -> None:
    x = pictures(1, 12, 12, spread=0.5)
    with torch.inference_mode():
        whole, half = fresh()(x), fresh().bfloat16()(x)
    assert half.dtype == torch.float32 and (whole - half).abs().mean() < 0.01


def test_pocket_is_small() -> None:
    with torch.device("meta"):
        model = Upscaler(POCKET)
    assert sum(p.numel() for p in model.parameters()) <= 2_000_000
    assert UpscaleSpec.from_dict(POCKET.to_dict()) == POCKET


def test_weights_round_trip_and_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "finisher.safetensors"
    model = fresh().bfloat16()
    finish.write(path, SMALL, model.state_dict(), [{"steps": 3}])
    again, facts = finish.read(path)
    assert facts["history"] == [{"steps": 3}] and again.spec == SMALL
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor.float(), again.state_dict()[name]), name
    finish.write(path, UpscaleSpec(8, 8, 3, 16), model.state_dict(), [])
    with pytest.raises(BadWeights, match=r"lacks blocks\.2"):
        finish.read(path)
    finish.write(path, UpscaleSpec(8, 8, 1, 16), model.state_dict(), [])
    with pytest.raises(BadWeights, match=r"unknown tensor blocks\.1"):
        finish.read(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(BadWeights):
        finish.read(path)


def test_small_pictures_look_like_the_compositors() -> None:
    """What the finisher learns from is what the generator is trained on: the mean difference is under 1.5 / 255."""
    scenes = [s for s in finish.held_out_scenes(12) if not s.lettering and s.background.kind != "backdrop"][:4]
    concepts = tuple(sorted({item.concept for s in scenes for item in s.items}))
    atlas = atlases.build(replace(FIRST_LIGHT, concepts=concepts, fonts=FIRST_LIGHT.fonts[:1]), size=128, glyph_size=8)
    composed = compositor.compose(compositor.pack(scenes, atlas), atlas, 64, 64).rgba * 2 - 1
    exact = finish.shrink(encode(np.stack([render(s, 512, 512) for s in scenes])), 8)
    assert (composed - exact).abs().mean((1, 2, 3)).max() * 127.5 < 1.5


def test_spoiling_keeps_colours_and_leaves_some_alone() -> None:
    x = valid(pictures(40, 24, 24, spread=0.5))
    spoilt = finish.spoil(x, torch.Generator().manual_seed(0), 0.5)
    same = (spoilt == x).flatten(1).all(1)
    assert 8 <= int(same.sum()) <= 32
    assert (spoilt - x).abs().amax((1, 2, 3))[~same].min() > 0
    assert torch.equal(spoilt, finish.spoil(x, torch.Generator().manual_seed(0), 0.5))
    flat = torch.full((8, 4, 32, 32), 0.25)
    moved = (finish.spoil(flat, torch.Generator().manual_seed(2), 1.0) - flat).mean((2, 3)).abs().max()
    assert moved < 0.006, "a flat ground changed its mean colour"


def test_batches_are_a_function_of_seed_and_step() -> None:
    store = np.random.default_rng(0).integers(0, 256, (2, finish.SIDE, finish.SIDE, 4), dtype=np.uint8)
    first = finish.batches(store, 5, 0, 2, 16, 8)
    next(first)
    for a, b in zip(next(first), next(finish.batches(store, 5, 1, 2, 16, 8)), strict=True):
        assert torch.equal(a, b)
    small, clean, large = next(finish.batches(store, 6, 1, 2, 16, 8))
    assert large.shape == (2, 4, 128, 128) and small.shape == (2, 4, 16, 16) and torch.equal(clean, finish.shrink(large, 8))


def test_training_learns_and_keeps_what_it_learned(tmp_path: Path) -> None:
    """Discs on grounds of one colour: a hundred steps take off a fifth of the error of bicubic."""
    y, x = np.mgrid[: finish.SIDE, : finish.SIDE] % 64 - 32
    disc = (x * x + y * y < 22 * 22)[..., None]
    colours = (((255, 0, 0, 255), (255, 255, 255, 255)), ((0, 0, 90, 255), (0, 0, 0, 0)))
    store = np.stack([np.where(disc, a, b) for a, b in colours]).astype(np.uint8)
    model = fresh(UpscaleSpec(8, 24, 2, 48), awake=False)
    kept: dict[str, torch.Tensor] = {}
    plan = finish.Plan(steps=100, batch=4, crop=12, rate=0.03, seed=0, scenes=2)
    finish.train(model, store, plan, lambda weights, step: kept.update(weights), lambda *_: None)
    finish.write(tmp_path / "f.safetensors", model.spec, kept, [])
    again, _ = finish.read(tmp_path / "f.safetensors")
    exact = encode(store[:, :192, :192])
    with torch.inference_mode():
        small = finish.shrink(exact, 8)
        before, after = ((drawn - exact).abs().mean() for drawn in (enlarge_plainly(small, 8), again(small)))
    assert after < 0.8 * before


def test_bad_arguments_are_named(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    finish_run.add_arguments(parser)
    with pytest.raises(BadInput, match="--crop 300"):
        finish_run.run(parser.parse_args(["--crop", "300"]))
    with pytest.raises(BadInput, match="--rate"):
        finish_run.run(parser.parse_args(["--rate", "0"]))
    with pytest.raises(BadWeights, match="no weights"):
        finish_run.run(parser.parse_args(["--compare", "--out", str(tmp_path / "none")]))


def test_bundled_weights_beat_bicubic() -> None:
    if not BUNDLED.exists():
        pytest.skip(f"{BUNDLED.name} is not bundled here")
    assert BUNDLED.stat().st_size <= 4_000_000
    model, facts = finish.read(BUNDLED)
    assert facts["history"] and sum(p.numel() for p in model.parameters()) <= 2_000_000
    table = finish.compare(model, 6)
    for said, margin in (("clean", 3.0), ("spoilt", 2.0)):
        plain, better = table[f"bicubic, {said}"], table[f"finisher, {said}"]
        assert better["psnr"] > plain["psnr"] + margin, (plain, better)
        assert better["sharpness"] > 1.5 * plain["sharpness"], (plain, better)
        assert better["shift"] <= 0.5, better
