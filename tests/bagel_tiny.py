"""A tiny BAGEL checkpoint of random numbers in the released names, and where the parity fixtures lie."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from sayso.types import Picture

WIDTH, LAYERS, HIDDEN, HEADS, KV, HEAD, VOCAB = 32, 2, 48, 2, 1, 16, 300
EYES, EYES_HIDDEN, EYES_LAYERS, EYES_SIDE, SIDE = 16, 24, 1, 10, 12
CODER = (32, (32, 32, 32, 32))
GLUE = {"tokenizer": "ids", "marks": [290, 291], "picture_marks": [292, 293], "draw_first": "7 8", "answer_first": "9 10",
        "latent": {"largest": 128, "smallest": 48, "stride": 16}, "vision": {"largest": 112, "smallest": 42, "stride": 14}}


def parity() -> Path | None:
    """The folder of BAGEL's fixtures: under SAYSO_PARITY, or `shared/parity` beside a folder above this one; None without them."""
    roots = [Path(os.environ["SAYSO_PARITY"])] if "SAYSO_PARITY" in os.environ else [
        up / "shared" / "parity" for up in Path(__file__).resolve().parents]
    return next((root / "bagel" for root in roots if (root / "bagel").is_dir()), None)


def shapes() -> dict[str, tuple[int, ...]]:
    """Released names of everything but the autoencoder."""
    out: dict[str, tuple[int, ...]] = {f"language_model.{name}.weight": (VOCAB, WIDTH) for name in ("model.embed_tokens", "lm_head")}
    for e in ("", "_moe_gen"):
        out[f"language_model.model.norm{e}.weight"] = (WIDTH,)
        for n in range(LAYERS):
            at = f"language_model.model.layers.{n}."
            for name, rows in (("q", HEADS * HEAD), ("k", KV * HEAD), ("v", KV * HEAD)):
                out[f"{at}self_attn.{name}_proj{e}.weight"], out[f"{at}self_attn.{name}_proj{e}.bias"] = (rows, WIDTH), (rows,)
            out[f"{at}self_attn.o_proj{e}.weight"] = (WIDTH, HEADS * HEAD)
            out |= {f"{at}self_attn.{name}_norm{e}.weight": (HEAD,) for name in "qk"}
            out |= {f"{at}mlp{e}.{name}_proj.weight": (HIDDEN, WIDTH) for name in ("gate", "up")}
            out[f"{at}mlp{e}.down_proj.weight"] = (WIDTH, HIDDEN)
            out |= {f"{at}{name}_layernorm{e}.weight": (WIDTH,) for name in ("input", "post_attention")}
    eyes = "vit_model.vision_model."
    pairs = {f"{eyes}embeddings.patch_embedding": (EYES, 588), f"{eyes}post_layernorm": (EYES,), "connector.fc1": (WIDTH, EYES),
             "connector.fc2": (WIDTH, WIDTH), "vae2llm": (WIDTH, 64), "llm2vae": (64, WIDTH), "time_embedder.mlp.0": (WIDTH, 256),
             "time_embedder.mlp.2": (WIDTH, WIDTH)}
    for n in range(EYES_LAYERS):
        at = f"{eyes}encoder.layers.{n}."
        pairs |= {f"{at}self_attn.{name}_proj": (EYES, EYES) for name in ("q", "k", "v", "out")}
        pairs |= {f"{at}mlp.fc1": (EYES_HIDDEN, EYES), f"{at}mlp.fc2": (EYES, EYES_HIDDEN)}
        pairs |= {f"{at}layer_norm{i}": (EYES,) for i in (1, 2)}
    for name, shape in pairs.items():
        out[f"{name}.weight"], out[f"{name}.bias"] = shape, shape[:1]
    return {**out, f"{eyes}embeddings.position_embedding.weight": (EYES_SIDE**2, EYES), "vit_pos_embed.pos_embed": (EYES_SIDE**2, WIDTH),
            "latent_pos_embed.pos_embed": (SIDE**2, WIDTH)}


def coder_shapes() -> dict[str, tuple[int, ...]]:
    """Released names of the autoencoder's tensors."""
    base, widths = CODER
    convs: dict[str, tuple[int, int, int]] = {"encoder.conv_in": (base, 3, 3), "encoder.conv_out": (32, widths[-1], 3),
                                              "decoder.conv_in": (widths[-1], 16, 3), "decoder.conv_out": (3, base, 3)}
    norms = {"encoder.norm_out": widths[-1], "decoder.norm_out": base}

    def residual(at: str, channels: int) -> None:
        convs.update({f"{at}.conv1": (channels, channels, 3), f"{at}.conv2": (channels, channels, 3)})
        norms.update({f"{at}.norm1": channels, f"{at}.norm2": channels})

    for half, way, blocks, moved in (("encoder", "down", 2, "downsample"), ("decoder", "up", 3, "upsample")):
        for level, channels in enumerate(widths):
            for n in range(blocks):
                residual(f"{half}.{way}.{level}.block.{n}", channels)
            if level != (3 if half == "encoder" else 0):
                convs[f"{half}.{way}.{level}.{moved}.conv"] = (channels, channels, 3)
        for n in (1, 2):
            residual(f"{half}.mid.block_{n}", widths[-1])
        norms[f"{half}.mid.attn_1.norm"] = widths[-1]
        convs.update({f"{half}.mid.attn_1.{name}": (widths[-1], widths[-1], 1) for name in ("q", "k", "v", "proj_out")})
    out: dict[str, tuple[int, ...]] = {f"{name}.weight": (o, i, side, side) for name, (o, i, side) in convs.items()}
    out |= {f"{name}.bias": (o,) for name, (o, _, _) in convs.items()}
    return {**out, **{f"{name}.{leaf}": (channels,) for name, channels in norms.items() for leaf in ("weight", "bias")}}


def random_tensors(wanted: dict[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    out = {}
    for name, shape in wanted.items():
        noise = torch.randn(shape, generator=g)
        fan_in = shape[1:].numel() if isinstance(shape, torch.Size) else int(np.prod(shape[1:]))
        out[name] = noise * fan_in**-0.5 if len(shape) > 1 else (1 if name.endswith("weight") else 0) + 0.2 * noise
    return out


def write(folder: Path, glue: dict[str, object] | None = None, seed: int = 0) -> Path:
    """A whole checkpoint in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(random_tensors(shapes(), seed), folder / "ema.safetensors")
    save_file(random_tensors(coder_shapes(), seed + 1), folder / "ae.safetensors")
    (folder / "llm_config.json").write_text(json.dumps({
        "hidden_size": WIDTH, "intermediate_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": KV, "vocab_size": VOCAB, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "hidden_act": "silu",
        "tie_word_embeddings": False}))
    (folder / "vit_config.json").write_text(json.dumps({
        "hidden_size": EYES, "intermediate_size": EYES_HIDDEN, "num_attention_heads": 2, "num_hidden_layers": EYES_LAYERS + 1,
        "patch_size": 14}))
    (folder / "sayso.json").write_text(json.dumps({"bagel": GLUE if glue is None else glue}))
    return folder


def picture(height: int, width: int, seed: int = 0) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    return Picture(pixels)
