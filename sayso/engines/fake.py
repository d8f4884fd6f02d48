"""Deterministic test cards: an engine without a model, for tests, for demonstrations and for trying a set-up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from sayso.errors import BadInput, CannotDo, Unknown
from sayso.types import Ability, Ask, Drew, Event, Picture, Preview, Said, Step, Text, Thought
from sayso.world import colours
from sayso.world.scene import STYLES

BLOCKS = 8  # blocks along each side of a card
STEPS = 4
GUIDANCE = 1.0
SIDE = 256
SEEDS = 2**63


def load(device: str | None = None) -> FakeEngine:
    """The engine; raises CannotDo for a device other than the CPU."""
    if device not in (None, "cpu"):
        raise CannotDo(f'the engine "fake" runs on the CPU only, not on "{device}"; leave the device out')
    return FakeEngine()


def _prompt(ask: Ask) -> str:
    """The last user's words; raises CannotDo for anything that a test card cannot answer."""
    if ask.want == "text":
        raise CannotDo('the engine "fake" only draws; ask for a picture')
    if ask.mask is not None or any(not isinstance(part, Text) for message in ask.messages for part in message.parts):
        raise CannotDo('the engine "fake" cannot edit a picture; ask in words only')
    words = [part.text for message in ask.messages if message.role == "user" for part in message.parts if isinstance(part, Text)]
    if not words or not words[-1].strip():
        raise BadInput("the prompt is empty; say what to draw")
    return words[-1]


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
    """One test card. `done` in 0..1: the blocks of that share of the rows are drawn, the rest is mid grey."""
    contrast = GUIDANCE if ask.guidance is None else ask.guidance
    blocks = np.full((BLOCKS, BLOCKS, 4), 255, dtype=np.uint8)
    blocks[..., :3] = _colours(f"{prompt}\0{ask.style or ''}\0{seed}", contrast)
    blocks[round(done * BLOCKS):, :, :3] = 127
    edge = np.ones((BLOCKS, BLOCKS), dtype=bool)
    edge[1:-1, 1:-1] = False
    if ask.background == "transparent":
        blocks[edge] = 0
    elif ask.background is not None:
        blocks[edge] = (*colours.rgb(colours.parse(ask.background)), 255)
    pixels = _enlarge(blocks, ask.width or SIDE, ask.height or SIDE, ask.finish)
    return Picture(pixels, {"engine": "fake", "seed": seed})


class FakeEngine:
    """Answers an ask with test cards; picture i of a batch is the card of seed + i."""

    name = "fake"
    abilities = frozenset({Ability.DRAW, Ability.TRANSPARENT, Ability.THINK})

    def respond(self, ask: Ask) -> Iterator[Event]:
        """Events in the order Said, Thought (when asked to think), then for each picture its Steps with a Preview, Drew.

        Raises before the first event: CannotDo for text, masks and pictures in the conversation; BadInput for an empty
        prompt, an unknown style or background, or numbers out of range.
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
        return self._events(ask, prompt)

    def _events(self, ask: Ask, prompt: str) -> Iterator[Event]:
        steps = STEPS if ask.steps is None else ask.steps
        yield Said('this is a test card of the engine "fake", not a drawing')
        if ask.think:
            yield Thought(f"{BLOCKS} by {BLOCKS} blocks whose colours come from the prompt and the seed")
        for index in range(ask.count):
            seed = (ask.seed + index) % SEEDS
            for step in range(1, steps + 1):
                yield Step(index * steps + step, ask.count * steps)
                if step == (steps + 1) // 2:
                    yield Preview(index, card(ask, prompt, seed, done=step / steps))
            yield Drew(index, card(ask, prompt, seed), seed)
