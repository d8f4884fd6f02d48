"""What BAGEL's release fixes outside its files: marks, picture sizes, words for thinking first. No torch in here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sayso.errors import BadWeights

CHECKPOINT = "bagel"
WEIGHTS = ("ema.safetensors", "model.safetensors")
AUTOENCODER = ("ae.safetensors",)
TEXT_MARKS = ("<|im_start|>", "<|im_end|>")
PICTURE_MARKS = ("<|vision_start|>", "<|vision_end|>")
PATCH = 2  # latent pixels along a side of one token
OVERRIDE = "sayso.json"  # in a checkpoint's folder: what of this file's values differs there


@dataclass(frozen=True)
class Resize:
    """The released rule of sizes: sides multiples of `stride`, the longer at most `largest`, the shorter at least `smallest`.

    `area`: pixels that all pictures of a conversation may have together. Where rules disagree, the later one of this list wins.
    """

    largest: int
    smallest: int
    stride: int
    area: int = 14 * 14 * 9 * 1024

    def size(self, width: int, height: int, among: int = 1) -> tuple[int, int]:
        """(width, height) after the resize of one of `among` pictures. Halves are rounded to even, as in the release."""
        long, short = max(width, height), min(width, height)
        w, h = self._scaled(width, height, max(min(self.largest / long, 1.0), self.smallest / short))
        if w * h > self.area / among:
            w, h = self._scaled(w, h, self.area / among / (w * h))
        if max(w, h) > self.largest:
            w, h = self._scaled(w, h, self.largest / max(w, h))
        return w, h

    def _scaled(self, width: int, height: int, scale: float) -> tuple[int, int]:
        w, h = (max(self.stride, round(round(side * scale) / self.stride) * self.stride) for side in (width, height))
        return w, h


@dataclass(frozen=True)
class Glue:
    """`tokenizer`: "files" = the checkpoint's own, "ids" = a prompt's words are the ids (tests), "bytes" = a made-up one (speed).

    `marks`: ids before and after a text, None = found in the tokenizer; `picture_marks`: the same of a picture.
    `latent`, `vision`: sizes of a picture on its two ways into the model.
    """

    latent: Resize = Resize(1024, 512, 16)
    vision: Resize = Resize(980, 224, 14)
    tokenizer: str = "files"
    marks: tuple[int, int] | None = None
    picture_marks: tuple[int, int] | None = None
    draw_first: str = (
        "You should first think about the planning process in the mind and then generate the image. \n"
        "The planning process is enclosed within <think> </think> tags, i.e. <think> planning process here </think> image here"
    )
    answer_first: str = (
        "You should first think about the reasoning process in the mind and then provide the user with the answer. \n"
        "The reasoning process is enclosed within <think> </think> tags, i.e. <think> reasoning process here </think> answer here"
    )


def of_folder(folder: Path) -> Glue:
    """The release's values, or those of the folder's sayso.json. Raises BadWeights when that is malformed."""
    path = folder / OVERRIDE
    if not path.exists():
        return Glue()
    try:
        values = json.loads(path.read_text(encoding="utf-8")).get("bagel", {})
        for name in ("latent", "vision"):
            if name in values:
                values[name] = Resize(**values[name])
        for name in ("marks", "picture_marks"):
            if values.get(name) is not None:
                begin, end = values[name]
                values[name] = (int(begin), int(end))
        return Glue(**values)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BadWeights(f"{path} is malformed ({error}); remove it or fetch it again") from error
