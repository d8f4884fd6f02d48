"""Pixels to files and back: png, jpeg, webp, avif, gif; with the note that a model made them, never with the prompt."""

from __future__ import annotations

import io
import warnings
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from sayso import __version__
from sayso.errors import BadInput
from sayso.studio.tools.sizes import on_white
from sayso.types import Picture

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"  # IPTC's word for "made by a model"
MEDIA = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif", "gif": "image/gif"}
QUALITY = 95  # of jpeg and avif when none is asked for


def xmp(said: dict[str, str]) -> bytes:
    """An XMP packet: made by a model, by which software, and our own facts."""
    own = " ".join(f"sayso:{name}={quoteattr(value)}" for name, value in said.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'xmlns:sayso="urn:sayso:picture" xmp:CreatorTool={quoteattr(f"sayso {__version__}")} '
        f'Iptc4xmpExt:DigitalSourceType="{TRAINED}" {own}/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def encode(picture: Picture, kind: str, quality: int | None = None, said: dict[str, str] | None = None) -> bytes:
    """A file of a kind in MEDIA. `quality`: 0–100 for jpeg, webp and avif, None = the best that is sensible (webp: lossless).

    jpeg has no transparency: the picture is laid on white. `said`: facts for the note; None = no note at all. Raises BadInput.
    """
    if kind not in MEDIA:
        raise BadInput(f'pictures cannot be written as "{kind}"; use {", ".join(MEDIA)}')
    note = {} if said is None else {"xmp": xmp(said)}
    opaque = bool((picture.pixels[..., 3] == 255).all())
    pixels = np.ascontiguousarray(picture.pixels[..., :3]) if opaque else picture.pixels
    how: dict[str, Any] = {}
    if kind == "png":
        how = {"compress_level": 4}
        if said is not None:
            chunks = PngImagePlugin.PngInfo()
            chunks.add_itxt("XML:com.adobe.xmp", note["xmp"].decode())
            how["pnginfo"] = chunks
    elif kind == "jpeg":
        pixels = np.ascontiguousarray(on_white(picture).pixels[..., :3])
        how = {"quality": QUALITY if quality is None else max(1, quality), "subsampling": 0} | note
    elif kind == "webp":
        how = ({"lossless": True, "exact": True} if quality is None or quality == 100 else {"quality": quality}) | note
    elif kind == "avif":
        how = {"quality": QUALITY if quality is None else quality} | note
    else:
        how = {"xmp": note["xmp"]} if note else {}
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind.upper(), **how)
    return out.getvalue()


def decode(data: bytes) -> Picture:
    """A file of ours, or one that was decoded and encoded anew when it came in, as pixels. Raises BadInput for anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "AVIF", "GIF")) as image:
                return Picture(np.array(ImageOps.exif_transpose(image).convert("RGBA")))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput("the file is not a picture that can be read; send PNG, JPEG or WebP") from error
