"""The remote engine against our own server, and against answers that are not as they should be."""

from __future__ import annotations

import base64
import http.server
import io
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sayso.engines import openai, registry
from sayso.engines.fake import FakeEngine
from sayso.errors import BadInput, CannotDo, SaysoError
from sayso.types import Ask, Drew, Event, Message, Picture, Preview, Step, Text
from tests.server_kit import Served


def asked(text: str, *pictures: Picture, **how: Any) -> Ask:
    return Ask((Message("user", (*pictures, Text(text))),), **how)


def drawn(events: Iterator[Event]) -> list[Picture]:
    return [event.picture for event in events if isinstance(event, Drew)]


@pytest.fixture
def remote(served: Served) -> openai.RemoteEngine:
    return openai.load(url=served.base, key="sk-any", model="gpt-image-2")


def test_it_draws_through_our_own_server(remote: openai.RemoteEngine) -> None:
    ask = asked("a red fox", width=128, height=96, seed=5, steps=8, options={"extensions": True})
    events = list(remote.respond(ask))
    steps = [event for event in events if isinstance(event, Step)]
    assert len([e for e in events if isinstance(e, Preview)]) == 3 and isinstance(events[-1], Drew) and events[-1].seed == 5
    assert [s.index for s in steps] == sorted({s.index for s in steps}) and steps[-1].index == steps[-1].total
    near(drawn(iter(events))[0], drawn(FakeEngine().respond(asked("a red fox", width=128, height=96, seed=5, steps=8)))[0])


def test_several_pictures_come_in_order(remote: openai.RemoteEngine) -> None:
    ask = asked("a fox", count=3, width=64, height=64, seed=1, options={"extensions": True})
    for got, want in zip(
        drawn(remote.respond(ask)), drawn(FakeEngine().respond(asked("a fox", count=3, width=64, height=64, seed=1))), strict=True
    ):
        near(got, want)


def near(got: Picture, want: Picture) -> None:
    """The same but for a mark in the pixels."""
    assert got.pixels.shape == want.pixels.shape
    assert np.abs(got.pixels.astype(int) - want.pixels.astype(int)).mean() < 4


def test_edits_go_with_pictures_and_mask(remote: openai.RemoteEngine) -> None:
    rng = np.random.default_rng(0)
    one, two = (Picture(np.dstack((rng.integers(0, 256, (64, 96, 3), np.uint8), np.full((64, 96), 255, np.uint8)))) for _ in range(2))
    assert len(drawn(remote.respond(asked("make it blue", one, two)))) == 1
    mask = np.zeros((64, 96), bool)
    mask[:32] = True
    (got,) = drawn(remote.respond(asked("make it blue", one, mask=mask)))
    apart = np.abs(got.pixels[..., :3].astype(int) - one.pixels[..., :3].astype(int)).mean(axis=(1, 2))
    assert apart[:32].mean() > 40 and apart[32:].mean() < 6


@pytest.mark.parametrize(
    ("ask", "kind", "why"),
    [
        (asked("a", want="text"), CannotDo, "only draws"),
        (asked("a", think=True), CannotDo, "think"),
        (asked("a", style="line"), CannotDo, "style"),
        (asked("a", steps=4), CannotDo, "steps"),
        (asked("a", guidance=2.0), CannotDo, "guidance"),
        (asked("a", options={"pause": 1}), BadInput, "pause"),
        (asked("a", options={"quality": "best"}), BadInput, "best"),
        (asked("a", mask=np.ones((4, 4), bool)), CannotDo, "no picture"),
        (asked("  "), BadInput, "empty"),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_is_sent(ask: Ask, kind: type[Exception], why: str) -> None:
    engine = openai.load(url="http://127.0.0.1:9/v1", key="k")
    with pytest.raises(kind, match=why):
        engine.respond(ask)


def test_what_the_server_refuses_is_told_in_its_words(remote: openai.RemoteEngine) -> None:
    with pytest.raises(BadInput, match="remote interface refuses"):
        list(remote.respond(asked("a", width=100, height=37000)))


def test_without_a_key_it_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    info = registry.info("openai")
    assert "no key" in str(info.missing())
    with pytest.raises(CannotDo, match="needs a key"):
        info.load(None)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert info.missing() is None and info.load(None).abilities == info.abilities
    with pytest.raises(CannotDo, match="elsewhere"):
        info.load("cuda")


Answer = Callable[[http.server.BaseHTTPRequestHandler, dict[str, Any]], tuple[int, str, bytes]]


@pytest.fixture
def stub() -> Iterator[tuple[openai.RemoteEngine, list[Answer], list[dict[str, Any]]]]:
    answers: list[Answer] = []
    sent: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, kind, body = answers.pop(0)(self, sent[-1])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield openai.load(url=f"http://127.0.0.1:{server.server_address[1]}/v1", key="sk-hush"), answers, sent
    server.shutdown()
    thread.join()
    server.server_close()


def png() -> str:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def error(status: int, message: str, param: str | None = None) -> Answer:
    body = json.dumps({"error": {"message": message, "type": "x", "param": param, "code": "c"}}).encode()
    return lambda handler, said: (status, "application/json", body)


def test_an_interface_that_does_not_stream_is_asked_plainly(stub: tuple[openai.RemoteEngine, list[Answer], list[dict[str, Any]]]) -> None:
    engine, answers, sent = stub
    whole = json.dumps({"data": [{"b64_json": png()}]}).encode()
    answers += [error(400, "Unknown parameter: 'stream'", "stream"), *[lambda handler, said: (200, "application/json", whole)] * 2]
    for _ in range(2):
        assert drawn(engine.respond(asked("a")))[0].pixels[0, 0].tolist() == [255, 0, 0, 255]
    assert [said.get("stream") for said in sent] == [True, None, None]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (error(401, "bad key sk-hush"), "does not accept the key"),
        (error(400, "no"), "refuses .*no"),
        (error(500, "oops"), "failed .500.: oops"),
        (lambda handler, said: (502, "text/html", b"<html>"), "gave no reason"),
        (
            lambda handler, said: (200, "text/event-stream", b'data: {"error": {"message": "blocked", "code": "moderation_blocked"}}\n\n'),
            "blocked",
        ),
        (
            lambda handler, said: (200, "text/event-stream", b'data: {"type": "image_generation.completed", "b64_json": "!!"}\n\n'),
            "no picture",
        ),
        (lambda handler, said: (200, "text/event-stream", b"data: nonsense\n\n"), "not JSON"),
        (lambda handler, said: (200, "text/event-stream", b"data: [DONE]\n\n"), "before the last picture"),
    ],
)
def test_a_bad_answer_is_one_sentence_without_the_key(
    stub: tuple[openai.RemoteEngine, list[Answer], list[dict[str, Any]]], answer: Answer, why: str
) -> None:
    engine, answers, _ = stub
    answers.append(answer)
    with pytest.raises(SaysoError, match=why) as told:
        list(engine.respond(asked("a")))
    assert "hush" not in str(told.value) or "401" in str(told.value)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(SaysoError, match="cannot be reached"):
        list(openai.load(url="http://127.0.0.1:9/v1", key="k").respond(asked("a")))
