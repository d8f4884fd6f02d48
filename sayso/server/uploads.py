"""Pictures that strangers send: bounded, decoded by three decoders only, turned upright, and kept as pixels alone.

What is kept is always encoded anew, so that position data, comments, prompts in notes and files hidden behind a picture
are gone. Nothing here writes a file.
"""

from __future__ import annotations

import base64
import binascii
import io
import threading
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from sayso.server.errors import ApiError, refused
from sayso.types import Picture

CHECKED = ("AVIF",)  # what we also give out ourselves: read where a file is only looked at and not kept
FORMATS = ("PNG", "JPEG", "WEBP")  # anything else Pillow would open includes formats that run programs (EPS)
MASK_BYTES = 4 * 2**20
_at_once = threading.BoundedSemaphore(2)  # decoded pictures are large; two at a time bound the memory


@dataclass(frozen=True)
class Limits:
    """Bounds of one picture: bytes of its file, pixels, pixels along a side, frames."""

    file_bytes: int = 50 * 2**20
    pixels: int = 24_000_000
    side: int = 8192
    frames: int = 1


def decode(data: bytes, name: str, limits: Limits, also: tuple[str, ...] = ()) -> Picture:
    """A file's pixels, upright, as sRGB with alpha. `name`: the field, for the message; `also`: more formats. Raises ApiError 400."""
    if not data:
        raise refused(name, f"'{name}' is an empty file; send a png, webp or jpeg", "empty_image_file")
    if len(data) > limits.file_bytes:
        raise refused(name, f"'{name}' has {len(data)} bytes; send at most {limits.file_bytes}", "image_file_too_large")
    with _at_once:
        return Picture(np.ascontiguousarray(_pixels(data, name, limits, FORMATS + also)))


def _pixels(data: bytes, name: str, limits: Limits, formats: tuple[str, ...]) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data), formats=formats) as image:
                _bound(image, name, limits)
                image.load()
                upright = ImageOps.exif_transpose(image)
                return np.asarray(_eight_bits(upright).convert("RGBA"))
    except ApiError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise refused(name, f"'{name}' would unpack to too many pixels; send at most {limits.pixels}", "image_too_large") from error
    except Image.UnidentifiedImageError as error:
        raise refused(name, f"'{name}' is not a png, webp or jpeg; convert it to one of them", "unsupported_image_media_type") from error
    except Exception as error:  # decoders raise anything for files made to break them
        raise refused(name, f"'{name}' is damaged or cut off; send the whole file again", "image_parse_error") from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen-bit greys as eight bits; Pillow would clip them instead of scaling."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray((np.clip(values, 0, 65535) // 257).astype(np.uint8))
    return image


def _bound(image: Image.Image, name: str, limits: Limits) -> None:
    """Checks what the header says, before any pixel is unpacked."""
    width, height = image.size
    if width * height > limits.pixels or max(width, height) > limits.side:
        raise refused(
            name, f"'{name}' is {width}x{height}; send at most {limits.pixels} pixels and {limits.side} along a side", "image_too_large"
        )
    if getattr(image, "n_frames", 1) > limits.frames:
        raise refused(name, f"'{name}' is a moving picture; send a still one", "invalid_image")


def png(picture: Picture) -> bytes:
    """The pixels as a plain PNG without any notes."""
    out = io.BytesIO()
    Image.fromarray(picture.pixels).save(out, "PNG", compress_level=3)
    return out.getvalue()


def mask_of(picture: Picture, first: Picture, name: str = "mask") -> Picture:
    """A mask that says only one thing: alpha 0 where it was fully transparent, else 255. Raises ApiError 400 for another size
    or nothing to edit."""
    if picture.pixels.shape != first.pixels.shape:
        raise refused(
            name,
            f"the mask is {picture.width}x{picture.height} but the first image is {first.width}x{first.height}; make them the same size",
            "invalid_image",
        )
    where = picture.pixels[..., 3] == 0
    if not where.any():
        raise refused(
            name, "the mask has no fully transparent pixel, so nothing may change; make the part to edit transparent", "invalid_image_mode"
        )
    plain = np.full(picture.pixels.shape, 255, dtype=np.uint8)
    plain[where, 3] = 0
    return Picture(plain)


def from_base64(text: str, name: str, limits: Limits) -> Picture:
    """A picture from base64. Raises ApiError 400."""
    if len(text) > limits.file_bytes * 4 // 3 + 8:
        raise refused(name, f"'{name}' holds more than {limits.file_bytes} bytes; send a smaller picture", "image_file_too_large")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refused(
            name, f"'{name}' is not base64; encode the file's bytes with the standard alphabet", "invalid_base64_image"
        ) from error
    return decode(data, name, limits)


def from_data_url(url: str, name: str, limits: Limits) -> Picture:
    """A picture from "data:image/png;base64,…". Raises ApiError 400."""
    head, comma, body = url.partition(",")
    kind = head.removeprefix("data:").lower()
    if not comma or kind not in ("image/png;base64", "image/jpeg;base64", "image/jpg;base64", "image/webp;base64"):
        raise refused(
            name,
            f"'{name}' is not a data URL of a png, webp or jpeg in base64; write data:image/png;base64,…",
            "unsupported_image_media_type",
        )
    return from_base64(body, name, limits)
