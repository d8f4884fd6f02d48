"""The pocket engine: the bundled model of the drawn world, from an ask to finished pictures.

It draws from one prompt. What it cannot do is refused before any work; what it does not know is drawn as best it can
and said so.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sayso.engines import checkpoint, header
from sayso.engines.sampling import Sampling, draw
from sayso.errors import BadInput, BadWeights, CannotDo
from sayso.models.codecs.pixels import decode, encode
from sayso.models.specs import CanvasSpec, UnifiedSpec
from sayso.models.tokens import Pieces
from sayso.models.unified import UnifiedModel
from sayso.models.upscale import Upscaler, UpscaleSpec, enlarge_plainly
from sayso.types import Ability, Ask, Drew, Event, Picture, Preview, Said, Step, Text
from sayso.world import art, colours, lexicon, wording

STEPS, GUIDANCE = 16, 5.0
BATCH = 8  # pictures drawn together
SIDE = 512  # pixels along a finished square picture
OBLONG = ((1, 1), (9, 7), (7, 9), (5, 3), (3, 5))  # width : height of the canvases it was trained on
STRETCH = 0.04  # how far an asked aspect may lie from one of these; the picture is stretched by that much


@dataclass(frozen=True)
class Canvas:
    """Patches of the model and pixels of the finished picture."""

    rows: int
    columns: int
    width: int
    height: int


@dataclass(frozen=True)
class Order:
    """An ask that was found fit to be drawn."""

    prompt: str
    canvas: Canvas
    how: Sampling


class PocketEngine:
    """See the module's docstring. `concepts`: slugs that the model was trained on; `sha`: hash of its weights."""

    name = "pocket"
    abilities = frozenset({Ability.DRAW, Ability.TRANSPARENT})

    def __init__(self, model: UnifiedModel, pieces: Pieces, facts: dict[str, object], finisher: Upscaler | None, dtype: torch.dtype):
        self.model, self.pieces, self.finisher, self.dtype = model, pieces, finisher, dtype
        self.canvas = CanvasSpec(**facts["canvas"])  # type: ignore[arg-type]
        self.text_limit = int(facts["text_limit"])  # type: ignore[call-overload]
        self.concepts = frozenset(facts["concepts"])  # type: ignore[call-overload]
        self.sha = str(facts["sha256"])
        self.factor = max(1, SIDE // self.canvas.side)
        if finisher is not None and finisher.spec.factor != self.factor:
            self.finisher = None  # it was trained for pictures of another size

    def respond(self, ask: Ask) -> Iterator[Event]:
        """Draws `ask.count` pictures with seeds ask.seed, ask.seed + 1, … Raises CannotDo or BadInput before any work."""
        return self._respond(ask, self._order(ask))

    def batch_key(self, ask: Ask) -> Hashable:
        """Asks of one canvas, one number of steps and one guidance go together. Raises as `respond`."""
        order = self._order(ask)
        return order.canvas.rows, order.canvas.columns, order.how

    def respond_together(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Event]]:
        """Each ask's events with its place; all asks have one `batch_key`. Raises as `respond`, before any work."""
        orders = [self._order(ask) for ask in asks]
        if len({(order.canvas.rows, order.canvas.columns, order.how) for order in orders}) > 1:
            raise BadInput("these asks differ in canvas, steps or guidance and cannot be drawn together; draw them apart")
        return self._together(list(asks), orders)

    def _order(self, ask: Ask) -> Order:
        """What is to be drawn; raises CannotDo or BadInput."""
        prompt, canvas = worded(ask), self._canvas(ask)
        how = Sampling(ask.steps or STEPS, GUIDANCE if ask.guidance is None else ask.guidance)
        if how.guidance < 0 or how.steps < 1:
            raise BadInput(f"{how.steps} steps with guidance {how.guidance} cannot be drawn; take at least 1 step and guidance 0 or more")
        return Order(prompt, canvas, how)

    def _respond(self, ask: Ask, order: Order) -> Iterator[Event]:
        for _, event in self._together([ask], [order]):
            yield event

    def _together(self, asks: list[Ask], orders: list[Order]) -> Iterator[tuple[int, Event]]:
        for place, order in enumerate(orders):
            for remark in self.remarks(order.prompt):
                yield place, Said(remark)
        wanted = [(place, i) for place, ask in enumerate(asks) for i in range(ask.count)]
        for start in range(0, len(wanted), BATCH):
            yield from self._batch(asks, orders, wanted[start : start + BATCH])

    def _batch(self, asks: list[Ask], orders: list[Order], batch: list[tuple[int, int]]) -> Iterator[tuple[int, Event]]:
        """`batch`: (ask, picture of that ask), of one canvas and one way of sampling."""
        canvas, how = orders[batch[0][0]].canvas, orders[batch[0][0]].how
        seeds = [(asks[place].seed + i) % 2**63 for place, i in batch]
        prompts = [orders[place].prompt for place, _ in batch]
        states = draw(
            self.model, self.pieces, prompts, seeds, canvas.rows, canvas.columns, self.canvas.patch, how, self.text_limit, self.dtype
        )
        last = None
        for step, last in enumerate(states, 1):
            for place in dict.fromkeys(place for place, _ in batch):
                done = min(i for p, i in batch if p == place) // BATCH  # batches of this ask that came before
                yield place, Step(done * how.steps + step, -(-asks[place].count // BATCH) * how.steps)
            if step < how.steps and step * 4 % how.steps < 4:
                for (place, i), pixels in zip(batch, decode(last), strict=True):
                    yield place, Preview(i, Picture(_fit(pixels, orders[place].canvas.width, orders[place].canvas.height)))
        assert last is not None
        for (place, i), seed, state in zip(batch, seeds, last, strict=True):
            pixels = self._finished(state, asks[place].finish, orders[place].canvas)
            origin = {"engine": self.name, "weights": self.sha, "seed": seed, "steps": how.steps, "guidance": how.guidance}
            yield place, Drew(i, Picture(pixels, origin), seed)

    @torch.no_grad()
    def _finished(self, x: torch.Tensor, finish: bool, canvas: Canvas) -> np.ndarray:
        """[4, H, W] in −1..1 → a finished uint8 picture. One at a time, so that a batch equals single pictures."""
        small = encode(decode(x[None])).to(x.device)  # through uint8, so that the finisher sees what a plain enlargement would
        if finish and self.finisher is not None:
            large = self.finisher(small.contiguous(memory_format=torch.channels_last))
        else:
            large = enlarge_plainly(small, self.factor)
        return _fit(decode(large.float())[0], canvas.width, canvas.height)

    def _canvas(self, ask: Ask) -> Canvas:
        """Patches and pixels of an ask. Raises BadInput for sides that are odd or an aspect the model was not trained on."""
        side = self.canvas.side
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

    def remarks(self, prompt: str) -> list[str]:
        """What the model does not know or cannot take in of a prompt, in plain sentences."""
        found = lexicon.mentions(prompt)
        strange = sorted({m.slug for m in found} - self.concepts)
        out = [f'this model was not trained on "{art.concept(s).en[0]}"; it is drawn as best it can' for s in strange[:8]]
        if unknown := lexicon.unknown_words(prompt):
            listed = ", ".join(f'"{w}"' for w in unknown[:8])
            out.append(f"words this model does not know: {listed}; see `sayso concepts` for what it can draw")
        if len(self.pieces.encode(prompt)) > self.text_limit:
            out.append(f"the prompt is longer than the {self.text_limit} pieces this model reads; its end is not taken in")
        return out


def patches(across: int, down: int, tokens: int) -> tuple[int, int]:
    """(rows, columns) of a canvas of width : height = across : down with about `tokens` patches."""
    side = round(tokens**0.5)
    by = {(1, 1): (8, 8), (9, 7): (7, 9), (7, 9): (9, 7), (5, 3): (6, 10), (3, 5): (10, 6)}[across, down]
    return by[0] * side // 8, by[1] * side // 8


def worded(ask: Ask) -> str:
    """The ask as one prompt: the last message with style and background said in its language.

    Raises CannotDo for what this engine lacks, BadInput for an empty prompt.
    """
    if ask.want == "text":
        raise CannotDo("the pocket model draws and does not answer in text; ask for a picture")
    if ask.think:
        raise CannotDo("the pocket model does not think before it draws; leave think off")
    if ask.options:
        raise CannotDo(f'the pocket model has no option "{min(ask.options)}"; leave it out')
    if ask.mask is not None:
        raise CannotDo("the pocket model cannot keep to a mask; leave it out")
    if any(not isinstance(p, Text) for m in ask.messages for p in m.parts):
        raise CannotDo("the pocket model draws from words alone; leave the pictures out")
    if sum(m.role == "user" for m in ask.messages) > 1:
        raise CannotDo("the pocket model draws from one prompt; say all of it in one message")
    prompt = " ".join(p.text for m in ask.messages if m.role == "user" for p in m.parts if isinstance(p, Text)).strip()
    if not prompt:
        raise BadInput("the prompt is empty; say what to draw")
    chinese = any("\u4e00" <= c <= "\u9fff" for c in prompt)
    if ask.style:
        prompt += ("，" if chinese else ", ") + (wording.STYLE_ZH if chinese else wording.STYLE_PHRASES_EN)[ask.style][0]
    if ask.background:
        prompt += _background(ask.background, chinese)
    return prompt


def _background(background: str, chinese: bool) -> str:
    if background == "transparent":
        return "，透明背景" if chinese else ", transparent background"
    colour = background.strip().lower()
    hex_colour = colours.parse(colour)  # raises on what is no colour
    said = hex_colour if colour.startswith("#") else colour
    word = next((c for c in colours.COLOURS if said in c.en + c.zh), None)
    if word is not None:
        said = word.zh[0] if chinese else word.en[0]
    return f"，{said}背景" if chinese else f", {said} background"


def _fit(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resamples straight-alpha pixels to a size, through premultiplied colours so that edges stay clean."""
    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(pixels, "RGBA").convert("RGBa").resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image.convert("RGBA"))


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
            model = UnifiedModel(spec)
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
