"""The lesson of the eye: what the world knows of every patch of a picture, and how far from it what was said lies.

A patch belongs to the thing drawn last over its centre, or to none. Things are items and single characters of lettering
(world/grounds.py).

Axes: B pictures, T patches, N things in a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sayso.models.naming import Named
from sayso.training.tasks import Image
from sayso.world import grounds
from sayso.world.grounds import NOTHING, Known
from sayso.world.scene import Scene


@dataclass(frozen=True, eq=False)
class Names:
    """As models.naming.Named with the right answers: `thing`, `manner` int64 [B, T] (NOTHING where there is none), `part`
    float32 [B, T, 2], `place` [B, T, 3], `tint` [B, T, 4] (first whether there is one, 0 or 1), `behind` [B, S]."""

    thing: Tensor
    manner: Tensor
    part: Tensor
    place: Tensor
    tint: Tensor
    behind: Tensor

    def to(self, device: torch.device) -> Names:
        return Names(*(x.to(device) for x in (self.thing, self.manner, self.part, self.place, self.tint, self.behind)))


def names(pictures: Sequence[Image], known: Known, rows: int, columns: int) -> Names:
    """The labels of scenes, or of parts of them, on rows × columns patches. Alpha is not looked at: an item is its turned art box.
    Of a part nothing is said of the background, which is not seen whole."""
    table, (x, y) = grounds.table_of(known), grounds.centres(rows, columns)
    made = []
    for picture in pictures:
        assert not isinstance(picture, np.ndarray), "nothing is known of what an array shows"
        behind = grounds.sort_of(picture.background) if isinstance(picture, Scene) else np.zeros(grounds.COLOURS.stop, np.float32)
        made.append((*_of_scene(picture if isinstance(picture, Scene) else picture.shown, table, x, y), behind))
    return Names(*(torch.from_numpy(np.stack(part)) for part in zip(*made, strict=True)))


def _of_scene(scene: Scene, table: grounds.Table, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    kinds, manners, things = grounds.listed(scene, table)
    T = len(x)
    what, manner = np.full(T, NOTHING), np.zeros(T, np.int64)
    part, place, tint = np.zeros((T, 2), np.float32), np.zeros((T, 3), np.float32), np.zeros((T, 4), np.float32)
    if not len(kinds):
        return what, manner, part, place, tint
    left, top = things[:, 0, None] - x, things[:, 1, None] - y  # [N, T]
    side, across, down, sine, cosine, facing = (things[:, i, None] for i in (2, 3, 4, 5, 6, 7))
    u, v = -(cosine * left + sine * top), sine * left - cosine * top
    letter = manners[:, None] >= grounds.FIRST_FONT
    inside = (np.abs(u) < np.where(letter, across, side / 2)) & (np.abs(v) < np.where(letter, down, side / 2))
    shown = inside.any(0)
    mine = len(kinds) - 1 - np.argmax(inside[::-1], axis=0)[shown]  # the last of those over the patch's centre
    at = mine, np.nonzero(shown)[0]
    what[shown], manner[shown] = kinds[mine], manners[mine]
    part[shown] = np.stack((facing[mine, 0] * u[at], v[at]), 1) / side[mine]
    place[shown] = np.stack((left[at], top[at], side[mine, 0]), 1)
    tint[shown] = things[mine, 8:]
    return what, manner, part, place, tint


def naming_loss(said: Named, right: Names) -> Tensor:
    """Cross-entropy of the thing over all patches, of its manner and tint over those that show one, and the squared errors of its
    part (four times), place (sixteen times) and tint there; and what is wrong of the background."""
    loss = F.cross_entropy(said.things.flatten(0, 1), right.thing.flatten()) + _behind_loss(said.behind, right.behind)
    mine = right.thing != NOTHING
    if not bool(mine.any()):
        return loss
    loss = loss + F.cross_entropy(said.manners[mine], right.manner[mine])
    part = (said.part[mine] - right.part[mine]).square().mean()
    place = (said.place[mine] - right.place[mine]).square().mean()
    tint, right_tint = said.tint[mine], right.tint[mine]
    has = right_tint[:, 0]
    colour = ((tint[:, 1:] - right_tint[:, 1:]).square().mean(1) * has).mean()
    return loss + 4 * part + 16 * place + F.binary_cross_entropy_with_logits(tint[:, 0], has) + colour


def _behind_loss(said: Tensor, right: Tensor) -> Tensor:
    """Cross-entropy of kind, name and variant, the latter where there is one, and the squared error of the colours there are."""
    loss = torch.zeros((), device=said.device)
    for part in (grounds.KIND, grounds.NAME, grounds.VARIANT):
        target = right[:, part]
        loss = loss - (target * said[:, part].log_softmax(-1)).sum(-1).mean()
    colours = right[:, grounds.COLOURS]
    there = (colours.unflatten(1, (2, 3)) != 0).any(-1, keepdim=True).expand(-1, -1, 3).flatten(1)
    return loss + ((said[:, grounds.COLOURS] - colours).square() * there).mean()
