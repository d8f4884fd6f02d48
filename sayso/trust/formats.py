"""Pictures as files: PNG, JPEG, WebP, AVIF and GIF, told by their first bytes, and what every file says of itself in words.

JPEG and GIF cannot hold soft transparency: JPEG is laid on white, GIF keeps what is more than half opaque.
"""

from __future__ import annotations

import io
import warnings
from xml.sax.saxutils import quoteattr

import numpy as np

from sayso import __version__
from sayso.errors import BadInput, Unknown
from sayso.trust.manifest import TRAINED
from sayso.types import Record

MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif", "gif": "image/gif"}
LARGEST = 64_000_000  # pixels that are decoded
COMPRESSION = 4  # of 9, of a PNG: a third of the time of Pillow's own 6 for 3 % more bytes
QUALITY = {"jpeg": 95, "avif": 90}  # where none is asked; PNG is lossless, and so is WebP without a quality


def kind(name: str) -> str:
    """The format of a suffix or name (".jpg", "PNG", "webp"); raises Unknown."""
    word = name.lower().lstrip(".")
    word = "jpeg" if word == "jpg" else word
    if word not in MEDIA_TYPES:
        raise Unknown("picture format", name, tuple(MEDIA_TYPES))
    return word


def sniff(data: bytes) -> str | None:
    """The media type that a file's first bytes tell, None for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if data[4:8] == b"ftyp" and any(brand in data[8:40] for brand in (b"avif", b"avis")):
        return "image/avif"
    return None


def decode(data: bytes) -> np.ndarray:
    """A file's first picture, upright: uint8 [H, W, 4]. Raises BadInput for what is no picture, damaged, or far too large."""
    from PIL import Image, ImageOps

    media = sniff(data)
    if media is None:
        raise BadInput("the file is not a PNG, JPEG, WebP, AVIF or GIF picture; convert it to one of these")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=(media.removeprefix("image/").upper(),)) as image:
                if image.width * image.height > LARGEST:
                    raise BadInput(f"the picture has {image.width}x{image.height} pixels, more than {LARGEST:,}; make it smaller")
                return np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))
    except BadInput:
        raise
    except Exception as error:  # a decoder may raise nearly anything on damaged data
        raise BadInput(f"the picture cannot be decoded ({type(error).__name__}); it may be cut off or damaged") from error


def notes(record: Record) -> dict[str, str]:
    """What a file says about itself: that a model made it, which, and the seed. Never the prompt, which may be private."""
    said = {"Software": f"sayso {__version__}", "Source": f"AI-generated ({TRAINED})", "Seed": str(record.seed), "Engine": record.engine}
    return said | ({"Weights": record.weights} if record.weights else {})


def xmp(said: dict[str, str]) -> bytes:
    """The same notes as an XMP packet, the form that picture programs read in every format."""
    own = " ".join(f"sayso:{key.lower()}={quoteattr(said[key])}" for key in ("Engine", "Seed", "Weights") if key in said)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'xmlns:sayso="urn:sayso:picture" xmp:CreatorTool={quoteattr(said["Software"])} '
        f'Iptc4xmpExt:DigitalSourceType="{TRAINED}" {own}/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def encode(pixels: np.ndarray, kind: str, quality: int | None, said: dict[str, str]) -> bytes:
    """uint8 [H, W, 4] straight alpha → a file of a kind of MEDIA_TYPES. `quality` 1..100 for JPEG, WebP and AVIF.

    Raises BadInput for a quality where the format has none.
    """
    from PIL import Image, PngImagePlugin

    if quality is not None and (kind in ("png", "gif") or not 1 <= quality <= 100):
        raise BadInput(f"quality {quality} cannot be used for {kind}; it goes from 1 to 100 and belongs to jpeg, webp and avif")
    out, packet = io.BytesIO(), xmp(said)
    opaque = bool((pixels[..., 3] == 255).all())
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :3]) if opaque else pixels)
    if kind == "jpeg":
        if not opaque:
            alpha = pixels[..., 3:].astype(np.float64) / 255
            image = Image.fromarray((pixels[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8))
        image.save(out, "JPEG", quality=quality or QUALITY["jpeg"], subsampling=0, xmp=packet)
    elif kind == "webp" and quality is None:
        image.save(out, "WEBP", lossless=True, exact=True, xmp=packet)
    elif kind == "webp":
        image.save(out, "WEBP", quality=quality, xmp=packet)
    elif kind == "avif":
        image.save(out, "AVIF", quality=quality or QUALITY["avif"], subsampling="4:4:4", xmp=packet)
    elif kind == "gif":
        image.save(out, "GIF", comment=f"{said['Software']}; {said['Source']}".encode())
    else:
        chunks = PngImagePlugin.PngInfo()
        for key, value in said.items():
            chunks.add_text(key, value)
        chunks.add_itxt("XML:com.adobe.xmp", packet.decode())
        image.save(out, "PNG", pnginfo=chunks, compress_level=COMPRESSION)
    return out.getvalue()
