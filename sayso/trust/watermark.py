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
SYMBOLS, STEP = 4, 3  # payload patterns; canvas pixels between two values of a shift
GRID = TILE // STEP  # values along one axis of a shift: GRID² values = 10 bits
BITS = 32
SMALLEST, LONGEST = 96, 12  # pixels along the shorter side, and longer by shorter side, outside which nothing is marked or read
BANDS = ((6, 27), (4, 15))  # cycles per tile: wavelengths of 16 to 3.6 canvas pixels in the fine sets, of 24 to 6.4 in the coarse
SYNC_WEIGHT = 1.5  # amplitude of the synchronising pattern; a payload pattern has 1
STRENGTHS = (0.7, 1.0)  # root mean square of the mark on flat ground, in levels of 255; tried in this order
ALONE = (0.7, 1.0, 1.4)  # the same where nothing but the mark can find the picture again, or only a part of it can be seen
LOUDEST = 1.9  # the same over all that can be seen: 42.5 dB
TESTED = {False: ("JPEG", 75), True: ("WEBP", 80)}  # recompression that a mark must survive before it is given out, by `alone`
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
def _spectra(key: bytes) -> np.ndarray:
    """complex64 [TEMPLATES, 1 + SYMBOLS, T, T/2+1]: the patterns, each of unit variance in the tile."""
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
        out.append(np.fft.rfft2(tile / tile.std()))
    return np.stack(out).reshape(TEMPLATES, 1 + SYMBOLS, TILE, TILE // 2 + 1).astype(np.complex64)


def _template(value: int, small: bool) -> int:
    """Which set of patterns spells an id."""
    return FINE + value % COARSE if small else value % FINE


def _tile(key: bytes, value: int, template: int) -> np.ndarray:
    """float32 [T, T] of unit variance: the mark that spells an id."""
    patterns = _spectra(key)[template]
    fy, fx = np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None]
    total = SYNC_WEIGHT * patterns[0]
    for pattern, symbol in zip(patterns[1:], symbols([value])[0], strict=True):
        down, across = symbol // GRID * STEP, symbol % GRID * STEP
        total = total + pattern * np.exp(-2j * np.pi * (fy * down + fx * across))
    tile = np.fft.irfft2(total, (TILE, TILE))
    return np.clip(tile / tile.std(), -2.2, 2.2).astype(np.float32)


# Planes: luminance, the canvas, what is left when a picture is taken away.


def _box(plane: np.ndarray, radius: int) -> np.ndarray:
    """float32 [h, w]: mean over a square window, edges repeated. Sums run along one axis at a time, where 24 bits are enough."""
    size = 2 * radius + 1
    for axis in (1, 0):
        padded = np.pad(plane, [(radius + 1, radius) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        sums = np.cumsum(padded, axis=axis)
        plane = sums[:, size:] - sums[:, :-size] if axis else sums[size:] - sums[:-size]
    plane *= np.float32(1 / size**2)
    return plane


def _resize(plane: np.ndarray, height: int, width: int, way: Image.Resampling = Image.Resampling.BILINEAR) -> np.ndarray:
    """float32 or uint8 [H, W] → [height, width] of the same type."""
    if plane.shape == (height, width):
        return plane
    return np.asarray(Image.fromarray(plane).resize((width, height), way))


def luminance(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """float32 [H, W] laid on the mean of what can be seen, and bool [H, W] of what can be seen or None when all can."""
    plane = pixels[..., :3].astype(np.float32) @ LUMA
    if int(pixels[..., 3].min()) == 255:
        return plane, None
    alpha = pixels[..., 3].astype(np.float32) / 255
    mean = float((plane * alpha).sum() / max(float(alpha.sum()), 1))
    return mean + (plane - mean) * alpha, alpha > 0


def fits(height: int, width: int) -> bool:
    """Whether a picture of so many pixels can carry a mark."""
    return min(height, width) >= SMALLEST and max(height, width) <= LONGEST * min(height, width)


def _canvas_size(height: int, width: int) -> tuple[int, int]:
    short = min(height, width)
    return round(height * SIDE / short), round(width * SIDE / short)


def _quiet(canvas: np.ndarray) -> np.ndarray:
    """float32 [h, w] in −1..1: a plane without its slow changes, each place weighed by how quiet its surroundings are."""
    canvas = canvas - np.float32(128)
    rest = canvas - _box(canvas, 3)
    return np.clip(rest / (_box(rest * rest, 4) + 1), -1, 1)


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
    """float32 [h, w]: how much noise hides in the texture here; edges between flat areas hide none and count as flat.

    The standard deviation in blocks of 4², and of 5² such blocks the least: beside an edge there is a flat block.
    """
    h, w = canvas.shape
    level = canvas - np.float32(128)
    mean, square = (np.asarray(Image.fromarray(plane).reduce(4)) for plane in (level, level * level))
    least = np.sqrt(np.maximum(square - mean * mean, 0))
    for axis in (0, 1):
        padded = np.pad(least, [(2, 2) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        size = least.shape[axis]
        shifted = [padded[i : i + size] if axis == 0 else padded[:, i : i + size] for i in range(5)]
        least = functools.reduce(np.minimum, shifted)
    return _resize(np.ascontiguousarray(least), h, w)


def _visible(canvas: np.ndarray, seen: np.ndarray | None) -> np.ndarray | None:
    """float32 [h, w]: share of each canvas pixel that can be seen."""
    return None if seen is None else _resize(seen.astype(np.float32), *canvas.shape)


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
    plane, seen = luminance(pixels)
    h, w = _canvas_size(height, width)
    canvas = _resize(plane, h, w)
    loud, part = _loudness(canvas), _visible(canvas, seen)
    shrunk = (min(h, height), min(w, width))
    short = min(height, width)
    template = _template(value, short < TINY or (short < SMALL and float(np.median(loud)) < QUIET))
    tile = _tile(key, value, template)
    pattern = np.tile(tile, (-(-h // TILE), -(-w // TILE)))[:h, :w]
    for strength in STRENGTHS if seen is None and not alone else ALONE:
        amplitude = np.minimum(strength + 0.3 * loud, 4)
        power = float((amplitude**2).mean() if part is None else (amplitude**2 * part).sum() / max(float(part.sum()), 1))
        amplitude *= min(1.0, LOUDEST / max(power, 1e-6) ** 0.5)
        mark = pattern * amplitude if part is None else pattern * amplitude * part
        if sure := _survives(_resize(canvas + mark, *shrunk), value, template, key, alone):
            break
    change = np.rint(_resize(mark, height, width, Image.Resampling.BICUBIC)).astype(np.int16)
    if seen is not None:
        change *= seen
    # Pure black and white leave no room on one side: a level less of contrast there makes it.
    low, high = (1, 254) if seen is None else (seen[..., None].astype(np.int16), 255 - seen[..., None].astype(np.int16))
    out = pixels.copy()
    rgb = np.clip(pixels[..., :3].astype(np.int16), low, high)
    rgb += change[..., None]
    out[..., :3] = np.clip(rgb, 0, 255, out=rgb)
    itself = canvas + np.rint(mark)
    return Marked(out, strength, sure, sure or _reads(itself, value, template, key))


def _survives(canvas: np.ndarray, value: int, template: int, key: bytes, alone: bool) -> bool:
    """Whether the id can be read from the canvas after a recompression."""
    out, (kind, quality) = io.BytesIO(), TESTED[alone]
    Image.fromarray(np.clip(np.rint(canvas), 0, 255).astype(np.uint8)).save(out, kind, quality=quality)
    again = _resize(np.asarray(Image.open(out).convert("L"), np.float32), *_canvas_size(*canvas.shape))
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
