"""A second look, knowing what was asked for: searches the asked drawings that the first look did not find."""

from __future__ import annotations

from sayso.world.colours import rgb
from sayso.world.judge.looker import SURE, Looker, Thing, report
from sayso.world.judge.rows import is_plain, joined_rows
from sayso.world.judge.search import Search, Tint
from sayso.world.judge.seen import Seen
from sayso.world.judge.twins import Twins
from sayso.world.judge.verdict import Check
from sayso.world.scene import Item, Scene

OVERLAPPING = ("inside", "on", "wearing", "holding")
MOST = 4  # items searched for in one picture; a picture that lacks more is wrong enough


def look_again(looker: Looker, things: list[Thing], seen: Seen, scene: Scene, twins: Twins) -> Seen:
    """What was seen, with the asked items that only a search finds. Nothing is added that another drawing explains better."""
    if scene.lettering:
        things, seen = _lettered(looker, things, seen, Check(seen, scene, twins))
    check = Check(seen, scene, twins)
    lost = [i for i in range(len(scene.items)) if i not in check.pairs]
    if not lost or len(lost) > MOST:
        return seen
    search = Search(looker)
    answering = {seen.items[k].score for k in check.pairs.values()}
    for relation in scene.relations:
        together = sorted((relation.subject, *relation.objects))
        if relation.kind in OVERLAPPING and any(i in lost for i in together):
            rows = [_row(scene.items[i], looker) for i in together]
            found = search.pair([r for r in rows if r is not None]) if all(r is not None for r in rows) else []
            if found and all(t is not None for t in found):
                things = _with(things, [t for t in found if t is not None])
                answering |= {t.score for t in found if t is not None}
                lost = [i for i in lost if i not in together]
    for i in lost:
        row = _row(scene.items[i], looker)
        if row is not None:
            thing = search.single(*row, [t for t in things if any(t.score == s for s in answering)])
            if thing is not None:
                things = _with(things, [thing])
                answering.add(thing.score)
    return report(looker, things, looker.rows)


def _lettered(looker: Looker, things: list[Thing], seen: Seen, check: Check) -> tuple[list[Thing], Seen]:
    """Where lettering was asked for, doubtful things of one plain ink that nobody asked for are taken for (part of) it."""
    answering = {seen.items[k].score for k in check.pairs.values()}
    letters = [t for t in things if t.score < SURE and t.score not in answering and t.mask.any()
               and is_plain(t.mask, looker.rgb, looker.field)]
    if not letters:
        return things, seen
    kept = [t for t in things if all(t is not x for x in letters)]
    return kept, report(looker, kept, joined_rows(looker.rows, [t.mask for t in letters], looker.rgb, looker.field))


def _row(item: Item, looker: Looker) -> tuple[int, Tint] | None:
    """Row of the bank and tint of an asked item; None where the bank has no such drawing."""
    bank = looker.matcher.bank
    if item.concept not in bank.concepts or item.style not in bank.styles:
        return None
    if item.tint is None:
        return bank.row(item.concept, item.style), None
    red, green, blue = (v / 255 for v in rgb(item.tint))
    return bank.row(item.concept, item.style), (red, green, blue)


def _with(things: list[Thing], found: list[Thing]) -> list[Thing]:
    """Things with the found ones, without those that mostly lie where these are."""
    def hidden(old: Thing) -> bool:
        size = max(1, int(old.mask.sum()))
        covered = old.mask & False
        for new in found:
            covered = covered | new.mask
        return int((old.mask & covered).sum()) > 0.5 * size

    return [t for t in things if not hidden(t)] + found
