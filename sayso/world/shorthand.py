"""A plan in as few pieces as a model can write it with: numbers are single marks, canonical colours are words.

    solid yellow; ladybug line⟨60⟩⟨50⟩⟨40⟩; cactus line⟨60⟩⟨140⟩⟨40⟩ green flip turn⟨7⟩; "HELLO" slab⟨100⟩⟨180⟩⟨15⟩ black

First comes what lies behind, with a look if there is one. A thing's marks are its centre, in half percents of width and
height, and its side (a lettering's em) in percents of the shorter side. A turn or the angle of a gradient is a mark in steps of
two degrees. Marks are private-use characters, one piece of the tokenizer each; no person's prompt holds any. That locations
become pieces of the vocabulary is from Pix2Seq (Chen et al. 2021).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

from sayso.errors import BadInput, SaysoError
from sayso.types import Plan, PlanItem, PlanText
from sayso.world import art, colours, fonts, looks
from sayso.world.plan import MAX_LETTERING, MAX_TEXT, background_of, boxed, scene_of, to_plan
from sayso.world.scene import BACKDROP_VARIANTS, MAX_ITEMS, PATTERNS, STYLES, Background, Item, Lettering, Scene, Style

COUNT = 201  # marks, for the numbers 0 to 200
_FIRST = 0xE000
MARKS = "".join(chr(_FIRST + n) for n in range(COUNT))
_MARK = f"([{MARKS[0]}-{MARKS[-1]}])"
_PART = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^";])+')  # up to the next semicolon outside quotation marks
_ITEM = re.compile(rf"(.+) ({'|'.join(STYLES)}){_MARK}{_MARK}{_MARK}((?: .*)?)")
_TEXT = re.compile(rf'"((?:[^"\\]|\\.)*)" ({"|".join(fonts.FONTS)}){_MARK}{_MARK}{_MARK} (.+)')
_POINTER = re.compile(rf'(?:"(?:[^"\\]|\\.)*"|[^"])*?{_MARK}{{3}}')
_EXTRA = re.compile(rf" (?:(flip)|turn{_MARK}|(#[0-9a-f]{{6}}|[a-z]+))")
_GRADIENT = re.compile(rf"gradient (\S+) (\S+){_MARK}")
_BACKDROP = re.compile(rf"backdrop (\S+){_MARK}")
_WORDS = {c.hex: c.en[0] for c in colours.COLOURS if " " not in c.en[0]}
_HEXES = {word: hexed for hexed, word in _WORDS.items()}


def mark(number: float) -> str:
    """The mark of a number, which is rounded and held between 0 and 200."""
    return chr(_FIRST + min(max(int(number + 0.5), 0), COUNT - 1))


def plainly(text: str) -> str:
    """Text without marks, as a person's words must be."""
    return re.sub(_MARK, "", text)


def legible(text: str) -> str:
    """Shorthand with its marks as ⟨numbers⟩, to look at."""
    return re.sub(_MARK, lambda m: f"⟨{ord(m[1]) - _FIRST}⟩", text)


def _number(sign: str) -> int:
    return ord(sign) - _FIRST


def write(plan: Plan) -> str:
    """The plan in shorthand. Raises BadInput or Unknown where it describes no scene."""
    return "; ".join((behind(plan) + (f" look {plan.look}" if plan.look else ""), *parts(plan)))


def behind(plan: Plan) -> str:
    """What lies behind, without the look. Raises BadInput where it is no background."""
    return _behind(background_of(plan.background))


def parts(plan: Plan) -> list[str]:
    """A line for every thing and then for every lettering of the plan. Raises as `write`."""
    scene = scene_of(plan)
    lines = []
    for item, part in zip(scene.items, plan.items, strict=True):
        extra = f" {_colour(item.tint)}" if item.tint else ""
        extra += " flip" * item.flip + (f" turn{mark(item.turn % 360 / 2)}" if item.turn else "")
        name = item.concept.replace("-", " ")
        lines.append(f"{name} {item.style}{_place(plan, part, item.size)}{extra}")
    for line, text in zip(scene.lettering, plan.lettering, strict=True):
        said = line.text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\n")
        lines.append(f'"{said}" {line.font}{_place(plan, text, line.height)} {_colour(line.colour)}')
    return lines


def pointer(line: str) -> str:
    """A line up to its last mark of place: enough to tell it from all others of a plan."""
    found = _POINTER.match(line)
    return found[0] if found else line


def _place(plan: Plan, part: PlanItem | PlanText, side: float) -> str:
    """The marks of a thing's centre and side. A box in whole percents is that of several sides: one is written that leads back to it."""
    x, y = (mark(part.box[i] + part.box[i + 2]) for i in (0, 1))
    wide = fonts.width(part.font, part.text) if isinstance(part, PlanText) else 1.0

    def leads_back(n: int) -> bool:
        return boxed(plan.width, plan.height, _number(x) / 200, _number(y) / 200, wide * n / 100, n / 100) == part.box

    return x + y + mark(next(filter(leads_back, _near(plan, part, side)), 100 * side))


def _near(plan: Plan, part: PlanItem | PlanText, side: float) -> Iterator[int]:
    """Sides in percents that a box could be meant for: near the one it is read as, and near its height."""
    high = (part.box[3] - part.box[1]) * plan.height / min(plan.width, plan.height)
    for middle in (100 * side, high):
        yield from (n for off in (0, 1, -1, 2, -2, 3, -3) if 0 < (n := round(middle) + off) < COUNT)


def _colour(hexed: str) -> str:
    return _WORDS.get(hexed, hexed)


def _behind(background: Background) -> str:
    kind, said = background.kind, " ".join(_colour(c) for c in background.colours)
    if kind == "gradient":
        return f"gradient {said}{mark(background.angle / 2)}"
    if kind == "backdrop":
        return f"backdrop {background.name}{mark(background.variant)}"
    return " ".join(part for part in (kind, background.name, said) if part)


def read(text: str, width: int, height: int) -> Plan:
    """The plan that the shorthand describes on a canvas. Raises BadInput."""
    first, *rest = lines(text) or [""]
    look = ""
    if " look " in first:
        first, _, look = first.partition(" look ")
        look = looks.look(look).name
    things = [_thing(line) for line in rest]
    items = tuple(thing for thing in things if isinstance(thing, Item))
    lettering = tuple(thing for thing in things if isinstance(thing, Lettering))
    if len(items) > MAX_ITEMS:
        raise BadInput(f"there are {len(items)} things in the shorthand; at most {MAX_ITEMS} can be drawn")
    if len(lettering) > MAX_LETTERING:
        raise BadInput(f"there are {len(lettering)} letterings in the shorthand; at most {MAX_LETTERING} can be drawn")
    plan = to_plan(Scene(width, height, _background(first), items, lettering))
    return replace(plan, look=look)


def salvaged(text: str, width: int, height: int) -> Plan:
    """What can be read of shorthand that cannot be read as a whole: lines that are neither a thing nor lettering are left out, and a
    background that is none becomes the one that its colours allow. Raises BadInput where neither a thing nor lettering is left."""
    first, *rest = lines(text) or [""]
    kept = [line for line in rest if _reads(part, line, width, height)]
    if not kept:
        raise BadInput(f'nothing in "{legible(text)}" is a thing or lettering in shorthand; write the plan anew')
    if not _reads(read, first, width, height):
        colours = list(dict.fromkeys(word for word in re.split(rf" |{_MARK}", first) if word and _reads(_hex, word)))
        name = next((name for name in PATTERNS if name in first), "checks")
        first = f"pattern {name} {' '.join(colours[:2])}" if len(colours) > 1 else f"solid {(*colours, '#ffffff')[0]}"
    lettering = [line for line in kept if line.startswith('"')][:MAX_LETTERING]
    return read("; ".join((first, *[line for line in kept if not line.startswith('"')][:MAX_ITEMS], *lettering)), width, height)


def _reads(reader: Callable[..., object], *given: object) -> bool:
    try:
        reader(*given)
    except SaysoError:
        return False
    return True


def lines(text: str) -> list[str]:
    """Text cut at its semicolons, but for those in quotation marks."""
    return [part.strip() for part in _PART.findall(text)]


def part(line: str, width: int, height: int) -> PlanItem | PlanText:
    """The thing or lettering of one line on a canvas. Raises BadInput."""
    thing = _thing(line)
    if isinstance(thing, Item):
        return to_plan(Scene(width, height, Background("transparent"), (thing,))).items[0]
    return to_plan(Scene(width, height, Background("transparent"), (), (thing,))).lettering[0]


def _thing(line: str) -> Item | Lettering:
    if found := _ITEM.fullmatch(line):
        return _item(found)
    if found := _TEXT.fullmatch(line):
        return _line(found)
    raise BadInput(f'"{legible(line)}" is neither a thing nor lettering in shorthand; write the plan anew')


def _item(found: re.Match[str]) -> Item:
    name, style, x, y, side, rest = found.groups()
    tint, turn, flip, at = None, 0.0, False, 0
    while at < len(rest):
        extra = _EXTRA.match(rest, at)
        if extra is None:
            raise BadInput(f'"{legible(rest)}" after a thing is not understood; write a colour, flip or turn')
        flip = flip or extra[1] is not None
        turn = 2.0 * _number(extra[2]) if extra[2] else turn
        tint = _hex(extra[3]) if extra[3] else tint
        at = extra.end()
    size = max(_number(side), 1) / 100
    concept = art.concept(name.replace(" ", "-")).slug
    return Item(concept, cast(Style, style), _number(x) / 200, _number(y) / 200, size, turn, flip, tint)


def _line(found: re.Match[str]) -> Lettering:
    said, font, x, y, em, colour = found.groups()
    text = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], said)
    if not text.strip() or not fonts.covers(font, text):
        raise BadInput(f'the font "{font}" cannot write "{text}"; choose other words or another font')
    if len(text) > MAX_TEXT:
        raise BadInput(f"the lettering has {len(text)} characters; at most {MAX_TEXT} fit one lettering")
    return Lettering(text, font, _number(x) / 200, _number(y) / 200, max(_number(em), 1) / 100, _hex(colour))


def _hex(word: str) -> str:
    if re.fullmatch(r"#[0-9a-f]{6}", word):
        return word
    if word not in _HEXES:
        raise BadInput(f'"{word}" is not a colour in shorthand; write a hex code or one of {", ".join(_HEXES)}')
    return _HEXES[word]


def _background(line: str) -> Background:
    if found := _GRADIENT.fullmatch(line):
        return background_of(f"gradient {_hex(found[1])} {_hex(found[2])} {2 * _number(found[3])}")
    if found := _BACKDROP.fullmatch(line):
        return background_of(f"backdrop {found[1]} {min(_number(found[2]), BACKDROP_VARIANTS - 1)}")
    words = line.split(" ")
    plain = [w if k == 0 or (words[0] == "pattern" and k == 1) else _hex(w) for k, w in enumerate(words)]
    return background_of(" ".join(plain))


def told_apart(line: str) -> tuple[str, tuple[int, ...]]:
    """A pointer's words without a thing's style, and the numbers of its three marks; () where it has not three at its end."""
    found = re.fullmatch(rf"(.*?)(?: \S+)?{_MARK}{_MARK}{_MARK}", line, re.DOTALL)
    return (found[1], tuple(map(_number, found.groups()[1:]))) if found else (line, ())


def settled(plan: Plan) -> Plan:
    """The plan as it is after a trip through shorthand."""
    return read(write(plan), plan.width, plan.height)


