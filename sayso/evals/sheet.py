"""Contact sheets: pictures side by side on a checkerboard, with or without their prompts and verdicts below them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image

from sayso.world import fonts
from sayso.world.render import rasterize

LINE = 13  # pixels of a caption's line


def checkerboard(height: int, width: int, square: int = 8) -> np.ndarray:
    """uint8 [H, W, 3] of light greys, to show transparency on."""
    y, x = np.mgrid[:height, :width] // square
    return np.where(((x + y) % 2)[..., None] == 0, np.uint8(255), np.uint8(216)).repeat(3, axis=2)


def on_checks(pixels: np.ndarray, width: int, height: int) -> Image.Image:
    """A uint8 [H, W, 4] picture resampled to a size and laid on a checkerboard."""
    ground = Image.fromarray(checkerboard(height, width))
    image = Image.fromarray(pixels, "RGBA").resize((width, height), Image.Resampling.BICUBIC)
    ground.paste(image, (0, 0), image)
    return ground


def sheet(pictures: Sequence[np.ndarray], columns: int, side: int, gap: int = 4) -> Image.Image:
    """Pictures in rows of `columns`, each `side` pixels wide and high."""
    rows = -(-len(pictures) // columns)
    out = Image.new("RGB", (columns * (side + gap) - gap, rows * (side + gap) - gap), "white")
    for i, pixels in enumerate(pictures):
        out.paste(on_checks(pixels, side, side), (i % columns * (side + gap), i // columns * (side + gap)))
    return out


def captioned(tiles: Sequence[tuple[np.ndarray, str, bool | None]], columns: int, side: int, lines: int = 4, gap: int = 10) -> Image.Image:
    """Tiles of (picture, caption, right): captions below, a green or red bar between where `right` is given."""
    rows, tall = -(-len(tiles) // columns), side + 4 + LINE * lines
    out = Image.new("RGB", (columns * (side + gap) - gap, rows * (tall + gap) - gap), "white")
    for i, (pixels, caption, right) in enumerate(tiles):
        x, y = i % columns * (side + gap), i // columns * (tall + gap)
        out.paste(on_checks(pixels, side, side), (x, y))
        if right is not None:
            out.paste((40, 160, 70) if right else (210, 50, 50), (x, y + side, x + side, y + side + 3))
        out.paste(_written(caption, side, lines), (x, y + side + 4))
    return out


def _written(caption: str, width: int, lines: int) -> Image.Image:
    """A caption in our own outlines (Latin and Chinese), wrapped and cut to `lines`."""
    em = LINE * 0.78
    chinese = sum("\u2e80" <= c for c in caption) > len(caption) / 3
    wrapped = textwrap.wrap(" ".join(caption.split()), max(4, int(width / (em * (1.0 if chinese else 0.56)))))
    if len(wrapped) > lines:
        wrapped = [*wrapped[: lines - 1], wrapped[lines - 1][:-1] + "…"]
    paths = []
    for row, line in enumerate(wrapped):
        x = 0.0
        for char in line:
            font = next((f for f in ("sans", "hei") if fonts.covers(f, char)), None)
            advance = fonts.width(font, char) * em if font else em * 0.6
            if font:
                for d, transform in fonts.line_path(font, char, x + advance / 2, (row + 0.5) * LINE, em):
                    paths.append(f"<path d={quoteattr(d)} transform={quoteattr(transform)} fill='#333'/>")
            x += advance
    size = f"width='{width}' height='{LINE * lines}'"
    pixels = rasterize(f"<svg xmlns='http://www.w3.org/2000/svg' {size}><rect {size} fill='#fff'/>{''.join(paths)}</svg>")
    return Image.fromarray(pixels[..., :3].copy())
