"""Perceptual hashes: 256 bits that change little when a picture is recompressed, resized or toned, and how far two lie apart.

PDQ after Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm" (2019): the signs of the low
frequencies of a 64×64 luminance. Two pictures count as alike from `ALIKE` bits down, as that paper advises; pictures with too
little in them (`QUALITY`) have no hash that means anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pdqhash
from PIL import Image

ALIKE = 31  # bits of 256
QUALITY = 50  # of 100, by PDQ's own measure of how much is going on in a picture
SIDE = 256  # pixels that are looked at along the longer side; PDQ itself goes down to 64


@dataclass(frozen=True)
class Look:
    """`bits`: uint64 [4]. `quality`: 0..100."""

    bits: np.ndarray
    quality: int


def _flat(pixels: np.ndarray, ground: int) -> np.ndarray:
    """uint8 [H, W, 4] laid on a grey → uint8 [h, w, 3], reduced."""
    image = Image.fromarray(pixels)
    if int(pixels[..., 3].min()) < 255:
        image = Image.alpha_composite(Image.new("RGBA", image.size, (ground, ground, ground)), image)
    image = image.convert("RGB")
    longer = max(image.size)
    if longer > SIDE:
        size = (max(1, round(image.width * SIDE / longer)), max(1, round(image.height * SIDE / longer)))
        image = image.resize(size, Image.Resampling.BOX)
    return np.asarray(image)


def _packed(bits: np.ndarray) -> np.ndarray:
    """[256] of 0 and 1 → uint64 [4]."""
    return np.packbits(np.asarray(bits, np.uint8)).view(np.uint64)


def looks(pixels: np.ndarray) -> list[Look]:
    """The hashes under which a picture is kept: on white and, where it is transparent, on black as well."""
    grounds = (255,) if int(pixels[..., 3].min()) == 255 else (255, 0)
    return [Look(_packed(bits), int(quality)) for bits, quality in (pdqhash.compute(_flat(pixels, ground)) for ground in grounds)]


def turns(pixels: np.ndarray) -> list[Look]:
    """The hashes of the eight ways to lie: as it is, turned by quarters, and mirrored.

    Each is hashed anew: deriving them from one transform goes astray on flat art, where many coefficients are nearly zero.
    """
    flat, out = _flat(pixels, 255), []
    for turn in range(8):
        turned = np.ascontiguousarray(np.rot90(flat[:, ::-1] if turn >= 4 else flat, turn % 4))
        bits, quality = pdqhash.compute(turned)
        out.append(Look(_packed(bits), int(quality)))
    return out


def distances(columns: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """uint64 [4, N] and uint64 [4] → uint16 [N]: in how many of 256 bits each differs. Columns, so that the sums run along memory."""
    out = np.zeros(columns.shape[1], np.uint16)
    for column, word in zip(columns, bits, strict=True):
        out += np.bitwise_count(column ^ word)
    return out


def distances_plainly(columns: np.ndarray, bits: np.ndarray) -> list[int]:
    """The slow twin of `distances`, bit by bit."""
    return [sum((int(a) ^ int(b)).bit_count() for a, b in zip(row, bits, strict=True)) for row in columns.T]
