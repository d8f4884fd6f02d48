"""From noise to latents for a batch of pictures: which branches a step needs, guidance for each picture, and Euler's step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sayso.engines.bagel.contexts import Context, Contexts
from sayso.engines.bagel.settings import Settings
from sayso.models import flow
from sayso.models.guidance import Guidance, Renorm, combine
from sayso.models.packed import Branch, Packed
from sayso.models.stepping import Stepper
from sayso.models.unified import Cache

StepWatch = Callable[[int, float, "Sequence[Roles]", Mapping[int, Tensor], Tensor, Tensor], None]


@dataclass(frozen=True)
class Job:
    """One picture to draw: its contexts and their caches, rows × columns of patches, its settings, its start noise [P, C]."""

    contexts: Contexts
    caches: Mapping[Context, Cache | None]
    rows: int
    columns: int
    settings: Settings
    noise: Tensor


@dataclass(frozen=True)
class Roles:
    """A picture's branches by their number: conditional, without words, without pictures. Equal contexts are one branch."""

    whole: int
    wordless: int | None
    pictureless: int | None


def branches_of(jobs: Sequence[Job]) -> tuple[list[Branch], list[Roles]]:
    """Each different context of each picture once, conditional branches first."""
    branches: list[Branch] = []
    known: dict[tuple[int, Context], int] = {}

    def number(picture: int, context: Context | None) -> int | None:
        if context is None:
            return None
        key = picture, context
        if key not in known:
            known[key] = len(branches)
            branches.append(Branch(picture, jobs[picture].caches[context], context.end))
        return known[key]

    wholes = [number(i, job.contexts.whole) for i, job in enumerate(jobs)]
    wordless = [number(i, job.contexts.wordless) if job.settings.words > 1 else None for i, job in enumerate(jobs)]
    pictureless = [number(i, job.contexts.pictureless) if _guides_pictures(job.settings) else None for i, job in enumerate(jobs)]
    roles = [Roles(w, t, p) for w, t, p in zip(wholes, wordless, pictureless, strict=True)]  # type: ignore[arg-type]
    return branches, roles


def _guides_pictures(settings: Settings) -> bool:
    """As released, the pictures' guidance is without effect where the words are not guided: its branch is not computed."""
    return settings.pictures > 1 and (settings.words > 1 or not settings.released)


def guidance_of(settings: Settings) -> Guidance:
    return Guidance(settings.words, settings.pictures, Renorm(settings.renorm), settings.floor, settings.released)


def on(settings: Settings, t: float) -> bool:
    """Whether guidance acts at a flow time; the lower end of the interval is outside of it. Compared in float32, as times are."""
    return bool(np.float32(settings.low) < np.float32(t) <= np.float32(settings.high))


def used(roles: Roles, settings: Settings, t: float) -> list[int]:
    """The branches that a picture needs at a time."""
    if not on(settings, t):
        return [roles.whole]
    return sorted({b for b in (roles.whole, roles.wordless, roles.pictureless) if b is not None})


def denoise(
    packed: Packed, stepper: Stepper, jobs: Sequence[Job], roles: Sequence[Roles], watch: StepWatch | None = None
) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """Yields after each step the pictures' patches, and what they point at, each a float32 [P, C].

    All jobs have the same steps, shift and way of skipping; everything else may differ.
    """
    model, first = packed.model, jobs[0].settings
    device = packed.places.device
    times = flow.time_grid(first.steps, first.shift)
    rows = model.time(times[:-1].to(device), packed.dtype)  # all steps' time rows in one product
    z = torch.cat([job.noise for job in jobs]).to(device)
    lengths = [job.rows * job.columns for job in jobs]
    for i, (now, then) in enumerate(zip(times[:-1].tolist(), times[1:].tolist(), strict=True)):
        chosen = sorted({b for r, job in zip(roles, jobs, strict=True) for b in used(r, job.settings, now)})
        found = {b: v.float() for b, v in stepper.step(chosen, z, rows[i]).items()}
        v = torch.cat(guided(found, jobs, roles, now))
        if watch is not None:
            watch(i, now, roles, found, z, v)
        ahead = z - now * v
        z = ahead if then == 0 else z + (then - now) * v
        yield list(z.split(lengths)), list(ahead.split(lengths))


def guided(found: Mapping[int, Tensor], jobs: Sequence[Job], roles: Sequence[Roles], t: float) -> list[Tensor]:
    """The velocity of each picture [P, C] from its branches'. As released, a global length is one over all pictures together."""
    settings = jobs[0].settings
    together = settings.released and settings.renorm == "global" and len(jobs) > 1
    if together and len({guidance_of(job.settings) for job in jobs}) == 1:
        parts = [_of(found, r, job.settings, t) for r, job in zip(roles, jobs, strict=True)]
        stacked = [None if any(p[k] is None for p in parts) else torch.cat([p[k] for p in parts]) for k in range(3)]  # type: ignore[misc]
        assert stacked[0] is not None
        v = combine(stacked[0], stacked[1], stacked[2], guidance_of(settings))
        return list(v.split([len(p[0]) for p in parts if p[0] is not None]))
    out = []
    for r, job in zip(roles, jobs, strict=True):
        conditional, wordless, pictureless = _of(found, r, job.settings, t)
        assert conditional is not None
        out.append(combine(conditional, wordless, pictureless, guidance_of(job.settings)))
    return out


def _of(found: Mapping[int, Tensor], roles: Roles, settings: Settings, t: float) -> tuple[Tensor | None, ...]:
    acting = on(settings, t)
    return tuple(found[b] if b is not None and (acting or b == roles.whole and k == 0) else None
                 for k, b in enumerate((roles.whole, roles.wordless, roles.pictureless)))
