"""What a training run is, as one frozen value that is saved with its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

TEXT_LIMIT = 112  # pieces of a caption
CHINESE = 0.25  # share of Chinese captions
NO_CAPTION = 0.1  # share of pictures trained without their caption, for guidance


@dataclass(frozen=True)
class Mix:
    """What a run is shown. `kinds`: shares of the sampler's kinds of scenes, None = the world's own.

    `densities`: (density of a caption, share). `texts`: captions are sorted into texts of at most so many pieces, in
    these shares of a batch: fixed shapes compile once. `snap`: items lie on the lines of the patches, so that a short run
    meets each part of a drawing again and again instead of ever new cuts through it.
    """

    kinds: tuple[tuple[str, float], ...] | None
    densities: tuple[tuple[str, float], ...]
    texts: tuple[tuple[int, float], ...]
    snap: bool


MIXES = {
    "world": Mix(
        None,
        (("short", 0.4), ("medium", 0.34), ("dense", 0.14), ("plan", 0.12)),
        ((24, 0.5), (40, 0.375), (TEXT_LIMIT, 0.125)),
        snap=False,
    ),
    "simple": Mix(  # a short run: mostly one and two large things, said shortly
        (
            ("single", 0.36),
            ("pair", 0.26),
            ("several", 0.05),
            ("count", 0.1),
            ("colours", 0.17),
            ("relation", 0.02),
            ("grid", 0.01),
            ("lettering", 0.02),
            ("crowd", 0.01),
        ),
        (("short", 0.55), ("medium", 0.37), ("dense", 0.04), ("plan", 0.04)),
        ((16, 0.5), (28, 0.4375), (TEXT_LIMIT, 0.0625)),
        snap=True,
    ),
}


# Shares of a step's batch by task of `training.tasks`; "draw" is the stream of captions and pictures.
MENUS: dict[str, tuple[tuple[str, float], ...]] = {
    "draw": (("draw", 1.0),),
    "all": (
        ("paint", 0.5),
        ("think", 0.12),
        ("glance", 0.16),
        ("rethink", 0.07),
        ("remask", 0.03),
        ("combine", 0.02),
        ("combine three", 0.01),
        ("answer", 0.06),
        ("describe", 0.01),
        ("compare", 0.02),
        ("look", 0.02),
        ("think look", 0.02),
        ("views", 0.01),
        ("walk", 0.01),
    ),
}


MENU = "all"  # of a new run


@dataclass(frozen=True)
class Stage:
    """A stretch of training at one picture size. `until`: share of all pictures at which it ends."""

    tokens: int
    batch: int
    until: float
    time_shift: float  # times are moved towards noise by t' = s·t / (1 + (s − 1)·t); more pixels need more noise


@dataclass(frozen=True)
class TrainConfig:
    """`pictures`: length of the whole run. `core`: how many of the world's everyday concepts, 0 = the whole world."""

    depth: int
    patch: int
    vocab: int
    core: int
    mix: str  # a name of MIXES
    pictures: int
    stages: tuple[Stage, ...]
    seed: int
    muon_rate: float
    adam_rate: float
    warmup: int  # steps
    decay: float  # the rate falls to zero over this last share of the run
    foreground: float  # extra weight of a patch that is wholly item or lettering
    t_min: float  # of flow.velocity_loss
    dense: float  # weight of the dense labels' lesson, 0 = without
    aspects: bool  # train the four oblong canvases as well
    tasks: tuple[tuple[str, float], ...] = MENUS["draw"]  # of states from before there were tasks; new runs take MENU
    text_weight: float = 0.1  # of the cross-entropy of written words beside the loss on the velocity
    paint_shift: float = 3.0  # time_shift of pictures painted after their plan: all that is to be learnt is near noise
    blind: float = 0.7  # share of them at pure noise: one step draws them, from the plan alone
    dense_read: float = 0.4  # weight of the lesson of the eye
    reel: tuple[int, int] = (400, 300)  # turntables and walks drawn ahead, where those are tasks

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainConfig:
        known = {field.name for field in fields(cls)}  # states of before may tell of more
        told = {name: value for name, value in values.items() if name in known}
        return cls(**{**told, "stages": tuple(Stage(**s) for s in values["stages"]), **_tuples(values)})


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """The fields that JSON keeps as lists; absent in states from before there were tasks."""
    out: dict[str, Any] = {}
    if "tasks" in values:
        out["tasks"] = tuple((name, share) for name, share in values["tasks"])
    if "reel" in values:
        out["reel"] = tuple(values["reel"])
    return out


def planned(depth: int, patch: int, core: int, mix: str, pictures: int, stages: str, batch: int, seed: int, aspects: bool) -> TrainConfig:
    """The run that follows from the dial. `stages`: "64" or "64,256" tokens; a second stage takes the last sixth.

    Rates suit a batch of 128 (docs/LOG.md) and scale with the root of the batch.
    """
    sizes = [int(s) for s in stages.split(",")]
    ends = [1.0] if len(sizes) == 1 else [1 - 1 / 6, 1.0]
    scale = min(2.0, (batch / 128) ** 0.5)
    return TrainConfig(
        depth=depth,
        patch=patch,
        vocab=6144,
        core=core,
        mix=mix,
        pictures=pictures,
        stages=tuple(Stage(n, max(16, batch * sizes[0] // n), end, (n / sizes[0]) ** 0.5) for n, end in zip(sizes, ends, strict=True)),
        seed=seed,
        muon_rate=0.01 * scale,
        adam_rate=0.003 * scale,
        warmup=100,
        decay=0.3,
        foreground=2.0,
        t_min=0.25,
        dense=0.1,
        aspects=aspects,
    )


def rate(config: TrainConfig, step: int, seen: int) -> float:
    """Factor on both learning rates: linear warm-up, constant, linear to zero at the end of the run."""
    left = 1 - seen / config.pictures
    return min(1.0, (step + 1) / config.warmup, max(0.0, left / config.decay))
