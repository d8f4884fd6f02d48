"""What `sayso eval trust` found, from the lines of its results: counted, as a table, as data, and as figures for the papers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sayso.evals.stats import share_text, wilson


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
    """`rows`: kind → harm → counts. `psnr`: dB of each marked picture over what can be seen. `seal`: ms of CPU time that sealing takes
    beyond writing the plain file; `added`: bytes by which its PNG is larger than that file; both by kind. `pocket`: the same of
    pictures of the bundled model, with the ms that it drew.
    """

    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    psnr: dict[str, list[float]] = field(default_factory=dict)
    seal: dict[str, list[float]] = field(default_factory=dict)
    added: dict[str, list[int]] = field(default_factory=dict)
    sure: int = 0
    unmarked: int = 0
    unmarked_thorough: int = 0
    wrong_marks: int = 0
    wrong_looks: int = 0
    pocket: list[dict[str, float]] = field(default_factory=list)
    lookup_ms: float = 0.0
    lookup_entries: int = 0


def report(lines: Iterable[Mapping[str, Any]]) -> Report:
    """Lines of results, in any order, counted."""
    out = Report()
    for line in lines:
        if line["what"] == "sealed":
            for values, name in ((out.psnr, "psnr"), (out.seal, "seal"), (out.added, "added")):
                values.setdefault(line["kind"], []).append(line[name])
            out.sure += line["sure"]
        elif line["what"] == "harmed":
            for harm, (mark, look, wrong, seconds) in line["harms"].items():
                row = out.rows.setdefault(line["kind"], {}).setdefault(harm, Row())
                add(row, Row(1, mark, look, mark or look, wrong, seconds))
        elif line["what"] == "unmarked":
            out.unmarked += 1
            out.unmarked_thorough += line["thorough"]
            out.wrong_marks += line["mark"]
            out.wrong_looks += line["look"]
        elif line["what"] == "pocket":
            out.pocket.append({name: line[name] for name in ("draw", "seal", "added")})
        else:
            out.lookup_ms, out.lookup_entries = line["ms"], line["entries"]
    return out


def add(row: Row, other: Row) -> None:
    """Adds the counts of one row to another."""
    for name, value in vars(other).items():
        setattr(row, name, getattr(row, name) + value)


def totals(found: Report) -> dict[str, Row]:
    """Harm → counts over all kinds."""
    out: dict[str, Row] = {}
    for by in found.rows.values():
        for harm, row in by.items():
            add(out.setdefault(harm, Row()), row)
    return out


def table(found: Report) -> str:
    """The report as Markdown."""
    lines = ["| what happened | found by any means | by the mark | by looks | wrong | " + " | ".join(found.rows) + " | seconds |",
             "|---" * (6 + len(found.rows)) + "|"]
    for harm, row in totals(found).items():
        each = " | ".join(f"{by[harm].either}/{by[harm].n}" for by in found.rows.values())
        lines.append(f"| {harm} | {share_text(row.either, row.n).strip()} | {row.mark}/{row.n} | {row.look}/{row.n} | {row.wrong} | {each} "
                     f"| {row.seconds / row.n:.2f} |")
    return "\n".join([*lines, "", *sentences(found)])


def sentences(found: Report) -> list[str]:
    """What is not in the table, one line each."""
    out = [f"PSNR in dB, least of each kind: {_each(found.psnr, min, '.1f')}; means: {_each(found.psnr, np.mean, '.1f')}."]
    out.append(f"Marks that passed their own test: {found.sure} of {sum(map(len, found.added.values()))}.")
    out.append(f"ms of CPU time that sealing takes beyond the plain PNG, medians: {_each(found.seal, np.median, '.0f')}.")
    kilobytes = {kind: [one / 1000 for one in values] for kind, values in found.added.items()}
    out.append(
        f"kB that sealing adds to the plain PNG, medians: {_each(kilobytes, np.median, '.1f')}; at most: {_each(kilobytes, max, '.1f')}."
    )
    if found.pocket:
        draw, seal, added = (np.array([one[name] for one in found.pocket]) for name in ("draw", "seal", "added"))
        out.append(f"Pictures of the bundled model at 256²: {len(found.pocket)}; CPU time of sealing by that of drawing, median: "
                   f"{100 * float(np.median(seal / draw)):.1f} % ({np.median(seal):.0f} of {np.median(draw):.0f} ms); "
                   f"kB added: median {np.median(added) / 1000:.1f}, at most {added.max() / 1000:.1f}.")
    if found.unmarked:
        out.append(f"Unmarked pictures: {found.unmarked}, {found.unmarked_thorough} of them searched at turns and scales; "
                   f"wrong marks {found.wrong_marks}, wrong look-alikes {found.wrong_looks}.")
    if found.lookup_entries:
        out.append(f"Look-up among {found.lookup_entries:,} entries: {found.lookup_ms:.1f} ms.")
    return out


def _each(values: Mapping[str, list[Any]], how: Any, form: str) -> str:
    return ", ".join(f"{name} {format(float(how(those)), form)}" for name, those in values.items())


def as_json(found: Report) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "found": {harm: {"n": row.n, "either": row.either, "interval": wilson(row.either, row.n), "mark": row.mark, "look": row.look,
                         "wrong": row.wrong, "seconds": round(row.seconds / row.n, 4)} for harm, row in totals(found).items()},
        "kinds": {kind: {harm: row.either for harm, row in by.items()} for kind, by in found.rows.items()},
        **{name: value for name, value in vars(found).items() if name != "rows"},
    }
