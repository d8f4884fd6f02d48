"""Lines of lettering in a picture, read character by character from close-ups, in which a character is as large as in training.

Lengths are in shorter sides of the picture, or in em where it says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sayso.engines import letters
from sayso.engines.inks import TINT, named, said_tint
from sayso.engines.votes import ALIKE, Found, Look, Votes, cut, groups, joined, kinds, split
from sayso.world import fonts
from sayso.world.colours import rgb
from sayso.world.grounds import FIRST_FONT, Known
from sayso.world.layout import frame
from sayso.world.plan import MAX_LETTERING
from sayso.world.scene import Lettering
from sayso.world.sheets import CLOSE

WINDOW = 1 / (sum(CLOSE) / 2)  # side of a close-up, in em of the line
STEP = 0.4  # of a close-up's side, from one to the next along a line
WINDOWS = 24  # close-ups of a line at most, for some thirty characters: a picture full of type would take minutes
INKED = 0.15  # share of the pixels around a line that are surely its ink
SPACE = 0.6  # of a space's width: what must lie between two characters beyond their own for something to stand there


def letterings(picture: np.ndarray, votes: Votes, known: Known, width: int, height: int, look: Look) -> list[Lettering]:
    """The lines of a picture (uint8 [H, W, 4]), from the top down: where the votes show characters it is looked at closely, twice."""
    out: list[Lettering] = []
    found: list[list[Found]] = []
    for line in _foremost(_lines(_characters(votes, known))):
        for _ in range(2):
            windows = _windows(line)
            seen = look([cut(picture, x, y, side) for x, y, side in windows])
            mine = joined([_whole(v, known).moved(x - side / 2, y - side / 2, side) for v, (x, y, side) in zip(seen, windows, strict=True)])
            near = [one for one in _lines(_characters(mine, known)) if abs(one[0].y - line[0].y) < line[0].side]
            line = max(near, key=len, default=[])
            if not line:
                break
        if line and not any(_same(line, other) for other in found):
            found.append(line)
            out.append(_lettering(picture, line, known, width, height))
    return out


def _same(line: Sequence[Found], other: Sequence[Found]) -> bool:
    """Whether two lines lie in one place."""
    em = max(float(np.median([one.side for one in some])) for some in (line, other))
    return abs(line[0].y - other[0].y) < em / 2 and line[0].x < other[-1].x + em / 2 and other[0].x < line[-1].x + em / 2


def _foremost(lines: list[list[Found]]) -> list[list[Found]]:
    """As many lines as a plan can have, those with the most votes, in their order."""
    least = sorted((sum(len(one.votes.x) for one in line) for line in lines), reverse=True)[:MAX_LETTERING]
    return [line for line in lines if sum(len(one.votes.x) for one in line) >= least[-1]][:MAX_LETTERING]


def _characters(votes: Votes, known: Known) -> list[Found]:
    _, mine = split(votes, known)
    wide = _wide(mine, known) * mine.side
    return groups(mine, votes, 0.5 * wide, wide)


def _wide(votes: Votes, known: Known) -> np.ndarray:
    """Advance in em of the likeliest character of each patch."""
    likeliest = votes.things[:, kinds(known)[1]].argmax(1)
    manner = votes.manners[:, FIRST_FONT:].argmax(1)
    return np.array([_advance(known.characters[c], fonts.FONTS[m]) for c, m in zip(likeliest, manner, strict=True)])


def _advance(character: str, font: str) -> float:
    able = font if fonts.covers(font, character) else next(f for f in fonts.FONTS if fonts.covers(f, character))
    return max(0.15, fonts.width(able, character))


def _whole(votes: Votes, known: Known) -> Votes:
    """Without the votes for characters that a close-up cuts off: its neighbour shows them whole."""
    half = 0.5 * _wide(votes, known) * votes.side
    return votes[np.abs(votes.to_x - 0.5) + half < 0.53]


def _lines(characters: Sequence[Found]) -> list[list[Found]]:
    """Characters that stand beside each other, from left to right; lines from the top down."""
    lines: list[list[Found]] = []
    for one in sorted(characters, key=lambda one: -len(one.votes.x)):
        for line in lines:
            y, side = (float(np.median([getattr(c, name) for c in line])) for name in ("y", "side"))
            if abs(one.y - y) < 0.35 * side and one.side < ALIKE * side and side < ALIKE * one.side:
                line.append(one)
                break
        else:
            lines.append([one])
    return [sorted(line, key=lambda one: one.x) for line in sorted(lines, key=lambda line: line[0].y)]


def _windows(line: Sequence[Found]) -> list[tuple[float, float, float]]:
    """Close-ups (x, y, side) along a line."""
    em, y = (float(np.median([getattr(one, name) for one in line])) for name in ("side", "y"))
    first, last, side = line[0].x - em / 4, line[-1].x + em / 4, em * WINDOW
    count = min(WINDOWS, 1 + math.ceil(max(0.0, last - first - 0.2 * side) / (STEP * side)))
    middle = (first + last) / 2
    return [(middle + (k - (count - 1) / 2) * STEP * side, y, side) for k in range(count)]


def _lettering(picture: np.ndarray, line: Sequence[Found], known: Known, width: int, height: int) -> Lettering:
    """Characters in one font, with the spaces between them; the place and size with which the font sets them where they were seen."""
    ink = _ink(picture, line)
    fonts_said = sum(one.votes.manners[:, FIRST_FONT:].mean(0) for one in line)
    font = fonts.FONTS[int(np.argmax(fonts_said))]
    em = float(np.median([one.side for one in line]))
    able = [k for k, c in enumerate(known.characters) if fonts.covers(font, c)]
    named, colour = [known.characters[k] for k in able], np.array(rgb(ink), np.float32)
    chances = [one.votes.things[:, kinds(known)[1]].mean(0)[able] for one in line]
    told = [letters.told_apart(picture, one.x, one.y, em, colour, font, named, of) for one, of in zip(line, chances, strict=True)]
    told = [one for one in told if one[0]] or [(named[int(of.argmax())], one.x) for one, of in zip(line, chances, strict=True)]
    said, x = [character for character, _ in told], np.array([place for _, place in told])
    y = float(np.median([one.y for one in line]))
    text, place, pen = "", [], 0.0
    for k, letter in enumerate(said):
        wide = fonts.width(font, letter)
        gap = (x[k] - x[k - 1]) / em - (wide + fonts.width(font, said[k - 1])) / 2 if k else 0.0
        if gap > SPACE * fonts.width(font, " "):
            missed = letters.missed(picture, x[k] - (wide + gap) / 2 * em, y, em, colour, font, named, gap) or " "
            text, pen = text + missed, pen + fonts.width(font, missed)
        place.append(pen + wide / 2)
        text, pen = text + letter, pen + wide
    offsets = np.array(place) - pen / 2
    if len(told) > 2:
        fitted = float(np.polyfit(offsets, x, 1)[0])
        em = fitted if 0.8 < fitted / em < 1.25 else em
    w, h = frame(width, height)
    return Lettering(text, font, float((x - em * offsets).mean()) / w, y / h, em, ink)


def _ink(picture: np.ndarray, line: Sequence[Found]) -> str:
    """The colour that the eye says, as those pixels of the line have it that are nearest to it."""
    said = said_tint(joined([one.votes for one in line]))
    em = float(np.median([one.side for one in line]))
    first, last, short = line[0].x - em / 3, line[-1].x + em / 3, min(picture.shape[:2])
    edges = ((line[0].y - em / 3, line[0].y + em / 3), (first, last))
    rows, columns = (slice(max(0, int(a * short)), max(1, int(b * short))) for a, b in edges)
    pixels = picture[rows, columns]
    pixels = pixels[pixels[..., 3] > 250][:, :3].astype(np.float64)
    if not len(pixels):
        return named(said, TINT)
    away = np.abs(pixels - said).mean(1)
    seen = np.median(pixels[away <= np.quantile(away, INKED)], axis=0)
    return named(seen if np.abs(seen - said).mean() < 2 * TINT else said, TINT / 4)
