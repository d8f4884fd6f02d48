"""Rows of the studio as the studio interface shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, cast

from fastapi import Request as Call

from sayso.server.context import Context
from sayso.server.schemas import studio as schemas
from sayso.storage.rows import Conversation, Job, Key, StoredFile, StoredPicture, Turn
from sayso.studio.errors import NotFound
from sayso.studio.settings import PREFIX, Settings

HIDDEN = "***"


class Shower:
    """Shows rows to one caller."""

    def __init__(self, call: Call, here: Context, owner: Key):
        self.call, self.here, self.owner = call, here, owner

    def drawn(self, row: StoredPicture) -> schemas.Picture:
        return schemas.Picture(
            id=row.id,
            created_at=row.created,
            width=row.width,
            height=row.height,
            media_type=row.media_type,
            bytes=row.bytes,
            kind="drawn",
            url=self.here.link(self.call, self.owner, row.id),
            prompt=row.prompt,
            revised_prompt=row.revised_prompt,
            engine=row.engine,
            seed=row.seed,
            seal=row.seal or None,
            action=row.action,
            favourite=row.favourite,
            conversation=row.conversation,
            turn=row.turn,
            job=row.job,
            parents=list(row.parents),
            settings=dict(row.settings),
        )

    def upload(self, row: StoredFile) -> schemas.Picture:
        return schemas.Picture(
            id=row.id,
            created_at=row.created,
            width=row.width,
            height=row.height,
            media_type=row.media_type,
            bytes=row.bytes,
            kind="upload",
            url=self.here.link(self.call, self.owner, row.id),
        )

    def picture(self, thing: str) -> schemas.Picture | None:
        """A drawn picture or an upload by id; None when it was deleted."""
        try:
            if thing.startswith("file-"):
                return self.upload(self.here.studio.file(self.owner, thing))
            return self.drawn(self.here.studio.picture(self.owner, thing))
        except NotFound:
            return None

    def job(self, row: Job) -> schemas.Job:
        error = None
        if row.error is not None:
            error = schemas.JobError(
                code=str(row.error["code"]), message=str(row.error["message"]), details=row.error.get("details") or None
            )
        wish = {key: value for key, value in row.request.items() if key not in ("messages", "conversation", "parent", "person")}
        return schemas.Job(
            id=row.id,
            state=row.state,
            engine=row.engine,
            created_at=row.created,
            started_at=row.started,
            finished_at=row.finished,
            position=row.position,
            conversation=row.conversation,
            turn=row.turn,
            pictures=list(row.drawn),
            error=error,
            wish=wish,
        )

    def turn(self, row: Turn, children: Iterable[str] = ()) -> schemas.Turn:
        parts = []
        for part in row.parts:
            if "text" in part:
                parts.append(schemas.ShownPart(type="text", text=part["text"]))
            else:
                parts.append(schemas.ShownPart(type="picture", picture=self.picture(part["picture"])))
        job = None
        if row.job is not None:
            try:
                found = self.here.studio.job(self.owner, row.job)
                job, parts = self.job(found), [*self.thoughts(found), *parts]
            except NotFound:
                job = None
        return schemas.Turn(
            id=row.id,
            conversation=row.conversation,
            parent=row.parent,
            children=list(children),
            role=row.role,
            created_at=row.created,
            parts=parts,
            job=job,
        )

    def covered(self, row: Conversation) -> schemas.Conversation:
        """A conversation with the link of its newest picture."""
        newest = self.here.studio.search(self.owner, conversation=row.id, limit=1).rows
        cover = self.here.link(self.call, self.owner, newest[0].id) if newest else None
        return conversation(row).model_copy(update={"cover": cover})

    def thoughts(self, row: Job) -> list[schemas.ShownPart]:
        """What the engine thought before it drew when it was asked to, and the plan that it was given."""
        given = row.request.get("options", {}).get("plan")
        texts = {} if given is None else {str(given): None}
        if row.request.get("think"):
            texts |= dict.fromkeys(str(event.data["text"]) for event in self.here.studio.log(self.owner, row.id) if event.kind == "thought")
        return [schemas.ShownPart(type="thought", text=text) for text in texts]

    def tree(self, row: Conversation) -> schemas.ConversationTree:
        turns = self.here.studio.tree(self.owner, row.id)
        after: dict[str | None, list[str]] = {}
        for turn in turns:
            after.setdefault(turn.parent, []).append(turn.id)
        path, at, parents = [], row.head, {turn.id: turn.parent for turn in turns}
        while at is not None:
            path.append(at)
            at = parents.get(at)
        return schemas.ConversationTree(
            **conversation(row).model_dump(), path=path[::-1], tree=[self.turn(turn, after.get(turn.id, ())) for turn in turns]
        )


def conversation(row: Conversation) -> schemas.Conversation:
    return schemas.Conversation(id=row.id, title=row.title, created_at=row.created, updated_at=row.updated, current=row.head)


def settings(now: Settings) -> list[schemas.SettingShown]:
    """Every setting; of a secret only whether it is set."""
    rows = []
    for field in fields(Settings):
        value: Any = getattr(now, field.name)
        if field.metadata["secret"]:
            value = HIDDEN if value else ""
        rows.append(
            schemas.SettingShown(
                name=field.name,
                value=value,
                default=cast(Any, field.default),
                help=field.metadata["help"],
                environment=PREFIX + field.name.upper(),
            )
        )
    return rows
