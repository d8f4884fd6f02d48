"""Where the parts of HiDream live: what fits a device, fewer bits, and blocks that come from the host one after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sayso.engines.offload import Visiting, visit_alone
from sayso.models import lowbits
from sayso.models.sparse_dit import SparseDiT

Offload = Literal["none", "text", "blocks"]
OFFLOADS: tuple[Offload, ...] = ("none", "text", "blocks")

# Gigabytes of the released models in bf16: blocks, what is computed once, all readers, the largest of them.
BLOCKS, BEFORE, READERS, LARGEST_READER, VAE, WORK = 28.1, 6.1, 27.2, 16.1, 0.2, 6.0
SHARE = {None: 1.0, "fp8": 0.51, "int8": 0.51, "int4": 0.29}  # of the blocks, scales included


@dataclass(frozen=True)
class Placing:
    """`bits`: "fp8", "int8", "int4" or None for bf16. `offload`: "none" keeps everything on the device; "text" lets the readers
    and what is computed once go before the loop; "blocks" keeps the blocks on the host too, from where each visits the device."""

    bits: lowbits.Kind | None
    offload: Offload


def gigabytes(placing: Placing, wide: bool = False) -> float:
    """Device memory that the released models need at about one megapixel with guidance, in GB. `wide`: rows, readers and the
    autoencoder are in float32; the transformer's matrices stay as they are released."""
    blocks, times = BLOCKS * SHARE[placing.bits], 2 if wide else 1
    rest, largest = times * (VAE + WORK), times * LARGEST_READER
    if placing.offload == "none":
        return blocks + BEFORE + times * READERS + rest
    if placing.offload == "text":
        return max(blocks + rest, largest + blocks)
    return max(blocks / 24 + rest, largest)


def choose(free: float, bits: lowbits.Kind | None = None, fp8: bool = False, exact: bool = False) -> Placing:
    """The placing that is fastest and needs at most `free` GB; bf16 first. `fp8`: the device multiplies FP8.

    With `bits`, or with `exact` for bf16, only the offload is chosen.
    """
    kinds: tuple[lowbits.Kind | None, ...] = (bits,) if exact or bits is not None else (None, "fp8" if fp8 else "int8", "int4")
    resident = [Placing(kind, offload) for kind in kinds for offload in OFFLOADS[:2]]
    return next((placing for placing in resident if gigabytes(placing) <= free), Placing(kinds[0], "blocks"))


def heavy(model: SparseDiT) -> list[str]:
    """Layers whose weights may be stored in fewer bits: all large ones of the blocks, but not the gates that choose experts."""
    keep = (".gate",)
    return [name for name, module in model.named_modules()
            if name.startswith(("double_blocks.", "single_blocks.")) and isinstance(getattr(module, "weight", None), Tensor)
            and module.weight.dim() >= 2 and not name.endswith(keep)]


def is_low(model: SparseDiT) -> bool:
    """Whether the model's blocks are stored in fewer bits."""
    return any(isinstance(module, lowbits.LowBits) for module in model.modules())


def place(model: SparseDiT, placing: Placing, device: torch.device) -> None:
    """Brings a model to its places; its `before` visits the device once a request unless everything stays there."""
    if placing.bits is not None:
        lowbits.convert(model, heavy(model), placing.bits, torch.device("cpu") if placing.offload == "blocks" else device)
    if placing.offload == "blocks":
        model.double_blocks, model.single_blocks = Visiting(model.double_blocks, device), Visiting(model.single_blocks, device)
    else:
        model.double_blocks.to(device)
        model.single_blocks.to(device)
    model.patch_in.to(device)
    model.patch_out.to(device)
    if placing.offload == "none":
        model.before.to(device)
    else:
        visit_alone(model.before, device)
