"""The pocket engine: the bundled model of the drawn world, from an ask to finished pictures and answers.

What its weights were trained for stands in their header; what they cannot do is refused before any work, and what they do
not know is drawn as best they can and said so.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sayso.engines import checkpoint, context, header, keeping
from sayso.engines.context import Context, Row
from sayso.engines.keeping import resized
from sayso.engines.sampling import Known, Sampling, draw, draw_after
from sayso.engines.talk import Talk, familiar, understood
from sayso.errors import BadInput, BadWeights, CannotDo, SaysoError
from sayso.models.codecs.pixels import decode, encode, patchify
from sayso.models.specs import CanvasSpec, UnifiedSpec
from sayso.models.tokens import Pieces
from sayso.models.unified import UnifiedModel, patch_coordinates
from sayso.models.upscale import Upscaler, UpscaleSpec, enlarge_plainly
from sayso.types import Ability, Ask, Drew, Event, Picture, Preview, Said, Step, Thought
from sayso.world import art, lexicon, masks, plan

STEPS, GUIDANCE = 16, 3.0
BATCH = 8  # pictures drawn together
SIDE = 512  # pixels along a finished square picture
OBLONG = ((1, 1), (9, 7), (7, 9), (5, 3), (3, 5))  # width : height of the canvases it was trained on
STRETCH = 0.04  # how far an asked aspect may lie from one of these; the picture is stretched by that much
FARTHEST = 0.35  # the same for a picture that is edited: it is squeezed for the model and stretched back
PLAN_LIMIT, ANSWER_LIMIT = 320, 112  # pieces of a plan and of an answer
TRIES = 4  # plans that are written before drawing goes on without one


@dataclass(frozen=True)
class Canvas:
    """Patches of the model and pixels of the finished picture."""

    rows: int
    columns: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Order:
    """An ask that was found fit to be done."""

    ask: Ask
    talk: Talk
    canvas: Canvas
    how: Sampling

    @property
    def plain(self) -> bool:
        """Whether words alone lead to the picture, so that it can be drawn together with others."""
        return self.talk.wants == "picture" and not (self.talk.pairs or self.talk.think or self.talk.plan)

    @property
    def key(self) -> Hashable | None:
        return (self.canvas.rows, self.canvas.columns, self.how) if self.plain else None


class PocketEngine:
    """See the module's docstring. `concepts`: slugs that the model was trained on; `sha`: hash of its weights."""

    name = "pocket"

    def __init__(self, model: UnifiedModel, pieces: Pieces, facts: dict[str, object], finisher: Upscaler | None, dtype: torch.dtype):
        self.model, self.pieces, self.finisher, self.dtype = model, pieces, finisher, dtype
        self.canvas = CanvasSpec(**facts["canvas"])  # type: ignore[arg-type]
        self.text_limit = int(facts["text_limit"])  # type: ignore[call-overload]
        self.concepts = frozenset(facts["concepts"])  # type: ignore[call-overload]
        self.abilities = header.abilities(facts)
        self.looks = frozenset(facts.get("looks", ()))  # type: ignore[call-overload]
        self.sampling: dict[str, float] = {"steps": STEPS, "guidance": GUIDANCE, **facts.get("sampling", {})}  # type: ignore[dict-item]
        self.sha = str(facts["sha256"])
        self.factor = max(1, SIDE // self.canvas.side)
        if finisher is not None and finisher.spec.factor != self.factor:
            self.finisher = None  # it was trained for pictures of another size

    def respond(self, ask: Ask) -> Iterator[Event]:
        """Draws `ask.count` pictures with seeds ask.seed, ask.seed + 1, …, or answers in words.

        Raises CannotDo or BadInput before any work.
        """
        order = self._order(ask)
        if order.talk.wants == "text":
            return self._answered(order.talk, order.canvas)
        if order.plain:
            return (event for _, event in self._together([order]))
        return self._drawn(ask, order.talk, order.canvas, order.how)

    def batch_key(self, ask: Ask) -> Hashable | None:
        """Asks drawn from words alone go together, with one canvas, number of steps and guidance. Raises as `respond`."""
        return self._order(ask).key

    def respond_together(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Event]]:
        """Each ask's events with its place; all asks have one `batch_key`. Raises as `respond`, before any work."""
        orders = [self._order(ask) for ask in asks]
        if len({order.key for order in orders}) > 1 or not all(order.plain for order in orders):
            raise BadInput("these asks differ in canvas, steps or guidance or need more than words; draw them apart")
        return self._together(orders)

    def _order(self, ask: Ask) -> Order:
        """What is to be done; raises CannotDo or BadInput."""
        talk = understood(ask, self.abilities, self.looks)
        canvas = self._canvas(ask, talk)
        steps = int(self.sampling["steps"]) if ask.steps is None else ask.steps
        how = Sampling(steps, float(self.sampling["guidance"]) if ask.guidance is None else ask.guidance)
        if how.guidance < 0 or how.steps < 1:
            raise BadInput(f"{how.steps} steps with guidance {how.guidance} cannot be drawn; take at least 1 step and guidance 0 or more")
        return Order(ask, talk, canvas, how)

    # --- words ---------------------------------------------------------------------------------------------------------

    def _answered(self, talk: Talk, canvas: Canvas) -> Iterator[Event]:
        """The answer to a question about the pictures so far."""
        row = [*self._row(talk.pairs, canvas, bare=True), self._words(talk.prompt)]
        before = context.read(self.model, self.pieces, [row], self._coordinates(canvas), self.dtype)
        said = context.write(self.model, self.pieces, before, ANSWER_LIMIT, self.dtype)
        yield Said(said or "I cannot tell.")

    def _planned(self, talk: Talk, canvas: Canvas, seed: int) -> Iterator[Thought | Said | str]:
        """Writes a plan for the prompt until one can be read; ends with its canonical text, "" where none could."""
        row = [*self._row(talk.pairs, canvas, bare=False), self._words(talk.prompt)]
        before = context.read(self.model, self.pieces, [row], self._coordinates(canvas), self.dtype)
        for nth in range(TRIES):
            warmth = 0.0 if nth == 0 else 0.5
            text = context.write(self.model, self.pieces, before, PLAN_LIMIT, self.dtype, "canvas ", warmth, seed + nth)
            try:
                made = plan.read(text)
                plan.scene_of(made)
            except SaysoError:
                continue
            if not made.items and not made.lettering:
                continue
            yield Thought(plan.write(made))
            yield plan.write(made)
            return
        yield Said(f"no plan could be read out of {TRIES} that were written; drawn without one")
        yield ""

    # --- context ---------------------------------------------------------------------------------------------------------

    def _words(self, text: str, limit: int | None = None) -> list[int]:
        return self.pieces.encode(text, limit or self.text_limit)

    def _coordinates(self, canvas: Canvas) -> torch.Tensor:
        return patch_coordinates(canvas.rows, canvas.columns).to(self.model.embed.weight.device)

    def _small(self, picture: Picture, canvas: Canvas, squeeze: bool) -> np.ndarray:
        """The picture in the model's own pixels; squeezed to the canvas, or whole with transparent margins."""
        width, height = canvas.columns * self.canvas.patch, canvas.rows * self.canvas.patch
        return (resized if squeeze else keeping.within)(picture.pixels, width, height)

    def _patches(self, pixels: np.ndarray) -> torch.Tensor:
        return patchify(encode(pixels[None]), self.canvas.patch)[0]

    def _row(self, pairs: tuple[tuple[str, Picture], ...], canvas: Canvas, bare: bool) -> Row:
        """Pairs as blocks; `bare`: without their words, as questions and references were trained."""
        row: Row = []
        for k, (said, picture) in enumerate(pairs):
            squeeze = k == len(pairs) - 1 or picture.width * canvas.height == picture.height * canvas.width
            row += [self._words("" if bare else said), self._patches(self._small(picture, canvas, squeeze))]
        return row

    def _read(self, talk: Talk, canvas: Canvas, plan_text: str, guided: bool) -> Context:
        """What the picture is drawn after: one sequence, and its twin without words where guidance is wanted."""
        told: Row = self._row(talk.pairs, canvas, bare=False)
        if talk.mask is not None:
            small = masks.reduced(talk.mask, canvas.columns * self.canvas.patch, canvas.rows * self.canvas.patch)
            told += [self._words(""), self._patches(masks.picture(small))]
        told.append(self._words(talk.prompt))
        if plan_text:
            told.append(self._words(plan_text, PLAN_LIMIT))
        untold: Row = [self._words("") if isinstance(block, list) else block for block in told]
        return context.read(self.model, self.pieces, [told, untold][: 1 + guided], self._coordinates(canvas), self.dtype)

    def _known(self, talk: Talk, canvas: Canvas) -> Known | None:
        """What a masked picture keeps, in patches."""
        if talk.mask is None:
            return None
        small = masks.reduced(talk.mask, canvas.columns * self.canvas.patch, canvas.rows * self.canvas.patch)
        free = patchify(torch.from_numpy(small)[None, None].float().expand(1, 4, -1, -1).contiguous(), self.canvas.patch)[0]
        device = self.model.embed.weight.device
        old = self._patches(self._small(talk.pairs[-1][1], canvas, squeeze=True))
        return Known(old.to(device), (free < 0.5).to(device))

    # --- pictures from words alone ---------------------------------------------------------------------------------------

    def _together(self, orders: list[Order]) -> Iterator[tuple[int, Event]]:
        for place, order in enumerate(orders):
            for remark in self.remarks(order.talk.prompt):
                yield place, Said(remark)
        wanted = [(place, i) for place, order in enumerate(orders) for i in range(order.ask.count)]
        for start in range(0, len(wanted), BATCH):
            yield from self._batch(orders, wanted[start : start + BATCH])

    def _batch(self, orders: list[Order], batch: list[tuple[int, int]]) -> Iterator[tuple[int, Event]]:
        """`batch`: (order, picture of that order), all of one key."""
        canvas, how = orders[batch[0][0]].canvas, orders[batch[0][0]].how
        seeds = [(orders[place].ask.seed + i) % 2**63 for place, i in batch]
        limit = PLAN_LIMIT if Ability.THINK in self.abilities else self.text_limit
        prompts = [orders[place].talk.prompt for place, _ in batch]
        states = draw(self.model, self.pieces, prompts, seeds, canvas.rows, canvas.columns, self.canvas.patch, how, limit, self.dtype)
        last = None
        for step, last in enumerate(states, 1):
            for place in dict.fromkeys(place for place, _ in batch):
                done = min(i for p, i in batch if p == place) // BATCH  # batches of this ask that came before
                yield place, Step(done * how.steps + step, -(-orders[place].ask.count // BATCH) * how.steps)
            if step < how.steps and step * 4 % how.steps < 4:
                for (place, i), pixels in zip(batch, decode(last), strict=True):
                    yield place, Preview(i, Picture(resized(pixels, orders[place].canvas.width, orders[place].canvas.height)))
        assert last is not None
        for k, ((place, i), seed) in enumerate(zip(batch, seeds, strict=True)):
            order = orders[place]
            pixels = self._finished(last[k : k + 1], order.ask, order.talk, order.canvas)[0]
            yield place, Drew(i, Picture(pixels, self._origin(seed, how)), seed)

    def _origin(self, seed: int, how: Sampling) -> dict[str, object]:
        return {"engine": self.name, "weights": self.sha, "seed": seed, "steps": how.steps, "guidance": how.guidance}

    # --- pictures after others, or after a plan --------------------------------------------------------------------------

    def _drawn(self, ask: Ask, talk: Talk, canvas: Canvas, how: Sampling) -> Iterator[Event]:
        for remark in self.remarks(talk.prompt):
            yield Said(remark)
        plan_text = talk.plan
        if talk.think and not plan_text:
            for event in self._planned(talk, canvas, ask.seed):
                if isinstance(event, str):
                    plan_text = event
                else:
                    yield event
        guided = how.guidance != 1
        before = self._read(talk, canvas, plan_text, guided) if talk.pairs or plan_text else None
        known = self._known(talk, canvas)
        batches = [range(i, min(i + BATCH, ask.count)) for i in range(0, ask.count, BATCH)]
        for nth, batch in enumerate(batches):
            seeds = [(ask.seed + i) % 2**63 for i in batch]
            last = None
            for step, last in enumerate(self._states(talk, canvas, before, seeds, how, known), 1):
                yield Step(nth * how.steps + step, len(batches) * how.steps)
                if step < how.steps and step * 4 % how.steps < 4:
                    for i, pixels in zip(batch, decode(last), strict=True):
                        yield Preview(i, Picture(resized(pixels, canvas.width, canvas.height)))
            assert last is not None
            for i, seed, pixels in zip(batch, seeds, self._finished(last, ask, talk, canvas), strict=True):
                yield Drew(i, Picture(pixels, {**self._origin(seed, how), **({"plan": plan_text} if plan_text else {})}), seed)

    def _states(
        self, talk: Talk, canvas: Canvas, before: Context | None, seeds: list[int], how: Sampling, known: Known | None
    ) -> Iterator[torch.Tensor]:
        rows, columns, patch = canvas.rows, canvas.columns, self.canvas.patch
        if before is None:
            limit = PLAN_LIMIT if Ability.THINK in self.abilities else self.text_limit
            return draw(self.model, self.pieces, [talk.prompt] * len(seeds), seeds, rows, columns, patch, how, limit, self.dtype)
        twins = len(before.start)  # 1, or 2 with guidance
        pick = torch.arange(twins, device=before.start.device).repeat_interleave(len(seeds))
        return draw_after(self.model, before.pick(pick), seeds, rows, columns, patch, how, self.dtype, known)

    @torch.no_grad()
    def _finished(self, x: torch.Tensor, ask: Ask, talk: Talk, canvas: Canvas) -> list[np.ndarray]:
        """[B, 4, H, W] in −1..1 → finished uint8 pictures. One at a time, so that a batch equals single pictures.

        Where a picture was edited, what the mask forbids or the model left alone is the old picture's.
        """
        old = talk.pairs[-1][1] if talk.pairs else None
        out = []
        for one in decode(x):  # through uint8, so that the finisher sees what a plain enlargement would
            small = encode(one[None]).to(x.device)
            if ask.finish and self.finisher is not None:
                large = self.finisher(small.contiguous(memory_format=torch.channels_last))
            else:
                large = enlarge_plainly(small, self.factor)
            new = resized(decode(large.float())[0], canvas.width, canvas.height)
            if old is not None and old.pixels.shape == new.shape:
                if talk.mask is not None:
                    new = keeping.masked(old.pixels, new, talk.mask)
                else:
                    new = keeping.kept(old.pixels, new, self._small(old, canvas, squeeze=True), one)
            out.append(new)
        return out

    def _canvas(self, ask: Ask, talk: Talk) -> Canvas:
        """Patches and pixels of an ask. Raises BadInput for sides that are odd or an aspect the model was not trained on.

        A picture that is edited keeps its own size, whatever its aspect, where no other is asked for.
        """
        side = self.canvas.side
        if talk.pairs and ask.width is None and ask.height is None:
            picture = talk.pairs[-1][1]
            return self._nearest(picture.width, picture.height)
        if talk.mask is not None:
            raise BadInput("a masked picture keeps its size; leave the size out")
        width, height = ask.width or ask.height or side * self.factor, ask.height or ask.width or side * self.factor
        if not 64 <= min(width, height) <= max(width, height) <= 2048 or width % 16 or height % 16:
            raise BadInput(f"size {width}x{height} cannot be drawn; sides are multiples of 16 from 64 to 2048, for example 512x512")
        for across, down in OBLONG:
            if abs(width * down / (height * across) - 1) <= STRETCH:
                rows, columns = patches(across, down, self.canvas.tokens)
                return Canvas(rows, columns, width, height)
        unit = self.canvas.patch * self.factor
        known = ", ".join(f"{c * unit}x{r * unit}" for r, c in (patches(a, d, self.canvas.tokens) for a, d in OBLONG))
        raise BadInput(f"size {width}x{height} has an aspect that this model was not trained on; take the shape of one of {known}")

    def _nearest(self, width: int, height: int) -> Canvas:
        """The canvas whose aspect is nearest to a picture's. Raises BadInput where none is near."""
        if not 16 <= min(width, height) <= max(width, height) <= 4096:
            raise BadInput(f"a picture of {width}x{height} cannot be worked on; its sides must lie between 16 and 4096 pixels")
        across, down = min(OBLONG, key=lambda shape: abs(np.log(width * shape[1] / (height * shape[0]))))
        if abs(np.log(width * down / (height * across))) > FARTHEST:
            raise BadInput(f"a picture of {width}x{height} is too long for this model; cut it to an aspect between 5:12 and 12:5")
        return Canvas(*patches(across, down, self.canvas.tokens), width, height)

    def remarks(self, prompt: str) -> list[str]:
        """What the model does not know or cannot take in of a prompt, in plain sentences."""
        found = lexicon.mentions(prompt)
        strange = sorted({m.slug for m in found} - self.concepts)
        out = [f'this model was not trained on "{art.concept(s).en[0]}"; it is drawn as best it can' for s in strange[:8]]
        if unknown := [word for word in lexicon.unknown_words(prompt) if not familiar(word, self.abilities, self.looks)]:
            listed = ", ".join(f'"{w}"' for w in unknown[:8])
            out.append(f"words this model does not know: {listed}; see `sayso concepts` for what it can draw")
        limit = PLAN_LIMIT if Ability.THINK in self.abilities else self.text_limit
        if len(self.pieces.encode(prompt)) > limit:
            out.append(f"the prompt is longer than the {limit} pieces this model reads; its end is not taken in")
        return out


def patches(across: int, down: int, tokens: int) -> tuple[int, int]:
    """(rows, columns) of a canvas of width : height = across : down with about `tokens` patches."""
    side = round(tokens**0.5)
    by = {(1, 1): (8, 8), (9, 7): (7, 9), (7, 9): (9, 7), (5, 3): (6, 10), (3, 5): (10, 6)}[across, down]
    return by[0] * side // 8, by[1] * side // 8


def _quick_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it quickly, else float32."""
    if device.type == "cpu":
        return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32
    return torch.bfloat16


def load(device: str | None = None, weights: Path | None = None) -> PocketEngine:
    """The engine from a checkpoint, by default the bundled one. Raises BadWeights or CannotDo."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise CannotDo(f"there is no GPU for --device {device}; use cpu")
    place = torch.device(device)
    dtype = _quick_dtype(place)
    path = weights or header.pocket_weights()
    tensors, facts = checkpoint.load(path)
    try:
        spec, pieces = UnifiedSpec.from_dict(facts["spec"]), Pieces(facts["pieces"])
        with torch.device("meta"):
            model = UnifiedModel(spec, bool(facts.get("strides")))
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise BadWeights(f"{path} does not describe a model this version can build ({error}); fetch the file again") from error
    checkpoint.fill(model, tensors, path)
    model = model.to(place, dtype).eval().requires_grad_(False)
    return PocketEngine(model, pieces, facts, _load_finisher(place, dtype), dtype)


def _load_finisher(device: torch.device, dtype: torch.dtype) -> Upscaler | None:
    path = header.finisher_weights()
    if not path.exists():
        return None
    tensors, facts = checkpoint.load(path)
    with torch.device("meta"):
        model = Upscaler(UpscaleSpec(**facts["spec"]))
    checkpoint.fill(model, tensors, path)
    model = model.to(device, dtype).eval().requires_grad_(False)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
