"""The hooks: what a plugin may add. Our own engines arrive through the same door (entry point group "sayso")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pluggy

from sayso.types import Ability, Ask, Engine, Policy, Sealer

GROUP = "sayso"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@dataclass(frozen=True)
class Fit:
    """One way of running an engine on this machine. `way`: load options as a person writes them, "" = none.

    `seconds`: for one picture, an estimate; `why`: what decides, as a clause.
    """

    way: str
    fits: bool
    seconds: float | None
    why: str


@dataclass(frozen=True)
class EngineInfo:
    """One row of the table of engines; making it must be cheap, so that a list of engines loads no model.

    `load`: device ("cpu", "cuda" or None = choose) → the engine; raises BadWeights or CannotDo.
    `missing`: what keeps it from being loaded here, as a clause for a person, or None when it is ready.
    `knows`: slugs of the drawn world's concepts that it was trained on; None for an engine without such a list.
    `prompt_limit`: characters of one prompt. `options`: names of `Ask.options` that it knows; one that knows "quality" gets
    a quality as it was asked for, others get it as a number of steps: that of `paces`, or else of the settings.
    `styles`: values of `Ask.style`; None = a style is said in words. `sizes`: "WIDTHxHEIGHT" worth offering, best first; empty = any.
    `shaped`: it draws in the shapes of `sizes` alone; the studio stretches pictures to a shape that lies near one of them.
    `tune`: device, folder of weights (None = the usual one), load options → the engine, for one that has such; raises as `load`.
    `load_options`: the names `tune` knows → what each does. `fit`: ways of running it here, measured and told.
    `check`: raises, as `respond` would, for an ask that can be refused before the engine is loaded.
    """

    name: str
    summary: str
    abilities: frozenset[Ability]
    load: Callable[[str | None], Engine]
    missing: Callable[[], str | None]
    knows: Callable[[], frozenset[str]] | None = None
    prompt_limit: int = 4000
    options: frozenset[str] = frozenset()
    styles: tuple[str, ...] | None = None
    sizes: tuple[str, ...] = ()
    shaped: bool = False
    tune: Callable[[str | None, Path | None, Mapping[str, object]], Engine] | None = None
    load_options: Mapping[str, str] = field(default_factory=dict)
    fit: Callable[[], list[Fit]] | None = None
    check: Callable[[Ask], object] | None = None
    paces: Mapping[str, int] = field(default_factory=dict)


class Hooks:
    """The specifications, as pluggy reads them."""

    @hookspec
    def sayso_engines(self) -> list[EngineInfo]:  # type: ignore[empty-body]
        """Engines to offer. Names must be unique over all plugins."""

    @hookspec(firstresult=True)
    def sayso_policy(self) -> Policy | None:
        """The policy that every ask and every picture passes; a plugin's goes before our own."""

    @hookspec(firstresult=True)
    def sayso_sealer(self) -> Sealer | None:
        """What signs and marks each picture on its way out; a plugin's goes before our own."""


def manager() -> pluggy.PluginManager:
    """A plugin manager that knows our hooks and has no plugin in it yet."""
    plugins = pluggy.PluginManager(GROUP)
    plugins.add_hookspecs(Hooks)
    return plugins
