"""From an accepted job to sealed pictures on record: draw, finish, judge, seal, store. No picture leaves by another way.

Jobs whose asks go together are drawn together, picture by picture; every picture is on record before anyone hears of it,
and one that a crashed attempt left on record is not drawn again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Connection

from sayso.errors import BadInput, CannotDo, SaysoError
from sayso.jobs.queue import LeaseLost, Line, Queue
from sayso.jobs.worker import Run, Stopped
from sayso.storage import library, talks
from sayso.storage.errors import NotFound, StorageTrouble
from sayso.storage.pages import now
from sayso.storage.rows import Job, JobEvent, StoredPicture
from sayso.storage.shelf import Shelf, hold
from sayso.studio import requests
from sayso.studio.director import Direction
from sayso.studio.door import Door
from sayso.studio.errors import EngineFailed, Refused
from sayso.studio.requests import Ref, Request, Said
from sayso.studio.tools import encode, masks, sizes
from sayso.types import Ask, Drew, Engine, Event, Failed, Message, Parent, Part, Picture, Preview, Record, Sealed, Step, Text, Thought
from sayso.types import Said as Spoken
from sayso.world import plan as plans

TOLD = ("plan", "motion")  # of a picture's origin, kept so that the next turn need not read them off the pixels
DECODED = 16  # pictures that stay decoded in memory
SEALERS = 2  # threads that seal the pictures of one batch

Finished = tuple[Picture, Record, Sealed]


class Meter(Protocol):
    """What the metrics hear."""

    def steps(self, engine: str, count: int) -> None: ...

    def drew(self, engine: str, together: int) -> None: ...

    def refused(self, stage: str, clause: str) -> None: ...


@dataclass
class Work:
    """One job while it is drawn. `todo`: the pictures of this attempt, `left`: those not yet stored; `done`: (index, total) of
    each picture's steps; `spoken`: remarks, each once."""

    run: Run
    request: Request
    direction: Direction
    ask: Ask
    todo: list[int]
    done: dict[int, tuple[int, int]] = field(default_factory=dict)
    previews: dict[int, int] = field(default_factory=dict)
    spoken: dict[str, None] = field(default_factory=dict)
    left: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self.left = set(self.todo)

    @property
    def job(self) -> Job:
        return self.run.job

    @property
    def closed(self) -> bool:
        """Whether nothing more comes of it here."""
        return self.run.over or self.run.error is not None or self.run.stopped()


class Pictures:
    """Stored pictures of an owner, decoded; the newest few stay in memory."""

    def __init__(self, shelf: Shelf):
        self.shelf = shelf
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._lock = threading.Lock()

    def blob(self, owner: str, name: str) -> tuple[str, str]:
        """(blob, media type) of `ig_…` or `file-…`. Raises NotFound."""
        with self.shelf.db.read() as tx:
            found = library.file(tx, owner, name) if name.startswith("file-") else library.picture(tx, owner, name)
            return found.blob, found.media_type

    def told(self, owner: str, name: str) -> dict[str, object]:
        """What a picture was drawn after, as its origin; nothing where that is not known."""
        if name.startswith("file-"):
            return {}
        with self.shelf.db.read() as tx:
            settings = library.picture(tx, owner, name).settings
        return {key: settings[key] for key in TOLD if key in settings}

    def data(self, owner: str, name: str) -> bytes:
        return self.shelf.blobs.get(self.blob(owner, name)[0])

    def pixels(self, owner: str, name: str) -> Picture:
        """Raises NotFound, or BadInput for an upload that is no picture."""
        blob, _ = self.blob(owner, name)
        with self._lock:
            if blob in self._kept:
                self._kept.move_to_end(blob)
                return Picture(self._kept[blob].pixels, self.told(owner, name))
        picture = encode.decode(self.shelf.blobs.get(blob))
        picture.pixels.flags.writeable = False
        with self._lock:
            self._kept[blob] = picture
            while len(self._kept) > DECODED:
                self._kept.popitem(last=False)
        return Picture(picture.pixels, self.told(owner, name))

    def forget(self) -> None:
        """Nothing stays in memory; called after a deletion."""
        with self._lock:
            self._kept.clear()


def ask_of(request: Request, direction: Direction, talk: Sequence[Said], pictures: Callable[[str], Picture]) -> Ask:
    """What the engine gets: one message of the pictures meant and the words; for an answer the whole talk."""
    seed = request.seed or 0
    if direction.action == "answered":
        messages = tuple(Message(m.role, tuple(p if isinstance(p, Text) else pictures(p.id) for p in m.parts)) for m in talk if m.parts)
        if request.instructions.strip():
            messages = (Message("user", (Text(request.instructions.strip()),)), *messages)
        return Ask(messages, "text", seed=seed, think=request.think, options=dict(request.options))
    shown = [pictures(name) for name in direction.pictures]
    mask = None
    if direction.mask is not None:
        mask = masks.fitting(masks.mask_of(pictures(direction.mask)), shown[0])
        assert direction.width is not None and direction.height is not None
        if direction.obeys and (shown[0].width, shown[0].height) != (direction.width, direction.height):
            shown[0] = sizes.fit(shown[0], direction.width, direction.height)
            mask = masks.resized(mask, direction.width, direction.height)
    options = dict(request.options) | ({"quality": direction.quality} if direction.quality is not None else {})
    parts: tuple[Part, ...] = (*shown, Text(direction.prompt))
    return Ask(
        (Message("user", parts),),
        "picture",
        direction.width,
        direction.height,
        request.count,
        seed,
        direction.steps,
        request.guidance,
        direction.background,
        mask if direction.obeys else None,
        request.style,
        request.think,
        request.finish,
        options,
    )


class Render:
    """The performer of the workers. `pictures` gives stored ones; `talk_of` the messages that a job answers."""

    def __init__(
        self, queue: Queue, shelf: Shelf, door: Door, pictures: Pictures, talk_of: Callable[[Job], Sequence[Said]], batch: int, meter: Meter
    ):
        self.queue, self.shelf, self.door, self.pictures, self.talk_of = queue, shelf, door, pictures, talk_of
        self.batch, self.meter = batch, meter

    # What the workers call

    def batch_key(self, engine: Engine, job: Job) -> Hashable | None:
        direction = Direction.from_json(job.direction)
        request = requests.from_json(job.request)
        if direction.action == "answered" or request.plan_only:
            return None
        ask = ask_of(request, direction, (), lambda name: self.pictures.pixels(job.owner, name))
        return engine.batch_key(replace(ask, count=1))  # type: ignore[attr-defined]

    def perform(self, engine: Engine, runs: Sequence[Run]) -> None:
        works = [self._work(run) for run in runs]
        for work in works:
            if work.direction.revised is not None and work.job.attempts == 1:
                work.run.tell("revised", {"prompt": work.direction.revised}, soon=True)
            if (remark := stretched(work.request, work.direction)) is not None:
                self._say(work, remark)
        together = hasattr(engine, "respond_together") and all(work.ask.want == "picture" for work in works)
        units = [(work, index) for work in works for index in work.todo]
        if together and len(units) > 1:
            for start in range(0, len(units), self.batch):
                self._draw_together(engine, units[start : start + self.batch])
        else:
            for work in works:
                self._draw_alone(engine, work)
        for work in works:
            if not work.closed:
                self._end(work)

    def explain(self, error: Exception) -> Mapping[str, Any]:
        if isinstance(error, Refused):
            self.meter.refused(error.verdict.stage, error.verdict.clause or "")
            return refusal(error)
        if isinstance(error, NotFound | BadInput | CannotDo):
            return {"code": "invalid_request", "message": str(error), "details": {}}
        if isinstance(error, SaysoError):
            return {"code": "engine_failed", "message": str(error), "details": {}}
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            message = "there is not enough memory for this; ask for a smaller size or fewer pictures"
            return {"code": "engine_failed", "message": message, "details": {}}
        message = f"the engine made a mistake ({type(error).__name__}); try again or choose another engine"
        return {"code": "engine_failed", "message": message, "details": {}}

    # Drawing

    def _work(self, run: Run) -> Work:
        job = run.job
        request, direction = requests.from_json(job.request), Direction.from_json(job.direction)
        talk = self.talk_of(job) if direction.action == "answered" else ()
        ask = ask_of(request, direction, talk, lambda name: self.pictures.pixels(job.owner, name))
        return Work(run, request, direction, ask, [i for i, name in enumerate(job.pictures) if name not in job.drawn])

    def _draw_together(self, engine: Engine, units: list[tuple[Work, int]]) -> None:
        """Seals what is finished in threads while the engine finishes what is next; records in the order of drawing."""
        asks = [replace(work.ask, count=1, seed=(work.ask.seed + index) % 2**63) for work, index in units]
        events: Iterator[tuple[int, Event]] = engine.respond_together(asks)  # type: ignore[attr-defined]
        sealing: deque[tuple[Work, int, Drew, Future[Finished]]] = deque()
        with ThreadPoolExecutor(SEALERS, thread_name_prefix="sayso-seal") as pool:
            try:
                for place, event in events:
                    work, index = units[place]
                    if all(other.closed for other, _ in units):
                        return
                    if work.closed:
                        continue
                    if isinstance(event, Drew):
                        sealing.append((work, index, event, pool.submit(self._sealed, engine, work, event)))
                    else:
                        self._guarded(work, partial(self._hear, engine, work, index, event, len(units)))
                    while sealing and sealing[0][3].done():
                        self._keep(engine, *sealing.popleft(), len(units))
            finally:
                _close(events)
                while sealing:
                    self._keep(engine, *sealing.popleft(), len(units))

    def _keep(self, engine: Engine, work: Work, index: int, event: Drew, finished: Future[Finished], together: int) -> None:
        if not work.closed:
            self._guarded(work, lambda: self._record(work, index, event, finished.result()))
            self.meter.drew(engine.name, together)

    def _guarded(self, work: Work, act: Callable[[], None]) -> None:
        """An error is this job's own; its companions go on. Raises StorageTrouble, which is everybody's."""
        try:
            act()
        except StorageTrouble:
            raise
        except Exception as error:  # noqa: BLE001 - it is told when the job ends
            work.run.error = error

    def _draw_alone(self, engine: Engine, work: Work) -> None:
        if work.direction.answer is not None:
            self._say(work, work.direction.answer)
            return
        first = work.todo[0] if work.todo else 0
        wordy = work.direction.action == "answered" or work.request.plan_only
        if not work.todo and not wordy:
            return
        ask = (
            work.ask
            if wordy
            else replace(work.ask, count=len(work.job.pictures) - first, seed=(work.ask.seed + first) % 2**63)
        )
        work.run.check()
        events = engine.respond(ask)
        try:
            for event in events:
                work.run.check()
                if work.request.plan_only and not isinstance(event, Spoken | Thought | Failed):
                    break
                self._hear(engine, work, first, event, 1)
                if work.run.over:
                    return
        finally:
            _close(events)

    def _hear(self, engine: Engine, work: Work, first: int, event: Event, together: int) -> None:
        """One event of the engine; its own picture numbers count from `first`."""
        if isinstance(event, Step):
            self._step(engine, work, first, event, together)
        elif isinstance(event, Preview):
            self._preview(engine, work, first + event.index, event.picture)
        elif isinstance(event, Drew):
            self._record(work, first + event.index, event, self._sealed(engine, work, event))
            self.meter.drew(engine.name, together)
        elif isinstance(event, Spoken):
            self._say(work, event.text)
        elif isinstance(event, Thought):
            work.run.tell("thought", {"text": event.text})
            self._judge_plan(work, event.text)
        elif isinstance(event, Failed):
            raise EngineFailed(event.reason)

    def _say(self, work: Work, text: str) -> None:
        if text not in work.spoken:
            work.spoken[text] = None
            work.run.tell("said", {"text": text}, soon=bool(work.job.pictures))

    def _judge_plan(self, work: Work, text: str) -> None:
        """A thought that is a plan is judged before it is drawn."""
        try:
            plan = plans.read(text)
        except BadInput:
            return
        self.door.judge("plan", work.ask, work.request.moderation, plan=plan)

    def _step(self, engine: Engine, work: Work, index: int, event: Step, together: int) -> None:
        self.meter.steps(engine.name, 1)
        work.done[index] = (event.index, event.total)
        if together == 1:
            work.run.tell("step", {"index": event.index, "total": event.total}, soon=event.index < event.total)
            return
        taken, total = sum(i for i, _ in work.done.values()), len(work.todo) * event.total
        work.run.tell("step", {"index": min(taken, total), "total": total}, soon=True)

    def _preview(self, engine: Engine, work: Work, index: int, picture: Picture) -> None:
        """Keeps a partial picture when it is time for the next of those that are wanted; it leaves by the same door."""
        wanted, given = work.request.previews, work.previews.get(index, 0)
        if given >= wanted:
            return
        taken, total = work.done.get(index) or next(iter(work.done.values()), (1, 1))
        if len(work.job.pictures) == 1 and taken / max(1, total) < (given + 1) / (wanted + 1) - 1e-9:
            return
        try:
            sealed = self.door.leave(
                self._finished(work, picture),
                work.ask,
                self._described(engine, work, index, ()),
                work.request.format,
                work.request.compression,
                work.request.moderation,
            )
        except Refused:
            return  # the finished picture decides
        work.previews[index] = given + 1
        with self.shelf.storing(sealed.data) as (tx, (blob,)):
            data = {"picture": index, "nth": given, "blob": blob, "media_type": sealed.media_type} | self._size(work, picture)
            told = self._written(tx, work, ("preview", data))
            hold(tx, blob, f"job:{work.job.id}")
        self.queue.hub.publish(told)

    def _size(self, work: Work, picture: Picture) -> dict[str, int]:
        width, height = work.direction.fit or (picture.width, picture.height)
        return {"width": width, "height": height}

    def _written(self, tx: Connection, work: Work, line: Line, last: bool = False) -> list[JobEvent]:
        """An event, with those that wait, in the caller's transaction; the `last` one makes the job done. Raises Stopped."""
        lines = [*work.run.waiting_lines(), line]
        try:
            if last:
                return self._completed(tx, work, lines)
            return self.queue.write(tx, work.run.worker, work.job.id, lines)
        except LeaseLost:
            raise Stopped("lost") from None

    # Finishing and recording

    def _finished(self, work: Work, picture: Picture) -> Picture:
        """At its exact size, with what the mask keeps put back, opaque when that was asked for."""
        if work.direction.fit is not None:
            picture = sizes.fit(picture, *work.direction.fit)
        if work.direction.mask is not None:
            original = self.pictures.pixels(work.job.owner, work.direction.pictures[0])
            return masks.put_back(original, picture, masks.mask_of(self.pictures.pixels(work.job.owner, work.direction.mask)))
        return sizes.on_white(picture) if work.request.background == "opaque" else picture

    def _described(self, engine: Engine, work: Work, seed: int, parents: tuple[Parent, ...]) -> Record:
        weights = str(getattr(engine, "sha", ""))
        return Record(
            "edited" if work.direction.action == "edited" else "created",
            engine.name,
            weights,
            seed,
            work.direction.prompt,
            _settings(work.request, work.direction),
            parents,
        )

    def _parents(self, work: Work) -> tuple[Parent, ...]:
        out = []
        for place, name in enumerate(work.direction.pictures):
            relation = "parentOf" if work.direction.action == "edited" and place == 0 else "inputTo"
            out.append(Parent(self.pictures.data(work.job.owner, name), relation, name))  # type: ignore[arg-type]
        return tuple(out)

    def _sealed(self, engine: Engine, work: Work, event: Drew) -> Finished:
        """Finished, judged and sealed. Raises Refused or SaysoError. Touches nothing but the picture, so any thread may do it."""
        picture = self._finished(work, event.picture)
        record = self._described(engine, work, event.seed, self._parents(work))
        request = work.request
        return picture, record, self.door.leave(picture, work.ask, record, request.format, request.compression, request.moderation)

    def _record(self, work: Work, index: int, event: Drew, finished: Finished) -> None:
        """Stores a sealed picture and tells of it, in one transaction; with the last one the job is done."""
        job, (picture, record, sealed) = work.job, finished
        text = "\n".join(part.text for part in work.request.messages[-1].parts if isinstance(part, Text)).strip()
        last = work.left == {index}
        with self.shelf.storing(sealed.data) as (tx, (blob,)):
            row = stored(sealed, blob, picture, record, job.owner, job.pictures[index], work.direction.pictures)
            same = picture.width * event.picture.height == picture.height * event.picture.width
            followed = {key: event.picture.origin[key] for key in TOLD if same and event.picture.origin.get(key)}
            row = replace(
                row,
                settings=dict(row.settings) | followed,
                prompt=text,
                revised_prompt=work.direction.revised,
                job=job.id,
                index=index,
                conversation=job.conversation,
                turn=job.turn,
            )
            data = {"picture": index, "id": row.id, "media_type": row.media_type, "width": row.width, "height": row.height}
            told = self._written(tx, work, ("picture", data | {"seed": event.seed}), last)
            library.add_picture(tx, row)
        work.left.discard(index)
        work.run.over = last
        self.queue.hub.publish(told)

    def _end(self, work: Work) -> None:
        """Ends a job that did not end with its last picture. Raises EngineFailed when one is missing."""
        if work.left:
            raise EngineFailed("the engine stopped before the last picture; try again or choose another engine")
        with self.shelf.db.write() as tx:
            try:
                told = self._completed(tx, work, work.run.waiting_lines())
            except LeaseLost:
                raise Stopped("lost") from None
        work.run.over = True
        self.queue.hub.publish(told)

    def _completed(self, tx: Connection, work: Work, lines: Sequence[Line]) -> list[JobEvent]:
        """The job is done, and its turn filled."""
        job = work.job
        told = self.queue.complete(tx, work.run.worker, job.id, lines)
        if job.turn is not None:
            parts = [{"text": text} for text in work.spoken] + [{"picture": name} for name in job.pictures]
            talks.fill(tx, job.owner, job.turn, parts)
        return told


def stored(sealed: Sealed, blob: str, picture: Picture, record: Record, owner: str, name: str, parents: Sequence[str]) -> StoredPicture:
    """The row of a sealed picture, without what belongs to a job."""
    return StoredPicture(
        id=name,
        owner=owner,
        blob=blob,
        bytes=len(sealed.data),
        media_type=sealed.media_type,
        width=picture.width,
        height=picture.height,
        prompt=record.prompt,
        revised_prompt=None,
        engine=record.engine,
        weights=record.weights,
        seed=record.seed,
        seal=sealed.id,
        action=record.action,
        created=now(),
        settings=dict(record.settings),
        parents=tuple(parents),
    )


def stretched(request: Request, direction: Direction) -> str | None:
    """The remark that a picture is drawn in another shape than was asked for; None when it is not."""
    if request.size is None or direction.fit is None or direction.width is None or direction.height is None:
        return None
    (across, down), (width, height) = direction.fit, (direction.width, direction.height)
    percent = abs(across * height / (down * width) - 1) * 100
    if percent < 1:
        return None
    return f"drawn at {width}x{height}, the nearest shape of this model, and stretched by {percent:.0f} % to {across}x{down}"


def refusal(error: Refused) -> dict[str, Any]:
    """A refusal as a job's error."""
    verdict = error.verdict
    details = {"stage": verdict.stage, "clause": verdict.clause, "categories": sorted(k for k, v in verdict.categories.items() if v >= 0.5)}
    return {"code": "moderation_blocked", "message": str(error), "details": details}


def _settings(request: Request, direction: Direction) -> dict[str, object]:
    """How it was drawn, for the seal and the gallery; what was left to the engine is left out."""
    found: dict[str, object] = {
        "steps": direction.steps,
        "guidance": request.guidance,
        "style": request.style,
        "background": direction.background,
        "quality": None if request.quality == "auto" else request.quality,
        "think": request.think or None,
        "mask": True if direction.mask else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _close(events: object) -> None:
    close = getattr(events, "close", None)
    if close is not None:
        close()


__all__ = ["Pictures", "Ref", "Render", "ask_of", "refusal", "stored"]
