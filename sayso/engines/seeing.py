"""What the pocket model sees: the plan of a picture, found by votes of its patches and checked by drawing it.

Axes: H, W pixels of a picture; a model's canvas has `rows` × `columns` patches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sayso.engines import finding, layers
from sayso.engines.ground import of_plans
from sayso.engines.keeping import resized
from sayso.engines.sampling import paint
from sayso.engines.sight import Sight
from sayso.engines.votes import Votes, votes_of
from sayso.models.codecs.pixels import decode, encode
from sayso.models.specs import CanvasSpec
from sayso.models.unified import UnifiedModel, patch_coordinates
from sayso.types import Plan
from sayso.world import lexicon, plan
from sayso.world.grounds import Known
from sayso.world.scene import Item
from sayso.world.sheets import DESIGN

BATCH = 8  # sheets painted together
FINER = 2  # times the model's pixels, in which drawings are compared with the picture


class Seeing:
    def __init__(self, model: UnifiedModel, known: Known, canvas: CanvasSpec, dtype: torch.dtype):
        self.model, self.known, self.patch, self.dtype = model, known, canvas.patch, dtype
        self.side = round(canvas.tokens**0.5)  # patches along a square

    def plan_of(self, picture: np.ndarray, rows: int, columns: int, prompt: str) -> Plan:
        """The plan of a picture, uint8 [H, W, 4], on a canvas of rows × columns. `prompt`: what the person says of it."""
        ((whole, behind),) = self._glance([picture], rows, columns)
        short = min(rows, columns)
        found = finding.found(picture, whole, behind, self.known, DESIGN * columns // short, DESIGN * rows // short, self._looked)
        said = [slug for slug in dict.fromkeys(m.slug for m in lexicon.mentions(prompt)) if slug in self.known.concepts]

        def sketched(plans: Sequence[Plan], square: bool) -> list[np.ndarray]:
            return self._sketched(plans, self.side, self.side, True) if square else self._sketched(plans, rows, columns, False)

        sight = Sight(picture, FINER * self.patch * rows, FINER * self.patch * columns, sketched, self._closer, said)
        return sight.nearer(plan.to_plan(found))

    @torch.no_grad()
    def _glance(self, pictures: Sequence[np.ndarray], rows: int, columns: int) -> list[tuple[Votes, np.ndarray]]:
        """What the eye says of pictures: of their patches, and of what lies behind."""
        assert self.model.naming is not None
        device = self.model.embed.weight.device
        small = np.stack([resized(picture, columns * self.patch, rows * self.patch) for picture in pictures])
        named = self.model.naming(self.model.glance(encode(small).to(device, self.dtype), patch_coordinates(rows, columns).to(device)))
        return [(votes_of(named, b, rows, columns), named.behind[b].cpu().numpy()) for b in range(len(pictures))]

    def _looked(self, pictures: Sequence[np.ndarray]) -> list[Votes]:
        """What the eye says of square pictures."""
        return [votes for votes, _ in self._glance(pictures, self.side, self.side)]

    def _closer(self, pictures: Sequence[np.ndarray]) -> list[list[Item]]:
        """What is found in square pictures."""
        return [finding.items(votes, self.known, DESIGN, DESIGN) for votes in self._looked(pictures)]

    def _sketched(self, plans: Sequence[Plan], rows: int, columns: int, alone: bool) -> list[np.ndarray]:
        """Sheets of plans as they are painted, not finished: uint8 [h, w, 4] each. `alone`: of a thing on nothing."""
        out: list[np.ndarray] = []
        for at in range(0, len(plans), BATCH):
            some = plans[at : at + BATCH]
            ground = of_plans(some, self.known, rows, columns, self.model.embed.weight.device)
            for last in paint(self.model, ground, [0] * len(some), rows, columns, self.patch, 1, self.dtype):
                out += [layers.cleared(x) if alone else x for x in decode(last)]
        return out
