"""Files that are whole or not there: names that are free, encoding, and writing that a full disk or Ctrl-C cannot tear."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.sax.saxutils import quoteattr

import numpy as np

from sayso import __version__
from sayso.errors import BadInput, CannotWrite

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"  # IPTC's word for "made by a model"
REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space and draw again",
    errno.EDQUOT: "your disk quota is used up; free some space and draw again",
    errno.EFBIG: "the file would be larger than allowed here; ask for a smaller --size",
    errno.EACCES: "you may not write there; choose another folder with -o",
    errno.EPERM: "you may not write there; choose another folder with -o",
    errno.EROFS: "that disk is read-only; choose another folder with -o",
    errno.ENOENT: "the folder does not exist; create it or choose another with -o",
    errno.ENOTDIR: "a part of that path is a file; choose another folder with -o",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one with -o",
}


def cannot_write(path: Path, error: OSError) -> CannotWrite:
    """The error for a person, with a remedy for the usual causes."""
    return CannotWrite(f'cannot write "{path}": {REMEDIES.get(error.errno or 0, error.strerror or "unknown cause")}')


def numbered(path: Path, count: int) -> list[Path]:
    """a.png for one picture; a-1.png, a-2.png … for several."""
    return [path] if count == 1 else [path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(1, count + 1)]


def names(chosen: Path, count: int, force: bool) -> list[Path]:
    """The files that a person named; raises CannotWrite when one exists and `force` is off, or is a folder or no name."""
    paths = numbered(chosen, count)
    for path in paths:
        try:
            os.lstat(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise cannot_write(path, error) from error
        if os.path.isdir(path):
            raise CannotWrite(f'"{path}" is a folder; choose another name with -o')
        if not force:
            raise CannotWrite(f'"{path}" exists already; choose another name with -o or overwrite it with --force')
    return paths


def free_names(folder: Path, stem: str, count: int) -> list[Path]:
    """The first of stem.png, stem-2.png, stem-3.png … of which nothing exists yet."""
    turn = 1
    while True:
        paths = numbered(folder / f"{stem}{'' if turn == 1 else f'-{turn}'}.png", count)
        if not any(os.path.lexists(path) for path in paths):
            return paths
        turn += 1


def probe(folder: Path) -> None:
    """Raises CannotWrite unless a file can be made in the folder; leaves nothing there."""
    trial = folder / f".sayso-{secrets.token_hex(8)}.part"
    try:
        os.close(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(trial)
    except OSError as error:
        raise cannot_write(folder, error) from error


def notes(origin: dict[str, object], seed: int) -> dict[str, str]:
    """What a file says about itself: that a model made it, which, and the seed. Never the prompt, which may be private."""
    said = {"Software": f"sayso {__version__}", "Source": f"AI-generated ({TRAINED})", "Seed": str(seed)}
    for key in ("engine", "weights"):
        if isinstance(value := origin.get(key), str):
            said[key.capitalize()] = value
    return said


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


def encode(pixels: np.ndarray, suffix: str, said: dict[str, str]) -> bytes:
    """uint8 [H, W, 4] straight alpha → the bytes of a file. JPEG has no transparency: the picture is laid on white."""
    from PIL import Image, PngImagePlugin

    out = io.BytesIO()
    if suffix.lower() in (".jpg", ".jpeg"):
        alpha = pixels[..., 3:].astype(np.float64) / 255
        flat = (pixels[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
        Image.fromarray(flat).save(out, "JPEG", quality=95, subsampling=0, xmp=xmp(said))
    elif suffix.lower() == ".webp":
        Image.fromarray(pixels).save(out, "WEBP", lossless=True, exact=True, xmp=xmp(said))
    elif suffix.lower() == ".png":
        chunks = PngImagePlugin.PngInfo()
        for key, value in said.items():
            chunks.add_text(key, value)
        chunks.add_itxt("XML:com.adobe.xmp", xmp(said).decode())
        opaque = bool((pixels[..., 3] == 255).all())
        Image.fromarray(np.ascontiguousarray(pixels[..., :3]) if opaque else pixels).save(out, "PNG", pnginfo=chunks)
    else:
        raise BadInput(f'pictures cannot be written as "{suffix}"; use .png, .webp or .jpg')
    return out.getvalue()


class Batch:
    """Several files that appear together or not at all: each is written beside its place, then all are moved there.

    Used as a context manager; leaving it without `publish`, by an error or Ctrl-C, leaves nothing behind.
    """

    def __init__(self, force: bool):
        self.force = force
        self.waiting: list[tuple[Path, Path]] = []  # (part, final)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for part, _ in self.waiting:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def add(self, path: Path, data: bytes) -> None:
        """Writes the bytes to disk beside `path`; raises CannotWrite."""
        part = path.with_name(f".sayso-{secrets.token_hex(8)}.part")
        self.waiting.append((part, path))
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(path, error) from error

    def publish(self) -> list[Path]:
        """Moves every file to its place; raises CannotWrite, and takes back new files, when one cannot be moved."""
        placed: list[Path] = []
        try:
            for part, path in self.waiting:
                if self.force:
                    os.replace(part, path)
                else:
                    _place_new(part, path)
                    placed.append(path)
        except BaseException as error:
            for path in placed:
                path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise cannot_write(path, error) from error
            raise
        return [path for _, path in self.waiting]


def _place_new(part: Path, path: Path) -> None:
    """Moves `part` to `path` but never over a file that came to be there meanwhile."""
    try:
        os.link(part, path)  # fails when the name is taken, unlike a rename
        part.unlink()
    except FileExistsError:
        raise CannotWrite(f'"{path}" came to be while drawing; choose another name with -o or overwrite it with --force') from None
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise
        os.replace(part, path)
