"""HiDream as an engine: from an ask to finished pictures.

I1 draws and E1 edits; which, and with which defaults, is the variant's (`variants`). Pictures are drawn one after another, since one
guided picture already fills a graphics card. The start noise and the noise of the steps come from the picture's seed alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sayso.engines import machine
from sayso.engines.hidream import instructions, loop, placing, request, schedules, sizes, variants, weights
from sayso.engines.hidream.encoders import TOKENS, Autoencoder, TextEncoders, Words
from sayso.engines.hidream.schedules import Schedule
from sayso.engines.hidream.variants import Variant, no_libraries
from sayso.errors import BadInput, BadWeights, CannotDo
from sayso.models import flow, lowbits
from sayso.models.sparse_dit import HIDREAM, SparseDiT, SparseSpec
from sayso.types import Ability, Ask, Drew, Engine, Event, Message, Picture, Preview, Said, Step, Text

CHANNEL_PIXELS = 8  # pixels along a latent
Loras = tuple[tuple[Path, float], ...]  # files and strengths
PREVIEWS = 4  # parts of the steps after which the picture so far is shown


@dataclass
class Parts:
    """What an engine is made of. `refiner`: another model that polishes edits. `lora`: what makes E1 of I1's weights."""

    model: SparseDiT
    encoders: TextEncoders
    autoencoder: Autoencoder
    refiner: SparseDiT | None = None
    lora: Path | None = None
    compiled: bool = False


class HiDreamEngine:
    """`describer`: an engine that answers questions about pictures; E1 Full then gets the description that it was trained with."""

    def __init__(self, variant: Variant, parts: Parts, sha: str, describer: Engine | None = None):
        self.variant, self.parts, self.sha, self.describer = variant, parts, sha, describer
        self.name = variant.name
        self.abilities = frozenset({Ability.EDIT if variant.edits else Ability.DRAW})
        spec = parts.model.spec
        self.side = variants.SIDE if spec.width == HIDREAM.width else min(spec.resolution) * CHANNEL_PIXELS
        self.square = self.side * 3 // 4 if variant.square else None
        self.max_tokens = 2 * ((self.square or self.side) // sizes.UNIT) ** 2 if variant.edits else spec.max_tokens
        self.wardrobe = weights.Wardrobe(parts.model, self._spare())
        models = parts.model, parts.refiner or parts.model
        self.step, self.refining_step = (loop.compiled(model) if parts.compiled else model.step for model in models)
        self.begun: set[tuple[int, int]] = set()  # sizes whose steps have been compiled

    def _spare(self) -> torch.device:
        """Where weights that a LoRA changed wait: on the device when there is plenty of room, else on the host."""
        device = self.device
        if device.type == "cuda" and torch.cuda.mem_get_info(device)[0] > 2 * sum(p.nbytes for p in self.parts.model.parameters()):
            return device
        return torch.device("cpu")

    @property
    def device(self) -> torch.device:
        return self.parts.model.patch_in.weight.device

    def respond(self, ask: Ask) -> Iterator[Event]:
        """Raises CannotDo, BadInput or BadWeights (of a LoRA) before any work; BadWeights after it where no picture came out."""
        wanted = request.read(ask, self.variant, self.side, self.max_tokens)
        if wanted.loras and placing.is_low(self.parts.model):
            raise CannotDo("a LoRA cannot be merged into weights of few bits; load the model in bf16, or name the LoRA when loading it")
        for path, _ in wanted.loras:
            self.wardrobe.lora(path)
        return self._events(wanted)

    @torch.no_grad()
    def _events(self, wanted: request.Request) -> Iterator[Event]:
        yield from self._remarks(wanted)
        plan = self._plan(wanted)
        told = self._instruction(wanted)
        words, negative, target = self._words(wanted, told)
        pixels = None if wanted.source is None else sizes.for_editing(opaque(wanted.source.pixels), self.square, self.side**2)
        source = None if pixels is None else self.parts.autoencoder.encode(signed(pixels).to(self.device))
        for index in range(wanted.count):
            seed = (wanted.seed + index) % request.SEEDS
            velocity = self._velocity(wanted, plan, words, negative, target, source)
            yield from self._drawn(wanted, plan, velocity, index, seed)

    def _drawn(self, wanted: request.Request, plan: Schedule, velocity: flow.StepVelocity, index: int, seed: int) -> Iterator[Event]:
        """Events of one picture."""
        width, height = wanted.drawn
        shape = (1, self.parts.model.spec.channels, height // CHANNEL_PIXELS, width // CHANNEL_PIXELS)
        generator = torch.Generator().manual_seed(seed)  # on the host, so that every device starts alike
        fresh = plan.steps if self.variant.sampler == "renoise" else 0
        noise = torch.stack([torch.randn(shape, generator=generator) for _ in range(1 + fresh)]).to(self.device)
        z = noise[0]
        for step, (state, x) in enumerate(loop.sample(velocity, noise[0], plan, self.variant.sampler, lambda i: noise[1 + i]), 1):
            z = state
            yield Step(index * plan.steps + step, wanted.count * plan.steps)
            if step < plan.steps and step * PREVIEWS % plan.steps < PREVIEWS:
                yield Preview(index, Picture(self._finished(F.avg_pool2d(x, 2), wanted)))
        if not z.isfinite().all():
            raise BadWeights(f"the weights of {self.name} gave no picture but numbers that are not finite; fetch them, or the LoRA, again")
        origin: dict[str, object] = {"engine": self.name, "weights": self.sha, "seed": seed, "steps": wanted.steps,
                                     "guidance": wanted.guidance}
        yield Drew(index, Picture(self._finished(z, wanted), origin), seed)

    def _velocity(self, wanted: request.Request, plan: Schedule, words: Words, negative: Words | None, target: Words, source: Tensor | None
                  ) -> flow.StepVelocity:
        model = self.parts.model
        size = wanted.drawn[1] // CHANNEL_PIXELS, wanted.drawn[0] // CHANNEL_PIXELS
        own = (((self.parts.lora, 1.0),) if self.parts.lora is not None else ()) + wanted.loras  # E1 Full is a LoRA over I1

        def first() -> flow.StepVelocity:
            self._wear(own)
            if source is None:
                return loop.drawing(self.step, model, words, negative, plan, size, wanted.guidance, self.max_tokens)
            return loop.editing(self.step, model, words, negative, source, plan, wanted.guidance, wanted.picture_guidance, wanted.clip,
                                self.max_tokens)

        def polish() -> flow.StepVelocity:
            if self.parts.refiner is None:
                self._wear(wanted.loras)  # E1 polishes with the weights of I1
            refiner = self.parts.refiner or model
            return loop.drawing(self.refining_step, refiner, target, negative, plan, size, wanted.guidance, self.max_tokens)

        return loop.in_turn(first, polish, plan.steps if source is None else wanted.switch)

    def _wear(self, loras: Loras) -> None:
        if loras or self.wardrobe.worn:
            self.wardrobe.wear(loras)

    def _plan(self, wanted: request.Request) -> Schedule:
        if self.variant.sampler == "unipc":
            return schedules.TABLES[wanted.sigmas](wanted.steps, self.variant.shift)
        plan = schedules.few(wanted.steps, self.variant.shift)
        return schedules.unfinished(plan) if wanted.as_released else plan

    def _instruction(self, wanted: request.Request) -> instructions.Instruction:
        if not self.variant.edits:
            return instructions.Instruction(wanted.prompt, wanted.prompt)
        prompt = wanted.prompt
        if self.variant.square and self.describer is not None and wanted.target is None and instructions.TARGET not in prompt:
            prompt = described(self.describer, cast(Picture, wanted.source), prompt) or prompt
        return instructions.worded(prompt, wanted.target, self.variant.square)

    def _words(self, wanted: request.Request, told: instructions.Instruction) -> tuple[Words, Words | None, Words]:
        """Of the prompt, of what is not wanted (None without guidance) and of the target, all read in one batch, none twice."""
        unwanted, targets = [wanted.negative] if wanted.guidance > 1 else [], [told.target] if self.variant.edits else []
        prompts = list(dict.fromkeys([told.edit, *unwanted, *targets]))
        read = self.parts.encoders.read(prompts)
        rows = {prompt: read.rows(i, i + 1) for i, prompt in enumerate(prompts)}
        return rows[told.edit], rows.get(wanted.negative) if wanted.guidance > 1 else None, rows.get(told.target, rows[told.edit])

    def _remarks(self, wanted: request.Request) -> Iterator[Said]:
        if (tokens := self.parts.encoders.longest(wanted.prompt)) > TOKENS:
            yield Said(f"the prompt has {tokens} pieces and this model reads {TOKENS}; its end is not taken in")
        if self.parts.compiled and wanted.drawn not in self.begun:
            self.begun.add(wanted.drawn)
            yield Said(f"the first step at {wanted.drawn[0]}x{wanted.drawn[1]} takes longer, because it is compiled")
        if wanted.drawn != wanted.size:
            what = "edited" if self.variant.edits else "drawn"
            yield Said(f"the picture is {what} at {wanted.drawn[0]}x{wanted.drawn[1]}, which this model was made for, and brought to "
                       f"{wanted.size[0]}x{wanted.size[1]}")

    def _finished(self, z: Tensor, wanted: request.Request) -> np.ndarray:
        """Latents [1, c, h, w] → uint8 [H, W, 4] at the size asked for."""
        x = self.parts.autoencoder.decode(z)[0]
        pixels = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        pixels = (sizes.covering if wanted.source is None else sizes.back)(pixels, *wanted.size)
        return np.dstack((pixels, np.full(pixels.shape[:2], 255, dtype=np.uint8)))


def opaque(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4] laid on white → [H, W, 3]."""
    alpha = pixels[..., 3:].astype(np.float32) / 255
    return (pixels[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)


def signed(pixels: np.ndarray) -> Tensor:
    """uint8 [H, W, 3] → float32 [1, 3, H, W] in −1..1."""
    return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


def described(describer: Engine, source: Picture, wish: str) -> str | None:
    """The wish as an instruction with a description of the result, from an engine that sees the picture; None when it rambles."""
    words = f"{instructions.QUESTION} The wish: {wish}"
    ask = Ask((Message("user", (source, Text(words))),), "text")
    said = "".join(event.text for event in describer.respond(ask) if isinstance(event, Said))
    return instructions.refined(said)


# Loading


def _transformer(folder: Path) -> Path:
    """Where a folder keeps the transformer: in transformer/, or as a single file of another tool beside the rest."""
    if (folder / "transformer").is_dir():
        return folder / "transformer"
    singles = [path for path in sorted(folder.glob("*.safetensors")) if any(name in weights.headers(path) for name in weights.signs())]
    if len(singles) == 1:
        return singles[0]
    raise BadWeights(f"{folder} holds no transformer; it should have a folder transformer/ or one single file of HiDream's transformer")


def _lora(folder: Path, variant: Variant) -> Path | None:
    """E1 Full's LoRA, when it lies beside I1's weights."""
    if not variant.square:
        return None
    places = (*sorted((folder / "lora").glob("*.safetensors")), folder / "HiDream-E1-Full.safetensors")
    return next((path for path in places if path.is_file()), None)


def _fingerprint(path: Path) -> str:
    """SHA-256 over every file's size, first and last mebibyte: it names the weights without reading all 34 GB."""
    h = hashlib.sha256()
    for file in sorted(path.glob("*.safetensors")) if path.is_dir() else [path]:
        size = file.stat().st_size
        h.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as f:
            h.update(f.read(2**20))
            f.seek(max(0, size - 2**20))
            h.update(f.read())
    return h.hexdigest()


def _device(name: str | None) -> torch.device:
    if name == "mps":
        raise CannotDo("HiDream runs on NVIDIA cards and on CPUs, not on mps; use cpu")
    chosen = name or ("cuda" if torch.cuda.is_available() else "cpu")
    if chosen.startswith("cuda") and not torch.cuda.is_available():
        raise CannotDo(f"there is no GPU for --device {chosen}; use cpu")
    return torch.device(chosen)


def _placing(device: torch.device, bits: str | None, offload: str | None) -> placing.Placing:
    """What was asked for; what was not is chosen by the device's free memory. Raises BadInput."""
    if bits not in (None, "bf16", *lowbits.KINDS):
        raise BadInput(f'quantise "{bits}" is unknown; choose bf16, {", ".join(lowbits.KINDS)}, or leave it out')
    if offload not in (None, *placing.OFFLOADS):
        raise BadInput(f'offload "{offload}" is unknown; choose {", ".join(placing.OFFLOADS)}, or leave it out')
    kind = None if bits in (None, "bf16") else cast(lowbits.Kind, bits)
    if device.type != "cuda":
        return placing.Placing(kind, offload or "none")
    free = torch.cuda.mem_get_info(device)[0] / 1e9
    chosen = placing.choose(free, kind, lowbits.multiplies_fp8(device), exact=bits == "bf16")
    return placing.Placing(chosen.bits, offload or chosen.offload)


def _compiles(wanted: bool | None, place: torch.device, where: placing.Placing, kind: torch.dtype, spec: SparseSpec) -> bool:
    """Whether steps are compiled: where it was asked for, and unasked where that is sooner paid back than one picture is drawn. Raises
    CannotDo."""
    compiler = os.environ.get("CXX", "g++")
    obstacles = {
        "its weights in one place; leave offload=blocks out": where.offload == "blocks",
        "dtype=bfloat16, which the compiled product of the experts is for": kind != torch.bfloat16,
        f'a C++ compiler on a CPU, and there is no "{compiler}"; install one or name it in CXX':
            place.type == "cpu" and shutil.which(compiler) is None,
    }
    obstacle = next((words for words, there in obstacles.items() if there), None)
    if wanted and obstacle:
        raise CannotDo(f"a compiled step needs {obstacle}, or leave compile out")
    return obstacle is None and (place.type == "cuda" or spec.width == HIDREAM.width if wanted is None else wanted)


def _model(path: Path, where: placing.Placing, device: torch.device, dtype: torch.dtype, loras: Loras) -> SparseDiT:
    """A transformer, filled, with the LoRAs that stay merged, in its places."""
    straight = where.bits is None and where.offload != "blocks"
    model = weights.load_transformer(path, device if straight else torch.device("cpu"), dtype)
    if loras:
        weights.Wardrobe(model, torch.device("cpu")).wear(loras)
    placing.place(model, where, device)
    return model


def load(folder: Path, device: str | None = None, *, variant: str = "hidream-i1-full", components: Path | None = None,
         llama: Path | None = None, refiner: Path | None = None, loras: Loras = (), bits: str | None = None, offload: str | None = None,
         compiled: bool | None = None, dtype: str | None = None, describer: Engine | None = None,
         tell: Callable[[str], Any] = lambda words: None) -> HiDreamEngine:
    """The engine from a folder, or from a single file of the transformer whose other parts lie in `components`.

    `llama`: folder of Llama 3.1 8B Instruct. `refiner`: folder or file of the weights that polish edits. `loras`: merged for good.
    `bits`: bf16, fp8, int8 or int4; `offload`: none, text or blocks; both are chosen by free memory when left out. `compiled`: the
    step is compiled, and recorded on graphics cards; by default there, and for weights of the released size in bfloat16.
    `dtype`: float32 or bfloat16. `tell` hears what is being loaded.
    Raises BadWeights, BadInput or CannotDo.
    """
    row = variants.named(variant)
    if absent := no_libraries():
        raise CannotDo(f'the engine "{variant}" cannot be loaded: {absent}')
    if not folder.exists():
        raise BadWeights(f'there are no weights at {folder}; fetch them with "sayso pull {variant}" or name their folder')
    path = folder if folder.is_file() else _transformer(folder)
    rest = components or (folder.parent if folder.is_file() else folder)
    lora = None if folder.is_file() else _lora(folder, row)
    spec = weights.read_spec(path)
    weights.check(weights.found(path), spec, path)  # before anything is loaded
    place, where = _device(device), _placing(_device(device), bits, offload)
    kind = {"float32": torch.float32, "bfloat16": torch.bfloat16}.get(dtype or str(machine.quick_dtype(place)).removeprefix("torch."))
    if kind is None:
        raise BadInput(f'dtype "{dtype}" is unknown; choose float32 or bfloat16')
    quick = _compiles(compiled, place, where, kind, spec)
    if lora is not None and where.bits is not None:
        raise CannotDo(f"{lora} cannot be put on and off weights of few bits; load E1 in bf16 or take hidream-e1.1")
    tell("text encoders")
    encoders = TextEncoders(rest, llama, place, kind, keep=where.offload == "none")
    autoencoder = Autoencoder(rest / "vae", place, kind)
    tell("transformer")
    model = _model(path, where, place, kind, loras)
    second = None if refiner is None else _model(_transformer(refiner) if refiner.is_dir() else refiner, where, place, kind, ())
    if second is not None and second.spec.width != model.spec.width:
        raise BadWeights(f"{refiner} is of another size than {folder}; a refiner must be HiDream-I1")
    return HiDreamEngine(row, Parts(model, encoders, autoencoder, second, lora, quick), _fingerprint(path), describer)
