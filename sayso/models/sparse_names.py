"""The released names of the sparse diffusion transformer, each with its place in our packed parameters.

HiDream-I1, E1 and E1.1 share these names. Single files of other tools put a prefix before them and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from sayso.models.sparse_dit import WAVES, SparseSpec

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "base_model.model.", "")
SIGN = "double_stream_blocks.0.block.adaLN_modulation.1.bias"  # only this architecture has a tensor of this name

Index = tuple[int | slice, ...]


@dataclass(frozen=True)
class Slot:
    """`shape` of a released tensor, and `parameter[index]`, the part of ours that it fills."""

    shape: tuple[int, ...]
    parameter: str
    index: Index = ()

    def view(self, parameters: dict[str, Tensor]) -> Tensor:
        return parameters[self.parameter][self.index]


def _linear(theirs: str, ours: str, out: int, inner: int, first: int | None = None) -> Iterator[tuple[str, Slot]]:
    """Weight and bias; `first`: the row of ours where they begin."""
    index: Index = () if first is None else (slice(first, first + out),)
    yield f"{theirs}.weight", Slot((out, inner), f"{ours}.weight", index)
    yield f"{theirs}.bias", Slot((out,), f"{ours}.bias", index)


def _attention(theirs: str, ours: str, suffix: str, c: int) -> Iterator[tuple[str, Slot]]:
    yield from _linear(f"{theirs}.to_q{suffix}", f"{ours}.to_q", c, c)
    yield from _linear(f"{theirs}.to_k{suffix}", f"{ours}.to_kv", c, c, 0)
    yield from _linear(f"{theirs}.to_v{suffix}", f"{ours}.to_kv", c, c, c)
    yield from _linear(f"{theirs}.to_out{suffix}", f"{ours}.out", c, c)
    yield f"{theirs}.q_rms_norm{suffix}.weight", Slot((c,), f"{ours}.q_norm.weight")
    yield f"{theirs}.k_rms_norm{suffix}.weight", Slot((c,), f"{ours}.k_norm.weight")


def _swiglu(theirs: str, ours: str, c: int, f: int, expert: Index = ()) -> Iterator[tuple[str, Slot]]:
    yield f"{theirs}.w1.weight", Slot((f, c), f"{ours}up.weight", (*expert, slice(0, f)))
    yield f"{theirs}.w3.weight", Slot((f, c), f"{ours}up.weight", (*expert, slice(f, 2 * f)))
    yield f"{theirs}.w2.weight", Slot((c, f), f"{ours}down.weight", expert)


def _experts(theirs: str, ours: str, spec: SparseSpec) -> Iterator[tuple[str, Slot]]:
    yield f"{theirs}.gate.weight", Slot((spec.experts, spec.width), f"{ours}.gate.weight")
    yield from _swiglu(f"{theirs}.shared_experts", f"{ours}.shared.", spec.width, spec.shared_hidden)
    for e in range(spec.experts):
        yield from _swiglu(f"{theirs}.experts.{e}", f"{ours}.", spec.width, spec.hidden, (e,))


def _ends(spec: SparseSpec) -> Iterator[tuple[str, Slot]]:
    """Everything outside the blocks."""
    c = spec.width
    yield from _linear("x_embedder.proj", "patch_in", c, spec.patch_width)
    yield from _linear("t_embedder.timestep_embedder.linear_1", "before.time_in", c, WAVES)
    yield from _linear("t_embedder.timestep_embedder.linear_2", "before.time_out", c, c)
    yield from _linear("p_embedder.pooled_embedder.linear_1", "before.pooled_in", c, spec.pooled_width)
    yield from _linear("p_embedder.pooled_embedder.linear_2", "before.pooled_out", c, c)
    for i in range(spec.blocks):
        yield f"caption_projection.{i}.linear.weight", Slot((c, spec.llama_width), "before.llama", (i,))
    yield f"caption_projection.{spec.blocks}.linear.weight", Slot((c, spec.t5_width), "before.t5.weight")
    yield from _linear("final_layer.adaLN_modulation.1", f"before.heads.{spec.blocks}", 2 * c, c)
    yield from _linear("final_layer.linear", "patch_out", spec.patch_width, c)


def slots(spec: SparseSpec) -> dict[str, Slot]:
    """Released name → slot, for every tensor of a checkpoint; together they fill every parameter of `SparseDiT` exactly once."""
    c = spec.width
    out = dict(_ends(spec))
    for i in range(spec.double):
        theirs, ours = f"double_stream_blocks.{i}.block", f"double_blocks.{i}"
        out.update(_linear(f"{theirs}.adaLN_modulation.1", f"before.heads.{i}", 12 * c, c))
        out.update(_attention(f"{theirs}.attn1", f"{ours}.picture", "", c))
        out.update(_attention(f"{theirs}.attn1", f"{ours}.text", "_t", c))
        out.update(_experts(f"{theirs}.ff_i", f"{ours}.experts", spec))
        out.update(_swiglu(f"{theirs}.ff_t", f"{ours}.mlp.", c, spec.hidden))
    for i in range(spec.single):
        theirs, ours = f"single_stream_blocks.{i}.block", f"single_blocks.{i}"
        out.update(_linear(f"{theirs}.adaLN_modulation.1", f"before.heads.{spec.double + i}", 6 * c, c))
        out.update(_attention(f"{theirs}.attn1", f"{ours}.attention", "", c))
        out.update(_experts(f"{theirs}.ff_i", f"{ours}.experts", spec))
    return out


def released(model: nn.Module, spec: SparseSpec) -> dict[str, Tensor]:
    """The model's tensors under their released names, as views."""
    parameters = {name: p.data for name, p in model.named_parameters()}
    return {name: slot.view(parameters) for name, slot in slots(spec).items()}


def bare(names: list[str]) -> dict[str, str]:
    """Name in a file → released name, by removing the one prefix that the file uses; unchanged when there is none."""
    for prefix in PREFIXES:
        if prefix + SIGN in names:
            return {name: name.removeprefix(prefix) for name in names}
    return {name: name for name in names}
