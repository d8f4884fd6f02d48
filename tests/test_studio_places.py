"""The same studio with its rows in PostgreSQL and its pictures in a bucket."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from sayso.storage.errors import NotFound, StorageAway
from sayso.storage.rows import Job
from sayso.studio.requests import Request, Said, drawing
from sayso.studio.service import LOCAL, Studio, Ticket, build
from sayso.studio.settings import load
from sayso.types import Text
from tests.test_studio import House


def done(studio: Studio, ticket: Ticket) -> Job:
    return asyncio.run(asyncio.wait_for(studio.wait(LOCAL, ticket.job), 30))


@pytest.fixture
def afar(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    moto = pytest.importorskip("moto", reason="moto is not installed")
    import boto3

    name = f"t{secrets.token_hex(6)}"
    engine = create_engine(postgres.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(variable, "us-east-1")
    with moto.mock_aws():
        boto3.client("s3").create_bucket(Bucket="pictures")
        settings = load(
            environ={},
            data=str(tmp_path),
            database=postgres.format(name),
            pictures="s3://pictures/here",
            engine="fake",
            engines=("fake",),
            workers=2,
            preload=False,
        )
        studio = build(settings, House())
        studio.start()
        yield studio
        studio.stop(0.5)


def test_it_draws_talks_finds_and_forgets(afar: Studio) -> None:
    tickets = [afar.submit(LOCAL, drawing(f"fox number {i}", count=1 + i % 2, previews=1)) for i in range(6)]
    assert [done(afar, ticket).state for ticket in tickets] == ["done"] * 6
    assert len(afar.search(LOCAL, "fox num").rows) == 9 and len(afar.search(LOCAL, "4").rows) == 1
    place = afar.create_conversation(LOCAL).id
    for words in ("draw a red fox", "make it blue"):
        job = done(afar, afar.submit(LOCAL, Request((Said("user", (Text(words),)),), place)))
    assert job.direction["action"] == "edited" and afar.pixels(LOCAL, job.pictures[0]).width == 256
    assert afar.data(LOCAL, job.pictures[0])[0][:4] == b"\x89PNG" and len(afar.turns(LOCAL, place)) == 4
    assert len(list(afar.shelf.blobs.names(-5))) == 9 + 9 + 2  # each of the first nine with one partial picture
    afar.delete_turn(LOCAL, place, afar.turns(LOCAL, place)[2].id)
    assert len(afar.tree(LOCAL, place)) == 2 and len(list(afar.shelf.blobs.names(-5))) == 9 + 9 + 1
    afar.erase(LOCAL)
    assert list(afar.shelf.blobs.names(-5)) == [] and afar.search(LOCAL).rows == ()
    with pytest.raises(NotFound):
        afar.conversation(LOCAL, place)
    assert afar.ready() is None


def test_a_database_that_goes_away_is_waited_for(afar: Studio, postgres: str) -> None:
    ticket = afar.submit(LOCAL, drawing("a slow fox", seed=5, options={"pause": 0.3}))
    while "step" not in [event.kind for event in afar.log(LOCAL, ticket.job)]:
        time.sleep(0.02)
    name = afar.db.url.database
    keeper = create_engine(postgres.format("postgres"), isolation_level="AUTOCOMMIT")
    with keeper.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name})
        for act in (lambda: afar.submit(LOCAL, drawing("a fox")), lambda: afar.job(LOCAL, ticket.job)):
            with pytest.raises(StorageAway, match="does not answer"):
                act()
        assert "does not answer" in str(afar.ready())
        time.sleep(3)
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    keeper.dispose()
    job = done(afar, ticket)
    assert (job.state, job.attempts) == ("done", 1) and afar.picture(LOCAL, job.pictures[0]).seed == 5 and afar.ready() is None
