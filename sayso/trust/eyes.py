"""What looks at pictures for the policy. Nothing that needs learned weights ships with sayso: detectors are handed in as callables.

Where there is none, what it would have seen is unknown, and the policy says so openly. Tesseract, where it is installed, reads
lettering in pictures; it is run as a program, as the judge of the drawn world does.
"""

from __future__ import annotations

import functools
import hashlib
import io
import shutil
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from sayso.types import Picture

SECONDS = 20  # for reading one picture
SIDE = 1600  # pixels along the longer side that are read
UNSEEN = {  # what it means for a person that nothing looks for a signal
    "face": "faces in pictures are not looked for here: no detector is installed",
    "child": "whether a child is in a picture is not looked at here: no classifier is installed",
    "explicit": "nudity in pictures is not looked for here: no classifier is installed",
    "gore_seen": "graphic injury in pictures is not looked for here: no classifier is installed",
    "text": "lettering in the picture is not read here: Tesseract is not installed, or reading finished pictures is not turned on",
}
UNREAD = "lettering in the picture could not be read: Tesseract failed or took too long"
REMEMBERED = 256  # pictures whose lettering is kept in memory


@dataclass(frozen=True)
class Eyes:
    """`sees`: signal → a callable that tells whether it holds in a picture. `read`: lettering in a picture, None when reading failed.

    `reads_output`: read finished pictures as well as those that were handed in, which takes some tenths of a second each.
    """

    sees: Mapping[str, Callable[[Picture], bool]] = field(default_factory=dict)
    read: Callable[[Picture], str | None] | None = None
    reads_output: bool = False


class Remembered:
    """A reader that reads no picture twice, however often it comes back in a conversation; the `most` newest are remembered."""

    def __init__(self, read: Callable[[Picture], str | None], most: int = REMEMBERED) -> None:
        self._read, self._most = read, most
        self._texts: OrderedDict[bytes, str] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, picture: Picture) -> str | None:
        shape = f"{picture.width}x{picture.height} ".encode()
        key = hashlib.sha256(shape + picture.pixels.tobytes()).digest()
        with self._lock:
            if key in self._texts:
                self._texts.move_to_end(key)
                return self._texts[key]
        text = self._read(picture)
        if text is not None:
            with self._lock:
                self._texts[key] = text
                while len(self._texts) > self._most:
                    self._texts.popitem(last=False)
        return text


def tesseract() -> Callable[[Picture], str | None] | None:
    """A reader of lettering in English and Chinese, or None where Tesseract is not installed. One for all of this process."""
    program = shutil.which("tesseract")
    return None if program is None else _tesseract(program)


@functools.cache
def _tesseract(program: str) -> Callable[[Picture], str | None]:
    return Remembered(functools.partial(_read, program))


@functools.cache
def _languages(program: str) -> str:
    known = subprocess.run([program, "--list-langs"], capture_output=True, text=True, timeout=SECONDS, check=False).stdout.split()
    return "+".join(one for one in ("eng", "chi_sim") if one in known) or "eng"


def on_white(picture: Picture, side: int) -> Image.Image:
    """The picture as it looks on a white page, RGB, at most `side` pixels long."""
    ground = Image.new("RGBA", (picture.width, picture.height), "white")
    ground.alpha_composite(Image.fromarray(np.ascontiguousarray(picture.pixels)))
    image = ground.convert("RGB")
    image.thumbnail((side, side))
    return image


def _read(program: str, picture: Picture) -> str | None:
    out = io.BytesIO()
    on_white(picture, SIDE).convert("L").save(out, "PNG", compress_level=1)
    try:
        words = [program, "stdin", "stdout", "-l", _languages(program), "--psm", "11"]
        ran = subprocess.run(words, input=out.getvalue(), capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if ran.returncode else ran.stdout.decode("utf-8", "replace")
