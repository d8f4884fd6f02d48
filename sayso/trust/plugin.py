"""Our own policy and sealer, offered through the hooks exactly as a plugin would offer its own; and the hooks, asked."""

from __future__ import annotations

import functools
import os

import pluggy

from sayso import hooks
from sayso.errors import BadInput, SaysoError
from sayso.hooks import hookimpl
from sayso.types import Policy, Sealer


class BuiltIn:
    """Registered first, so that an installed plugin's policy or sealer goes before it."""

    @hookimpl
    def sayso_policy(self) -> Policy:
        from sayso.trust import eyes, reasoner, rules
        from sayso.trust.audit import Audit
        from sayso.trust.policy import RulePolicy
        from sayso.trust.settings import from_environment

        settings = from_environment()
        reader = None
        if settings.reasoner is not None:
            model = reasoner.endpoint(settings.reasoner, settings.reasoner_model, os.environ.get(settings.reasoner_key))
            reader = reasoner.Reasoner(model, settings.reasoner_sees == "yes")
        audit = Audit(settings.folder / "audit.jsonl")
        sight = eyes.Eyes(read=eyes.tesseract(), reads_output=settings.read_output == "yes")
        return RulePolicy(rules.load(settings.policy), audit, sight, reader, settings.young == "yes")

    @hookimpl
    def sayso_sealer(self) -> Sealer:
        from sayso.trust.seal import Sealer as OurSealer

        return OurSealer()


@functools.cache
def _plugins() -> pluggy.PluginManager:
    plugins = hooks.manager()
    plugins.register(BuiltIn())
    try:
        plugins.load_setuptools_entrypoints(hooks.GROUP)
    except Exception as error:
        raise BadInput(f"an installed sayso plugin cannot be loaded ({type(error).__name__}: {error}); uninstall or repair it") from error
    return plugins


def policy() -> Policy:
    """The policy in force. Raises SaysoError when there is none, rather than draw without."""
    found = _plugins().hook.sayso_policy()
    if found is None:
        raise SaysoError("no policy is in force; an installed plugin took it away, uninstall it")
    return found


def sealer() -> Sealer:
    """What seals pictures here. Raises SaysoError when there is none, rather than give out pictures unsealed."""
    found = _plugins().hook.sayso_sealer()
    if found is None:
        raise SaysoError("nothing seals pictures here; an installed plugin took it away, uninstall it")
    return found
