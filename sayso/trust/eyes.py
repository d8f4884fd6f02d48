"""What looks at pictures for the policy. Nothing that needs learned weights ships with sayso: detectors are handed in as callables.

Where there is none, what it would have seen is unknown, and the policy says so openly. Tesseract, where it is installed, reads
lettering in pictures; it is run as a program, as the judge of the drawn world does.
"""

from __future__ import annotations

import functools
import io
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from sayso.errors import SaysoError
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


@dataclass(frozen=True)
class Eyes:
    """`sees`: signal → a callable that tells whether it holds in a picture. `read`: lettering in a picture, as text.

    `reads_output`: read finished pictures as well as those that were handed in, which takes some tenths of a second each.
    """

    sees: Mapping[str, Callable[[Picture], bool]] = field(default_factory=dict)
    read: Callable[[Picture], str] | None = None
    reads_output: bool = False


@functools.cache
def _languages(program: str) -> str:
    known = subprocess.run([program, "--list-langs"], capture_output=True, text=True, timeout=SECONDS, check=False).stdout.split()
    return "+".join(one for one in ("eng", "chi_sim") if one in known) or "eng"


def tesseract() -> Callable[[Picture], str] | None:
    """A reader of lettering in English and Chinese, or None where Tesseract is not installed. It raises SaysoError when it takes too long."""
    program = shutil.which("tesseract")
    if program is None:
        return None

    def read(picture: Picture) -> str:
        ground = Image.new("RGBA", (picture.width, picture.height), "white")
        ground.alpha_composite(Image.fromarray(np.ascontiguousarray(picture.pixels)))
        image = ground.convert("L")
        image.thumbnail((SIDE, SIDE))
        out = io.BytesIO()
        image.save(out, "PNG", compress_level=1)
        try:
            words = [program, "stdin", "stdout", "-l", _languages(program), "--psm", "11"]
            ran = subprocess.run(words, input=out.getvalue(), capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            told = f"the lettering in a picture could not be read within {SECONDS} s, so it was not judged; try again when this machine is less busy"
            raise SaysoError(told) from None
        return ran.stdout.decode("utf-8", "replace")

    return read
