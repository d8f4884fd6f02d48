"""Looking at a picture: background, then things, then what the things leave unexplained."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from sayso.world.colours import ITEM_COLOURS, difference
from sayso.world.judge.background import FoundBackground, find_background
from sayso.world.judge.bank import moments_of, tintable
from sayso.world.judge.canvas import Canvas, canvas
from sayso.world.judge.match import TURNS, Candidate, Difference, Matcher, least_squares_tint, tinted
from sayso.world.judge.parts import SMALLEST, Node, forest, label, leaves, split
from sayso.world.judge.rows import Row, find_rows
from sayso.world.judge.seen import Seen, SeenItem, SeenLine
from sayso.world.judge.warp import sample

STANDS_OUT = 0.05  # distance in 0..1 sRGB at which a pixel is something
SURE = 0.965  # a match as good as this is not taken apart or joined with its neighbours
WHOLE = 0.95  # several parts that match one drawing as well as this are that drawing, whatever each looks like alone
DOUBT = 4.0  # how much worse than its energy a match counts per unit of what it leaves unexplained
COPIED = 0.93  # score from which further copies of a drawing are looked for
LEAST = 0.30  # below this score a thing is unknown


@dataclass(eq=False)
class Thing:
    """A part of the picture with the drawings that may explain it, best first."""

    mask: np.ndarray
    energy: float
    found: list[Candidate]

    @property
    def score(self) -> float:
        return self.found[0].score if self.found else 0.0

    @property
    def value(self) -> float:
        """Energy that is well explained."""
        return self.energy * max(0.02, 1 - DOUBT * (1 - self.score)) if self.found else 0.0


class Looker:
    """Looks at one picture with one matcher."""

    def __init__(self, matcher: Matcher, pixels: np.ndarray) -> None:
        self.matcher = matcher
        self.canvas: Canvas = canvas(pixels)
        self.pixels = pixels
        self.background: FoundBackground = find_background(self.canvas, pixels.shape[1], pixels.shape[0])
        self.field = self.background.field
        behind = self.field if self.background.kind == "transparent" else np.full(3, 0.5, np.float32)
        self.rgb = self.canvas.over(behind)
        self.diff = self.rgb - self.field
        self.strength = np.sqrt((self.diff**2).sum(-1))
        self.blur = 0.0 if self.canvas.fine == 1.0 else 0.8
        self.rim = 1 if self.canvas.fine == 1.0 else 3  # pixels by which softness widens things
        self.mask = self.strength > max(STANDS_OUT, 4 * self.background.noise)
        # What is the background, darkened by no more than a shadow does.
        shade = 1 - (self.rgb * self.field).sum(-1) / np.maximum((self.field**2).sum(-1), 1e-4)
        off = np.sqrt(((self.rgb - (1 - shade[..., None]) * self.field) ** 2).sum(-1))
        self.shaded = (shade > 0) & (shade < 0.36) & (off < 0.03)
        self.rows: list[Row] = []

    def difference(self, mask: np.ndarray, field: np.ndarray | None = None, trust: np.ndarray | None = None) -> Difference:
        """The difference with everything that is something but not in `mask` left out of account."""
        behind = self.field if field is None else field
        others = ndimage.binary_dilation(self.mask & ~mask) & ~mask
        weight = np.where(others, 0.0, 1.0).astype(np.float32)
        return Difference(behind, self.rgb - behind, weight if trust is None else weight * trust, self.blur)

    def windows(self, mask: np.ndarray, strength: np.ndarray | None = None, wide: bool = False) -> np.ndarray:
        """Windows [R, 5] to search at: the mask's moments, unturned and turned, both ways round; `wide`: also moved and scaled."""
        soft = np.minimum((self.strength if strength is None else strength) / 0.25, 1.0) * mask
        x, y, sigma = moments_of(soft)
        spots = [(x, y, sigma)]
        lit = soft * ~self.shaded
        if 0.4 * soft.sum() < lit.sum() < 0.94 * soft.sum():
            spots.append(moments_of(lit))  # a shadow under an item is none of it
        if wide:
            spots += [(x, y, sigma * s) for s in (0.8, 1.25, 1.55)]
            aside = ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))
            spots += [(x + dx * sigma, y + dy * sigma, sigma * s) for dx, dy in aside for s in (1.0, 1.3)]
        turns = TURNS if not wide else (TURNS[1],)
        return np.array([(a, b, max(s, 1.5), t, m) for a, b, s in spots for t in turns for m in (1, -1)], np.float32)

    def match(self, mask: np.ndarray) -> Thing:
        """The drawings that may explain one mask."""
        seen = self.difference(mask)
        energy = float((self.strength[mask] ** 2).sum())
        return Thing(mask, energy, self.matcher.match(seen, self.windows(mask)))

    def resolve(self, node: Node) -> list[Thing]:
        """A tree of parts → the things that explain it best: itself as one, or those of its children."""
        if not node.children:
            return [self.match(node.mask)] if node.area >= SMALLEST else [Thing(node.mask, 0.0, [])]
        apart = [thing for child in node.children for thing in self.resolve(child)]
        areas = [int(t.mask.sum()) for t in apart]
        # Things that are all sure and of like size need no second thought; a small one may be a part of its neighbour.
        if all(t.score >= SURE for t in apart) and min(areas) > 0.3 * max(areas):
            return apart
        whole = self.match(node.mask)
        return [whole] if whole.score >= WHOLE or whole.value > sum(t.value for t in apart) else apart

    def cut(self, thing: Thing) -> list[Thing]:
        """A thing that no drawing explains well → the same, or two touching or overlapping things that explain it better."""
        options = [thing]
        wide = self.matcher.match(self.difference(thing.mask), self.windows(thing.mask, wide=True))
        if wide and wide[0].score > thing.score:
            options.append(Thing(thing.mask, thing.energy, wide))
        best = max(options, key=lambda t: t.score)
        if best.score >= SURE - 0.04:
            return [best]
        halves = split(thing.mask)
        for first, second in zip(halves[::2], halves[1::2]):
            pair = [self.match(first), self.match(second)]
            if sum(t.value for t in pair) > best.value:
                best = max(pair, key=lambda t: t.value)
                if min(t.score for t in pair) > SURE - 0.06:
                    return pair
        return [best]

    def painted(self, things: list[Thing]) -> tuple[np.ndarray, np.ndarray]:
        """The background with the things' best drawings over it → [h, w, 3], their joint alpha [h, w]."""
        out, cover = self.field.copy(), np.zeros(self.mask.shape, np.float32)
        for thing in things:
            if not thing.found:
                continue
            over = stamp(self.matcher, thing.found[0], out.shape[:2])
            out = over[..., :3] + (1 - over[..., 3:]) * out
            cover = cover + (1 - cover) * over[..., 3]
        return out, cover

    def leftover(self, things: list[Thing]) -> list[Thing]:
        """What the things leave unexplained, as further things that lie over or under them."""
        painted, cover = self.painted(things)
        error = np.sqrt(((self.rgb - painted) ** 2).sum(-1))
        open_ = ndimage.binary_opening(error > 0.16, np.ones((2, 2)))
        near = np.logical_or.reduce([ndimage.binary_dilation(t.mask, iterations=2) for t in things])
        labels = label(ndimage.binary_dilation(open_) & near)
        out = []
        for i in range(1, int(labels.max(initial=0)) + 1):
            mask = (labels == i) & open_
            energy = float((error[mask] ** 2).sum())
            if mask.sum() < 3 * SMALLEST or energy < 0.06 * max(t.energy for t in things):
                continue
            trust = np.where((cover > 0.5) & ~mask, 0.3, 1.0).astype(np.float32)
            seen = self.difference(mask | (cover > 0.5), painted, trust)
            found = self.matcher.match(seen, np.concatenate([self.windows(mask, error), self.windows(mask, error, wide=True)]))
            out.append(Thing(mask, energy, found))
        return out

    def things(self) -> tuple[list[Thing], list[Row]]:
        """All things of the picture, and the rows of parts that look like lettering."""
        trees = forest(self.mask)
        parts = [leaf for tree in trees for leaf in leaves(tree)]
        things = [thing for tree in trees for thing in self.resolve(tree)]
        written = np.zeros_like(self.mask)
        for row in find_rows(things, parts, self.rgb, self.field):
            inside = [t for t in things if _share(t.mask, row.mask) > 0.5]
            if len(inside) > 1:  # one thing alone may as well be several that touch, so it is cut first
                written |= row.mask
        pieces: list[Thing] = []
        for thing in things:
            plain = not thing.found or thing.score >= SURE or _share(thing.mask, written) > 0.5
            pieces += [thing] if plain else self.cut(thing)
        pieces = self.with_siblings(things, pieces)
        rows = find_rows(pieces, parts, self.rgb, self.field)
        for row in rows:
            pieces = [t for t in pieces if _share(t.mask, row.mask) <= 0.5]
        weak = [t for t in pieces if t.found and t.score < SURE]
        return pieces + [t for thing in weak for t in self.leftover([thing]) if t.score >= 0.75], rows

    def with_siblings(self, things: list[Thing], pieces: list[Thing]) -> list[Thing]:
        """Finds further copies of the drawings that are sure in what is not: copies often touch."""
        from sayso.world.judge.search import Search

        sure = {(t.found[0].row, t.found[0].tint): t.found[0] for t in pieces if t.score >= COPIED}
        spare = np.logical_or.reduce([t.mask for t in things if t.mask.any()] or [np.zeros_like(self.mask)])
        for t in pieces:
            if t.score >= COPIED:
                covered = stamp(self.matcher, t.found[0], self.mask.shape)[..., 3] > 0.05
                spare = spare & ~ndimage.binary_dilation(covered, iterations=self.rim)
        largest = max((c.box[2] for c in sure.values()), default=0.0)
        if not sure or len(sure) > 3 or spare.sum() < max(3 * SMALLEST, 0.05 * largest**2):
            return pieces
        copies: list[Thing] = []
        for c in sure.values():
            for copy in Search(self).copies(c, spare):
                copies.append(copy)
                spare = spare & ~ndimage.binary_dilation(copy.mask, iterations=self.rim)
        gone = np.logical_or.reduce([t.mask for t in copies] or [np.zeros_like(self.mask)])
        return [t for t in pieces if t.score >= COPIED or _share(t.mask, gone) < 0.4] + copies


def _share(mask: np.ndarray, of: np.ndarray) -> float:
    return float((mask & of).sum()) / max(1, int(mask.sum()))


def stamp(matcher: Matcher, c: Candidate, shape: tuple[int, int]) -> np.ndarray:
    """A candidate's drawing alone on an empty canvas → premultiplied [h, w, 4]."""
    sprite = matcher.coloured(c)
    x, y, side, turn, mirror = c.box
    h, w = shape
    v, u = np.mgrid[:h, :w].astype(np.float32)
    dx, dy = (u - x) / side, (v - y) / side
    cos, sin = np.cos(turn), np.sin(turn)
    across, down = (cos * dx + sin * dy) * mirror, -sin * dx + cos * dy
    edge = sprite.shape[0]
    return sample(sprite, (across + 0.5) * edge - 0.5, (down + 0.5) * edge - 0.5)


def _item(looker: Looker, thing: Thing) -> SeenItem:
    best = thing.found[0]
    concept, style = looker.matcher.bank.name(best.row)
    x, y, side, turn, mirror = best.box
    h, w = looker.mask.shape
    tint = _tint(looker, best, style == "line")
    colour = None if tint is None else min(ITEM_COLOURS, key=lambda c: difference(c.hex, tint)).en[0]
    core = looker.rgb[thing.mask]
    main = np.median(core, axis=0)
    rivals = tuple((*looker.matcher.bank.name(c.row), round(c.score, 4)) for c in thing.found[:8])
    return SeenItem(concept, style, (x + 0.5) / w, (y + 0.5) / h, side / min(w, h), float(np.degrees(turn)), mirror < 0, tint, colour,
                    _hex(main), best.shadow, best.score, rivals)


def _tint(looker: Looker, best: Candidate, line: bool) -> str | None:
    """The tint (hex) in which the drawing explains the picture best; None where its own colours do as well."""
    shape = looker.mask.shape
    plain = stamp(looker.matcher, replace(best, tint=None), shape)
    grey, alpha = tintable(plain, line), plain[..., 3]
    others = ndimage.binary_dilation(looker.mask & (alpha < 0.05))
    weight = np.where((alpha > 0.05) & ~others, 1.0, 0.0)
    if weight.sum() < 4:
        return None if best.tint is None else _hex(np.array(best.tint))
    paint = looker.rgb - (1 - alpha[..., None]) * looker.field  # what the drawing must have put there
    fitted = least_squares_tint(*(a.reshape(-1, *a.shape[2:]) for a in (paint, grey, alpha, weight)))
    tint = np.array(fitted, np.float32)
    own = (weight * ((paint - plain[..., :3]) ** 2).sum(-1)).sum()
    dyed = tinted(plain, tint, line)
    other = (weight * ((paint - dyed[..., :3]) ** 2).sum(-1)).sum()
    if not line and other > (0.8 if best.tint is None else 1.0) * own:
        return None
    return _hex(tint)


def _hex(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(float(v) * 255):02x}" for v in colour)


def _box(mask: np.ndarray) -> tuple[float, float, float, float]:
    y, x = np.nonzero(mask)
    h, w = mask.shape
    return float(x.min()) / w, float(y.min()) / h, float(x.max() + 1) / w, float(y.max() + 1) / h


def look(matcher: Matcher, pixels: np.ndarray) -> tuple[Seen, Looker, list[Thing]]:
    """uint8 [H, W, 4] → what is in it, and how that was found. Raises BadInput for another shape or a size that cannot be judged."""
    looker = Looker(matcher, pixels)
    things, rows = looker.things()
    return report(looker, things, rows), looker, things


def report(looker: Looker, things: list[Thing], rows: list[Row]) -> Seen:
    """Things and lines of lettering as data."""
    looker.rows = rows
    items, unknown, notes = [], [], []
    for thing in things:
        if thing.found and thing.score >= LEAST:
            items.append(_item(looker, thing))
        elif thing.mask.sum() >= 2 * SMALLEST:
            unknown.append(_box(thing.mask))
    lines = tuple(SeenLine(_box(r.mask), r.colour) for r in rows)
    weak = [i for i in items if i.score < 0.8]
    if weak:
        notes.append(f"{len(weak)} of {len(items)} items match their drawing only loosely")
    if looker.background.explained < 0.3:
        notes.append("the background fits none of the known kinds well")
    items.sort(key=lambda i: (round(i.y * 4), i.x))
    height, width = looker.pixels.shape[:2]
    return Seen(looker.background, tuple(items), lines, tuple(unknown), tuple(notes), width / height, looker.pixels)
