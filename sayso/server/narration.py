"""A job's log as the events of a Responses stream.

The log is append-only and survives a crash, and this reading of it is a pure function of the log from its beginning. So a
sequence number means the same event for everyone and for ever: a client that lost its line goes on by `starting_after`,
also after the server was killed and another process finished the job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]


@dataclass
class Narration:
    """Reads a log's events one by one and gives those of the stream. `output` is the Response's output so far.

    `snapshot(status, output, error)`: the Response as it stands. `look`: members of the picture's item and of its partial
    events that were settled when the job was accepted. `fresh(kind)`: the id of an item, the same on every reading.
    Where a picture's base64 belongs, its id (or its blob's) stands; whoever sends the event puts the file in.
    """

    snapshot: Callable[[str, list[Event], Event | None], Event]
    fresh: Callable[[str], str]
    look: dict[str, Any]
    background: bool
    summary: bool
    number: int = 0
    output: list[Event] = field(default_factory=list)
    status: str = "in_progress"
    _begun: bool = False
    _picture: int | None = None  # its place in the output
    sent: int = 0  # partial pictures
    action: str = "generate"
    _said: list[str] = field(default_factory=list)
    _thoughts: list[str] = field(default_factory=list)

    def opening(self) -> list[Event]:
        """What is sent before the job has begun."""
        first = "queued" if self.background else "in_progress"
        events = [self._event("response.created", response=self.snapshot(first, [], None))]
        if self.background:
            events.append(self._event("response.queued", response=self.snapshot("queued", [], None)))
        return events

    def events(self, kind: str, data: Mapping[str, Any]) -> list[Event]:
        """What one event of the log becomes; those of a second attempt add only what is new."""
        reader = getattr(self, f"_on_{kind}", None)
        if reader is None or self.status != "in_progress":
            return []
        events: list[Event] = self._begin() if kind != "cancelled" else []
        return [*events, *reader(data)]

    @property
    def begun(self) -> bool:
        return self._begun

    def _event(self, kind: str, **data: Any) -> Event:
        event = {"type": kind, "sequence_number": self.number, **data}
        self.number += 1
        return event

    def _begin(self) -> list[Event]:
        if self._begun:
            return []
        self._begun = True
        return [self._event("response.in_progress", response=self.snapshot("in_progress", [], None))]

    def _add(self, item: Event) -> tuple[int, Event]:
        self.output.append(item)
        return len(self.output) - 1, self._event("response.output_item.added", output_index=len(self.output) - 1, item=dict(item))

    def _on_started(self, data: Mapping[str, Any]) -> list[Event]:
        self.action = {"created": "generate", "edited": "edit"}.get(str(data.get("action")), self.action)
        return []

    def _on_revised(self, data: Mapping[str, Any]) -> list[Event]:
        self.look["revised_prompt"] = data["prompt"]
        if self._picture is not None:
            self.output[self._picture]["revised_prompt"] = data["prompt"]
        return []

    def _on_thought(self, data: Mapping[str, Any]) -> list[Event]:
        text = str(data["text"])
        if not self.summary or text in self._thoughts or self._picture is not None:
            return []
        self._thoughts.append(text)
        where = {"item_id": self.fresh(f"rs{len(self._thoughts)}"), "output_index": len(self.output)}
        _, added = self._add({"id": where["item_id"], "type": "reasoning", "summary": []})
        part = {"type": "summary_text", "text": text}
        events = [
            added,
            self._event("response.reasoning_summary_part.added", **where, summary_index=0, part={**part, "text": ""}),
            self._event("response.reasoning_summary_text.delta", **where, summary_index=0, delta=text),
            self._event("response.reasoning_summary_text.done", **where, summary_index=0, text=text),
            self._event("response.reasoning_summary_part.done", **where, summary_index=0, part=part),
        ]
        self.output[-1]["summary"] = [part]
        return [*events, self._event("response.output_item.done", output_index=where["output_index"], item=dict(self.output[-1]))]

    def _draw(self) -> list[Event]:
        """Opens the picture's item, once."""
        if self._picture is not None:
            return []
        item: Event = {
            "id": self.fresh("ig"),
            "type": "image_generation_call",
            "status": "in_progress",
            "result": None,
            "action": self.action,
            **self.look,
        }
        self._picture, added = self._add(item)
        where = {"item_id": item["id"], "output_index": self._picture}
        begun = self._event("response.image_generation_call.in_progress", **where)
        self.output[self._picture]["status"] = "generating"
        return [added, begun, self._event("response.image_generation_call.generating", **where)]

    def _on_step(self, data: Mapping[str, Any]) -> list[Event]:
        return self._draw()

    def _on_preview(self, data: Mapping[str, Any]) -> list[Event]:
        events = self._draw()
        if data["nth"] != self.sent:  # a second attempt shows it again
            return events
        self.sent += 1
        assert self._picture is not None
        look = {key: self.look[key] for key in ("size", "quality", "background", "output_format") if key in self.look}
        events.append(
            self._event(
                "response.image_generation_call.partial_image",
                item_id=self.output[self._picture]["id"],
                output_index=self._picture,
                partial_image_b64=data["blob"],
                partial_image_index=self.sent - 1,
                **look,
            )
        )
        return events

    def _on_picture(self, data: Mapping[str, Any]) -> list[Event]:
        events = self._draw()
        assert self._picture is not None
        item = self.output[self._picture]
        if item["status"] == "completed":
            return events
        item.update(status="completed", result=data["id"], size=f"{data['width']}x{data['height']}", seed=data["seed"])
        where = {"item_id": item["id"], "output_index": self._picture}
        return [
            *events,
            self._event("response.image_generation_call.completed", **where),
            self._event("response.output_item.done", output_index=self._picture, item=dict(item)),
        ]

    def _on_said(self, data: Mapping[str, Any]) -> list[Event]:
        if data["text"] not in self._said:
            self._said.append(str(data["text"]))
        return []

    def _message(self) -> list[Event]:
        if not self._said:
            return []
        text = "\n".join(self._said)
        item = {"id": self.fresh("msg"), "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        index, added = self._add(item)
        where = {"item_id": item["id"], "output_index": index, "content_index": 0}
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        events = [
            added,
            self._event("response.content_part.added", **where, part={**part, "text": ""}),
            self._event("response.output_text.delta", **where, delta=text, logprobs=[]),
            self._event("response.output_text.done", **where, text=text, logprobs=[]),
            self._event("response.content_part.done", **where, part=part),
        ]
        self.output[index].update(status="completed", content=[part])
        return [*events, self._event("response.output_item.done", output_index=index, item=dict(self.output[index]))]

    def _on_done(self, data: Mapping[str, Any]) -> list[Event]:
        events = self._message()
        self.status = "completed"
        return [*events, self._event("response.completed", response=self.snapshot("completed", self.output, None))]

    def _on_failed(self, data: Mapping[str, Any]) -> list[Event]:
        """`data`: code and message for the Response, `item`: the error of the picture's item (with moderation_details)."""
        events: list[Event] = []
        if self._picture is None and data.get("item"):
            events = self._draw()
        if self._picture is not None and self.output[self._picture]["status"] != "completed":
            self.output[self._picture].update(status="failed", error=data.get("item"))
            events.append(self._event("response.output_item.done", output_index=self._picture, item=dict(self.output[self._picture])))
        self.status = "failed"
        error = {"code": data["code"], "message": data["message"]}
        return [*events, self._event("response.failed", response=self.snapshot("failed", self.output, error))]

    def _on_cancelled(self, data: Mapping[str, Any]) -> list[Event]:
        """The interface has no event of this name; the stream ends with the Response as incomplete would, its status cancelled."""
        if self._picture is not None and self.output[self._picture]["status"] != "completed":
            self.output[self._picture]["status"] = "failed"
        self.status = "cancelled"
        return [self._event("response.incomplete", response=self.snapshot("cancelled", self.output, None))]
