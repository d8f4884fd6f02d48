"""What a person may say when a HiDream model is loaded, as text, and what of it fits this machine.

The options of an ask are in `request`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sayso.engines import checkpoints
from sayso.engines.hidream import request, variants
from sayso.engines.hidream.variants import Variant
from sayso.errors import BadInput, Unknown
from sayso.hooks import EngineInfo, Fit
from sayso.types import Ability, Engine

LOAD_OPTIONS = {
    "dtype": "what is multiplied, bfloat16 or float32; default: what the device multiplies quickly. Weights in bfloat16 stay so in memory",
    "quantise": "bf16, fp8, int8 or int4; default: by free memory",
    "offload": "none, text (readers leave before the loop) or blocks (weights visit the card); default: by free memory",
    "compile": "on or off: blocks are compiled at the first step of a size, and on graphics cards the step is replayed as one graph; "
    "default: on for graphics cards, and for released weights in bfloat16 on a CPU with a C++ compiler",
    "llama": "folder of Llama 3.1 8B Instruct; default: beside the model, or SAYSO_LLAMA",
    "components": "folder of the readers and the autoencoder, when --weights is a single file of the transformer",
    "refiner": "folder or file of the weights that polish an edit",
    "loras": "LoRA files that stay merged: FILE or FILE:STRENGTH, several with commas",
}
PETAFLOP = {"hidream-i1-full": 7.58, "hidream-i1-dev": 2.12, "hidream-i1-fast": 1.21, "hidream-e1": 5.66, "hidream-e1.1": 10.75}
SHARE = 0.7  # of the measured speed of a product that a whole picture reaches


def open_engine(variant: Variant, device: str | None, weights: Path | None, options: Mapping[str, object]) -> Engine:
    """The engine from a folder or single file, or from where models are fetched to. Raises as `engine.load` does."""
    from sayso.engines.hidream import engine

    for name in options:
        if name not in LOAD_OPTIONS:
            raise Unknown(f'load option of the engine "{variant.name}"', name, tuple(LOAD_OPTIONS))
    text = {name: str(value).strip() for name, value in options.items()}
    switches = {"on": True, "true": True, "off": False, "false": False, "auto": None}
    if (compiled := text.get("compile", "auto").lower()) not in switches:
        raise BadInput(f'compile "{compiled}" is unknown; choose on or off')
    folders = {name: Path(text[name]).expanduser() for name in ("llama", "components", "refiner") if name in text}
    where = weights if weights is not None else checkpoints.folder(variant.name, None)
    return engine.load(
        where,
        device,
        variant=variant.name,
        llama=folders.get("llama"),
        components=folders.get("components"),
        refiner=folders.get("refiner"),
        loras=request.read_loras("loras", text["loras"]) if "loras" in text else (),
        bits=text.get("quantise"),
        offload=text.get("offload"),
        compiled=switches[compiled],
        dtype=text.get("dtype"),
    )


def ways(variant: Variant) -> list[Fit]:
    """How the model can be run on this machine, with an estimate of the time of one picture."""
    import torch

    from sayso.engines import machine
    from sayso.engines.hidream import placing

    here = machine.look()
    wide = here.card is None and machine.quick_dtype(torch.device("cpu")) == torch.float32
    place, free = here.card or "this computer, without a graphics card", (here.card_memory if here.card else here.host) / 1e9
    rows = []
    for bits in (None, "fp8", "int8", "int4"):
        for offload in placing.OFFLOADS:
            one = placing.Placing(bits, offload)
            need = placing.gigabytes(one, wide)
            way = " ".join([*([f"quantise={bits}"] if bits else []), *([f"offload={offload}"] if offload != "none" else [])])
            seconds = PETAFLOP[variant.name] * 1e15 / (here.flops * SHARE)
            if offload == "blocks":
                seconds = max(seconds, 100 * placing.BLOCKS * placing.SHARE[bits] * 1e9 / here.bandwidth)
            fits, why = need <= free, f"needs {need:.0f} GB on {place}, {free:.0f} GB are free"
            if bits == "fp8" and here.capability != (9, 0):
                fits, why = False, "FP8 is multiplied here by cards of compute capability 9.0 only"
            elif offload == "blocks" and here.card is None:
                fits, why = False, "blocks can only visit a graphics card, and there is none"
            rows.append(Fit(way, fits, seconds if fits else None, why))
    return rows


def info(variant: Variant) -> EngineInfo:
    """The row of one model in the table of engines."""

    def tune(device: str | None, weights: Path | None = None, options: Mapping[str, object] | None = None) -> Engine:
        return open_engine(variant, device, weights, options or {})

    return EngineInfo(
        name=variant.name,
        summary=variant.summary,
        abilities=frozenset({Ability.EDIT if variant.edits else Ability.DRAW}),
        load=tune,
        missing=lambda: checkpoints.missing(variant.name) or variants.no_libraries(),
        options=frozenset(request.known(variant)),
        tune=tune,
        load_options=LOAD_OPTIONS,
        fit=lambda: ways(variant),
    )
