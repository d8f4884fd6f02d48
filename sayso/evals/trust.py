"""`sayso eval trust`: how well copies are found again, and whether pictures that were never marked are taken for copies.

Every picture is sealed into a log of its own, harmed in each of the ways of `sayso.evals.marked`, and looked for as `sayso verify`
does: by its mark and by its looks. A find is wrong when it names another picture too, and on an unmarked one always.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sayso.errors import BadInput
from sayso.evals.stats import share_text, wilson

if TYPE_CHECKING:
    import numpy as np

    from sayso.trust.log import Log
    from sayso.trust.seal import Sealer


@dataclass
class Row:
    """One harm over all pictures: how many were found by the mark, by look-alikes, by either, and how many finds were wrong."""

    n: int = 0
    mark: int = 0
    look: int = 0
    either: int = 0
    wrong: int = 0
    seconds: float = 0.0


@dataclass
class Report:
    """`rows`: kind → harm → counts. `psnr`: dB of each marked picture over what can be seen. `added`: bytes that sealing adds."""

    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    psnr: dict[str, list[float]] = field(default_factory=dict)
    seal_seconds: list[float] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    sure: int = 0
    unmarked: int = 0
    unmarked_thorough: int = 0
    wrong_marks: int = 0
    wrong_looks: int = 0
    lookup_ms: float = 0.0
    lookup_entries: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sayso eval trust`."""
    parser.add_argument("--n", type=int, default=40, help="pictures of each of the five kinds (default 40)")
    parser.add_argument("--size", type=int, default=512, help="pixels along a side (default 512)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the pictures (default 0)")
    parser.add_argument("--unmarked", type=int, default=1000, help="unmarked pictures to look for (default 1000)")
    parser.add_argument("--thorough", type=int, default=200, help="of those, how many are also searched at turns and scales (default 200)")
    parser.add_argument("--entries", type=int, default=200_000, help="entries of the look-up that is timed (default 200000)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    if args.n < 1 or args.size < 64 or min(args.unmarked, args.thorough, args.entries) < 0:
        raise BadInput("--n is at least 1, --size at least 64, and no count is negative; correct them")
    report = evaluate(args.n, args.size, args.seed, args.unmarked, args.thorough, args.entries, lambda text: print(text, file=sys.stderr))
    print(json.dumps(as_json(report), ensure_ascii=False, indent=2) if args.json else table(report))
    return 0


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


def evaluate(n: int, size: int, seed: int, unmarked: int, thorough: int, entries: int, say: Callable[[str], None]) -> Report:
    """Everything, in a folder of its own that is removed again; our own keys and log are not touched."""
    from sayso.evals import marked
    from sayso.trust import formats
    from sayso.trust.seal import Sealer
    from sayso.trust.settings import Settings
    from sayso.types import Picture, Record

    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        sealer = Sealer(Settings(folder=Path(folder) / "trust"))
        harmed: list[tuple[str, int, int]] = []
        stored: list[np.ndarray] = []
        for kind in marked.KINDS:
            report.psnr[kind] = []
            for i in range(n):
                pixels = marked.picture(kind, seed * 1_000_003 + i, size)
                record = Record("created", "pocket", "0" * 64, i, "a picture", {})
                start = time.perf_counter()
                parts = sealer.parts(Picture(pixels), record, "png", None)
                report.seal_seconds.append(time.perf_counter() - start)
                report.added.append(len(parts.sealed.data) - len(formats.encode(pixels, "png", None, formats.notes(record))))
                report.sure += parts.marked
                after = formats.decode(parts.sealed.data)
                report.psnr[kind].append(psnr(pixels, after))
                harmed.append((kind, i, int(parts.sealed.id, 16)))
                stored.append(after)
            say(f"{kind}: {n} sealed")
        for (kind, i, mark), pixels in zip(harmed, stored, strict=True):
            for name, harm in marked.HARMS.items():
                _count(report.rows.setdefault(kind, {}).setdefault(name, Row()), harm(pixels, i), mark, sealer)
        for i in range(unmarked):
            kind = marked.KINDS[i % len(marked.KINDS)]
            pixels = marked.picture(kind, 500_000_000 + seed * 1_000_003 + i, min(size, 256))
            read, looks = look(pixels, sealer, i < thorough)
            report.wrong_marks += read is not None
            report.wrong_looks += bool(looks)
        report.unmarked, report.unmarked_thorough = unmarked, min(unmarked, thorough)
        if entries:
            report.lookup_ms, report.lookup_entries = _timed(sealer.log, entries, stored[0]), entries
    return report


def _count(row: Row, pixels: np.ndarray, mark: int, sealer: Sealer) -> None:
    start = time.perf_counter()
    read, looks = look(pixels, sealer, thorough=True)
    row.seconds += time.perf_counter() - start
    row.n += 1
    row.mark += read == mark
    row.look += mark in looks
    row.either += read == mark or mark in looks
    row.wrong += read not in (None, mark) or bool(set(looks) - {mark})


def _timed(log: Log, entries: int, pixels: np.ndarray) -> float:
    """Milliseconds of one look-up of the eight turns among so many entries, the median of nine."""
    import numpy as np

    from sayso.trust import fingerprint

    rng = np.random.default_rng(0)
    log.known()
    log._columns = rng.integers(0, 2**63, (4, entries), np.uint64)
    log._owners = np.arange(entries)
    turns, times = fingerprint.turns(pixels), []
    for _ in range(9):
        start = time.perf_counter()
        log.alike(turns)
        times.append(time.perf_counter() - start)
    return 1000 * sorted(times)[4]


def total(report: Report, harm: str) -> Row:
    """One harm over all kinds."""
    out = Row()
    for by in report.rows.values():
        row = by[harm]
        out = Row(out.n + row.n, out.mark + row.mark, out.look + row.look, out.either + row.either, out.wrong + row.wrong,
                  out.seconds + row.seconds)
    return out


def table(report: Report) -> str:
    """The report as Markdown."""
    import numpy as np

    harms = list(next(iter(report.rows.values())))
    lines = ["| what happened | found by any means | by the mark | by looks | wrong | " + " | ".join(report.rows) + " | seconds |",
             "|---" * (6 + len(report.rows)) + "|"]
    for harm in harms:
        row = total(report, harm)
        each = " | ".join(f"{by[harm].either}/{by[harm].n}" for by in report.rows.values())
        lines.append(f"| {harm} | {share_text(row.either, row.n).strip()} | {row.mark}/{row.n} | {row.look}/{row.n} | {row.wrong} | {each} "
                     f"| {row.seconds / row.n:.2f} |")
    low = {kind: f"{min(values):.1f}" for kind, values in report.psnr.items()}
    mean = {kind: f"{np.mean(values):.1f}" for kind, values in report.psnr.items()}
    sealing = f"median {1000 * np.median(report.seal_seconds):.0f} ms, {np.median(report.added) / 1000:.1f} kB more than a plain PNG"
    marks = f"wrong marks {report.wrong_marks}, wrong look-alikes {report.wrong_looks}"
    lines.append("")
    lines.append(f"PSNR in dB, least of each kind: {_named(low)}; means: {_named(mean)}.")
    lines.append(f"Marks that passed their own test: {report.sure} of {len(report.added)}.")
    lines.append(f"Sealing: {sealing} (at most {max(report.added) / 1000:.1f} kB).")
    lines.append(f"Unmarked pictures: {report.unmarked}, {report.unmarked_thorough} of them searched at turns and scales; {marks}.")
    lines.append(f"Look-up among {report.lookup_entries:,} entries: {report.lookup_ms:.1f} ms.")
    return "\n".join(lines)


def _named(values: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def as_json(report: Report) -> dict[str, object]:
    """The report as plain data."""
    harms = list(next(iter(report.rows.values())))
    sums = {harm: total(report, harm) for harm in harms}
    return {
        "found": {harm: {"n": row.n, "either": row.either, "interval": wilson(row.either, row.n), "mark": row.mark, "look": row.look,
                         "wrong": row.wrong, "seconds": round(row.seconds / row.n, 4)} for harm, row in sums.items()},
        "kinds": {kind: {harm: row.either for harm, row in by.items()} for kind, by in report.rows.items()},
        "psnr": report.psnr, "seal_seconds": report.seal_seconds, "added_bytes": report.added, "sure": report.sure,
        "unmarked": report.unmarked, "unmarked_thorough": report.unmarked_thorough,
        "wrong_marks": report.wrong_marks, "wrong_looks": report.wrong_looks,
        "lookup_ms": report.lookup_ms, "lookup_entries": report.lookup_entries,
    }
