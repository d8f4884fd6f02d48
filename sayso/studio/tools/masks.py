"""Masks: where a picture may change, and putting back all that may not."""

from __future__ import annotations

import numpy as np

from sayso.errors import BadInput
from sayso.types import Picture

THRESHOLD = 128  # alpha under this may change; the OpenAI interfaces say "fully transparent areas", soft edges are cut in the middle


def mask_of(picture: Picture) -> np.ndarray:
    """bool [H, W], True where the picture is (mostly) transparent. Raises BadInput when nothing or no alpha is."""
    mask = picture.pixels[..., 3] < THRESHOLD
    if not mask.any():
        raise BadInput("the mask has no transparent part; make transparent what may change")
    return mask


def fitting(mask: np.ndarray, picture: Picture) -> np.ndarray:
    """The mask, when it is as large as the picture. Raises BadInput."""
    if mask.shape != picture.pixels.shape[:2]:
        raise BadInput(f"the mask is {mask.shape[1]}x{mask.shape[0]} and the picture {picture.width}x{picture.height}; make them the same size")
    return mask


def resized(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    """bool [height, width] by nearest neighbours."""
    rows, columns = np.arange(height) * mask.shape[0] // height, np.arange(width) * mask.shape[1] // width
    return mask[rows][:, columns]


def put_back(original: Picture, edited: Picture, mask: np.ndarray) -> Picture:
    """The edited picture with every pixel outside the mask exactly as it was. All three have one size."""
    pixels = np.where(mask[..., None], edited.pixels, original.pixels)
    return Picture(pixels, edited.origin)
