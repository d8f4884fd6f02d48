"""Deterministic test cards: an engine without a model, for tests, for demonstrations and for trying a set-up."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from sayso.errors import BadInput, CannotDo, Unknown
from sayso.types import Ability, Ask, Drew, Event, Message, Picture, Plan, PlanItem, Preview, Said, Step, Text, Thought
from sayso.world import colours, lexicon
from sayso.world import plan as plans
from sayso.world.scene import STYLES

BLOCKS = 8  # blocks along each side of a card
STEPS = 4
GUIDANCE = 1.0
SIDE = 256
SEEDS = 2**63
ABILITIES = frozenset({Ability.DRAW, Ability.EDIT, Ability.MASK, Ability.REFERENCES, Ability.ASK, Ability.TRANSPARENT, Ability.THINK})
REMARK = 'this is a test card of the engine "fake", not a drawing'
LONGEST_PAUSE = 60.0  # seconds
OPTIONS = ("pause", "plan")
PLANNED = 4  # things of one plan


def load(device: str | None = None) -> FakeEngine:
    """The engine; raises CannotDo for a device other than the CPU."""
    if device not in (None, "cpu"):
        raise CannotDo(f'the engine "fake" runs on the CPU only, not on "{device}"; leave the device out')
    return FakeEngine()


def _prompt(ask: Ask) -> str:
    """The last user's words; raises BadInput when there are none."""
    words = [part.text for message in ask.messages if message.role == "user" for part in message.parts if isinstance(part, Text)]
    if not words or not words[-1].strip():
        raise BadInput("the prompt is empty; say what to draw")
    return words[-1]


def _pictures(messages: Sequence[Message]) -> list[Picture]:
    return [part for message in messages for part in message.parts if isinstance(part, Picture)]


def _size(ask: Ask) -> tuple[int, int]:
    """(width, height): as asked, else that of the first picture of the newest message that has one, else a square."""
    for message in reversed(ask.messages):
        if shown := _pictures((message,)):
            return ask.width or shown[0].width, ask.height or shown[0].height
    return ask.width or SIDE, ask.height or SIDE


def _pause(ask: Ask) -> float:
    """Seconds to wait before each step; raises BadInput for another value and for an unknown option."""
    if strange := sorted(set(ask.options) - set(OPTIONS)):
        raise BadInput(f'the engine "fake" has no option "{strange[0]}"; it knows {" and ".join(OPTIONS)}')
    pause = ask.options.get("pause", 0)
    if isinstance(pause, bool) or not isinstance(pause, int | float) or not 0 <= pause <= LONGEST_PAUSE:
        raise BadInput(f"the option pause is {pause!r}; it is seconds, from 0 to {LONGEST_PAUSE:.0f}")
    return float(pause)


def _plan(ask: Ask, prompt: str) -> Plan | None:
    """The plan that came with the ask, else, when thinking is wanted, the things that the prompt names side by side; raises BadInput."""
    given = ask.options.get("plan")
    if given is not None:
        if not isinstance(given, str):
            raise BadInput(f"the plan is {type(given).__name__}; give it as text")
        return plans.read(given)
    if not ask.think:
        return None
    width, height = _size(ask)
    named = list(dict.fromkeys(mention.slug for mention in lexicon.mentions(prompt)))[:PLANNED]
    each = 100 // max(1, len(named))
    items = (PlanItem(slug, (i * each + 5, 30, (i + 1) * each - 5, 70), ask.style or STYLES[0]) for i, slug in enumerate(named))
    return Plan(width, height, "solid #f4ede1", tuple(items))


def _boxes(pixels: np.ndarray, plan: Plan) -> np.ndarray:
    """The card with each thing of the plan as a plain rectangle, in its colour or one that belongs to its name."""
    out, (height, width) = pixels.copy(), pixels.shape[:2]
    for item in plan.items:
        x0, y0, x1, y1 = (min(max(edge, 0), 100) for edge in item.box)
        paint = colours.rgb(item.colour) if item.colour else tuple(hashlib.sha256(item.name.encode()).digest()[:3])
        out[y0 * height // 100 : y1 * height // 100, x0 * width // 100 : x1 * width // 100] = (*paint, 255)
    return out


def _colours(key: str, contrast: float) -> np.ndarray:
    """uint8 [BLOCKS, BLOCKS, 3] from the bytes of SHAKE-256; `contrast` scales the distance from mid grey."""
    raw = hashlib.shake_256(key.encode()).digest(BLOCKS * BLOCKS * 3)
    values = np.frombuffer(raw, dtype=np.uint8).reshape(BLOCKS, BLOCKS, 3).astype(np.float64)
    return np.clip(127.5 + (values - 127.5) * contrast, 0, 255).round().astype(np.uint8)


def _enlarge(card: np.ndarray, width: int, height: int, finish: bool) -> np.ndarray:
    """uint8 [BLOCKS, BLOCKS, 4] → uint8 [height, width, 4]: crisp edges with `finish`, linear blending without."""
    y, x = (np.arange(height) + 0.5) * BLOCKS / height, (np.arange(width) + 0.5) * BLOCKS / width
    if finish:
        return card[y.astype(int)][:, x.astype(int)]
    out = card.astype(np.float64)
    for axis, places in ((0, y - 0.5), (1, x - 0.5)):
        low = np.clip(np.floor(places), 0, BLOCKS - 2).astype(int)
        part = np.clip(places - low, 0, 1).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        out = np.take(out, low, axis) * (1 - part) + np.take(out, low + 1, axis) * part
    return out.round().astype(np.uint8)


def card(ask: Ask, prompt: str, seed: int, done: float = 1.0) -> Picture:
    """One test card. `done` in 0..1: the blocks of that share of the rows are drawn, the rest is mid grey.

    With pictures in the conversation it is a patchwork: every second block shows the newest of them, and the colours of the
    others depend on all pictures. A mask keeps what it does not name of the newest. A plan is drawn as rectangles over it all.
    """
    contrast = GUIDANCE if ask.guidance is None else ask.guidance
    shown = _pictures(ask.messages)
    seen = "".join(hashlib.sha256(picture.pixels.tobytes()).hexdigest() for picture in shown)
    blocks = np.full((BLOCKS, BLOCKS, 4), 255, dtype=np.uint8)
    blocks[..., :3] = _colours(f"{prompt}\0{ask.style or ''}\0{seed}" + (f"\0{seen}" if seen else ""), contrast)
    blocks[round(done * BLOCKS):, :, :3] = 127
    edge = np.ones((BLOCKS, BLOCKS), dtype=bool)
    edge[1:-1, 1:-1] = False
    if ask.background == "transparent":
        blocks[edge] = 0
    elif ask.background is not None:
        blocks[edge] = (*colours.rgb(colours.parse(ask.background)), 255)
    width, height = _size(ask)
    pixels = _enlarge(blocks, width, height, ask.finish)
    if (plan := _plan(ask, prompt)) is not None:
        pixels = _boxes(pixels, plan)
    if shown and ask.mask is None:
        y, x = np.indices((height, width))
        pixels = _over(pixels, shown[-1], (y * BLOCKS // height + x * BLOCKS // width) % 2 == 1)
    elif shown:
        pixels = _over(pixels, shown[-1], ~ask.mask)  # type: ignore[operator]
    return Picture(pixels, {"engine": "fake", "seed": seed})


def _over(pixels: np.ndarray, picture: Picture, where: np.ndarray) -> np.ndarray:
    """The pixels with those of a picture, brought to their size, laid on where `where` [H, W] is true."""
    height, width = pixels.shape[:2]
    y, x = np.arange(height) * picture.height // height, np.arange(width) * picture.width // width
    return np.where(where[..., None], picture.pixels[y][:, x], pixels)


class FakeEngine:
    """Answers an ask with test cards; picture i of a batch is the card of seed + i. Asked for text, it counts what it was shown."""

    name = "fake"
    abilities = ABILITIES
    parallel = 64  # it keeps nothing between asks

    def respond(self, ask: Ask) -> Iterator[Event]:
        """Events in the order Said, Thought (when asked to think), then for each picture its Steps, each but the last with a
        Preview, and Drew.

        Raises before the first event: BadInput for an empty prompt, an unknown style, background or option, or numbers out
        of range; CannotDo for a mask that does not fit.
        """
        prompt = _prompt(ask)
        if ask.style is not None and ask.style not in STYLES:
            raise Unknown("style", ask.style, STYLES)
        if ask.background not in (None, "transparent"):
            colours.parse(ask.background)
        for name, value, least in (("count", ask.count, 1), ("steps", ask.steps, 1), ("width", ask.width, 1), ("height", ask.height, 1),
                                   ("guidance", ask.guidance, 0), ("seed", ask.seed, 0)):
            if value is not None and value < least:
                raise BadInput(f"{name} is {value}; it must be at least {least}")
        pause, (width, height) = _pause(ask), _size(ask)
        _plan(ask, prompt)
        if ask.mask is not None and not _pictures(ask.messages):
            raise CannotDo("there is no picture that the mask could belong to; send one or leave the mask out")
        if ask.mask is not None and ask.mask.shape != (height, width):
            raise CannotDo(f"the mask is {ask.mask.shape[1]}x{ask.mask.shape[0]} and the picture {width}x{height}; make them the same size")
        return self._told(ask, prompt) if ask.want == "text" else self._events(ask, prompt, pause)

    def batch_key(self, ask: Ask) -> Hashable | None:
        """Cards of any kind go together, but only when they have equally many steps and pauses."""
        return None if ask.want == "text" else (ask.steps, _pause(ask))

    def respond_together(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Event]]:
        """All asks turn by turn, event by event; a pause is waited for once."""
        pause = max((_pause(ask) for ask in asks), default=0.0)
        running = [(i, self.respond(_unhurried(ask))) for i, ask in enumerate(asks)]
        while running:
            turn = [(i, events, next(events, None)) for i, events in running]
            if any(isinstance(event, Step) for _, _, event in turn):
                time.sleep(pause)
            for i, _, event in turn:
                if event is not None:
                    yield i, event
            running = [(i, events) for i, events, event in turn if event is not None]

    def _told(self, ask: Ask, prompt: str) -> Iterator[Event]:
        shown = _pictures(ask.messages)
        sizes = ", ".join(f"{picture.width}x{picture.height}" for picture in shown) or "none"
        yield Said(f"{len(prompt.split())} words; pictures: {sizes}")

    def _events(self, ask: Ask, prompt: str, pause: float) -> Iterator[Event]:
        steps = STEPS if ask.steps is None else ask.steps
        yield Said(REMARK)
        if ask.think and (plan := _plan(ask, prompt)) is not None:
            yield Thought(plans.write(plan))
        for index in range(ask.count):
            seed = (ask.seed + index) % SEEDS
            for step in range(1, steps + 1):
                time.sleep(pause)
                yield Step(index * steps + step, ask.count * steps)
                if step < steps:
                    yield Preview(index, card(ask, prompt, seed, done=step / steps))
            yield Drew(index, card(ask, prompt, seed), seed)


def _unhurried(ask: Ask) -> Ask:
    """The ask without its pause."""
    return replace(ask, options={name: value for name, value in ask.options.items() if name != "pause"})
