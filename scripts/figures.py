"""Puts measured figures where people read them: blocks in README.md and docs/trust.md, and the model card beside the weights.

sayso eval world --out out/eval-world
sayso eval judge --json > out/judge.json
sayso bench pocket --json > out/bench.json
python scripts/figures.py            writes both from those three files and the header of the bundled weights; what README.md says of the
                                     judge stays as it is where the judge was not examined anew

And in docs/trust.md:

sayso eval trust --unmarked 10000 --thorough 1000
sayso eval trust --size 256 --unmarked 0 --out out/eval-trust-256
python scripts/figures.py trust      writes them from the results in those two folders, and how the policy fares on its examples
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sayso.engines import header
from sayso.evals.world import table

BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"


def training_line(facts: dict[str, Any]) -> str:
    """What the weights are made of, in a sentence."""
    history = facts["history"]
    return (
        f"{history['pictures']:,} pictures in {history['steps']:,} steps, {history['hours']} hours on {history['device']}; "
        f"depth {history['depth']}, "
        f"{facts['canvas']['tokens']} tokens of {facts['canvas']['patch']}² pixels a picture, "
        f"{len(facts['concepts'])} concepts in {len(facts['styles'])} styles"
    )


def judge_line(judged: dict[str, Any]) -> str:
    """The two numbers that say how far the judge is to be trusted."""
    lines = []
    for name, said in (("questions", "answers right on exact renders"), ("faults", "planted faults named")):
        rows = [r for r in judged["rows"] if r["table"] == name]
        right, total = sum(r["k"] for r in rows), sum(r["n"] for r in rows)
        worst = min(rows, key=lambda r: r["k"] / r["n"])
        lines.append(f"{said}: {100 * right / total:.1f} % of {total} (least: {worst['name']}, {100 * worst['k'] / worst['n']:.1f} %)")
    return "; ".join(lines)


def bench_table(figures: dict[str, float]) -> str:
    rows = [
        f"| {name} | {value:,.0f} |" if value >= 100 else f"| {name} | {value:.3g} |"
        for name, value in figures.items()
        if name != "threads"
    ]
    return "\n".join(["| figure | value |", "|---|---|", *rows])


JUDGE = "The judge behind that score (`sayso eval judge`): "


def standing(path: Path, begins: str) -> str:
    """The rest of the line of a file that begins so."""
    return next(line.removeprefix(begins) for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(begins))


def block(scores: dict[str, Any], judge: str, bench: dict[str, float], facts: dict[str, Any]) -> str:
    """The README's block."""
    return (
        f"The bundled weights: {training_line(facts)}.\n\n"
        "Their score on held-out prompts, about the concepts they know (`sayso eval world`; "
        f"a sheet of these pictures is [docs/contact-sheet.webp](docs/contact-sheet.webp)):\n\n{table(scores)}\n\n"
        f"{JUDGE}{judge}\n\n"
        f"Speed with CPU threads: {bench['threads']:.0f} (`sayso bench pocket`):\n\n{bench_table(bench)}\n"
    )


def card(scores: dict[str, Any], facts: dict[str, Any], finisher: str) -> str:
    return f"""# Model card: pocket

**What it is.** A unified mixture-of-transformers ({facts["spec"]["layers"]} layers, width {facts["spec"]["width"]})
that thinks in plans: it writes the plan of a picture after an English or Chinese prompt and paints it, reads a picture as a plan,
changes a plan as it is told to, and answers from plans (docs/decisions/0003-the-pocket-model.md). Beside it a one-step
upscaler (`finisher.safetensors`) that enlarges its pictures eightfold. Both are trained from nothing.

**Training.** {training_line(facts)}. Code: `sayso train`; nothing else was used. The finisher: {finisher}.

**Data.** None is stored: scenes are composed from open vector art (Fluent Emoji, MIT; Noto Emoji, Apache-2.0; Twemoji, CC-BY-4.0)
and open fonts (OFL), worded by a program with names from Unicode CLDR. Attribution: `sayso/world/data/ATTRIBUTION.md`. No photographs, no
people's pictures, no web text.

**Licence.** Apache-2.0 for the weights; the art it imitates keeps its licences, and pictures that
reproduce Twemoji art closely owe its attribution.

**What it knows.** {len(facts["concepts"])} concepts (`sayso concepts`), {len(facts["styles"])} styles. Other things are
drawn as best it can, and it says so.

**Scores** (`sayso eval world`, held-out compositions of the concepts it knows):

{table(scores)}

**Hash of the weights.** {facts["sha256"]}
"""


def trust() -> str:
    """The block of docs/trust.md."""
    from sayso.evals import trust_report
    from sayso.evals.stats import share_text
    from sayso.trust import examples, rules

    def of(folder: str) -> trust_report.Report:
        lines = (ROOT / "out" / folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
        return trust_report.report(map(json.loads, lines))

    scores = examples.score(rules.load())
    rows = [
        f"| {one.clause} | {share_text(one.stopped, one.violating).strip()} of {one.violating} "
        f"| {share_text(one.passed, one.allowed).strip()} of {one.allowed} |"
        for one in scores
    ]
    small = "\n".join(trust_report.sentences(of("eval-trust-256")))
    return (
        f"Pictures of 512² (`sayso eval trust`), with 95 % intervals:\n\n{trust_report.table(of('eval-trust'))}\n\n"
        f"Pictures of 256²:\n\n{small}\n\n"
        "The rules on the examples of the policy file (`sayso policy --check`), with 95 % intervals:\n\n"
        "| clause | violating ones stopped | allowed ones passed |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def fill(path: Path, text: str) -> None:
    """Puts a text between the marks of a file."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("weights", "trust"), nargs="?", default="weights")
    for name, path in (("scores", "out/eval-world/scores.json"), ("judge", "out/judge.json"), ("bench", "out/bench.json")):
        parser.add_argument(f"--{name}", type=Path, default=ROOT / path)
    args = parser.parse_args()
    if args.what == "trust":
        fill(ROOT / "docs" / "trust.md", trust())
        return 0
    scores, bench = (json.loads(p.read_text(encoding="utf-8")) for p in (args.scores, args.bench))
    judge = standing(ROOT / "README.md", JUDGE)
    if args.judge.exists():
        judge = judge_line(json.loads(args.judge.read_text(encoding="utf-8"))) + "."
    facts, finisher = header.facts(header.pocket_weights()), header.facts(header.finisher_weights())
    fill(ROOT / "README.md", block(scores, judge, bench, facts))
    history = ", then ".join(f"{part['steps']:,} steps of {part['batch']} crops" for part in finisher["history"] if "batch" in part)
    (header.pocket_weights().parent / "CARD.md").write_text(card(scores, facts, history), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
