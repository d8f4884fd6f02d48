"""The pocket engine: the bundled model of the drawn world, from an ask to finished pictures and answers.

What its weights were trained for stands in their header; what they cannot do is refused before any work, and what they do
not know is drawn as best they can and said so.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sayso.engines import checkpoint, context, editing, header, layers
from sayso.engines.context import Context, Row
from sayso.engines.editing import Edit
from sayso.engines.ground import of_plans, of_poses, spec_of
from sayso.engines.keeping import resized
from sayso.engines.layers import Layers
from sayso.engines.machine import quick_dtype
from sayso.engines.mind import Mind
from sayso.engines.sampling import Sampling, draw, paint, paint_over
from sayso.engines.seeing import Seeing
from sayso.engines.spelling import letterable
from sayso.engines.talk import Talk, familiar, look_of, understood
from sayso.errors import BadInput, BadWeights, CannotDo, SaysoError
from sayso.models.codecs.pixels import decode, encode, patchify
from sayso.models.specs import CanvasSpec, UnifiedSpec
from sayso.models.tokens import Pieces
from sayso.models.unified import UnifiedModel, patch_coordinates
from sayso.models.upscale import Upscaler, UpscaleSpec, enlarge_plainly
from sayso.types import Ask, Drew, Event, Picture, Plan, Preview, Said, Step, Thought
from sayso.world import art, lexicon, masks, plan
from sayso.world import motion as moving
from sayso.world.grounds import Known
from sayso.world.motion import Motion

STEPS, GUIDANCE = 16, 3.0  # of pictures drawn from words alone
BATCH = 8  # pictures drawn together
SIDE = 512  # pixels along a finished square picture
OBLONG = ((1, 1), (9, 7), (7, 9), (5, 3), (3, 5))  # width : height of the canvases it was trained on
STRETCH = 0.04  # how far an asked aspect may lie from one of these; the picture is stretched by that much
FARTHEST = 0.35  # the same for a picture that is edited: it is squeezed for the model and stretched back
RIM = 2  # pixels of the model around what is kept of a sheet, which the finisher sees beside it
PAINTING = 1  # steps that a picture takes of which all is told: what is to be painted is not in doubt, and more steps only add errors


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
        """Whether words or a plan alone lead to the picture, so that it can be drawn together with others."""
        return self.talk.wants == "picture" and not self.talk.pairs and self.talk.motion is None

    @property
    def key(self) -> Hashable | None:
        return (self.canvas.rows, self.canvas.columns, self.how, self.talk.plan == "") if self.plain else None


class PocketEngine:
    """See the module's docstring. `concepts`: slugs that the model was trained on; `captions`: whether it draws from words alone too;
    `sha`: hash of its weights."""

    name = "pocket"

    def __init__(self, model: UnifiedModel, pieces: Pieces, facts: dict[str, object], finisher: Upscaler | None, dtype: torch.dtype):
        self.model, self.pieces, self.finisher, self.dtype = model, pieces, finisher, dtype
        self.canvas = CanvasSpec(**facts["canvas"])  # type: ignore[arg-type]
        self.text_limit = int(facts["text_limit"])  # type: ignore[call-overload]
        self.concepts = frozenset(facts["concepts"])  # type: ignore[call-overload]
        self.abilities = header.abilities(facts)
        self.looks = frozenset(facts.get("looks", ()))  # type: ignore[call-overload]
        known = facts.get("characters")
        self.known = None if not known else Known(tuple(facts["concepts"]), str(known))  # type: ignore[arg-type]
        self.mind = None if self.known is None else Mind(model, pieces, dtype, self.known.concepts)
        self.seeing = None if self.known is None else Seeing(model, self.known, self.canvas, dtype)
        usual = {"steps": STEPS, "guidance": GUIDANCE} if self.mind is None else {"steps": PAINTING, "guidance": 1.0}
        self.sampling: dict[str, float] = {**usual, **facts.get("sampling", {})}  # type: ignore[dict-item]
        self.captions = bool(facts.get("captions", True))
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
        return self._edited(order) if order.talk.motion is None else self._moved(order)

    def batch_key(self, ask: Ask) -> Hashable | None:
        """Asks that need no picture go together, with one canvas, number of steps and guidance. Raises as `respond`."""
        return self._order(ask).key

    def respond_together(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Event]]:
        """Each ask's events with its place; all asks have one `batch_key`. Raises as `respond`, before any work."""
        orders = [self._order(ask) for ask in asks]
        if len({order.key for order in orders}) > 1 or not all(order.plain for order in orders):
            raise BadInput("these asks differ in canvas, steps or guidance or come with pictures; draw them apart")
        return self._together(orders)

    def _order(self, ask: Ask) -> Order:
        """What is to be done; raises CannotDo or BadInput."""
        talk = understood(ask, self.abilities, self.looks)
        canvas = self._canvas(ask, talk)
        if talk.plan == "" and not self.captions:
            raise CannotDo("these weights draw only after plans; leave the plan out to have one made, or give your own")
        usual = {"steps": STEPS, "guidance": GUIDANCE} if talk.plan == "" else self.sampling
        if talk.motion is not None:
            usual = {"steps": PAINTING, "guidance": 1.0}
        steps = int(usual["steps"]) if ask.steps is None else ask.steps
        how = Sampling(steps, float(usual["guidance"]) if ask.guidance is None else ask.guidance)
        if how.guidance < 0 or how.steps < 1:
            raise BadInput(f"{how.steps} steps with guidance {how.guidance} cannot be drawn; take at least 1 step and guidance 0 or more")
        if self.mind is not None and talk.plan != "" and how.guidance != 1:
            raise CannotDo(f"this model draws without guidance and {how.guidance:g} was asked for; leave the guidance out")
        if talk.motion is not None and canvas.rows != canvas.columns:
            raise BadInput("turntables and walks are square; " + ("cut the picture to a square" if talk.pairs else "ask for 512x512"))
        if talk.motion is not None and talk.motion.walks:
            how = replace(how, steps=PAINTING)  # the sketch says all: `_moved` tells who asks for more
        return Order(ask, talk, canvas, how)

    # --- words ---------------------------------------------------------------------------------------------------------

    def _answered(self, talk: Talk, canvas: Canvas) -> Iterator[Event]:
        """The answer to a question about the pictures so far."""
        assert self.mind is not None
        plans = [self._plan_of(picture, canvas, talk.prompt)[0] for _, picture in talk.pairs]
        yield Said(self.mind.answer(plans, talk.prompt) or "I cannot tell.")

    def _plan_of(self, picture: Picture, canvas: Canvas, prompt: str) -> tuple[Plan, bool]:
        """The plan of a picture, and whether it is known: what it was painted after, or else what is found in it.

        `prompt`: what the person says of it.
        """
        assert self.seeing is not None
        width, height = design(canvas)
        told = picture.origin.get("plan")
        if isinstance(told, str) and told:
            try:
                known = plan.read(told)
                plan.scene_of(known)
                if (known.width, known.height) == (width, height):
                    return known, True
            except SaysoError:  # written by another version or by somebody else; the picture itself can still be looked at
                pass
        return self.seeing.plan_of(picture.pixels, canvas.rows, canvas.columns, prompt), False

    # --- context ---------------------------------------------------------------------------------------------------------

    def _coordinates(self, canvas: Canvas) -> torch.Tensor:
        return patch_coordinates(canvas.rows, canvas.columns).to(self.model.embed.weight.device)

    def _patches(self, picture: Picture, canvas: Canvas) -> torch.Tensor:
        """The picture in the model's own pixels."""
        pixels = resized(picture.pixels, canvas.columns * self.canvas.patch, canvas.rows * self.canvas.patch)
        return patchify(encode(pixels[None]), self.canvas.patch)[0]

    # --- pictures from words or plans ------------------------------------------------------------------------------------

    def _together(self, orders: list[Order]) -> Iterator[tuple[int, Event]]:
        for place, order in enumerate(orders):
            for remark in self._remarks(order.talk):
                yield place, Said(remark)
        wanted = [(place, i) for place, order in enumerate(orders) for i in range(order.ask.count)]
        for start in range(0, len(wanted), BATCH):
            yield from self._batch(orders, wanted[start : start + BATCH])

    def _batch(self, orders: list[Order], batch: list[tuple[int, int]]) -> Iterator[tuple[int, Event]]:
        """`batch`: (order, picture of that order), all of one key."""
        first = orders[batch[0][0]]
        canvas, how = first.canvas, first.how
        seeds = [(orders[place].ask.seed + i) % 2**63 for place, i in batch]
        plans: list[Plan | None] = [None] * len(batch)
        parts = [layers.whole(self._empty(canvas))] * len(batch)
        if self.mind is not None and first.talk.plan != "":
            plans = self._thoughts([orders[place] for place, _ in batch], seeds)
            for k, (place, i) in enumerate(batch):
                if orders[place].talk.think and i == 0 and plans[k] is not None:
                    yield place, Thought(plan.write(plans[k]))  # type: ignore[arg-type]
                elif plans[k] is None:
                    yield place, Said("no plan could be made of these words; say plainly what is to be seen and where")
        if first.talk.plan == "" or self.mind is None:
            prompts = [orders[place].talk.prompt for place, _ in batch]
            limit, patch = self.text_limit, self.canvas.patch
            drawn = draw(self.model, self.pieces, prompts, seeds, canvas.rows, canvas.columns, patch, how, limit, self.dtype)
            states: Iterator[list[list[torch.Tensor]]] = ([[x] for x in state] for state in drawn)
        else:
            parts = [self._parts(p or self._empty(canvas), orders[place].talk) for p, (place, _) in zip(plans, batch, strict=True)]
            states = self._painted(parts, seeds, canvas, how)
        last = None
        for step, last in enumerate(states, 1):
            for place in dict.fromkeys(place for place, _ in batch):
                done = min(i for p, i in batch if p == place) // BATCH  # batches of this ask that came before
                yield place, Step(done * how.steps + step, -(-orders[place].ask.count // BATCH) * how.steps)
            if step < how.steps and step * 4 % how.steps < 4:
                for k, (place, i) in enumerate(batch):
                    yield place, Preview(i, _preview(parts[k], last[k], orders[place].canvas))
        assert last is not None
        for k, ((place, i), seed) in enumerate(zip(batch, seeds, strict=True)):
            order = orders[place]
            pixels = self._finished(parts[k], last[k], order.ask, order.canvas)
            if (made := plans[k]) is not None:
                pixels = self._dressed(pixels, made.look, order.ask, order.canvas)
            yield place, Drew(i, Picture(pixels, self._origin(seed, how, plans[k])), seed)

    def _thoughts(self, orders: list[Order], seeds: list[int]) -> list[Plan | None]:
        """The plan of each picture: the person's own, or one that is written after the prompt."""
        assert self.mind is not None
        plans = [self._own(order) for order in orders]
        bare = [k for k, made in enumerate(plans) if made is None]
        if bare:
            written = self.mind.think([orders[k].talk.prompt for k in bare], *design(orders[0].canvas), [seeds[k] for k in bare])
            for k, made in zip(bare, written, strict=True):
                look = look_of(orders[k].talk.prompt, self.looks)  # said in few fixed words, and easily forgotten by what writes plans
                plans[k] = replace(made, look=made.look or look) if made is not None else None
        return plans

    def _own(self, order: Order) -> Plan | None:
        """The plan that the person gave, on the canvas of the ask."""
        if not order.talk.plan:
            return None
        width, height = design(order.canvas)
        return replace(plan.read(order.talk.plan), width=width, height=height)

    def _empty(self, canvas: Canvas) -> Plan:
        return Plan(*design(canvas), "solid #ffffff")

    def _parts(self, planned: Plan, talk: Talk) -> Layers:
        """What is painted one by one of a plan, before a look is put on."""
        bare = replace(planned, look="")
        return layers.taken_apart(bare) if talk.layers else layers.whole(bare)

    def _painted(self, parts: list[Layers], seeds: list[int], canvas: Canvas, how: Sampling) -> Iterator[list[list[torch.Tensor]]]:
        """The sheets of every picture after each step."""

        def rows(plans: list[Plan], seeds: list[int], shape: layers.Shape) -> Iterator[torch.Tensor]:
            assert self.known is not None
            ground = of_plans(plans, self.known, *shape, self.model.embed.weight.device)
            return paint(self.model, ground, seeds, *shape, self.canvas.patch, how.steps, self.dtype)

        square = patches(1, 1, self.canvas.tokens)
        return layers.painted(rows, parts, seeds, (canvas.rows, canvas.columns), square, BATCH)

    def _origin(self, seed: int, how: Sampling, planned: Plan | None) -> dict[str, object]:
        told = {"engine": self.name, "weights": self.sha, "seed": seed, "steps": how.steps, "guidance": how.guidance}
        return told if planned is None else {**told, "plan": plan.write(planned)}

    # --- pictures after others -------------------------------------------------------------------------------------------

    def _edited(self, order: Order) -> Iterator[Event]:
        """The last picture changed as it is told to, or one made of several: a plan is changed, and what differs is painted."""
        ask, talk, canvas, how = order.ask, order.talk, order.canvas, order.how
        for remark in self._remarks(talk):
            yield Said(remark)
        for i in range(ask.count):
            seed = (ask.seed + i) % 2**63
            edit = self._revised(order, seed)
            if edit is None:
                yield Said("I could not tell what is to be changed; say what it is and where, or mark the place")
                continue
            if talk.think and i == 0:
                yield Thought(plan.write(edit.plan))
            if not edit.changes:
                yield Said("nothing was changed: it is so already, or I did not understand; say what it is and where, or mark the place")
                yield Drew(i, Picture(edit.applied(()), self._origin(seed, how, edit.plan)), seed)
                continue
            parts, last = [self._parts(painted, talk) for painted in edit.painted], list[list[torch.Tensor]]()
            for step, last in enumerate(self._painted(parts, [seed] * len(parts), canvas, how), 1):
                yield Step(i * how.steps + step, ask.count * how.steps)
                if step < how.steps:
                    shown = [_preview(one, sheets, canvas).pixels for one, sheets in zip(parts, last, strict=True)]
                    yield Preview(i, Picture(edit.applied(shown)))
            made = [self._finished(one, sheets, ask, canvas) for one, sheets in zip(parts, last, strict=True)]
            made = [self._dressed(pixels, one.look, ask, canvas) for pixels, one in zip(made, edit.painted, strict=True)]
            pixels = self._dressed(edit.applied(made), edit.look, ask, canvas)
            yield Drew(i, Picture(pixels, self._origin(seed, how, edit.plan)), seed)

    def _revised(self, order: Order, seed: int) -> Edit | None:
        """What becomes of the pictures; None where no plan could be made of it."""
        assert self.mind is not None
        talk, canvas = order.talk, order.canvas
        pictures = [picture for _, picture in talk.pairs]
        sources = pictures[-talk.brought :] if talk.brought > 1 else pictures[-1:]
        plans = [self._plan_of(picture, canvas, talk.prompt) for picture in sources]
        known = [p for p, _ in plans]
        after: Plan | None
        if talk.plan:
            after = self._own(order)
        elif len(known) > 1:
            after = self.mind.combine(known, talk.prompt, seed)
        else:
            after = self.mind.change(known[0], talk.prompt, "" if talk.mask is None else masks.area_words(talk.mask), seed)
        if after is None:
            return None
        if talk.style and not any(one.items for one in known):
            after = replace(after, items=tuple(replace(item, style=talk.style) for item in after.items))
        if talk.mask is not None:
            return editing.inside(after, sources[-1], talk.mask)
        same = next((source for source, one in zip(sources, known, strict=True) if one == after), None)
        if same is not None and (same.width, same.height) == (canvas.width, canvas.height):
            return editing.nothing(after, same)
        return self._least(after, sources, plans, order)

    def _least(self, after: Plan, sources: list[Picture], plans: list[tuple[Plan, bool]], order: Order) -> Edit:
        """The edit that keeps most: of the sources, the one whose picture changes in the smallest part."""
        best, canvas = editing.anew(after), order.canvas
        for picture, (before, known) in zip(sources, plans, strict=True):
            if (picture.width, picture.height) != (canvas.width, canvas.height):
                continue
            edit = editing.between(before, after, picture, known, order.talk.layers)
            if edit is not None and edit.free is not None and (best.free is None or edit.free.mean() < best.free.mean()):
                best = edit
        return best

    def _moved(self, order: Order) -> Iterator[Event]:
        """A picture of a turntable or a walk: a pose is told, a place sketched, and the picture before shown, if there is one."""
        ask, talk, canvas, how = order.ask, order.talk, order.canvas, order.how
        assert talk.motion is not None
        for remark in self._unread(talk.prompt):
            yield Said(remark)
        if missing := moving.left_out(talk.prompt, talk.motion):
            yield Said(f"a 3d model stands alone; left out: {', '.join(art.concept(slug).en[0] for slug in missing)}")
        if talk.motion.walks and (ask.steps or PAINTING) > PAINTING:
            yield Said("a picture of a walk is painted in one step; more would change nothing")
        row: Row = [self._patches(picture, canvas) for _, picture in talk.pairs]
        before = context.read(self.model, self.pieces, [row], self._coordinates(canvas), self.dtype)
        for i in range(ask.count):
            seed = (ask.seed + i) % 2**63
            motion, last = moving.settled(talk.motion, seed), None
            if talk.think and i == 0:
                yield Thought(moving.write(motion))
            for step, last in enumerate(self._steps(motion, before, seed, canvas, how), 1):
                yield Step(i * how.steps + step, ask.count * how.steps)
                if step < how.steps and step * 4 % how.steps < 4:
                    yield Preview(i, Picture(resized(decode(last)[0], canvas.width, canvas.height)))
            assert last is not None
            pixels = self._finished(layers.whole(self._empty(canvas)), list(last), ask, canvas)
            yield Drew(i, Picture(pixels, {**self._origin(seed, how, None), "motion": moving.write(motion)}), seed)

    def _steps(self, motion: Motion, before: Context, seed: int, canvas: Canvas, how: Sampling) -> Iterator[torch.Tensor]:
        """The picture [1, 4, h, w] after each step."""
        assert self.known is not None
        shape, patch, device = (canvas.rows, canvas.columns), self.canvas.patch, self.model.embed.weight.device
        if motion.placed:
            sketch = moving.sketched(motion, canvas.rows * patch, canvas.columns * patch)
            begun = patchify(encode(sketch[None]), patch).to(device)
            return iter([paint_over(self.model, begun, *shape, patch, self.dtype, before)])
        ground = of_poses([motion], self.known, *shape, device)
        return paint(self.model, ground, [seed], *shape, patch, how.steps, self.dtype, before)

    def _finished(self, parts: Layers, sheets: list[torch.Tensor], ask: Ask, canvas: Canvas) -> np.ndarray:
        """The sheets of a picture, each [4, h, w] in −1..1, finished and laid together: uint8 [H, W, 4]."""
        large = [self._large(x, ask.finish, reach) for x, reach in zip(sheets, parts.reaches, strict=True)]
        if ask.finish:
            behind = len(sheets) - len(parts.pieces)
            large[behind:] = map(layers.cleared, large[behind:])
        return layers.composed(parts, large, canvas.width, canvas.height)

    def _dressed(self, pixels: np.ndarray, look: str, ask: Ask, canvas: Canvas) -> np.ndarray:
        """A picture, uint8 [H, W, 4], in a look ("" leaves it): painted over as a whole, whatever it shows."""
        if not look:
            return pixels
        assert self.known is not None
        shape, device = (canvas.rows, canvas.columns), self.model.embed.weight.device
        ground = of_plans([Plan(*design(canvas), "transparent", look=look)], self.known, *shape, device)
        plain = self._patches(Picture(pixels), canvas)[None].to(device)
        over = paint_over(self.model, plain, *shape, self.canvas.patch, self.dtype, None, ground)
        return self._finished(layers.whole(self._empty(canvas)), list(over), ask, canvas)

    @torch.no_grad()
    def _large(self, x: torch.Tensor, finish: bool, reach: tuple[float, float]) -> np.ndarray:
        """[4, h, w] in −1..1 → uint8 [F · h, F · w, 4], F = self.factor; what lies beyond the reach (layers.reaches) is left out."""
        h, w = x.shape[1:]
        top, left = (max(0, half - math.ceil(part * 2 * half) - RIM) for half, part in ((h // 2, reach[1]), (w // 2, reach[0])))
        # through uint8, so that the finisher sees what a plain enlargement would
        one = decode(x[None, :, top : h - top, left : w - left])[0]
        small = encode(one[None]).to(x.device)
        if finish and self.finisher is not None:
            made = decode(self.finisher(small.contiguous(memory_format=torch.channels_last)).float())[0]
        else:
            made = decode(enlarge_plainly(small, self.factor).float())[0]
        edges = ((self.factor * top,) * 2, (self.factor * left,) * 2, (0, 0))
        return np.pad(made, edges) if top or left else made

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

    def _remarks(self, talk: Talk) -> list[str]:
        """Remarks on the prompt, and on the things of the person's own plan."""
        planned = {item.name for item in plan.read(talk.plan).items} if talk.plan else set()
        return self.remarks(talk.prompt, planned)

    def remarks(self, prompt: str, planned: Collection[str] = ()) -> list[str]:
        """What the model does not know or cannot take in of a prompt and of planned concepts, in plain sentences."""
        strange = sorted({*(m.slug for m in lexicon.mentions(prompt)), *planned} - self.concepts)
        out = [f'this model was not trained on "{art.concept(s).en[0]}"; it is drawn as best it can' for s in strange[:8]]
        return out + self._unread(prompt)

    def _unread(self, prompt: str) -> list[str]:
        """What cannot be taken in of a prompt."""
        out = []
        if unknown := [word for word in lexicon.unknown_words(prompt) if not familiar(word, self.abilities, self.looks)]:
            listed = ", ".join(f'"{w}"' for w in unknown[:8])
            out.append(f"words this model does not know: {listed}; see `sayso concepts` for what it can draw")
        out += [f'"{text}" cannot be lettered: it is too long, or no font here has all of its characters'
                for text in lexicon.lettering(prompt) if self.mind is not None and not letterable(self.pieces, text)]
        if len(self.pieces.encode(prompt)) > self.text_limit:
            out.append(f"the prompt is longer than the {self.text_limit} pieces this model reads; its end is not taken in")
        return out


def _preview(parts: Layers, sheets: list[torch.Tensor], canvas: Canvas) -> Picture:
    """The picture as far as it is known, not finished."""
    return Picture(layers.composed(parts, [decode(x) for x in sheets], canvas.width, canvas.height))


def design(canvas: Canvas) -> tuple[int, int]:
    """(width, height) in pixels that plans of a canvas are written for: 64 along its shorter side."""
    short = min(canvas.rows, canvas.columns)
    return 64 * canvas.columns // short, 64 * canvas.rows // short


def patches(across: int, down: int, tokens: int) -> tuple[int, int]:
    """(rows, columns) of a canvas of width : height = across : down with about `tokens` patches."""
    side = round(tokens**0.5)
    by = {(1, 1): (8, 8), (9, 7): (7, 9), (7, 9): (9, 7), (5, 3): (6, 10), (3, 5): (10, 6)}[across, down]
    return by[0] * side // 8, by[1] * side // 8


def load(device: str | None = None, weights: Path | None = None) -> PocketEngine:
    """The engine from a checkpoint, by default the bundled one. Raises BadWeights or CannotDo."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise CannotDo(f"there is no GPU for --device {device}; use cpu")
    place = torch.device(device)
    dtype = quick_dtype(place)
    path = weights or header.pocket_weights()
    tensors, facts = checkpoint.load(path)
    try:
        spec, pieces = UnifiedSpec.from_dict(facts["spec"]), Pieces(facts["pieces"])
        known = facts.get("characters")
        grounds = spec_of(Known(tuple(facts["concepts"]), str(known))) if known else None
        with torch.device("meta"):
            model = UnifiedModel(spec, bool(facts.get("strides")), grounds)
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
