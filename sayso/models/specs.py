"""Architectures as frozen values: the pocket model and BAGEL are two values over the same classes."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass


class Prediction(enum.Enum):
    """What the draw head puts out: the clean data x, or the velocity v = noise − data."""

    DATA = "data"
    VELOCITY = "velocity"


@dataclass(frozen=True)
class VisionSpec:
    """A SigLIP-style vision transformer whose rows join the sequence as understand rows.

    `model_table`: a second table of places, of the unified model's width, is added to its rows.
    """

    channels: int
    patch: int
    width: int
    hidden: int
    layers: int
    heads: int
    table_side: int  # learned position table has table_side ** 2 rows
    norm_eps: float
    model_table: bool


@dataclass(frozen=True)
class UnifiedSpec:
    """A mixture-of-transformers: two experts (understand, draw) of one shape that share self-attention.

    `rope_axes`: channel pairs given to each position axis, summing to head_width / 2. `rope_thetas`: base per axis.
    A model with one axis counts blocks; the pocket model has three (sequence, row, column).
    """

    vocab: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    hidden: int
    qkv_bias: bool
    norm_eps: float
    rope_axes: tuple[int, ...]
    rope_thetas: tuple[float, ...]
    tied_head: bool
    patch_channels: int  # values of one patch token
    bottleneck: int | None  # width between the two patch-embedding linears, None = a single linear
    prediction: Prediction
    time_scale: float  # t in 0..1 is multiplied by this before the sine table
    vision: VisionSpec | None
    table_side: int | None  # places of patches are a table of table_side ** 2 rows, None = sines of their coordinates
    marks: tuple[int, int] | None  # pieces that stand before and after a picture, as understand rows of its block

    def __post_init__(self) -> None:
        assert 2 * sum(self.rope_axes) == self.head_width and len(self.rope_axes) == len(self.rope_thetas)
        assert self.heads % self.kv_heads == 0

    def to_dict(self) -> dict[str, object]:
        return {**asdict(self), "prediction": self.prediction.value}

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> UnifiedSpec:
        """Inverse of `to_dict`, also after a trip through JSON. Raises TypeError on a missing or unknown field.

        The first weights were saved before `table_side` and `marks` were fields; they have neither.
        """
        values = {"table_side": None, "marks": None, **values}
        vision = values["vision"]
        fixed = {
            "rope_axes": tuple(values["rope_axes"]),  # type: ignore[arg-type]
            "rope_thetas": tuple(values["rope_thetas"]),  # type: ignore[arg-type]
            "prediction": Prediction(values["prediction"]),
            "vision": None if vision is None else VisionSpec(**vision),  # type: ignore[arg-type]
            "marks": None if values["marks"] is None else tuple(values["marks"]),  # type: ignore[arg-type]
        }
        return cls(**{**values, **fixed})  # type: ignore[arg-type]


@dataclass(frozen=True)
class CanvasSpec:
    """How the draw expert sees a picture: square patches of premultiplied RGBA, about `tokens` of them."""

    patch: int
    tokens: int

    @property
    def side(self) -> int:
        """Pixels along a square picture."""
        return self.patch * round(self.tokens**0.5)


def pocket(depth: int, vocab: int, patch: int) -> UnifiedSpec:
    """The bundled model. `depth` is the one dial: layers = depth, width = 32 · depth, heads of 64.

    depth 8 (14.7 M parameters) is the laptop size, depth 12 with patches of 16 (45.7 M) the GPU size.
    """
    width = 32 * depth
    return UnifiedSpec(
        vocab=vocab,
        width=width,
        layers=depth,
        heads=max(1, width // 64),
        kv_heads=max(1, width // 64),
        head_width=64,
        hidden=-(-8 * width // 3 // 64) * 64,  # 8/3 of the width, rounded up to a multiple of 64
        qkv_bias=False,
        norm_eps=1e-6,
        rope_axes=(8, 12, 12),
        rope_thetas=(1000.0, 100.0, 100.0),
        tied_head=True,
        patch_channels=4 * patch * patch,
        bottleneck=64 if patch <= 8 else 128,
        prediction=Prediction.DATA,
        time_scale=1000.0,
        vision=None,
        table_side=None,
        marks=None,
    )


BAGEL_7B = UnifiedSpec(  # ByteDance Seed, "Emerging Properties in Unified Multimodal Pretraining" (2025)
    vocab=152064,
    width=3584,
    layers=28,
    heads=28,
    kv_heads=4,
    head_width=128,
    hidden=18944,
    qkv_bias=True,
    norm_eps=1e-6,
    rope_axes=(64,),
    rope_thetas=(1e6,),
    tied_head=False,
    patch_channels=64,
    bottleneck=None,
    prediction=Prediction.VELOCITY,
    time_scale=1.0,
    vision=VisionSpec(channels=3, patch=14, width=1152, hidden=4304, layers=26, heads=16, table_side=70, norm_eps=1e-6, model_table=True),
    table_side=64,
    marks=(151652, 151653),
)


@dataclass(frozen=True)
class AutoencoderSpec:
    """A convolutional autoencoder of pictures. `multipliers`: channels of each level over `channels`; each but the last halves the sides.

    A latent is scale · (z − shift).
    """

    channels: int
    multipliers: tuple[int, ...]
    blocks: int  # residual blocks of an encoder level; a decoder level has one more
    latent_channels: int
    scale: float
    shift: float

    @property
    def factor(self) -> int:
        """Pixels along a side of one latent pixel."""
        return 1 << (len(self.multipliers) - 1)


FLUX_AUTOENCODER = AutoencoderSpec(channels=128, multipliers=(1, 2, 4, 4), blocks=2, latent_channels=16, scale=0.3611, shift=0.1159)
