"""Golden numbers: losses, a learning curve and one small picture of a fixed tiny model, on a CPU with one thread.

They move when the architecture, the initialisation, the loss, the optimiser, the sampler or the noise changes, on purpose or not.
To renew them after a change that is meant:

    python tests/test_golden.py     (writes tests/golden/pocket_tiny.json; say in docs/LOG.md why)
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sayso.engines.sampling import Sampling, draw
from sayso.models import flow, tokens
from sayso.models.codecs.pixels import decode, patchify
from sayso.models.specs import pocket
from sayso.models.unified import UnifiedModel, patch_coordinates
from sayso.training.config import planned
from sayso.training.loop import loss_of
from sayso.training.optim import Optimiser
from sayso.training.stream import Batch

FILE = Path(__file__).parent / "golden" / "pocket_tiny.json"
STEPS, SIDE, PATCH = 6, 4, 8
CONFIG = replace(planned(2, PATCH, 12, "world", 320, "64", 16, 0, False), t_min=0.05)
CAPTIONS = ("a red disc", "a blue disc on white", "一个红色的圆")


def pictures() -> torch.Tensor:
    """[3, 4, 32, 32] premultiplied in −1..1: a disc of each colour on another ground."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    disc = (((x - 15) ** 2 + (y - 17) ** 2) < 90).float()
    colours = torch.tensor([[0.9, 0.1, 0.1, 1.0], [0.1, 0.2, 0.9, 1.0], [0.9, 0.1, 0.1, 1.0]])
    grounds = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.3, 0.6, 0.3, 1.0]])
    return 2 * (colours[..., None, None] * disc + grounds[..., None, None] * (1 - disc)) - 1


def measured() -> dict[str, list[float]]:
    """Losses before each of a few updates, and a picture drawn afterwards: means by channel and a coarse 4 × 4 grey map."""
    torch.set_num_threads(1)
    pieces = tokens.train([*CAPTIONS] * 4, 300)
    model = UnifiedModel(pocket(2, pieces.size, PATCH))
    model.initialise(torch.Generator().manual_seed(0))
    lines = pieces.encode_batch(list(CAPTIONS))
    lengths = torch.tensor([len(line) for line in lines])
    ids = torch.tensor([line + [pieces.pad] * (int(lengths.max()) - len(line)) for line in lines])
    batch = Batch(ids, lengths, patchify(pictures(), PATCH), torch.ones(3, SIDE * SIDE), patch_coordinates(SIDE, SIDE))
    optimiser, generator = Optimiser(model), torch.Generator().manual_seed(1)
    losses = []
    for _ in range(STEPS):
        t = flow.sample_times(3, generator, torch.device("cpu"))
        noise = torch.randn(batch.patches.shape, generator=generator)
        loss = loss_of(model, None, batch, noise, t, CONFIG, torch.float32)
        loss.backward()
        losses.append(float(loss.detach()))
        optimiser.step(0.02, 0.01)
    for x in draw(model, pieces, ["A red disc"], [7], SIDE, SIDE, PATCH, Sampling(4, 2.0), 24, torch.float32):
        last = x
    pixels = torch.from_numpy(decode(last)[0]).float()
    grey = last[0].mean(0).view(4, 8, 4, 8).mean((1, 3)).flatten()
    return {"losses": losses, "picture_means": pixels.mean((0, 1)).tolist(), "picture_grey": grey.tolist()}


@pytest.fixture
def one_thread() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_tiny_model_gives_its_golden_numbers(one_thread: object) -> None:
    golden, found = json.loads(FILE.read_text()), measured()
    assert found.keys() == golden.keys()
    # The first loss is plain arithmetic; Muon's bfloat16 steps let the others differ a little between processors.
    assert found["losses"][0] == pytest.approx(golden["losses"][0], rel=1e-4)
    assert found["losses"] == pytest.approx(golden["losses"], rel=0.02)
    assert found["losses"][-1] < 0.8 * found["losses"][0]
    assert found["picture_means"] == pytest.approx(golden["picture_means"], abs=3)
    assert found["picture_grey"] == pytest.approx(golden["picture_grey"], abs=0.03)


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps({k: [round(v, 6) for v in values] for k, values in measured().items()}, indent=1) + "\n")
