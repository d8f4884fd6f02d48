"""Questions about a picture, answered from what the judge saw in it."""

from __future__ import annotations

from collections import Counter

from sayso.errors import BadInput, Unknown
from sayso.world.judge import geometry, lettering
from sayso.world.judge.seen import Seen, SeenItem

QUESTIONS = ("what", "how many", "which colour", "where", "which style", "background", "transparent", "lettering", "is there")


def answer(seen: Seen, question: str, subject: str = "", other: str = "") -> object:
    """Answers a question of QUESTIONS about concepts given by slug.

    what → tuple of slugs, sorted; how many (subject) → int; which colour (subject) → colour word, or "own"; where (subject, other)
    → frozenset of "left of", "right of", "above", "below"; which style (subject) → style; background → (kind, name, colours);
    transparent → bool; lettering (subject "zh" for Chinese) → tuple of lines; is there (subject) → bool. Where the subject is
    not in the picture: colour and style "", where an empty set. Raises Unknown, BadInput, CannotDo (lettering without Tesseract).
    """
    if question not in QUESTIONS:
        raise Unknown("question", question, QUESTIONS)
    if question == "what":
        return tuple(sorted(Counter(i.concept for i in seen.items)))
    if question == "background":
        return seen.background.kind, seen.background.name, seen.background.colours
    if question == "transparent":
        return seen.background.kind == "transparent"
    if question == "lettering":
        return tuple(lettering.read(seen, subject == "zh"))
    if not subject or (question == "where" and not other):
        raise BadInput(f'the question "{question}" needs a concept to ask about')
    mine = [i for i in seen.items if i.concept == subject]
    if question == "how many":
        return len(mine)
    if question == "is there":
        return bool(mine)
    if question == "where":
        theirs = [i for i in seen.items if i.concept == other]
        return _where(seen, mine, theirs)
    if not mine:
        return ""
    best = max(mine, key=lambda i: i.score)
    return best.style if question == "which style" else best.colour or "own"


def _where(seen: Seen, mine: list[SeenItem], theirs: list[SeenItem]) -> frozenset[str]:
    if not mine or not theirs:
        return frozenset()
    a, b = (max(some, key=lambda i: i.score) for some in (mine, theirs))
    return geometry.directions(geometry.spot(a, seen.aspect), geometry.spot(b, seen.aspect))
