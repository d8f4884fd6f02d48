"""Pocket engines of a few thousand weights for tests, and asks to them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch

from sayso.engines.ground import spec_of
from sayso.engines.pocket import PocketEngine
from sayso.models.specs import pocket
from sayso.models.tokens import Pieces
from sayso.models.unified import UnifiedModel
from sayso.types import Ability, Ask, Drew, Message, Picture, Text
from sayso.world import art, looks
from sayso.world.grounds import Known, characters

ALL = frozenset(Ability) - {Ability.VIDEO}


def made(
    pieces: Pieces,
    abilities: Collection[Ability] = ALL,
    strides: bool = False,
    concepts: tuple[str, ...] = art.CORE[:20],
    plans: bool = True,
    **more: object,
) -> PocketEngine:
    """An engine with random weights of depth 2. `plans`: whether they are told of plans; `pieces` then have marks."""
    torch.manual_seed(0)
    known = Known(concepts, characters())
    model = UnifiedModel(pocket(2, pieces.size, 8), strides, spec_of(known) if plans else None)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.06)
    facts: dict[str, object] = {
        "canvas": {"patch": 8, "tokens": 64},
        "text_limit": 112,
        "concepts": list(concepts),
        "sha256": "0",
        "looks": list(looks.NAMES),
        "abilities": [a.value for a in abilities],
        **({"characters": known.characters} if plans else {}),
        **more,
    }
    return PocketEngine(model.eval().requires_grad_(False), pieces, facts, None, torch.float32)


def picture(width: int = 128, height: int = 128, seed: int = 0) -> Picture:
    return Picture(np.random.default_rng(seed).integers(0, 255, (height, width, 4), dtype=np.uint8))


def says(*parts: str | Picture, role: str = "user") -> Message:
    return Message(role, tuple(Text(p) if isinstance(p, str) else p for p in parts))  # type: ignore[arg-type]


def ask(*messages: Message, **more: object) -> Ask:
    return Ask(messages, **{"steps": 2, **more})  # type: ignore[arg-type]


def pictures(engine: PocketEngine, asked: Ask) -> list[Picture]:
    return [e.picture for e in engine.respond(asked) if isinstance(e, Drew)]


def drawn(engine: PocketEngine, asked: Ask) -> np.ndarray:
    return pictures(engine, asked)[0].pixels
