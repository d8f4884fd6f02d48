"""SQLite (WAL) or PostgreSQL behind one way to read and one to write; brought up to date by the migrations in the package."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from sayso.errors import BadInput
from sayso.storage.errors import StorageAway, StorageFull

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30.0  # how long one process waits for another's transaction
FULL = ("database or disk is full", "disk i/o error", "no space left", "could not extend file", "unable to open database file")
BUSY = ("database is locked", "database table is locked")
LOCK = 0x73617973  # the number of PostgreSQL's advisory lock while tables are changed


class Database:
    """`url`: of SQLAlchemy. Transactions on SQLite take the write lock at once, so that none fails half-way."""

    def __init__(self, url: str):
        try:
            self.url = make_url(url)
            self.lite = self.url.get_backend_name() == "sqlite"
            self._sure, self._quick = self._engine("FULL"), self._engine("NORMAL")
        except (ArgumentError, ImportError, SQLAlchemyError) as error:
            raise BadInput(
                f"the database URL cannot be used ({type(error).__name__}); write sqlite:///FILE or postgresql+psycopg://…"
            ) from error
        self._turn = threading.RLock()  # one writer at a time here, instead of many that ask SQLite in a loop

    def _engine(self, synchronous: str) -> Engine:
        if not self.lite:
            return create_engine(self.url, pool_pre_ping=True, pool_size=10, max_overflow=20)
        engine = create_engine(self.url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, pool_size=10, max_overflow=50)

        @event.listens_for(engine, "connect")
        def _settle(connection: sqlite3.Connection, record: object) -> None:
            connection.isolation_level = None  # transactions are begun below
            for pragma in (
                "journal_mode = WAL",
                f"synchronous = {synchronous}",
                "foreign_keys = ON",
                "secure_delete = ON",
                "journal_size_limit = 67108864",
            ):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")

        return engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view. Raises StorageAway."""
        with self._telling(), self._sure.connect() as connection:
            yield connection

    @contextmanager
    def write(self, durable: bool = True) -> Iterator[Connection]:
        """A transaction, committed at the end. `durable`: on disk when it returns, so that no power cut takes it back.

        Raises StorageFull when the disk is full, StorageAway when the database does not answer; nothing of the transaction is
        kept then.
        """
        engine = self._sure if durable else self._quick
        with self._telling(), self._turn if self.lite else _nothing(), engine.connect() as plain:
            connection = plain.execution_options(writes=True)
            with connection.begin():
                if not self.lite and not durable:
                    connection.execute(text("SET LOCAL synchronous_commit = off"))
                yield connection

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            said = str(error.orig).lower()
            if any(sign in said for sign in FULL):
                raise StorageFull("the disk of the database is full; free some space and try again") from error
            if not self.lite or any(sign in said for sign in BUSY):
                raise StorageAway("the database does not answer; try again in some seconds") from error
            raise

    def alone(self, connection: Connection, number: int = LOCK) -> None:
        """Until the end of this transaction no other may pass here; on SQLite every writing transaction is alone."""
        if not self.lite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": number})

    def migrate(self) -> None:
        """Brings the tables up to date; safe when several processes do so at once. Raises BadInput, StorageFull."""
        from alembic.migration import MigrationContext
        from alembic.operations import Operations
        from alembic.script import ScriptDirectory

        if self.lite and self.url.database not in (None, "", ":memory:"):
            Path(str(self.url.database)).parent.mkdir(parents=True, exist_ok=True)
        script = ScriptDirectory(str(MIGRATIONS))

        def steps(revision: Any, context: MigrationContext) -> Any:
            return script._upgrade_revs("head", revision)

        try:
            with self.write() as connection:
                self.alone(connection)
                context = MigrationContext.configure(connection, opts={"fn": steps, "transactional_ddl": True})
                with Operations.context(context):
                    context.run_migrations()
        except (DBAPIError, StorageAway) as error:
            cause = error if isinstance(error, DBAPIError) else error.__cause__
            detail = " ".join(str(getattr(cause, "orig", cause)).split())[:200]
            raise BadInput(f"the database cannot be opened or brought up to date ({detail}); check its URL and rights") from error

    def tidy(self) -> None:
        """After a deletion: what SQLite still holds in its log goes too."""
        if self.lite:
            with self._turn, self._sure.connect() as plain:
                connection = plain.execution_options(isolation_level="AUTOCOMMIT")
                connection.exec_driver_sql("PRAGMA busy_timeout = 500")  # a reader that is slow keeps the log a little longer
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")

    def close(self) -> None:
        self._sure.dispose()
        self._quick.dispose()


@contextmanager
def _nothing() -> Iterator[None]:
    yield
