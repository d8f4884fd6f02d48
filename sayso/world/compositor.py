"""Scenes → pictures as tensors, fast enough to draw every training batch anew, on CPU or GPU.

`pack` turns scenes into flat tables once; `compose` draws them at any size of their aspect. What is drawn agrees with the
exact renderer (tests/test_compositor.py states how closely): background, then layer by layer the items' shadows and
items, then lettering. Items of a scene whose boxes do not meet lie in one layer, where painting is plain addition.

Axes: B scenes, M items, H and W pixels, T pixels of an item's tile, S texels of a sprite. The canvas lies as [B, H, 5, W];
its channels are red, green, blue (times alpha), alpha, and the coverage of items and lettering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sayso.errors import BadInput
from sayso.world.atlas import Atlas
from sayso.world.colours import rgb
from sayso.world.layout import box
from sayso.world.render import GLYPH_BOX, LUMA, SHADOW_DOWN, SHADOW_OPACITY, SHADOW_RX, SHADOW_RY, TINT_FLOOR
from sayso.world.scene import BACKDROP_VARIANTS, BACKDROPS, BACKGROUND_KINDS, PATTERNS, Background, Item, Scene

_SOLID, _GRADIENT, _PATTERN, _BACKDROP = (BACKGROUND_KINDS.index(k) for k in ("solid", "gradient", "pattern", "backdrop"))
_TILES = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536)
Mips = tuple[Tensor, ...]
_CHUNK = 64  # scenes composed at once on a CPU, so that their canvas stays in its cache

# Columns of the item table and of the glyph table.
_X, _Y, _SIZE, _TURN, _FLIP, _TINTED, _SHADOW, _RED = range(8)
_GX, _GY, _EM, _GRED = range(4)


@dataclass(frozen=True, eq=False)
class PackedScenes:
    """Scenes as tables. Items are sorted by layer, then by scene.

    `kind` int64 [B] in BACKGROUND_KINDS; `ground`, `second` float [B, 3]; `plate` int64 [B] (pattern or backdrop and
    variant); `angle` float [B] degrees. `item_scene`, `item_layer`, `item_sprite` int64 [M], `items` float [M, 10];
    `glyph_scene`, `glyph_sprite` int64 [G], `glyphs` float [G, 6].
    """

    width: int
    height: int
    kind: Tensor
    ground: Tensor
    second: Tensor
    plate: Tensor
    angle: Tensor
    item_scene: Tensor
    item_layer: Tensor
    item_sprite: Tensor
    items: Tensor
    glyph_scene: Tensor
    glyph_sprite: Tensor
    glyphs: Tensor

    def __len__(self) -> int:
        return int(self.kind.shape[0])

    def cut(self, start: int, stop: int) -> PackedScenes:
        """Scenes start..stop alone."""
        mine = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("kind", "ground", "second", "plate", "angle"):
            mine[name] = mine[name][start:stop]
        for what, names in (("item", ("item_layer", "item_sprite", "items")), ("glyph", ("glyph_sprite", "glyphs"))):
            scene = mine[f"{what}_scene"]
            here = (scene >= start) & (scene < stop)
            mine[f"{what}_scene"] = scene[here] - start
            mine.update({name: mine[name][here] for name in names})
        return PackedScenes(**mine)


@dataclass(frozen=True, eq=False)
class Composed:
    """`rgba` float32 [B, 4, H, W], premultiplied, 0..1; `foreground` float32 [B, 1, H, W]: coverage of items and lettering."""

    rgba: Tensor
    foreground: Tensor


# --- packing -------------------------------------------------------------------------------------------------------------


def _plate(background: Background) -> int:
    if background.kind == "pattern":
        return PATTERNS.index(background.name)
    if background.kind == "backdrop":
        return BACKDROPS.index(background.name) * BACKDROP_VARIANTS + background.variant
    return 0


def _reach(item: Item, scene: Scene) -> tuple[float, float, float, float]:
    """What the item and its shadow may cover, in shorter sides."""
    x0, y0, x1, y1 = box(item, scene.width, scene.height)
    if item.shadow:
        y1 = max(y1, (y0 + y1) / 2 + (SHADOW_DOWN + SHADOW_RY) * item.size)
    return x0, y0, x1, y1


def _layers(scene: Scene) -> list[int]:
    """Each item's layer: one above the highest earlier item that its box meets, 0 where it meets none."""
    if len(scene.items) == 1:
        return [0]
    boxes = [_reach(item, scene) for item in scene.items]
    layers: list[int] = []
    for k, (x0, y0, x1, y1) in enumerate(boxes):
        under = [layers[j] for j, (a0, b0, a1, b1) in enumerate(boxes[:k]) if a0 < x1 and x0 < a1 and b0 < y1 and y0 < b1]
        layers.append(1 + max(under) if under else 0)
    return layers


_BYTES: dict[str, tuple[float, float, float]] = {}


def _unit(hex_colour: str) -> tuple[float, float, float]:
    known = _BYTES.get(hex_colour)
    if known is None:
        r, g, b = rgb(hex_colour)
        known = (r / 255, g / 255, b / 255)
        if len(_BYTES) < 4096:
            _BYTES[hex_colour] = known
    return known


def _item_rows(scene: Scene, b: int, atlas: Atlas, rows: list[tuple[float, ...]]) -> None:
    for item, layer in zip(scene.items, _layers(scene)):
        tinted, colour = 0.0, (0.0, 0.0, 0.0)
        if item.tint:
            tinted, colour = 2.0 if item.style == "line" else 1.0, _unit(item.tint)
        rows.append((layer, b, atlas.sprite(item.concept, item.style), item.x, item.y, item.size, item.turn, item.flip, tinted,
                     item.shadow, *colour))


def _glyph_rows(scene: Scene, b: int, atlas: Atlas, rows: list[tuple[float, ...]]) -> None:
    short = min(scene.width, scene.height) / scene.width
    for line in scene.lettering:
        found = [atlas.glyph(line.font, char) for char in line.text]
        pen = -sum(advance for _, advance in found) / 2
        for (sprite, advance), char in zip(found, line.text):
            if not char.isspace():
                x = line.x + (pen + advance / 2) * line.height * short
                rows.append((b, sprite, x, line.y, line.height, *_unit(line.colour)))
            pen += advance


def _table(rows: list[tuple[float, ...]], columns: int) -> Tensor:
    return torch.from_numpy(np.array(rows, dtype=np.float32).reshape(len(rows), columns))


def pack(scenes: Sequence[Scene], atlas: Atlas) -> PackedScenes:
    """Scenes of one aspect as tables on the atlas' device. Raises BadInput when there is none or aspects differ."""
    if not scenes:
        raise BadInput("there is no scene to pack; give at least one")
    width, height = scenes[0].width, scenes[0].height
    items: list[tuple[float, ...]] = []
    glyphs: list[tuple[float, ...]] = []
    grounds = []
    for b, scene in enumerate(scenes):
        if scene.width * height != scene.height * width:
            raise BadInput(f"a batch has one aspect, but scenes are {width}x{height} and {scene.width}x{scene.height}; pack them apart")
        background = scene.background
        colours = (*background.colours[:2], "#000000", "#000000")
        kind = BACKGROUND_KINDS.index(background.kind)
        grounds.append((kind, _plate(background), background.angle, *_unit(colours[0]), *_unit(colours[1])))
        _item_rows(scene, b, atlas, items)
        _glyph_rows(scene, b, atlas, glyphs)
    items.sort(key=lambda item: item[:2])
    ground, item, glyph = (_table(*t).to(atlas.device) for t in ((grounds, 9), (items, 13), (glyphs, 8)))
    return PackedScenes(
        width, height, ground[:, 0].long(), ground[:, 3:6], ground[:, 6:9], ground[:, 1].long(), ground[:, 2],
        item[:, 1].long(), item[:, 0].long(), item[:, 2].long(), item[:, 3:], glyph[:, 0].long(), glyph[:, 1].long(), glyph[:, 2:],
    )


# --- tiles ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Places:
    """Where n tiles of T x T pixels lie: `scene` int64 [n], `left`, `top` int64 [n]."""

    side: int
    scene: Tensor
    left: Tensor
    top: Tensor


def _coverage(start: Tensor, side: Tensor, tile: int, texels: int, mirror: Tensor | None = None) -> Tensor:
    """Weights [n, T, S] of the texels in each pixel of a tile along one axis: a box of one pixel, at least of one texel.

    `start`: the sprite's first edge in pixels from the tile's [n]; `side`: its length in pixels [n]; `mirror` bool [n].
    """
    ratio = texels / side  # texels per pixel
    wide = ratio.clamp(min=1.0)
    middle = (torch.arange(tile, device=side.device) + 0.5 - start[:, None]) * ratio[:, None]  # [n, T]
    low = middle - wide[:, None] / 2
    if mirror is not None:
        low = torch.where(mirror[:, None], texels - low - wide[:, None], low)
    edge = low[:, :, None] - torch.arange(texels, device=side.device)  # [n, T, S]
    return ((edge + wide[:, None, None]).clamp_(0, 1) - edge.clamp_(0, 1)) / wide[:, None, None]


def _mip(mips: Mips, pixels: int) -> Tensor:
    """The coarsest mip that is at least 1.5 times `pixels` fine, or the finest."""
    for level in reversed(mips):
        if level.shape[1] >= 1.5 * pixels:
            return level
    return mips[0]


def _straight_tiles(mips: Mips, sprite: Tensor, x: Tensor, y: Tensor, side: Tensor, mirror: Tensor | None, tile: int) -> Tensor:
    """Sprites [n] with centres x, y (pixels from their tile's corner) and sides in pixels → float [n, T, C, T], 0..1."""
    level = _mip(mips, tile)
    texels, channels = level.shape[1], level.shape[2]
    across = _coverage(x - side / 2, side, tile, texels, mirror)  # [n, T, S]
    down = _coverage(y - side / 2, side, tile, texels)
    texel = level[sprite].to(torch.float32)
    narrow = torch.bmm(texel.view(-1, texels * channels, texels), across.transpose(1, 2))  # [n, S * C, T]
    out = torch.bmm(down * (1 / 255), narrow.view(-1, texels, channels * tile))  # [n, T, C * T]
    return out.view(-1, tile, channels, tile)


def _turned_tiles(mips: Mips, sprite: Tensor, x: Tensor, y: Tensor, side: Tensor, mirror: Tensor, turn: Tensor, tile: int) -> Tensor:
    """As _straight_tiles for turned sprites (clockwise degrees): bilinear, four samples a pixel."""
    level = _mip(mips, tile)
    texel = level[sprite].permute(0, 2, 1, 3).to(torch.float32)  # [n, C, S, S]
    at = (torch.arange(2 * tile, device=side.device) + 0.5) / 2
    dx, dy = at[None, None, :] - x[:, None, None], at[None, :, None] - y[:, None, None]
    angle = torch.deg2rad(turn)[:, None, None]
    half = side[:, None, None] / 2
    u = (torch.cos(angle) * dx + torch.sin(angle) * dy) / half
    v = (torch.cos(angle) * dy - torch.sin(angle) * dx) / half
    u = torch.where(mirror[:, None, None], -u, u)
    fine = F.grid_sample(texel, torch.stack((u, v), -1), mode="bilinear", padding_mode="zeros", align_corners=False)
    return F.avg_pool2d(fine, 2).permute(0, 2, 1, 3) * (1 / 255)  # [n, T, C, T]


def _tinted(tiles: Tensor, tint: Tensor, mode: Tensor) -> Tensor:
    """Tiles [n, T, 4, T] in the tints [n, 3] where mode > 0 (2: the ink simply takes the tint)."""
    alpha = tiles[:, :, 3:]
    luma = sum(weight * tiles[:, :, c:c + 1] for c, weight in enumerate(LUMA)) + TINT_FLOOR * alpha
    shade = torch.where(mode[:, None, None, None] > 1.5, alpha, luma)
    return torch.cat((torch.minimum(tint[:, None, :, None] * shade, alpha), alpha), dim=2)


def _add(layer: Tensor, tiles: Tensor, places: _Places) -> None:
    """Adds tiles [n, T, C, T] to layer [B, H, C, W] in place, leaving off what lies outside."""
    height, width, side = layer.shape[1], layer.shape[3], places.side
    if layer.device.type == "cpu":
        into, out = layer.numpy(), tiles.numpy()
        corners = zip(places.scene.tolist(), places.top.tolist(), places.left.tolist())
        for k, (b, top, left) in enumerate(corners):
            y0, y1, x0, x1 = max(top, 0), min(top + side, height), max(left, 0), min(left + side, width)
            if y0 < y1 and x0 < x1:
                into[b, y0:y1, :, x0:x1] += out[k, y0 - top:y1 - top, :, x0 - left:x1 - left]
        return
    steps = torch.arange(side, device=layer.device)
    y, x = (places.top[:, None] + steps)[:, :, None, None], (places.left[:, None] + steps)[:, None, None, :]
    channel = torch.arange(layer.shape[2], device=layer.device)[None, None, :, None]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    line = (places.scene[:, None, None, None] * height + y.clamp(0, height - 1)) * layer.shape[2] + channel
    where = line * width + x.clamp(0, width - 1)
    layer.view(-1).index_add_(0, where.reshape(-1), torch.where(inside, tiles, 0).reshape(-1))


def _buckets(extent: Tensor) -> list[tuple[int, Tensor]]:
    """(tile side, int64 indices) of all the tiles that fit their extents in pixels [n]. Raises BadInput beyond the largest."""
    limits = torch.tensor(_TILES, device=extent.device, dtype=extent.dtype)
    which = torch.bucketize(extent.ceil() + 1, limits)
    found = which.unique().tolist()
    if found and found[-1] == len(_TILES):
        raise BadInput(f"an item is {float(extent.max()):.0f} pixels wide, the compositor draws up to {_TILES[-1] - 1}; use world.render")
    return [(_TILES[k], (which == k).nonzero()[:, 0]) for k in found]


def _placed(scene: Tensor, x: Tensor, y: Tensor, tile: int) -> tuple[_Places, Tensor, Tensor]:
    """Tiles around the centres x, y in pixels; and the centres as seen from their tiles' corners."""
    left, top = (x - tile / 2).round(), (y - tile / 2).round()
    return _Places(tile, scene, left.long(), top.long()), x - left, y - top


# --- drawing -------------------------------------------------------------------------------------------------------------


def _grounds(packed: PackedScenes, atlas: Atlas, height: int, width: int) -> Tensor:
    """The backgrounds, float [B, H, 5, W]."""
    device = packed.ground.device
    canvas = torch.zeros(len(packed), height, 5, width, device=device)
    canvas[:, :, 3] = (packed.kind > 0).float()[:, None, None]
    canvas[:, :, :3] = packed.ground[:, None, :, None]
    patterns, backdrops = atlas.plates(height, width)
    which = (packed.kind == _GRADIENT).nonzero()[:, 0]
    if len(which):
        angle = torch.deg2rad(packed.angle[which])[:, None, None]
        dx, dy = torch.sin(angle), torch.cos(angle)
        x = torch.arange(width, device=device) + 0.5 - width / 2
        y = (torch.arange(height, device=device) + 0.5 - height / 2)[:, None]
        part = ((x * dx + y * dy) / (dx.abs() * width + dy.abs() * height) + 0.5).clamp(0, 1)  # [n, H, W]
        canvas[which, :, :3] = torch.lerp(packed.ground[which][:, None, :, None], packed.second[which][:, None, :, None], part[:, :, None])
    which = (packed.kind == _PATTERN).nonzero()[:, 0]
    if len(which):
        part = patterns[packed.plate[which]].float() / 255
        canvas[which, :, :3] = torch.lerp(packed.ground[which][:, None, :, None], packed.second[which][:, None, :, None], part[:, :, None])
    which = (packed.kind == _BACKDROP).nonzero()[:, 0]
    if len(which):
        canvas[which, :, :3] = backdrops[packed.plate[which]].float() / 255
    return canvas


def _shadows(canvas: Tensor, scene: Tensor, items: Tensor, short: int) -> None:
    """Darkens the canvas in place under the items that have a shadow."""
    chosen = items[:, _SHADOW].nonzero()[:, 0]
    if not len(chosen):
        return
    height, width = canvas.shape[1], canvas.shape[3]
    dark = torch.zeros(canvas.shape[0], height, 1, width, device=canvas.device)
    side = items[chosen, _SIZE] * short
    for tile, some in _buckets(2 * SHADOW_RX * side):
        rows = chosen[some]
        own = side[some]
        places, x, y = _placed(scene[rows], items[rows, _X] * width, items[rows, _Y] * height + SHADOW_DOWN * own, tile)
        at = (torch.arange(2 * tile, device=canvas.device) + 0.5) / 2
        across = ((at - x[:, None]) / (SHADOW_RX * own)[:, None]) ** 2
        down = ((at - y[:, None]) / (SHADOW_RY * own)[:, None]) ** 2
        radius = (down[:, :, None] + across[:, None, :]).sqrt_()
        alpha = F.avg_pool2d(SHADOW_OPACITY * (1 - radius).clamp_(min=0), 2)
        _add(dark, alpha[:, :, None], places)
    touched = scene[chosen].unique()
    rest = 1 - dark[touched]  # [n, H, 1, W]
    canvas[touched, :, :3] *= rest
    canvas[touched, :, 3:4] = 1 - (1 - canvas[touched, :, 3:4]) * rest


def _item_tiles(packed: PackedScenes, atlas: Atlas, rows: Tensor, x: Tensor, y: Tensor, short: int, tile: int, turned: bool) -> Tensor:
    """The drawn items of those rows, float [n, T, 5, T]."""
    table, sprite = packed.items[rows], packed.item_sprite[rows]
    side, mirror = table[:, _SIZE] * short, table[:, _FLIP] > 0
    if turned:
        tiles = _turned_tiles(atlas.art, sprite, x, y, side, mirror, table[:, _TURN], tile)
    else:
        tiles = _straight_tiles(atlas.art, sprite, x, y, side, mirror, tile)
    mode = table[:, _TINTED]
    which = mode.nonzero()[:, 0]
    if len(which):
        tiles[which] = _tinted(tiles[which], table[which, _RED:], mode[which])
    return torch.cat((tiles, tiles[:, :, 3:]), dim=2)


def _paint_layer(canvas: Tensor, packed: PackedScenes, atlas: Atlas, rows: Tensor) -> None:
    """Paints the items of one layer over the canvas in place."""
    height, width = canvas.shape[1], canvas.shape[3]
    short = min(height, width)
    scenes, table = packed.item_scene[rows], packed.items[rows]
    touched, scene = scenes.unique(return_inverse=True)
    whole = len(touched) == canvas.shape[0]
    under = canvas if whole else canvas[touched]
    _shadows(under, scene, table, short)
    layer = torch.zeros_like(under)
    turned = table[:, _TURN] != 0
    angle = torch.deg2rad(table[:, _TURN])
    extent = table[:, _SIZE] * short * (torch.cos(angle).abs() + torch.sin(angle).abs())
    for askew in (False, True):
        group = (turned == askew).nonzero()[:, 0]
        for tile, some in _buckets(extent[group]):
            mine = group[some]
            places, x, y = _placed(scene[mine], table[mine, _X] * width, table[mine, _Y] * height, tile)
            _add(layer, _item_tiles(packed, atlas, rows[mine], x, y, short, tile, askew), places)
    under.mul_(1 - layer[:, :, 3:4]).add_(layer)
    if not whole:
        canvas[touched] = under


def _letter(canvas: Tensor, packed: PackedScenes, atlas: Atlas) -> None:
    """Paints the lettering over the canvas in place; each scene's glyphs are one layer."""
    height, width = canvas.shape[1], canvas.shape[3]
    touched, scene = packed.glyph_scene.unique(return_inverse=True)
    layer = torch.zeros(len(touched), height, 5, width, device=canvas.device)
    table = packed.glyphs
    side = table[:, _EM] * min(height, width) * GLYPH_BOX
    for tile, some in _buckets(side):
        places, x, y = _placed(scene[some], table[some, _GX] * width, table[some, _GY] * height, tile)
        cover = _straight_tiles(atlas.glyphs, packed.glyph_sprite[some], x, y, side[some], None, tile)
        paint = F.pad(table[some, _GRED:], (0, 2), value=1.0)
        _add(layer, cover * paint[:, None, :, None], places)
    layer /= layer[:, :, 3:4].clamp(min=1.0)  # where neighbouring glyphs touch
    canvas[touched] = canvas[touched] * (1 - layer[:, :, 3:4]) + layer


def _compose(packed: PackedScenes, atlas: Atlas, height: int, width: int) -> Tensor:
    canvas = _grounds(packed, atlas, height, width)
    for layer in packed.item_layer.unique().tolist():
        _paint_layer(canvas, packed, atlas, (packed.item_layer == layer).nonzero()[:, 0])
    if len(packed.glyph_scene):
        _letter(canvas, packed, atlas)
    return canvas.clamp_(0, 1).permute(0, 2, 1, 3)


@torch.no_grad()
def compose(packed: PackedScenes, atlas: Atlas, height: int, width: int) -> Composed:
    """Draws packed scenes at height × width pixels, on the device of the atlas.

    Raises BadInput for another aspect, or where an item would be wider than the largest tile (about 1,500 pixels).
    """
    if abs(width * packed.height - height * packed.width) > max(packed.width, packed.height):
        raise BadInput(f"{width}x{height} pixels do not keep the scenes' aspect {packed.width}:{packed.height}")
    out = torch.empty(len(packed), 5, height, width, device=packed.ground.device)
    chunk = max(1, _CHUNK * 4096 // (height * width)) if out.device.type == "cpu" else len(packed)
    for start in range(0, len(packed), chunk):
        part = packed.cut(start, min(start + chunk, len(packed))) if chunk < len(packed) else packed
        out[start:start + chunk] = _compose(part, atlas, height, width)
    return Composed(out[:, :4], out[:, 4:])
