"""Reading lettering with Tesseract, run as a program. Where it is not installed only questions about lettering fail."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import unicodedata
from functools import cache

import numpy as np
from PIL import Image

from sayso.errors import CannotDo
from sayso.world.judge.seen import Seen, SeenLine

TALL = 72  # pixels a line is brought to: what Tesseract's networks like best
SECONDS = 20
SPECKS = " .,'`‘’\"-_~·。、"  # what Tesseract makes of specks at the ends of a line
_CHINESE = re.compile(r"[\u3400-\u9fff]")


@cache
def languages() -> frozenset[str]:
    """Languages that the installed Tesseract reads. Raises CannotDo where there is none."""
    binary = shutil.which("tesseract")
    if binary is None:
        raise CannotDo("lettering cannot be judged: the program tesseract is not installed; "
                       "install it, on Debian with: apt-get install tesseract-ocr tesseract-ocr-chi-sim")
    said = subprocess.run([binary, "--list-langs"], capture_output=True, text=True, timeout=SECONDS, check=False)
    return frozenset(said.stdout.split()[1:])


def is_chinese(text: str) -> bool:
    """Whether a text has Chinese characters."""
    return bool(_CHINESE.search(text))


def plain(text: str) -> str:
    """A text as it is compared: compatibility forms united, no spaces at the ends, single spaces between words."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def cover(seen: Seen, line: SeenLine, margin: float = 0.12) -> np.ndarray:
    """How much of every pixel of a line is ink, 0..1, cut out with `margin` of its height around → [h, w]."""
    height, width = seen.pixels.shape[:2]
    x0, y0, x1, y1 = line.box
    pad = margin * (y1 - y0) * height
    left, top = max(0, int(x0 * width - pad)), max(0, int(y0 * height - pad))
    right, bottom = min(width, int(np.ceil(x1 * width + pad))), min(height, int(np.ceil(y1 * height + pad)))
    cut = seen.pixels[top:bottom, left:right].astype(np.float32) / 255
    field = np.asarray(Image.fromarray((seen.background.field * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR))
    behind = field[top:bottom, left:right].astype(np.float32) / 255
    rgb = cut[..., :3] * cut[..., 3:] + behind * (1 - cut[..., 3:])
    colour = np.array([int(line.colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255
    towards = colour - behind
    return np.asarray(np.clip(((rgb - behind) * towards).sum(-1) / np.maximum((towards**2).sum(-1), 1e-3), 0, 1))


def _ink(seen: Seen, line: SeenLine) -> Image.Image:
    """The line as black on white, cut out with a margin and enlarged to TALL pixels."""
    image = Image.fromarray((255 - 255 * cover(seen, line)).astype(np.uint8))
    scale = TALL / max(1, image.height)
    image = image.resize((max(8, round(image.width * scale)), TALL), Image.Resampling.BICUBIC)
    out = Image.new("L", (image.width + 60, TALL + 40), 255)
    out.paste(image, (30, 20))
    return out


def _tesseract(image: Image.Image, language: str, mode: int) -> str:
    data = io.BytesIO()
    image.save(data, "PNG")
    command = ["tesseract", "stdin", "stdout", "-l", language, "--psm", str(mode), "--dpi", "150"]
    said = subprocess.run(command, input=data.getvalue(), capture_output=True, timeout=SECONDS, check=False,
                          env={"OMP_THREAD_LIMIT": "1", "PATH": _path()})
    return plain(said.stdout.decode("utf-8", "replace"))


def _path() -> str:
    import os

    return os.environ.get("PATH", "")


def read(seen: Seen, chinese: bool) -> list[str]:
    """The lines of lettering of a picture, top to bottom, as Tesseract reads them; `chinese`: with its Chinese network.

    Raises CannotDo where Tesseract or the language is not installed.
    """
    language = "chi_sim" if chinese else "eng"
    if language not in languages():
        raise CannotDo(f'lettering cannot be judged: tesseract lacks the language "{language}"; '
                       f"install it, on Debian with: apt-get install tesseract-ocr-{language.replace('_', '-')}")
    out = []
    for line in sorted(seen.lines, key=lambda at: at.box[1]):
        image = _ink(seen, line)
        text = _tesseract(image, language, 7)
        if not text:
            text = _tesseract(image, language, 10 if image.width < 1.6 * image.height else 8)
        out.append(text.replace(" ", "") if chinese else text)
    return out
