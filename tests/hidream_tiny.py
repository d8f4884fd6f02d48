"""Tiny random HiDream folders in the released layout, and the parity fixtures when they lie outside the repository."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sayso.engines.hidream import engine, weights
from sayso.engines.hidream.encoders import Words
from sayso.models import sparse_dit, sparse_names
from sayso.models.sparse_dit import SparseDiT, SparseSpec
from sayso.types import Ask, Drew, Event, Message, Picture, Text

_PLACES = [parent / "shared" / "parity" for parent in Path(__file__).resolve().parents]
FIXTURES = Path(os.environ.get("SAYSO_PARITY") or next((p for p in _PLACES if p.is_dir()), "absent")) / "hidream"
needs_fixtures = pytest.mark.skipif(not FIXTURES.is_dir(), reason="HiDream's parity fixtures lie outside the repository")

CONFIG: dict[str, Any] = {
    "patch_size": 2, "in_channels": 16, "out_channels": 16, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16,
    "num_attention_heads": 2, "caption_channels": [24, 32], "text_emb_dim": 36, "num_routed_experts": 4, "num_activated_experts": 2,
    "axes_dims_rope": [8, 4, 4], "max_resolution": [16, 16], "llama_layers": [0, 1],
}
WORDS = "<s> </s> <pad> a fox red blue make it . : Editing Instruction Target Image Description <unk>".split()


def random_model(spec: SparseSpec, seed: int = 0) -> SparseDiT:
    """Filled with noise that keeps values of order one through a few blocks, and router scores well apart."""
    model = weights.empty(spec, torch.device("cpu"), torch.float32)
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        if name.endswith("norm.weight"):
            p.copy_(1 + 0.1 * torch.randn(p.shape, generator=generator))
        else:
            spread = 0.1 if p.dim() == 1 else (2.0 if ".gate" in name else 1.0) / p.shape[-1] ** 0.5
            p.copy_(spread * torch.randn(p.shape, generator=generator))
    return model


def released(model: SparseDiT) -> dict[str, Tensor]:
    return {name: t.contiguous() for name, t in sparse_names.released(model, model.spec).items()}


def words(f: dict[str, Tensor], case: str, kind: str = "") -> Words:
    return Words(f[f"{case}.{kind}t5"], f[f"{case}.{kind}llama"], f[f"{case}.{kind}pooled"])


def fixtures(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    meta = FIXTURES / f"{name}.json"
    return load_file(FIXTURES / f"{name}.safetensors"), json.loads(meta.read_text()) if meta.exists() else {}


def parity_model() -> SparseDiT:
    """The fixtures' tiny transformer, through our loader."""
    spec = SparseSpec.from_config(json.loads((FIXTURES / "tiny_transformer_config.json").read_text()))
    path = FIXTURES / "tiny_transformer_bf16.safetensors"
    entries = weights.found(path)
    weights.check(entries, spec, path)
    model = weights.empty(spec, torch.device("cpu"), torch.float32)
    parts = sparse_names.released(model, spec)
    for key, tensor in weights.tensors(entries):
        parts[key].copy_(tensor)
    return model


def _tokenizer(folder: Path, begin: bool) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    ids = {word: i for i, word in enumerate(WORDS)}
    made = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    if begin:
        made.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    else:
        made.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=made, **marks).save_pretrained(folder)


def _encoders(folder: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection, LlamaConfig, LlamaForCausalLM, T5Config, T5EncoderModel

    torch.manual_seed(0)
    for suffix, out in (("", 16), ("_2", 20)):
        clip = CLIPTextConfig(vocab_size=len(WORDS), hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
                              projection_dim=out, max_position_embeddings=20, bos_token_id=0, eos_token_id=1, pad_token_id=2)
        CLIPTextModelWithProjection(clip).save_pretrained(folder / f"text_encoder{suffix}")
        _tokenizer(folder / f"tokenizer{suffix}", begin=False)
    t5 = T5Config(vocab_size=len(WORDS), d_model=24, d_kv=8, d_ff=32, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu")
    T5EncoderModel(t5).save_pretrained(folder / "text_encoder_3")
    _tokenizer(folder / "tokenizer_3", begin=False)
    llama = LlamaConfig(vocab_size=len(WORDS), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
                        num_key_value_heads=1, bos_token_id=0, eos_token_id=1, pad_token_id=None)
    LlamaForCausalLM(llama).save_pretrained(folder / "llama")
    _tokenizer(folder / "llama", begin=True)


def make_folder(folder: Path, seed: int = 0) -> Path:
    """A whole model of HiDream's layout: transformer in two files, four readers with tokenizers, autoencoder."""
    from diffusers import AutoencoderKL

    folder.mkdir(parents=True)
    torch.manual_seed(1)
    vae = AutoencoderKL(block_out_channels=(8,) * 4, down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
                        latent_channels=16, norm_num_groups=4, layers_per_block=1, scaling_factor=0.3611, shift_factor=0.1159,
                        use_quant_conv=False, use_post_quant_conv=False)
    vae.save_pretrained(folder / "vae")
    _encoders(folder)
    (folder / "transformer").mkdir()
    (folder / "transformer" / "config.json").write_text(json.dumps(CONFIG))
    named = sorted(released(random_model(SparseSpec.from_config(CONFIG), seed)).items())
    for i, part in enumerate((named[:40], named[40:]), 1):
        save_file(dict(part), folder / "transformer" / f"diffusion_pytorch_model-{i:05}-of-00002.safetensors")
    return folder


class Loaded:
    """Engines over one folder, each variant loaded once."""

    def __init__(self, folder: Path):
        self.folder, self.made = folder, dict[str, engine.HiDreamEngine]()

    def __call__(self, variant: str) -> engine.HiDreamEngine:
        if variant not in self.made:
            self.made[variant] = engine.load(self.folder, "cpu", variant=variant, dtype="float32")
        return self.made[variant]


def fixtures_speeds(device: torch.device) -> Tensor:
    """`sparse_dit.speeds` on the processor that made the fixtures. Its float32 exponential rounded two of 128 close calls upward, which
    not every processor does; at a timestep of 731 one of them is 2e-5 radians, and guidance makes 1e-5 of that in the latents."""
    half = sparse_dit.WAVES // 2
    right = (-math.log(sparse_dit.THETA) * torch.arange(half, dtype=torch.float32, device=device) / half).double().exp().float()
    right[[12, 106]] = right[[12, 106]].nextafter(torch.tensor(1.0))
    return right


def same_loop(found: Tensor, expected: Tensor, off: float = 0.0) -> None:
    """Within 2e-5 absolute, of latents between -11 and 11, of what float64 gives; `off`: how far `expected` itself is from that.

    Only `e1_sq_clip` needs it: clipped guidance makes 1.4e-5 of float32's rounding there, in diffusers as well as here (its own test).
    All other cases are under 1.4e-5.
    """
    assert (found - expected).abs().max() < 2e-5 + off, float((found - expected).abs().max())


def near(found: Tensor, expected: Tensor, tolerance: float = 2e-5) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def ask(text: str = "a red fox", picture: np.ndarray | None = None, **rest: Any) -> Ask:
    parts = (Text(text),) if picture is None else (Picture(picture), Text(text))
    return Ask((Message("user", parts),), **rest)


def noise_picture(width: int = 96, height: int = 96) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)


def drew(events: Iterator[Event]) -> list[np.ndarray]:
    return [event.picture.pixels for event in events if isinstance(event, Drew)]
