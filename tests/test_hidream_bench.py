"""`sayso bench hidream`: the tiny size runs through, results agree, and only its own block of the page is touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Ran

from sayso.engines.hidream import bench, speed
from sayso.errors import BadInput, CannotWrite

Sayso = Callable[..., Ran]


def test_the_whole_command(sayso: Sayso, tmp_path: Path) -> None:
    page = tmp_path / "speed.md"
    page.write_text(f"# Speed\n\n<!-- bagel:begin -->\nkept\n<!-- bagel:end -->\n\n{bench.BEGIN}\nold\n{bench.END}\n\nafter\n")
    ran = sayso("bench", "hidream", "--random-weights", "--size", "tiny", "--against", "both", "--rounds", "1", "--dtype", "float32",
                "--write", str(page), "--json")
    assert ran.code == 0, ran.err
    (run,) = json.loads(ran.out)
    assert len(run["rows"]) == 5 and run["dtype"] == "float32"
    for row in run["rows"]:
        assert set(row["seconds"]) == {"ours", "plain", "diffusers"} and all(value > 0 for value in row["seconds"].values())
        assert all(value < 1e-5 for value in row["apart"].values()), row
    assert "case 1 of 5" in ran.err and "case 5 of 5: polish" in ran.err and "s left" in ran.err
    text = page.read_text()
    assert "kept" in text and text.rstrip().endswith("after") and "old" not in text and "polish, oblong" in text
    assert text.count(bench.BEGIN) == 1 and "--size tiny --random-weights --against both" in text


def test_weights_that_are_smaller_and_visit(sayso: Sayso) -> None:
    ran = sayso("bench", "hidream", "--random-weights", "--size", "tiny", "--rounds", "1", "--dtype", "bfloat16", "--bits", "int8",
                "--offload", "blocks", "--case", "(Dev)", "--json")
    assert ran.code == 0, ran.err
    (run,) = json.loads(ran.out)
    rows = run["dtype"].replace(", our rows in float32", "")  # where bfloat16 is slow
    assert rows == "bfloat16, ours in int8, our blocks visiting" and 0 < run["rows"][0]["apart"]["diffusers"] < 0.1


def test_ratios_and_pages() -> None:
    row: dict[str, Any] = {"case": "c", "rows": 1, "patches": 4, "padding": 0, "steps": 10, "prepare": 1.0, "tflop": 1.0, "tflops": 1.0,
                           "seconds": {"ours": 0.2, "compiled": 0.1, "diffusers": 0.3}, "apart": {"diffusers": 1e-6}}
    assert bench.ratio(row, "diffusers") == pytest.approx(3.0) and bench.request_ratio(row, "diffusers") == pytest.approx(1.5)
    run = {
        "parameters": 1e6,
        "dtype": "bfloat16",
        "device": "CPU",
        "threads": 1,
        "compiled": True,
        "words": 8,
        "torch": "2",
        "memory": None,
        "rows": [row],
    }
    assert "| c | 1 | 4 | 0 | 1 | 0.2 | 0.1 | 1 | 0.3 | 3.00 × | 1.50 × | 1.0e-06 |" in bench.table(run)
    new = bench.written("", "x\n")
    assert new.startswith("# Speed") and bench.written(new, "y\n") == new.replace("x\n", "y\n")
    with pytest.raises(BadInput, match="once each"):
        bench.written(bench.BEGIN, "x")
    with pytest.raises(CannotWrite, match="name another file"):
        bench.write(Path("/nowhere/at/all/speed.md"), [run], "sayso")


def test_the_count_of_operations() -> None:
    """By hand for the smallest case, and the published order for the released model at 1024 x 1024."""
    full = speed.cases(speed.HIDREAM)[1]
    assert speed.tera(speed.HIDREAM, full, 128) == pytest.approx(75.8, rel=0.01)
    both = replace_case(full, batch=2)
    assert speed.tera(speed.HIDREAM, both, 128) == pytest.approx(2 * speed.tera(speed.HIDREAM, full, 128))
    padded = speed.cases(speed.HIDREAM)[4]
    assert padded.rows * padded.columns <= 4096 < padded.max_tokens == 8192


def replace_case(case: speed.Case, **change: Any) -> speed.Case:
    return case._replace(**change)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--random-weights", "--rounds", "0"), "out of range"),
        (("--rounds", "1"), "required"),
        (("--random-weights", "--device", "cuda"), "no GPU"),
        (("--random-weights", "--size", "tiny", "--case", "nothing"), "no case holds"),
        (("--weights", "nowhere"), "not a folder"),
        (("--random-weights", "--compile", "--dtype", "float32"), "bfloat16"),
        (("--random-weights", "--bits", "int8", "--against", "plain"), "slow twin"),
        (("--random-weights", "--dtype", "bfloat16", "--compile", "--offload", "blocks"), "one place"),
    ],
)
def test_what_cannot_be_measured(sayso: Sayso, words: tuple[str, ...], says: str) -> None:
    ran = sayso("bench", "hidream", *words)
    assert ran.code in (2, 3) and says in ran.err and ran.out == "" and len(ran.err.strip().splitlines()) == 1


def test_random_weights_are_the_same_each_time() -> None:
    first, again = (speed.random_model(speed.TINY, torch.device("cpu"), torch.float32, torch.float32).state_dict() for _ in range(2))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    other = speed.random_model(replace(speed.TINY, heads=4), torch.device("cpu"), torch.float32, torch.float32)
    assert other.spec.width == 128
