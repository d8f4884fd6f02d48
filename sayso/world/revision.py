"""What an instruction makes of a plan, as the lines that change: shorter than the plan after it, and all else stays by itself.

    pig line⟨60⟩⟨50⟩⟨40⟩> pig line⟨60⟩⟨50⟩⟨40⟩ green; > hat line⟨60⟩⟨30⟩⟨15⟩; owl flat⟨100⟩⟨50⟩⟨30⟩>; behind solid yellow

A line that goes stands before ">", as in shorthand but without what follows its marks; what stands there instead comes after.
Nothing before means more, nothing after means less. `behind` is another ground, `style` the style of every thing, `look` a look
for the whole picture. That a change is written and not the whole anew is how editors' diffs work.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TypeVar

from sayso.errors import BadInput
from sayso.types import Plan, PlanItem, PlanText
from sayso.world import looks, shorthand
from sayso.world.scene import STYLES

Part = TypeVar("Part", PlanItem, PlanText)
_LINE = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^">])*)>(.*)', re.DOTALL)  # what goes, what comes


def write(before: Plan, after: Plan) -> str:
    """What makes the second plan of the first. Raises BadInput where these lines cannot say it."""
    said = []
    if before.background != after.background:
        said.append(f"behind {shorthand.behind(after)}")
    if before.look != after.look:
        said.append(f"look {after.look}")
    ways = [[*said, *_differences(before, after)]]
    for style in {item.style for item in after.items} if before.items else ():
        restyled = replace(before, items=tuple(replace(item, style=style) for item in before.items))
        if restyled != before:
            ways.append([*said, f"style {style}", *_differences(restyled, after)])
    text = min(("; ".join(way) for way in ways), key=len)
    if read(text, before) != after:
        raise BadInput("the second plan differs from the first in the order of its things; write it whole")
    return text


def _differences(before: Plan, after: Plan) -> list[str]:
    old, new = shorthand.parts(before), shorthand.parts(after)
    n, m = len(before.items), len(after.items)
    return _lines(before.items, after.items, old[:n], new[:m]) + _lines(before.lettering, after.lettering, old[n:], new[m:])


def _lines(before: tuple[Part, ...], after: tuple[Part, ...], old: list[str], new: list[str]) -> list[str]:
    """Lines for what differs: in pairs where as many come as go, else what goes and then what comes."""
    gone, come = _without(before, after), _without(after, before)
    if len(before) == len(after):
        gone = come = [k for k in range(len(before)) if before[k] != after[k]]
    if len(gone) == len(come):
        return [f"{shorthand.pointer(old[g])}> {new[c]}" for g, c in zip(gone, come, strict=True)]
    return [f"{shorthand.pointer(old[g])}>" for g in gone] + [f"> {new[c]}" for c in come]


def _without(mine: tuple[Part, ...], other: tuple[Part, ...]) -> list[int]:
    """Places in `mine` of what `other` has not."""
    left, out = list(other), []
    for k, part in enumerate(mine):
        if part in left:
            left.remove(part)
        else:
            out.append(k)
    return out


def read(text: str, before: Plan) -> Plan:
    """The plan after the lines. Raises BadInput where they are not understood or speak of what the plan has not."""
    after = before
    for line in shorthand.lines(text):
        word, _, rest = line.partition(" ")
        if word == "behind":
            after = replace(after, background=shorthand.read(rest, before.width, before.height).background)
        elif word == "look":
            after = replace(after, look=looks.look(rest).name)
        elif word == "style" and rest in STYLES:
            after = replace(after, items=tuple(replace(item, style=rest) for item in after.items))
        elif found := _LINE.fullmatch(line):
            after = _changed(after, found[1].strip(), found[2].strip())
        else:
            raise BadInput(f'"{shorthand.legible(line)}" is no change of a plan; write: what goes > what comes')
    return after


def _meant(gone: str, pointers: list[str]) -> int:
    """Which line is meant: that very one, or where marks were copied with a slip the nearest of that name."""
    if gone in pointers:
        return pointers.index(gone)
    name, marks = shorthand.told_apart(gone)
    likely = [(k, shorthand.told_apart(line)) for k, line in enumerate(pointers)]
    near = [(sum(abs(a - b) for a, b in zip(marks, others, strict=True)), k) for k, (other, others) in likely if other == name]
    if not near or not marks:
        raise BadInput(f'the plan has no line "{shorthand.legible(gone)}"; name one that it has')
    return min(near)[1]


def _changed(plan: Plan, gone: str, come: str) -> Plan:
    """The plan with one line less, more or other."""
    items, lettering = list(plan.items), list(plan.lettering)
    place = None
    if gone:
        place = _meant(gone, [shorthand.pointer(line) for line in shorthand.parts(plan)])
    if not come and place is None:
        raise BadInput("a line of a change says neither what goes nor what comes; leave it out")
    new = shorthand.part(come, plan.width, plan.height) if come else None
    if place is not None and place < len(items):
        del items[place]
    elif place is not None:
        del lettering[place - len(plan.items)]
    if isinstance(new, PlanItem):
        items.insert(len(items) if place is None else min(place, len(items)), new)
    elif isinstance(new, PlanText):
        lettering.insert(len(lettering) if place is None else max(0, place - len(plan.items)), new)
    return replace(plan, items=tuple(items), lettering=tuple(lettering))
