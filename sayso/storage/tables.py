"""The tables. Migrations make them; a test holds both against each other."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData()
ID = String(80)
LONG = BigInteger().with_variant(Integer, "sqlite")
WORD = String(64).with_variant(String(64, collation="C"), "postgresql")  # ranges of beginnings need plain order

keys = Table(
    "keys",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),  # sha256 of the secret, which is 256 random bits
    Column("hint", String(16), nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("rate", Integer, nullable=False),
    Column("quota", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float),
    Column("revoked", Float),
)
days = Table(
    "days",
    METADATA,
    Column("owner", ID, primary_key=True),
    Column("day", String(10), primary_key=True),  # 2026-11-21, UTC
    Column("pictures", Integer, nullable=False),
)
jobs = Table(
    "jobs",
    METADATA,
    Column("number", LONG, primary_key=True, autoincrement=True),  # the order of acceptance
    Column("id", ID, nullable=False, unique=True),
    Column("owner", ID, nullable=False),
    Column("state", String(10), nullable=False),
    Column("engine", String(100), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("request", JSON, nullable=False),
    Column("direction", JSON, nullable=False),
    Column("pictures", JSON, nullable=False),
    Column("seq", Integer, nullable=False),  # of the newest event
    Column("attempts", Integer, nullable=False),
    Column("faults", Integer, nullable=False, server_default="0"),  # attempts that a crash ended while no other job ran beside it
    Column("worker", String(200)),
    Column("lease", Float),  # until when
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
    Index("jobs_waiting", "state", "priority", "number"),
    Index("jobs_of", "owner", "number"),
    Index("jobs_idempotency", "owner", "idempotency", unique=True),
    Index("jobs_conversation", "conversation"),
)
served = Table(
    "served",
    METADATA,
    Column("owner", ID, primary_key=True),
    Column("at", Float, nullable=False),  # when a job of this owner was last begun; the longest ago goes first
)
events = Table(
    "events",
    METADATA,
    Column("job", ID, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("data", JSON, nullable=False),
    Column("created", Float, nullable=False),
)
uses = Table(
    "uses",
    METADATA,
    Column("blob", String(64), primary_key=True),
    Column("holder", String(120), primary_key=True),  # "picture:ig_…", "file:file-…", "job:job_…"
    Index("uses_holder", "holder"),
)
pictures = Table(
    "pictures",
    METADATA,
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
    Index("pictures_of", "owner", "number"),
    Index("pictures_job", "job", "index", unique=True),
    Index("pictures_conversation", "conversation"),
)
words = Table(
    "words",
    METADATA,
    Column("owner", ID, primary_key=True),
    Column("kind", String(12), primary_key=True),  # "picture" or "conversation"
    Column("word", WORD, primary_key=True),
    Column("thing", ID, primary_key=True),
    Index("words_thing", "thing"),
)
files = Table(
    "files",
    METADATA,
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
    Index("files_of", "owner", "number"),
    Index("files_expires", "expires"),
)
documents = Table(
    "documents",
    METADATA,
    Column("number", LONG, primary_key=True, autoincrement=True),
    Column("kind", String(40), nullable=False),
    Column("id", ID, nullable=False),
    Column("owner", ID, nullable=False),
    Column("data", JSON, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float),
    Index("documents_id", "kind", "id", unique=True),
    Index("documents_of", "owner", "kind", "number"),
    Index("documents_expires", "expires"),
)
conversations = Table(
    "conversations",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("owner", ID, nullable=False),
    Column("title", String(300), nullable=False),
    Column("head", ID),
    Column("metadata", JSON, nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Index("conversations_of", "owner", "updated"),
)
turns = Table(
    "turns",
    METADATA,
    Column("number", LONG, primary_key=True, autoincrement=True),
    Column("id", ID, nullable=False, unique=True),
    Column("conversation", ID, nullable=False),
    Column("parent", ID),
    Column("role", String(10), nullable=False),
    Column("parts", JSON, nullable=False),
    Column("job", ID),
    Column("created", Float, nullable=False),
    Index("turns_of", "conversation", "number"),
)
