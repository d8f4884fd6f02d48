"""`sayso policy`: the clauses in words, what cannot be inspected here, how a prompt fares, and how right the rules are on the examples."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from sayso.errors import BadInput

if TYPE_CHECKING:
    from sayso.trust.policy import RulePolicy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", nargs="?", help="tell how this prompt fares; without it the clauses are listed")
    parser.add_argument("--check", action="store_true", help="try the rules on every example of the file, with Wilson's 95 %% intervals")
    parser.add_argument("--file", metavar="FILE", type=Path, help="another policy file; default: SAYSO_TRUST_POLICY or our own")
    parser.add_argument("--moderation", choices=("auto", "low"), default="auto", help="low lifts the clauses that may be lifted")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 when the prompt would be refused, or when an example is judged wrongly."""
    from sayso.trust import plugin, rules
    from sayso.trust.policy import RulePolicy

    policy = plugin.policy()
    if not isinstance(policy, RulePolicy):
        raise BadInput("an installed plugin's policy is in force, which this command cannot read; ask the plugin")
    policy = RulePolicy(rules.load(args.file) if args.file else policy.book, None, policy.eyes, policy.reasoner, policy.young)
    if args.check and args.prompt:
        raise BadInput("--check tries the examples of the file; leave the prompt out")
    if args.check:
        return _check(policy, args.json)
    return _list(policy, args.json) if args.prompt is None else _try(policy, args.prompt, args.moderation, args.json)


def _list(policy: RulePolicy, as_json: bool) -> int:
    from sayso.trust.eyes import UNSEEN

    unseen = [UNSEEN[name] for name in policy.book.signals if name in UNSEEN and name not in policy.eyes.sees]
    unseen += [UNSEEN["text"]] if policy.eyes.read is None else []
    if as_json:
        rows = [{"id": one.id, "title": one.title, "severity": one.severity, "final": one.final, "stages": list(one.applies_to),
                 "text": one.text, "instead": one.instead} for one in policy.book.clauses]
        told = {"sha256": policy.book.sha256, "model": policy.reasoner is not None, "unseen": unseen, "clauses": rows}
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return 0
    for clause in policy.book.clauses:
        print(f"{clause.id} ({clause.severity}{', final' if clause.final else ''}): {clause.title}")
        print(f"  {clause.text}\n  Instead: {clause.instead}.")
    print("\nRead by the rules" + (" and by a model." if policy.reasoner else " alone; no model is configured."))
    for one in unseen:
        print(f"Not inspected: {one}.")
    return 0


def _try(policy: RulePolicy, prompt: str, moderation: str, as_json: bool) -> int:
    from sayso.types import Ask, Message, Text

    verdict = policy.judge("prompt", Ask((Message("user", (Text(prompt),)),)), None, None, moderation)
    if as_json:
        told = {"allowed": verdict.allowed, "clause": verdict.clause, "reason": verdict.reason, "instead": verdict.instead,
                "categories": dict(verdict.categories)}
        print(json.dumps(told, ensure_ascii=False))
    else:
        print("allowed" if verdict.allowed else f"refused: {verdict.reason}\n{verdict.instead}")
    return 0 if verdict.allowed else 2


def _check(policy: RulePolicy, as_json: bool) -> int:
    from sayso.evals.stats import share_text, wilson
    from sayso.trust import examples

    scores = examples.score(policy.book, policy.reasoner.model if policy.reasoner else None)
    if as_json:
        rows = [{"clause": one.clause, "not_unsafe": [one.stopped, one.violating, *wilson(one.stopped, one.violating)],
                 "not_overrefuse": [one.passed, one.allowed, *wilson(one.passed, one.allowed)], "wrong": list(one.wrong)} for one in scores]
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        print("| clause | not_unsafe | of | not_overrefuse | of |\n|---|---|---|---|---|")
        for one in scores:
            stopped, passed = share_text(one.stopped, one.violating), share_text(one.passed, one.allowed)
            print(f"| {one.clause} | {stopped.strip()} | {one.violating} | {passed.strip()} | {one.allowed} |")
        for one in scores:
            for example in one.wrong:
                print(f"wrong: {one.clause}: {example}")
    return 2 if any(one.wrong for one in scores) else 0
