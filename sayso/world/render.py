"""The exact renderer: a scene as SVG, and as pixels by resvg. What it draws is what every other renderer is judged by.

An item's art is fitted into its square box (side size × shorter side, centred on x, y; art that is not square is
centred in the box and clipped to its own view box), mirrored left to right where it is flipped, then turned clockwise.

Shadow: before the art and in the same place whatever the item's turn and flip, an ellipse centred 0.47 × side below the
item's centre, radii 0.38 × side and 0.08 × side, black with opacity 0.35 × (1 − r), where r is 0 at the centre and 1 on the
rim (r² = (dx / rx)² + (dy / ry)²).
"""

from __future__ import annotations

import io

import numpy as np
import resvg_py
from PIL import Image

from sayso.errors import BadInput
from sayso.world import art, fonts
from sayso.world.backdrops import background_svg
from sayso.world.colours import rgb
from sayso.world.scene import Item, Lettering, Scene
from sayso.world.svg import ellipse, glow, num

INK = "#222222"
"""Ink of the line style where an item has no tint."""

SHADOW_DOWN, SHADOW_RX, SHADOW_RY, SHADOW_OPACITY = 0.47, 0.38, 0.08, 0.35
TINT_FLOOR = 0.4
LUMA = (0.2126, 0.7152, 0.0722)

GLYPH_BOX = 1.7
"""Side of a glyph sprite's square in em. The box's centre is the middle of the glyph's advance across, and
`fonts.MIDDLE` em above the baseline down, so a sprite laid centred on (pen + advance / 2, line's y) is in its place."""

_MAX_SIDE = 8192


def tint_filter(name: str, tint: str, region: tuple[float, float, float, float]) -> str:
    """An SVG filter that gives each pixel tint × (0.4 + luma), clamped, alpha kept. `region`: x, y, width, height in user units."""
    rows = " ".join(" ".join(f"{weight * c / 255:.6f}" for weight in LUMA) + f" 0 {TINT_FLOOR * c / 255:.6f}" for c in rgb(tint))
    x, y, width, height = (num(v) for v in region)
    box = f'filterUnits="userSpaceOnUse" x="{x}" y="{y}" width="{width}" height="{height}"'
    matrix = f'<feColorMatrix type="matrix" values="{rows} 0 0 0 1 0"/>'
    return f'<filter id="{name}" {box} color-interpolation-filters="sRGB">{matrix}</filter>'


def art_svg(slug: str, style: str, side: float, prefix: str, ink: str = INK) -> str:
    """The art in a square of `side` user units from 0, 0, its ids made unique by `prefix`. Raises Unknown."""
    drawing = art.art(slug, style)
    body = drawing.body.replace("@@", prefix)
    box = f'width="{num(side)}" height="{num(side)}" viewBox="0 0 {num(drawing.width)} {num(drawing.height)}"'
    return f'<svg {box} preserveAspectRatio="xMidYMid meet" color="{ink}">{body}</svg>'


def item_svg(item: Item, width: float, height: float, prefix: str) -> str:
    """One item with its shadow on a canvas of width × height user units."""
    side = item.size * min(width, height)
    cx, cy = item.x * width, item.y * height
    out = ""
    if item.shadow:
        out += glow(prefix + "s", "#000000", SHADOW_OPACITY)
        out += ellipse(cx, cy + SHADOW_DOWN * side, SHADOW_RX * side, SHADOW_RY * side, f"url(#{prefix}s)")
    inked = item.style == "line"
    mirror = "scale(-1 1) " if item.flip else ""
    place = f"translate({num(cx)} {num(cy)}) rotate({num(item.turn)}) {mirror}translate({num(-side / 2)} {num(-side / 2)})"
    drawn = f'<g transform="{place}">{art_svg(item.concept, item.style, side, prefix, item.tint if inked and item.tint else INK)}</g>'
    if item.tint and not inked:
        reach = 0.75 * side  # a turned box reaches 0.71 of its side from its centre
        out += tint_filter(prefix + "t", item.tint, (cx - reach, cy - reach, 2 * reach, 2 * reach))
        drawn = f'<g filter="url(#{prefix}t)">{drawn}</g>'
    return out + drawn


def lettering_svg(lettering: Lettering, width: float, height: float) -> str:
    """One line of lettering on a canvas of width × height user units. Raises Unknown or BadInput for font or character."""
    em = lettering.height * min(width, height)
    line = fonts.line_path(lettering.font, lettering.text, lettering.x * width, lettering.y * height, em)
    glyphs = "".join(f'<path transform="{place}" d="{d}"/>' for d, place in line)
    return f'<g fill="{lettering.colour}">{glyphs}</g>'


def size_of(scene: Scene, width: int | None, height: int | None) -> tuple[int, int]:
    """The pixel size to draw at: the scene's own, or its aspect at the given width or height (both: within one pixel).

    Raises BadInput where width and height do not keep the scene's aspect, or a side is not in 1..8192.
    """
    if width is None and height is None:
        width, height = scene.width, scene.height
    elif width is None:
        assert height is not None
        width = max(1, round(height * scene.width / scene.height))
    elif height is None:
        height = max(1, round(width * scene.height / scene.width))
    if not (1 <= width <= _MAX_SIDE and 1 <= height <= _MAX_SIDE):
        raise BadInput(f"a picture of {width}x{height} cannot be drawn; keep each side between 1 and {_MAX_SIDE} pixels")
    if abs(width * scene.height - height * scene.width) > max(scene.width, scene.height):
        raise BadInput(f"{width}x{height} does not keep the scene's aspect {scene.width}:{scene.height}; give only one of the two")
    return width, height


def scene_svg(scene: Scene, width: int | None = None, height: int | None = None) -> str:
    """The scene as one SVG document of width × height pixels. Raises BadInput or Unknown."""
    width, height = size_of(scene, width, height)
    w, h = float(scene.width), float(scene.height)
    parts = [background_svg(scene.background, w, h)]
    parts += [item_svg(item, w, h, f"i{i}-") for i, item in enumerate(scene.items)]
    parts += [lettering_svg(lettering, w, h) for lettering in scene.lettering]
    return document("".join(parts), width, height, w, h)


def document(inner: str, width: int, height: int, box_width: float, box_height: float) -> str:
    """An SVG document of width × height pixels that shows the user units 0..box_width, 0..box_height, stretched to fit."""
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    box = f'viewBox="0 0 {num(box_width)} {num(box_height)}" preserveAspectRatio="none"'
    return f'<svg {names} width="{width}" height="{height}" {box}>{inner}</svg>'


def rasterize(svg: str) -> np.ndarray:
    """An SVG document → uint8 [H, W, 4], sRGB with straight alpha."""
    png = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)
    return np.array(Image.open(io.BytesIO(png)).convert("RGBA"))


def render(scene: Scene, width: int | None = None, height: int | None = None) -> np.ndarray:
    """The scene as uint8 [H, W, 4], sRGB with straight alpha, at its own size or at another scale. Raises BadInput or Unknown."""
    return rasterize(scene_svg(scene, width, height))


def sprite(concept: str, style: str, px: int, tint: str | None = None) -> np.ndarray:
    """A concept's art alone in its square box: uint8 [px, px, 4], straight alpha. Raises Unknown."""
    item = Item(concept, style, 0.5, 0.5, 1.0, tint=tint)  # type: ignore[arg-type]  # art() answers an unknown style
    return rasterize(document(item_svg(item, float(px), float(px), "i0-"), px, px, float(px), float(px)))


def glyph_sprite(font: str, char: str, px: int) -> np.ndarray:
    """A character's coverage: uint8 [px, px] over a square of GLYPH_BOX em (see there for where in it the glyph lies).

    Raises Unknown for the font and BadInput for a character it lacks.
    """
    half = px / 2
    line = fonts.line_path(font, char, half, half, px / GLYPH_BOX)
    glyphs = "".join(f'<path transform="{place}" d="{d}"/>' for d, place in line)
    alpha: np.ndarray = rasterize(document(f'<g fill="#000000">{glyphs}</g>', px, px, float(px), float(px)))[..., 3]
    return alpha
