"""English phrases that captions, edits and questions share: colours, quotes, lists, styles, backgrounds."""

from __future__ import annotations

import random
from collections.abc import Sequence

from sayso.world import colours, wording
from sayso.world.scene import Background

_BY_HEX = {c.hex: c for c in colours.COLOURS}


def colour_en(hex_colour: str, rng: random.Random, usual: float = 0.8) -> str:
    """The word of a named colour (a synonym or the hex code now and then), else its hex code."""
    named = _BY_HEX.get(hex_colour)
    if named is None:
        return hex_colour
    draw = rng.random()
    return named.en[0] if draw < usual else rng.choice(named.en) if draw < 0.93 else hex_colour


def quoted(text: str, pair: tuple[str, str]) -> str:
    """The text in that pair of quotes, or in the first pair that does not occur in it."""
    for left, right in (pair, ('"', '"'), ("“", "”"), ("'", "'"), ("«", "»"), ("「", "」")):
        if left not in text and right not in text:
            return left + text + right
    return f'"{text}"'


def join_en(parts: Sequence[str], rng: random.Random | None = None) -> str:
    """"a", "a and b", "a, b and c" (or with the comma before "and")."""
    if len(parts) < 2:
        return "".join(parts)
    comma = "," if len(parts) > 2 and rng is not None and rng.random() < 0.4 else ""
    return ", ".join(parts[:-1]) + comma + " and " + parts[-1]


def style_phrase_en(style: str, rng: random.Random) -> str:
    """A phrase that may follow a comma: "flat style", "in a flat style", "line drawing"."""
    base = rng.choice(wording.STYLE_PHRASES_EN[style])
    draw = rng.random()
    if draw < 0.55 or not base.endswith("style"):
        return base if draw < 0.8 or base.endswith("style") else f"as a {base}"
    if draw < 0.75:
        return f"in {base}"
    return f"in a {base}" if draw < 0.88 else f"drawn in {base}"


def background_en(background: Background, rng: random.Random) -> str:
    """What to add to a sentence, with its own comma or blank: ", yellow background", " on a yellow background"."""
    if background.kind == "transparent":
        return rng.choice((", transparent background", ", no background", " on a transparent background", " with a transparent background",
                           ", on transparent", " without a background"))
    if background.kind == "backdrop":
        places, names = wording.BACKDROP_EN[background.name]
        if rng.random() < 0.65:
            return " " + rng.choice(places)
        name = rng.choice(names)
        return rng.choice((f", {name} background", f" with {wording.article(name)} {name} background"))
    noun = _ground_en(background, rng)
    word = rng.choice(("background", "background", "background", "backdrop"))
    if noun.endswith(" on") or " with " in noun or noun.startswith(("gradient", "stripes")):
        return f" on {wording.article(noun)} {noun}"
    if rng.random() < 0.45:
        return f", {noun} {word}"
    return f" {rng.choice(('on', 'on', 'against', 'with'))} {wording.article(noun)} {noun} {word}"


def _ground_en(background: Background, rng: random.Random) -> str:
    """Goes before "background", or is a whole noun phrase that holds "with" or begins with "gradient"."""
    first = colour_en(background.colours[0], rng)
    if background.kind == "solid":
        return first if rng.random() < 0.85 else f"{rng.choice(('plain', 'solid'))} {first}" if not first.startswith("plain") else first
    second = colour_en(background.colours[1], rng)
    if background.kind == "gradient":
        if rng.random() < 0.35 and "#" not in first + second:
            return f"{first}-to-{second} gradient"
        return f"gradient of {first} and {second}" if rng.random() < 0.25 else f"gradient from {first} to {second}"
    marks, adjectives = wording.PATTERN_EN[background.name]
    draw = rng.random()
    if draw < 0.6:
        return f"{first} background with {second} {rng.choice(marks)}"
    return f"{rng.choice(adjectives)} {first} and {second}" if draw < 0.85 else f"{first} and {second} {rng.choice(adjectives)}"


def background_sentence_en(background: Background, rng: random.Random) -> str:
    """The background in a sentence of its own, with everything there is to say about it."""
    if background.kind == "transparent":
        return rng.choice(("The background is transparent.", "There is no background.", "It has a transparent background."))
    if background.kind == "backdrop":
        return rng.choice((f"The background shows {wording.BACKDROP_SHOWN_EN[background.name]}.",
                           f"Behind it is {wording.BACKDROP_SHOWN_EN[background.name]}.",
                           f"The scene is set {wording.BACKDROP_EN[background.name][0][0]}."))
    first = colour_en(background.colours[0], rng)
    if background.kind == "solid":
        return rng.choice((f"The background is {first}.", f"The background is plain {first.removeprefix('plain ')}.",
                           f"Everything stands on {wording.article(first)} {first} background."))
    second = colour_en(background.colours[1], rng)
    if background.kind == "gradient":
        return f"The background {rng.choice(('fades', 'is a gradient', 'runs'))} from {first} {_ends_en(background.angle)[0]} to {second}" \
               f" {_ends_en(background.angle)[1]}."
    marks = rng.choice(wording.PATTERN_EN[background.name][0])
    return rng.choice((f"The background is {first} with {second} {marks}.", f"The background has {second} {marks} on {first}."))


def _ends_en(angle: int) -> tuple[str, str]:
    """Where a gradient of that angle (0 = down, 90 = to the right, clockwise seen as 90 = left to right) begins and ends."""
    ends = (("at the top", "at the bottom"), ("at the top left", "at the bottom right"), ("on the left", "on the right"),
            ("at the bottom left", "at the top right"), ("at the bottom", "at the top"), ("at the bottom right", "at the top left"),
            ("on the right", "on the left"), ("at the top right", "at the bottom left"))
    return ends[round(angle / 45) % 8]
