"""Logs as one JSON object a line. Prompts stay out of them unless the settings let them in."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, TextIO

PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
PRIVATE = frozenset({"prompt", "text", "words", "messages", "request_body"})  # members of `extra` that may hold what someone said


class Lines(logging.Formatter):
    """`prompts`: whether PRIVATE members are written."""

    def __init__(self, prompts: bool):
        super().__init__()
        self.prompts = prompts

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        line: dict[str, Any] = {"at": at, "level": record.levelname.lower(), "from": record.name, "what": record.getMessage()}
        for name, value in vars(record).items():
            if name not in PLAIN and (self.prompts or name not in PRIVATE):
                line[name] = value
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = self.formatException(record.exc_info) if self.prompts else _where(record)
        return json.dumps(line, ensure_ascii=False, default=str)


def _where(record: logging.LogRecord) -> str:
    """The kind of an error and the places it came through: its message may quote a prompt and is left out."""
    assert record.exc_info is not None
    kind, _, trace = record.exc_info
    places = []
    while trace is not None:
        places.append(f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{getattr(kind, '__name__', kind)} at " + " > ".join(places)


def set_up(level: str, prompts: bool, stream: TextIO | None = None) -> logging.Handler:
    """Sends the logs of "sayso" to a stream (standard error), and to nowhere else; returns the handler."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Lines(prompts))
    logger = logging.getLogger("sayso")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    return handler
