"""Pictures to try the mark and the look-up on, and what happens to pictures out in the world.

Five kinds, each a pure function of a seed: scenes of the drawn world, 1/f noise as photographs have it, flat infographics with
lettering, smooth gradients, and drawings on a transparent background. Every harm takes RGBA pixels and gives what somebody
would find: a file that was recompressed, resized, cropped, photographed off a screen.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

KINDS = ("drawn", "photo", "infographic", "smooth", "transparent")


def _opaque(rgb: np.ndarray) -> np.ndarray:
    """float or uint8 [H, W, 3] → uint8 [H, W, 4]."""
    full = np.full((*rgb.shape[:2], 4), 255, np.uint8)
    full[..., :3] = np.clip(np.rint(rgb), 0, 255)
    return full


def photo(seed: int, side: int) -> np.ndarray:
    """1/f noise in three correlated channels with a few soft-edged shapes in front: the statistics of a photograph."""
    rng = np.random.default_rng((1, seed))
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    fall = 1 / np.maximum(np.hypot(fy, fx), 1 / side) ** rng.uniform(0.9, 1.3)
    grey, *tints = (np.fft.irfft2(np.fft.rfft2(rng.standard_normal((side, side))) * fall) for _ in range(4))
    planes = [rng.uniform(80, 170) + rng.uniform(25, 50) * (grey / grey.std() + 0.4 * tint / tint.std()) for tint in tints]
    image = Image.fromarray(_opaque(np.stack(planes, -1))).convert("RGB")
    shapes = Image.new("L", (side, side))
    pen = ImageDraw.Draw(shapes)
    for _ in range(int(rng.integers(0, 5))):
        x, y, r = rng.uniform(0, side, 2).tolist() + [rng.uniform(side / 20, side / 5)]
        pen.ellipse((x - r, y - r, x + r, y + r), fill=int(rng.integers(40, 220)))
    colour = Image.new("RGB", (side, side), tuple(int(v) for v in rng.integers(0, 256, 3)))
    image.paste(colour, mask=shapes)
    return _opaque(np.asarray(image, np.float64) + rng.normal(0, rng.uniform(0, 4), (side, side, 1)))


def infographic(seed: int, side: int) -> np.ndarray:
    """Flat colours, bars, rules and lettering on a plain ground: the hardest kind to mark unseen."""
    rng = np.random.default_rng((2, seed))
    ground = (255, 255, 255) if rng.random() < 0.5 else tuple(int(v) for v in rng.integers(0, 256, 3))
    image = Image.new("RGB", (side, side), ground)
    pen = ImageDraw.Draw(image)
    ink = (20, 20, 20) if sum(ground) > 380 else (240, 240, 240)
    pen.text((side // 16, side // 20), f"Report {rng.integers(1000)}", fill=ink, font=ImageFont.load_default(side / 12))
    bars = int(rng.integers(3, 8))
    for i in range(bars):
        x, top = side * (0.1 + 0.8 * i / bars), side * rng.uniform(0.25, 0.75)
        pen.rectangle((x, top, x + side * 0.5 / bars, side * 0.85), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
        pen.text((x, side * 0.87), f"{rng.integers(100)} %", fill=ink, font=ImageFont.load_default(side / 28))
    for _ in range(int(rng.integers(0, 4))):
        x, y, r = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(side / 30, side / 9)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    return _opaque(np.asarray(image))


def smooth(seed: int, side: int) -> np.ndarray:
    """A gradient between two or three colours."""
    rng = np.random.default_rng((3, seed))
    y, x = np.mgrid[0:side, 0:side] / side
    turn = rng.uniform(0, 2 * np.pi)
    along = np.hypot(x - rng.uniform(), y - rng.uniform()) if rng.random() < 0.5 else x * np.cos(turn) + y * np.sin(turn)
    along = (along - along.min()) / np.ptp(along)
    stops = rng.uniform(0, 255, (int(rng.integers(2, 4)), 3))
    at = np.linspace(0, 1, len(stops))
    return _opaque(np.stack([np.interp(along, at, stops[:, c]) for c in range(3)], -1))


def drawn(seed: int, side: int, transparent: bool = False) -> np.ndarray:
    """A scene of the drawn world, as the pocket model would draw it at its best."""
    from sayso.world.render import render
    from sayso.world.sampler import default_mix, sample_scene
    from sayso.world.scene import Background

    scene = sample_scene(random.Random(seed), default_mix())
    if transparent:
        scene = replace(scene, background=Background("transparent"))
    return render(scene, side)


def picture(kind: str, seed: int, side: int = 512) -> np.ndarray:
    """uint8 [H, W, 4] of a kind of KINDS."""
    makers: dict[str, Callable[[int, int], np.ndarray]] = {
        "drawn": drawn, "photo": photo, "infographic": infographic, "smooth": smooth,
        "transparent": lambda seed, side: drawn(seed + 7_000_000, side, transparent=True),  # other scenes than those of "drawn"
    }
    return makers[kind](seed, side)


# Harms: RGBA pixels and a seed to RGBA pixels.


def _through(pixels: np.ndarray, kind: str, **how: object) -> np.ndarray:
    image = Image.fromarray(pixels)
    if kind == "JPEG":
        ground = Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image)
        image = ground.convert("RGB")
    out = io.BytesIO()
    image.save(out, kind, **how)
    return np.asarray(Image.open(out).convert("RGBA"))


def _mapped(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray, int], np.ndarray]:
    def harm(pixels: np.ndarray, seed: int) -> np.ndarray:
        out = pixels.copy()
        out[..., :3] = np.clip(np.rint(change(pixels[..., :3].astype(np.float64))), 0, 255)
        return out

    return harm


def _resized(pixels: np.ndarray, factor: float) -> np.ndarray:
    image = Image.fromarray(pixels)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return np.asarray(image.convert("RGBa").resize(size, Image.Resampling.BICUBIC).convert("RGBA"))


def _cropped(pixels: np.ndarray, seed: int, side: float) -> np.ndarray:
    """`side` of each side is kept, at a random place, and saved again as JPEG."""
    rng = random.Random(seed)
    height, width = pixels.shape[:2]
    h, w = round(height * side), round(width * side)
    y, x = rng.randint(0, height - h), rng.randint(0, width - w)
    return _through(pixels[y : y + h, x : x + w], "JPEG", quality=90)


def _window(pixels: np.ndarray, seed: int) -> np.ndarray:
    """The picture shown at 60 to 110 % in a window with a bar and text beneath, on a desktop; saved as PNG is."""
    rng = random.Random(seed)
    shown = Image.fromarray(_resized(pixels, rng.uniform(0.6, 1.1)))
    margin = shown.width // 8
    screen = Image.new("RGB", (shown.width + 2 * margin, shown.height + 2 * margin), tuple(rng.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(screen)
    pen.rectangle((margin - 6, margin - 30, margin + shown.width + 6, margin + shown.height + 40), fill=(245, 245, 247))
    pen.text((margin, margin - 25), "picture.png: viewer", fill=(40, 40, 40), font=ImageFont.load_default(16))
    pen.text((margin, margin + shown.height + 8), "1 of 12    reply   share", fill=(90, 90, 90), font=ImageFont.load_default(18))
    screen.paste(shown, (margin, margin), shown)
    return _opaque(np.asarray(screen))


def _turned(pixels: np.ndarray, seed: int) -> np.ndarray:
    image = Image.fromarray(pixels)
    degrees = 2 if seed % 2 else -2
    return np.asarray(image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255, 255)))


def _grey(pixels: np.ndarray, seed: int) -> np.ndarray:
    out = pixels.copy()
    out[..., :3] = np.asarray(ImageEnhance.Color(Image.fromarray(pixels).convert("RGB")).enhance(0))
    return out


HARMS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "none": lambda p, s: p,
    "JPEG q75": lambda p, s: _through(p, "JPEG", quality=75),
    "JPEG q50": lambda p, s: _through(p, "JPEG", quality=50),
    "WebP q80": lambda p, s: _through(p, "WEBP", quality=80),
    "half size": lambda p, s: _resized(p, 0.5),
    "brightness 1.2": _mapped(lambda v: v * 1.2),
    "gamma 0.8": _mapped(lambda v: 255 * (v / 255) ** 0.8),
    "grey": _grey,
    "mirror": lambda p, s: np.ascontiguousarray(p[:, ::-1]),
    "turn 2°": _turned,
    "crop, 50 % of the area": lambda p, s: _cropped(p, s, 0.5**0.5),
    "crop, 50 % of each side": lambda p, s: _cropped(p, s, 0.5),
    "screenshot in a window": _window,
}
