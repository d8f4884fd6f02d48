"""The policy at work: signals are gathered, the rules decide, a reasoning model is asked where there is one, and it is written down.

The rules may block, and where a clause is `final` nobody overrules that. The model may block by any clause of the file; it may lift
a block only of a clause that is not final. An answer that cannot be read counts as no answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sayso.errors import BadInput
from sayso.trust.audit import Audit
from sayso.trust.eyes import UNREAD, UNSEEN, Eyes
from sayso.trust.reasoner import Answer, Reasoner
from sayso.trust.rules import Clause, Rulebook, Stage
from sayso.types import Ask, Picture, Plan, Text, Verdict

SEVERITIES = ("low", "medium", "high", "critical")
LONGEST = 20_000  # characters that are read; what is longer is refused, so that nothing hides behind its end


@dataclass(frozen=True)
class Matter:
    """What is judged at one stage. `known`: word lists and signals, None where nothing could look."""

    text: str
    pictures: tuple[Picture, ...]
    known: Mapping[str, bool | None]
    unseen: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What the rules say of one clause: do, and which signals it hung on where those are unknown."""

    clause: Clause
    do: str
    unknown: frozenset[str]


class RulePolicy:
    """Our own policy. `reasoner`: None = rules alone. `young`: the installation is for people under 18."""

    def __init__(
        self, book: Rulebook, audit: Audit | None, eyes: Eyes | None = None, reasoner: Reasoner | None = None, young: bool = False
    ) -> None:
        self.book, self.audit, self.eyes, self.reasoner, self.young = book, audit, eyes or Eyes(), reasoner, young

    def judge(self, stage: Stage, ask: Ask, plan: Plan | None, drawn: Picture | None, moderation: str) -> Verdict:
        """The verdict of one stage. Raises BadInput for a moderation other than "auto" and "low"."""
        if moderation not in ("auto", "low"):
            raise BadInput(f'moderation "{moderation}" is unknown; write auto or low')
        text, pictures = gathered(stage, ask, plan, drawn)
        if len(text) > LONGEST:
            if self.audit is not None:
                self.audit.write("verdict", {"stage": stage, "allowed": False, "clause": None, "characters": len(text)})
            return Verdict(False, stage, None, f"the text has {len(text):,} characters, more than the {LONGEST:,} that are read",
                           "the same in fewer words")
        matter = self._matter(stage, text, pictures)
        found = decide(self.book, stage, matter, moderation)
        answer = self._asked(stage, matter)
        verdict = conclude(self.book, stage, found, answer, matter.unseen)
        if self.audit is not None:
            self._write(verdict, stage, matter, found, answer, moderation)
        return verdict

    def _matter(self, stage: Stage, text: str, pictures: tuple[Picture, ...]) -> Matter:
        unseen: list[str] = []
        if pictures and self.eyes.read is not None and (stage != "output" or self.eyes.reads_output):
            lettering = [self.eyes.read(picture) for picture in pictures]
            text = "\n".join((text, *(one for one in lettering if one is not None)))
            unseen += [UNREAD] if None in lettering else []
        elif pictures:
            unseen.append(UNSEEN["text"])
        known: dict[str, bool | None] = dict.fromkeys(self.book.words, False)
        known |= dict.fromkeys(self.book.lists.found(text), True)
        for name in self.book.signals:
            if name == "picture":
                known[name] = bool(pictures) and stage == "inputs"
            elif name == "young":
                known[name] = self.young
            elif not pictures:
                known[name] = False
            elif (look := self.eyes.sees.get(name)) is not None:
                known[name] = any(look(picture) for picture in pictures)
            else:
                known[name] = None
                unseen.append(UNSEEN.get(name, f'nothing here looks whether {self.book.signals[name]}'))
        return Matter(text, pictures, known, tuple(unseen))

    def _asked(self, stage: Stage, matter: Matter) -> Answer | None:
        if self.reasoner is None or (not matter.text.strip() and not matter.pictures):
            return None
        seen = {name: value for name in self.book.signals if (value := matter.known[name]) is not None}
        return self.reasoner.ask(self.book, stage, matter.text, matter.pictures, seen)

    def _write(
        self, verdict: Verdict, stage: Stage, matter: Matter, found: Sequence[Found], answer: Answer | None, moderation: str
    ) -> None:
        assert self.audit is not None
        self.audit.write("verdict", {
            "stage": stage, "allowed": verdict.allowed, "clause": verdict.clause, "moderation": moderation, "policy": self.book.sha256,
            "signals": sorted(name for name, value in matter.known.items() if value),
            "unknown": sorted(name for name, value in matter.known.items() if value is None),
            "rules": {one.clause.id: one.do for one in found},
            "model": None if answer is None else {"decision": answer.decision, "clauses": list(answer.clauses), "failed": answer.failed},
            "characters": len(matter.text), "pictures": len(matter.pictures),
        })


def gathered(stage: Stage, ask: Ask, plan: Plan | None, drawn: Picture | None) -> tuple[str, tuple[Picture, ...]]:
    """The words and the pictures that a stage looks at. Input pictures are judged together with what is to be done with them.

    Inputs are the pictures that the person handed in; those that were drawn here before passed the policy then.
    """
    said = [part.text for message in ask.messages for part in message.parts if isinstance(part, Text)] + ([ask.style] if ask.style else [])
    if stage == "prompt":
        return "\n".join(said), ()
    if stage == "inputs":
        given = [part for message in ask.messages if message.role == "user" for part in message.parts]
        pictures = tuple(part for part in given if isinstance(part, Picture))
        return ("\n".join(said) if pictures else ""), pictures
    if stage == "plan":
        if plan is None:
            return "", ()
        words = [item.name for item in plan.items] + [line.text for line in plan.lettering] + [plan.background]
        return "\n".join(words), ()
    return "", () if drawn is None else (drawn,)


def decide(book: Rulebook, stage: Stage, matter: Matter, moderation: str) -> list[Found]:
    """What the rules say of each clause that applies and is not simply met: its worst rule."""
    out = []
    for clause in book.clauses:
        if stage not in clause.applies_to or (moderation == "low" and clause.low == "allow"):
            continue
        worst, unknown = "allow", frozenset[str]()
        for rule in clause.rules:
            value = rule.when.value(matter.known)
            do = rule.do if value else "allow" if value is False else rule.missing
            if ("allow", "note", "ask", "block").index(do) > ("allow", "note", "ask", "block").index(worst):
                worst, unknown = do, rule.when.unknown(matter.known) if value is None else frozenset()
        if worst != "allow":
            out.append(Found(clause, worst, unknown))
    return out


def conclude(book: Rulebook, stage: Stage, found: Sequence[Found], answer: Answer | None, unseen: tuple[str, ...]) -> Verdict:
    """One verdict from what the rules found and what the model answered."""
    answered = answer if answer is not None and not answer.failed else None
    blocked: list[tuple[Clause, frozenset[str]]] = []
    for one in found:
        if one.do == "note":
            continue
        lifted = answered is not None and answered.decision == "allow" and not one.clause.final
        block = one.do == "block" or (one.clause.unresolved == "block" if answered is None else False)
        if block and not lifted:
            blocked.append((one.clause, one.unknown))
    if answered is not None and answered.decision == "block":
        named = (clause for id in answered.clauses if (clause := book.clause(id)) is not None and stage in clause.applies_to)
        blocked += ((clause, frozenset[str]()) for clause in named if clause not in [one for one, _ in blocked])
    categories = dict.fromkeys((one.clause.category for one in found if one.clause.category and one.do != "note"), 0.5)
    categories |= dict.fromkeys((clause.category for clause, _ in blocked if clause.category), 1.0)
    scores = {str(name): score for name, score in categories.items()}
    if not blocked:
        return Verdict(True, stage, categories=scores, unseen=unseen)
    clause, unknown = max(blocked, key=lambda pair: SEVERITIES.index(pair[0].severity))
    place = {"prompt": "what was asked", "inputs": "the picture together with what was asked", "plan": "the plan",
             "output": "the finished picture"}[stage]
    reason = f'{place} falls under the clause "{clause.title}" ({clause.id}) of the policy'
    if unknown:
        reason += ", because it cannot be inspected here: " + "; ".join(UNSEEN.get(name, name) for name in sorted(unknown))
    return Verdict(False, stage, clause.id, reason, f"possible instead: {clause.instead}", scores, unseen)
