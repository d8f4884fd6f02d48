"""What was said in a Responses request: its items as messages of the studio, with every picture found or kept first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sayso.server import uploads
from sayso.server.context import Context, off
from sayso.server.errors import ApiError, refused
from sayso.server.references import Reader
from sayso.server.replies import KIND
from sayso.server.schemas.responses import ImageCallItem, InputImage, InputItem, MessageItem, ReasoningItem, ReferenceItem
from sayso.storage.rows import Key
from sayso.studio.errors import NotFound
from sayso.studio.requests import Ref, Said
from sayso.types import Picture, Text

Part = Text | Ref | Picture
Role = Literal["user", "assistant"]


@dataclass
class Heard:
    """`spoken`: role and parts in order; new pictures are still pixels. `read`: their sizes. `items`: for input_items."""

    spoken: list[tuple[Role, list[Part]]] = field(default_factory=list)
    instructions: list[str] = field(default_factory=list)
    read: list[tuple[int, int]] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        return [part.text for _, parts in self.spoken for part in parts if isinstance(part, Text)] + self.instructions

    def ordered(self) -> None:
        """Pictures after the user's last words belong to those words. Raises ApiError 400 when the user says nothing."""
        last = max((i for i, (role, _) in enumerate(self.spoken) if role == "user"), default=None)
        if last is None or not any(isinstance(part, Text) and part.text.strip() for part in self.spoken[last][1]):
            raise refused("input", "the input holds no words of the user; say what to draw", "invalid_prompt")
        behind = [part for _, parts in self.spoken[last + 1 :] for part in parts if not isinstance(part, Text)]
        if any(isinstance(part, Text) for _, parts in self.spoken[last + 1 :] for part in parts):
            raise refused("input", "the last words are the assistant's; end with what the user says", "invalid_prompt")
        self.spoken = [*self.spoken[:last], ("user", [*behind, *self.spoken[last][1]])]


class Intake:
    """Reads the items of one request; nothing is stored before `kept`."""

    def __init__(self, here: Context, owner: Key):
        self.here, self.owner, self.reader, self.heard = here, owner, Reader(here, owner), Heard()
        self.new: list[str] = []
        self.unnamed: dict[int, dict[str, Any]] = {}  # items that show a new picture, until it has an id

    async def read(self, given: str | list[InputItem]) -> Heard:
        """Raises ApiError 400 for what cannot be found or read."""
        if isinstance(given, str):
            given = [MessageItem(role="user", content=given)]
        for i, item in enumerate(given):
            await self._item(item, f"input.{i}")
        if len([1 for _, parts in self.heard.spoken for part in parts if not isinstance(part, Text)]) > self.here.settings.inputs:
            raise refused("input", f"the input shows more than {self.here.settings.inputs} pictures; leave some out")
        return self.heard

    async def _item(self, item: InputItem, place: str) -> None:
        if isinstance(item, MessageItem):
            await self._message(item, place)
        elif isinstance(item, ImageCallItem):
            await self._drawn(item, place)
        elif isinstance(item, ReferenceItem):
            await self._reference(item, place)
        else:
            assert isinstance(item, ReasoningItem)
            self.heard.items.append(item.model_dump(exclude_none=True))

    async def _message(self, item: MessageItem, place: str) -> None:
        content = item.content if isinstance(item.content, list) else [item.content]
        parts: list[Part] = []
        told: list[dict[str, Any]] = []
        for i, part in enumerate(content):
            if isinstance(part, InputImage):
                parts.append(await self._image(part, f"{place}.content.{i}"))
                told.append({"type": "input_image", "detail": "auto", "file_id": part.file_id})
                self.unnamed[id(parts[-1])] = told[-1]
            else:
                text = part if isinstance(part, str) else part.text
                parts.append(Text(text))
                told.append(
                    {"type": "output_text", "text": text, "annotations": []}
                    if item.role == "assistant"
                    else {"type": "input_text", "text": text}
                )
        self.heard.items.append({"type": "message", "role": item.role, "status": "completed", "content": told})
        if item.role in ("system", "developer"):
            if any(not isinstance(part, Text) for part in parts):
                raise refused(place, f"a {item.role} message cannot show pictures; put them into a user message")
            self.heard.instructions += [part.text for part in parts if isinstance(part, Text)]
        else:
            self.heard.spoken.append(("user" if item.role == "user" else "assistant", parts))

    async def _image(self, part: InputImage, place: str) -> Part:
        if part.detail == "low":
            raise refused(f"{place}.detail", 'pictures are read as they are; leave detail out or say "auto"', "unsupported_value")
        if (part.image_url is None) == (part.file_id is None):
            raise refused(place, "give exactly one of image_url and file_id")
        if part.file_id is not None:
            self.heard.read.append(await self.reader.check(part.file_id, f"{place}.file_id"))
            return Ref(part.file_id)
        picture = await self.reader.read(part.image_url, None, f"{place}.image_url")
        self.heard.read.append((picture.width, picture.height))
        return picture

    async def _drawn(self, item: ImageCallItem, place: str) -> None:
        """A picture by its id; when that is not known here, by the file that came with it."""
        self.heard.items.append(item.model_dump(exclude_none=True, exclude={"result"}))
        try:
            row = await off(self.here.studio.picture, self.owner, item.id)
            part: Part = Ref(row.id)
            self.heard.read.append((row.width, row.height))
        except NotFound as error:
            if item.result is None:
                raise refused(f"{place}.id", f"no picture '{item.id[:80]}' was found; check its id", "image_file_not_found") from error
            part = await off(uploads.from_base64, item.result, f"{place}.result", self.here.limits)
            self.heard.read.append((part.width, part.height))
        self.heard.spoken.append(("assistant", [part]))

    async def _reference(self, item: ReferenceItem, place: str) -> None:
        """An item of an earlier response: a picture by its own id, words by the response that the id is made from."""
        if item.id.startswith("ig_"):
            await self._drawn(ImageCallItem(type="image_generation_call", id=item.id), place)
            return
        from sayso.server.replies import Telling

        suffix = item.id.partition("_")[2]
        try:
            kept = await off(self.here.studio.document, self.owner, KIND, f"resp_{suffix}")
        except NotFound as error:
            raise refused(f"{place}.id", f"no item '{item.id[:80]}' was found; check its id", "not_found") from error
        output = (await Telling(self.here, self.owner, kept.data).now())["output"]
        found = [part["text"] for one in output if one["id"] == item.id and one["type"] == "message" for part in one["content"]]
        if not found:
            raise refused(f"{place}.id", f"no item '{item.id[:80]}' was found; check its id", "not_found")
        self.heard.items.append({"type": "item_reference", "id": item.id})
        self.heard.spoken.append(("assistant", [Text(text) for text in found]))

    async def kept(self) -> tuple[Said, ...]:
        """The messages with new pictures stored; `new` are their ids."""
        out = []
        for role, parts in self.heard.spoken:
            stored: list[Text | Ref] = []
            for part in parts:
                if isinstance(part, Picture):
                    file = await off(self.here.studio.put_upload, self.owner, part, filename="input.png", purpose="input")
                    self.new.append(file.id)
                    self.unnamed.get(id(part), {})["file_id"] = file.id
                    stored.append(Ref(file.id))
                else:
                    stored.append(part)
            out.append(Said(role, tuple(stored)))
        return tuple(out)

    async def dropped(self) -> None:
        """Deletes what `kept` stored, when the request was refused after all."""
        for file in self.new:
            await off(self.here.studio.delete_file, self.owner, file)


async def mask_of(here: Context, owner: Key, reader: Reader, url: str | None, file: str | None, place: str) -> Picture:
    """The mask of a tool, with nothing else checked; which picture it belongs to is known to the director alone."""
    picture = await reader.read(url, file, place)
    if not (picture.pixels[..., 3] == 0).any():
        raise ApiError(
            400,
            "the mask has no fully transparent pixel, so nothing may change; make the part to edit transparent",
            param=place,
            code="invalid_image_mode",
        )
    return picture
