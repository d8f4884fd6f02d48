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
TOOLS = ("cut_out", "recolour", "crop", "extend", "paste", "letter")
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
        default=None, description="auto: the director decides; answer: words, no picture."
    )
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
    plan_only: bool | None = Field(default=None, description="Think and stop: the plan comes back as a thought, and nothing is drawn.")
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
    """What the person says next. `parent`: the turn it follows (left out: the current one)."""

    parts: Annotated[list[Part], Field(min_length=1, max_length=32)]
    parent: Name | None = None
    from_start: bool | None = Field(default=None, description="true: a new beginning beside the first turn; leave parent out then.")
    wish: Wish | None = None
    partial_images: Partials | None = Field(default=None, description="How many pictures on the way the events carry; 3 when left out.")

    @model_validator(mode="after")
    def _one_place(self) -> NewTurn:
        if self.from_start and self.parent is not None:
            raise ValueError("from_start and parent name two places; leave one of them out")
        return self


class Again(Strict):
    """The same once more, beside the first, with another seed."""

    seed: Seed | None = None


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
    url: str = Field(description="For an img element: signed, works without a key until it expires.")
    kind: Literal["drawn", "upload"]
    prompt: str | None = None
    revised_prompt: str | None = None
    engine: str | None = None
    seed: int | None = None
    seal: str | None = Field(default=None, description="The mark it carries.")
    action: Literal["created", "edited"] | None = None
    favourite: bool = False
    conversation: str | None = None
    turn: str | None = None
    job: str | None = None
    parents: list[str] = Field(default_factory=list, description="Pictures that it was made from.")
    settings: dict[str, Any] = Field(default_factory=dict, description="What it was drawn with: steps, style …")


class PictureList(Answer):
    data: list[Picture]
    next: str | None


class ShownPart(Answer):
    type: Literal["text", "picture", "thought"]
    text: str | None = None
    picture: Picture | None = Field(default=None, description="null when it was deleted.")


class JobError(Answer):
    code: str
    message: str
    details: dict[str, Any] | None = None


class Job(Answer):
    id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    engine: str
    created_at: float
    started_at: float | None
    finished_at: float | None
    position: int | None = Field(description="How many stand before it in the queue.")
    conversation: str | None
    turn: str | None
    pictures: list[str] = Field(description="Those that are finished.")
    error: JobError | None
    wish: dict[str, Any] = Field(description="What was asked, with the seed that was drawn for it.")


class Turn(Answer):
    id: str
    conversation: str
    parent: str | None
    children: list[str] = Field(description="Turns that follow this one, oldest first; more than one is a fork.")
    role: Literal["user", "assistant"]
    created_at: float
    parts: list[ShownPart]
    job: Job | None = Field(description="Of an assistant's turn: the job that fills it.")


class Conversation(Answer):
    id: str
    title: str
    created_at: float
    updated_at: float
    current: str | None = Field(description="The turn that the next one follows.")
    cover: str | None = Field(default=None, description="Signed URL of its newest picture.")


class ConversationList(Answer):
    data: list[Conversation]
    next: str | None = Field(description="Give it as cursor for the following ones; null at the end.")


class ConversationTree(Conversation):
    tree: list[Turn] = Field(description="Every turn of every branch, oldest first.")
    path: list[str] = Field(description="Ids from the first turn to the current one.")


class JobList(Answer):
    data: list[Job]
    next: str | None


class EngineState(Answer):
    name: str
    summary: str
    abilities: list[str]
    default: bool
    missing: str | None = Field(description="What keeps it from being loaded here, or null.")
    loaded: bool
    busy: bool
    megabytes: float = Field(description="Memory it takes while loaded, as far as known.")
    prompt_limit: int = Field(description="Characters of one prompt.")
    styles: list[str] | None = Field(default=None, description="What a wish's style may be; null: a style is said in words.")
    sizes: list[str] = Field(default_factory=list, description="Sizes worth offering, best first; empty: any multiple of 16.")
    options: list[str] = Field(default_factory=list, description="Names of engine_options that it knows.")
    fit: bool = Field(default=False, description="Whether /engines/{name}/fit can tell how it would run here.")


class Way(Answer):
    """One way of running an engine on this machine."""

    way: str = Field(description="Load options as the command line takes them; empty: as it is.")
    fits: bool
    seconds: float | None = Field(description="For one picture, an estimate; null where it does not fit or cannot be told.")
    why: str = Field(description="What decides, as a clause.")


class Ways(Answer):
    data: list[Way]


class EngineList(Answer):
    data: list[EngineState]
    megabytes: float = Field(description="Of all that are loaded.")
    megabytes_budget: int | None = Field(description="null: no limit.")


class SettingShown(Answer):
    name: str
    value: Any = Field(description='"***" for a secret that is set.')
    default: Any
    help: str
    environment: str = Field(description="The environment variable that sets it.")


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


class Side(Strict):
    """Who draws, and with what."""

    engine: Name
    steps: Steps | None = None
    guidance: Guidance | None = None
    style: Name | None = None
    think: bool | None = None


class NewPair(Strict):
    """Two draw the same words; who is who is not told before the vote."""

    prompt: Annotated[Words, StringConstraints(min_length=1)]
    sides: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="Left out: any two engines that are ready."
    )
    size: Size | None = None
    seed: Seed | None = None
    category: Name | None = Field(default=None, description="A word to rate by, such as portraits.")


class Vote(Strict):
    choice: Literal["left", "right", "tie", "both_bad"]


class Pair(Answer):
    id: str
    prompt: str
    state: Literal["drawing", "ready", "failed", "voted"]
    left: Picture | None
    right: Picture | None
    names: list[str] | None = Field(description='Left and right, such as "pocket, 8 steps"; told after the vote.')
    category: str | None
    choice: str | None
    error: str | None = None


class Standing(Answer):
    name: str = Field(description="An engine, with what was set for it.")
    rating: float = Field(description="Elo scale: 400 points are odds of ten to one; the mean is 1000.")
    low: float = Field(description="The 95 % interval around the rating, after these votes.")
    high: float
    votes: int


class Standings(Answer):
    data: list[Standing] = Field(description="Best first.")
    votes: int
    categories: list[str] = Field(description="Every category that was voted in.")


class Erased(Answer):
    erased: Literal[True] = True


class ParentShown(Answer):
    id: str
    picture: Picture | None = Field(description="null when it was deleted.")


class Finding(Answer):
    kind: str
    sentence: str
    facts: dict[str, Any]


class Findings(Answer):
    findings: list[Finding] = Field(description="Each apart; finding nothing proves nothing.")


class Seal(Answer):
    picture: Picture
    weights: str = Field(description="SHA-256 of the model's file; empty for a remote engine.")
    mark: str | None
    parents: list[ParentShown]
    findings: list[Finding]


class KeyShown(Answer):
    id: str
    name: str
    hint: str = Field(description="How the secret begins.")
    admin: bool
    rate: int = Field(description="Requests a minute; 0: the setting's.")
    quota: int = Field(description="Pictures a day; 0: the setting's.")
    created_at: float
    expires_at: float | None
    revoked_at: float | None


class KeyList(Answer):
    data: list[KeyShown]


class NewKey(Strict):
    name: Title
    admin: bool | None = None
    rate: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    quota: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    days: Annotated[int, Field(ge=1, le=36_500)] | None = Field(default=None, description="Until it expires; left out: never.")


class KeyMade(Answer):
    key: KeyShown
    secret: str


class NewVersion(Strict):
    """What a person made of a picture by hand."""

    tool: Literal["cut_out", "recolour", "crop", "extend", "paste", "letter"]
    note: Annotated[Clean, StringConstraints(max_length=2000)] | None = None


class AlikeRow(Answer):
    picture: Picture
    how: Literal["mark", "alike"]
    distance: int | None = Field(description="Of 256 bits, for look-alikes.")


class Alike(Answer):
    data: list[AlikeRow] = Field(description="Nearest first.")


class Clause(Answer):
    id: str
    title: str
    text: str
    allowed: list[str] = Field(description="Examples of what is drawn.")
    refused: list[str] = Field(description="Examples of what is not.")


class PolicyShown(Answer):
    clauses: list[Clause]
    unseen: list[str] = Field(description="What cannot be inspected here.")
