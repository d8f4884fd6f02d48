"""Every setting, as one table: the fields of `Settings`. Read from a TOML file, then from the environment; documented from here."""

from __future__ import annotations

import math
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sayso.errors import BadInput, Unknown

PREFIX = "SAYSO_"
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def _row(default: Any, help: str, least: float | None = None, most: float | None = None, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"help": help, "least": least, "most": most, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """One row a setting. An environment variable is SAYSO_ and the name in capitals; in TOML the name as it stands."""

    host: str = _row("127.0.0.1", "address to listen on; anything but loopback demands keys")
    port: int = _row(8021, "port to listen on", 0, 65535)
    public_url: str = _row("", "how clients reach this server, for links in answers; empty: as they called it")
    origins: tuple[str, ...] = _row((), "web origins that may call from a browser besides the server's own, separated by commas")
    hosts: tuple[str, ...] = _row((), "Host names accepted besides loopback and the address listened on; * accepts all")
    data: str = _row("", "folder for the database and the pictures; empty: sayso in the user's data folder")
    database: str = _row("", "SQLAlchemy URL, for example postgresql+psycopg://…; empty: SQLite in the data folder", secret=True)
    pictures: str = _row("", "where pictures lie: a folder or s3://bucket/prefix; empty: pictures in the data folder")
    s3_endpoint: str = _row("", "address of an S3-compatible store; empty: the one boto3 finds")
    keep_events_hours: float = _row(24.0, "hours that steps and partial pictures of finished jobs are kept", 0)
    idempotency_hours: float = _row(48.0, "hours that an Idempotency-Key is remembered", 24)

    engine: str = _row("pocket", "the engine that draws unless a request names another")
    openai_engine: str = _row("", "the engine that OpenAI's model names stand for; empty: the default engine")
    engines: tuple[str, ...] = _row((), "engines offered, separated by commas; empty: all that are ready")
    device: str = _row("", "cpu, cuda, cuda:1 or mps; empty: the best there is")
    memory_mb: int = _row(0, "megabytes that loaded engines may take together; 0: no limit", 0)
    remote_url: str = _row("", "base URL of an OpenAI-compatible image API for the engine openai; empty: OPENAI_BASE_URL or OpenAI's own")
    remote_key: str = _row("", "key for the engine openai; empty: OPENAI_API_KEY", secret=True)
    remote_model: str = _row("gpt-image-2.5-sunburst", "model that the engine openai asks for")
    steps_low: int = _row(8, "steps for quality low", 1, 1000)
    steps_medium: int = _row(16, "steps for quality medium", 1, 1000)
    steps_high: int = _row(24, "steps for quality high", 1, 1000)
    steps_xhigh: int = _row(32, "steps for quality xhigh", 1, 1000)
    steps_max: int = _row(50, "steps for quality max", 1, 1000)

    director_url: str = _row("", "base URL of an OpenAI-compatible chat API that the director asks; empty: it decides by rules alone")
    director_model: str = _row("", "model that the director asks for")
    director_key: str = _row("", "key for the director's API", secret=True)
    director_seconds: float = _row(20.0, "seconds to wait for the director's model before deciding by rules", 1, 600)

    workers: int = _row(1, "threads that draw; engines that cannot draw twice at once are used by one at a time; 0: others draw", 0, 64)
    preload: bool = _row(True, "bring the default engine into memory at the start")
    batch: int = _row(8, "pictures drawn together where an engine can", 1, 64)
    batch_wait_ms: int = _row(40, "milliseconds to wait for companions when several clients are at work", 0, 1000)
    lease_seconds: float = _row(30.0, "seconds after which the job of a silent worker goes to another", 1, 3600)
    attempts: int = _row(5, "crashes that a job may be alone at work in before it fails", 1, 100)
    deadline_seconds: float = _row(900.0, "seconds that one attempt at a job may take", 1)
    queue_limit: int = _row(1000, "jobs that may wait", 1)
    queue_per_key: int = _row(200, "jobs of one key that may wait", 1)

    keys: str = _row("auto", "whether a key is demanded: auto (only when bound to more than loopback), always or never")
    rate: int = _row(0, "requests a minute for a key that has no rate of its own; 0: unlimited", 0)
    quota: int = _row(0, "pictures a day for a key that has no quota of its own; 0: unlimited", 0)
    body_mb: int = _row(256, "megabytes of one request's body", 1)
    file_mb: int = _row(50, "megabytes of one uploaded file", 1)
    pixels: int = _row(40_000_000, "pixels of one uploaded picture", 1)
    side: int = _row(8192, "pixels along one side of an uploaded picture", 16)
    draw_pixels: int = _row(8_294_400, "pixels of one drawn picture", 4096)
    draw_side: int = _row(3840, "pixels along one side of a drawn picture", 64)
    frames: int = _row(16, "frames of one uploaded picture", 1)
    count: int = _row(10, "pictures of one request", 1, 64)
    inputs: int = _row(16, "pictures that one request may show", 1, 64)
    prompt: int = _row(32_000, "characters of one prompt", 1)
    urls: bool = _row(False, "fetch pictures given as https URLs (public addresses only)")
    keep_alive_seconds: float = _row(15.0, "seconds of silence in a stream before a comment is sent", 0.1)
    free_mb: int = _row(64, "megabytes that must stay free on the disk; below, requests are refused", 0)

    log_level: str = _row("info", "debug, info, warning or error")
    log_prompts: bool = _row(False, "write prompts into the log")
    metrics: bool = _row(True, "offer /metrics for Prometheus")


def _read(name: str, kind: Any, value: object) -> object:
    """A value of TOML or of the environment as the setting's type. Raises BadInput."""
    plain = kind if not isinstance(kind, types.UnionType) else next(k for k in typing.get_args(kind) if k is not type(None))
    if plain is bool and isinstance(value, str) and value.lower() in TRUE + FALSE:
        return value.lower() in TRUE
    if typing.get_origin(plain) is tuple:
        words = value.split(",") if isinstance(value, str) else value
        if isinstance(words, list | tuple) and all(isinstance(word, str) for word in words):
            return tuple(word.strip() for word in words if word.strip())
    elif (plain is str and isinstance(value, str) and "\0" not in value) or (plain is bool and isinstance(value, bool)):
        return value
    elif plain in (int, float) and isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = plain(value)
        except ValueError:
            number = math.nan
        if not math.isnan(number) and (plain is float or not isinstance(value, float)):
            return number
    wanted = {bool: "yes or no", int: "a whole number", float: "a number", str: "text"}.get(plain, "a list of words")
    raise BadInput(f"the setting {name} is {value!r}; it must be {wanted}")


def load(path: Path | None = None, environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Settings from a TOML file, then the environment, then `given`. Raises BadInput or Unknown, naming the setting.

    `path`: None = the file named by SAYSO_CONFIG, or none. Other programs' variables that begin with SAYSO_ are left alone
    when they name no setting (paths and engines have their own).
    """
    environ = os.environ if environ is None else environ
    kinds = typing.get_type_hints(Settings)
    found: dict[str, object] = {}
    if path is None and environ.get("SAYSO_CONFIG"):
        path = Path(environ["SAYSO_CONFIG"])
    if path is not None:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadInput(f'the settings file "{path}" cannot be read ({error}); check it') from error
        for name, value in table.items():
            if name not in kinds:
                raise Unknown("setting", name, tuple(kinds))
            found[name] = _read(name, kinds[name], value)
    for name in kinds:
        if (word := environ.get(PREFIX + name.upper())) is not None:
            found[name] = _read(name, kinds[name], word)
    for name, value in given.items():
        if name not in kinds:
            raise Unknown("setting", name, tuple(kinds))
        found[name] = value if isinstance(value, tuple) else _read(name, kinds[name], value)
    settings = Settings(**found)  # type: ignore[arg-type]
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    for row in fields(settings):
        value, least, most = getattr(settings, row.name), row.metadata["least"], row.metadata["most"]
        if (least is not None and value < least) or (most is not None and value > most):
            bounds = f"at least {least}" if most is None else f"from {least} to {most}"
            raise BadInput(f"the setting {row.name} is {value}; it must be {bounds}")
    for name, words in (("keys", ("auto", "always", "never")), ("log_level", ("debug", "info", "warning", "error"))):
        if getattr(settings, name) not in words:
            raise BadInput(f'the setting {name} is "{getattr(settings, name)}"; it must be one of {", ".join(words)}')


def data_folder(settings: Settings) -> Path:
    """Where the database and the pictures lie."""
    if settings.data:
        return Path(settings.data)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sayso"


def table() -> str:
    """The settings as a Markdown table, for docs/settings.md."""
    lines = ["| setting | environment | default | is |", "|---|---|---|---|"]
    for row in fields(Settings):
        default = ", ".join(row.default) if isinstance(row.default, tuple) else row.default
        shown = {True: "yes", False: "no"}.get(default, default) if isinstance(default, bool) else default
        lines.append(f"| `{row.name}` | `{PREFIX}{row.name.upper()}` | {f'`{shown}`' if shown != '' else ''} | {row.metadata['help']} |")
    return "\n".join(lines)
