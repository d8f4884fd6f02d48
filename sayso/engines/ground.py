"""Grounds of plans and poses for the model: from the drawn world's arrays to tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sayso.models.grounding import Ground, GroundSpec
from sayso.types import Plan
from sayso.world import grounds, motion
from sayso.world.grounds import Grounds, Known
from sayso.world.motion import Motion


def spec_of(known: Known) -> GroundSpec:
    """The shape of a model that is told of these things."""
    measures = grounds.MEASURES, grounds.BEHIND, grounds.COLOURS.stop, grounds.INK**2
    return GroundSpec(known.count, motion.POSES, len(grounds.MANNERS), *measures)


def ground_of(made: Grounds) -> Ground:
    """The arrays as tensors on the CPU."""
    return Ground(*(torch.from_numpy(x) for x in (made.what, made.manner, made.measures, made.behind, made.ink)))


def of_poses(poses: Sequence[Motion], known: Known, rows: int, columns: int, device: torch.device) -> Ground:
    """What solids in their poses say of rows × columns patches."""
    return ground_of(grounds.posed(poses, known, rows, columns)).to(device)


def of_plans(plans: Sequence[Plan], known: Known, rows: int, columns: int, device: torch.device) -> Ground:
    """What plans say of rows × columns patches. Raises BadInput or Unknown where a plan describes no scene."""
    return ground_of(grounds.grounds(plans, known, rows, columns)).to(device)
