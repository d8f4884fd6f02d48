"""The compositor's picture memory: sprites of concepts × styles and of glyphs as tensors, with mips, on any device.

Axes: N sprites, G glyphs, S side of the finest mip in pixels. Sprites lie as [N, y, channel, x], so that resampling along
x and then along y are two plain batched matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sayso.errors import BadInput, Unknown
from sayso.world import fonts
from sayso.world.sampler import WorldSpec
from sayso.world.sprites import Progress, art_and_glyphs, plates

_SMALLEST_MIP = 8


def _mips(finest: Tensor) -> tuple[Tensor, ...]:
    """uint8 [N, S, C, S] → that and its halves down to _SMALLEST_MIP, each texel the mean of four (rounded)."""
    levels = [finest]
    while levels[-1].shape[1] > _SMALLEST_MIP and levels[-1].shape[1] % 2 == 0:
        parts = []
        for chunk in levels[-1].split(256):
            n, s, c, _ = chunk.shape
            parts.append((chunk.view(n, s // 2, 2, c, s // 2, 2).float().mean((2, 5)) + 0.5).to(torch.uint8))
        levels.append(torch.cat(parts))
    return tuple(levels)


@dataclass(eq=False)
class Atlas:
    """`art`: mips uint8 [N, S, 4, S], premultiplied. `glyphs`: mips uint8 [G, S, 1, S]. `index`: (concept, style) → n.

    `glyph_index`: (font, char) → (g, advance in em). Plates of a picture size are fetched when first asked for.
    """

    art: tuple[Tensor, ...]
    glyphs: tuple[Tensor, ...]
    index: dict[tuple[str, str], int]
    glyph_index: dict[tuple[str, str], tuple[int, float]]
    _plates: dict[tuple[int, int], tuple[Tensor, Tensor]] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return self.art[0].device

    def to(self, device: torch.device | str) -> Atlas:
        """The same atlas on another device."""
        moved = {k: (a.to(device), b.to(device)) for k, (a, b) in self._plates.items()}
        return Atlas(tuple(m.to(device) for m in self.art), tuple(m.to(device) for m in self.glyphs), self.index, self.glyph_index, moved)

    def plates(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """(patterns uint8 [6, H, W], backdrops uint8 [32, H, 3, W]) at that picture size."""
        key = (height, width)
        if key not in self._plates:
            patterns, views = plates(height, width)
            turned = np.ascontiguousarray(views.transpose(0, 1, 3, 2))
            self._plates[key] = (torch.from_numpy(patterns).to(self.device), torch.from_numpy(turned).to(self.device))
        return self._plates[key]

    def sprite(self, concept: str, style: str) -> int:
        """The row of a sprite. Raises Unknown where the atlas was built without it."""
        try:
            return self.index[concept, style]
        except KeyError:
            raise Unknown("sprite", f"{concept} in {style}", [f"{c} in {s}" for c, s in self.index]) from None

    def glyph(self, font: str, char: str) -> tuple[int, float]:
        """The row of a glyph and its advance in em. Raises Unknown where the atlas was built without it."""
        try:
            return self.glyph_index[font, char]
        except KeyError:
            raise Unknown("glyph", f"{char} in {font}", [f"{c} in {f}" for f, c in self.glyph_index]) from None


def build(spec: WorldSpec, size: int = 64, glyph_size: int = 64, progress: Progress | None = None) -> Atlas:
    """The atlas for every concept, style and font of a world, drawn at `size` pixels (a power of two is best).

    A sprite should be about as large as items get in the pictures: 64 for pictures of 64, 128 for 128 and beyond.
    Raises BadInput for a size not in 8..512.
    """
    for value in (size, glyph_size):
        if not 8 <= value <= 512:
            raise BadInput(f"sprites of {value} pixels are out of range; choose 8 to 512")
    pairs = tuple((concept, style) for style in spec.styles for concept in spec.concepts)
    letters = tuple((font, char) for font in spec.fonts for char in sorted(fonts.glyphs(font)))
    art, glyphs = art_and_glyphs(pairs, letters, size, glyph_size, progress)
    fine = torch.from_numpy(np.ascontiguousarray(art.transpose(0, 1, 3, 2)))
    widths = {(font, char): (g, fonts.width(font, char)) for g, (font, char) in enumerate(letters)}
    return Atlas(_mips(fine), _mips(torch.from_numpy(glyphs)[:, :, None]), {pair: n for n, pair in enumerate(pairs)}, widths)
