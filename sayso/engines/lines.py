"""Lines of lettering in a picture, read character by character from close-ups, in which a character is as large as in training.

Lengths are in shorter sides of the picture, or in em where it says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sayso.engines.inks import TINT, named, said_tint
from sayso.engines.votes import ALIKE, Found, Look, Votes, cut, groups, joined, kinds, split
from sayso.world import fonts
from sayso.world.grounds import FIRST_FONT, Known
from sayso.world.layout import frame
from sayso.world.plan import MAX_LETTERING
from sayso.world.scene import Lettering
from sayso.world.sheets import CLOSE

WINDOW = 1 / (sum(CLOSE) / 2)  # side of a close-up, in em of the line
STEP = 0.4  # of a close-up's side, from one to the next along a line
WINDOWS = 24  # close-ups of a line at most, for some thirty characters: a picture full of type would take minutes
INKED = 0.15  # share of the pixels around a line that are surely its ink
SPACE = 0.13  # em between two characters beyond their widths from which on a space lies there


def letterings(picture: np.ndarray, votes: Votes, known: Known, width: int, height: int, look: Look) -> list[Lettering]:
    """The lines of a picture (uint8 [H, W, 4]), from the top down: where the votes show characters it is looked at closely, twice."""
    out = []
    for line in _foremost(_lines(_characters(votes, known))):
        for _ in range(2):
            windows = _windows(line)
            seen = look([cut(picture, x, y, side) for x, y, side in windows])
            mine = joined([_whole(v, known).moved(x - side / 2, y - side / 2, side) for v, (x, y, side) in zip(seen, windows, strict=True)])
            near = [one for one in _lines(_characters(mine, known)) if abs(one[0].y - line[0].y) < line[0].side]
            line = max(near, key=len, default=[])
            if not line:
                break
        if line:
            out.append(_lettering(line, known, width, height, _ink(picture, line)))
    return out


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


def _lettering(line: Sequence[Found], known: Known, width: int, height: int, ink: str) -> Lettering:
    """Characters in one font, with the spaces between them; the place and size with which the font sets them where they were seen."""
    fonts_said = sum(one.votes.manners[:, FIRST_FONT:].mean(0) for one in line)
    font = fonts.FONTS[int(np.argmax(fonts_said))]
    able = [k for k, c in enumerate(known.characters) if fonts.covers(font, c)]
    letters = [known.characters[able[int(one.votes.things[:, kinds(known)[1]].mean(0)[able].argmax())]] for one in line]
    em = float(np.median([one.side for one in line]))
    text, place, pen = "", [], 0.0
    for k, (one, letter) in enumerate(zip(line, letters, strict=True)):
        wide = fonts.width(font, letter)
        if k and (one.x - line[k - 1].x) / em - (wide + fonts.width(font, letters[k - 1])) / 2 > SPACE:
            text, pen = text + " ", pen + fonts.width(font, " ")
        place.append(pen + wide / 2)
        text, pen = text + letter, pen + wide
    x = np.array([one.x for one in line])
    offsets = np.array(place) - pen / 2
    if len(line) > 2:
        fitted = float(np.polyfit(offsets, x, 1)[0])
        em = fitted if 0.8 < fitted / em < 1.25 else em
    w, h = frame(width, height)
    y = float(np.median([one.y for one in line]))
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
