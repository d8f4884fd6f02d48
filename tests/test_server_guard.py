"""What stands before every route: names, origins, sizes, slowness, and the shape of every error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message

from sayso.server import sse
from sayso.server.guard import Guard, Rules


async def reads(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads the body and says how long it was; a path of its own fails."""
    request = Request(scope, receive)
    if request.url.path == "/fails":
        raise ZeroDivisionError("secret detail")
    try:
        size = len(await request.body())
        await PlainTextResponse(str(size))(scope, receive, send)
    except Exception:  # noqa: BLE001 - as frameworks do
        await Response("hidden by a framework", 400)(scope, receive, send)


def ask(
    rules: Rules,
    headers: dict[str, str] | None = None,
    chunks: list[bytes] | None = None,
    path: str = "/",
    wait: float = 0.0,
    app: ASGIApp = reads,
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request."""
    sent: list[Message] = []
    left = list(chunks or [b""])

    async def receive() -> Message:
        if wait:
            await asyncio.sleep(wait)
        if not left:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in {"host": "localhost:8021", **(headers or {})}.items()]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": raw,
        "server": ("localhost", 8021),
        "scheme": "http",
        "root_path": "",
    }
    asyncio.run(Guard(app, rules)(scope, receive, send))
    answer = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answer, b"".join(message.get("body", b"") for message in sent[1:])


def error(body: bytes) -> dict[str, Any]:
    told = json.loads(body)["error"]
    assert set(told) >= {"message", "type", "param", "code"}
    return told


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:8021", "[::1]:8021", "192.168.1.7:8021", "[fd00::7]"])
def test_loopback_names_are_answered(host: str) -> None:
    status, headers, body = ask(Rules(), {"host": host}, [b"abc"])
    assert (status, body) == (200, b"3") and headers["x-request-id"].startswith("req_") and headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io"])
def test_other_names_are_not(host: str) -> None:
    status, _, body = ask(Rules(), {"host": host})
    assert status == 403 and error(body)["code"] == "unknown_host"
    assert ask(Rules(hosts=frozenset({"*"})), {"host": host})[0] == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8021", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://localhost:9999", 403),
        ("https://page.example", 200),
        ("http://[", 403),
    ],
)
def test_pages_from_elsewhere(origin: str, status: int) -> None:
    assert ask(Rules(origins=frozenset({"https://page.example"})), {"origin": origin})[0] == status


def test_a_large_body_is_cut_off_whatever_its_header_says() -> None:
    rules = Rules(body_bytes=100)
    for headers, chunks in (({"content-length": "101"}, [b"x"]), ({}, [b"x" * 60, b"x" * 60]), ({"content-length": "5"}, [b"x" * 101])):
        status, _, body = ask(rules, headers, chunks)
        assert status == 413 and error(body)["code"] == "request_too_large"
    assert ask(rules, {"content-length": "100"}, [b"x" * 100])[2] == b"100"
    assert ask(rules, {"content-length": "-1"})[0] == 400


def test_a_slow_body_is_given_up() -> None:
    status, _, body = ask(Rules(body_seconds=0.1), None, [b"x"] * 50, wait=0.03)
    assert status == 408 and error(body)["code"] == "request_timeout"


def test_a_mistake_of_ours_tells_nothing_and_is_not_tried_again() -> None:
    status, headers, body = ask(Rules(), path="/fails")
    assert status == 500 and headers["x-should-retry"] == "false" and b"secret" not in body and error(body)["code"] == "server_error"


def test_every_answer_is_seen() -> None:
    seen: list[tuple[str, str, int]] = []
    rules = Rules(seen=lambda method, route, status, seconds: seen.append((method, route, status)))
    ask(rules)
    ask(rules, {"host": "evil.example"})
    assert seen == [("POST", "-", 200), ("POST", "-", 403)]


def collected(make: Callable[[], AsyncIterator[str]], seconds: float) -> list[str]:
    async def run() -> list[str]:
        return [message async for message in sse.kept_alive(make(), seconds)]

    return asyncio.run(run())


def test_silence_is_filled_with_comments_and_nothing_is_lost() -> None:
    async def slowly() -> AsyncIterator[str]:
        for i in range(3):
            await asyncio.sleep(0.05)
            yield str(i)

    got = collected(slowly, 0.02)
    assert [message for message in got if message != sse.KEEP_ALIVE] == ["0", "1", "2"] and got.count(sse.KEEP_ALIVE) >= 3
    assert all(message.startswith(":") for message in got if message == sse.KEEP_ALIVE)


def test_closing_a_stream_closes_its_source() -> None:
    closed = []

    async def source() -> AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    async def run() -> None:
        stream = sse.kept_alive(source(), 0.01)
        assert [await anext(stream), await anext(stream)] == ["first", sse.KEEP_ALIVE]
        await stream.aclose()

    asyncio.run(run())
    assert closed == [True]


def test_an_error_on_the_way_is_told_as_an_event() -> None:
    async def fails() -> AsyncIterator[str]:
        yield "first"
        raise ZeroDivisionError

    nested = json.loads(collected(lambda: sse.told(fails()), 1)[1].partition("data: ")[2])
    assert nested["error"]["code"] == "server_error" and "type" not in nested
    flat = json.loads(collected(lambda: sse.told(fails(), flat=True), 1)[1].partition("data: ")[2])
    assert flat["code"] == "server_error" and flat["message"]


def test_an_event_stays_on_its_lines() -> None:
    assert sse.event({"a": "x\ny\u2028z"}, "name") == 'event: name\ndata: {"a":"x\\ny\\u2028z"}\n\n'
