"""Puts a studio together from its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from sayso.engines import registry
from sayso.errors import BadInput, Unknown
from sayso.hooks import EngineInfo
from sayso.jobs.hub import Hub
from sayso.jobs.keeper import Keeper, resident
from sayso.jobs.queue import Limits, Queue
from sayso.jobs.worker import Pace, Workers, host_name
from sayso.storage.blobs import Blobs, Disk
from sayso.storage.database import Database
from sayso.storage.shelf import Shelf
from sayso.studio import recall
from sayso.studio.adviser import ChatAdviser
from sayso.studio.director import STUDIO, Director
from sayso.studio.door import door
from sayso.studio.limits import Gate
from sayso.studio.metrics import Metrics
from sayso.studio.render import Pictures, Render
from sayso.studio.rooms import Rooms
from sayso.studio.settings import Settings, data_folder
from sayso.studio.upkeep import Upkeep
from sayso.types import Ask, Engine, Event


class Nobody:
    """Stands where an engine stands when the studio itself says something."""

    name = STUDIO
    abilities: frozenset[object] = frozenset()
    parallel = 64

    def respond(self, ask: Ask) -> Event:
        raise AssertionError("the studio speaks for itself")


def table(settings: Settings) -> dict[str, EngineInfo]:
    """The engines offered here. Raises Unknown for a name in the settings that is none."""
    every = dict(registry.engines())
    if "openai" in every and (settings.remote_url or settings.remote_key):
        every["openai"] = _remote(every["openai"], settings)
    for name in (settings.engine, *settings.engines, *filter(None, (settings.openai_engine,))):
        if name not in every:
            raise Unknown("engine", name, tuple(every))
    chosen = {settings.engine, settings.openai_engine, *settings.engines}
    return {name: info for name, info in every.items() if not settings.engines or name in chosen}


def _remote(info: EngineInfo, settings: Settings) -> EngineInfo:
    from sayso.engines import openai

    def load(device: str | None) -> Engine:
        return openai.load(device, url=settings.remote_url, key=settings.remote_key, model=settings.remote_model)

    return replace(info, load=load, missing=lambda: None)


def blobs(settings: Settings, folder: Path) -> Blobs:
    """Where pictures lie. Raises BadInput."""
    if settings.pictures.startswith("s3://"):
        from sayso.storage.s3 import Bucket

        return Bucket(settings.pictures, settings.s3_endpoint)
    if "://" in settings.pictures:
        raise BadInput(f'pictures cannot be kept at "{settings.pictures}"; write a folder or s3://bucket/prefix')
    return Disk(Path(settings.pictures) if settings.pictures else folder / "pictures")


def _loaders(rows: Mapping[str, EngineInfo], settings: Settings) -> dict[str, Callable[[], Engine]]:
    def loader(info: EngineInfo) -> Callable[[], Engine]:
        return lambda: info.load(settings.device or None)

    def nobody() -> Engine:
        return Nobody()  # type: ignore[return-value]

    return {name: loader(info) for name, info in rows.items()} | {STUDIO: nobody}


def rooms(settings: Settings, *plugins: object) -> Rooms:
    """Nothing is started and nothing is written. Raises BadInput or Unknown."""
    folder = data_folder(settings)
    db = Database(settings.database or f"sqlite:///{folder / 'sayso.sqlite'}")
    shelf, hub = Shelf(db, blobs(settings, folder)), Hub(db)
    queue = Queue(db, hub, Limits(settings.queue_limit, settings.queue_per_key, settings.lease_seconds, settings.attempts))
    rows = table(settings)
    keeper = Keeper(_loaders(rows, settings), settings.memory_mb * 2**20)
    pictures, way_out = Pictures(shelf), door(*plugins)
    metrics = Metrics(queue.counts, resident, lambda: {name: keeper.state(name)[2] for name in rows if keeper.state(name)[0]})
    render = Render(queue, shelf, way_out, pictures, lambda job: recall.talk_of(db, pictures, job), settings.batch, metrics)
    pace = Pace(settings.workers, settings.batch, settings.batch_wait_ms / 1000, settings.deadline_seconds)
    workers = Workers(queue, keeper, render, pace, host_name(str(folder.absolute())), metrics.attempt)
    adviser = None
    if settings.director_url:
        adviser = ChatAdviser(settings.director_url, settings.director_model, settings.director_key, settings.director_seconds)
    return Rooms(
        settings=settings,
        db=db,
        shelf=shelf,
        queue=queue,
        keeper=keeper,
        workers=workers,
        render=render,
        pictures=pictures,
        director=Director(settings, rows, adviser),
        door=way_out,
        gate=Gate(db, settings),
        metrics=metrics,
        upkeep=Upkeep(settings, folder, queue, shelf, keeper, workers),
    )
