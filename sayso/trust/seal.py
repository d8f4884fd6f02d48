"""Sealing: mark, encode, sign, remember. What comes out of `Sealer.seal` is all that a person ever gets."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sayso.errors import BadInput, SaysoError
from sayso.trust import certificates, fingerprint, formats, provenance, watermark
from sayso.trust.audit import Audit
from sayso.trust.certificates import Identity
from sayso.trust.log import Entry, Log
from sayso.trust.manifest import definition, salted
from sayso.trust.settings import Settings, from_environment
from sayso.trust.watermark import Marked
from sayso.types import Picture, Record, Sealed


@dataclass(frozen=True)
class Parts:
    """A sealed picture in pieces. `store`: its manifests, for keeping beside the file. `marked`: its mark survives a recompression."""

    sealed: Sealed
    store: bytes
    marked: bool
    stamped: bool


class Sealer:
    """Our own sealer. Keys and log are made on first use, in the trust folder."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = from_environment() if settings is None else settings
        self._identity: Identity | None = None
        self._loaded = datetime.datetime.min.replace(tzinfo=datetime.UTC)
        self.log = Log(self.settings.folder / "pictures.sqlite")
        self.audit = Audit(self.settings.folder / "audit.jsonl")

    @property
    def identity(self) -> Identity:
        """Who signs; looked at anew every hour, so that a long-running server renews its certificate in time."""
        now = datetime.datetime.now(datetime.UTC)
        if self._identity is None or now - self._loaded > datetime.timedelta(hours=1):
            self._identity, self._loaded = certificates.load(self.settings), now
        return self._identity

    def seal(self, picture: Picture, record: Record, kind: str, quality: int | None) -> Sealed:
        """The finished file of a picture: marked, signed, and entered in the log. Raises SaysoError and gives nothing out otherwise."""
        return self.parts(picture, record, kind, quality).sealed

    def parts(self, picture: Picture, record: Record, kind: str, quality: int | None, sidecar: bool = False) -> Parts:
        """As `seal`, with the manifest store apart; with `sidecar` it is not put into the file."""
        kind = formats.kind(kind)
        if sum(parent.relation == "parentOf" for parent in record.parents) > 1:
            raise BadInput("a picture has more than one parent that was edited; name the others as references")
        identity = self.identity
        pixels = np.ascontiguousarray(picture.pixels)
        shape = f"{picture.width}x{picture.height} "
        digest = hashlib.sha256(shape.encode() + pixels.tobytes()).hexdigest()
        value = self.log.reserve(digest, identity.secret)
        looks = fingerprint.looks(pixels)
        alone = max(look.quality for look in looks) < fingerprint.QUALITY
        marked = _kept(watermark.embed(pixels, value, watermark_key(identity), alone), pixels, record.kept, value, watermark_key(identity))
        data = formats.encode(marked.pixels, kind, quality, formats.notes(record))
        signed, store, stamped = self._signed(data, kind, record, f"{value:08x}" if marked.readable else None, identity, sidecar)
        made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        entry = Entry(value, digest, made, record.engine, record.weights, str(record.seed), record.action, kind, picture.width,
                      picture.height, salted(record.prompt, identity.secret), stamped)
        self.log.add(entry, looks)
        return Parts(Sealed(signed, entry.id, formats.MEDIA_TYPES[kind]), store, marked.sure, stamped)

    def _signed(
        self, data: bytes, kind: str, record: Record, mark: str | None, identity: Identity, sidecar: bool
    ) -> tuple[bytes, bytes, bool]:
        """The signed file, its store, and whether a timestamp server vouched for the time."""
        ingredients = [provenance.ingredient(parent, place, identity) for place, parent in enumerate(record.parents)]
        told = definition(record, ingredients, f"picture.{kind}", mark, identity.secret, self.settings.tell_prompt == "yes")
        media = formats.MEDIA_TYPES[kind]
        server = self.settings.timestamps
        if server is not None:
            try:
                return (*provenance.sign(data, media, told, ingredients, identity, server, sidecar), True)
            except SaysoError as error:
                if self.settings.timestamps_required == "yes":
                    failed = f"no timestamp could be had from {server}, and one is required; the picture was not given out"
                    raise SaysoError(failed) from error
                self.audit.write("timestamp failed", {"server": server, "reason": str(error)})
        return (*provenance.sign(data, media, told, ingredients, identity, None, sidecar), False)


def _kept(marked: Marked, pixels: np.ndarray, kept: np.ndarray | None, value: int, key: bytes) -> Marked:
    """The marked picture with the kept pixels as they were handed in; what is left of the mark is told only if it can be read."""
    if kept is None:
        return marked
    assert kept.shape == pixels.shape[:2], (kept.shape, pixels.shape)
    mixed = np.where(kept[..., None], pixels, marked.pixels)
    found = watermark.read(mixed, key, thorough=False)
    legible = found is not None and found.value == value
    return replace(marked, pixels=mixed, sure=marked.sure and legible, readable=marked.readable and legible)


def watermark_key(identity: Identity) -> bytes:
    """The key of the mark, from the secret of this installation."""
    return hashlib.sha256(b"mark\0" + identity.secret).digest()


def sealed(picture: Picture, record: Record, kind: str, quality: int | None = None, folder: Path | None = None) -> Sealed:
    """Seals one picture with the settings of this process. `folder` moves keys and log."""
    return Sealer(None if folder is None else Settings(folder=folder)).seal(picture, record, kind, quality)
