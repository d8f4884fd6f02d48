"""What the pocket model thinks: plans that it reads off pictures, writes after prompts, changes as it is told, and answers from.

A plan goes in and out as shorthand (world/shorthand.py), so that a thing costs six or seven pieces.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from sayso.engines import context
from sayso.engines.context import Context, Row
from sayso.errors import SaysoError
from sayso.models.tokens import Pieces
from sayso.models.unified import UnifiedModel
from sayso.models.writer import Writer
from sayso.types import Plan, PlanItem, PlanText
from sayso.world import shorthand

PLAN_LIMIT, ANSWER_LIMIT = 144, 56  # pieces of a plan and of an answer
TRIES = 4  # plans that are written before it is given up
WARMTH = 0.7  # at which plans after prompts are written: seeds differ in what the prompt leaves open
SLIP = 2  # percents by which a box may be copied wrongly and still be the same


class Mind:
    def __init__(self, model: UnifiedModel, pieces: Pieces, dtype: torch.dtype):
        self.model, self.pieces, self.dtype = model, pieces, dtype

    @cached_property
    def writer(self) -> Writer:
        return Writer(self.model)

    def think(self, prompts: Sequence[str], width: int, height: int, seeds: Sequence[int]) -> list[Plan | None]:
        """Plans for prompts on a canvas of the world's pixels, all written together; None where none could be read of those written."""
        return self._plans(self._told([[self._words(prompt, 112)] for prompt in prompts]), width, height, seeds, WARMTH)

    def read(self, pixels: Tensor, coordinates: Tensor, width: int, height: int) -> Plan | None:
        """The plan of a picture [4, H, W] in the model's pixels, whose patches lie at `coordinates`."""
        return self._plans(context.look(self.model, pixels, coordinates, self.dtype), width, height, [0], 0.0)[0]

    def change(self, before: Plan, said: str, area: str, seed: int) -> Plan | None:
        """The plan after an instruction, in an area (`area_words`) or anywhere. What was copied nearly stays as it was."""
        row: Row = [self._short(before), self._words(area + said, 40)]
        (after,) = self._plans(self._told([row]), before.width, before.height, [seed], 0.0)
        return None if after is None else settled(before, after)

    def combine(self, plans: Sequence[Plan], said: str, seed: int) -> Plan | None:
        """The plan of one picture made from several."""
        row: Row = [*map(self._short, plans), self._words(said, 40)]
        (after,) = self._plans(self._told([row]), plans[0].width, plans[0].height, [seed], 0.0)
        if after is None:
            return None
        for before in plans:
            after = settled(before, after)
        return after

    def answer(self, plans: Sequence[Plan], question: str) -> str:
        """The answer to a question about pictures of these plans."""
        row: Row = [*map(self._short, plans), self._words(question, 40)]
        return context.write(self.writer, self.pieces, self._told([row]), ANSWER_LIMIT, 0.0, [0])[0]

    def _words(self, text: str, limit: int) -> list[int]:
        return self.pieces.encode(text, limit)

    def _short(self, plan: Plan) -> list[int]:
        return self.pieces.encode(shorthand.write(plan), PLAN_LIMIT)

    def _told(self, rows: list[Row]) -> Context:
        """Sequences of words alone, read."""
        return context.read(self.model, self.pieces, rows, torch.empty(0, 2), self.dtype)

    def _plans(self, before: Context, width: int, height: int, seeds: Sequence[int], warmth: float) -> list[Plan | None]:
        """The plan that follows each sequence; what is no plan is written again, up to TRIES times and never at zero warmth."""
        plans: list[Plan | None] = [None] * len(seeds)
        for nth in range(TRIES):
            missing = [b for b, made in enumerate(plans) if made is None]
            if not missing:
                break
            rows = before.pick(torch.tensor(missing, device=before.start.device))
            lots = [seeds[b] + nth * 7919 for b in missing]
            texts = context.write(self.writer, self.pieces, rows, PLAN_LIMIT, max(warmth, 0.5 * (nth > 0)), lots)
            for b, text in zip(missing, texts, strict=True):
                with contextlib.suppress(SaysoError):
                    plans[b] = shorthand.read(text, width, height)
        return plans


Part = TypeVar("Part", PlanItem, PlanText)


def settled(before: Plan, after: Plan) -> Plan:
    """`after` with every thing and line that it has from `before` exactly as it was there."""
    return replace(after, items=_settled(before.items, after.items), lettering=_settled(before.lettering, after.lettering))


def _settled(before: tuple[Part, ...], after: tuple[Part, ...]) -> tuple[Part, ...]:
    left, out = list(before), []
    for part in after:
        same = next((p for p in left if replace(p, box=part.box) == part and _near(p.box, part.box)), None)
        if same is not None:
            left.remove(same)
        out.append(part if same is None else same)
    return tuple(out)


def _near(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(abs(x - y) <= SLIP for x, y in zip(a, b, strict=True))
