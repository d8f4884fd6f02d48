"""The one way out: what the policy allows, sealed. Plugins fill both hooks; plain ones stand in until they do."""

from __future__ import annotations

import contextlib
import importlib
import secrets
from dataclasses import replace
from typing import Literal

import pluggy

from sayso import hooks
from sayso.errors import BadInput
from sayso.hooks import hookimpl
from sayso.studio.errors import Refused
from sayso.studio.tools.encode import MEDIA, encode
from sayso.types import Ask, Picture, Plan, Policy, Record, Sealed, Sealer, Verdict
from sayso.world import plan as plans

Stage = Literal["prompt", "inputs", "plan", "output"]


class PlainPolicy:
    """Allows everything and says that it looked at nothing."""

    def judge(self, stage: Stage, ask: Ask, plan: Plan | None, drawn: Picture | None, moderation: str) -> Verdict:
        return Verdict(True, stage, unseen=("no policy is installed; nothing was inspected",))


class PlainSealer:
    """Encodes, with a note in the file that a model made it; signs nothing."""

    def seal(self, picture: Picture, record: Record, kind: str, quality: int | None) -> Sealed:
        mark = secrets.token_hex(8)
        said = {"engine": record.engine, "seed": str(record.seed), "action": record.action, "id": mark}
        return Sealed(encode(picture, kind, quality, said), mark, MEDIA[kind])


class Plain:
    """Our stand-ins, offered as a plugin offers its own, last in the row."""

    @hookimpl(trylast=True)
    def sayso_policy(self) -> Policy:
        return PlainPolicy()

    @hookimpl(trylast=True)
    def sayso_sealer(self) -> Sealer:
        return PlainSealer()


class Door:
    """`judge` before work and before leaving, `seal` on the way out; `seen` is told of each refusal's stage and clause."""

    def __init__(self, policy: Policy, sealer: Sealer):
        self.policy, self.sealer = policy, sealer

    def judge(self, stage: Stage, ask: Ask, moderation: str, plan: Plan | None = None, drawn: Picture | None = None) -> Verdict:
        """Raises Refused."""
        verdict = self.policy.judge(stage, ask, plan, drawn, moderation)
        if not verdict.allowed:
            raise Refused(verdict)
        return verdict

    def admit(self, ask: Ask, moderation: str) -> None:
        """Before a job is accepted: its words, a plan that came with it, and the pictures that its newest message shows. Raises Refused.

        Pictures of earlier messages were judged when they were new.
        """
        self.judge("prompt", ask, moderation)
        if (plan := _given(ask)) is not None:
            self.judge("plan", ask, moderation, plan=plan)
        if any(isinstance(part, Picture) for part in ask.messages[-1].parts):
            self.judge("inputs", replace(ask, messages=ask.messages[-1:]), moderation)

    def leave(self, picture: Picture, ask: Ask, record: Record, kind: str, quality: int | None, moderation: str) -> Sealed:
        """The finished picture as the file that a person gets. Raises Refused, or SaysoError when it cannot be sealed."""
        self.judge("output", ask, moderation, drawn=picture)
        return self.sealer.seal(picture, record, kind, quality)


def _given(ask: Ask) -> Plan | None:
    """The plan that came with an ask; what cannot be read is for the engine to refuse."""
    given = ask.options.get("plan")
    try:
        return plans.read(given) if isinstance(given, str) else None
    except BadInput:
        return None


def door(*plugins: object) -> Door:
    """With the policy and the sealer of `plugins`, then of installed ones, then of our room trust; the plain ones stand in where
    its libraries are not installed. Raises BadInput.
    """
    manager: pluggy.PluginManager = hooks.manager()
    manager.register(Plain())
    with contextlib.suppress(ImportError):
        manager.register(importlib.import_module("sayso.trust.plugin").BuiltIn())
    try:
        manager.load_setuptools_entrypoints(hooks.GROUP)
    except Exception as error:
        raise BadInput(f"an installed sayso plugin cannot be loaded ({type(error).__name__}: {error}); uninstall or repair it") from error
    for plugin in plugins:
        manager.register(plugin)
    return Door(manager.hook.sayso_policy(), manager.hook.sayso_sealer())
