"""Writing piece by piece against its slow twin, `UnifiedModel.read`."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sayso.engines import context
from sayso.engines.spelling import Spelling
from sayso.models import tokens
from sayso.models.specs import pocket
from sayso.models.unified import UnifiedModel
from sayso.models.writer import Writer

SPEC = pocket(4, 300, 8)
SPECS = {
    "as bundled": SPEC,
    "grouped heads, biases, own head": replace(SPEC, kv_heads=1, qkv_bias=True, tied_head=False),
    "one axis of places": replace(SPEC, rope_axes=(32,), rope_thetas=(1000.0,)),
}


def model_of(name: str) -> UnifiedModel:
    torch.manual_seed(0)
    model = UnifiedModel(SPECS[name]).eval().requires_grad_(False)
    for p in model.parameters():
        torch.nn.init.normal_(p, mean=1.0 if p.dim() == 1 else 0.0, std=0.1)
    return model


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("padded", [False, True])
def test_writing_scores_what_reading_scores(name: str, padded: bool) -> None:
    model, spec = model_of(name), SPECS[name]
    before = torch.randint(3, spec.vocab, (3, 7))
    lengths = torch.tensor([7, 4, 6]) if padded else torch.full((3,), 7)
    new = torch.randint(3, spec.vocab, (3, 9))
    cache = model.read(before, lengths if padded else None, None, torch.zeros(3), torch.float32).cache
    whole = model.logits(model.read(new, None, cache, lengths.float(), torch.float32).understand)
    writing = Writer(model).begin(cache, lengths.float(), 9)
    scores = torch.stack([writing(new[:, k].tolist()) for k in range(9)], 1)
    torch.testing.assert_close(scores, whole, rtol=1e-4, atol=1e-4)


def test_nothing_need_stand_before() -> None:
    model = model_of("as bundled")
    ids = torch.tensor([[5, 6, 7]])
    whole = model.logits(model.read(ids, None, None, torch.zeros(1), torch.float32).understand)
    writing = Writer(model).begin(None, torch.zeros(1), 3)
    torch.testing.assert_close(torch.stack([writing([i]) for i in (5, 6, 7)], 1), whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("warmth", [0.0, 1.0])
def test_lines_written_together_are_those_written_alone(warmth: float) -> None:
    """Prompts of different lengths, lines that end at different places, each with its own seed."""
    pieces = tokens.train(["a fox and an apple beside a red house", "one", "two foxes"], 300)
    torch.manual_seed(0)
    model = UnifiedModel(pocket(4, pieces.size, 8)).eval().requires_grad_(False)
    for p in model.parameters():
        torch.nn.init.normal_(p, mean=1.0 if p.dim() == 1 else 0.0, std=0.1)
    writer = Writer(model)
    prompts, seeds = ["a fox", "an apple beside a red house", "two foxes and one fox", "one"], [3, 1, 4, 1]

    def written(which: list[int]) -> list[str]:
        rows: list[context.Row] = [[pieces.encode(prompts[k])] for k in which]
        told = context.read(model, pieces, rows, torch.empty(0, 2), torch.float32)
        free = [Spelling(pieces, None)] * len(which)
        return context.write(writer, pieces, told, 24, warmth, [seeds[k] for k in which], free)

    together = written([0, 1, 2, 3])
    assert together == [written([k])[0] for k in range(4)] and len(set(together)) > 1
