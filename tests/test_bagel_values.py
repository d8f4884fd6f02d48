"""The unified model and the vision tower can be BAGEL: the tiny parity checkpoint through our classes, within 1e-4.

The fixtures were computed with the official modules in float32; they lie outside the repository, and without them these
tests are skipped.
"""

from __future__ import annotations

from pathlib import Path

import bagel_tiny
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from sayso.engines import checkpoint
from sayso.models import flow, names
from sayso.models.specs import Prediction, UnifiedSpec, VisionSpec
from sayso.models.unified import Block, Cache, Output, UnifiedModel
from sayso.models.vision import cut

FIXTURES = bagel_tiny.parity() or Path("nowhere")
pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="BAGEL's parity fixtures lie outside the repository")

BEGIN, END, BEGIN_IMAGE, END_IMAGE = 290, 291, 292, 293
VISION = VisionSpec(channels=3, patch=14, width=32, hidden=48, layers=2, heads=4, table_side=10, norm_eps=1e-6, model_table=False)
SPEC = UnifiedSpec(
    vocab=300, width=64, layers=3, heads=4, kv_heads=2, head_width=16, hidden=96, qkv_bias=True, norm_eps=1e-6, rope_axes=(8,),
    rope_thetas=(1e6,), tied_head=False, patch_channels=64, bottleneck=None, prediction=Prediction.VELOCITY, time_scale=1.0, vision=VISION,
    table_side=None, marks=None,
)


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return load_file(FIXTURES / "model.safetensors")


@pytest.fixture(scope="module")
def bagel(weights: dict[str, Tensor]) -> UnifiedModel:
    """Strictly filled: every tensor of the checkpoint but the two frozen tables, and nothing else."""
    with torch.device("meta"):
        model = UnifiedModel(SPEC)
    found = {names.bagel(k) or k: t for k, t in weights.items() if "pos_embed.pos_embed" not in k}
    checkpoint.fill(model, found, FIXTURES)
    return model.requires_grad_(False)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def read(model: UnifiedModel, ids: Tensor, cache: Cache | None, start: int) -> Output:
    return model.read(ids[None], None, cache, torch.tensor([float(start)]), torch.float32)


def picture(model: UnifiedModel, understand: Tensor, draw: Tensor, at: int, cache: Cache | None) -> Output:
    """One full-attention block, all of whose rows stand at one position."""
    first, second = (torch.full((1, len(rows), 1), float(at)) for rows in (understand, draw))
    return model(Block(understand[None], draw[None], first, second, causal=False), cache)


def test_text_in_two_chunks(bagel: UnifiedModel) -> None:
    f = load_file(FIXTURES / "a_text_prefill.safetensors")
    cache: Cache | None = None
    start = 0
    for chunk in ("1", "2"):
        ids = f[f"input_ids_{chunk}"]
        assert f[f"position_ids_{chunk}"].tolist() == list(range(start, start + len(ids)))
        out = read(bagel, ids, cache, start)
        close(out.understand[0], f[f"final_hidden_{chunk}"])
        close(bagel.logits(out.understand)[0], f[f"logits_{chunk}"])
        cache, start = out.cache, start + len(ids)
        close(torch.stack([k[0].transpose(0, 1) for k, _ in cache.layers]), f[f"k_after_{chunk}"])
        close(torch.stack([v[0].transpose(0, 1) for _, v in cache.layers]), f[f"v_after_{chunk}"])


def test_greedy_text(bagel: UnifiedModel) -> None:
    f = load_file(FIXTURES / "a_text_prefill.safetensors")
    ids = torch.cat((f["input_ids_1"], f["input_ids_2"]))
    cache = read(bagel, f["input_ids_2"], read(bagel, f["input_ids_1"], None, 0).cache, len(f["input_ids_1"])).cache
    said = [BEGIN]
    for step, logits in enumerate(f["greedy_step_logits"]):
        out = read(bagel, torch.tensor([said[-1]]), cache, len(ids) + step)
        cache = out.cache
        close(bagel.logits(out.understand)[0, 0], logits)
        said.append(int(bagel.logits(out.understand)[0, 0].argmax()))
    assert said[: len(f["greedy_ids"])] == f["greedy_ids"].tolist()


def test_a_padded_batch_of_two_contexts(bagel: UnifiedModel) -> None:
    """The official packed batch, as a padded batch of ours: both rounds, one of the contexts shorter in each."""
    f = load_file(FIXTURES / "a_text_prefill.safetensors")
    cache: Cache | None = None
    start = torch.zeros(2)
    for name in ("round1", "round2"):
        lengths = f[f"batch_lens_{name}"]
        parts = f[f"batch_ids_{name}"].split(lengths.tolist())
        ids = torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True)
        out = bagel.read(ids, lengths, cache, start, torch.float32)
        rows = torch.cat([line[:n] for line, n in zip(bagel.logits(out.understand), lengths.tolist(), strict=True)])
        close(rows, f[f"batch_logits_{name}"])
        cache, start = out.cache, start + lengths
    assert start.tolist() == f["batch_kv_lens_after_round2"].tolist()


def test_understanding_a_picture(bagel: UnifiedModel, weights: dict[str, Tensor]) -> None:
    f = load_file(FIXTURES / "b_understanding.safetensors")
    assert bagel.vision is not None
    torch.testing.assert_close(cut(f["pixel_values"][None], 14)[0], f["vit_patches"], rtol=0, atol=0)
    normed: list[Tensor] = []
    hook = bagel.vision.norm.register_forward_hook(lambda module, given, out: normed.append(out[0]))
    seen, _ = (bagel.vision(f[name][None])[0] for name in ("pixel_values", "batch_pixel_values_2"))
    hook.remove()
    close(normed[0], f["vit_hidden"])
    close(torch.cat(normed), f["batch_vit_hidden"])
    close(seen, f["connector_out"])
    rows = seen + weights["vit_pos_embed.pos_embed"][f["vit_position_ids"]]
    close(rows, f["llm_input_image_rows"])
    marks = bagel.embed.weight[[BEGIN_IMAGE, END_IMAGE]]
    out = picture(bagel, torch.cat((marks[:1], rows, marks[1:])), rows[:0], 0, None)
    close(out.understand[0], f["final_hidden_image"])
    question = read(bagel, torch.tensor([BEGIN, *f["question"].tolist(), END]), out.cache, 1)
    close(bagel.logits(question.understand)[0], f["question_logits"])


def test_a_drawing_step(bagel: UnifiedModel, weights: dict[str, Tensor]) -> None:
    """Both experts in one block: the marks are understand rows, the noisy latents draw rows; then the plain sampler's end."""
    f = load_file(FIXTURES / "c_t2i.safetensors")
    ids = torch.tensor([BEGIN, *f["prompt"].tolist(), END])
    cache = read(bagel, ids, None, 0).cache
    marks = bagel.embed.weight[[BEGIN_IMAGE, END_IMAGE]]
    table = weights["latent_pos_embed.pos_embed"][f["latent_position_ids"]]
    hidden: list[Output] = []

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        rows = bagel.patch_in(z[0]) + table + bagel.time(t, torch.float32)
        out = picture(bagel, marks, rows, len(ids), cache)
        hidden.append(out)
        return bagel.patch_out(out.draw)

    z = f["init_noise"][None]
    close(bagel.time(torch.ones(1), torch.float32), f["step0.time_embedding"])
    close(velocity(z, torch.ones(1))[0], f["nocfg.v_cond"][0])
    final = torch.cat((hidden[0].understand[0, :1], hidden[0].draw[0], hidden[0].understand[0, 1:]))
    close(final, f["step0.final_hidden"])
    times = flow.time_grid(4, 3.0)
    close(times[:-1], f["nocfg.t"])
    for state, _ in flow.euler(velocity, z, times):
        z = state
    close(z[0], f["nocfg.final"])
