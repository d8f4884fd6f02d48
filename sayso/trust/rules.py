"""The policy file as data, and conditions over signals that may be true, false or unknown.

Three-valued logic after S. C. Kleene, "On Notation for Ordinal Numbers" (1938): unknown is contagious only where it matters, so that
`picture and face` is false without a picture, whether or not anything looks for faces.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sayso.errors import BadInput
from sayso.trust.folding import Lists

Stage = Literal["prompt", "inputs", "plan", "output"]
STAGES: tuple[Stage, ...] = ("prompt", "inputs", "plan", "output")
CATEGORIES = (  # the moderation interface's
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm", "self-harm/intent",
    "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic",
)
BUILT_IN = Path(__file__).with_name("policy.yaml")


@dataclass(frozen=True)
class Example:
    """A case of a clause. `picture`: what eyes would see in a picture that came along, None when there is none; `text` in it."""

    prompt: str
    picture: Mapping[str, object] | None = None
    young: bool = False


@dataclass(frozen=True)
class Rule:
    """`when`: a condition; `do` what follows when it is true, `missing` when it is unknown."""

    when: Condition
    do: Literal["block", "ask", "allow"]
    missing: Literal["block", "ask", "note"]


@dataclass(frozen=True)
class Clause:
    """One thing that is not drawn. See the head of policy.yaml for the fields."""

    id: str
    title: str
    category: str | None
    severity: Literal["critical", "high", "medium", "low"]
    final: bool
    low: Literal["allow", "apply"]
    applies_to: tuple[Stage, ...]
    text: str
    instead: str
    rules: tuple[Rule, ...]
    unresolved: Literal["block", "allow"]
    violates: tuple[Example, ...]
    allowed: tuple[Example, ...]


@dataclass(frozen=True)
class Rulebook:
    """A policy file, read and checked. `sha256` of the file names it in the audit log."""

    clauses: tuple[Clause, ...]
    lists: Lists = field(repr=False)
    signals: Mapping[str, str]
    words: frozenset[str]
    sha256: str

    def clause(self, id: str) -> Clause | None:
        """The clause of an id."""
        return next((clause for clause in self.clauses if clause.id == id), None)


class Condition:
    """`minor and (nude or not dressed)`: names of word lists and signals with and, or, not and brackets.

    Raises BadInput for anything else.
    """

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self.text = text
        try:
            self.tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError) as error:
            raise BadInput(f'the condition "{text}" cannot be read; write names with and, or, not and brackets') from error
        self.names = frozenset(self._check(self.tree, names))

    def _check(self, node: ast.expr, names: frozenset[str]) -> set[str]:
        if isinstance(node, ast.BoolOp):
            return set().union(*(self._check(value, names) for value in node.values))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._check(node.operand, names)
        if isinstance(node, ast.Name) and node.id in names:
            return {node.id}
        told = node.id if isinstance(node, ast.Name) else type(node).__name__
        raise BadInput(f'the condition "{self.text}" uses "{told}", which is neither a word list nor a signal; define it or correct it')

    def value(self, known: Mapping[str, bool | None]) -> bool | None:
        """True, False, or None when it hangs on something unknown."""
        return self._value(self.tree, known)

    def _value(self, node: ast.expr, known: Mapping[str, bool | None]) -> bool | None:
        if isinstance(node, ast.Name):
            return known[node.id]
        if isinstance(node, ast.UnaryOp):
            inner = self._value(node.operand, known)
            return None if inner is None else not inner
        assert isinstance(node, ast.BoolOp)
        values = [self._value(value, known) for value in node.values]
        decisive = isinstance(node.op, ast.Or)
        return decisive if decisive in values else None if None in values else not decisive

    def unknown(self, known: Mapping[str, bool | None]) -> frozenset[str]:
        """The names that are unknown."""
        return frozenset(name for name in self.names if known[name] is None)


def _one_of(where: str, value: object, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise BadInput(f'{where} is "{value}" in the policy file; write one of {", ".join(choices)}')
    return str(value)


def _example(where: str, given: object) -> Example:
    if isinstance(given, str):
        return Example(given)
    if isinstance(given, Mapping) and isinstance(given.get("prompt"), str) and set(given) <= {"prompt", "picture", "young"}:
        picture = given.get("picture")
        return Example(given["prompt"], None if picture is None else dict(picture), bool(given.get("young", False)))
    raise BadInput(f"an example of {where} is neither a text nor a prompt with a picture: {given!r}")


def _clause(given: object, names: frozenset[str]) -> Clause:
    if not isinstance(given, Mapping) or not isinstance(given.get("id"), str):
        raise BadInput(f"a clause of the policy file has no id: {str(given)[:80]!r}")
    where = f'clause "{given["id"]}"'
    needed = {"id", "title", "category", "severity", "final", "applies_to", "text", "instead", "rules", "violates", "allowed"}
    if odd := sorted(needed - set(given)) or sorted(set(given) - needed - {"low", "unresolved"}):
        raise BadInput(f'{where} of the policy file lacks or does not know "{odd[0]}"; it has {", ".join(sorted(needed))}')
    if given["category"] is not None:
        _one_of(f"the category of {where}", given["category"], CATEGORIES)
    rules = []
    for rule in given["rules"]:
        if not isinstance(rule, Mapping) or not {"when", "do"} <= set(rule) <= {"when", "do", "on_missing"}:
            raise BadInput(f"a rule of {where} needs when and do, and may have on_missing: {rule!r}")
        do = _one_of(f"do of {where}", rule["do"], ("block", "ask", "allow"))
        missing = _one_of(f"on_missing of {where}", rule.get("on_missing", "note"), ("block", "ask", "note"))
        rules.append(Rule(Condition(str(rule["when"]), names), do, missing))  # type: ignore[arg-type]
    if not given["violates"] or not given["allowed"]:
        raise BadInput(f"{where} of the policy file needs examples on both sides")
    return Clause(
        given["id"], str(given["title"]), given["category"],
        _one_of(f"the severity of {where}", given["severity"], ("critical", "high", "medium", "low")),  # type: ignore[arg-type]
        bool(given["final"]), _one_of(f"low of {where}", given.get("low", "apply"), ("allow", "apply")),  # type: ignore[arg-type]
        tuple(_one_of(f"applies_to of {where}", stage, STAGES) for stage in given["applies_to"]),  # type: ignore[misc]
        " ".join(str(given["text"]).split()), " ".join(str(given["instead"]).split()), tuple(rules),
        _one_of(f"unresolved of {where}", given.get("unresolved", "allow"), ("block", "allow")),  # type: ignore[arg-type]
        tuple(_example(where, one) for one in given["violates"]), tuple(_example(where, one) for one in given["allowed"]),
    )


@functools.cache
def _loaded(path: Path, stamp: int) -> Rulebook:
    import yaml

    try:
        data = path.read_bytes()
        given = yaml.load(data, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise BadInput(f'the policy file "{path}" cannot be read ({error.strerror}); check SAYSO_TRUST_POLICY') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f'the policy file "{path}" is not YAML ({" ".join(str(error).split())[:120]}); correct it') from error
    if not isinstance(given, Mapping) or given.get("version") != 1 or not {"signals", "words", "clauses"} <= set(given):
        raise BadInput(f'the policy file "{path}" needs version: 1, signals, words and clauses')
    lists, names = Lists(), frozenset(given["words"]) | frozenset(given["signals"])
    for name, entry in given["words"].items():
        if not isinstance(entry, Mapping) or not set(entry) <= {"en", "zh", "but_not"}:
            raise BadInput(f'the word list "{name}" of the policy file has other parts than en, zh and but_not')
        lists.add(name, map(str, entry.get("en", ())), map(str, entry.get("zh", ())), map(str, entry.get("but_not", ())))
    clauses = tuple(_clause(one, names) for one in given["clauses"])
    if len({clause.id for clause in clauses}) != len(clauses):
        raise BadInput(f'the policy file "{path}" has two clauses of one id; rename one')
    return Rulebook(clauses, lists, dict(given["signals"]), frozenset(given["words"]), hashlib.sha256(data).hexdigest())


def load(path: Path | None = None) -> Rulebook:
    """A policy file, read once for each version of it. Raises BadInput naming what is wrong in it."""
    path = path or BUILT_IN
    return _loaded(path, path.stat().st_mtime_ns if path.exists() else 0)
