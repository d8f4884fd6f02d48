"""Where a picture may change: masks as boxes, as arrays, and as marks that a model can read."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np

from sayso.world import shorthand

Box = tuple[float, float, float, float]
MARGIN = 0.02  # of the canvas: what a person's brush goes beyond the thing


def of_boxes(boxes: Sequence[Box], width: int, height: int, grow: float = MARGIN) -> np.ndarray:
    """bool [H, W]: True inside the boxes (fractions of the canvas), each grown by `grow` on all sides."""
    mask = np.zeros((height, width), dtype=bool)
    for x0, y0, x1, y1 in boxes:
        left, top = math.floor((x0 - grow) * width), math.floor((y0 - grow) * height)
        right, bottom = math.ceil((x1 + grow) * width), math.ceil((y1 + grow) * height)
        mask[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
    return mask


def brushed(boxes: Sequence[Box], width: int, height: int, rng: random.Random) -> np.ndarray:
    """As `of_boxes`, as loosely as a person paints it: grown more or less, sometimes with round corners."""
    grow = MARGIN * (0.5 + 3 * rng.random())
    if rng.random() < 0.5:
        return of_boxes(boxes, width, height, grow)
    y, x = (np.mgrid[:height, :width] + 0.5) / np.array([height, width])[:, None, None]
    mask = np.zeros((height, width), dtype=bool)
    for x0, y0, x1, y1 in boxes:  # the ellipse around the box
        rx, ry = (x1 - x0) / math.sqrt(2) + grow, (y1 - y0) / math.sqrt(2) + grow
        mask |= ((x - (x0 + x1) / 2) / rx) ** 2 + ((y - (y0 + y1) / 2) / ry) ** 2 <= 1
    return mask


def area_words(mask: np.ndarray) -> str:
    """Where a mask, bool [H, W], lets the picture change, as the marks of its box in half percents."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    H, W = mask.shape
    edges = (columns[0] / W, rows[0] / H, (columns[-1] + 1) / W, (rows[-1] + 1) / H)
    return "".join(shorthand.mark(200 * edge) for edge in edges) + " "
