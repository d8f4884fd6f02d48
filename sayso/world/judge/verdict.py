"""Is the picture what was asked for: every asked fact of a scene, right or wrong, with a sentence that names the fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from sayso.errors import Unknown
from sayso.world import art
from sayso.world.colours import ITEM_COLOURS, ciede2000, difference, to_lab
from sayso.world.judge import geometry, glyphs, lettering
from sayso.world.judge.canvas import reduce
from sayso.world.judge.seen import Seen, SeenItem
from sayso.world.judge.twins import Twins
from sayso.world.scene import Item, Scene

TASKS = ("concept", "style", "colour", "count", "position", "grid", "background", "transparency", "lettering")
"""What `check` can be asked to judge. A fact is of one of these kinds."""

FAULTS = ("missing", "concept", "extra", "style", "colour", "place", "background", "opaque", "word")
"""What can be wrong: an item is not there; something else is in its place; one too many; wrong style, colour, place or cell,
background; a background that should be empty is not (or the other way round); lettering reads wrongly."""

BACKGROUND_LIMIT = 10.0  # CIEDE2000 up to which a background has the colour asked for
HEX_LIMIT = 15.0  # CIEDE2000 up to which an item has the hex tint asked for
PLAIN_LIMIT = 6.0  # the same for a background of one colour


@dataclass(frozen=True)
class Fact:
    """One thing that was asked. `kind`: of TASKS; `subject`: what it is about; `right`: whether the picture has it so;
    `fault`: of FAULTS, "" where right; `reason`: what was seen, as a sentence."""

    kind: str
    subject: str
    right: bool
    fault: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """`facts` in the order of TASKS. Truth value: whether all are right."""

    facts: tuple[Fact, ...]

    def __bool__(self) -> bool:
        return all(f.right for f in self.facts)

    @property
    def faults(self) -> frozenset[str]:
        """Kinds of FAULTS that were found."""
        return frozenset(f.fault for f in self.facts if not f.right)

    @property
    def score(self) -> float:
        """Share of facts that are right; 1 where nothing was asked."""
        return sum(f.right for f in self.facts) / len(self.facts) if self.facts else 1.0

    @property
    def reasons(self) -> tuple[str, ...]:
        """The sentences of what is wrong."""
        return tuple(f.reason for f in self.facts if not f.right)

    def of(self, kind: str) -> tuple[Fact, ...]:
        """The facts of one kind of TASKS."""
        return tuple(f for f in self.facts if f.kind == kind)


def colour_word(tint: str | None, style: str) -> str | None:
    """The item colour nearest to a tint; an untinted line drawing is black, any other has its own colours (None)."""
    if tint is None:
        return "black" if style == "line" else None
    return min(ITEM_COLOURS, key=lambda c: difference(c.hex, tint)).en[0]


def name(slug: str) -> str:
    """English name of a concept."""
    return art.concept(slug).en[0]


class Check:
    """One picture against one scene."""

    def __init__(self, seen: Seen, scene: Scene, twins: Twins) -> None:
        self.seen, self.scene, self.twins = seen, scene, twins
        self.aspect = scene.width / scene.height
        self.pairs = self._assign()
        self.spare = [s for i, s in enumerate(seen.items) if i not in self.pairs.values()]
        self.instead = self._instead()

    def same_concept(self, item: Item, seen: SeenItem) -> bool:
        """Whether the seen item shows the asked concept or a twin of it."""
        return seen.concept == item.concept or self.twins.same((item.concept, item.style), (seen.concept, seen.style), _index(seen))

    def same_style(self, item: Item, seen: SeenItem) -> bool:
        """Whether the seen item is in the asked style, or looks just so."""
        return seen.style == item.style or self.twins.same((item.concept, item.style), (seen.concept, seen.style), _index(seen))

    def _cost(self, item: Item, seen: SeenItem) -> float:
        a, b = geometry.spot(item, self.aspect), geometry.spot(seen, self.aspect)
        far = float(np.hypot(a.u - b.u, a.v - b.v))
        if not self.same_concept(item, seen):
            return 100.0 + far  # only to find what stands in its place
        wrong = 0.5 * (seen.style != item.style) + 0.7 * (seen.colour != colour_word(item.tint, seen.style))
        return wrong + 0.2 * far

    def _assign(self) -> dict[int, int]:
        """Index of an asked item → index of the seen item that answers to it (by concept first, then dress, then place)."""
        asked, seen = self.scene.items, self.seen.items
        if not asked or not seen:
            return {}
        cost = np.array([[self._cost(i, s) for s in seen] for i in asked])
        return {int(a): int(s) for a, s in zip(*linear_sum_assignment(cost)) if cost[a, s] < 100}

    def _instead(self) -> dict[int, SeenItem | None]:
        """Index of an asked item that is not there → what stands in its place, None where nothing does."""
        out: dict[int, SeenItem | None] = {}
        spare = list(self.spare)
        for i, item in enumerate(self.scene.items):
            if i in self.pairs:
                continue
            here = geometry.spot(item, self.aspect)
            near = min(spare, key=lambda s: _distance(geometry.spot(s, self.aspect), here), default=None)
            if near is not None and _distance(geometry.spot(near, self.aspect), here) >= 0.6 * max(item.size, near.size):
                near = None
            if near is not None:
                spare.remove(near)
            out[i] = near
        return out

    def _absence(self, index: int) -> str:
        """The fault of an asked item that is not there."""
        return "concept" if self.instead[index] is not None else "missing"

    def _found(self, index: int) -> SeenItem | None:
        at = self.pairs.get(index)
        return None if at is None else self.seen.items[at]

    def concepts(self) -> list[Fact]:
        """Is every asked item there."""
        facts = []
        for i, item in enumerate(self.scene.items):
            what = name(item.concept)
            if i in self.pairs:
                facts.append(Fact("concept", what, True, "", f"there is a {what}"))
                continue
            other = self.instead[i]
            reason = f"the {what} is missing" if other is None else f"a {name(other.concept)} is where a {what} was asked for"
            facts.append(Fact("concept", what, False, self._absence(i), reason))
        return facts

    def counts(self) -> list[Fact]:
        """Is there exactly the asked number of every asked concept, and nothing that was not asked for."""
        asked = Counter(i.concept for i in self.scene.items)
        facts, taken = [], Counter(self.scene.items[i].concept for i in self.pairs)
        unasked = list(self.spare)
        for slug, number in asked.items():
            more = [s for s in unasked if any(i.concept == slug and self.same_concept(i, s) for i in self.scene.items)]
            unasked = [s for s in unasked if s not in more]
            have = taken[slug] + len(more)
            lacking = [i for i in self.instead if self.scene.items[i].concept == slug]
            fault = "" if have == number else "extra" if have > number else self._absence(lacking[0])
            facts.append(Fact("count", name(slug), not fault, fault, f"{have} of {name(slug)} where {number} were asked for"))
        # What stands in the place of a missing item is that item's fault, not one too many.
        surplus = len(unasked) - sum(1 for other in self.instead.values() if other is not None)
        if surplus > 0:
            listed = ", ".join(name(s.concept) for s in unasked)
            facts.append(Fact("count", "nothing else", False, "extra", f"nobody asked for: {listed}"))
        return facts

    def styles(self) -> list[Fact]:
        """Is every item that is there in its style."""
        facts = []
        for i, item in enumerate(self.scene.items):
            if (seen := self._found(i)) is None:
                reason = f"no {name(item.concept)} whose style could be right"
                facts.append(Fact("style", name(item.concept), False, self._absence(i), reason))
                continue
            right = self.same_style(item, seen)
            facts.append(Fact("style", name(item.concept), right, "" if right else "style",
                              f"the {name(item.concept)} is in {seen.style} style" + ("" if right else f", not {item.style}")))
        return facts

    def colours(self) -> list[Fact]:
        """Has every item that is there the colour asked for (its own where none was)."""
        facts = []
        for i, item in enumerate(self.scene.items):
            if (seen := self._found(i)) is None:
                reason = f"no {name(item.concept)} whose colour could be right"
                facts.append(Fact("colour", name(item.concept), False, self._absence(i), reason))
                continue
            # In a wrong style an item has that style's own colours, which is no second fault.
            wanted = colour_word(item.tint, seen.style)
            words = (wanted, colour_word(item.tint, item.style)) if self.same_style(item, seen) else (wanted,)
            drawing = (seen.concept, seen.style)
            right = seen.colour in words or self.twins.same_colour(drawing, item.tint, seen.tint) or self._near(item, seen)
            facts.append(Fact("colour", name(item.concept), right, "" if right else "colour",
                              f"the {name(item.concept)} is {seen.colour or 'in its own colours'}"
                              + ("" if right else f", not {wanted or 'in its own colours'}")))
        return facts

    @staticmethod
    def _near(item: Item, seen: SeenItem) -> bool:
        """A hex tint between two colour words may be seen as either."""
        if item.tint is None or seen.tint is None or any(c.hex == item.tint for c in ITEM_COLOURS):
            return False
        return difference(seen.tint, item.tint) <= HEX_LIMIT

    def positions(self) -> list[Fact]:
        """Does every asked relation hold."""
        facts = []
        for r in self.scene.relations:
            a = self._found(r.subject)
            others = [self._found(i) for i in r.objects]
            names = [name(self.scene.items[i].concept) for i in r.objects]
            text = f"{name(self.scene.items[r.subject].concept)} {r.kind} {' and '.join(names)}"
            present = [o for o in others if o is not None]
            if a is None or len(present) < len(others):
                absent = [i for i in (r.subject, *r.objects) if i not in self.pairs]
                facts.append(Fact("position", text, False, self._absence(absent[0]), f"not all of it is there: {text}"))
                continue
            right = geometry.holds(r.kind, geometry.spot(a, self.aspect), tuple(geometry.spot(o, self.aspect) for o in present))
            facts.append(Fact("position", text, right, "" if right else "place", ("" if right else "it is not so: ") + text))
        return facts

    def grid(self) -> list[Fact]:
        """Holds every cell of the grid the item that belongs there."""
        if self.scene.grid is None:
            return []
        facts = []
        for i, item in enumerate(self.scene.items):
            row, column = divmod(i, self.scene.grid[1])
            inside = [s for s in self.seen.items if geometry.cell(s, self.scene.grid) == (row, column)]
            right = any(self.same_concept(item, s) for s in inside)
            what = " and ".join(name(s.concept) for s in inside) or "nothing"
            fault = "" if right else "place" if i in self.pairs else self._absence(i)
            facts.append(Fact("grid", f"cell {row + 1},{column + 1}", right, fault,
                              f"row {row + 1}, column {column + 1} holds {what}" + ("" if right else f", not {name(item.concept)}")))
        return facts

    def background(self) -> list[Fact]:
        """Is the background of the asked kind and colours."""
        asked, seen = self.scene.background, self.seen.background
        if asked.kind == "transparent":
            return []
        if seen.kind == "transparent":
            return [Fact("background", asked.kind, False, "opaque", "the background is transparent, which nobody asked for")]
        kinds = seen.kind == asked.kind and seen.name == asked.name
        from sayso.world.render import render

        height, width = seen.field.shape[:2]
        drawn = reduce(render(Scene(self.scene.width, self.scene.height, asked)), width, height)[..., :3]
        apart = float(np.median(ciede2000(to_lab(drawn[::4, ::4] * 255), to_lab(seen.field[::4, ::4] * 255))))
        limit = PLAIN_LIMIT if asked.kind == "solid" else BACKGROUND_LIMIT
        right = kinds and apart <= limit
        what = " ".join((seen.kind, seen.name, *seen.colours)).replace("  ", " ")
        return [Fact("background", asked.kind, right, "" if right else "background",
                     f"the background is {what}, {apart:.1f} CIEDE2000 from what was asked for")]

    def transparency(self) -> list[Fact]:
        """Is an empty background empty, and any other not."""
        asked, seen = self.scene.background.kind == "transparent", self.seen.background.kind == "transparent"
        right = asked == seen
        return [Fact("transparency", "background", right, "" if right else "opaque",
                     f"the background is {'transparent' if seen else 'opaque'}" + ("" if right else ", which is not what was asked for"))]

    def lettering(self) -> list[Fact]:
        """Does the lettering read as asked. Raises CannotDo without Tesseract."""
        if not self.scene.lettering:
            return []
        facts = []
        for line in self.scene.lettering:
            read = [lettering.plain(t) for t in lettering.read(self.seen, lettering.is_chinese(line.text))]
            wanted = lettering.plain(line.text)
            ways = {*read, " ".join(read), "".join(read)}
            right = wanted in ways or wanted in {way.strip(lettering.SPECKS) for way in ways}
            right = right or any(glyphs.matches(lettering.cover(self.seen, at, 0.2), line.text) for at in self.seen.lines)
            right = right or glyphs.stands(self.seen, line.text, line.colour)
            facts.append(Fact("lettering", line.text, right, "" if right else "word",
                              f"it reads {' / '.join(repr(t) for t in read) or 'nothing'}" + ("" if right else f", not {line.text!r}")))
        return facts

    def verdict(self, tasks: Collection[str]) -> Verdict:
        """Judges the asked tasks. Raises Unknown for one that is not of TASKS."""
        for task in tasks:
            if task not in TASKS:
                raise Unknown("task of the judge", task, TASKS)
        makers = {"concept": self.concepts, "style": self.styles, "colour": self.colours, "count": self.counts, "position": self.positions,
                  "grid": self.grid, "background": self.background, "transparency": self.transparency, "lettering": self.lettering}
        return Verdict(tuple(fact for task in TASKS if task in tasks for fact in makers[task]()))


def _index(seen: SeenItem) -> int | None:
    if seen.tint is None:
        return None
    return next((i for i, c in enumerate(ITEM_COLOURS) if c.en[0] == seen.colour), None)


def _distance(a: geometry.Spot, b: geometry.Spot) -> float:
    return float(np.hypot(a.u - b.u, a.v - b.v))
