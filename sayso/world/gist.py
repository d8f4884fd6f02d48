"""What there is to say about a scene, in no language: which items belong together, who stands how to whom, what is common.

Shared by the English and the Chinese captions, the questions and the edits.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from sayso.world.scene import Item, Scene
from sayso.world.wording import ninth


@dataclass(frozen=True)
class Group:
    """Items that one noun phrase names: same concept, tint and style, and the same relations. `members`: indices."""

    concept: str
    tint: str | None
    style: str
    members: tuple[int, ...]


@dataclass(frozen=True)
class Link:
    """A relation between groups: groups[subject] is `kind` groups[objects[0]] (and groups[objects[1]] for "between")."""

    kind: str
    subject: int
    objects: tuple[int, ...]


@dataclass(frozen=True)
class Gist:
    """`style`: the style all items share, or None when mixed or empty. `loose`: groups that no link mentions."""

    groups: tuple[Group, ...]
    links: tuple[Link, ...]
    loose: tuple[int, ...]
    style: str | None


OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def without_directions(scene: Scene) -> Scene:
    """The scene with only those relations that are more than a direction; "a fox and a car" is true of both."""
    return replace(scene, relations=tuple(r for r in scene.relations if r.kind not in OPPOSITE))


def gist(scene: Scene) -> Gist:
    """Groups the items of a scene; items are one group only when their relations are the same too."""
    ties: dict[int, list[tuple[str, int, tuple[int, ...]]]] = {}
    for r in scene.relations:
        ties.setdefault(r.subject, []).append((r.kind, -1, r.objects))
        for place, thing in enumerate(r.objects):
            rest = r.objects[:place] + r.objects[place + 1:] if r.kind == "between" else ()
            between_twins = r.kind == "between" and scene.items[thing] == _moved(scene.items[thing], scene.items[rest[0]])
            ties.setdefault(thing, []).append((r.kind, r.subject, () if between_twins else (place,)))
    keyed: dict[object, list[int]] = {}
    for i, item in enumerate(scene.items):
        mine = tuple(sorted(ties[i])) if i in ties else None
        keyed.setdefault((item.concept, item.tint, item.style, mine), []).append(i)
    groups = tuple(
        Group(scene.items[m[0]].concept, scene.items[m[0]].tint, scene.items[m[0]].style, tuple(m)) for m in keyed.values()
    )
    home = {i: g for g, group in enumerate(groups) for i in group.members}
    links: dict[Link, None] = {}
    for r in scene.relations:
        objects = tuple(home[o] for o in r.objects)
        links[Link(r.kind, home[r.subject], objects[:1] if len(set(objects)) == 1 else objects)] = None
    told = {g for link in links for g in (link.subject, *link.objects)}
    styles = {item.style for item in scene.items}
    loose = tuple(g for g in range(len(groups)) if g not in told)
    return Gist(groups, tuple(links), loose, next(iter(styles)) if len(styles) == 1 else None)


def _moved(a: Item, b: Item) -> Item | None:
    """`a` itself when it looks like `b` (concept, tint and style agree), else None."""
    return a if (a.concept, a.tint, a.style) == (b.concept, b.tint, b.style) else None


def size_of(scene: Scene, item: Item) -> str | None:
    """"big" or "small" when a person would say so, else None: against the canvas, and against the other items."""
    others = [other.size for other in scene.items if other is not item]
    if not others:
        return "big" if item.size >= 0.78 else "small" if item.size <= 0.3 else None
    typical = sorted(others)[len(others) // 2]
    if item.size >= 1.55 * typical and item.size >= 0.38:
        return "big"
    if item.size <= 0.6 * typical and item.size <= 0.26:
        return "small"
    return None


def group_size(scene: Scene, group: Group) -> str | None:
    """The size word that fits every member, or None."""
    said = {size_of(scene, scene.items[i]) for i in group.members}
    return said.pop() if len(said) == 1 and len(group.members) <= 3 else None


def arrangement(scene: Scene, group: Group) -> str | None:
    """"row", "column" or None: whether three or more members lie plainly in one line."""
    if len(group.members) < 3:
        return None
    xs = sorted(scene.items[i].x * scene.width for i in group.members)
    ys = sorted(scene.items[i].y * scene.height for i in group.members)
    side = min(scene.width, scene.height) * min(scene.items[i].size for i in group.members)
    if ys[-1] - ys[0] <= 0.15 * side and min(b - a for a, b in itertools.pairwise(xs)) >= 0.6 * side:
        return "row"
    if xs[-1] - xs[0] <= 0.15 * side and min(b - a for a, b in itertools.pairwise(ys)) >= 0.6 * side:
        return "column"
    return None


def parted(scene: Scene, told: Gist, link: Link) -> bool:
    """Whether the link's two groups are all there is and lie on different halves, so that the sides can be named."""
    if len(told.groups) != 2 or len(link.objects) != 1:
        return False
    axis = "x" if link.kind in ("left of", "right of") else "y"
    low, high = (link.subject, link.objects[0]) if link.kind in ("left of", "above") else (link.objects[0], link.subject)
    at = [[getattr(scene.items[i], axis) for i in told.groups[g].members] for g in (low, high)]
    return bool(max(at[0]) < 0.48 and min(at[1]) > 0.52)


def place_of(item: Item) -> int:
    """The ninth of the canvas where the item's centre lies, 0..8 in reading order."""
    return ninth(item.x, item.y)


def shape(scene: Scene) -> str:
    """"wide", "tall" or "square": the canvas as a person would call it."""
    ratio = scene.width / scene.height
    return "wide" if ratio >= 1.25 else "tall" if ratio <= 0.8 else "square"
