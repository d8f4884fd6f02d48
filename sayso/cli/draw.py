"""`sayso draw`: everything is checked before any work, then one ask goes to one engine and whole, sealed files come out."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn, cast

from sayso.cli import options, tuning
from sayso.errors import BadInput, CannotDo, SaysoError

if TYPE_CHECKING:
    from sayso.cli.files import Batch
    from sayso.cli.progress import Progress
    from sayso.hooks import EngineInfo
    from sayso.types import Ability, Ask, Drew, Engine, Parent, Part, Picture, Policy, Sealer

TERMINATED = 128 + signal.SIGTERM


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.take(parser)


@dataclass
class Done:
    """What was drawn so far. `seconds`: from the ask to the last picture."""

    seeds: list[int] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Order:
    """What is to be made: the ask, who makes it and how that is loaded, and the files to write. `parents`: what it is made from."""

    ask: Ask
    info: EngineInfo
    tuning: tuning.Tuning
    paths: list[Path]
    parents: tuple[Parent, ...] = ()


def check(args: argparse.Namespace) -> Order:
    """Raises BadInput, CannotDo, BadWeights or CannotWrite; nothing was started."""
    from sayso.types import Ability

    return order(args, Ability.DRAW, "draw", ())


def order(args: argparse.Namespace, wanted: Ability, verb: str, given: Sequence[tuple[Picture, Parent]]) -> Order:
    """The order for a picture from words and the pictures `given`. Raises as `check`."""
    from sayso.cli import files
    from sayso.engines import registry
    from sayso.types import Ability, Ask, Message, Text

    info = registry.info(args.engine or registry.DEFAULT)
    prompt = options.prompt(args.prompt, info.prompt_limit)
    if args.json and args.show not in ("auto", "none"):
        raise BadInput("--json and --show both want standard output; leave one out")
    tuning.check_able(info, wanted, verb)
    tuned = tuning.read(args, info)
    if args.think:
        tuning.check_able(info, Ability.THINK, "think first")
    if args.background == "transparent" and Ability.TRANSPARENT not in info.abilities:
        raise CannotDo(f'the engine "{info.name}" cannot draw on a transparent background; choose a colour or another engine')
    named = args.output is not None and not os.path.isdir(args.output)
    if named and args.background == "transparent" and args.output.suffix.lower() in (".jpg", ".jpeg"):
        raise BadInput(f'"{args.output}" is a JPEG, which has no transparency; write a .png or .webp')
    if named:
        paths = files.names(args.output, args.count, args.force)
    else:
        paths = files.free_names(args.output or Path(), f"{options.slug(prompt)}-{args.seed}", args.count)
    files.probe(paths[0].parent)
    tuning.check_ready(info, tuned, verb)
    width, height = args.size or (None, None)
    parts: tuple[Part, ...] = (*(picture for picture, _ in given), Text(prompt))
    ask = Ask((Message("user", parts),), "picture", width, height, args.count, args.seed, args.steps, args.guidance,
              args.background, style=args.style, think=args.think, finish=args.finish, options=tuned.ask)
    if info.check is not None:
        info.check(ask)
    return Order(ask, info, tuned, paths, tuple(parent for _, parent in given))


@dataclass(frozen=True)
class Gate:
    """What a picture passes on its way out."""

    policy: Policy
    sealer: Sealer
    parents: tuple[Parent, ...] = ()

    def pass_(self, stage: Literal["prompt", "inputs", "output"], ask: Ask, drawn: Picture | None = None) -> None:
        """Raises BadInput with the clause, and what is possible instead, where the policy says no."""
        verdict = self.policy.judge(stage, ask, None, drawn, "auto")
        if not verdict.allowed:
            raise BadInput("; ".join(text for text in (verdict.reason, verdict.instead) if text) or "the policy does not allow this")

    def sealed(self, event: Drew, ask: Ask, engine: str, suffix: str) -> bytes:
        """The file of a picture: judged, marked and signed."""
        from sayso.types import Record, Text

        self.pass_("output", ask, event.picture)
        origin = event.picture.origin
        settings = {"steps": ask.steps, "guidance": ask.guidance, "style": ask.style, "background": ask.background, "finish": ask.finish}
        settings["mask"] = None if ask.mask is None else True
        apart = ("engine", "weights", "seed", "plan")  # they have places of their own; a plan says what the prompt says
        given = {name: value for name, value in {**settings, **origin}.items() if value is not None and name not in apart}
        prompt = "\n".join(part.text for message in ask.messages for part in message.parts if isinstance(part, Text))
        action: Literal["created", "edited"] = "edited" if self.parents else "created"
        made = (str(origin.get("engine", engine)), str(origin.get("weights", "")), event.seed)
        record = Record(action, *made, prompt, given, self.parents)
        return self.sealer.seal(event.picture, record, suffix, None).data


def _keep(event: Drew, path: Path, data: bytes, batch: Batch, done: Done, say: Progress, way: str) -> None:
    """Writes one picture beside its place and prepares its showing."""
    from sayso.cli import show

    pixels = event.picture.pixels
    if path.suffix.lower() in (".jpg", ".jpeg") and int(pixels[..., 3].min()) < 255:
        _remark(done, say, f'"{path.name}" is a JPEG, which has no transparency; the picture was laid on white')
    batch.add(path, data)
    done.seeds.append(event.seed)
    done.shown.append(show.picture(pixels, cast(show.Way, way)))


def _remark(done: Done, say: Progress, text: str) -> None:
    done.remarks.append(text)
    say.remark(f"note: {text}")


def follow(engine: Engine, ask: Ask, gate: Gate, paths: list[Path], batch: Batch, say: Progress, way: str) -> Done:
    """Lets the engine draw and keeps what passes; raises SaysoError when it fails or stops short, or the policy says no."""
    from sayso.types import Drew, Failed, Said, Step, Thought

    done, start = Done(), time.perf_counter()
    say.drawing()
    for event in engine.respond(ask):
        if isinstance(event, Step):
            say.step(event.index, event.total)
        elif isinstance(event, Said):
            _remark(done, say, event.text)
        elif isinstance(event, Thought):
            say.remark(f"thought: {event.text}")
        elif isinstance(event, Drew):
            done.seconds = time.perf_counter() - start
            path = paths[event.index]
            _keep(event, path, gate.sealed(event, ask, engine.name, path.suffix), batch, done, say, way)
        elif isinstance(event, Failed):
            raise SaysoError(f'the engine "{engine.name}" could not draw it: {event.reason}')
    if len(done.seeds) != len(paths):
        raise SaysoError(f'the engine "{engine.name}" drew {len(done.seeds)} of {len(paths)} pictures; nothing was written')
    return done


@contextmanager
def terminable() -> Iterator[None]:
    """Inside, SIGTERM unwinds like Ctrl-C does, so that nothing half-written stays behind."""

    def stop(number: int, frame: object) -> NoReturn:
        raise SystemExit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run(args: argparse.Namespace) -> int:
    """Draws; prints the files' names last on standard output, or one JSON object."""
    return make(args, check(args))


def make(args: argparse.Namespace, todo: Order) -> int:
    """Lets the policy read the ask, the engine answer it, and writes what comes, sealed."""
    from sayso.cli import files, show
    from sayso.cli.progress import Progress
    from sayso.trust import plugin

    ask, info = todo.ask, todo.info
    gate = Gate(plugin.policy(), plugin.sealer(), todo.parents)
    gate.pass_("prompt", ask)
    if todo.parents:
        gate.pass_("inputs", ask)
    way = args.show if args.show != "auto" else "none" if args.json else show.detect(os.environ, sys.stdout.isatty())
    with terminable(), files.Batch(args.force) as batch:
        with Progress() as say:
            say.loading(info.name)
            engine = tuning.load(info, args.device, todo.tuning)
            done = follow(engine, ask, gate, todo.paths, batch, say, way)
        written = batch.publish()
    if args.json:
        print(json.dumps({"files": [str(path) for path in written], "seed": ask.seed, "seeds": done.seeds, "engine": info.name,
                          "seconds": round(done.seconds, 3), "remarks": done.remarks}, ensure_ascii=False))
        return 0
    for picture in done.shown:
        sys.stdout.write(picture)
    for path in written:
        print(path)
    return 0
