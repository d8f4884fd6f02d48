"""Pictures on their way into the model: laid on white, resized by the released rule, as numbers in −1..1."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sayso.engines.bagel.glue import Resize
from sayso.errors import BadInput
from sayso.types import Picture

MOST = 200  # longest side over shortest that a picture may have


def on_white(picture: Picture) -> Image.Image:
    """RGB, with what is transparent laid on white. Raises BadInput for a picture that is hardly one."""
    if min(picture.width, picture.height) < 1 or max(picture.width, picture.height) > MOST * min(picture.width, picture.height):
        raise BadInput(f"a picture of {picture.width}x{picture.height} pixels is too narrow to be read; crop it first")
    image = Image.fromarray(picture.pixels, "RGBA")
    if int(picture.pixels[..., 3].min()) == 255:
        return image.convert("RGB")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=image.getchannel("A"))
    return white


def resized(image: Image.Image, rule: Resize, among: int = 1) -> Image.Image:
    """By the released rule, bicubic; `among`: pictures that share the rule's area."""
    size = rule.size(image.width, image.height, among)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def values(image: Image.Image) -> Tensor:
    """float32 [1, 3, H, W] in −1..1."""
    pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None]
    return (pixels.float() / 255 - 0.5) / 0.5
