"""Grounds of plans for the model: from the drawn world's arrays to tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sayso.models.grounding import Ground, GroundSpec
from sayso.types import Plan
from sayso.world import grounds
from sayso.world.grounds import Grounds, Known


def spec_of(known: Known) -> GroundSpec:
    """The shape of a model that is told of these things."""
    return GroundSpec(known.count, len(grounds.MANNERS), grounds.MEASURES, grounds.BEHIND, grounds.COLOURS.stop)


def ground_of(made: Grounds) -> Ground:
    """The arrays as tensors on the CPU."""
    return Ground(*(torch.from_numpy(x) for x in (made.what, made.manner, made.measures, made.behind)))


def of_plans(plans: Sequence[Plan], known: Known, rows: int, columns: int, device: torch.device) -> Ground:
    """What plans say of rows × columns patches. Raises BadInput or Unknown where a plan describes no scene."""
    return ground_of(grounds.grounds(plans, known, rows, columns)).to(device)
