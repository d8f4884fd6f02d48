"""What the pocket model thinks: plans that it writes after prompts, changes as it is told, and answers from.

A plan goes in and out as shorthand (world/shorthand.py), so that a thing costs six or seven pieces.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from functools import cached_property, partial

import torch

from sayso.engines import context
from sayso.engines.context import Context, Row
from sayso.engines.spelling import Spelling, letterable
from sayso.errors import BadInput, SaysoError
from sayso.models.tokens import Pieces
from sayso.models.unified import UnifiedModel
from sayso.models.writer import Writer
from sayso.types import Plan
from sayso.world import lexicon, revision, shorthand
from sayso.world.tidy import framed, inked, roomed, spaced

PLAN_LIMIT, CHANGE_LIMIT, ANSWER_LIMIT = 144, 64, 56  # pieces of a plan, of what changes of one, and of an answer
TRIES = 4  # plans that are written before it is given up
WARMTH = 0.7  # at which plans after prompts are written: seeds differ in what the prompt leaves open


class Mind:
    def __init__(self, model: UnifiedModel, pieces: Pieces, dtype: torch.dtype, concepts: Collection[str]):
        self.model, self.pieces, self.dtype, self.concepts = model, pieces, dtype, concepts

    @cached_property
    def writer(self) -> Writer:
        return Writer(self.model)

    def think(self, prompts: Sequence[str], width: int, height: int, seeds: Sequence[int]) -> list[Plan | None]:
        """Plans for prompts on a canvas of the world's pixels, all written together; None where none could be read of those written."""
        told = self._told([[self._words(prompt, 112)] for prompt in prompts])
        spellings = [self._spelling(prompt, listed=lexicon.cells(prompt, self.concepts)) for prompt in prompts]
        read, salvaged = (partial(reader, width=width, height=height) for reader in (shorthand.read, shorthand.salvaged))
        made = self._written(told, PLAN_LIMIT, seeds, WARMTH, read, spellings, salvaged)
        return [None if plan is None else framed(spaced(inked(plan, prompt))) for plan, prompt in zip(made, prompts, strict=True)]

    def change(self, before: Plan, said: str, area: str, seed: int) -> Plan | None:
        """The plan after an instruction, in an area (`area_words`) or anywhere: what the instruction does not name stays as it was."""
        row: Row = [self._short(before), self._words(area + said, 40)]
        spelling = self._spelling(said, before)
        (after,) = self._written(self._told([row]), CHANGE_LIMIT, [seed], 0.0, lambda text: revision.read(text, before), [spelling])
        return after if after is None or area else roomed(before, after)

    def combine(self, plans: Sequence[Plan], said: str, seed: int) -> Plan | None:
        """The plan of one picture made from several: one of them, changed."""

        def one(text: str) -> Plan:
            nth = ord(text[:1] or "\0") - ord(shorthand.mark(1))
            if not 0 <= nth < len(plans):
                raise BadInput(f'"{shorthand.legible(text)}" does not say which picture is changed; write its number first')
            return revision.read(text[1:], plans[nth])

        row: Row = [*map(self._short, plans), self._words(said, 40)]
        return self._written(self._told([row]), CHANGE_LIMIT, [seed], 0.0, one, [self._spelling(said, *plans)])[0]

    def answer(self, plans: Sequence[Plan], question: str) -> str:
        """The answer to a question about pictures of these plans. Lettering is written between quotation marks, and said without."""
        row: Row = [*map(self._short, plans), self._words(question, 40)]
        lines = [line.text for plan in plans for line in plan.lettering]
        spelling = Spelling(self.pieces, [*lines, *lexicon.lettering(question)] if lines else None)
        (said,) = context.write(self.writer, self.pieces, self._told([row]), ANSWER_LIMIT, 0.0, [0], [spelling])
        return said.strip('"')

    def _spelling(self, said: str, *plans: Plan, listed: Sequence[str] = ()) -> Spelling:
        """Of what follows words: as they quote, or as the plans before them do. Where they quote nothing, anything may be lettered."""
        quoted = lexicon.lettering(said)
        lines = [text for text in quoted if letterable(self.pieces, text)] + [line.text for plan in plans for line in plan.lettering]
        return Spelling(self.pieces, lines if quoted else None, listed)

    def _words(self, text: str, limit: int) -> list[int]:
        return self.pieces.encode(text, limit)

    def _short(self, plan: Plan) -> list[int]:
        return self.pieces.encode(shorthand.write(plan), PLAN_LIMIT)

    def _told(self, rows: list[Row]) -> Context:
        """Sequences of words alone, read."""
        return context.read(self.model, self.pieces, rows, torch.empty(0, 2), self.dtype)

    def _written(
        self,
        before: Context,
        limit: int,
        seeds: Sequence[int],
        warmth: float,
        understood: Callable[[str], Plan],
        spellings: Sequence[Spelling],
        salvaged: Callable[[str], Plan] | None = None,
    ) -> list[Plan | None]:
        """What follows each sequence, as `understood`; what is not is written again, up to TRIES times and never at zero warmth, and
        then `salvaged`."""
        plans: list[Plan | None] = [None] * len(seeds)
        for nth in range(TRIES + (salvaged is not None)):
            missing = [b for b, made in enumerate(plans) if made is None]
            if not missing:
                break
            rows = before.pick(torch.tensor(missing, device=before.start.device))
            lots = [seeds[b] + nth * 7919 for b in missing]
            spelt = [spellings[b] for b in missing]
            texts = context.write(self.writer, self.pieces, rows, limit, max(warmth, 0.5 * (nth > 0)), lots, spelt)
            for b, text in zip(missing, texts, strict=True):
                with contextlib.suppress(SaysoError):
                    plans[b] = understood(text) if nth < TRIES or salvaged is None else salvaged(text)
        return plans
