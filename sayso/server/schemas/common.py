"""Parts of every request and answer: strictness, sizes, names, token counts and the shape of an error."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

SIZE = re.compile(r"[1-9]\d{0,4}x[1-9]\d{0,4}")
SEEDS = 2**63
PROMPT_CHARACTERS = 32_000

Quality = Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]
Background = Literal["auto", "transparent", "opaque"]
Format = Literal["png", "webp", "jpeg", "gif", "svg"]
Level = Literal["low", "medium", "high"]
Strictness = Literal["auto", "low"]


class Strict(BaseModel):
    """A request: types as JSON has them (no "2" for 2), no field that we do not know."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Answer(BaseModel):
    """Something we send."""

    model_config = ConfigDict(extra="forbid")


def _size(value: str) -> str:
    if value != "auto" and not SIZE.fullmatch(value):
        raise ValueError('is not a size; write "auto" or WIDTHxHEIGHT such as "1024x1024"')
    return value


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("holds a NUL character; leave it out")
    return value


def _some_words(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; say what to draw")
    return value


Clean = Annotated[str, AfterValidator(_no_nul), WithJsonSchema({"type": "string", "pattern": r"^[^\x00]*$"})]
Size = Annotated[str, AfterValidator(_size), WithJsonSchema({"type": "string", "pattern": r"^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$"})]
Prompt = Annotated[
    str,
    StringConstraints(min_length=1, max_length=PROMPT_CHARACTERS),
    AfterValidator(_no_nul),
    AfterValidator(_some_words),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": PROMPT_CHARACTERS, "pattern": r"^[^\x00]*[^\x00\s][^\x00]*$"}),
]
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_no_nul),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[^\x00]+$"}),
]
Person = Annotated[
    str,
    StringConstraints(max_length=512),
    AfterValidator(_no_nul),
    WithJsonSchema({"type": "string", "maxLength": 512, "pattern": r"^[^\x00]*$"}),
]
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
Steps = Annotated[int, Field(ge=1, le=1000)]
Guidance = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Compression = Annotated[int, Field(ge=0, le=100)]
Partials = Annotated[int, Field(ge=0, le=3)]


def _pairs(value: object) -> object:
    if isinstance(value, dict):
        if len(value) > 16:
            raise ValueError("has more than 16 pairs; keep it to 16")
        for key, text in value.items():
            if not isinstance(key, str) or not 1 <= len(key) <= 64 or not isinstance(text, str) or len(text) > 512 or "\0" in key + text:
                raise ValueError("holds a pair that is too long; keys have up to 64 characters, values up to 512")
    return value


Metadata = Annotated[
    dict[str, str],
    BeforeValidator(_pairs),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": 16,
            "propertyNames": {"minLength": 1, "maxLength": 64, "pattern": r"^[^\x00]+$"},
            "additionalProperties": {"type": "string", "maxLength": 512, "pattern": r"^[^\x00]*$"},
        }
    ),
]


class TokenDetails(Answer):
    text_tokens: int
    image_tokens: int


class Usage(Answer):
    """Tokens of an image call; how they are counted is told in `server.usage`."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: TokenDetails
    output_tokens_details: TokenDetails


class ErrorBody(Answer):
    """What went wrong, in a sentence with a remedy."""

    model_config = ConfigDict(extra="allow")

    message: str
    type: str
    param: str | None
    code: str | None
    moderation_details: dict[str, Any] | None = Field(default=None, json_schema_extra={"description": "Stage and categories of a refusal."})


class ErrorAnswer(Answer):
    error: ErrorBody


class Deleted(Answer):
    id: str
    object: str
    deleted: Literal[True]
