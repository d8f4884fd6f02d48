"""`sayso train`: what the dial says, then the loop, with progress and time left."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from sayso.training.config import TrainConfig
    from sayso.training.loop import Run

CORE = 410  # everyday concepts of the world
NEW_ONLY = ("depth", "stages", "patch", "core", "mix", "batch", "seed", "start", "tasks", "rate")  # what a resumed run has settled


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--depth", type=int, default=None, help="the one dial: layers, and a width of 32 times as much (default: 8 on a CPU, 12 on a GPU)"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default=None, help="where to train (default: cuda when there is one)")
    parser.add_argument("--out", type=Path, default=Path("runs/made/pocket"), help="folder of the run")
    parser.add_argument("--start", type=Path, default=None, metavar="FILE", help="begin from the weights and tokenizer of a model file")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument(
        "--pictures", type=int, default=None, help="length of the whole run (default: 1,000,000 on a CPU, 9,000,000 on a GPU)"
    )
    parser.add_argument(
        "--stages",
        choices=("64", "64,256"),
        default=None,
        help="tokens of a picture, stage by stage (default: 64 on a CPU, 64,256 on a GPU)",
    )
    parser.add_argument("--patch", type=int, choices=(8, 16), default=None, help="pixels along a patch (default: 8 on a CPU, 16 on a GPU)")
    parser.add_argument(
        "--core", type=int, default=None, help="train on so many everyday concepts, 0 = the whole world (default: 120 on a CPU, 0 on a GPU)"
    )
    parser.add_argument(
        "--mix",
        choices=("world", "simple"),
        default=None,
        help="kinds of scenes: all of the world's, or mostly one and two large things (default: simple on a CPU, world on a GPU)",
    )
    parser.add_argument(
        "--tasks",
        default=None,
        metavar="MENU",
        help='what is trained: "all" (default; plans are written, read, changed and painted), "draw" (pictures from captions alone), '
        "or shares such as paint=0.6,think=0.2,rethink=0.2",
    )
    parser.add_argument("--batch", type=int, default=None, help="pictures a step at 64 tokens (default: 128 on a CPU, 2048 on a GPU)")
    parser.add_argument("--seed", type=int, default=None, help="of weights, scenes and noise (default: 0)")
    parser.add_argument(
        "--rate",
        type=float,
        default=None,
        help="factor on the learning rates (default: 1, for weights from nothing; about 0.3 to go on gently from trained ones)",
    )
    parser.add_argument(
        "--workers", type=int, default=None, help="processes that write scenes and captions (default: 1 on a CPU, 12 on a GPU)"
    )
    parser.add_argument("--minutes", type=float, default=None, help="stop after so long; the run can be resumed")
    parser.add_argument("--save-every", type=float, default=120, metavar="SECONDS", help="how often the state is saved (default 120)")
    parser.add_argument("--sample-every", type=int, default=500, metavar="STEPS", help="how often sample pictures are drawn (default 500)")
    parser.add_argument("--no-compile", action="store_true", help="run the layers as written, without compiling them")


def _check(args: argparse.Namespace) -> None:
    from sayso.errors import BadInput

    limits = (
        ("depth", 2, 48),
        ("pictures", 64, 10**10),
        ("batch", 16, 65536),
        ("workers", 1, 256),
        ("core", 0, CORE),
        ("rate", 0.001, 10),
        ("seed", 0, 2**31),
        ("minutes", 0, 10**6),
        ("save_every", 0, 10**6),
        ("sample_every", 1, 10**9),
    )
    for name, low, high in limits:
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise BadInput(f"--{name.replace('_', '-')} {value} is out of range; choose {low} to {high}")
    if args.depth is not None and args.depth % 2:
        raise BadInput(f"--depth {args.depth} is odd; heads are 64 wide, so choose an even depth")
    state = args.out / "state.safetensors"
    if args.resume:
        for name in NEW_ONLY:
            if getattr(args, name) is not None:
                raise BadInput(f"--{name} belongs to a new run and the one in {args.out} has its own; leave it out with --resume")
        if not state.exists():
            raise BadInput(f"there is no run in {args.out} to resume; leave --resume out to begin one")
    elif state.exists():
        raise BadInput(f"{args.out} already holds a run; go on with --resume or choose another --out")


def shares(text: str) -> tuple[tuple[str, float], ...]:
    """The shares of a menu's name or of "draw=0.6,edit=0.4". Raises Unknown or BadInput."""
    from sayso.errors import BadInput, Unknown
    from sayso.training.config import MENUS
    from sayso.training.tasks import BY_NAME

    if text in MENUS:
        return MENUS[text]
    out = []
    for part in text.split(","):
        name, _, share = part.partition("=")
        if name not in ("draw", *BY_NAME):
            raise Unknown("task", name, ("draw", *BY_NAME, *MENUS))
        try:
            value = float(share)
        except ValueError:
            value = -1.0
        if not 0 < value <= 1000:
            raise BadInput(f'--tasks "{part}" needs a share above 0; write for example paint=0.6,think=0.2,rethink=0.2')
        out.append((name, value))
    return tuple(out)


def _make(folder: Path) -> None:
    from sayso.errors import CannotWrite

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"cannot write to {folder} ({error.strerror}); choose another --out") from error


def _config(args: argparse.Namespace, gpu: bool) -> TrainConfig:
    """A new run from the options and the device's defaults. Raises Unknown or BadInput."""
    from sayso.errors import BadInput
    from sayso.training.config import MENU, planned

    def default(value: int | None, on_cpu: int, on_gpu: int) -> int:
        return value if value is not None else on_gpu if gpu else on_cpu

    config = planned(
        depth=default(args.depth, 8, 12),
        patch=default(args.patch, 8, 16),
        core=default(args.core, 120, 0),
        mix=args.mix or ("world" if gpu else "simple"),
        pictures=default(args.pictures, 1_000_000, 9_000_000),
        stages=args.stages or ("64,256" if gpu else "64"),
        batch=default(args.batch, 128, 2048),
        seed=args.seed or 0,
        aspects=True,
    )
    rate = 1.0 if args.rate is None else args.rate
    config = replace(config, muon_rate=rate * config.muon_rate, adam_rate=rate * config.adam_rate)
    config = replace(config, tasks=shares(args.tasks or MENU), reel=(400, 240) if gpu else config.reel)
    if (least := min(stage.batch for stage in config.stages)) < 2 * len(config.tasks):
        raise BadInput(f"a step of {least} pictures is too small for {len(config.tasks)} tasks; choose a larger --batch or fewer --tasks")
    return config


def _begun(args: argparse.Namespace, device: torch.device) -> Run:
    """The run in --out to go on with, or a new one."""
    from sayso.training import corpus, loop

    if args.resume:
        current = loop.resume(args.out, device)
        if args.pictures is not None:
            current.config = replace(current.config, pictures=args.pictures)
        return current
    config = _config(args, device.type == "cuda")
    _make(args.out)
    if args.start is not None:
        return loop.begin_from(args.out, config, args.start, device)
    return loop.begin(args.out, config, corpus.learn(config.vocab), device)


def run(args: argparse.Namespace) -> int:
    _check(args)
    import torch

    from sayso.errors import CannotDo
    from sayso.training import loop, reel
    from sayso.training.stream import world_of
    from sayso.world import atlas as atlases

    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise CannotDo("there is no GPU for --device cuda; use --device cpu")
    current = _begun(args, device)
    _introduce(current)
    sprite = 64 if current.config.patch * 8 <= 64 and len(current.config.stages) == 1 else 128
    workers = args.workers if args.workers is not None else 12 if device.type == "cuda" else 1
    if reel.needed(current.config):
        print("drawing views and walks ahead (once; kept in the cache folder)", file=sys.stderr)
        reel.reel_of(current.config, workers)
    atlas = atlases.build(world_of(current.config), size=sprite).to(device)
    if not args.no_compile:
        loop.compile_layers(current)
    deadline = None if args.minutes is None else time.monotonic() + 60 * args.minutes
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _: asked.append(n))

    def stop() -> bool:
        return bool(asked) or (deadline is not None and time.monotonic() > deadline)

    loop.train(current, atlas, workers, args.save_every, args.sample_every, stop, _Progress())
    done = current.seen >= current.config.pictures
    print(f"{'done' if done else 'stopped; go on with --resume'}: {current.seen:,} pictures, weights in {args.out / 'model.safetensors'}")
    return 0


def _introduce(current: Run) -> None:
    config, spec = current.config, current.model.spec
    count = sum(p.numel() for p in current.model.parameters())
    print(
        f"depth {config.depth}: width {spec.width}, {spec.layers} layers, {spec.heads} heads, {count / 1e6:.1f} M parameters; "
        f"{config.pictures:,} pictures in batches of {config.stages[0].batch}, step {current.step}",
        file=sys.stderr,
    )


class _Progress:
    """A line that rewrites itself on a terminal, and one in thirty seconds elsewhere."""

    def __init__(self) -> None:
        self.last = 0.0

    def __call__(self, current: Run, loss: float, speed: float, flops: float) -> None:
        tty = sys.stderr.isatty()
        if not tty and time.monotonic() - self.last < 30:
            return
        self.last = time.monotonic()
        left = (current.config.pictures - current.seen) / max(speed, 1e-9)
        line = (
            f"step {current.step:,}  {current.seen:,}/{current.config.pictures:,} pictures  loss {loss:.4f}  {speed:.0f} pictures/s  "
            f"{flops / 1e12:.2f} TFLOP/s  {left / 60:.0f} min left"
        )
        print(f"\r{line}\x1b[K" if tty else line, end="" if tty else "\n", file=sys.stderr, flush=True)
