"""Many open streams at once, and a stream that goes on after the server was killed in the middle."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.server_kit import Served

CLIENTS = 200


def messages(stream: http.client.HTTPResponse) -> Iterator[dict[str, object]]:
    """The events of a stream as they come."""
    for line in stream:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def get(port: int, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    return connection.getresponse()


def post(port: int, path: str, body: dict[str, object]) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    told = json.loads(answer.read())
    assert answer.status == 200, told
    return told


def test_two_hundred_streams_of_one_job(served: Served) -> None:
    """All of them hear the whole log, while others are served."""
    port = int(served.root.rpartition(":")[2])
    body = {
        "model": "fake",
        "input": "a red fox",
        "background": True,
        "tools": [{"type": "image_generation", "size": "64x64", "steps": 40, "partial_images": 1}],
    }
    made = post(port, "/v1/responses", body)
    streams = [get(port, f"/v1/responses/{made['id']}?stream=true") for _ in range(CLIENTS)]
    assert {stream.status for stream in streams} == {200}
    assert get(port, "/health").status == 200
    with ThreadPoolExecutor(16) as pool:
        heard = list(pool.map(lambda stream: [event["type"] for event in messages(stream)], streams))
    assert len(heard) == CLIENTS and all(one == heard[0] for one in heard)
    assert heard[0][-1] == "response.completed" and "response.image_generation_call.partial_image" in heard[0]


@contextmanager
def process(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """`sayso serve` in a process of its own."""
    environ = {**os.environ, "SAYSO_LEASE_SECONDS": "1", "SAYSO_LOG_LEVEL": "error", "SAYSO_FREE_MB": "0", "SAYSO_ENGINES": "fake"}
    words = [sys.executable, "-m", "sayso", "serve", "--port", str(port), "--data", str(folder), "--engine", "fake"]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environ)
    try:
        assert running.stdout is not None and "sayso is at" in running.stdout.readline()
        Served.settle(lambda: _ready(port), 30)
        yield running
    finally:
        running.kill()
        running.wait()


def _ready(port: int) -> bool:
    try:
        return get(port, "/ready").status == 200
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_stream_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    port = free_port()
    body = {
        "model": "fake",
        "input": "a red fox",
        "background": True,
        "stream": True,
        "tools": [{"type": "image_generation", "size": "256x256", "steps": 1000, "partial_images": 3, "seed": 3}],
    }
    first: list[dict[str, object]] = []
    with process(tmp_path, port) as running:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/v1/responses", json.dumps(body), {"Content-Type": "application/json"})
        try:
            for event in messages(connection.getresponse()):
                first.append(event)
                if event["type"] == "response.image_generation_call.partial_image":
                    running.send_signal(signal.SIGKILL)
                    break
        except (OSError, http.client.HTTPException):
            pass
    assert first[-1]["type"] == "response.image_generation_call.partial_image"
    name, last = first[0]["response"]["id"], first[-1]["sequence_number"]
    with process(tmp_path, port):
        begun = time.monotonic()
        rest = list(messages(get(port, f"/v1/responses/{name}?stream=true&starting_after={last}")))
        whole = list(messages(get(port, f"/v1/responses/{name}?stream=true")))
        assert time.monotonic() - begun < 60
    assert rest[-1]["type"] == "response.completed", rest[-1]
    assert [event["sequence_number"] for event in first + rest] == list(range(len(first + rest)))
    assert whole[last + 1 :] == rest
    pictures = [event for event in first + rest if event["type"] == "response.image_generation_call.partial_image"]
    assert [event["partial_image_index"] for event in pictures] == [0, 1, 2]
