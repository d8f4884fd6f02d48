"""Chat Completions with pictures in and out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from sayso.server.schemas.common import (
    PROMPT_CHARACTERS,
    Answer,
    Background,
    Clean,
    Metadata,
    Name,
    Person,
    Quality,
    Seed,
    Size,
    Strict,
    Usage,
)

Words = Annotated[Clean, StringConstraints(max_length=PROMPT_CHARACTERS)]


class TextPart(Strict):
    type: Literal["text"]
    text: Words


class ImageUrl(Strict):
    url: Annotated[str, Field(min_length=1, max_length=67_108_864)]
    detail: Literal["auto", "high", "original"] | None = Field(default=None, description="Every picture is read as it is.")


class ImagePart(Strict):
    type: Literal["image_url"]
    image_url: ImageUrl


class FileId(Strict):
    file_id: Name


class FilePart(Strict):
    type: Literal["file"]
    file: FileId


ChatPart = Annotated[TextPart | ImagePart | FilePart, Field(discriminator="type")]


class ChatMessage(Strict):
    """`images`: as our own answers carry them, so that an answer can be sent back as it came."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Words | Annotated[list[ChatPart], Field(max_length=64)] | None = None
    images: Annotated[list[ImagePart], Field(max_length=16)] | None = None
    name: Name | None = Field(default=None, description="Who speaks, where several do; written before the words.")
    refusal: None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None
    audio: None = None
    function_call: None = None
    tool_calls: None = None


class ChatStreamOptions(Strict):
    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class CreateChat(Strict):
    """A conversation whose next message is wanted. From `size` on the fields are our extensions."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=200)]
    model: Name | None = None
    modalities: Annotated[list[Literal["text", "image"]], Field(min_length=1, max_length=2)] | None = Field(
        default=None, description='With "image" pictures come as message.images; without, as a Markdown link in the text.'
    )
    n: Annotated[int, Field(ge=1, le=10)] | None = None
    seed: Seed | None = None
    stream: bool | None = None
    stream_options: ChatStreamOptions | None = None
    store: Literal[False] | None = None
    metadata: Metadata | None = None
    user: Person | None = None
    safety_identifier: Person | None = None
    size: Size | None = None
    quality: Quality | None = None
    background: Background | None = None

    @model_validator(mode="after")
    def _together(self) -> CreateChat:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options need stream to be true; leave them out")
        if self.messages[-1].role == "assistant":
            raise ValueError("the last message is the assistant's; end with what the user says")
        return self


class ChatAnswer(Answer):
    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    images: list[ImagePart] | None = None


class Choice(Answer):
    index: int
    message: ChatAnswer
    finish_reason: Literal["stop", "content_filter"]
    logprobs: None = None


class ChatUsage(Answer):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, usage: Usage) -> ChatUsage:
        return cls(prompt_tokens=usage.input_tokens, completion_tokens=usage.output_tokens, total_tokens=usage.total_tokens)


class ChatCompletion(Answer):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: ChatUsage
