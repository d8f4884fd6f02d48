"""An invisible mark in a picture's luminance: keyed, no learned weights, survives copies, crops and screenshots.

A mark is one tile of band-limited noise, repeated over the picture. The tile is the sum of a synchronising pattern and of four
payload patterns; each payload pattern is shifted cyclically against the synchronising one, and the four shifts spell a 32-bit id
with 8 check bits (shift keying: one FFT correlates all 1,024 values of a symbol at once). A reader flattens the picture, folds it
to one tile, and looks for the synchronising pattern, whose peak also tells where a crop began. Patterns come from a secret key;
one of `TEMPLATES` sets is taken per id, so that averaging several pictures does not simply lay the pattern bare.

Coordinates: `H` `W` picture pixels, `h` `w` canvas pixels (shorter side `SIDE`), `T` tile side. Spread spectrum after
I. J. Cox et al., "Secure Spread Spectrum Watermarking for Multimedia" (1997); reading a repeated tile after M. Kutter,
"Watermarking resistant to translation, rotation, and scaling" (1998).
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE = 384  # canvas pixels along a picture's shorter side
TILE = 96  # a quarter of it: a whole number of pixels for most sizes, so that flat ground stays repetitive and PNG small
FINE, COARSE = 3, 2  # sets of patterns: for large pictures, for small ones
TEMPLATES = FINE + COARSE
TINY, SMALL, QUIET = 200, 320, 2.0  # the coarse patterns are for less than TINY pixels along the shorter side, and for less than
# SMALL where the texture is below QUIET levels of 255
NEAR = 2  # levels of 255 that the pixels of a cell may lie apart and count as one colour
SYMBOLS, STEP = 4, 3  # payload patterns; canvas pixels between two values of a shift
GRID = TILE // STEP  # values along one axis of a shift: GRID² values = 10 bits
BITS = 32
SMALLEST, LONGEST = 96, 12  # pixels along the shorter side, and longer by shorter side, outside which nothing is marked or read
BANDS = ((6, 27), (4, 15))  # cycles per tile: wavelengths of 16 to 3.6 canvas pixels in the fine sets, of 24 to 6.4 in the coarse
SYNC_WEIGHT = 1.5  # amplitude of the synchronising pattern; a payload pattern has 1
STRENGTHS = (0.7, 1.0)  # root mean square of the mark on flat ground, in levels of 255; tried in this order
ALONE, PARTLY = (0.7, 1.0, 1.2), (0.7, 1.0, 1.4)  # the same where nothing but the mark finds the picture again; where not all can be seen
PEAK = 2.2  # the mark's largest value by its root mean square, so that no pixel stands out
LOUDEST = 1.9  # the same over all that can be seen: 42.5 dB
TESTED = {  # recompression that a mark must survive before it is given out, by `alone`; method 0 is WebP at its quickest
    False: {"format": "JPEG", "quality": 75}, True: {"format": "WEBP", "quality": 80, "method": 0},
}
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as JPEG weighs


@dataclass(frozen=True)
class Marked:
    """`pixels`: uint8 [H, W, 4]. `sure`: the id could be read again after a recompression; `readable`: as it is given out."""

    pixels: np.ndarray
    strength: float
    sure: bool
    readable: bool


@dataclass(frozen=True)
class Read:
    """What was read. `score`: height of the synchronising peak in standard deviations of the correlation. `value`: the id."""

    value: int
    score: float
    how: str


def _check(value: int) -> int:
    """8 check bits of an id."""
    return hashlib.sha256(value.to_bytes(4, "big")).digest()[0]


def _symbols(values: np.ndarray, checks: np.ndarray) -> np.ndarray:
    """uint64 [N] ids, uint64 [N] check bits → int64 [N, SYMBOLS] in 0..GRID²-1."""
    words = values << np.uint64(8) | checks
    return np.stack([(words >> np.uint64(10 * i) & np.uint64(1023)).astype(np.int64) for i in range(SYMBOLS)], -1)


def symbols(values: Sequence[int]) -> np.ndarray:
    """Ids in 0..2³²-1 → int64 [N, SYMBOLS]: what each payload pattern's shift spells."""
    checks = np.array([_check(value) for value in values], np.uint64)
    return _symbols(np.asarray(values, np.uint64), checks)


@functools.cache
def _patterns(key: bytes) -> np.ndarray:
    """float32 [TEMPLATES, 1 + SYMBOLS, T, T]: each of unit variance."""
    fy, fx = np.fft.fftfreq(TILE, 1 / TILE)[:, None], np.fft.rfftfreq(TILE, 1 / TILE)[None]
    radius = np.hypot(fy, fx)
    out = []
    for index in range(TEMPLATES * (1 + SYMBOLS)):
        least, most = BANDS[index // (1 + SYMBOLS) >= FINE]
        inside = (radius >= least) & (radius <= most)
        raw = hashlib.shake_256(key + b"sayso mark 1" + bytes([index])).digest(TILE * TILE * 2)
        noise = np.frombuffer(raw, ">u2").astype(np.float64).reshape(TILE, TILE) / 65535 - 0.5
        whole = np.fft.rfft2(noise)
        tile = np.fft.irfft2(np.where(inside, whole / np.maximum(np.abs(whole), 1e-9), 0), (TILE, TILE))
        out.append(tile / tile.std())
    return np.stack(out).reshape(TEMPLATES, 1 + SYMBOLS, TILE, TILE).astype(np.float32)


@functools.cache
def _spectra(key: bytes) -> np.ndarray:
    """complex64 [TEMPLATES, 1 + SYMBOLS, T, T/2+1]: the spectra of the patterns."""
    return np.fft.rfft2(_patterns(key)).astype(np.complex64)


def _template(value: int, small: bool) -> int:
    """Which set of patterns spells an id."""
    return FINE + value % COARSE if small else value % FINE


def _tile(key: bytes, value: int, template: int) -> np.ndarray:
    """float32 [T, T] of unit variance: the mark that spells an id."""
    patterns = _patterns(key)[template]
    tile = SYNC_WEIGHT * patterns[0]
    for pattern, symbol in zip(patterns[1:], symbols([value])[0], strict=True):
        tile = tile + np.roll(pattern, (symbol // GRID * STEP, symbol % GRID * STEP), (0, 1))
    return np.clip(tile / tile.std(), -PEAK, PEAK).astype(np.float32)


# Planes: luminance, the canvas, what is left when a picture is taken away.


def _box(plane: np.ndarray, radius: int) -> np.ndarray:
    """float32 [h, w]: mean over a square window, edges repeated. Whole planes are added in place, as memory is what it costs."""
    h, w = plane.shape
    size, padded = 2 * radius + 1, np.pad(plane, radius, mode="edge")
    rows = padded[:, :w].copy()
    for i in range(1, size):
        rows += padded[:, i : i + w]
    out = rows[:h].copy()
    for i in range(1, size):
        out += rows[i : i + h]
    out *= np.float32(1 / size**2)
    return out


def _box_plainly(plane: np.ndarray, radius: int) -> np.ndarray:
    """The slow twin of `_box`, window by window."""
    padded = np.pad(plane, radius, mode="edge").astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1,) * 2)
    return windows.mean((2, 3)).astype(np.float32)


def _resize(plane: np.ndarray, height: int, width: int, way: Image.Resampling = Image.Resampling.BILINEAR) -> np.ndarray:
    """float32 or uint8 [H, W] → [height, width] of the same type."""
    if plane.shape == (height, width):
        return plane
    return np.asarray(Image.fromarray(plane).resize((width, height), way))


def luminance(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """float32 [H, W] laid on the mean of what can be seen, and float32 [H, W] opacity 0..1 or None when all is opaque."""
    alpha = None if int(pixels[..., 3].min()) == 255 else pixels[..., 3].astype(np.float32) / 255
    return _laid(pixels[..., :3].astype(np.float32) @ LUMA, alpha), alpha


def _laid(plane: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """float32 [H, W] laid on the mean of what can be seen of it."""
    if alpha is None:
        return plane
    mean = np.float32((plane * alpha).sum() / max(float(alpha.sum()), 1))
    return mean + (plane - mean) * alpha


def fits(height: int, width: int) -> bool:
    """Whether a picture of so many pixels can carry a mark."""
    return min(height, width) >= SMALLEST and max(height, width) <= LONGEST * min(height, width)


def _canvas_size(height: int, width: int) -> tuple[int, int]:
    short = min(height, width)
    return round(height * SIDE / short), round(width * SIDE / short)


def _quiet(canvas: np.ndarray) -> np.ndarray:
    """float32 [h, w] in −1..1: a plane without its slow changes, each place weighed by how quiet its surroundings are."""
    rest = canvas - np.float32(128)
    rest -= _box(rest, 3)
    power = _box(rest * rest, 4)
    power += 1
    rest /= power
    return np.clip(rest, -1, 1, out=rest)


def _fold(flat: np.ndarray) -> np.ndarray:
    """[h, w] → float32 [T, T]: the sum of its tiles."""
    h, w = flat.shape
    padded = np.pad(flat, ((0, -h % TILE), (0, -w % TILE)))
    return padded.reshape(padded.shape[0] // TILE, TILE, -1, TILE).sum((0, 2), dtype=np.float32)


@functools.cache
def _rings() -> tuple[np.ndarray, np.ndarray]:
    fy, fx = np.fft.fftfreq(TILE, 1 / TILE)[:, None], np.fft.rfftfreq(TILE, 1 / TILE)[None]
    ring = np.rint(np.hypot(fy, fx) / 2).astype(np.int64).ravel()
    return ring, np.bincount(ring)


def _whitened(fold: np.ndarray) -> np.ndarray:
    """complex64 [T, T/2+1]: rings of frequencies weighed by their quietness, and no single line standing out."""
    spectrum = np.fft.rfft2(fold)
    size = np.abs(spectrum).ravel()
    ring, counts = _rings()
    level = ((np.bincount(ring, size) / counts + 1e-6)[ring]).astype(np.float32)
    weight = level**-1.5 / np.maximum(size / level / 2, 1)
    return spectrum * weight.reshape(spectrum.shape)


def _correlate(spectrum: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """float32 [T, T]: correlation for every cyclic offset, in standard deviations."""
    plane = np.fft.irfft2(spectrum * pattern.conj(), (TILE, TILE))
    return plane / (plane.std() + np.float32(1e-20))


# Writing.


def _loudness(canvas: np.ndarray) -> np.ndarray:
    """float32 [h/4, w/4]: how much noise hides in the texture here; edges between flat areas hide none and count as flat.

    The standard deviation in blocks of 4², and of 5² such blocks the least: beside an edge there is a flat block.
    """
    level = canvas - np.float32(128)
    mean, square = (np.asarray(Image.fromarray(plane).reduce(4)) for plane in (level, level * level))
    least = np.sqrt(np.maximum(square - mean * mean, 0))
    for axis in (0, 1):
        padded = np.pad(least, [(2, 2) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        size = least.shape[axis]
        shifted = [padded[i : i + size] if axis == 0 else padded[:, i : i + size] for i in range(5)]
        least = functools.reduce(np.minimum, shifted)
    return np.ascontiguousarray(least)


def _cell(height: int, width: int, template: int) -> int:
    """Side in pixels of the cells over which the mark of a quiet picture is constant: half its shortest wave, at most."""
    wave = TILE * min(height, width) / SIDE / BANDS[template >= FINE][1]
    return next(side for side in range(max(1, int(wave / 2)), 0, -1) if height % side == width % side == 0)


def _levelled(planes: np.ndarray, cell: int) -> np.ndarray:
    """uint8 [4, H, W] → the same with each cell of nearly one colour made wholly so, as PNG needs it to stay small under a mark."""
    if cell == 1:
        return planes
    parts = [planes[:, down::cell, across::cell] for down in range(cell) for across in range(cell)]
    span = functools.reduce(np.maximum, parts) - functools.reduce(np.minimum, parts)
    near = (span[:3].max(0) <= NEAR) & (span[3] == 0)
    total = np.add.reduce(parts, dtype=np.uint16)
    mean = ((total + cell * cell // 2) // (cell * cell)).astype(np.uint8)
    out = planes.copy()
    for down in range(cell):
        for across in range(cell):
            np.copyto(out[:, down::cell, across::cell], mean, where=near)
    return out


def embed(pixels: np.ndarray, value: int, key: bytes, alone: bool = False) -> Marked:
    """uint8 [H, W, 4] and an id in 0..2³²-1 → the same picture with the mark.

    The least strength is taken at which the id is read again after a recompression (`TESTED`). `alone`: the picture has no
    perceptual hash, so that nothing but the mark can find it again, and the mark may be stronger. Alpha and the colours beneath
    what is wholly transparent stay as they are. A picture of which too little can be seen is marked but not `sure`; one that is
    too small or too long (`fits`) is left as it is.
    """
    assert 0 <= value < 2**BITS
    height, width = pixels.shape[:2]
    if not fits(height, width):
        return Marked(pixels, 0.0, False, False)
    plane, alpha = luminance(pixels)
    h, w = _canvas_size(height, width)
    texture = _loudness(_resize(plane, h, w))
    quiet, short = float(np.median(texture)) < QUIET, min(height, width)
    template = _template(value, short < TINY or (short < SMALL and quiet))
    cell = _cell(height, width, template) if quiet else 1
    pattern = np.tile(_tile(key, value, template), (-(-h // TILE), -(-w // TILE)))[:h, :w]
    pattern = _resize(pattern, height // cell, width // cell, Image.Resampling.BICUBIC if cell == 1 else Image.Resampling.LANCZOS)
    pattern = np.clip(pattern, -PEAK, PEAK)
    planes = _levelled(np.ascontiguousarray(pixels.transpose(2, 0, 1)), cell)
    seen = None if alpha is None else planes[3] > 0
    # Pure black and white leave no room on one side: a level less of contrast there makes it.
    ground = planes[:3].astype(np.int16)
    ground = np.clip(ground, 1, 254, out=ground) if seen is None else np.clip(ground, seen.astype(np.int16), 255 - seen.astype(np.int16))
    for strength in PARTLY if seen is not None else ALONE if alone else STRENGTHS:
        amplitude = _resize(_amplitude(strength, texture, seen), *pattern.shape)
        change = np.rint(pattern * amplitude).astype(np.int16).repeat(cell, 0).repeat(cell, 1)
        if seen is not None:
            change *= seen
        marked = np.clip(ground + change, 0, 255)
        after = _laid(np.tensordot(LUMA, marked.astype(np.float32), 1), alpha)
        if sure := _survives(_resize(after, min(h, height), min(w, width)), value, template, key, alone):
            break
    planes[:3] = marked
    readable = sure or _reads(_resize(after, h, w), value, template, key)
    return Marked(np.ascontiguousarray(planes.transpose(1, 2, 0)), strength, sure, readable)


def _amplitude(strength: float, texture: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
    """float32 [h/4, w/4]: how strong the mark is here, no louder than LOUDEST over all that can be seen."""
    amplitude = np.minimum(strength + np.float32(0.3) * texture, 4)
    part = None if seen is None else _resize(seen.astype(np.float32), *texture.shape) + np.float32(1e-9)
    power = float(np.average(amplitude**2, weights=part))
    return amplitude * np.float32(min(1.0, LOUDEST / max(power, 1e-6) ** 0.5))


def _survives(plane: np.ndarray, value: int, template: int, key: bytes, alone: bool) -> bool:
    """Whether the id can be read from a luminance after a recompression."""
    out = io.BytesIO()
    Image.fromarray(np.clip(np.rint(plane), 0, 255).astype(np.uint8)).save(out, **TESTED[alone])  # type: ignore[arg-type]
    again = _resize(np.asarray(Image.open(out).convert("L"), np.float32), *_canvas_size(*plane.shape))
    return _reads(again, value, template, key)


def _reads(canvas: np.ndarray, value: int, template: int, key: bytes) -> bool:
    found = _read_fold(_fold(_quiet(canvas)), key, "itself", templates=(template,))
    return found is not None and found.value == value


# Reading.


@dataclass(frozen=True)
class Known:
    """Marks that were given out, for reading faint ones. `values`: uint64 [N]; `symbols`: int64 [N, SYMBOLS]."""

    values: np.ndarray
    symbols: np.ndarray

    @classmethod
    def of(cls, values: Sequence[int]) -> Known:
        return cls(np.asarray(values, np.uint64), symbols(values))


PLAIN, FAINT, LISTED = 7.0, 5.5, 6.3  # standard deviations: read by itself; looked for in the list; believed from the list


def _read_fold(
    fold: np.ndarray, key: bytes, how: str, known: Known | None = None, templates: Iterable[int] = range(TEMPLATES)
) -> Read | None:
    spectrum, patterns = _whitened(fold), _spectra(key)
    best = max(((_correlate(spectrum, patterns[t, 0]), t) for t in templates), key=lambda pair: float(pair[0].max()))
    score, offset = float(best[0].max()), np.unravel_index(int(best[0].argmax()), best[0].shape)
    if score < FAINT:
        return None
    grids = [np.roll(_correlate(spectrum, patterns[best[1], 1 + i]), (-offset[0], -offset[1]), (0, 1))[::STEP, ::STEP].ravel()
             for i in range(SYMBOLS)]
    word = sum(int(grid.argmax()) << 10 * i for i, grid in enumerate(grids))
    value = word >> 8
    small = best[1] >= FINE
    if word & 255 == _check(value) and _template(value, small) == best[1] and score >= PLAIN:
        return Read(value, score, how)
    if known is None or not len(known.values):
        return None
    sums = sum(grid[known.symbols[:, i]] for i, grid in enumerate(grids)) / SYMBOLS**0.5
    ours = known.values % np.uint64(COARSE) == best[1] - FINE if small else known.values % np.uint64(FINE) == best[1]
    sums = np.where(ours, sums, -np.inf)
    likeliest = int(np.argmax(sums))
    if sums[likeliest] < LISTED:
        return None
    return Read(int(known.values[likeliest]), score, how)


def read(pixels: np.ndarray, key: bytes, known: Known | None = None, sides: Sequence[int] = (), thorough: bool = True) -> Read | None:
    """Looks for a mark of this key in uint8 [H, W, 4]; None when none is found, which proves nothing.

    `known` helps to read faint marks. `sides`: shorter sides in pixels of pictures that were given out, at which a crop would
    still lie. `thorough` also tries small turns and, for screenshots, a row of scales.
    """
    plane, _ = luminance(pixels)
    height, width = plane.shape
    if not fits(height, width):
        return None
    fold = _fold(_quiet(_resize(plane, *_canvas_size(height, width))))
    for turn in range(8):
        turned = np.rot90(fold[:, ::-1] if turn >= 4 else fold, turn % 4)
        how = "whole" if turn == 0 else "turned or mirrored"
        if found := _read_fold(np.ascontiguousarray(turned), key, how, known):
            return found
    short = min(height, width)
    for side in dict.fromkeys(side for side in sides if side > short):
        at = _resize(plane, round(height * SIDE / side), round(width * SIDE / side))
        if found := _read_fold(_fold(_quiet(at)), key, "part", known):
            return found
    return _search(plane, key, known) if thorough else None


ANGLES = (-2.0, 2.0, -1.0, 1.0, -3.0, 3.0, -1.5, 1.5, -2.5, 2.5, -0.5, 0.5)  # degrees
SMALLEST_SHARE, SCALE_STEP = 0.45, 1.015  # of a screenshot's shorter side that the picture's takes; between two scales tried


def _search(plane: np.ndarray, key: bytes, known: Known | None) -> Read | None:
    """Small turns of the whole picture, then every scale at which it may lie in a screenshot or at which it was cropped."""
    height, width = plane.shape
    h, w = _canvas_size(height, width)
    whole = Image.fromarray(_resize(plane, h, w))
    for angle in ANGLES:
        turned = np.asarray(whole.rotate(angle, Image.Resampling.BILINEAR))
        edge = max(4, round(abs(angle) / 57 * max(h, w) / 2))  # the corners that the turn left empty
        if found := _read_fold(_fold(_quiet(turned[edge:-edge, edge:-edge])), key, f"turned by {-angle:g}°", known):
            return found
    # Flattened once at twice the detail that the canvas needs, as bytes, so that each scale is a quick reduction.
    short = min(height, width)
    detail = min(1.0, 2 * SIDE / short)
    quiet = _quiet(_resize(plane, round(height * detail), round(width * detail)))
    flat = np.rint(quiet * 127 + 128).astype(np.uint8)
    share = 1.0
    while share >= SMALLEST_SHARE:
        at = _resize(flat, round(height * SIDE / short / share), round(width * SIDE / short / share))
        if found := _read_fold(_fold(at.astype(np.float32) - 128), key, f"at {share:.0%} of the shorter side", known):
            return found
        share /= SCALE_STEP
    return None
