"""The first tables: keys, jobs and their events, pictures, files, documents, conversations."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, String, Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = String(80)
LONG = BigInteger().with_variant(Integer, "sqlite")
WORD = String(64).with_variant(String(64, collation="C"), "postgresql")  # ranges of beginnings need plain order


def upgrade() -> None:
    _people()
    _work()
    _pictures()
    _things()
    _talk()


def _people() -> None:
    op.create_table(
        "keys",
        Column("id", ID, primary_key=True),
        Column("name", String(200), nullable=False),
        Column("hash", String(64), nullable=False, unique=True),
        Column("hint", String(16), nullable=False),
        Column("admin", Boolean, nullable=False),
        Column("rate", Integer, nullable=False),
        Column("quota", Integer, nullable=False),
        Column("created", Float, nullable=False),
        Column("expires", Float),
        Column("revoked", Float),
    )
    op.create_table(
        "days",
        Column("owner", ID, primary_key=True),
        Column("day", String(10), primary_key=True),
        Column("pictures", Integer, nullable=False),
    )


def _work() -> None:
    op.create_table(
        "jobs",
        Column("number", LONG, primary_key=True, autoincrement=True),
        Column("id", ID, nullable=False, unique=True),
        Column("owner", ID, nullable=False),
        Column("state", String(10), nullable=False),
        Column("engine", String(100), nullable=False),
        Column("priority", Integer, nullable=False),
        Column("request", JSON, nullable=False),
        Column("direction", JSON, nullable=False),
        Column("pictures", JSON, nullable=False),
        Column("seq", Integer, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("worker", String(200)),
        Column("lease", Float),
        Column("cancel", Boolean, nullable=False),
        Column("error", JSON),
        Column("conversation", ID),
        Column("turn", ID),
        Column("idempotency", String(300)),
        Column("hash", String(64)),
        Column("created", Float, nullable=False),
        Column("started", Float),
        Column("finished", Float),
        Column("expires", Float),
    )
    op.create_index("jobs_waiting", "jobs", ["state", "priority", "number"])
    op.create_index("jobs_of", "jobs", ["owner", "number"])
    op.create_index("jobs_idempotency", "jobs", ["owner", "idempotency"], unique=True)
    op.create_index("jobs_conversation", "jobs", ["conversation"])
    op.create_table(
        "served",
        Column("owner", ID, primary_key=True),
        Column("at", Float, nullable=False),
    )
    op.create_table(
        "events",
        Column("job", ID, primary_key=True),
        Column("seq", Integer, primary_key=True),
        Column("kind", String(20), nullable=False),
        Column("data", JSON, nullable=False),
        Column("created", Float, nullable=False),
    )


def _pictures() -> None:
    op.create_table(
        "uses",
        Column("blob", String(64), primary_key=True),
        Column("holder", String(120), primary_key=True),
    )
    op.create_index("uses_holder", "uses", ["holder"])
    op.create_table(
        "pictures",
        Column("number", LONG, primary_key=True, autoincrement=True),
        Column("id", ID, nullable=False, unique=True),
        Column("owner", ID, nullable=False),
        Column("blob", String(64), nullable=False),
        Column("bytes", LONG, nullable=False),
        Column("media_type", String(40), nullable=False),
        Column("width", Integer, nullable=False),
        Column("height", Integer, nullable=False),
        Column("prompt", Text, nullable=False),
        Column("revised_prompt", Text),
        Column("engine", String(100), nullable=False),
        Column("weights", String(80), nullable=False),
        Column("seed", LONG, nullable=False),
        Column("seal", String(200), nullable=False),
        Column("action", String(10), nullable=False),
        Column("settings", JSON, nullable=False),
        Column("parents", JSON, nullable=False),
        Column("job", ID),
        Column("index", Integer, nullable=False),
        Column("conversation", ID),
        Column("turn", ID),
        Column("favourite", Boolean, nullable=False),
        Column("created", Float, nullable=False),
    )
    op.create_index("pictures_of", "pictures", ["owner", "number"])
    op.create_index("pictures_job", "pictures", ["job", "index"], unique=True)
    op.create_index("pictures_conversation", "pictures", ["conversation"])
    op.create_table(
        "words",
        Column("owner", ID, primary_key=True),
        Column("kind", String(12), primary_key=True),
        Column("word", WORD, primary_key=True),
        Column("thing", ID, primary_key=True),
    )
    op.create_index("words_thing", "words", ["thing"])


def _things() -> None:
    op.create_table(
        "files",
        Column("number", LONG, primary_key=True, autoincrement=True),
        Column("id", ID, nullable=False, unique=True),
        Column("owner", ID, nullable=False),
        Column("blob", String(64), nullable=False),
        Column("bytes", LONG, nullable=False),
        Column("media_type", String(100), nullable=False),
        Column("filename", String(300), nullable=False),
        Column("purpose", String(60), nullable=False),
        Column("width", Integer, nullable=False),
        Column("height", Integer, nullable=False),
        Column("created", Float, nullable=False),
        Column("expires", Float),
    )
    op.create_index("files_of", "files", ["owner", "number"])
    op.create_index("files_expires", "files", ["expires"])
    op.create_table(
        "documents",
        Column("number", LONG, primary_key=True, autoincrement=True),
        Column("kind", String(40), nullable=False),
        Column("id", ID, nullable=False),
        Column("owner", ID, nullable=False),
        Column("data", JSON, nullable=False),
        Column("created", Float, nullable=False),
        Column("expires", Float),
    )
    op.create_index("documents_id", "documents", ["kind", "id"], unique=True)
    op.create_index("documents_of", "documents", ["owner", "kind", "number"])
    op.create_index("documents_expires", "documents", ["expires"])


def _talk() -> None:
    op.create_table(
        "conversations",
        Column("id", ID, primary_key=True),
        Column("owner", ID, nullable=False),
        Column("title", String(300), nullable=False),
        Column("head", ID),
        Column("metadata", JSON, nullable=False),
        Column("created", Float, nullable=False),
        Column("updated", Float, nullable=False),
    )
    op.create_index("conversations_of", "conversations", ["owner", "updated"])
    op.create_table(
        "turns",
        Column("number", LONG, primary_key=True, autoincrement=True),
        Column("id", ID, nullable=False, unique=True),
        Column("conversation", ID, nullable=False),
        Column("parent", ID),
        Column("role", String(10), nullable=False),
        Column("parts", JSON, nullable=False),
        Column("job", ID),
        Column("created", Float, nullable=False),
    )
    op.create_index("turns_of", "turns", ["conversation", "number"])
