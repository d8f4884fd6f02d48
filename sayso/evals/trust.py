"""`sayso eval trust`: how well copies are found again, and whether pictures that were never marked are taken for copies.

Every picture is sealed into a log of its own, harmed in each of the ways of `sayso.evals.marked`, and looked for as `sayso verify`
does: by its mark and by its looks. A find is wrong when it names another picture too, and on an unmarked one always. Each result
is a line in the folder `--out`, so that a stopped run goes on with `--resume`.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import inspect
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sayso.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

    from sayso.evals.trust_report import Report
    from sayso.trust.log import Log
    from sayso.trust.seal import Sealer
    from sayso.types import Engine

UNMARKED_SIDE = 256  # pixels along a side of the unmarked pictures, at most
PROMPTS = ("a red apple", "a yellow crown, blue background", "a panda", "three lemons, white background", "a watermelon, flat style")


@dataclass(frozen=True)
class Options:
    """`n`: pictures of each kind; `size`: pixels along a side; `unmarked`: pictures without a mark, `thorough` of them searched at turns
    and scales; `entries` of the look-up that is timed; `pocket`: pictures that the bundled model draws."""

    n: int = 40
    size: int = 512
    seed: int = 0
    unmarked: int = 1000
    thorough: int = 200
    entries: int = 200_000
    pocket: int = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sayso eval trust`."""
    told = {
        "n": "pictures of each of the five kinds", "size": "pixels along a side", "seed": "seed of the pictures",
        "unmarked": "unmarked pictures to look for", "thorough": "of those, how many are also searched at turns and scales",
        "entries": "entries of the look-up that is timed", "pocket": "pictures of the bundled model, drawn and sealed at 256x256",
    }
    for name, value in asdict(Options()).items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{told[name]} (default {value})")
    parser.add_argument("--out", type=Path, default=Path("out/eval-trust"), help="folder for the results (default out/eval-trust)")
    parser.add_argument("--resume", action="store_true", help="keep the results already in --out and go on")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    from sayso.evals.trust_report import as_json, table

    options = Options(**{name: getattr(args, name) for name in asdict(Options())})
    if options.n < 1 or options.size < 64 or min(asdict(options).values()) < 0:
        raise BadInput("--n is at least 1, --size at least 64, and no count is negative; correct them")
    found = evaluate(options, args.out, args.resume, lambda text: print(text, file=sys.stderr, flush=True))
    told = json.dumps(as_json(found), ensure_ascii=False, indent=1)
    (args.out / "report.json").write_text(told + "\n", encoding="utf-8")
    print(told if args.json else table(found))
    return 0


def evaluate(options: Options, out: Path, resume: bool, say: Callable[[str], None]) -> Report:
    """Everything, with keys and a log in `out`; those of this installation are not touched. Raises BadInput, see `Results`."""
    from sayso.evals.trust_report import report
    from sayso.trust.seal import Sealer
    from sayso.trust.settings import Settings

    results = Results(out, options, resume)
    sealer = Sealer(Settings(folder=out / "trust"))
    stages: tuple[tuple[str, Iterator[None], int], ...] = (
        ("copies harmed and looked for", _copies(results, options, sealer), 5 * options.n),
        ("unmarked pictures", _unmarked(results, options, sealer), options.unmarked),
        ("pictures drawn", _pocket(results, options, sealer), options.pocket),
        ("look-up", _lookup(results, options, sealer), min(options.entries, 1)),
    )
    for name, steps, total in stages:
        start = told = time.monotonic()
        for done, _ in enumerate(steps, 1):
            now = time.monotonic()
            if now - told > 15 or done == total:
                told = now
                say(f"{name}: {done} of {total}, {(now - start) / done * (total - done) / 60:.1f} min left")
    return report(results.lines.values())


class Results:
    """Lines of results in a folder, by what they are of. Those of other options, or of another way of marking, are never mixed.

    Raises BadInput.
    """

    def __init__(self, out: Path, options: Options, resume: bool) -> None:
        from sayso.evals import marked
        from sayso.trust import fingerprint, watermark

        trees = "".join(ast.dump(ast.parse(inspect.getsource(module))) for module in (watermark, fingerprint, marked))  # without comments
        settings = asdict(options) | {"way of marking": hashlib.sha256(trees.encode()).hexdigest()}
        path, self.path = out / "settings.json", out / "results.jsonl"
        self.lines: dict[tuple[str, str, int], dict[str, Any]] = {}
        if resume and path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            if odd := next((name for name in settings if before.get(name) != settings[name]), None):
                differs = f"{odd} {before.get(odd)}, not {settings[odd]}"
                raise BadInput(f'the results in "{out}" are of {differs}; leave --resume out or choose another --out')
            self._read()
            return
        shutil.rmtree(out / "trust", ignore_errors=True)
        out.mkdir(parents=True, exist_ok=True)
        self.path.write_text("", encoding="utf-8")
        path.write_text(json.dumps(settings), encoding="utf-8")

    def _read(self) -> None:
        """What was written so far; a half-written last line is cut off."""
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        for line in map(json.loads, whole.splitlines()):
            self.lines[line["what"], line.get("kind", ""), line["i"]] = line
        self.path.write_text(whole, encoding="utf-8")

    def add(self, what: str, i: int, kind: str = "", **values: object) -> None:
        """One more line."""
        line = {"what": what, "kind": kind, "i": i, **values}
        self.lines[what, kind, i] = line
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def has(self, what: str, i: int, kind: str = "") -> bool:
        return (what, kind, i) in self.lines


def psnr(before: np.ndarray, after: np.ndarray) -> float:
    """dB between two pictures [H, W, 4] over what can be seen of the first."""
    import numpy as np

    seen = before[..., 3] > 0
    if not seen.any():
        return float("inf")
    error = np.mean((before[..., :3][seen].astype(np.float64) - after[..., :3][seen]) ** 2)
    return float(10 * np.log10(255**2 / max(float(error), 1e-9)))


def look(pixels: np.ndarray, sealer: Sealer, thorough: bool) -> tuple[int | None, list[int]]:
    """The mark that is read in a picture, and the marks of what looks like it."""
    from sayso.trust import fingerprint, watermark
    from sayso.trust.seal import watermark_key

    read = watermark.read(pixels, watermark_key(sealer.identity), sealer.log.known(), sealer.log.sides(), thorough)
    return None if read is None else read.value, [one.entry.mark for one in sealer.log.alike(fingerprint.turns(pixels))]


def sealed(pixels: np.ndarray, seed: int, sealer: Sealer) -> tuple[np.ndarray, dict[str, Any]]:
    """The pixels of the sealed PNG, and what sealing cost beyond the plain one: ms of CPU time, and bytes."""
    from sayso.trust import formats
    from sayso.types import Picture, Record

    record = Record("created", "pocket", "0" * 64, seed, "a picture", {})
    times = [time.process_time()]
    plain = formats.encode(pixels, "png", None, formats.notes(record))
    times.append(time.process_time())
    parts = sealer.parts(Picture(pixels), record, "png", None)
    times.append(time.process_time())
    after = formats.decode(parts.sealed.data)
    cost = 1000 * (times[2] - 2 * times[1] + times[0])
    return after, {"mark": int(parts.sealed.id, 16), "seal": cost, "added": len(parts.sealed.data) - len(plain), "sure": parts.marked,
                   "psnr": psnr(pixels, after)}


def _copies(results: Results, options: Options, sealer: Sealer) -> Iterator[None]:
    """Seals every picture, and only then looks for harmed copies, so that each could be taken for any other."""
    from sayso.evals import marked

    stored = []
    for kind in marked.KINDS:
        for i in range(options.n):
            after, facts = sealed(marked.picture(kind, options.seed * 1_000_003 + i, options.size), i, sealer)
            if not results.has("sealed", i, kind):
                results.add("sealed", i, kind, **facts)
            stored.append((kind, i, facts["mark"], after))
    for kind, i, mark, pixels in stored:
        if not results.has("harmed", i, kind):
            results.add("harmed", i, kind, harms={name: _found(harm(pixels, i), mark, sealer) for name, harm in marked.HARMS.items()})
        yield


def _found(pixels: np.ndarray, mark: int, sealer: Sealer) -> tuple[bool, bool, bool, float]:
    """Whether a copy was found by its mark, and by its looks; whether anything wrong was; seconds."""
    start = time.perf_counter()
    read, looks = look(pixels, sealer, thorough=True)
    wrong = read not in (None, mark) or bool(set(looks) - {mark})
    return read == mark, mark in looks, wrong, round(time.perf_counter() - start, 4)


def _unmarked(results: Results, options: Options, sealer: Sealer) -> Iterator[None]:
    from sayso.evals import marked

    for i in range(options.unmarked):
        if not results.has("unmarked", i):
            kind, thorough = marked.KINDS[i % len(marked.KINDS)], i < options.thorough
            pixels = marked.picture(kind, 500_000_000 + options.seed * 1_000_003 + i, min(options.size, UNMARKED_SIDE))
            read, looks = look(pixels, sealer, thorough)
            results.add("unmarked", i, thorough=thorough, mark=read is not None, look=bool(looks))
        yield


def _pocket(results: Results, options: Options, sealer: Sealer) -> Iterator[None]:
    """Pictures of the bundled model: what sealing costs beside drawing. One before the first warms both up and counts for nothing."""
    from sayso.engines import registry

    engine = None
    for i in range(options.pocket):
        if not results.has("pocket", i):
            if engine is None:
                engine = registry.info("pocket").load("cpu")
                sealed(_drawn(engine, i)[0], i, sealer)
            pixels, milliseconds = _drawn(engine, i)
            results.add("pocket", i, draw=milliseconds, **sealed(pixels, i, sealer)[1])
        yield


def _drawn(engine: Engine, i: int) -> tuple[np.ndarray, float]:
    """A picture and the ms of CPU time that it took."""
    from sayso.types import Ask, Drew, Message, Text

    ask = Ask((Message("user", (Text(PROMPTS[i % len(PROMPTS)]),)),), width=256, height=256, seed=i)
    start = time.process_time()
    picture = next(event.picture for event in engine.respond(ask) if isinstance(event, Drew))
    return picture.pixels, 1000 * (time.process_time() - start)


def _lookup(results: Results, options: Options, sealer: Sealer) -> Iterator[None]:
    from sayso.evals import marked

    if options.entries:
        if not results.has("look-up", 0):
            milliseconds = timed(sealer.log, options.entries, marked.photo(options.seed, UNMARKED_SIDE))
            results.add("look-up", 0, entries=options.entries, ms=milliseconds)
        yield


def timed(log: Log, entries: int, pixels: np.ndarray) -> float:
    """Milliseconds of CPU time of one look-up of the eight turns among so many entries, the median of nine."""
    import numpy as np

    from sayso.trust import fingerprint

    rng = np.random.default_rng(0)
    log.known()
    log._columns = rng.integers(0, 2**63, (4, entries), np.uint64)
    log._owners = np.arange(entries)
    turns, times = fingerprint.turns(pixels), []
    for _ in range(9):
        start = time.process_time()
        log.alike(turns)
        times.append(time.process_time() - start)
    return 1000 * sorted(times)[4]
