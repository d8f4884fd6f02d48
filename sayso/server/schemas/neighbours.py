"""Files, models, moderations and provenance checks: the small interfaces around pictures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sayso.server.schemas.chat import ImagePart, TextPart
from sayso.server.schemas.common import Answer, Clean, Name, Strict

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


class FileObject(Answer):
    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"


class FileList(Answer):
    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class UploadFields(Strict):
    """The fields of an upload that are not the file itself."""

    purpose: Literal["vision", "user_data"]
    expires_after_anchor: Literal["created_at"] | None = Field(default=None, alias="expires_after[anchor]")
    expires_after_seconds: Annotated[int, Field(ge=3600, le=2_592_000)] | None = Field(default=None, alias="expires_after[seconds]")


class Model(Answer):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    shutdown_date: str | None = None
    engine: str = Field(description="Extension: the engine that answers to this name.")
    ready: bool = Field(description="Extension: whether that engine can be loaded here.")


class ModelList(Answer):
    object: Literal["list"] = "list"
    data: list[Model]


ModerationPart = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class ModerationRequest(Strict):
    input: (
        Annotated[Clean, Field(max_length=100_000)]
        | Annotated[list[Annotated[Clean, Field(max_length=100_000)]], Field(min_length=1, max_length=64)]
        | Annotated[list[ModerationPart], Field(min_length=1, max_length=64)]
    )
    model: Name | None = None


class ModerationResult(Answer):
    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[Literal["text", "image"]]]
    clause: str | None = Field(description="Extension: the clause of the policy that was met.")
    reason: str = Field(description="Extension: why, in a sentence.")
    unseen: list[str] = Field(description="Extension: what could not be inspected here.")


class ModerationAnswer(Answer):
    id: str
    model: str
    results: list[ModerationResult]


class ProvenanceResult(Answer):
    """One thing that was looked for. `type`: c2pa, or our extension sayso (what our own look-up says)."""

    type: str
    outcome: Literal["detected", "not_detected"]
    validation_state: Literal["trusted", "valid", "invalid", "not_present"] | None = None
    issuer: str | None = None
    model: str | None = None
    engine: str | None = Field(default=None, description="Extension: the engine that drew it.")
    id: str | None = Field(default=None, description="Extension: the picture's mark in our log.")
    generated_at: str | None = Field(default=None, description="RFC 3339.")


class ProvenanceCheck(Answer):
    object: Literal["content_provenance_check"] = "content_provenance_check"
    created_at: int
    results: list[ProvenanceResult]
