"""From what differs from the background to things: connected parts, and which near parts may belong to one drawing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

GAPS = (1.0, 1.5, 2.0, 2.9, 3.7, 4.7, 6.0)  # half the gap that is bridged, in working pixels, finest first
SMALLEST = 10  # pixels; less is a speck that can be part of a thing but is no thing itself
MOST_PARTS = 60  # finest parts that are looked at, largest first; more than any drawn scene has


@dataclass(eq=False)
class Node:
    """A set of finest parts seen as one thing. `mask`: bool [h, w]; `children`: the same parts as smaller things."""

    parts: frozenset[int]
    mask: np.ndarray
    children: list[Node] = field(default_factory=list)

    @property
    def area(self) -> int:
        return int(self.mask.sum())


def _disc(radius: float) -> np.ndarray:
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(x**2 + y**2 <= radius**2 + 0.25)


def label(mask: np.ndarray) -> np.ndarray:
    """mask [h, w] → int32 labels of its 8-connected parts, 0 elsewhere."""
    return np.asarray(ndimage.label(mask, np.ones((3, 3)))[0])


def forest(mask: np.ndarray) -> list[Node]:
    """mask [h, w] → trees whose roots are farthest-bridged things and whose leaves are the finest parts."""
    if not mask.any():
        return []
    away = ndimage.distance_transform_edt(~mask)
    finest = label(away <= GAPS[0]) * mask
    count = int(finest.max())
    areas = np.bincount(finest.reshape(-1), minlength=count + 1)
    kept = sorted((i for i in range(1, count + 1) if areas[i] >= 3), key=lambda i: -areas[i])[:MOST_PARTS]
    nodes = _enclosed([Node(frozenset((i,)), finest == i) for i in kept])
    for gap in GAPS[1:]:
        wide = label(away <= gap)
        groups: dict[int, list[Node]] = {}
        for node in nodes:
            y, x = np.argwhere(node.mask)[0]
            groups.setdefault(int(wide[y, x]), []).append(node)
        nodes = [g[0] if len(g) == 1 else _joined(g) for g in groups.values()]
    return nodes


def _enclosed(nodes: list[Node]) -> list[Node]:
    """Joins what lies in a hole of a larger part with that part: line drawings are made so."""
    nodes = sorted(nodes, key=lambda n: -n.area)
    inside: dict[int, list[Node]] = {}
    taken: set[int] = set()
    for i, outer in enumerate(nodes):
        if i in taken or outer.area < 4 * SMALLEST:
            continue
        filled = ndimage.binary_fill_holes(outer.mask)
        for k in range(i + 1, len(nodes)):
            if k not in taken and (nodes[k].mask & filled).sum() > 0.8 * nodes[k].area:
                inside.setdefault(i, []).append(nodes[k])
                taken.add(k)
    return [_joined([n, *inside[i]]) if i in inside else n for i, n in enumerate(nodes) if i not in taken]


def _joined(group: list[Node]) -> Node:
    mask = np.logical_or.reduce([n.mask for n in group])
    return Node(frozenset().union(*(n.parts for n in group)), mask, group)


def leaves(node: Node) -> list[Node]:
    """The finest parts of a node."""
    return [node] if not node.children else [leaf for child in node.children for leaf in leaves(child)]


def split(mask: np.ndarray) -> list[np.ndarray]:
    """Ways to cut a thing in two: 2-means of its pixels, and straight cuts at its narrowest place across and down → masks."""
    y, x = np.nonzero(mask)
    if len(x) < 4 * SMALLEST:
        return []
    points = np.stack([x, y], 1).astype(np.float64)
    sides = [_two_means(points)]
    for axis in (0, 1):
        width = np.bincount(points[:, axis].astype(int))
        low, high = int(points[:, axis].min()), int(points[:, axis].max())
        quarter = max(1, (high - low) // 5)
        middle = np.arange(low + quarter, high - quarter + 1)
        if len(middle):
            smooth = np.convolve(width, np.ones(3) / 3, "same")
            sides.append(points[:, axis] > middle[int(np.argmin(smooth[middle]))])
    out = []
    for side in sides:
        for part in (side, ~side):
            if part.sum() >= SMALLEST:
                cut = np.zeros_like(mask)
                cut[y[part], x[part]] = True
                out.append(cut)
    return out


def _two_means(points: np.ndarray) -> np.ndarray:
    """points [n, 2] → bool [n], True for the second of two clusters begun at the ends of the longest axis."""
    centred = points - points.mean(0)
    axis = np.linalg.svd(centred.T @ centred)[0][:, 0]
    along = centred @ axis
    centres = np.stack([points[along.argmin()], points[along.argmax()]]).astype(np.float64)
    second = along > 0
    for _ in range(10):
        distance = ((points[:, None] - centres[None]) ** 2).sum(-1)
        second = distance[:, 1] < distance[:, 0]
        if second.all() or not second.any():
            return along > 0
        centres = np.stack([points[~second].mean(0), points[second].mean(0)])
    return np.asarray(second)
