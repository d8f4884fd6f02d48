"""Pictures in the terminal: kitty graphics, sixel, or half blocks in true colour. Pure functions that return strings."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Literal

import numpy as np

Way = Literal["kitty", "sixel", "blocks", "none"]
COLUMNS = 48  # width of a picture in character cells
CELL = 10  # pixels of a character cell's width that kitty and sixel pictures are sized by
PIECE = 4096  # bytes of base64 that one kitty command may carry
COLOURS = 255  # entries of a sixel palette, leaving one for "nothing here"


def detect(env: Mapping[str, str], is_terminal: bool) -> Way:
    """How this terminal can show a picture, told by its environment variables."""
    term, program = env.get("TERM", ""), env.get("TERM_PROGRAM", "")
    if not is_terminal or term in ("", "dumb") or "NO_COLOR" in env:
        return "none"
    if "TMUX" in env or term.startswith(("screen", "tmux")):  # a multiplexer swallows the graphics commands
        return "blocks"
    if "KITTY_WINDOW_ID" in env or term == "xterm-kitty" or program in ("ghostty", "WezTerm"):
        return "kitty"
    if "sixel" in term or term.startswith(("mlterm", "foot", "contour")) or program in ("mintty", "contour"):
        return "sixel"
    return "blocks"


def picture(pixels: np.ndarray, way: Way, columns: int = COLUMNS) -> str:
    """uint8 [H, W, 4] straight alpha → what to print, ending in a line break; empty for "none"."""
    if way == "kitty":
        return kitty(shrink(pixels, columns * CELL))
    if way == "sixel":
        return sixel(shrink(pixels, columns * CELL))
    return half_blocks(shrink(pixels, columns)) if way == "blocks" else ""


def shrink(pixels: np.ndarray, width: int) -> np.ndarray:
    """uint8 [H, W, 4] → at most `width` wide, same shape of canvas; alpha is weighed in, so that edges stay clean."""
    from PIL import Image

    if pixels.shape[1] <= width:
        return pixels
    height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
    return np.asarray(Image.fromarray(pixels).convert("RGBa").resize((width, height), Image.Resampling.LANCZOS).convert("RGBA"))


def kitty(pixels: np.ndarray) -> str:
    """The kitty graphics protocol: a PNG in base64, in pieces; f=100 is PNG, a=T shows it at once, q=2 asks for silence."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    data = base64.standard_b64encode(file.getvalue()).decode()
    pieces = [data[i : i + PIECE] for i in range(0, len(data), PIECE)]
    out = []
    for i, piece in enumerate(pieces):
        head = "f=100,a=T,q=2," if i == 0 else ""
        out.append(f"\x1b_G{head}m={int(i < len(pieces) - 1)};{piece}\x1b\\")
    return "".join(out) + "\n"


def _sixel_run(bits: np.ndarray) -> str:
    """Six-row columns (0..63 each) of one colour as sixel characters, runs shortened to "!count"."""
    edges = np.flatnonzero(np.diff(bits)) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(bits)]])
    out = []
    for start, end in zip(starts, ends, strict=True):
        char, count = chr(63 + int(bits[start])), int(end - start)
        out.append(f"!{count}{char}" if count > 3 else char * count)
    return "".join(out)


def sixel(pixels: np.ndarray) -> str:
    """DEC sixel graphics with a palette made for the picture; pixels under half opaque stay untouched (P2 = 1)."""
    from PIL import Image

    height, width = pixels.shape[:2]
    paletted = Image.fromarray(np.ascontiguousarray(pixels[..., :3])).quantize(COLOURS, dither=Image.Dither.NONE)
    palette = np.array(paletted.getpalette(), dtype=np.uint8).reshape(-1, 3)
    index = np.where(pixels[..., 3] >= 128, np.asarray(paletted).astype(np.int64), -1)
    out = [f'\x1bP0;1q"1;1;{width};{height}']
    for colour in np.unique(index[index >= 0]):
        r, g, b = (int(v) * 100 // 255 for v in palette[colour])
        out.append(f"#{colour};2;{r};{g};{b}")
    for top in range(0, height, 6):
        band = index[top : top + 6]
        weights = (1 << np.arange(len(band)))[:, None]
        rows = [f"#{colour}{_sixel_run(((band == colour) * weights).sum(0))}" for colour in np.unique(band[band >= 0])]
        out.append("$".join(rows) + "-")
    return "".join(out) + "\x1b\\\n"


def _cell(upper: np.ndarray, lower: np.ndarray) -> tuple[str, str]:
    """The colours and the character of two pixels over each other; a pixel under half opaque shows the terminal."""
    top, bottom = (f"2;{p[0]};{p[1]};{p[2]}" if p[3] >= 128 else "" for p in (upper, lower))
    if top and bottom:
        return f"\x1b[38;{top};48;{bottom}m", "▀"
    if top:
        return f"\x1b[0;38;{top}m", "▀"
    return (f"\x1b[0;38;{bottom}m", "▄") if bottom else ("\x1b[0m", " ")


def half_blocks(pixels: np.ndarray) -> str:
    """Two pixels a character: the upper is its foreground, the lower its background, in 24-bit colour."""
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[:1])])
    lines = []
    for y in range(0, len(pixels), 2):
        line, last = [], ""
        for x in range(pixels.shape[1]):
            colours, char = _cell(pixels[y, x], pixels[y + 1, x])
            line.append(char if colours == last else colours + char)
            last = colours
        lines.append("".join(line) + "\x1b[0m")
    return "\n".join(lines) + "\n"
