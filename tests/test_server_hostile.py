"""Clients that mean harm or are broken: slow heads, answers that are not read, deep bodies, reused keys, storms of cancels."""

from __future__ import annotations

import concurrent.futures
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from sayso.server.line import Line
from sayso.studio.requests import drawing
from sayso.studio.service import LOCAL
from tests.server_kit import Served, Unmarked, picture, png, serving

GENERATE = "/v1/images/generations"


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server that soon loses patience."""
    monkeypatch.setattr(Line, "head_seconds", 1.0)
    monkeypatch.setattr(Line, "stalled_seconds", 1.0)
    with serving(tmp_path, Unmarked()) as running:
        yield running


def connected(served: Served, data: bytes, buffer: int | None = None) -> socket.socket:
    line = socket.socket()
    if buffer is not None:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    line.settimeout(30)
    line.connect(("127.0.0.1", int(served.root.rpartition(":")[2])))
    line.sendall(data)
    return line


def healthy(line: socket.socket) -> bool:
    """Whether a whole answer to GET /health comes."""
    got = b""
    while b"}" not in got:
        got += line.recv(65_536)
    return got.startswith(b"HTTP/1.1 200 ")


def rest(line: socket.socket) -> int:
    """How many bytes still come until the server ends the connection; fails when it does not."""
    got = 0
    try:
        while chunk := line.recv(65_536):
            got += len(chunk)
    except ConnectionResetError:
        pass
    return got


def test_a_head_that_never_ends_is_not_waited_for(hasty: Served) -> None:
    silent, half = connected(hasty, b""), connected(hasty, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
    second = connected(hasty, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert healthy(second)
    second.sendall(b"GET /health HTTP/1.1\r\nX-A: ")  # the same in a connection that was used before
    begun = time.monotonic()
    assert rest(silent) == rest(half) == rest(second) == 0 and time.monotonic() - begun < 25
    quiet = connected(hasty, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert healthy(quiet)
    time.sleep(1.5)
    quiet.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")  # a connection may rest between two requests
    assert healthy(quiet)


def test_a_client_that_never_reads_is_let_go(hasty: Served) -> None:
    large = png(picture(2000, 2000, 1))  # more than the system's own buffers hold
    sent = httpx2.post(hasty.root + "/v1/files", files={"file": ("a.png", large)}, data={"purpose": "vision"}, timeout=60)
    head = f"GET /v1/files/{sent.json()['id']}/content HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    silent = connected(hasty, head, 4096)
    whole = rest(connected(hasty, head))  # one that reads gets everything
    time.sleep(5)
    assert rest(silent) < whole and whole > 10_000_000


def test_a_deep_body_is_a_400(served: Served) -> None:
    for deep in ("[" * 100_000, '{"a":' * 100_000, '{"prompt": ' + "[" * 50_000 + "]" * 50_000 + "}"):
        for path in (GENERATE, "/v1/responses", "/v1/chat/completions", "/v1/images/edits"):
            answer = httpx2.post(served.root + path, content=deep, headers={"Content-Type": "application/json"}, timeout=60)
            assert answer.status_code == 400 and answer.json()["error"]["message"], (path, answer.text[:200])


def test_many_idempotency_keys_make_many_jobs_and_a_reused_one_none(served: Served) -> None:
    def send(key: str, prompt: str) -> httpx2.Response:
        body = {"model": "fake", "prompt": prompt, "size": "64x64", "steps": 1}
        return httpx2.post(served.root + GENERATE, json=body, headers={"Idempotency-Key": key}, timeout=120)

    before = served.pictures()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: send(f"storm-{i % 20}", "a fox"), range(60)))
        others = list(pool.map(lambda i: send(f"storm-{i}", "another"), range(20)))
    assert {answer.status_code for answer in answers} == {200} and served.pictures() == before + 20
    ids = [[one["id"] for one in answer.json()["data"]] for answer in answers]
    assert ids[:20] == ids[20:40] == ids[40:]
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in others} == {(422, "idempotency_key_reused")}


def test_a_storm_of_cancels_ends_each_job_once(served: Served) -> None:
    page = httpx2.Client(base_url=served.root + "/studio/v1", timeout=120)
    asked = drawing("a fox", engine="fake", size=(64, 64), options={"pause": 0.2})
    jobs = [served.studio.submit(LOCAL, asked).job for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda job: page.post(f"/jobs/{job}/cancel").status_code, jobs * 12))
    assert set(answers) == {200}
    served.settle(lambda: all(page.get(f"/jobs/{job}").json()["state"] == "cancelled" for job in jobs), 60)
    for job in jobs:
        kinds = [event.kind for event in served.studio.log(LOCAL, job)]
        assert kinds.count("cancelled") == 1 and kinds[-1] == "cancelled"
