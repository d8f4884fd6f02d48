"""Parts of a model that were trained side by side, put together (scripts/join.py)."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from sayso.engines import checkpoint, header
from sayso.errors import BadInput

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "join.py"
NAMES = ("embed.weight", "layers.0.understand.mlp.up_proj.weight", "layers.0.draw.mlp.up_proj.weight", "eye.out.weight", "naming.out.bias",
         "grounding.things.weight", "understand_norm.weight", "draw_norm.weight", "time.fc1.weight")
THINKS, SEES = {0, 1, 6}, {3, 4}


@pytest.fixture(scope="module")
def join() -> ModuleType:
    spec = importlib.util.spec_from_file_location("join", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["join"] = module
    spec.loader.exec_module(module)
    return module


def saved(path: Path, value: float, steps: int, abilities: Sequence[str] = ("draw",), names: Sequence[str] = NAMES, **more: Any) -> Path:
    facts = {"spec": {"width": 8}, "canvas": {}, "pieces": "x", "concepts": ["fox"], "looks": [], "abilities": list(abilities),
             "history": {"steps": steps, "pictures": 10 * steps, "hours": steps / 4, "device": "CPU"}, **more}
    checkpoint.save(path, {name: torch.full((2,), value) for name in names}, facts)
    return path


def test_every_tensor_comes_from_the_run_of_its_part(join: ModuleType, tmp_path: Path) -> None:
    began = saved(tmp_path / "0", 0, 4, ("draw", "ask"))
    trained = (("paint", "draw"), ("think", "edit"), ("see", "ask"))
    parts = {part: saved(tmp_path / part, k, 4 + k, (ability,)) for k, (part, ability) in enumerate(trained, 1)}
    out = tmp_path / "out"
    join.weights(began, parts, out)
    tensors, facts = checkpoint.load(out)
    assert [int(tensors[name][0]) for name in NAMES] == [2 if k in THINKS else 3 if k in SEES else 1 for k in range(len(NAMES))]
    assert facts["abilities"] == ["ask", "draw", "edit"]
    assert facts["history"] == {"steps": 10, "pictures": 100, "hours": 2.5, "device": "CPU"}, "4 together, then 1, 2 and 3"
    join.weights(began, {"think": parts["think"]}, out)
    tensors, _ = checkpoint.load(out)
    assert [int(tensors[name][0]) for name in NAMES] == [2 * (k in THINKS) for k in range(len(NAMES))], "the rest as it was"


def test_runs_that_do_not_fit_are_not_joined(join: ModuleType, tmp_path: Path) -> None:
    began, out = saved(tmp_path / "0", 0, 1), tmp_path / "out"
    one = saved(tmp_path / "1", 1, 2)
    with pytest.raises(BadInput, match='differ in "concepts"'):
        join.weights(began, {"paint": one, "think": saved(tmp_path / "2", 2, 2, concepts=["owl"])}, out)
    with pytest.raises(BadInput, match="no run has naming.out.bias"):
        old = saved(tmp_path / "3", 2, 2, names=[n for n in NAMES if n != "naming.out.bias"])
        join.weights(saved(tmp_path / "4", 0, 1, names=NAMES[:3]), {"paint": one, "see": old}, out)
    assert not out.exists()


def test_the_bundled_weights_have_all_parts(join: ModuleType) -> None:
    tensors, _ = checkpoint.load(header.pocket_weights())
    assert {join.part_of(name) for name in tensors} == set(join.PARTS)
