"""The Responses interface with the image_generation tool: what may be asked and what a Response looks like."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from sayso.server.schemas.common import (
    PROMPT_CHARACTERS,
    Answer,
    Background,
    Clean,
    Compression,
    Format,
    Guidance,
    Level,
    Metadata,
    Name,
    Partials,
    Person,
    Quality,
    Seed,
    Size,
    Steps,
    Strict,
    Strictness,
    Usage,
)
from sayso.server.schemas.images import PictureReference, Svg

ITEMS = 200
Words = Annotated[Clean, StringConstraints(max_length=PROMPT_CHARACTERS)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class ImageTool(Strict):
    """The picture tool. `seed`, `steps`, `guidance` and `finish` are our extensions."""

    type: Literal["image_generation"]
    action: Literal["auto", "generate", "edit"] | None = None
    background: Background | None = None
    complexity: Level | None = Field(default=None, description="Wins over reasoning.effort.")
    frame_count: Annotated[int, Field(ge=2, le=16)] | None = None
    frame_duration_ms: Annotated[int, Field(ge=1, le=655_350)] | None = None
    input_fidelity: Literal["high", "low"] | None = None
    input_image_mask: PictureReference | None = None
    model: Name | None = None
    moderation: Strictness | None = None
    output_compression: Compression | None = None
    output_format: Format | None = None
    partial_images: Partials | None = None
    quality: Quality | None = None
    size: Size | None = None
    svg: Svg | None = None
    seed: Seed | None = None
    steps: Steps | None = None
    guidance: Guidance | None = None
    finish: bool | None = None

    @model_validator(mode="after")
    def _together(self) -> ImageTool:
        wanted = self.output_format or "png"
        if self.output_compression not in (None, 100) and wanted not in ("webp", "jpeg"):
            raise ValueError(f"output_compression works with webp and jpeg only, not with {wanted}; leave it out")
        if self.background == "transparent" and wanted == "jpeg":
            raise ValueError("a jpeg has no transparency; ask for png or webp with a transparent background")
        if wanted != "gif" and (self.frame_count is not None or self.frame_duration_ms is not None):
            raise ValueError("frame_count and frame_duration_ms belong to gif pictures; leave them out")
        return self


class InputText(Strict):
    type: Literal["input_text", "output_text", "text"]
    text: Words
    annotations: list[Any] | None = Field(default=None, description="As output text carries it; must be empty.", max_length=0)
    logprobs: list[Any] | None = Field(default=None, description="As output text carries it; must be empty.", max_length=0)


class InputImage(Strict):
    type: Literal["input_image"]
    image_url: Annotated[str, Field(min_length=1, max_length=20_971_520)] | None = None
    file_id: Name | None = None
    detail: Literal["low", "high", "auto", "original"] | None = Field(
        default=None, description='Every picture is read as it is: "auto", "high" and "original" are the same here, "low" is refused.'
    )


class MessageItem(Strict):
    """What someone said. System and developer messages are read as instructions."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Words | Annotated[list[Annotated[InputText | InputImage, Field(discriminator="type")]], Field(min_length=1, max_length=64)]
    id: Name | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


class ImageCallItem(Strict):
    """A picture made earlier; its id alone is enough. The rest is what our own items carry, so that they can be sent back."""

    type: Literal["image_generation_call"]
    id: Name
    result: Annotated[str, Field(max_length=67_108_864)] | None = None
    status: Name | None = None
    action: Name | None = None
    background: Name | None = None
    output_format: Name | None = None
    quality: Name | None = None
    size: Name | None = None
    revised_prompt: Words | None = None
    error: dict[str, Any] | None = None
    seed: Seed | None = None


class ReferenceItem(Strict):
    """An item of an earlier Response, by its id."""

    type: Literal["item_reference"]
    id: Name


class SummaryText(Strict):
    type: Literal["summary_text"]
    text: Words


class ReasoningItem(Strict):
    """A thought of an earlier Response; it was for that picture and is not read again."""

    type: Literal["reasoning"]
    id: Name
    summary: list[SummaryText]
    status: Name | None = None


def _item_type(value: object) -> str:
    """An item's type; one that has none is a message, as clients send them for short."""
    kind = value.get("type", "message") if isinstance(value, dict) else getattr(value, "type", "")
    return kind if isinstance(kind, str) else ""


InputItem = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[ImageCallItem, Tag("image_generation_call")]
    | Annotated[ReferenceItem, Tag("item_reference")]
    | Annotated[ReasoningItem, Tag("reasoning")],
    Discriminator(_item_type),
]


class Reasoning(Strict):
    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = Field(default=None, description="Any of them: the thought is sent as it is.")


class StreamOptions(Strict):
    include_obfuscation: Literal[False] | None = None


class TextFormat(Strict):
    type: Literal["text"]


class TextSettings(Strict):
    format: TextFormat | None = None


class ForcedTool(Strict):
    type: Literal["image_generation"]


class AllowedTools(Strict):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list[ForcedTool], Field(min_length=1, max_length=8)]


class ConversationId(Strict):
    id: Name


class CreateResponse(Strict):
    """One turn of a conversation."""

    input: Annotated[Words, StringConstraints(min_length=1)] | Annotated[list[InputItem], Field(min_length=1, max_length=ITEMS)]
    model: Name | None = None
    instructions: Words | None = None
    previous_response_id: Name | None = None
    conversation: Name | ConversationId | None = None
    store: bool | None = None
    background: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: Annotated[list[ImageTool], Field(max_length=1)] | None = None
    tool_choice: Literal["auto", "none", "required"] | ForcedTool | AllowedTools | None = None
    max_tool_calls: Annotated[int, Field(ge=1)] | None = None
    parallel_tool_calls: bool | None = None
    metadata: Metadata | None = None
    reasoning: Reasoning | None = None
    text: TextSettings | None = None
    truncation: Literal["disabled"] | None = None
    service_tier: Literal["auto", "default"] | None = None
    include: Annotated[list[Name], Field(max_length=0)] | None = None
    safety_identifier: Person | None = None
    user: Person | None = None

    @model_validator(mode="after")
    def _together(self) -> CreateResponse:
        if self.previous_response_id is not None and self.conversation is not None:
            raise ValueError("previous_response_id and conversation both say where to go on; leave one of them out")
        if self.background and self.store is False:
            raise ValueError("a background response must be stored, or it could not be fetched; leave store out")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options need stream to be true; leave them out")
        if self.tool_choice not in (None, "auto", "none") and not self.tools:
            raise ValueError('tool_choice names a tool, but tools is empty; add {"type": "image_generation"}')
        return self


class ResponseError(Answer):
    code: str
    message: str


class InputTokens(Answer):
    cached_tokens: int


class OutputTokens(Answer):
    reasoning_tokens: int


class ResponseUsage(Answer):
    """Tokens of the words around the pictures."""

    input_tokens: int
    input_tokens_details: InputTokens
    output_tokens: int
    output_tokens_details: OutputTokens
    total_tokens: int


class WebSearchUsage(Answer):
    num_requests: int = 0


class ToolUsage(Answer):
    image_gen: Usage
    web_search: WebSearchUsage = Field(default_factory=WebSearchUsage, description="Never used; clients expect it.")


class ConversationReference(Answer):
    id: str


class Response(Answer):
    """One turn and what came of it."""

    id: str
    object: Literal["response"] = "response"
    created_at: float
    completed_at: float | None = None
    status: Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]
    background: bool
    conversation: ConversationReference | None
    error: ResponseError | None
    incomplete_details: dict[str, str] | None = None
    instructions: str | None
    max_output_tokens: None = None
    max_tool_calls: int | None
    metadata: dict[str, str]
    model: str
    output: list[dict[str, Any]] = Field(description="Items: image_generation_call, message, reasoning.")
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: dict[str, Any]
    safety_identifier: str | None
    service_tier: Literal["default"] = "default"
    store: bool
    temperature: None = None
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tool_usage: ToolUsage | None
    tools: list[dict[str, Any]]
    top_p: None = None
    truncation: Literal["disabled"] = "disabled"
    usage: ResponseUsage | None
    user: str | None


class ItemList(Answer):
    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class CreateConversation(Strict):
    metadata: Metadata | None = None
    items: Annotated[list[InputItem], Field(max_length=20)] | None = None


class UpdateConversation(Strict):
    metadata: Metadata


class CreateItems(Strict):
    items: Annotated[list[InputItem], Field(min_length=1, max_length=20)]


class Conversation(Answer):
    id: str
    object: Literal["conversation"] = "conversation"
    created_at: int
    metadata: dict[str, str]
