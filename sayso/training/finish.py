"""Teaches the upscaler on exact renders of training scenes, and measures it beside bicubic.

The large pictures are drawn once by the exact renderer and kept in a cache folder; a batch is a function of (seed, step).
The small picture is the mean of each factor × factor pixels, which is what the generator learns to draw, and is then
spoilt the way a generator spoils it (softness, noise, uneven flat areas, seams of patches, ringing); the large one stays clean.

Axes: N scenes, B crops, H and W large pixels, h and w small pixels.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor, nn

from sayso.engines import checkpoint
from sayso.errors import BadWeights, CannotWrite
from sayso.evals.sheet import sheet
from sayso.models.codecs.pixels import decode, encode
from sayso.models.upscale import Upscaler, UpscaleSpec, enlarge_plainly, valid
from sayso.training.optim import Mean, Muon
from sayso.world import art
from sayso.world.render import render
from sayso.world.sampler import FIRST_LIGHT, WorldSpec, sample_scene
from sayso.world.scene import STYLES, Scene

SIDE = 512  # pixels along an exact render
SPOILT = 0.8  # share of the crops whose small picture is spoilt
WARMUP = 30  # steps
Enlarge = Callable[[Tensor], Tensor]

# More lettering and crowds than the generator's training has: they are what is hardest to enlarge.
_KINDS = (("single", 0.2), ("pair", 0.18), ("several", 0.14), ("count", 0.08), ("colours", 0.14), ("relation", 0.05), ("grid", 0.06),
          ("lettering", 0.11), ("crowd", 0.04))


# --- pictures ------------------------------------------------------------------------------------------------------------


def world(index: int) -> WorldSpec:
    """What scene `index` is sampled from: the everyday core and the whole world in turn."""
    concepts = art.CORE if index % 2 == 0 else tuple(c.slug for c in art.concepts())
    return replace(FIRST_LIGHT, concepts=concepts, kinds=_KINDS)


def training_scene(seed: int, index: int) -> Scene:
    """Scene `index` of the training set, a function of both numbers."""
    return sample_scene(random.Random(f"finisher {seed} {index}"), world(index))


def held_out_scenes(count: int, seed: int = 0) -> list[Scene]:
    """Scenes of held-out compositions, the styles in turn, every fifth with lettering and every fourth see-through."""
    out: list[Scene] = []
    for i in range(count):
        kinds = (("lettering", 1.0),) if i % 5 == 2 else FIRST_LIGHT.kinds
        spec = replace(FIRST_LIGHT, styles=(STYLES[(i + i // len(STYLES)) % len(STYLES)],), kinds=kinds, split="held-out")
        rng = random.Random(f"finisher held-out {seed} {i}")
        scene = sample_scene(rng, spec)
        while (scene.background.kind == "transparent") != (i % 4 == 1):
            scene = sample_scene(rng, spec)
        out.append(scene)
    return out


def shrink(large: Tensor, factor: int) -> Tensor:
    """Premultiplied [B, 4, H, W] → [B, 4, h, w], the mean of each factor × factor pixels, as the compositor draws them."""
    return F.avg_pool2d(large, factor)


def _draw(seed: int, index: int) -> np.ndarray:
    return render(training_scene(seed, index), SIDE, SIDE)


def renders(folder: Path, seed: int, count: int, workers: int, tell: Callable[[int, int], None]) -> np.ndarray:
    """uint8 [N, SIDE, SIDE, 4] on disk, straight alpha: drawn when first asked for, then read again. Raises CannotWrite."""
    target = folder / f"finisher-{seed}-{count}.npy"
    if not target.exists():
        part = target.with_suffix(".part")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            store = np.lib.format.open_memmap(part, "w+", np.uint8, (count, SIDE, SIDE, 4))
            with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
                for i, pixels in enumerate(pool.map(partial(_draw, seed), range(count), chunksize=8)):
                    store[i] = pixels
                    tell(i + 1, count)
            store.flush()
            os.replace(part, target)
        except OSError as error:
            raise CannotWrite(f'cannot keep renders in "{folder}" ({error}); name another folder with --cache') from error
        finally:
            part.unlink(missing_ok=True)
    found: np.ndarray = np.load(target, mmap_mode="r")
    return found


# --- spoiling ------------------------------------------------------------------------------------------------------------


def _uniform(rng: torch.Generator, count: int, low: float, high: float) -> Tensor:
    """[count, 1, 1, 1] in low..high."""
    return low + (high - low) * torch.rand(count, 1, 1, 1, generator=rng)


def blur(x: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of [B, 4, h, w] with its own σ [B] in pixels for each picture, edges repeated, 7 taps a side."""
    B, C, h, w = x.shape
    taps = torch.arange(-3, 4, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (taps / sigma[:, None].clamp(min=1e-3)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(C, 0)  # [B · C, 7]
    flat = F.pad(x.reshape(1, B * C, h, w), (3, 3, 3, 3), mode="replicate")
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=B * C)
    return F.conv2d(flat, kernel[:, None, :, None], groups=B * C).view(B, C, h, w)


def _wobble(rng: torch.Generator, B: int, cells: int, h: int, w: int, mode: str) -> Tensor:
    """Noise [B, 4, h, w] of about `cells` cells a side, mean zero in every picture, so that no colour is moved as a whole."""
    coarse = torch.randn(B, 4, cells, cells, generator=rng)
    fine = F.interpolate(coarse, size=(h, w), mode=mode, align_corners=False if mode == "bicubic" else None)
    return fine - fine.mean((2, 3), keepdim=True)


def _seams(rng: torch.Generator, B: int, h: int, w: int, patch: int = 8) -> Tensor:
    """Noise [B, 4, h, w] that is constant on patches of 8 × 8 whose grid lies anywhere, mean zero."""
    rows, columns = h // patch + 2, w // patch + 2
    fine = torch.randn(B, 4, rows, columns, generator=rng).repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    top, left = (int(v) for v in torch.randint(patch, (2,), generator=rng))
    fine = fine[:, :, top : top + h, left : left + w]
    return fine - fine.mean((2, 3), keepdim=True)


def spoil(small: Tensor, rng: torch.Generator, share: float = SPOILT) -> Tensor:
    """[B, 4, h, w] in −1..1 → the same pictures as a generator might have drawn them; 1 − share of them stay as they are."""
    B, _, h, w = small.shape
    soft = blur(small, _uniform(rng, B, 0.0, 0.7).flatten())
    rung = soft + (soft - blur(soft, torch.full((B,), 0.8))) * _uniform(rng, B, 0.0, 0.6) * (torch.rand(B, 1, 1, 1, generator=rng) < 0.4)
    # Noise is in units of 0..1; the pictures span −1..1. The squares prefer the small.
    grain = 2 * 0.03 * _uniform(rng, B, 0.0, 1.0) ** 2
    waves = 2 * 0.02 * _uniform(rng, B, 0.0, 1.0) ** 2
    steps = 2 * 0.01 * _uniform(rng, B, 0.0, 1.0) ** 2
    noise = grain * torch.randn(small.shape, generator=rng) + waves * _wobble(rng, B, 5, h, w, "bicubic")
    noise = noise + steps * _seams(rng, B, h, w)
    spoilt = rung + noise
    return torch.where(torch.rand(B, 1, 1, 1, generator=rng) < share, spoilt, small)


# --- batches -------------------------------------------------------------------------------------------------------------


def _crop(pictures: np.ndarray, side: int, rng: random.Random) -> np.ndarray:
    """uint8 [side, side, 4]: the busier of two places of one picture, mirrored and turned by quarters, colours exchanged."""
    picture = pictures[rng.randrange(len(pictures))]
    places = [(rng.randrange(SIDE - side + 1), rng.randrange(SIDE - side + 1)) for _ in range(2)]
    cuts = [picture[y : y + side, x : x + side] for y, x in places]
    best = max(cuts, key=lambda cut: float(np.abs(np.diff(cut[::4, ::4].astype(np.int16), axis=0)).mean()))
    turned = np.rot90(best, rng.randrange(4))
    if rng.random() < 0.5:
        turned = turned[:, ::-1]
    channels = rng.sample(range(3), 3) if rng.random() < 0.5 else [0, 1, 2]
    return np.ascontiguousarray(turned[..., [*channels, 3]])


def batches(pictures: np.ndarray, seed: int, start: int, batch: int, crop: int, factor: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(small and spoilt, small and clean, large), premultiplied in −1..1, from step `start` on. `crop`: small pixels a side."""
    step = start
    while True:
        draw = random.Random(f"finisher batch {seed} {step}")
        large = encode(np.stack([_crop(pictures, crop * factor, draw) for _ in range(batch)]))
        small = shrink(large, factor)
        yield spoil(small, torch.Generator().manual_seed(draw.getrandbits(48))), small, large
        step += 1


# --- learning ------------------------------------------------------------------------------------------------------------


def _edges(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def loss_of(drawn: Tensor, small: Tensor, large: Tensor, factor: int) -> Tensor:
    """Mean absolute error of the pixels, of their differences (edges), and of the picture shrunk again (colours).

    Absolute errors have crisp optima: of two colours that may stand at a pixel the likelier wins, not their mean.
    """
    pixels = (drawn - large).abs().mean()
    edges = sum((F.l1_loss(a, b) for a, b in zip(_edges(drawn), _edges(large), strict=True)), start=torch.zeros(()))
    return pixels + 0.5 * edges + 0.5 * (shrink(drawn, factor) - small).abs().mean()


@dataclass(frozen=True)
class Plan:
    """One run. `crop`: small pixels a side; `rate`: the highest learning rate of Muon, AdamW has a twentieth."""

    steps: int
    batch: int
    crop: int
    rate: float
    seed: int
    scenes: int


def rate_at(plan: Plan, step: int) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    along = step / plan.steps
    return plan.rate * min(1.0, (step + 1) / WARMUP) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * along)))


class _Optimiser:
    """Muon for the convolutions of the trunk, as matrices of out × (in · 9), AdamW for the ends and the biases."""

    def __init__(self, model: Upscaler):
        inner = {name for name, p in model.named_parameters() if p.dim() == 4 and name.startswith(("blocks.", "conv_head."))}
        self.inner = [p for name, p in model.named_parameters() if name in inner]
        # Channels last, a weight lies in memory as its matrix does, so that these are views that Muon writes through.
        self.matrices = [nn.Parameter(p.detach().permute(0, 2, 3, 1).view(p.shape[0], -1)) for p in self.inner]
        self.muon = Muon(self.matrices)
        rest = [p for name, p in model.named_parameters() if name not in inner]
        self.adam = torch.optim.AdamW(rest, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0, fused=True)

    def step(self, rate: float) -> None:
        for matrix, p in zip(self.matrices, self.inner, strict=True):
            assert p.grad is not None
            matrix.grad = p.grad.permute(0, 2, 3, 1).reshape(matrix.shape)
            p.grad = None
        self.muon.step(rate)
        self.adam.param_groups[0]["lr"] = 0.05 * rate
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)


def train(model: Upscaler, pictures: np.ndarray, plan: Plan, keep: Callable[[dict[str, Tensor], int], None],
          tell: Callable[[int, float, float], None], keep_every: int = 500) -> float:
    """Trains in place; `keep(weights, step)` gets the running mean of the weights now and then and at the end. Last smoothed loss.

    Convolutions run in bfloat16 where the processor has it.
    """
    model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = _Optimiser(model)
    mean = Mean(model, 0.998)
    fast = torch.cpu._is_avx512_bf16_supported()
    smooth, began = 0.0, time.monotonic()
    for step, (spoilt, small, large) in zip(range(plan.steps), batches(pictures, plan.seed, 0, plan.batch, plan.crop, model.spec.factor)):
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            drawn = model.raw(spoilt)
        loss = loss_of(drawn, small, large, model.spec.factor)
        loss.backward()
        optimiser.step(rate_at(plan, step))
        mean.update(model, step)
        smooth += max(0.01, 1 / (step + 1)) * (loss.item() - smooth)
        tell(step + 1, smooth, time.monotonic() - began)
        if (step + 1) % keep_every == 0 or step + 1 == plan.steps:
            keep(mean.state(), step + 1)
    return smooth


# --- measuring -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """Means over pictures. `psnr` dB over premultiplied RGBA; `sharpness`: mean squared gradient on the exact picture's edges,
    as a share of its own; `shift`: mean colour of plain ground moved, `ripple`: its deviation, both in 1/255."""

    psnr: float
    sharpness: float
    shift: float
    ripple: float


def psnr(drawn: Tensor, exact: Tensor) -> float:
    """dB between two pictures in −1..1."""
    return -10 * math.log10(max(1e-12, float((drawn - exact).square().mean()) / 4))


def _sharpness(drawn: Tensor, exact: Tensor) -> float:
    gx, gy = _edges(exact)
    dx, dy = _edges(drawn)
    on_x, on_y = gx.abs() > 0.2, gy.abs() > 0.2
    whole = float(gx[on_x].square().sum() + gy[on_y].square().sum())
    return float((dx[on_x].square().sum() + dy[on_y].square().sum()) / whole) if whole else 1.0


def _ground(scene: Scene, exact: Tensor) -> Tensor | None:
    """bool [h, w]: small pixels at least three from anything but a one-coloured ground; None where there is no such ground."""
    if scene.background.kind != "solid":
        return None
    colour = torch.tensor([int(scene.background.colours[0][k : k + 2], 16) for k in (1, 3, 5)]) / 255 * 2 - 1
    other = ((exact[0, :3] - colour[:, None, None]).abs().amax(0) > 1 / 255).float()[None, None]
    near = F.max_pool2d(F.max_pool2d(other, 8), 7, stride=1, padding=3)[0, 0]
    return near < 0.5 if bool((near < 0.5).sum() > 16) else None


def measure(scenes: list[Scene], enlarge: Enlarge, factor: int, share: float) -> Score:
    """Scores `enlarge` on scenes shrunk by `factor`, all of them spoilt (`share` 1) or none (0)."""
    sums: list[tuple[float, float]] = []
    flat: list[tuple[float, float]] = []
    for k, scene in enumerate(scenes):
        exact = encode(render(scene, SIDE, SIDE))[None]
        small = spoil(shrink(exact, factor), torch.Generator().manual_seed(k), share)
        drawn = enlarge(small)
        sums.append((psnr(drawn, exact), _sharpness(drawn, exact)))
        ground = _ground(scene, exact)
        if ground is not None:
            fine = ground.repeat_interleave(factor, 0).repeat_interleave(factor, 1)
            inside = drawn[0, :3][:, fine]
            moved = (inside.mean(1) - valid(small)[0, :3][:, ground].mean(1)).abs().max()
            flat.append((float(moved) * 127.5, float(inside.std(1).mean()) * 127.5))
    total = [float(np.mean([row[i] for row in sums])) for i in range(2)]
    plain = [float(np.mean([row[i] for row in flat])) if flat else 0.0 for i in range(2)]
    return Score(total[0], total[1], plain[0], plain[1])


def compare(model: Upscaler, count: int) -> dict[str, dict[str, float]]:
    """Bicubic and the finisher on `count` held-out scenes, clean and spoilt."""
    scenes = held_out_scenes(count)
    factor = model.spec.factor
    ways: dict[str, Enlarge] = {"bicubic": lambda x: enlarge_plainly(x, factor), "finisher": model}
    with torch.inference_mode():
        return {f"{name}, {said}": vars(measure(scenes, way, factor, share))
                for said, share in (("clean", 0.0), ("spoilt", 1.0)) for name, way in ways.items()}


def contact_sheet(model: Upscaler, scenes: list[Scene], share: float) -> Image.Image:
    """A row for each scene: the small picture's pixels, bicubic, the finisher, the exact picture; on a checkerboard."""
    factor, pictures = model.spec.factor, []
    with torch.inference_mode():
        for k, scene in enumerate(scenes):
            exact = render(scene, SIDE, SIDE)
            small = spoil(shrink(encode(exact)[None], factor), torch.Generator().manual_seed(k), share)
            blocks = decode(valid(small)[0]).repeat(factor, 0).repeat(factor, 1)
            pictures += [blocks, decode(enlarge_plainly(small, factor)[0]), decode(model(small)[0]), exact]
    grid = sheet(pictures, 4, SIDE, gap=8)
    out = Image.new("RGB", (grid.width, grid.height + 28), "white")
    out.paste(grid, (0, 28))
    for i, name in enumerate(("small", "bicubic", "finisher", "exact")):
        ImageDraw.Draw(out).text((i * (SIDE + 8) + 8, 4), name, fill="#222222", font_size=18)
    return out


# --- files ---------------------------------------------------------------------------------------------------------------


def read(path: Path) -> tuple[Upscaler, dict[str, Any]]:
    """The finisher at `path` with float32 weights, and what its file says of it. Raises BadWeights."""
    tensors, facts = checkpoint.load(path)
    try:
        spec = UpscaleSpec.from_dict(facts["spec"])
    except (KeyError, TypeError, AssertionError):
        raise BadWeights(f"{path} holds no finisher; give a file that `sayso train-finisher` wrote") from None
    with torch.device("meta"):
        model = Upscaler(spec)
    checkpoint.fill(model, tensors, path)
    return model.float().eval(), facts


def write(path: Path, spec: UpscaleSpec, weights: dict[str, Tensor], history: list[dict[str, Any]]) -> None:
    """bfloat16 weights with their spec and history. Raises CannotWrite."""
    checkpoint.save(path, {k: v.to(torch.bfloat16) for k, v in weights.items()}, {"spec": spec.to_dict(), "history": history})


# --- command -------------------------------------------------------------------------------------------------------------
