"""The judge of the drawn world: what is in a picture, and whether it is what was asked for.

It was written apart from the models it judges and shares nothing with them: it compares pictures with exact renders of all
drawings. `sayso eval judge` prints how often it is right, and how often it names a planted fault.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import numpy as np

from sayso.world.judge.again import look_again
from sayso.world.judge.answers import QUESTIONS, answer
from sayso.world.judge.bank import Bank, load
from sayso.world.judge.looker import look
from sayso.world.judge.match import Matcher
from sayso.world.judge.seen import Seen, SeenItem, SeenLine
from sayso.world.judge.twins import Twins
from sayso.world.judge.verdict import FAULTS, TASKS, Check, Fact, Verdict
from sayso.world.scene import STYLES, Scene


class Judge:
    """Judges pictures of the drawn world. Its bank is built at the first look (3 ms a drawing) and kept in the cache folder."""

    def __init__(self, concepts: tuple[str, ...] | None = None, styles: tuple[str, ...] = STYLES) -> None:
        """`concepts`: slugs it knows, None for all of the world. Raises Unknown for a concept or style."""
        from sayso.errors import Unknown
        from sayso.world import art

        self.concepts = tuple(c.slug for c in art.concepts()) if concepts is None else tuple(dict.fromkeys(concepts))
        self.styles = tuple(styles)
        for slug in self.concepts:
            art.concept(slug)
        for style in self.styles:
            if style not in STYLES:
                raise Unknown("style", style, STYLES)

    @cached_property
    def bank(self) -> Bank:
        """All drawings that are compared with."""
        return load(self.concepts, self.styles)

    @cached_property
    def matcher(self) -> Matcher:
        """The search of the bank."""
        return Matcher(self.bank)

    @cached_property
    def twins(self) -> Twins:
        """Drawings that cannot be told apart."""
        return Twins(self.matcher)

    def look(self, pixels: np.ndarray) -> Seen:
        """uint8 [H, W, 4] → what is in it. Raises BadInput for what is no picture or cannot be judged."""
        return look(self.matcher, pixels)[0]

    def check(self, pixels: np.ndarray | Seen, scene: Scene, tasks: Collection[str] = TASKS) -> Verdict:
        """A picture (or what was seen in it) against the scene that was asked for.

        Raises Unknown for a task that is not of TASKS, CannotDo where lettering is asked for and Tesseract is missing.
        """
        if isinstance(pixels, Seen):
            pixels = pixels.pixels
        seen, looker, things = look(self.matcher, pixels)
        return Check(look_again(looker, things, seen, scene, self.twins), scene, self.twins).verdict(tasks)

    def answer(self, pixels: np.ndarray | Seen, question: str, subject: str = "", other: str = "") -> object:
        """Answers a question of QUESTIONS; see `answers.answer`."""
        return answer(pixels if isinstance(pixels, Seen) else self.look(pixels), question, subject, other)


__all__ = ["FAULTS", "QUESTIONS", "TASKS", "Fact", "Judge", "Seen", "SeenItem", "SeenLine", "Verdict"]
