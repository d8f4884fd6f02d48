"""The Images interface: generations, edits in two encodings, variations, their answers and their events."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sayso.server.schemas.common import (
    Answer,
    Background,
    Clean,
    Compression,
    Format,
    Guidance,
    Level,
    Name,
    Partials,
    Person,
    Prompt,
    Quality,
    Seed,
    Size,
    Steps,
    Strict,
    Strictness,
    Usage,
)

COUNT = 10


class Looks(Strict):
    """What a picture should be like; shared by all routes that draw. The last seven fields are our extensions."""

    model: Name | None = Field(default=None, description="A configured engine, or an OpenAI name that stands for one.")
    n: Annotated[int, Field(ge=1, le=COUNT)] | None = None
    size: Size | None = Field(default=None, description='"auto" is the engine\'s own size, or that of the picture being edited.')
    quality: Quality | None = Field(default=None, description="Becomes steps, by the table in the settings.")
    background: Background | None = None
    output_format: Format | None = None
    output_compression: Compression | None = Field(default=None, description="Quality of a webp or jpeg.")
    moderation: Strictness | None = Field(default=None, description='"low" is less restrictive, not off.')
    stream: bool | None = None
    partial_images: Partials | None = Field(default=None, description="Pictures on the way, from the sampler itself; needs stream.")
    complexity: Level | None = Field(default=None, description="Thinking before drawing: low is none; others need an engine that can.")
    frame_count: Annotated[int, Field(ge=2, le=16)] | None = None
    frame_duration_ms: Annotated[int, Field(ge=1, le=655_350)] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    style: Name | None = None
    user: Person | None = None
    safety_identifier: Person | None = None
    seed: Seed | None = Field(default=None, description="Extension: the same seed gives the same picture.")
    steps: Steps | None = Field(default=None, description="Extension: steps of the sampler; wins over quality.")
    guidance: Guidance | None = Field(default=None, description="Extension: how strongly the words guide.")
    think: bool | None = Field(default=None, description="Extension: write down a plan before drawing.")
    finish: bool | None = Field(default=None, description="Extension: false leaves the engine's upscaler out.")
    background_color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = Field(
        default=None, description="Extension: an exact colour behind everything."
    )
    engine_options: dict[Name, str | int | float | bool] | None = Field(
        default=None, description="Extension: settings that only some engines have."
    )

    @model_validator(mode="after")
    def _together(self) -> Looks:
        wanted = self.output_format or "png"
        if self.output_compression not in (None, 100) and wanted not in ("webp", "jpeg"):
            raise ValueError(f"output_compression works with webp and jpeg only, not with {wanted}; leave it out")
        if self.background == "transparent" and wanted == "jpeg":
            raise ValueError("a jpeg has no transparency; ask for png or webp with a transparent background")
        if self.background is not None and self.background != "opaque" and self.background_color is not None:
            raise ValueError("background_color needs an opaque background; leave one of the two out")
        if wanted != "gif" and (self.frame_count is not None or self.frame_duration_ms is not None):
            raise ValueError("frame_count and frame_duration_ms belong to gif pictures; leave them out")
        if self.partial_images and not self.stream:
            raise ValueError("partial_images needs stream to be true; there is no other way to send them")
        if self.stream and self.response_format == "url":
            raise ValueError("a stream carries pictures as base64; leave response_format out")
        return self


class Svg(Strict):
    """Asked of a model that writes vector graphics."""

    model: Name | None = None
    reasoning: dict[str, Clean] | None = None


class GenerateRequest(Looks):
    prompt: Prompt
    svg: Svg | None = None


class PictureReference(Strict):
    """A picture by its data URL (or, where the server allows it, a URL), or by the id of an uploaded file."""

    image_url: Annotated[str, Field(min_length=1, max_length=20_971_520)] | None = None
    file_id: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> PictureReference:
        if (self.image_url is None) == (self.file_id is None):
            raise ValueError("give exactly one of image_url and file_id")
        return self


class EditJsonRequest(Looks):
    """An edit as JSON."""

    prompt: Prompt
    images: Annotated[list[PictureReference], Field(min_length=1, max_length=16)]
    mask: PictureReference | None = Field(default=None, description="Transparent where the first picture may change; same size.")
    input_fidelity: Literal["high", "low"] | None = None


class EditFields(Looks):
    """The fields of a multipart edit that are not files."""

    prompt: Prompt
    input_fidelity: Literal["high", "low"] | None = None


class VariationFields(Strict):
    """The fields of a multipart variation that are not files."""

    model: Name | None = None
    n: Annotated[int, Field(ge=1, le=COUNT)] | None = None
    size: Size | None = None
    response_format: Literal["url", "b64_json"] | None = None
    user: Person | None = None
    seed: Seed | None = None


class OnePicture(Answer):
    b64_json: str | None = None
    url: str | None = None
    seed: int = Field(description="Extension: draws the same picture again.")
    id: str = Field(description="Extension: the picture's id in the studio.")


class ImagesResponse(Answer):
    created: int
    background: Literal["transparent", "opaque"]
    output_format: str
    quality: str
    size: str
    safety_identifier: str | None = None
    data: list[OnePicture]
    usage: Usage
    remarks: list[str] = Field(default_factory=list, description="Extension: what the engine said, such as words it does not know.")


def form_document(
    fields: type[Strict], files: dict[str, dict[str, Any]], required: list[str], multiple: str | None = None
) -> dict[str, Any]:
    """The OpenAPI schema of a multipart body: the fields, and the parts that are files. `multiple`: a part sent as name[] too."""
    binary = {"type": "string", "format": "binary"}
    schema = fields.model_json_schema(ref_template="#/components/schemas/{model}")
    properties = dict(schema["properties"])
    for name, note in files.items():
        properties[name] = {**binary, **note}
    if multiple is not None:
        properties[multiple + "[]"] = {"type": "array", "items": binary, "maxItems": 16}
    return {"type": "object", "properties": properties, "required": [*schema.get("required", ()), *required], "additionalProperties": False}
