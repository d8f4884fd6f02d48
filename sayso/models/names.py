"""Names of foreign checkpoints' tensors and ours: each function takes one of theirs and gives ours, or None for a stranger."""

from __future__ import annotations

import re

TOWER = {
    "embeddings.patch_embedding": "patch_in",
    "embeddings.position_embedding": "positions",
    "encoder.layers": "layers",
    "self_attn.q_proj": "qkv.0",
    "self_attn.k_proj": "qkv.1",
    "self_attn.v_proj": "qkv.2",
    "self_attn.out_proj": "out",
    "post_layernorm": "norm",
    "layer_norm": "norm",
    "mlp.": "",
}
GLUE = {
    "connector.fc": "vision.fc",
    "time_embedder.mlp.0.": "time.fc1.",
    "time_embedder.mlp.2.": "time.fc2.",
    "vae2llm.": "patch_in.",
    "llm2vae.": "patch_out.",
    "language_model.lm_head.": "head.",
    "language_model.model.embed_tokens.": "embed.",
    "language_model.model.norm.": "understand_norm.",
    "language_model.model.norm_moe_gen.": "draw_norm.",
}
TABLES = {"latent_pos_embed.pos_embed": "places.weight", "vit_pos_embed.pos_embed": "vision.model_positions.weight"}
LAYER = re.compile(r"language_model\.model\.layers\.(\d+)\.(.+)")
CONVOLUTION = re.compile(
    r"(encoder|decoder)\.(conv_in|conv_out|norm_out|(?:down|up)\.\d+\.block\.\d+\.(?:norm1|conv1|norm2|conv2|nin_shortcut)"
    r"|(?:down|up)\.\d+\.(?:downsample|upsample)\.conv|mid\.block_[12]\.(?:norm1|conv1|norm2|conv2|nin_shortcut)"
    r"|mid\.attn_1\.(?:norm|q|k|v|proj_out))\.(weight|bias)"
)


def bagel(name: str) -> str | None:
    """Ours of a tensor of BAGEL: the parameter of `UnifiedModel` that it fills."""
    if name in TABLES:
        return TABLES[name]
    for theirs, ours in GLUE.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    if name.startswith("vit_model.vision_model."):
        name = name.removeprefix("vit_model.vision_model.")
        for theirs, ours in TOWER.items():
            name = name.replace(theirs, ours)
        return "vision." + name
    if (found := LAYER.fullmatch(name)) is None:
        return None
    expert = "draw" if "_moe_gen" in name else "understand"
    rest = found[2].replace("_moe_gen", "").replace("self_attn.", "attention.")
    return f"layers.{found[1]}.{expert}." + rest.replace("input_layernorm", "input_norm").replace("post_attention_layernorm", "mlp_norm")


def flux_autoencoder(name: str) -> str | None:
    """Ours of a tensor of the FLUX autoencoder in its first names: the parameter of `Autoencoder` that it fills.

    Levels keep their number: 0 has the full resolution in the encoder and in the decoder.
    """
    if CONVOLUTION.fullmatch(name) is None:
        return None
    name = re.sub(r"\.(?:down|up)\.(\d+)", r".levels.\1", name).replace(".block.", ".blocks.")
    for theirs, ours in ((".downsample.conv", ".resample"), (".upsample.conv", ".resample"), (".nin_shortcut", ".shortcut"),
                         (".mid.block_1", ".middle.before"), (".mid.block_2", ".middle.after"), (".mid.attn_1", ".middle.attention"),
                         (".proj_out", ".out")):
        name = name.replace(theirs, ours)
    return name
