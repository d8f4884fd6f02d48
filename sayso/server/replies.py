"""Responses as they stand: a stored request and its job's log, told from the beginning each time."""

from __future__ import annotations

import copy
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

from sayso.server import sse
from sayso.server.context import Context, off
from sayso.server.errors import missing
from sayso.server.following import base64_of, preview_of, watched
from sayso.server.narration import Event, Narration
from sayso.server.schemas.responses import CreateResponse, InputTokens, OutputTokens, Response, ResponseUsage, ToolUsage
from sayso.server.translate import failure
from sayso.server.usage import text_tokens, usage
from sayso.storage.rows import JobEvent, Key
from sayso.studio.errors import NotFound

KIND = "response"


def new_id() -> str:
    return f"resp_{secrets.token_hex(24)}"


def echo(body: CreateResponse, model: str) -> dict[str, Any]:
    """Members of a Response that repeat the request."""
    conversation = body.conversation if isinstance(body.conversation, str) or body.conversation is None else body.conversation.id
    choice = body.tool_choice or ("auto" if body.tools else "none")
    return {
        "background": bool(body.background),
        "conversation": None if conversation is None else {"id": conversation},
        "instructions": body.instructions,
        "max_tool_calls": body.max_tool_calls,
        "metadata": body.metadata or {},
        "model": body.model or model,
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "reasoning": body.reasoning.model_dump() if body.reasoning is not None else {"effort": None, "summary": None},
        "safety_identifier": body.safety_identifier,
        "store": body.store is not False,
        "text": {"format": {"type": "text"}},
        "tool_choice": choice if isinstance(choice, str) else choice.model_dump(),
        "tools": [tool.model_dump(exclude_none=True) for tool in body.tools or ()],
        "user": body.user,
    }


class Telling:
    """One response. `kept`: what is stored of it (id, created_at, job, picture, echo, look, summary, words, read, input …)."""

    def __init__(self, here: Context, owner: Key, kept: Mapping[str, Any]):
        self.here, self.owner, self.kept = here, owner, kept
        suffix = str(kept["id"]).removeprefix("resp_")
        names = {"ig": str(kept["picture"])}
        self.narration = Narration(
            self._snapshot,
            lambda kind: names.get(kind, f"{kind}_{suffix}"),
            dict(kept["look"]),
            bool(kept["echo"]["background"]),
            bool(kept["summary"]),
        )
        self.finished_at: float | None = None

    def _snapshot(self, status: str, output: list[Event], error: Event | None) -> Event:
        done = status == "completed"
        pictures, said = [item for item in output if item["type"] == "image_generation_call"], self._words(output)
        drawn = [_sides(item["size"]) for item in pictures if item["status"] == "completed"]
        told = sum(map(text_tokens, self.kept["words"]))
        spent = usage(
            self.kept["words"] if drawn else (),
            [_pair(size) for size in self.kept["read"]] if drawn else (),
            drawn,
            str(self.kept["look"]["quality"]),
            self.narration.sent if drawn else 0,
        )
        words = ResponseUsage(
            input_tokens=told,
            input_tokens_details=InputTokens(cached_tokens=0),
            output_tokens=sum(map(text_tokens, said)),
            output_tokens_details=OutputTokens(reasoning_tokens=0),
            total_tokens=told + sum(map(text_tokens, said)),
        )
        answer = Response(
            id=self.kept["id"],
            created_at=self.kept["created_at"],
            status=status,  # type: ignore[arg-type]
            error=error,  # type: ignore[arg-type]
            output=copy.deepcopy(output),
            completed_at=self.finished_at if done else None,
            usage=words if done else None,
            tool_usage=ToolUsage(image_gen=spent) if done else None,
            **self.kept["echo"],
        )
        return answer.model_dump()

    @staticmethod
    def _words(output: list[Event]) -> list[str]:
        return [part["text"] for item in output if item["type"] == "message" for part in item["content"]]

    def _read(self, event: JobEvent) -> list[Event]:
        """An event of the log as events of the stream; pictures in them are still ids."""
        data = event.data
        if event.kind == "failed":
            data = _failed(event.data)
        elif event.kind == "done":
            self.finished_at = event.created
        return self.narration.events(event.kind, data)

    async def _filled(self, value: Any) -> Any:
        """The same with base64 where a picture's id stands."""
        if isinstance(value, list):
            return [await self._filled(one) for one in value]
        if not isinstance(value, dict):
            return value
        out: dict[str, Any] = {}
        for key, one in value.items():
            if key == "partial_image_b64":
                out[key] = await preview_of(self.here, self.owner, self.kept["job"], one)
            elif key == "result" and value.get("type") == "image_generation_call" and one is not None:
                try:
                    out[key] = await base64_of(self.here, self.owner, one)
                except NotFound:  # deleted since
                    out[key] = None
            else:
                out[key] = await self._filled(one)
        return out

    async def now(self) -> Event:
        """The Response as it stands."""
        self.narration.opening()
        error, log = None, await off(self.here.studio.log, self.owner, self.kept["job"])
        for event in log:
            self._read(event)
            if event.kind == "failed":
                error = {key: _failed(event.data)[key] for key in ("code", "message")}
        status = self.narration.status
        if status == "in_progress" and not self.narration.begun and self.kept["echo"]["background"]:
            status = "queued"
        return dict(await self._filled(self._snapshot(status, self.narration.output, error)))

    async def events(self, after: int, keep: bool) -> AsyncIterator[str]:
        """The stream's messages with sequence numbers above `after`. `keep`: the job goes on when the client goes."""
        for event in self.narration.opening():
            if event["sequence_number"] > after:
                yield sse.event(event, event["type"])
        async with watched(self.here, self.owner, self.kept["job"], keep):
            async for happened in self.here.studio.events(self.owner, self.kept["job"]):
                for event in self._read(happened):
                    if event["sequence_number"] > after:
                        yield sse.event(await self._filled(event), event["type"])


def _sides(size: str) -> tuple[int, int]:
    width, height = size.split("x")
    return int(width), int(height)


def _pair(size: list[int]) -> tuple[int, int]:
    return int(size[0]), int(size[1])


def _failed(error: Mapping[str, Any]) -> dict[str, Any]:
    """A job's error as the Response's code and message, and the error of the picture's item where the policy refused."""
    told = failure(error)
    if told.code == "moderation_blocked":
        return {"code": "image_content_policy_violation", "message": told.message, "item": told.body()["error"]}
    return {"code": "invalid_prompt" if told.status == 400 else "server_error", "message": told.message, "item": None}


async def find(here: Context, owner: Key, response: str) -> Telling:
    """A stored response. Raises ApiError 404."""
    try:
        kept = (await off(here.studio.document, owner, KIND, response)).data
    except NotFound as error:
        raise missing("response", response) from error
    return Telling(here, owner, kept)
