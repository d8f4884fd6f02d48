"""Pictures that a request only names: by data URL, by URL where that is enabled, or by the id of an upload or of a drawing."""

from __future__ import annotations

from sayso.server import fetch, uploads
from sayso.server.context import Context, off
from sayso.server.errors import refused
from sayso.storage.rows import Key
from sayso.studio.errors import NotFound
from sayso.types import Picture


class Reader:
    """Reads the pictures of one request. Nothing is stored: what is new comes back as pixels."""

    def __init__(self, here: Context, owner: Key):
        self.here, self.owner = here, owner

    async def read(self, url: str | None, file: str | None, name: str) -> Picture:
        """The pixels behind one reference. Raises ApiError 400."""
        if file is not None:
            return await self.stored(file, f"{name}.file_id")
        assert url is not None
        if url[:5].lower() == "data:":
            return await off(uploads.from_data_url, url, name, self.here.limits)
        if not self.here.settings.urls:
            raise refused(name, f"'{name}' is a URL, and this server fetches none; send a data URL or upload the file", "invalid_image_url")
        if len(url) > 2048:
            raise refused(name, f"'{name}' is longer than 2048 characters; use a shorter URL", "invalid_image_url")
        data = await off(fetch.download, url, name, self.here.limits.file_bytes)
        return await off(uploads.decode, data, name, self.here.limits)

    async def stored(self, thing: str, name: str) -> Picture:
        """The pixels of a drawn picture or an upload, by id."""
        try:
            return await off(self.here.studio.pixels, self.owner, thing)
        except NotFound as error:
            raise refused(name, f"no file '{thing[:80]}' was found; upload it first", "image_file_not_found") from error

    async def check(self, thing: str, name: str) -> tuple[int, int]:
        """Width and height of a stored picture. Raises ApiError 400 when there is none of this id."""
        try:
            if thing.startswith("file-"):
                file = await off(self.here.studio.file, self.owner, thing)
                return file.width, file.height
            row = await off(self.here.studio.picture, self.owner, thing)
            return row.width, row.height
        except NotFound as error:
            raise refused(name, f"no picture '{thing[:80]}' was found; check its id", "image_file_not_found") from error
