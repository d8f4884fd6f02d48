"""What a person may write after an option: pure checks that name the wrong value and the remedy."""

from __future__ import annotations

import argparse
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

from sayso.cli import tuning
from sayso.errors import BadInput, Unknown

SMALLEST, LARGEST, MULTIPLE = 64, 2048, 16
SEEDS = 2**63
SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".avif", ".gif")


def prompt(text: str, limit: int) -> str:
    """The prompt without outer white space; raises BadInput when it is empty, too long or not text."""
    words = text.strip()
    if not words:
        raise BadInput("the prompt is empty; say what to draw")
    if len(words) > limit:
        raise BadInput(f"the prompt has {len(words):,} characters and the limit is {limit:,}; shorten it")
    if not words.isprintable() and any(ord(c) < 32 and c not in "\n\r\t" for c in words):
        raise BadInput("the prompt holds control characters; write it as plain text")
    try:
        words.encode()
    except UnicodeEncodeError:
        raise BadInput("the prompt is not valid UTF-8 text; check how the terminal encodes it") from None
    return words


def nearest(side: int) -> int:
    """The valid side nearest to `side` pixels."""
    return max(SMALLEST, min(LARGEST, (side + MULTIPLE // 2) // MULTIPLE * MULTIPLE))


def size(text: str) -> tuple[int, int]:
    """"512x384" or "512" → width, height in pixels; raises BadInput with the nearest valid size."""
    found = re.fullmatch(r"\s*(\d{1,9})\s*(?:[xX×*]\s*(\d{1,9})\s*)?", text)
    if not found:
        raise BadInput(f'size "{text}" is not a size; write WIDTHxHEIGHT in pixels, for example 512x512')
    width, height = int(found[1]), int(found[2] or found[1])
    if (width, height) != (nearest(width), nearest(height)):
        rule = f"sides are multiples of {MULTIPLE} from {SMALLEST} to {LARGEST}"
        raise BadInput(f'size "{text}" cannot be drawn, {rule}; the nearest is {nearest(width)}x{nearest(height)}')
    return width, height


def whole(name: str, least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least` to `most`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,30}", text) or not least <= int(text) <= most:
            raise BadInput(f'{name} "{text}" must be a whole number from {least} to {most}')
        return int(text)

    return read


def seed(text: str) -> int:
    """A seed from 0 to 2^63 - 1, or "random" for one that is drawn now."""
    return secrets.randbelow(2**31) if text == "random" else whole("seed", 0, SEEDS - 1)(text)


def guidance(text: str) -> float:
    """How closely to follow the words: a number from 0 to 30."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 30:
        raise BadInput(f'guidance "{text}" must be a number from 0 to 30')
    return value


def device(text: str) -> str:
    if not re.fullmatch(r"cpu|mps|cuda(:\d{1,3})?", text):
        raise BadInput(f'device "{text}" is unknown; write cpu, cuda, cuda:1 or mps, or leave it out')
    return text


def background(text: str) -> str:
    """"transparent", a colour word or "#rrggbb"; raises BadInput or Unknown."""
    from sayso.world import colours

    word = text.strip().lower()
    if word == "transparent":
        return word
    try:
        hex_colour = colours.parse(word)
    except Unknown:
        raise Unknown("background", text, ("transparent", *colours.BY_WORD)) from None
    return hex_colour if word.startswith("#") else word


def style(text: str) -> str:
    from sayso.world.scene import STYLES

    if text not in STYLES:
        raise Unknown("style", text, STYLES)
    return text


def output(text: str) -> Path:
    """A file name with the suffix of a picture, or a folder that exists; raises BadInput."""
    path = Path(text)
    if not text or "\0" in text or not _is_text(text):
        raise BadInput(f"the output name {text!r} cannot be used; write a name such as a.png")
    if os.path.isdir(path):
        return path
    if path.suffix.lower() not in SUFFIXES or not path.stem:
        raise BadInput(f'the output "{text}" does not end in {", ".join(SUFFIXES)}; write for example {path.stem or "a"}.png')
    return path


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def slug(text: str) -> str:
    """A short file name from a prompt: letters and digits of any script, joined by dashes, at most 40 characters."""
    words = re.sub(r"[\W_]+", "-", text.lower()).strip("-")
    if len(words) > 40:
        cut = words[:40].rsplit("-", 1)[0] if "-" in words[:40] else words[:40]
        words = cut.strip("-")
    return words or "picture"


def take(parser: argparse.ArgumentParser) -> None:
    """The options of `sayso draw`."""
    parser.add_argument("prompt", metavar="PROMPT", help="what to draw, in English or Chinese; in quotes")
    making(parser)


def making(parser: argparse.ArgumentParser) -> None:
    """The options of every command that makes pictures."""
    add = parser.add_argument
    add("-o", "--output", metavar="FILE", type=output, help="file (.png, .webp, .jpg, .avif, .gif) or folder; default: named by prompt")
    add("--size", metavar="WxH", type=size, help=f"pixels; multiples of {MULTIPLE} from {SMALLEST} to {LARGEST}; default: the engine's own")
    add("--seed", type=seed, default=0, help='whole number or "random"; same seed, same picture; default 0')
    add("--steps", type=whole("steps", 1, 200), help="1 to 200; default: the engine's own")
    add("--guidance", type=guidance, help="how closely to follow the words, 0 to 30; default: the engine's own")
    add("--background", metavar="COLOUR", type=background, help='"transparent", a colour word or "#rrggbb"')
    add("--style", type=style, help="fluent, flat, line, noto or twemoji")
    add("-n", "--count", metavar="N", type=whole("-n", 1, 64), default=1, help="how many pictures, 1 to 64; picture i has seed + i - 1")
    add("--think", action="store_true", help="let the engine think first; the thought is shown")
    engine(parser)
    add("--force", action="store_true", help="overwrite an existing file")
    add("--no-finish", dest="finish", action="store_false", help="enlarge without the trained finisher")
    add("--show", choices=("auto", "kitty", "sixel", "blocks"), default="auto", help="how to show the picture in the terminal")
    add("--no-show", dest="show", action="store_const", const="none", help="do not show the picture in the terminal")
    add("--json", action="store_true", help="print one JSON object instead of the files' names")


def engine(parser: argparse.ArgumentParser) -> None:
    """The options of every command that uses an engine."""
    parser.add_argument("--engine", default=None, help="see sayso engines; default: pocket")
    parser.add_argument("--device", type=device, help="cpu, cuda, cuda:1 or mps; default: the best there is")
    tuning.take(parser)
