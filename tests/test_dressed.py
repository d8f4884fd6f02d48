"""Looks through the pocket engine, with weights that know nothing: what is painted over what, and what stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sayso.engines.keeping import resized
from sayso.engines.pocket import PocketEngine
from sayso.engines.sampling import SKETCHED
from sayso.models import tokens
from sayso.models.codecs.pixels import encode, patchify
from sayso.models.grounding import Ground
from sayso.types import Drew, Picture, Said
from sayso.world import plan, shorthand
from tests.pocket_kit import ask, made, picture, pictures, says

PLAIN = "canvas 64x64 solid #2563eb\nfox flat 5 5 45 45"
WORN = PLAIN.replace("#2563eb", "#2563eb look watercolour")


@pytest.fixture(scope="module")
def engine() -> PocketEngine:
    return made(tokens.train(["a fox and an apple"], 300).with_marks(shorthand.MARKS), concepts=("fox", "apple"))


@pytest.fixture
def predicted(engine: PocketEngine, monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Tensor, float, Ground]]:
    """What the painter is given: patches, time, and what it is told."""
    given: list[tuple[torch.Tensor, float, Ground]] = []
    predict = engine.model.predict

    def kept(z: torch.Tensor, t: torch.Tensor, where: torch.Tensor, start: torch.Tensor, cache: object, stride: object, ground: Ground
             ) -> torch.Tensor:
        given.append((z, float(t[0]), ground))
        return predict(z, t, where, start, cache, stride, ground)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.model, "predict", kept)
    return given


def seen(engine: PocketEngine, shown: np.ndarray) -> torch.Tensor:
    """A picture as the painter sees it."""
    return patchify(encode(resized(shown, 64, 64)[None]), engine.canvas.patch)


def test_a_look_is_painted_over_the_plain_picture(engine: PocketEngine, predicted: list[tuple[torch.Tensor, float, Ground]]) -> None:
    asks = [ask(says("a fox"), width=128, height=128, seed=5, options={"plan": text}) for text in (PLAIN, WORN)]
    (plain,) = pictures(engine, asks[0])
    predicted.clear()
    (worn,) = pictures(engine, asks[1])
    last, at, told = predicted[-1]
    assert torch.allclose(last, seen(engine, plain.pixels), atol=1e-6) and at == SKETCHED
    assert not told.what.any(), "it is told of the look and of nothing else"
    assert not np.array_equal(plain.pixels, worn.pixels) and plan.read(str(worn.origin["plan"])).look == "watercolour"


@pytest.mark.parametrize("size", [(128, 128), (160, 96)])
def test_a_picture_is_turned_into_a_look_as_it_is(
    engine: PocketEngine, predicted: list[tuple[torch.Tensor, float, Ground]], size: tuple[int, int]
) -> None:
    """Nothing of it is painted from a plan, whatever its plan says."""
    rows, columns = (8, 8) if size[0] == size[1] else (6, 10)
    known = replace(picture(*size), origin={"plan": plan.write(replace(plan.read(PLAIN), width=64 * columns // min(rows, columns)))})
    events = list(engine.respond(ask(says(known, "so"), options={"plan": WORN})))
    assert len(predicted) == 1 and not any(isinstance(e, Said) for e in events)
    (last, at, _) = predicted[0]
    small = resized(known.pixels, 8 * columns, 8 * rows)
    assert at == SKETCHED and torch.allclose(last, patchify(encode(small[None]), engine.canvas.patch), atol=1e-6)
    (out,) = (e.picture for e in events if isinstance(e, Drew))
    assert out.pixels.shape == known.pixels.shape and plan.read(str(out.origin["plan"])).look == "watercolour"


def test_what_comes_later_comes_in_the_look_and_the_rest_stays(
    engine: PocketEngine, predicted: list[tuple[torch.Tensor, float, Ground]]
) -> None:
    worn = Picture(picture(128, 128).pixels, {"plan": plan.write(plan.read(WORN))})
    (out,) = pictures(engine, ask(says(worn, "so"), options={"plan": WORN + "\napple flat 60 60 90 90"}))
    assert [at for _, at, _ in predicted][-1] == SKETCHED and len(predicted) > 1
    assert np.array_equal(out.pixels[:70], worn.pixels[:70]) and not np.array_equal(out.pixels[80:112, 80:112], worn.pixels[80:112, 80:112])
