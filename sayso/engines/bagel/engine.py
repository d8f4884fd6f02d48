"""The BAGEL engine: asks to thoughts, answers and pictures, several asks in one go."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sayso.engines.bagel.asked import Asked, taken
from sayso.engines.bagel.contexts import Piece, lay
from sayso.engines.bagel.glue import PATCH, Glue
from sayso.engines.bagel.reading import Reader, Watch
from sayso.engines.bagel.sampling import Job, StepWatch, branches_of, denoise
from sayso.engines.bagel.settings import Settings
from sayso.engines.bagel.text import Words
from sayso.engines.bagel.writing import Draft, write
from sayso.errors import BadInput
from sayso.models.codecs.vae import Autoencoder, from_tokens, to_bytes
from sayso.models.packed import Branch, Finish, Packed, Project
from sayso.models.stepping import Foreseen, Remembered, Replayed, Stepper, Whole
from sayso.models.unified import Expert, UnifiedModel
from sayso.types import Ability, Ask, Drew, Event, Picture, Preview, Said, Step, Thought

ROWS_TOGETHER = 16384  # patches of pictures drawn in one go: four of 1024² pixels
PREVIEW = 32  # latent pixels along the longer side of an unfinished picture
Draws = Callable[[tuple[int, ...]], Tensor]


def seeded(seed: int) -> Draws:
    """Standard normal numbers in the order they are asked for, from the CPU, so that every device draws alike."""
    generator = torch.Generator().manual_seed(seed)
    return lambda shape: torch.randn(shape, generator=generator)


@functools.cache
def compiled_halves() -> tuple[Project, Finish]:
    """An expert's two halves, compiled for each shape on first use and shared by all layers and requests."""
    return torch.compile(Expert.project, dynamic=False), torch.compile(Expert.finish, dynamic=False)


@dataclass(frozen=True)
class Passes:
    """How passes are started: `graph` replays them, `compiled` compiles the experts' halves."""

    graph: bool = False
    compiled: bool = False

    def packed(self, model: UnifiedModel, branches: Sequence[Branch], grids: Sequence[tuple[int, int]], dtype: torch.dtype) -> Packed:
        if not self.compiled:
            return Packed(model, branches, grids, dtype)
        return Packed(model, branches, grids, dtype, *compiled_halves())

    def stepper(self, packed: Packed, settings: Settings) -> Stepper:
        if settings.reuse == "taylor":
            return Foreseen(packed)
        if settings.reuse == "block":
            return Remembered(packed, settings.limit)
        return Replayed(packed) if self.graph else Whole(packed)


@dataclass
class _Drawing:
    """One picture on its way. `nth`: which ask; `index`: which of its pictures."""

    nth: int
    index: int
    asked: Asked
    seed: int
    job: Job


class BagelEngine:
    """See the module's docstring. `facts`: what its weights are. `watch_reading`, `watch_steps`: shown what is computed, for tests."""

    name = "bagel"
    abilities = frozenset({Ability.DRAW, Ability.EDIT, Ability.REFERENCES, Ability.ASK, Ability.THINK})

    def __init__(
        self, model: UnifiedModel, coder: Autoencoder, words: Words, glue: Glue, dtype: torch.dtype, passes: Passes,
        facts: Mapping[str, object], draws: Callable[[int], Draws] = seeded,
    ):
        self.model, self.coder, self.words, self.glue, self.dtype, self.passes = model, coder, words, glue, dtype, passes
        self.sha, self.draws = str(facts.get("weights", "")), draws
        self.watch_reading: Watch | None = None
        self.watch_steps: StepWatch | None = None
        self.watch_logits: Callable[[int, Tensor], None] | None = None
        self.whole_passes = 0.0  # of the last batch, over all branches
        assert model.spec.table_side is not None
        self.side = model.spec.table_side * PATCH * coder.spec.factor

    def respond(self, ask: Ask) -> Iterator[Event]:
        """Thoughts, then an answer or `ask.count` pictures with seeds ask.seed, ask.seed + 1, …

        Raises CannotDo, Unknown or BadInput before any work.
        """
        events = self.respond_together([ask])
        return (event for _, event in events)

    def batch_key(self, ask: Ask) -> Hashable | None:
        """Asks with equal steps, shift and way of skipping; as released, a picture may depend on its neighbours, so it goes alone."""
        asked = self._taken(ask)
        s = asked.settings
        return None if s.released else (ask.want == "text", s.steps, s.shift, s.reuse, s.limit)

    def respond_together(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Event]]:
        """As `respond`, for several asks, each event with the position of its ask."""
        taken_apart = [self._taken(ask) for ask in asks]
        keys = {(a.settings.steps, a.settings.shift, a.settings.reuse, a.settings.limit) for a in taken_apart if a.ask.want != "text"}
        if len(keys) > 1:
            raise BadInput("asks with different steps, shift or reuse cannot be drawn in one go; answer them one after another")
        return self._respond(taken_apart)

    def _taken(self, ask: Ask) -> Asked:
        spec = self.model.spec
        assert spec.vision is not None
        asked = taken(ask, self.words, self.glue, self.side, spec.vision.patch, spec.vocab)
        if asked.settings.reuse != "none" and self.passes.graph:
            raise BadInput("a step that skips work cannot be replayed from a graph; leave reuse out or load the engine without graph")
        return asked

    @torch.no_grad()
    def _respond(self, asked: list[Asked]) -> Iterator[tuple[int, Event]]:
        reader = Reader(self.model, self.coder, self.words, self.dtype, self.watch_reading)
        thoughts: dict[int, Piece] = {}
        thinking = [n for n, a in enumerate(asked) if a.ask.think and a.ask.want != "text"]
        for n, part, whole in self._written(reader, asked, thinking):
            if whole is None:
                yield n, Thought(part)
            else:
                thoughts[n] = Piece("text", tuple(self.words.encode(whole, asked[n].settings.released)))
        answering = [n for n, a in enumerate(asked) if a.ask.want == "text"]
        for n, _, whole in self._written(reader, asked, answering):
            if whole is not None:
                yield from ((n, event) for event in answer(whole, asked[n].ask.think))
        drawings = [(n, index) for n, a in enumerate(asked) if a.ask.want != "text" for index in range(a.ask.count)]
        batches = self._batches(asked, drawings)
        for nth, batch in enumerate(batches):
            work = [self._drawing(reader, asked[n], n, index, thoughts.get(n)) for n, index in batch]
            if nth == len(batches) - 1:
                reader.forget()
            yield from self._draw(work, nth, len(batches))

    def _written(self, reader: Reader, asked: Sequence[Asked], which: Sequence[int]) -> Iterator[tuple[int, str, str | None]]:
        """(which ask, the next words, None) as they come, and at each end (which ask, "", the whole text)."""
        if not which:
            return
        drafts = []
        for n in which:
            a = asked[n]
            noises = self._noises(a, self.draws(a.ask.seed))
            context = lay(marked(a, n, 0), a.system, None, a.settings.released).whole
            cache = reader.cache(context, a.seen, noises)
            assert cache is not None
            limit = a.settings.think_pieces if a.ask.want != "text" else a.settings.answer_pieces
            drafts.append(Draft(cache, context.end, limit, a.settings.temperature, a.ask.seed))
        ids: list[list[int]] = [[] for _ in which]
        said = [0] * len(which)
        begin, end = self.words.marks
        for place, piece in write(self.model, drafts, begin, end, self.dtype, self.watch_logits):
            ids[place].append(piece)
            if len(ids[place]) % 8 == 0:
                text = self.words.decode(ids[place])
                cut = max(text.rfind(mark, said[place]) for mark in ("\n", ". ", "。", "? ", "! ")) + 1
                if cut > said[place]:
                    yield which[place], text[said[place] : cut], None
                    said[place] = cut
        for place, n in enumerate(which):
            text = self.words.decode(ids[place])
            if text[said[place] :]:
                yield n, text[said[place] :], None
            yield n, "", text

    def _noises(self, asked: Asked, draws: Draws) -> list[Tensor | None]:
        """For each picture of a conversation the noise that it is encoded with: none, or as released, a draw."""
        if not asked.settings.released or not any(piece.kind == "latent" for item in asked.items for piece in item):
            return [None] * len(asked.seen)
        factor, channels = self.coder.spec.factor, self.coder.spec.latent_channels
        return [draws((1, channels, s.latent.shape[2] // factor, s.latent.shape[3] // factor)) for s in asked.seen]

    def _drawing(self, reader: Reader, asked: Asked, n: int, index: int, thought: Piece | None) -> _Drawing:
        """Reads what one picture needs."""
        seed = (asked.ask.seed + index) % 2**63
        draws = self.draws(seed)
        noises = self._noises(asked, draws)
        items = marked(asked, n, index if any(x is not None for x in noises) else 0)
        contexts = lay(items, asked.system, thought, asked.settings.released)
        wanted = [c for c in (contexts.whole, contexts.wordless, contexts.pictureless) if c is not None]
        caches = {context: reader.cache(context, asked.seen, noises) for context in wanted}
        cell = PATCH * self.coder.spec.factor
        rows, columns = asked.height // cell, asked.width // cell
        noise = draws((rows * columns, self.model.spec.patch_channels))
        return _Drawing(n, index, asked, seed, Job(contexts, caches, rows, columns, asked.settings, noise))

    def _batches(self, asked: Sequence[Asked], drawings: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        """Pictures in order, as many in one go as have ROWS_TOGETHER patches."""
        out: list[list[tuple[int, int]]] = []
        room = 0
        cell = PATCH * self.coder.spec.factor
        for n, index in drawings:
            rows = asked[n].width * asked[n].height // cell**2
            if not out or rows > room:
                out.append([])
                room = max(rows, ROWS_TOGETHER)
            out[-1].append((n, index))
            room -= rows
        return out

    def _draw(self, work: list[_Drawing], nth: int, batches: int) -> Iterator[tuple[int, Event]]:
        jobs = [w.job for w in work]
        settings = jobs[0].settings
        branches, roles = branches_of(jobs)
        packed = self.passes.packed(self.model, branches, [(job.rows, job.columns) for job in jobs], self.dtype)
        stepper = self.passes.stepper(packed, settings)
        asks = sorted({w.nth for w in work})
        latents: list[Tensor] = []
        for step, (latents, ahead) in enumerate(denoise(packed, stepper, jobs, roles, self.watch_steps), 1):
            self.whole_passes = stepper.whole_passes()
            for n in asks:
                yield n, Step(nth * settings.steps + step, batches * settings.steps)
            for w, tokens in zip(work, ahead, strict=True):
                if step < settings.steps and _shows(step, settings.steps, w.job.settings.previews):
                    yield w.nth, Preview(w.index, self._preview(w, tokens))
        for w, tokens in zip(work, latents, strict=True):
            s = w.job.settings
            origin = {"engine": self.name, "weights": self.sha, "seed": w.seed, "steps": s.steps, "guidance": s.words,
                      "picture_guidance": s.pictures, "shift": s.shift, "reuse": s.reuse, "as_released": s.released}
            yield w.nth, Drew(w.index, self._picture(w, tokens, origin), w.seed)

    def _latent(self, drawing: _Drawing, tokens: Tensor) -> Tensor:
        latent = from_tokens(tokens[None], PATCH, drawing.job.rows, drawing.job.columns)
        return latent.to(self.coder.decoder.conv_in.weight.dtype)

    def _picture(self, drawing: _Drawing, tokens: Tensor, origin: dict[str, object]) -> Picture:
        """One picture at a time, so that a batch equals single pictures; as released, values are cut off rather than rounded."""
        pixels = self.coder.decode(self._latent(drawing, tokens))
        return _opaque(to_bytes(pixels, rounded=not drawing.job.settings.released)[0], origin)

    def _preview(self, drawing: _Drawing, tokens: Tensor) -> Picture:
        """A small one: the latent is made smaller before it is decoded."""
        latent = self._latent(drawing, tokens)
        scale = min(1.0, PREVIEW / max(latent.shape[2:]))
        small = [max(2, round(side * scale)) for side in latent.shape[2:]]
        return _opaque(to_bytes(self.coder.decode(F.interpolate(latent, small, mode="area")), rounded=True)[0], {"engine": self.name})


def marked(asked: Asked, n: int, index: int) -> list[tuple[Piece, ...]]:
    """An ask's items, its pictures told apart from other asks', and from those encoded with another picture's noise."""
    mark = n * 1000 + index
    return [tuple(piece if piece.kind == "text" else replace(piece, noise=mark) for piece in item) for item in asked.items]


def _shows(step: int, steps: int, previews: int) -> bool:
    """Whether one of `previews` equally spaced moments falls on this step."""
    return step * (previews + 1) % steps < previews + 1 and previews > 0


def _opaque(pixels: Tensor, origin: dict[str, object]) -> Picture:
    """uint8 [H, W, 3] → a picture without transparency."""
    rgb = pixels.cpu().numpy()
    return Picture(np.concatenate((rgb, np.full((*rgb.shape[:2], 1), 255, np.uint8)), axis=2), origin)


def answer(text: str, thinking: bool) -> list[Event]:
    """What was said, with a thought between its marks told apart."""
    head, mark, rest = text.partition("</think>")
    if thinking and mark:
        return [Thought(head.replace("<think>", "").strip()), Said(rest.strip())]
    return [Said(text.strip())]
