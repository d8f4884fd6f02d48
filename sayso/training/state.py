"""A run on disk: `state.safetensors` holds all that an exact resume needs, `model.safetensors` what drawing needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sayso.engines import checkpoint
from sayso.models.specs import CanvasSpec, UnifiedSpec
from sayso.models.tokens import Pieces
from sayso.models.unified import UnifiedModel
from sayso.training.config import TEXT_LIMIT, TrainConfig
from sayso.training.dense import DenseHead
from sayso.training.optim import Mean, Optimiser

STATE, MODEL = "state.safetensors", "model.safetensors"


def save_state(
    folder: Path,
    config: TrainConfig,
    pieces: Pieces,
    model: UnifiedModel,
    head: DenseHead,
    optimiser: Optimiser,
    mean: Mean,
    progress: dict[str, Any],
) -> None:
    """Everything, atomically: a run killed at any moment resumes from the last whole state."""
    tensors: dict[str, Tensor] = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"head.{k}": v for k, v in head.state_dict().items()}
    tensors |= {f"mean.{k}": v for k, v in mean.state().items()}
    tensors |= {f"optimiser.{k}": v for k, v in optimiser.state().items()}
    facts = {"config": config.to_dict(), **progress, "pieces": pieces.definition}
    checkpoint.save(folder / STATE, tensors, facts)


def parts(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors under one name of a saved state."""
    return {k.removeprefix(name + "."): v for k, v in tensors.items() if k.startswith(name + ".")}


def export(
    path: Path,
    spec: UnifiedSpec,
    canvas: CanvasSpec,
    pieces: Pieces,
    weights: dict[str, Tensor],
    concepts: tuple[str, ...],
    styles: tuple[str, ...],
    history: dict[str, Any],
    abilities: list[str],
    looks: list[str],
    sampling: dict[str, float] | None = None,
    strides: bool = False,
    characters: str = "",
    captions: bool = True,
) -> str:
    """Writes a model for drawing in bfloat16. `history`: steps, pictures seen and the like, for the card.

    `abilities`: values of types.Ability that it was trained for. `looks`: names of world.looks. `sampling`: the steps and
    guidance that suit it, None = the engine's own. `strides`: whether the model is told the length of a sampler's step.
    `characters`: those that plans may letter, "" where the model is told of no plans. `captions`: whether it draws from
    words alone.
    """
    facts = {
        "spec": spec.to_dict(),
        "canvas": {"patch": canvas.patch, "tokens": canvas.tokens},
        "text_limit": TEXT_LIMIT,
        "pieces": pieces.definition,
        "concepts": list(concepts),
        "styles": list(styles),
        "history": history,
        "abilities": abilities,
        "looks": looks,
        **({"sampling": sampling} if sampling else {}),
        **({"strides": True} if strides else {}),
        **({"characters": characters} if characters else {}),
        **({} if captions else {"captions": False}),
    }
    return checkpoint.save(path, {k: v.to(torch.bfloat16) for k, v in weights.items()}, facts)
