"""Ways of running BAGEL on this machine: what fits, how long a picture of 1024² pixels in 50 steps will take, and what decides."""

from __future__ import annotations

import torch

from sayso.engines import machine
from sayso.engines.bagel.load import weight_bytes, working_bytes
from sayso.engines.machine import GIB, Machine
from sayso.hooks import Fit
from sayso.models.specs import BAGEL_7B, FLUX_AUTOENCODER, UnifiedSpec

WAYS = (("", None, False), ("quantise=fp8", "fp8", False), ("quantise=int8", "int8", False), ("quantise=int4", "int4", False),
        ("offload=on", None, True), ("quantise=int8 offload=on", "int8", True))
STEPS, GUIDED = 50, 42  # passes with one branch, and of these with two
SHARE = 0.75  # of the measured speed of a product that a whole pass reaches


def pass_flops(spec: UnifiedSpec, patches: int, before: int) -> float:
    """2 · multiply-adds of one branch's pass: the draw expert's linear layers, and attention to everything before."""
    heads = spec.heads * spec.head_width
    linear = spec.width * (2 * heads + 2 * spec.kv_heads * spec.head_width) + 3 * spec.width * spec.hidden
    return spec.layers * 2.0 * patches * (linear + 2 * heads * (patches + before))


def ways(found: Machine | None = None) -> list[Fit]:
    """One row for each way. `found`: the machine, None = this one, looked at now."""
    here = found or machine.look()
    free = here.card_memory if here.card else here.host
    place = here.card or "this computer, without a graphics card"
    dtype = torch.bfloat16 if here.card else machine.quick_dtype(torch.device("cpu"))
    flops = (STEPS + GUIDED) * pass_flops(BAGEL_7B, 4096, 64)
    rows = []
    for way, small, visits in WAYS:
        layers, rest = weight_bytes(BAGEL_7B, FLUX_AUTOENCODER, dtype, small, torch.bfloat16)
        work = working_bytes(BAGEL_7B, FLUX_AUTOENCODER, dtype)
        need = rest + work + (2 * layers / BAGEL_7B.layers if visits else layers)
        why = f"needs {need / GIB:.1f} GiB on {place}, {free / GIB:.1f} GiB are free"
        fits = need <= free
        if visits and here.card is None:
            fits, why = False, "layers can only visit a graphics card, and there is none"
        elif visits and layers > here.host:
            fits, why = False, f"needs {layers / GIB:.1f} GiB of the host's memory, {here.host / GIB:.1f} GiB are free"
        elif small == "fp8" and here.card is None:
            fits, why = False, "numbers of FP8 are only quick on a graphics card that multiplies them, and there is none"
        elif small == "fp8" and here.capability < (8, 9):
            fits, why = False, f"{place} does not multiply in FP8"
        speed = here.flops * SHARE * (1.3 if small == "fp8" else 1.0)
        seconds = max(flops / speed, STEPS * layers / here.bandwidth if visits else 0.0)
        rows.append(Fit(way, fits, seconds if fits else None, why))
    return rows
