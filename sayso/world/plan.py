"""The `Plan` of a scene as text and back: one line for the canvas, one for every item, one for every lettering.

    canvas 64x64 solid #f7d020
    ladybug line 30 5 70 45
    cactus line 30 50 70 90 #2e9e3f flip turn 15
    text "HELLO" slab 10 80 90 95 #222222

Boxes are whole percents x0 y0 x1 y1 of the canvas. Backgrounds: `solid #f7d020`, `gradient #f00000 #0000f0 90`,
`pattern dots #ffffff #2563eb`, `backdrop night 2`, `transparent`; a look may follow: `transparent look watercolour`. Between
quotes a backslash keeps the next character (\\" and \\\\), and \\n is a line break.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast

from sayso.errors import BadInput, Unknown
from sayso.types import Plan, PlanItem, PlanText
from sayso.world import art, fonts, looks
from sayso.world.scene import (
    BACKDROP_VARIANTS,
    BACKDROPS,
    BACKGROUND_KINDS,
    MAX_ITEMS,
    PATTERNS,
    STYLES,
    Background,
    Item,
    Lettering,
    Scene,
    Style,
)

MAX_SIDE = 8192  # pixels; a larger canvas is a slip of the pen
MAX_LETTERING = 8
MAX_TEXT = 200  # characters of one lettering
_EXAMPLE = "canvas 64x64 transparent"
LOWEST, HIGHEST = -100, 200  # percent; things may stick out of the canvas
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\Z")
_WHOLE = re.compile(r"-?[0-9]{1,5}\Z")
_SIZE = re.compile(r"([0-9]{1,5})\s*[xX×]\s*([0-9]{1,5})\Z")
_WORD = re.compile(r'\s+|"((?:[^"\\]|\\.)*)"|([^\s"]+)', re.DOTALL)


# --- background ----------------------------------------------------------------------------------------------------------

def background_line(background: Background) -> str:
    """The one-line form: "solid #f7d020", "gradient #… #… 90", "pattern dots #… #…", "backdrop night 2", "transparent"."""
    kind, colours = background.kind, " ".join(background.colours)
    return {
        "transparent": "transparent", "solid": f"solid {colours}", "gradient": f"gradient {colours} {background.angle}",
        "pattern": f"pattern {background.name} {colours}", "backdrop": f"backdrop {background.name} {background.variant}",
    }[kind]


def background_of(line: str) -> Background:
    """The background of a one-line form. Raises BadInput or Unknown."""
    words = line.split()
    kind = words[0] if words else ""
    if kind == "transparent" and len(words) == 1:
        return Background("transparent")
    if kind == "solid" and len(words) == 2:
        return Background("solid", (_colour(words[1]),))
    if kind == "gradient" and len(words) in (3, 4):
        angle = _number(words[3], "gradient angle", 0, 360) if len(words) == 4 else 0
        return Background("gradient", (_colour(words[1]), _colour(words[2])), angle=angle)
    if kind == "pattern" and len(words) == 4:
        return Background("pattern", (_colour(words[2]), _colour(words[3])), name=_one_of("pattern", words[1], PATTERNS))
    if kind == "backdrop" and len(words) in (2, 3):
        variant = _number(words[2], "backdrop variant", 0, BACKDROP_VARIANTS - 1) if len(words) == 3 else 0
        return Background("backdrop", name=_one_of("backdrop", words[1], BACKDROPS), variant=variant)
    if kind not in BACKGROUND_KINDS:
        raise Unknown("background", kind, BACKGROUND_KINDS)
    raise BadInput(f'background "{line}" has the wrong number of words; write for example "solid #f7d020", "gradient #f7d020 #2563eb 90", '
                   '"pattern dots #ffffff #2563eb", "backdrop night 2" or "transparent"')


# --- scene → plan → text -------------------------------------------------------------------------------------------------

def to_plan(scene: Scene) -> Plan:
    """The plan of a scene; boxes and angles are rounded, shadows and relations are not part of a plan."""
    items = []
    for item in scene.items:
        turn = round(item.turn) % 360
        box = boxed(scene.width, scene.height, item.x, item.y, item.size, item.size)
        items.append(PlanItem(item.concept, box, item.style, item.tint, item.flip, turn))
    lines = []
    for line in scene.lettering:
        wide = fonts.width(line.font, line.text) * line.height
        lines.append(PlanText(line.text, boxed(scene.width, scene.height, line.x, line.y, wide, line.height), line.font, line.colour))
    return Plan(scene.width, scene.height, background_line(scene.background), tuple(items), tuple(lines))


def boxed(width: int, height: int, x: float, y: float, wide: float, high: float) -> tuple[int, int, int, int]:
    """Whole percents of a box centred on x, y on a width x height canvas; `wide` and `high` are fractions of the shorter side."""
    short = min(width, height)
    half_w, half_h = wide * short / width / 2, high * short / height / 2
    edges = [round(100 * v) for v in (x - half_w, y - half_h, x + half_w, y + half_h)]
    x0, y0, x1, y1 = (min(max(v, LOWEST), HIGHEST) for v in edges)
    x0, y0 = min(x0, HIGHEST - 1), min(y0, HIGHEST - 1)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def write(plan: Plan) -> str:
    """The plan as text, one thing a line, without a line break at the end."""
    lines = [f"canvas {plan.width}x{plan.height} {plan.background}" + (f" look {plan.look}" if plan.look else "")]
    for item in plan.items:
        extra = [item.colour] if item.colour else []
        extra += ["flip"] if item.flip else []
        extra += [f"turn {item.turn}"] if item.turn else []
        lines.append(" ".join([item.name, item.style, *map(str, item.box), *extra]))
    for text in plan.lettering:
        lines.append(f"text {_quote(text.text)} {text.font} {' '.join(map(str, text.box))} {text.colour}")
    return "\n".join(lines)


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'


_ESCAPES = {"n": "\n", "r": "\r"}


# --- text → plan → scene -------------------------------------------------------------------------------------------------

def read(text: str) -> Plan:
    """The plan of a text, tolerant of blanks, empty lines and capital letters in keywords.

    Raises BadInput, which names the line and the remedy.
    """
    plan: Plan | None = None
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if not line.strip():
            continue
        try:
            words = _words(line)
            first = words[0][0].lower()
            if plan is None:
                plan = _canvas(words) if first == "canvas" else _refuse(f"the plan must begin with its canvas, for example: {_EXAMPLE}")
            elif first == "canvas":
                _refuse("there is a second canvas; remove this line")
            elif first == "text" and not words[0][1]:
                plan = replace(plan, lettering=_room(plan.lettering, MAX_LETTERING, "letterings") + (_lettering(words),))
            else:
                plan = replace(plan, items=_room(plan.items, MAX_ITEMS, "items") + (_item(words),))
        except BadInput as bad:
            raise BadInput(f"plan line {number}: {bad}") from None
    if plan is None:
        raise BadInput(f"the plan is empty; it must begin with its canvas, for example: {_EXAMPLE}")
    return plan


def _refuse(message: str) -> Plan:
    raise BadInput(message)


def _room(things: tuple[Any, ...], limit: int, what: str) -> tuple[Any, ...]:
    if len(things) >= limit:
        raise BadInput(f"there are more than {limit} {what}; remove some")
    return things


def _words(line: str) -> list[tuple[str, bool]]:
    """The words of a line, each with whether it stood in quotes."""
    words, at = [], 0
    while at < len(line):
        found = _WORD.match(line, at)
        if not found:
            raise BadInput("a quote is not closed; end the text with \" and write a quote inside it as \\\"")
        if found.group(1) is not None:
            words.append((re.sub(r"\\(.)", lambda m: _ESCAPES.get(m.group(1), m.group(1)), found.group(1), flags=re.DOTALL), True))
        elif found.group(2) is not None:
            words.append((found.group(2), False))
        at = found.end()
    return words


def _canvas(words: list[tuple[str, bool]]) -> Plan:
    size = _SIZE.match(words[1][0]) if len(words) > 1 else None
    if size is None:
        raise BadInput("the canvas needs a size such as 64x64, for example: canvas 64x64 solid #f7d020")
    width, height = int(size.group(1)), int(size.group(2))
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise BadInput(f"canvas {width}x{height} is out of range; choose sides from 1 to {MAX_SIDE} pixels")
    rest = [word.lower() for word, _ in words[2:]]
    look = ""
    if "look" in rest:
        if rest.index("look") != len(rest) - 2:
            raise BadInput('a look is written at the end of the canvas line, for example: canvas 64x64 transparent look watercolour')
        look, rest = looks.look(rest[-1]).name, rest[:-2]
    return Plan(width, height, background_line(background_of(" ".join(rest) or "transparent")), look=look)


def _item(words: list[tuple[str, bool]]) -> PlanItem:
    if len(words) < 6 or any(is_quoted for _, is_quoted in words):
        raise BadInput("an item is written as: name style x0 y0 x1 y1 [#rrggbb] [flip] [turn degrees], for example: fox flat 10 10 50 50")
    plain = [word.lower() for word, _ in words]
    item = PlanItem(art.concept(plain[0]).slug, _read_box(plain[2:6]), _one_of("style", plain[1], STYLES))
    rest = plain[6:]
    while rest:
        word = rest.pop(0)
        if word == "flip":
            item = replace(item, flip=True)
        elif word == "turn":
            if not rest:
                raise BadInput("turn needs an angle in degrees, for example: turn 15")
            item = replace(item, turn=_number(rest.pop(0), "turn", -360, 360) % 360)
        elif word.startswith("#"):
            item = replace(item, colour=_colour(word))
        else:
            raise BadInput(f'"{word}" is not understood after the box; use #rrggbb, flip or turn followed by degrees')
    return item


def _lettering(words: list[tuple[str, bool]]) -> PlanText:
    if len(words) != 8 or not words[1][1] or any(is_quoted for _, is_quoted in words[2:]):
        raise BadInput('lettering is written as: text "words" font x0 y0 x1 y1 #rrggbb, for example: text "HELLO" slab 10 80 90 95 #222222')
    text = words[1][0]
    if not text.strip():
        raise BadInput('the text between the quotes is empty; write the words to letter, such as "HELLO", or remove the line')
    if len(text) > MAX_TEXT:
        raise BadInput(f"the text has {len(text)} characters; at most {MAX_TEXT} fit one lettering")
    plain = [word.lower() for word, _ in words[2:]]
    return PlanText(text, _read_box(plain[1:5]), _one_of("font", plain[0], fonts.FONTS), _colour(plain[5]))


def _read_box(words: list[str]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (_number(word, "box edge", LOWEST, HIGHEST) for word in words)
    if x1 <= x0 or y1 <= y0:
        raise BadInput(f"box {x0} {y0} {x1} {y1} is empty; the order is x0 y0 x1 y1 with x0 < x1 and y0 < y1")
    return x0, y0, x1, y1


def _number(word: str, what: str, low: int, high: int) -> int:
    if not _WHOLE.match(word) or not low <= int(word) <= high:
        raise BadInput(f'{what} "{word}" must be a whole number from {low} to {high}')
    return int(word)


def _colour(word: str) -> str:
    if not _COLOUR.match(word):
        raise BadInput(f'"{word}" is not a colour; write it as #rrggbb, for example #2563eb')
    return word.lower()


def _one_of(kind: str, word: str, known: tuple[str, ...]) -> str:
    if word not in known:
        raise Unknown(kind, word, known)
    return word


def scene_of(plan: Plan) -> Scene:
    """The scene that the plan describes: an item's size is the shorter side of its box, a lettering's height that of its box.

    Raises BadInput or Unknown when the plan holds names or a background that do not exist.
    """
    short = min(plan.width, plan.height)
    items, lines = [], []
    for item in plan.items:
        x, y, wide, high = _measures(item.box, plan.width / short, plan.height / short)
        style = cast(Style, _one_of("style", item.style, STYLES))
        items.append(Item(art.concept(item.name).slug, style, x, y, min(wide, high), float(item.turn), item.flip, item.colour))
    for line in plan.lettering:
        x, y, wide, high = _measures(line.box, plan.width / short, plan.height / short)
        em = fonts.width(_one_of("font", line.font, fonts.FONTS), line.text)
        lines.append(Lettering(line.text, line.font, x, y, min(high, wide / em) if em > 0 else high, line.colour))
    return Scene(plan.width, plan.height, background_of(plan.background), tuple(items), tuple(lines))


def _measures(box: tuple[int, int, int, int], across: float, down: float) -> tuple[float, float, float, float]:
    """Centre in fractions, width and height in shorter sides."""
    x0, y0, x1, y1 = (v / 100 for v in box)
    return (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) * across, (y1 - y0) * down


# --- plan against plan -----------------------------------------------------------------------------------------------------

def changed(before: Plan, after: Plan) -> tuple[tuple[float, float, float, float], ...] | None:
    """Where the pictures of two plans of one canvas differ, as boxes in fractions; None where it is everywhere.

    Raises BadInput or Unknown where a plan describes no scene.
    """
    if (before.background, before.look) != (after.background, after.look):
        return None
    from sayso.world import edits  # its wordings are loaded only where plans are compared

    boxes: list[tuple[float, float, float, float]] = []
    for mine, other in ((before, after), (after, before)):
        scene = scene_of(mine)
        for k in _differing(mine.items, other.items):
            boxes += edits.item_boxes(scene.items[k], mine.width, mine.height)
        for k in _differing(mine.lettering, other.lettering):
            boxes += edits.lettering_boxes(scene.lettering[k], mine.width, mine.height)
    return tuple(dict.fromkeys(boxes))


def _differing(mine: tuple[Any, ...], other: tuple[Any, ...]) -> list[int]:
    """Places in `mine` of what `other` has not as often, and of what lies there in another order, which shows where things overlap."""
    kept = [k for k, part in enumerate(mine) if mine.count(part) == other.count(part)]
    theirs = [part for part in other if mine.count(part) == other.count(part)]
    moved = [n for n, (k, part) in enumerate(zip(kept, theirs, strict=True)) if mine[k] != part]
    still = {k for n, k in enumerate(kept) if not moved or not moved[0] <= n <= moved[-1]}
    return [k for k in range(len(mine)) if k not in still]
