"""The studio interface under /studio/v1: conversations as trees of turns, the gallery, the arena, engines, settings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from sayso.server.schemas.common import (
    PROMPT_CHARACTERS,
    Answer,
    Background,
    Clean,
    Compression,
    Guidance,
    Level,
    Name,
    Partials,
    Quality,
    Seed,
    Size,
    Steps,
    Strict,
    Strictness,
)

Words = Annotated[Clean, StringConstraints(max_length=PROMPT_CHARACTERS)]
Title = Annotated[Clean, StringConstraints(min_length=1, max_length=200)]


class TextPart(Strict):
    type: Literal["text"]
    text: Words


class PicturePart(Strict):
    """A picture of the gallery: one that was uploaded or drawn earlier."""

    type: Literal["picture"]
    id: Name


Part = Annotated[TextPart | PicturePart, Field(discriminator="type")]


class Wish(Strict):
    """What the next picture should be like; what is left out is the engine's own."""

    action: Literal["auto", "generate", "edit", "answer"] | None = Field(
        default=None, description="auto: the director decides; answer: words, no picture.")
    engine: Name | None = None
    count: Annotated[int, Field(ge=1, le=10)] | None = None
    size: Size | None = None
    quality: Quality | None = None
    seed: Seed | None = None
    steps: Steps | None = None
    guidance: Guidance | None = None
    background: Background | None = None
    background_color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    style: Name | None = None
    think: bool | None = None
    complexity: Level | None = None
    finish: bool | None = None
    mask: Name | None = Field(default=None, description="A picture's id; transparent where the edited picture may change.")
    input_fidelity: Literal["high", "low"] | None = None
    output_format: Literal["png", "webp", "jpeg"] | None = None
    output_compression: Compression | None = None
    moderation: Strictness | None = None
    engine_options: dict[Name, str | int | float | bool] | None = None

    @model_validator(mode="after")
    def _together(self) -> Wish:
        wanted = self.output_format or "png"
        if self.output_compression not in (None, 100) and wanted == "png":
            raise ValueError("output_compression works with webp and jpeg only, not with png; leave it out")
        if self.background == "transparent" and wanted == "jpeg":
            raise ValueError("a jpeg has no transparency; ask for png or webp with a transparent background")
        if self.background not in (None, "opaque") and self.background_color is not None:
            raise ValueError("background_color needs an opaque background; leave one of the two out")
        return self


class NewTurn(Strict):
    """What the person says next. `parent`: the turn it follows (default: the newest of the current branch; null: the beginning)."""

    parts: Annotated[list[Part], Field(min_length=1, max_length=32)]
    parent: Name | None = None
    from_start: bool | None = Field(default=None, description="true begins a branch with no turn before it; leave parent out then.")
    wish: Wish | None = None
    partial_images: Partials | None = Field(default=None, description="How many pictures on the way the events carry; 3 when left out.")
    stream: bool | None = Field(default=None, description="true answers with the turn's events instead of the turn.")


class Again(Strict):
    """A turn once more, beside the first: with another seed unless one is given."""

    wish: Wish | None = Field(default=None, description="Fields that shall differ from the first time.")
    partial_images: Partials | None = None
    stream: bool | None = None


class NewConversation(Strict):
    title: Title | None = None


class ChangeConversation(Strict):
    title: Title | None = None
    current: Name | None = Field(default=None, description="The turn to go back to: the next one follows it.")

    @model_validator(mode="after")
    def _something(self) -> ChangeConversation:
        if self.title is None and self.current is None:
            raise ValueError("give a title or a current turn")
        return self


class Branch(Strict):
    """A new conversation that begins with everything up to a turn."""

    turn: Name
    title: Title | None = None


class Picture(Answer):
    id: str
    created_at: float
    width: int
    height: int
    media_type: str
    bytes: int
    url: str = Field(description="For <img>: signed, works without a key until it expires.")
    kind: Literal["drawn", "upload"]
    prompt: str | None
    engine: str | None
    seed: int | None
    favourite: bool
    conversation: str | None
    turn: str | None
    parents: list[str]


class PictureList(Answer):
    data: list[Picture]
    last_id: str | None
    has_more: bool


class ShownPart(Answer):
    type: Literal["text", "picture", "thought"]
    text: str | None = None
    picture: Picture | None = None


class TurnError(Answer):
    code: str
    message: str
    details: dict[str, Any] | None = None


class Turn(Answer):
    id: str
    conversation: str
    parent: str | None
    children: list[str] = Field(description="Turns that follow this one, oldest first; more than one is a fork.")
    siblings: list[str] = Field(description="Turns with the same parent, itself among them, oldest first.")
    created_at: float
    status: Literal["queued", "running", "completed", "failed", "cancelled"]
    said: list[ShownPart] = Field(description="What the person said.")
    answer: list[ShownPart]
    wish: dict[str, Any]
    engine: str | None
    action: str | None
    progress: float = Field(description="0 to 1")
    error: TurnError | None
    last_event: int = Field(description="The number of the newest event, for after=.")


class Conversation(Answer):
    id: str
    title: str
    created_at: float
    updated_at: float
    turns: int
    current: str | None = Field(description="The newest turn of the current branch.")
    cover: str | None = Field(description="Signed URL of the newest picture.")


class ConversationList(Answer):
    data: list[Conversation]
    last_id: str | None
    has_more: bool


class ConversationTree(Conversation):
    tree: list[Turn] = Field(description="Every turn, oldest first.")
    path: list[str] = Field(description="Ids from the first turn to the current one.")


class EngineState(Answer):
    name: str
    summary: str
    abilities: list[str]
    default: bool
    missing: str | None = Field(description="What keeps it from being loaded here, or null.")
    loaded: bool
    bytes: int | None = Field(description="Memory it takes while loaded, as far as known.")
    prompt_limit: int


class EngineList(Answer):
    data: list[EngineState]
    memory_used: int
    memory_budget: int | None


class SettingShown(Answer):
    name: str
    value: Any
    default: Any
    help: str
    source: str = Field(description="default, file or environment")


class SettingList(Answer):
    data: list[SettingShown]


class LimitsShown(Answer):
    body_bytes: int
    file_bytes: int
    pixels: int
    side: int
    prompt_characters: int
    pictures_at_once: int
    references: int
    pictures_per_day: int | None
    pictures_today: int
    requests_per_minute: int | None
    urls_allowed: bool


class ServerShown(Answer):
    version: str
    default_engine: str
    key_required: bool
    owner: str
    limits: LimitsShown


class ArenaPair(Answer):
    id: str
    prompt: str
    left: Picture
    right: Picture


class NewArenaPair(Strict):
    prompt: Annotated[Words, StringConstraints(min_length=1)]
    engines: Annotated[list[Name], Field(min_length=2, max_length=2)] | None = None


class Vote(Strict):
    pair: Name
    choice: Literal["left", "right", "tie", "both_bad"]


class Standing(Answer):
    engine: str
    rating: float
    low: float | None
    high: float | None
    votes: int


class Standings(Answer):
    data: list[Standing]
    votes: int


class Ok(Answer):
    ok: Literal[True] = True
