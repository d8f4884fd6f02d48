"""`sayso serve` and `sayso bench server` as a person starts them."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sayso.errors import BadInput
from sayso.server import bench
from tests.test_server_streams import get


def start(folder: Path, *words: str, **environ: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sayso", "serve", "--data", str(folder), "--engine", "fake", *words]
    env = {**os.environ, "SAYSO_FREE_MB": "0", "SAYSO_LOG_LEVEL": "info", **environ}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def test_it_serves_on_loopback_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    running = start(tmp_path, "--port", "0")
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        assert line.startswith("sayso is at http://127.0.0.1:") and "/v1" in line
        port = int(line.split()[3].rpartition(":")[2])
        answer = get(port, "/v1/models")
        assert answer.status == 200 and json.loads(answer.read())["data"]
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
        assert running.returncode == 0
        rows = [json.loads(row) for row in said.splitlines()]
        assert {"GET"} <= {row.get("method") for row in rows}, "the log is lines of JSON"
    finally:
        running.kill()
        running.communicate()


def test_elsewhere_a_key_is_demanded(tmp_path: Path) -> None:
    running = start(tmp_path, "--port", "0", "--host", "0.0.0.0")
    try:
        assert running.stdout is not None
        port = int(running.stdout.readline().split()[3].rpartition(":")[2])
        assert get(port, "/v1/models").status == 401 and get(port, "/health").status == 200
    finally:
        running.kill()
        _, said = running.communicate()
    assert "keys are demanded" in said


def test_a_port_that_is_taken_is_told_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running = start(tmp_path, "--port", str(taken.getsockname()[1]))
        _, said = running.communicate(timeout=60)
    assert running.returncode == 2 and "choose another --port" in said and "Traceback" not in said


def options(**change: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    small = {"engine": "fake", "clients": "1,2", "rounds": 2, "pictures": 2, "size": "64x64", "streams": 5, "memory_requests": 10}
    return argparse.Namespace(**vars(parser.parse_args([])) | small | change)


def test_the_bench_measures_a_real_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    assert bench.run(options(json=True, write=True)) == 0
    out, progress = capsys.readouterr()
    told = json.loads(out)
    assert {"1", "2"} == set(told["clients"]) and all(one["rate"] > 0 and one["p50"] <= one["p95"] for one in told["clients"].values())
    assert told["clients"]["1"]["gain_over_one_client"] == 1 and told["direct"]["bare"] < told["direct"]["seconds"]
    assert told["streams"]["open"] == told["streams"]["pictures"] == 5
    assert [count for count, _ in told["memory_mib"]] == [0, 10] and all(mib > 20 for _, mib in told["memory_mib"])
    page = (tmp_path / "docs/speed.md").read_text()
    assert "<!-- server:begin -->" in page and "| 2 clients |" in page and "5 streams open at once" in page
    assert "round 2 of 2" in progress and "s left" in progress


@pytest.mark.parametrize(
    "change", [{"clients": "one"}, {"clients": "0"}, {"size": "big"}, {"rounds": 0}, {"pictures": 0}, {"streams": 201}]
)
def test_bench_options_that_are_none(change: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        bench.checked(options(**change))
