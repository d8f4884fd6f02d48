"""A folder with BAGEL's files, judged without reading a weight: architectures from its configurations and its tensors' shapes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from sayso.engines import checkpoints, shards
from sayso.engines.bagel import glue as glues
from sayso.engines.bagel.glue import Glue
from sayso.engines.shards import Entry
from sayso.errors import BadWeights
from sayso.models import names
from sayso.models.codecs.vae import GROUPS, Autoencoder
from sayso.models.specs import FLUX_AUTOENCODER, AutoencoderSpec, Prediction, UnifiedSpec, VisionSpec
from sayso.models.unified import UnifiedModel


@dataclass(frozen=True)
class Checkpoint:
    """`tensors`, `codec`: our names → where the bytes are, complete for the two architectures."""

    folder: Path
    spec: UnifiedSpec
    autoencoder: AutoencoderSpec
    glue: Glue
    tensors: Mapping[str, Entry]
    codec: Mapping[str, Entry]


def place(weights: Path | None) -> Path:
    """The folder to use: the one given, or the first of the usual ones. Raises BadWeights when there is none."""
    return checkpoints.folder(glues.CHECKPOINT, weights)


def examine(folder: Path, picture_marks: tuple[int, int] | None = None) -> Checkpoint:
    """Everything that can be known without memory. `picture_marks`: the tokenizer's, for a folder that does not override them.

    Raises BadWeights for a file that is missing, truncated, pickled, of other shapes or of another architecture.
    """
    glue = glues.of_folder(folder)
    entries = shards.find(folder, glues.WEIGHTS)
    codec = shards.find(folder, glues.AUTOENCODER)
    spec = _spec(folder, entries, glue.picture_marks or picture_marks)
    autoencoder = _autoencoder(codec)
    with torch.device("meta"):
        model, coder = UnifiedModel(spec), Autoencoder(autoencoder)
    return Checkpoint(folder, spec, autoencoder, glue, shards.match(entries, names.bagel, shapes(model)),
                      shards.match(codec, names.flux_autoencoder, shapes(coder)))


def shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _spec(folder: Path, entries: Mapping[str, Entry], marks: tuple[int, int] | None) -> UnifiedSpec:
    words, eyes = (_config(folder / f"{kind}_config.json") for kind in ("llm", "vit"))
    try:
        heads, width = _count(words, "num_attention_heads"), _count(words, "hidden_size")
        if words.get("hidden_act", "silu") != "silu" or words.get("tie_word_embeddings", False):
            raise ValueError("only an untied head and the activation silu are known")
        vision = VisionSpec(
            channels=_count(eyes, "num_channels", 3), patch=_count(eyes, "patch_size"), width=_count(eyes, "hidden_size"),
            hidden=_count(eyes, "intermediate_size"), layers=_count(eyes, "num_hidden_layers") - 1,  # the release drops the last
            heads=_count(eyes, "num_attention_heads"), table_side=_side(entries, "vit_pos_embed.pos_embed"),
            norm_eps=float(eyes.get("layer_norm_eps", 1e-6)), model_table=True,  # type: ignore[arg-type]
        )
        return UnifiedSpec(
            vocab=_count(words, "vocab_size"), width=width, layers=_count(words, "num_hidden_layers"), heads=heads,
            kv_heads=_count(words, "num_key_value_heads"), head_width=width // heads, hidden=_count(words, "intermediate_size"),
            qkv_bias=True, norm_eps=float(words["rms_norm_eps"]), rope_axes=(width // heads // 2,),  # type: ignore[arg-type]
            rope_thetas=(float(words["rope_theta"]),), tied_head=False,  # type: ignore[arg-type]
            patch_channels=_shape(entries, "vae2llm.weight")[1], bottleneck=None, prediction=Prediction.VELOCITY, time_scale=1.0,
            vision=vision, table_side=_side(entries, "latent_pos_embed.pos_embed"), marks=marks,
        )
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise BadWeights(f"the configuration in {folder} does not describe a BAGEL model ({error}); fetch its files again") from error


def _config(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError("it is not a table")
        return found
    except FileNotFoundError:
        raise BadWeights(f"{path.parent} lacks {path.name}; fetch the checkpoint's configuration too") from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BadWeights(f"{path} is damaged ({error}); fetch the file again") from error


def _count(config: Mapping[str, object], name: str, default: int | None = None) -> int:
    value = config.get(name, default)
    if not isinstance(value, int) or not 1 <= value <= 1 << 20 or (name.endswith("layers") and value > 1000):
        raise ValueError(f"{name} is {value}")
    return value


def _shape(entries: Mapping[str, Entry], name: str) -> tuple[int, ...]:
    if name not in entries or len(entries[name].shape) != 2:
        raise ValueError(f"the weights lack {name}")
    return entries[name].shape


def _side(entries: Mapping[str, Entry], name: str) -> int:
    """A table's side from its rows: published configurations name another one."""
    rows = _shape(entries, name)[0]
    if math.isqrt(rows) ** 2 != rows:
        raise ValueError(f"{name} has {rows} rows, which is no square")
    return math.isqrt(rows)


def _autoencoder(entries: Mapping[str, Entry]) -> AutoencoderSpec:
    """The autoencoder's numbers from its shapes; the latents' scale and shift are FLUX.1's."""

    def rows(name: str) -> int:
        if name not in entries or not entries[name].shape:
            raise BadWeights(f"the autoencoder lacks {name}; it belongs to another architecture")
        return entries[name].shape[0]

    channels = rows("encoder.conv_in.weight")
    widths: list[int] = []
    while f"encoder.down.{len(widths)}.block.0.conv1.weight" in entries:
        widths.append(rows(f"encoder.down.{len(widths)}.block.0.conv1.weight"))
    blocks = sum(f"encoder.down.0.block.{i}.conv1.weight" in entries for i in range(16))
    if not widths or channels % GROUPS or any(width % channels for width in widths):
        raise BadWeights("the autoencoder's channels are not those of FLUX.1's kind; it belongs to another architecture")
    return AutoencoderSpec(channels, tuple(width // channels for width in widths), blocks, rows("encoder.conv_out.weight") // 2,
                           FLUX_AUTOENCODER.scale, FLUX_AUTOENCODER.shift)


def fingerprint(folder: Path) -> str:
    """The sha256 of the weights' file that `sayso pull` recorded, "" where nothing was recorded."""
    for name in glues.WEIGHTS:
        if os.path.exists(folder / name):
            return checkpoints.recorded(folder).get(name, "")
    return ""
