"""What a run shows of itself: a CSV log, a loss plot, and the prompts of its sample pictures."""

from __future__ import annotations

import csv
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sayso.engines.ground import of_plans
from sayso.engines.machine import quick_dtype
from sayso.engines.sampling import paint
from sayso.evals.sheet import sheet
from sayso.models.codecs.pixels import decode
from sayso.models.unified import UnifiedModel
from sayso.world import plan
from sayso.world.grounds import Known
from sayso.world.render import render
from sayso.world.sampler import WorldSpec, sample_scene

if TYPE_CHECKING:
    from PIL import Image

FIELDS = ("step", "seen", "seconds", "loss", "rate", "pictures_per_second", "flops_per_second", "stage")

SHOWN = (
    "a red fox to the left of a blue car, flat style",
    "a ladybug above a cactus, line style, yellow background",
    "three cats, cartoon style, light blue background",
    "a dog, soft style, transparent background",
    "一只红色的狐狸在蓝色汽车的左边，扁平风格",
    "an umbrella, glossy style, on a #f7d020 background",
    "a green cup and a purple book, flat style, white background",
    "a horse on the street, cartoon style",
    "a guitar to the right of an apple, glossy style",
    "two rockets in space, soft style",
    'the word "HELLO" in a slab font on a white background',
    "a cat wearing a top hat, flat style, pink background",
    "a 2x2 grid: row 1: a house, a tree; row 2: a key, a crown, flat style",
    "五个苹果，柔和风格，白色背景",
    "a bicycle, line style, blue stripes on a white background",
    "a snail below a mushroom and a banana above a strawberry, cartoon style",
)


def painted(model: UnifiedModel, known: Known, world: WorldSpec, patch: int, tokens: int) -> Image.Image:
    """The same 24 plans as the model paints them, in pairs with the exact picture."""
    side = round(tokens**0.5)
    rng = random.Random("plans on the sheet")
    kinds = ("single", "pair", "colours", "count", "grid", "lettering")
    size = ((64, 64), 1.0)
    scenes = [sample_scene(rng, replace(world, kinds=((kinds[i % 6], 1.0),), aspects=(size,), snap=side * (i < 12))) for i in range(24)]
    scenes = [replace(s, items=tuple(replace(i, shadow=False) for i in s.items)) for s in scenes]
    device = model.embed.weight.device
    ground = of_plans([plan.to_plan(s) for s in scenes], known, side, side, device)
    for x in paint(model, ground, list(range(len(scenes))), side, side, patch, 1, quick_dtype(device)):
        last = x
    exact = [render(s, side * patch, side * patch) for s in scenes]
    return sheet([one for pair in zip(exact, decode(last), strict=True) for one in pair], 12, 96)


class Log:
    """Appends rows to `log.csv`; rows past `step` are dropped first, as a resumed run writes them again."""

    def __init__(self, path: Path, step: int):
        rows = []
        if path.exists():
            with path.open(newline="") as f:
                rows = [r for r in csv.DictReader(f) if r.get("stage") and int(r["step"]) <= step]
        temporary = path.with_suffix(".part")
        with temporary.open("w", newline="") as f:
            writer = csv.DictWriter(f, FIELDS)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(temporary, path)
        self._file = path.open("a", newline="")
        self._writer = csv.DictWriter(self._file, FIELDS)

    def add(self, **values: object) -> None:
        self._writer.writerow(values)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def plot(log: Path, out: Path) -> None:
    """Loss over pictures seen, raw and smoothed, as PNG."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with log.open(newline="") as f:
        rows = list(csv.DictReader(f))
    if len(rows) < 2:
        return
    seen = np.array([float(r["seen"]) for r in rows])
    loss = np.array([float(r["loss"]) for r in rows])
    smooth = np.copy(loss)
    for i in range(1, len(smooth)):
        smooth[i] = smooth[i - 1] + max(0.05, 1 / (i + 1)) * (loss[i] - smooth[i - 1])
    figure, axis = pyplot.subplots(figsize=(7, 4), layout="constrained")
    axis.plot(seen, loss, color="#c7d2fe", linewidth=0.8, label="each logged step")
    axis.plot(seen, smooth, color="#4338ca", label="smoothed")
    axis.set(xlabel="pictures seen", ylabel="loss on the velocity", yscale="log")
    axis.legend(frameon=False)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)
