"""The four readers of a prompt (CLIP-L, CLIP-G, T5-XXL, Llama 3.1 8B) and the autoencoder, through transformers and diffusers.

Everything is read as safetensors from folders on disk and checked to be complete; nothing is fetched. All prompts of a request,
negative ones included, are read in one batch. Where memory is short, each reader is loaded, used and released in turn.

Axes: B prompts, N tokens.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sayso.engines.hidream.variants import NEED_LLAMA
from sayso.errors import BadWeights

TOKENS = 128  # of one prompt; the models were trained on this many, padding included
CLIP_TOKENS = 218


class Words(NamedTuple):
    """What the transformer reads of prompts: t5 [B, N, ·], llama [layers, B, N, ·], pooled [B, ·]."""

    t5: Tensor
    llama: Tensor
    pooled: Tensor

    def rows(self, first: int, last: int) -> Words:
        return Words(self.t5[first:last], self.llama[:, first:last], self.pooled[first:last])


def joined(*words: Words) -> Words:
    """Several below each other."""
    return Words(torch.cat([w.t5 for w in words]), torch.cat([w.llama for w in words], dim=1), torch.cat([w.pooled for w in words]))


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Inside, the two libraries show no progress bars and only errors."""
    from diffusers.utils import logging as diffusers_log
    from transformers.utils import logging as transformers_log

    before = transformers_log.get_verbosity(), diffusers_log.get_verbosity()
    bars = transformers_log.is_progress_bar_enabled()
    for log in (transformers_log, diffusers_log):
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        transformers_log.set_verbosity(before[0])
        diffusers_log.set_verbosity(before[1])
        if bars:
            transformers_log.enable_progress_bar()
            diffusers_log.enable_progress_bar()


def pretrained(kind: Any, folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
    """A model of one of the two libraries, complete and from safetensors only. Raises BadWeights."""
    if not folder.is_dir():
        raise BadWeights(f"{folder} is missing; fetch the whole model or name another folder")
    try:
        with quietly():
            model, told = kind.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise BadWeights(f"{folder} cannot be loaded ({' '.join(str(error).split())[:200]}); fetch its files again") from error
    if odd := [*sorted(told.get("missing_keys") or ()), *(told.get("mismatched_keys") or ())]:
        raise BadWeights(f"{folder} lacks {odd[0]}; its files are incomplete, fetch them again")
    return model.to(device).eval().requires_grad_(False)


def tokenizer(folder: Path) -> Any:
    """Raises BadWeights, with a word on sentencepiece where that is what is missing."""
    from transformers import AutoTokenizer

    if not folder.is_dir():
        raise BadWeights(f"{folder} is missing; fetch the whole model or name another folder")
    try:
        with quietly():
            return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError) as error:
        hint = " (pip install sentencepiece may help)" if "sentencepiece" in str(error).lower() else ""
        raise BadWeights(f"the tokenizer in {folder} cannot be loaded{hint}; fetch its files again") from error


def llama_folders(folder: Path, chosen: Path | None) -> tuple[Path, Path]:
    """Folders of Llama's weights and tokenizer. Raises BadWeights with what to do when there is none."""
    inside = folder / "text_encoder_4", folder / "tokenizer_4"
    if chosen is None and all(path.is_dir() for path in inside):
        return inside
    named = chosen or (Path(os.environ["SAYSO_LLAMA"]) if os.environ.get("SAYSO_LLAMA") else folder / "llama")
    if (named / "config.json").is_file():
        return named, named
    raise BadWeights(f"Llama is not at {named}. {NEED_LLAMA}")


@dataclass
class Reader:
    """One text encoder: how to load its model, and what it makes of ids and mask [B, N]."""

    load: Callable[[], Any]
    tokenizer: Any
    tokens: int
    read: Callable[[Any, Tensor, Tensor], Tensor]
    model: Any = None


def _clip(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    return model(ids).text_embeds


def _t5(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    return model(ids, attention_mask=mask)[0]


def _llama(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """All layers' outputs [layers, B, N, ·]; the last one after the final norm. Neither logits nor attention maps are made."""
    return torch.stack(model(ids, attention_mask=mask, output_hidden_states=True, use_cache=False).hidden_states[1:])


class TextEncoders:
    """The four readers. `keep`: they stay in memory between requests."""

    def __init__(self, folder: Path, llama: Path | None, device: torch.device, dtype: torch.dtype, keep: bool):
        from transformers import CLIPTextConfig, CLIPTextModelWithProjection, LlamaModel, T5EncoderModel

        self.device, self.dtype, self.keep = device, dtype, keep
        weights, words = llama_folders(folder, llama)

        def reader(kind: Any, where: Path, tokens: Any, limit: int, read: Callable[[Any, Tensor, Tensor], Tensor]) -> Reader:
            return Reader(lambda: pretrained(kind, where, dtype, device), tokens, limit, read)

        clips = []
        for suffix in ("", "_2"):
            where = folder / f"text_encoder{suffix}"
            if not (where / "config.json").is_file():
                raise BadWeights(f"{where} is missing; fetch the whole model or name another folder")
            positions = CLIPTextConfig.from_pretrained(where, local_files_only=True).max_position_embeddings
            limit = min(TOKENS, CLIP_TOKENS, positions)
            clips.append(reader(CLIPTextModelWithProjection, where, tokenizer(folder / f"tokenizer{suffix}"), limit, _clip))
        of_llama = tokenizer(words)
        of_llama.pad_token, of_llama.padding_side = of_llama.eos_token, "right"
        t5 = reader(T5EncoderModel, folder / "text_encoder_3", tokenizer(folder / "tokenizer_3"), TOKENS, _t5)
        self.readers = (*clips, t5, reader(LlamaModel, weights, of_llama, TOKENS, _llama))
        if keep:
            for one in self.readers:
                one.model = one.load()

    def longest(self, prompt: str) -> int:
        """Tokens of a prompt for the reader that needs most of those that read all of it (T5 and Llama)."""
        return max(len(one.tokenizer(prompt).input_ids) for one in self.readers[2:])

    @torch.no_grad()
    def read(self, prompts: list[str]) -> Words:
        """Raises BadWeights when a reader has to be loaded and cannot be."""
        found = []
        for one in self.readers:
            given = one.tokenizer(prompts, padding="max_length", max_length=one.tokens, truncation=True, return_tensors="pt")
            if one.model is None:
                one.model = one.load()
            found.append(one.read(one.model, given.input_ids.to(self.device), given.attention_mask.to(self.device)).to(self.dtype))
            if not self.keep:
                one.model = None
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
        return Words(found[2], found[3], torch.cat((found[0], found[1]), dim=-1))


class Autoencoder:
    """Pictures to normalised latents and back. Each is worked on alone, so that a batch equals single pictures."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype):
        from diffusers import AutoencoderKL

        self.model = pretrained(AutoencoderKL, folder, dtype, device).to(memory_format=torch.channels_last)
        self.dtype = dtype
        self.scale, self.shift = float(self.model.config.scaling_factor), float(self.model.config.shift_factor or 0.0)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """[1, 3, H, W] in −1..1 → the mode [1, c, H / 8, W / 8] in float32."""
        return ((self.model.encode(x.to(self.dtype)).latent_dist.mode() - self.shift) * self.scale).float()

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """[1, c, h, w] → [1, 3, 8h, 8w] in about −1..1, float32."""
        return self.model.decode((z / self.scale + self.shift).to(self.dtype), return_dict=False)[0].float()
