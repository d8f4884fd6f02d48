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
        marked = watermark.embed(pixels, value, watermark_key(identity), alone)
        if (kept := untouched(pixels, record)) is not None:
            mixed = np.where(kept[..., None], pixels, marked.pixels)
            found = watermark.read(mixed, watermark_key(identity), thorough=False)
            legible = found is not None and found.value == value
            marked = replace(marked, pixels=mixed, sure=marked.sure and legible, readable=marked.readable and legible)
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


def untouched(pixels: np.ndarray, record: Record) -> np.ndarray | None:
    """bool [H, W]: what an edit of a part, by mask or by hand, left exactly as its parent has it; None when there is no such thing.

    These pixels stay as they are and go on carrying the mark of the parent, since whoever changes a part is promised the rest.
    """
    if record.action != "edited" or not (record.settings.get("mask") or record.settings.get("tool")):
        return None
    parent = next((one for one in record.parents if one.relation == "parentOf"), None)
    before = None if parent is None else formats.decode(parent.data)
    if before is None or before.shape != pixels.shape:
        return None
    same: np.ndarray = (before == pixels).all(-1)
    return same if same.any() else None


def watermark_key(identity: Identity) -> bytes:
    """The key of the mark, from the secret of this installation."""
    return hashlib.sha256(b"mark\0" + identity.secret).digest()


def sealed(picture: Picture, record: Record, kind: str, quality: int | None = None, folder: Path | None = None) -> Sealed:
    """Seals one picture with the settings of this process. `folder` moves keys and log."""
    return Sealer(None if folder is None else Settings(folder=folder)).seal(picture, record, kind, quality)
