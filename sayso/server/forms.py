"""Multipart bodies, where numbers come as words and a part is either a field or a file, never both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from sayso.server.errors import ApiError, refused, sentence
from sayso.server.schemas.common import Strict

Fields = TypeVar("Fields", bound=Strict)
NESTED = re.compile(r"([a-z_]+)\[([^\[\]]+)\]")
FIELD_BYTES = 2**18
MULTIPART = "multipart/form-data"


class Nothing(Strict):
    """A form that has files only."""


async def read(request: Request, fields: type[Fields], files: Mapping[str, int]) -> tuple[Fields, dict[str, list[tuple[str, bytes]]]]:
    """The fields as a model, and for each file part its (name, bytes). `files`: part → how many at most ("name[]" counts as name).

    Raises ApiError 400 for a part that is not known, comes twice, or is a file where words belong.
    """
    if not request.headers.get("content-type", "").lower().startswith(MULTIPART):
        raise ApiError(415, f"send this as {MULTIPART}", code="unsupported_content_type")
    try:
        form = await request.form(max_files=sum(files.values()), max_fields=64, max_part_size=FIELD_BYTES)
    except ApiError:
        raise
    except Exception as error:  # the parser's own errors are of several kinds
        raise ApiError(
            400, "the multipart body is damaged or has too many or too long parts; build it again", code="invalid_multipart"
        ) from error
    try:
        words: dict[str, Any] = {}
        got: dict[str, list[tuple[str, bytes]]] = {name: [] for name in files}
        for key, value in form.multi_items():
            name = key.removesuffix("[]")
            if isinstance(value, UploadFile):
                await _take_file(name, value, files, got)
            else:
                _take_words(key, value, files, fields, words)
    finally:
        await form.close()
    try:
        return fields.model_validate(words, strict=False), got
    except ValidationError as error:
        raise sentence(error.errors(include_url=False)) from error


async def _take_file(name: str, value: UploadFile, files: Mapping[str, int], got: dict[str, list[tuple[str, bytes]]]) -> None:
    if name not in files:
        raise ApiError(400, f"Unknown file part: '{name[:60]}'; leave it out.", param=name[:60], code="unknown_parameter")
    if len(got[name]) == files[name]:
        raise refused(name, f"'{name}' was sent more than {files[name]} times; send fewer")
    got[name].append((value.filename or "", await value.read()))


def _take_words(key: str, value: str, files: Mapping[str, int], fields: type[Strict], words: dict[str, Any]) -> None:
    if key.removesuffix("[]") in files:
        raise refused(key, f"'{key}' must be a file, with a file name; it came as words", "invalid_image_file")
    aliases = {field.alias for field in fields.model_fields.values()}
    inside = None if key in aliases else NESTED.fullmatch(key)
    place, name = (words, key) if inside is None else (words.setdefault(inside[1], {}), inside[2])
    if not isinstance(place, dict) or name in place:
        raise refused(key[:60], f"'{key[:60]}' was sent twice; send it once")
    place[name] = _plain(value) if inside is not None else value


def _plain(value: str) -> str | int | float | bool:
    """A value without a declared type, as JSON would have it."""
    if value in ("true", "false"):
        return value == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
