"""The table of engines: our own and those of installed plugins, collected through the same hook."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path

import pluggy

from sayso import hooks
from sayso.engines import checkpoints, header
from sayso.engines.hidream import settings as hidream
from sayso.engines.hidream import variants
from sayso.errors import BadInput, BadWeights, Unknown
from sayso.hooks import EngineInfo, Fit, hookimpl
from sayso.types import Ability, Ask, Engine
from sayso.world.scene import STYLES

DEFAULT = "pocket"


def _load_pocket(device: str | None) -> Engine:
    from sayso.engines import pocket

    return pocket.load(device=device)


def _pocket_missing() -> str | None:
    return None if header.pocket_weights().exists() else f"its weights are not at {header.pocket_weights()}"


def _pocket_knows() -> frozenset[str]:
    return frozenset(header.facts(header.pocket_weights()).get("concepts", ()))


def _pocket_styles() -> tuple[str, ...]:
    """The art styles, and the looks that the weights at hand were trained in."""
    try:
        return (*STYLES, *header.facts(header.pocket_weights()).get("looks", ()))
    except BadWeights:
        return STYLES


def _load_fake(device: str | None) -> Engine:
    from sayso.engines import fake

    return fake.load(device)


def _load_diffusers(device: str | None, weights: Path | None = None, options: Mapping[str, object] | None = None) -> Engine:
    import sayso.engines.diffusers as pipelines

    return pipelines.open_engine(device, weights or Path(os.environ.get("SAYSO_DIFFUSERS") or "."), options or {})


def _diffusers_missing() -> str | None:
    named = os.environ.get("SAYSO_DIFFUSERS")
    return variants.no_libraries() if named else "no pipeline is named; give its folder with --weights or SAYSO_DIFFUSERS"


def _load_bagel(device: str | None, weights: Path | None = None, options: Mapping[str, object] | None = None) -> Engine:
    from sayso.engines.bagel import load

    return load.load(device, weights, options)


def _fit_bagel() -> list[Fit]:
    from sayso.engines.bagel import fit

    return fit.ways()


def _check_bagel(ask: Ask) -> object:
    from sayso.engines.bagel import asked

    return asked.checked(ask)


def _bagel() -> EngineInfo:
    from sayso.engines.bagel import settings

    return EngineInfo(
        name="bagel",
        summary="BAGEL-7B-MoT: draws, edits, answers questions and thinks first; wants a graphics card",
        abilities=frozenset({Ability.DRAW, Ability.EDIT, Ability.REFERENCES, Ability.ASK, Ability.THINK}),
        load=_load_bagel,
        missing=lambda: checkpoints.missing("bagel"),
        prompt_limit=32_000,
        options=frozenset(settings.OPTIONS),
        tune=_load_bagel,
        load_options=settings.LOAD_OPTIONS,
        fit=_fit_bagel,
        check=_check_bagel,
    )


def _load_remote(device: str | None) -> Engine:
    from sayso.engines import openai

    return openai.load(device)


def _remote_missing() -> str | None:
    return None if os.environ.get("OPENAI_API_KEY") else "no key was given; set SAYSO_REMOTE_KEY or OPENAI_API_KEY"


_PAINTING_PACES = {"low": 1, "medium": 1, "high": 2, "xhigh": 4, "max": 8}  # what is painted after a plan gains little from more steps


class BuiltIn:
    """Our own engines, offered exactly as a plugin would offer them."""

    @hookimpl
    def sayso_engines(self) -> list[EngineInfo]:
        return [
            EngineInfo(
                name="pocket",
                summary="the bundled model of the drawn world; runs on two CPU cores",
                abilities=header.pocket_abilities(),
                load=_load_pocket,
                missing=_pocket_missing,
                knows=_pocket_knows,
                styles=_pocket_styles(),
                sizes=("512x512", "576x448", "448x576", "640x384", "384x640"),
                shaped=True,
                options=frozenset({"layers", "plan"}) if Ability.THINK in header.pocket_abilities() else frozenset(),
                paces=_PAINTING_PACES if Ability.THINK in header.pocket_abilities() else {},
            ),
            EngineInfo(
                name="fake",
                summary="test cards, the same for the same prompt and seed; no model, for trying things out",
                abilities=frozenset(
                    {Ability.DRAW, Ability.EDIT, Ability.MASK, Ability.REFERENCES, Ability.ASK, Ability.TRANSPARENT, Ability.THINK}
                ),
                load=_load_fake,
                missing=lambda: None,
                options=frozenset({"pause", "plan"}),
                styles=STYLES,
                sizes=("256x256", "512x512", "512x384", "384x512"),
            ),
            _bagel(),
            EngineInfo(
                name="openai",
                summary="an OpenAI-compatible image interface elsewhere; prompts and pictures go there, with a key that you bring",
                abilities=frozenset({Ability.DRAW, Ability.EDIT, Ability.MASK, Ability.REFERENCES, Ability.TRANSPARENT}),
                load=_load_remote,
                missing=_remote_missing,
                prompt_limit=32_000,
                options=frozenset({"quality", "moderation", "extensions"}),
            ),
            *map(hidream.info, variants.VARIANTS.values()),
            EngineInfo(
                name="diffusers",
                summary="any pipeline of the diffusers library on disk; what it can do is found out when it is loaded",
                abilities=frozenset({Ability.DRAW, Ability.EDIT, Ability.MASK, Ability.REFERENCES, Ability.VIDEO}),
                load=_load_diffusers,
                missing=_diffusers_missing,
                options=frozenset({"negative", "strength", "true_cfg_scale", "max_sequence_length", "guidance_rescale", "eta"}),
                tune=_load_diffusers,
                load_options={"dtype": "float32, float16 or bfloat16", "offload": "none, model or layers: what waits on the host"},
            ),
        ]


@functools.cache
def engines() -> dict[str, EngineInfo]:
    """Name → row, our own first. Raises BadInput as `collect` does, or when an installed plugin cannot be imported."""
    plugins = hooks.manager()
    try:
        plugins.load_setuptools_entrypoints(hooks.GROUP)
    except Exception as error:
        raise BadInput(f"an installed sayso plugin cannot be loaded ({type(error).__name__}: {error}); uninstall or repair it") from error
    plugins.register(BuiltIn())
    return collect(plugins)


def collect(plugins: pluggy.PluginManager) -> dict[str, EngineInfo]:
    """Asks every plugin, those registered last first; raises BadInput when two offer one name."""
    table: dict[str, EngineInfo] = {}
    for rows in plugins.hook.sayso_engines():
        for row in rows:
            if row.name in table:
                raise BadInput(f'two plugins offer an engine named "{row.name}"; uninstall one of them')
            table[row.name] = row
    return table


def info(name: str) -> EngineInfo:
    """The row of one engine; raises Unknown with the nearest name."""
    table = engines()
    if name not in table:
        raise Unknown("engine", name, tuple(table))
    return table[name]


def load(name: str, device: str | None = None) -> Engine:
    """An engine ready to respond. Raises Unknown, BadWeights or CannotDo."""
    return info(name).load(device)
