"""The part of the studio that keeps things: pictures, uploads, documents. Every call is one owner's; see `service`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sayso.storage import library
from sayso.storage import marks as finding
from sayso.storage.pages import new_id, now
from sayso.storage.rows import Document, Key, Page, StoredFile, StoredPicture
from sayso.studio import requests
from sayso.studio.director import Direction
from sayso.studio.render import ask_of, stored
from sayso.studio.rooms import Desk
from sayso.studio.tools.encode import encode
from sayso.types import Parent, Picture, Record


class Things(Desk):
    def picture(self, owner: Key, picture: str) -> StoredPicture:
        with self.db.read() as tx:
            return library.picture(tx, owner.id, picture)

    def data(self, owner: Key, thing: str) -> tuple[bytes, str]:
        """The file of a picture (`ig_…`) or an upload (`file-…`), as stored, with its media type."""
        blob, media = self.rooms.pictures.blob(owner.id, thing)
        return self.shelf.blobs.get(blob), media

    def file_of(self, row: StoredPicture) -> bytes:
        """The file of a picture whose row the caller has."""
        return self.shelf.blobs.get(row.blob)

    def pixels(self, owner: Key, thing: str) -> Picture:
        """A stored picture or an uploaded one, decoded. Raises BadInput when the upload is no picture."""
        return self.rooms.pictures.pixels(owner.id, thing)

    def sealed_as(self, owner: Key, picture: str, kind: str, quality: int | None = None) -> tuple[bytes, str]:
        """A drawn picture sealed anew as another kind of file, with its media type; nothing is stored."""
        row = self.picture(owner, picture)
        record = Record(
            row.action,
            row.engine,
            row.weights,
            row.seed,
            row.prompt,
            row.settings,
            (Parent(self.data(owner, picture)[0], "parentOf", picture),),
        )
        sealed = self.rooms.door.sealer.seal(self.pixels(owner, picture), record, kind, quality)
        return sealed.data, sealed.media_type

    def add_version(self, owner: Key, parent: str, picture: Picture, *, tool: str, note: str) -> StoredPicture:
        """What a person made of a drawn picture by hand: judged and sealed as an edit of it, and stored beside it."""
        self.rooms.upkeep.check_room()
        row = self.picture(owner, parent)
        record = Record(
            "edited", row.engine, row.weights, row.seed, note, {"tool": tool}, (Parent(self.data(owner, parent)[0], "parentOf", parent),)
        )
        request = requests.drawing(note or tool, parent)
        ask = ask_of(request, Direction("edited", row.engine, note or tool, None, (parent,)), (), lambda name: self.pixels(owner, name))
        self.rooms.door.admit(ask, request.moderation)
        sealed = self.rooms.door.leave(picture, ask, record, "png", None, request.moderation)
        with self.shelf.storing(sealed.data) as (tx, (blob,)):
            made = replace(stored(sealed, blob, picture, record, owner.id, new_id("ig_"), (parent,)), conversation=row.conversation)
            library.add_picture(tx, made)
        return made

    def search(
        self,
        owner: Key,
        words: str = "",
        *,
        favourites: bool = False,
        conversation: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        engine: str | None = None,
        action: str | None = None,
        style: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> Page[StoredPicture]:
        """One's pictures, newest first, whose prompt holds all the words (full-text search; beginnings count)."""
        sieve = library.Sieve(words, favourites, conversation, engine, action, style, since, until)
        with self.db.read() as tx:
            return library.find_pictures(tx, owner.id, sieve, cursor, limit)

    def marked(self, owner: Key, marks: Sequence[str]) -> tuple[StoredPicture, ...]:
        """One's pictures whose seal is one of the marks."""
        with self.db.read() as tx:
            return finding.marked(tx, owner.id, marks)

    def favourite(self, owner: Key, picture: str, on: bool) -> StoredPicture:
        with self.db.write() as tx:
            return library.set_favourite(tx, owner.id, picture, on)

    def delete_picture(self, owner: Key, picture: str) -> None:
        """Row, words in the index, and the file unless something else still needs it. Raises NotFound."""
        with self.db.write() as tx:
            library.picture(tx, owner.id, picture)
            loose = library.drop_pictures(tx, owner.id, (picture,))
        self._gone(loose)

    def put_file(
        self,
        owner: Key,
        data: bytes,
        *,
        filename: str,
        media_type: str,
        purpose: str,
        expires: float | None = None,
        width: int = 0,
        height: int = 0,
    ) -> StoredFile:
        """Keeps bytes as they are; pictures are decoded and encoded anew by the caller first, who gives their size here."""
        self.rooms.upkeep.check_room()
        with self.shelf.storing(data) as (tx, (blob,)):
            made = StoredFile(
                new_id("file-"), owner.id, blob, len(data), media_type, filename[:300], purpose[:60], now(), expires, width, height
            )
            library.add_file(tx, made)
        return made

    def put_upload(
        self, owner: Key, picture: Picture, *, filename: str = "upload.png", purpose: str = "vision", expires: float | None = None
    ) -> StoredFile:
        """Keeps a decoded picture as PNG."""
        return self.put_file(
            owner,
            encode(picture, "png"),
            filename=filename,
            media_type="image/png",
            purpose=purpose,
            expires=expires,
            width=picture.width,
            height=picture.height,
        )

    def file(self, owner: Key, file: str) -> StoredFile:
        with self.db.read() as tx:
            return library.file(tx, owner.id, file)

    def files(
        self, owner: Key, *, purpose: str | None = None, cursor: str | None = None, limit: int = 50, ascending: bool = False
    ) -> Page[StoredFile]:
        with self.db.read() as tx:
            return library.list_files(tx, owner.id, purpose, cursor, limit, ascending)

    def delete_file(self, owner: Key, file: str) -> None:
        with self.db.write() as tx:
            loose = library.drop_file(tx, owner.id, file)
        self._gone(loose)

    # Documents

    def put_document(self, owner: Key, kind: str, document: str, data: Mapping[str, Any], *, expires: float | None = None) -> Document:
        """Writes or overwrites; an id that another owner has is NotFound."""
        with self.db.write() as tx:
            return library.put_document(tx, owner.id, kind, document, data, expires)

    def document(self, owner: Key, kind: str, document: str) -> Document:
        with self.db.read() as tx:
            return library.document(tx, owner.id, kind, document)

    def documents(self, owner: Key, kind: str, *, cursor: str | None = None, limit: int = 50, ascending: bool = False) -> Page[Document]:
        with self.db.read() as tx:
            return library.list_documents(tx, owner.id, kind, cursor, limit, ascending)

    def delete_document(self, owner: Key, kind: str, document: str) -> None:
        with self.db.write() as tx:
            library.drop_document(tx, owner.id, kind, document)
        self.db.tidy()
