"""Draw the pictures of the studio's page: signs of the examples, and a sheet of style thumbnails by arithmetic on pixels."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image, ImageFilter, ImageOps

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

ART = ROOT / "sayso" / "web" / "static" / "art"
EXAMPLES = {  # of the page's first screen: the art that stands beside the words, as a sign and not as a promise
    "fox": ("fox",),
    "boat": ("sailboat",),
    "melon": ("watermelon",),
    "owl": ("owl",),
    "cat": ("cat",),
    "apples": ("apple",),
}
SIDE, COLUMNS = 76, 8  # pixels of a thumbnail, thumbnails in a row; as sayso/web/static/js/talk/look.js has them
Pixels = np.ndarray  # float [H, W, 3] in 0..1


def base(style: str) -> Pixels:
    """The motif of all thumbnails, drawn exactly in one of the styles of the drawn world."""
    from sayso.world.render import render
    from sayso.world.scene import Background, Item, Scene, Style

    named = cast(Style, style)
    scene = Scene(
        256,
        256,
        Background("gradient", ("#8fd0f0", "#fbe3b0")),
        (Item("pine-tree", named, 0.84, 0.36, 0.5), Item("fox", named, 0.43, 0.56, 0.8)),
    )
    return np.asarray(render(scene), dtype=np.float64)[..., :3] / 255


def pil(x: Pixels) -> Image.Image:
    return Image.fromarray((np.clip(x, 0, 1) * 255).round().astype(np.uint8))


def back(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"), dtype=np.float64) / 255


def grey(x: Pixels) -> np.ndarray:
    return x @ np.array([0.2126, 0.7152, 0.0722])


def blur(x: Pixels, radius: float) -> Pixels:
    return back(pil(x).filter(ImageFilter.GaussianBlur(radius)))


def edges(x: Pixels, strength: float = 6.0) -> np.ndarray:
    """[H, W]: 1 where there is a contour."""
    down, right = np.gradient(grey(blur(x, 1.0)))
    return np.clip(np.hypot(down, right) * strength, 0, 1)


def levels(x: Pixels, count: int) -> Pixels:
    return np.round(x * (count - 1)) / (count - 1)


def flat(x: Pixels, count: int = 6) -> Pixels:
    return back(pil(x).quantize(count, method=Image.Quantize.MAXCOVERAGE, kmeans=2))


def median(x: Pixels, size: int) -> Pixels:
    return back(pil(x).filter(ImageFilter.MedianFilter(size)))


def grain(x: Pixels, amount: float, scale: int = 1) -> Pixels:
    rng = np.random.default_rng(7)
    height, width = x.shape[:2]
    noise = rng.normal(0, amount, (height // scale + 1, width // scale + 1)).repeat(scale, 0).repeat(scale, 1)[:height, :width]
    return x + noise[..., None]


def between(value: np.ndarray, *stops: str) -> Pixels:
    """[H, W] in 0..1 → colours along stops."""
    colours = np.array([[int(stop[i : i + 2], 16) / 255 for i in (1, 3, 5)] for stop in stops])
    place = np.clip(value, 0, 1) * (len(stops) - 1)
    low = np.minimum(place.astype(int), len(stops) - 2)
    return colours[low] + (colours[low + 1] - colours[low]) * (place - low)[..., None]


def blocks(x: Pixels, size: int, gap: float = 0.0, relief: float = 0.0) -> Pixels:
    """Squares of one colour; `gap` darkens their rims, `relief` shades them as if raised."""
    height, width = x.shape[:2]
    small = back(pil(x).resize((width // size, height // size), Image.Resampling.BOX))
    out = small.repeat(size, 0).repeat(size, 1)[:height, :width]
    out = np.pad(out, ((0, height - out.shape[0]), (0, width - out.shape[1]), (0, 0)), "edge")
    y, xx = np.indices((height, width))
    rim = (y % size == 0) | (xx % size == 0)
    shade = ((y % size) / size - 0.5 + (xx % size) / size - 0.5) * relief
    return out * np.where(rim, 1 - gap, 1)[..., None] - shade[..., None]


def dots(x: Pixels, size: float, ink: str, paper: str, angle: float = 0.6) -> Pixels:
    """A halftone of one ink."""
    y, xx = np.indices(x.shape[:2])
    u, v = xx * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - xx * np.sin(angle)
    screen = (np.cos(u * 2 * np.pi / size) + np.cos(v * 2 * np.pi / size)) / 4 + 0.5
    return between(1 / (1 + np.exp(-(grey(x) - screen) * 14)), ink, paper)


def hatch(x: Pixels, ink: str, paper: str, spacing: float, angles: tuple[float, ...]) -> Pixels:
    """Lines whose number grows with darkness."""
    y, xx = np.indices(x.shape[:2])
    dark, out = 1 - grey(x), np.ones(x.shape[:2])
    for nth, angle in enumerate(angles, 1):
        lines = np.cos((xx * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / spacing) * 0.5 + 0.5
        out = np.where(dark > nth / (len(angles) + 1), np.minimum(out, 1 - lines * 0.9), out)
    return between(np.minimum(out, 1 - edges(x, 8)), ink, paper)


def inked(x: Pixels, strength: float = 7.0, ink: tuple[float, float, float] = (0.08, 0.07, 0.1)) -> Pixels:
    line = edges(x, strength)[..., None]
    return x * (1 - line) + np.array(ink) * line


def relief(x: Pixels, dark: str, light: str, depth: float = 5.0, *more: str) -> Pixels:
    """Lit from the upper left, as a surface of one material."""
    down, right = np.gradient(grey(blur(x, 2)))
    return between(0.5 + (down + right) * depth * 0.7 + (grey(x) - 0.5) * 0.35, dark, *more, light)


def strokes(x: Pixels, size: int, spread: float = 0.06) -> Pixels:
    return median(grain(x, spread, 3), size)


def saturated(x: Pixels, by: float) -> Pixels:
    return np.clip(grey(x)[..., None] + (x - grey(x)[..., None]) * by, 0, 1)


def glow(x: Pixels, *stops: str) -> Pixels:
    line = edges(x, 9)
    shine = grey(blur(np.repeat(line[..., None], 3, 2), 5)) * 1.6
    return np.clip(between(np.clip(shine, 0, 1), *stops) + line[..., None] * 0.85, 0, 1)


def facets(x: Pixels, size: int, lines: float = 0.0) -> Pixels:
    """Cells around scattered points, each of one colour."""
    rng = np.random.default_rng(5)
    height, width = x.shape[:2]
    points = np.stack([rng.integers(0, height, height * width // size**2), rng.integers(0, width, height * width // size**2)], 1)
    y, xx = np.indices((height, width))
    far = (y[..., None] - points[:, 0]) ** 2 + (xx[..., None] - points[:, 1]) ** 2
    order = np.partition(far, 1, axis=2)
    rim = np.sqrt(order[..., 1]) - np.sqrt(order[..., 0]) < 1.6
    out = blur(x, 1.5)[points[:, 0], points[:, 1]][far.argmin(2)]
    return out * np.where(rim, 1 - lines, 1)[..., None]


def toned(x: Pixels, *stops: str) -> Pixels:
    return between(np.clip((grey(x) - 0.15) / 0.75, 0, 1), *stops)


def vignette(x: Pixels, by: float = 0.6) -> Pixels:
    y, xx = np.indices(x.shape[:2])
    far = np.hypot(y / x.shape[0] - 0.5, xx / x.shape[1] - 0.5)
    return x * (1 - by * far[..., None] ** 1.5 * 1.6)


def scanned(x: Pixels, by: float = 0.25) -> Pixels:
    return x * (1 - by * (np.indices(x.shape[:2])[0] % 4 < 2))[..., None]


def framed(x: Pixels) -> Pixels:
    """On white card, as an instant photograph is."""
    out = np.full_like(x, 0.97)
    out[16:206, 16:240] = back(pil(toned(x, "#1f2a38", "#a98d6f", "#fff3d4") * 0.45 + x * 0.55).resize((224, 190)))
    return out


def rounded(x: Pixels) -> Pixels:
    mask = Image.new("L", (256, 256), 0)
    from PIL import ImageDraw

    ImageDraw.Draw(mask).rounded_rectangle((14, 14, 242, 242), 56, fill=255)
    part = np.asarray(mask, dtype=np.float64)[..., None] / 255
    return x * part + np.array([0.93, 0.92, 0.9]) * (1 - part)


def posterised(x: Pixels) -> Pixels:
    return back(ImageOps.posterize(pil(saturated(x, 2.4)), 1))


MADE: dict[str, Callable[[Pixels], Pixels]] = {
    "pixel": lambda x: blocks(levels(x, 6), 10),
    "sketch": lambda x: between(1 - edges(x, 7) * 0.9 - (1 - grey(x)) * 0.18, "#2a2a2e", "#fbfaf6"),
    "watercolour": lambda x: np.clip(grain(blur(strokes(x, 9), 1), 0.02, 4) * 0.75 + 0.27, 0, 1),
    "neon": lambda x: glow(x, "#07020f", "#7a12c9", "#ff4fd8"),
    "blueprint": lambda x: between(edges(x, 8), "#123a7d", "#e8f1ff"),
    "papercut": lambda x: inked(flat(median(x, 9), 5), 2.5),
    "glass": lambda x: facets(saturated(x, 1.7), 20, 0.95),
    "mosaic": lambda x: blocks(saturated(x, 1.3), 12, 0.55),
    "comic": lambda x: inked(dots(x, 7, "#24346b", "#fff7e0") * 0.4 + flat(saturated(x, 1.6), 6) * 0.6, 8),
    "woodcut": lambda x: hatch(x, "#1b1512", "#f1e6cf", 6, (0.5, 0.5, 0.5)),
    "stitch": lambda x: blocks(saturated(x, 1.2), 9, 0.35, 0.35),
    "oil": lambda x: strokes(saturated(x, 1.25), 9, 0.12),
    "chalk": lambda x: grain(between(edges(x, 7), "#24332c", "#f3f1e6"), 0.05),
    "charcoal": lambda x: grain(between(grey(x) * 0.9 - edges(x) * 0.6, "#161514", "#ece7de"), 0.07),
    "pastel": lambda x: grain(np.clip(blur(x, 2) * 0.6 + 0.4, 0, 1), 0.06),
    "crayon": lambda x: np.clip(grain(flat(saturated(x, 1.5), 8), 0.16, 2), 0, 1),
    "gouache": lambda x: flat(median(x, 9), 12),
    "inkwash": lambda x: between(grey(blur(strokes(x, 9), 2)) * 1.15 - edges(x, 3) * 0.35, "#17181a", "#8b8d8e", "#f4f0e6"),
    "gongbi": lambda x: inked(np.clip(blur(x, 1) * 0.55 + np.array([0.96, 0.9, 0.76]) * 0.45, 0, 1), 5, (0.35, 0.2, 0.12)),
    "ukiyoe": lambda x: inked(toned(flat(x, 5), "#1d3557", "#c8553d", "#e9c46a", "#f4ead2"), 6),
    "etching": lambda x: hatch(x, "#2b1d12", "#f4ecdc", 4, (0.8, -0.8, 0.1)),
    "screenprint": lambda x: toned(levels(x, 4), "#1d1a4b", "#e4572e", "#ffd23f", "#fff8e7"),
    "risograph": lambda x: np.minimum(dots(x, 6, "#ff4c65", "#fff9ec", 0.3), dots(x[:, ::-1][:, ::-1], 8, "#0078bf", "#fff9ec", 1.2)),
    "popart": lambda x: inked(posterised(x), 8),
    "pointillism": lambda x: np.where((grain(np.zeros_like(x), 1, 3) > 0.3), saturated(x, 2.2), x * 0.5 + 0.5),
    "impressionist": lambda x: strokes(grain(saturated(x, 1.4), 0.12, 5), 7),
    "cubist": lambda x: facets(toned(x, "#2f2a26", "#9c6b3f", "#d9c7a0", "#8fa3a0"), 30, 0.6),
    "fauvist": lambda x: strokes(np.clip(saturated(x[..., [0, 2, 1]], 2.6), 0, 1), 9, 0.1),
    "bauhaus": lambda x: toned(flat(blur(x, 3), 4), "#1b1b1b", "#d6281f", "#f2b705", "#f3ecdc"),
    "artdeco": lambda x: toned(levels(blur(x, 1), 5), "#0d1b1e", "#1f5c55", "#c79a3b", "#f5e6bd"),
    "constructivist": lambda x: toned(levels(x, 3), "#140f0d", "#cc1f1a", "#efe3c8"),
    "anime": lambda x: inked(np.clip(flat(saturated(x, 1.45), 14) * 1.08, 0, 1), 4),
    "cartoon": lambda x: inked(flat(saturated(x, 1.7), 7), 11),
    "storybook": lambda x: inked(np.clip(strokes(x, 5) * 0.8 + np.array([0.2, 0.17, 0.1]), 0, 1), 3, (0.4, 0.25, 0.18)),
    "isometric": lambda x: blocks(back(pil(x).rotate(30, expand=False, fillcolor=(236, 240, 244))), 16, 0.12, 0.12),
    "lowpoly": lambda x: facets(x, 16),
    "voxel": lambda x: blocks(saturated(x, 1.3), 14, 0.3, 0.5),
    "clay": lambda x: np.clip(blur(flat(x, 8), 3) * (0.75 + relief(x, "#000000", "#ffffff") * 0.5), 0, 1),
    "felt": lambda x: grain(blur(flat(x, 9), 3), 0.09),
    "knit": lambda x: blocks(saturated(x, 1.2), 8, 0.3, 0.6),
    "origami": lambda x: facets(flat(np.clip(x * 1.1, 0, 1), 5), 26) * 0.9 + relief(x, "#000000", "#ffffff") * 0.1,
    "porcelain": lambda x: toned(strokes(x, 5), "#0d2a7a", "#4f7bd0", "#f6f9ff", "#ffffff"),
    "bronze": lambda x: relief(x, "#2a1608", "#ffd9a0", 6, "#8c5a2b"),
    "marble": lambda x: relief(x, "#8c8a88", "#ffffff", 4, "#e6e3de"),
    "gold": lambda x: relief(x, "#4a2c00", "#fff6c7", 7, "#d99a1c"),
    "ice": lambda x: relief(x, "#2b6d9a", "#ffffff", 6, "#bfe6f7"),
    "hologram": lambda x: scanned(
        np.clip(between((grey(x) * 3) % 1, "#00e5ff", "#b388ff", "#ff8ae2", "#00ffa8") * 0.6 + edges(x, 7)[..., None] * 0.5, 0, 1)
    ),
    "vaporwave": lambda x: scanned(toned(x, "#2d1b69", "#b967ff", "#ff71ce", "#01cdfe"), 0.12),
    "synthwave": lambda x: glow(x, "#12062e", "#ff2a6d", "#ffd319"),
    "cyberpunk": lambda x: np.clip(toned(x, "#03030d", "#0b3d91", "#00f0ff") * 0.6 + glow(x, "#000000", "#ff003c") * 0.6, 0, 1),
    "sepia": lambda x: vignette(toned(x, "#2b1a0c", "#a17a4d", "#f5e3c0")),
    "noir": lambda x: vignette(between(np.clip((grey(x) - 0.35) * 2.2, 0, 1), "#000000", "#ffffff"), 1.0),
    "polaroid": framed,
    "film": lambda x: vignette(grain(np.clip(x * np.array([1.06, 1.0, 0.9]) + 0.03, 0, 1), 0.05)),
    "macro": lambda x: back(pil(x).crop((50, 70, 178, 198)).resize((256, 256), Image.Resampling.LANCZOS)),
    "xray": lambda x: toned(1 - blur(x, 2), "#02060c", "#2a5f86", "#d9f2ff"),
    "thermal": lambda x: toned(blur(x, 3), "#10004f", "#b5179e", "#ff7b00", "#ffff66"),
    "night": lambda x: scanned(grain(toned(x, "#001a05", "#1e8a35", "#b9ffb0"), 0.05), 0.1),
    "icon": lambda x: rounded(flat(saturated(x, 1.4), 8)),
}


def thumbnails() -> Image.Image:
    """The sheet, in the order of the page's table."""
    import re

    table = (ROOT / "sayso/web/static/js/talk/look.js").read_text(encoding="utf-8").split("const TABLE = `")[1].split("`")[0]
    names = [re.split(r"\|", line)[0] for line in table.splitlines()]
    rows = -(-len(names) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * SIDE, rows * SIDE))
    motif = base("fluent")
    for place, name in enumerate(names):
        pixels = base(name) if name not in MADE else MADE[name](motif)
        sheet.paste(pil(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS), (place % COLUMNS * SIDE, place // COLUMNS * SIDE))
    return sheet


def examples() -> None:
    """Signs of the examples, on transparent ground."""
    from sayso.world.render import render
    from sayso.world.scene import Background, Item, Scene

    for name, (concept,) in EXAMPLES.items():
        drawn = render(Scene(128, 128, Background("transparent"), (Item(concept, "fluent", 0.5, 0.5, 0.94),)))
        Image.fromarray(np.asarray(drawn)).save(ART / f"example-{name}.webp", quality=80, method=6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=("examples", "styles", []), help="examples, styles; both when nothing is named")
    what = parser.parse_args().what or ["examples", "styles"]
    if "styles" in what:
        thumbnails().save(ART / "styles.webp", quality=62, method=6)
    if "examples" in what:
        examples()


if __name__ == "__main__":
    main()
