"""Pixel patches: nothing is lost between a picture and its tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sayso.models.codecs.pixels import decode, encode, patchify, unpatchify
from sayso.models.vision import cut


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.sampled_from((1, 2, 8)), st.integers(0, 2**31))
def test_patches_are_a_permutation_and_come_back(batch: int, rows: int, columns: int, patch: int, seed: int) -> None:
    x = torch.randn(batch, 4, rows * patch, columns * patch, generator=torch.Generator().manual_seed(seed))
    tokens = patchify(x, patch)
    assert tokens.shape == (batch, rows * columns, 4 * patch * patch)
    assert torch.equal(unpatchify(tokens, patch, rows, columns), x)
    assert torch.equal(patchify(unpatchify(tokens, patch, rows, columns), patch), tokens)
    assert torch.equal(cut(x, patch), tokens)  # vision towers cut in the same order


def test_the_order_inside_a_token_is_row_column_channel() -> None:
    H, W = 4, 6
    x = torch.arange(4 * H * W).view(1, 4, H, W)
    token = patchify(x, 2)[0, 1 * 3 + 2]  # patch row 1, patch column 2
    expected = [int(x[0, c, 2 + r, 4 + k]) for r in range(2) for k in range(2) for c in range(4)]
    assert token.tolist() == expected


def test_sides_that_no_patch_divides_are_refused() -> None:
    with pytest.raises(AssertionError):
        patchify(torch.zeros(1, 4, 8, 9), 8)


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_opaque_pictures_come_back_exactly(colour: np.ndarray) -> None:
    pixels = np.concatenate((colour, np.full_like(colour[..., :1], 255)), axis=-1)
    x = encode(pixels)
    assert x.dtype == torch.float32 and x.shape == (len(pixels), 4, *pixels.shape[1:3])
    assert float(x.abs().max()) <= 1
    assert np.array_equal(decode(x), pixels)


def test_every_alpha_and_colour_comes_back_but_for_the_snapped_ends() -> None:
    """Alpha 1 and 2 are snapped to 0, 253 and 254 to 255; there, colours keep their premultiplied value."""
    alpha, colour = np.mgrid[:256, :256].astype(np.uint8)
    pixels = np.stack((colour, 255 - colour, np.full_like(colour, 77), alpha), axis=-1)
    back = decode(encode(pixels))
    inside = (alpha >= 3) & (alpha <= 252) | (alpha == 255)
    assert np.array_equal(back[inside], pixels[inside])
    assert (back[alpha <= 2] == 0).all()
    ends = (alpha == 253) | (alpha == 254)
    assert (back[ends][:, 3] == 255).all()
    premultiplied = pixels[ends][:, :3].astype(float) * alpha[ends][:, None] / 255
    assert np.abs(back[ends][:, :3] - premultiplied).max() <= 0.5 + 1e-3


def test_transparent_pixels_are_zero_whatever_colour_they_hid() -> None:
    pixels = np.array([[[200, 10, 30, 0]]], dtype=np.uint8)
    assert torch.equal(encode(pixels), torch.full((4, 1, 1), -1.0))
    assert decode(encode(pixels)).tolist() == [[[0, 0, 0, 0]]]


def test_what_a_model_overshoots_is_clamped() -> None:
    x = torch.tensor([5.0, -5.0, 0.0, 5.0]).view(4, 1, 1)
    assert decode(x).tolist() == [[[255, 0, 128, 255]]]
    brighter_than_its_alpha = torch.tensor([1.0, 0.0, -1.0, 0.0]).view(4, 1, 1)
    assert decode(brighter_than_its_alpha).tolist() == [[[255, 255, 0, 128]]]
    assert decode(brighter_than_its_alpha.bfloat16()).dtype == np.uint8
