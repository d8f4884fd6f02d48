"""`sayso pull`: what is fetched, taken up again, refused and said, against a small hub on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import Ran

from sayso.engines import checkpoints, fetch
from sayso.engines.checkpoints import Published, Source
from sayso.engines.fetch import Remote
from sayso.errors import BadWeights, CannotWrite, SaysoError, Unknown

ROOT = Path(__file__).resolve().parent.parent
SOURCE = Source("someone/model", ("*.json", "*.safetensors"))
ROW = Published("small", "a small one", 0.1, "MIT", (SOURCE,))
FILES = {"config.json": b"{}", "ema.safetensors": bytes(range(256)) * 40, "README.md": b"not needed"}


class Shelf:
    """A hub in memory. `breaks`: how many reads break after `after` bytes; `starts`: where each read began."""

    def __init__(self, files: dict[str, bytes], breaks: int = 0, after: int = 1000):
        self.held, self.breaks, self.after, self.starts = dict(files), breaks, after, []  # type: ignore[var-annotated]

    def files(self, source: Source) -> list[Remote]:
        return [Remote(source, "abc", name, len(data), hashlib.sha256(FILES.get(name, data)).hexdigest() if len(data) > 10 else "")
                for name, data in self.held.items()]

    def read(self, file: Remote, start: int) -> Iterator[bytes]:
        self.starts.append((file.name, start))
        data = self.held[file.name][start:]
        if self.breaks:
            self.breaks -= 1
            yield data[: self.after]
            raise ConnectionError("the line went dead")
        for at in range(0, len(data), 700):
            yield data[at : at + 700]


def quiet(name: str, there: int, whole: int) -> None:
    assert 0 <= there <= whole


def test_what_is_needed_is_fetched_whole_and_recorded(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    fetch.pull(Shelf(FILES), ROW, tmp_path / "m", lambda *row: told.append(row))
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["config.json", "ema.safetensors", checkpoints.MANIFEST]
    assert (tmp_path / "m" / "ema.safetensors").read_bytes() == FILES["ema.safetensors"]
    assert checkpoints.recorded(tmp_path / "m")["ema.safetensors"] == hashlib.sha256(FILES["ema.safetensors"]).hexdigest()
    assert told[-1] == ("ema.safetensors", 10240, 10240) and fetch.verify(tmp_path / "m", quiet) == 2


def test_a_broken_connection_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    shelf = Shelf({"ema.safetensors": FILES["ema.safetensors"]}, breaks=3)
    fetch.pull(shelf, ROW, tmp_path, quiet)
    assert [start for _, start in shelf.starts] == [0, 1000, 2000, 3000]
    assert (tmp_path / "ema.safetensors").read_bytes() == FILES["ema.safetensors"]


def test_a_pull_that_failed_is_taken_up_by_the_next(tmp_path: Path) -> None:
    with pytest.raises(SaysoError, match="goes on from there"):
        fetch.pull(Shelf({"ema.safetensors": FILES["ema.safetensors"]}, breaks=99, after=300), ROW, tmp_path, quiet)
    assert [p.name for p in tmp_path.iterdir()] == ["ema.safetensors.part"] and not (tmp_path / checkpoints.MANIFEST).exists()
    shelf = Shelf(FILES)
    fetch.pull(shelf, ROW, tmp_path, quiet)
    assert ("ema.safetensors", fetch.TRIES * 300) in shelf.starts
    again = Shelf(FILES)
    fetch.pull(again, ROW, tmp_path, quiet)
    assert again.starts == []


def test_a_wrong_hash_is_never_kept(tmp_path: Path) -> None:
    wrong = {"ema.safetensors": b"x" * len(FILES["ema.safetensors"])}
    with pytest.raises(BadWeights, match="does not have the hash"):
        fetch.pull(Shelf(wrong), ROW, tmp_path, quiet)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "ema.safetensors").write_bytes(wrong["ema.safetensors"])  # the right size, altered on disk
    with pytest.raises(BadWeights, match="was removed"):
        fetch.pull(Shelf({"ema.safetensors": FILES["ema.safetensors"]}), ROW, tmp_path, quiet)
    assert not (tmp_path / "ema.safetensors").exists()


def test_a_full_disk_is_known_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch.machine, "disk_free", lambda folder: 1 << 30)
    shelf = Shelf(FILES)
    with pytest.raises(CannotWrite, match="are free"):
        fetch.pull(shelf, ROW, tmp_path / "m", quiet)
    assert shelf.starts == [] and not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["../a.json", "/etc/a.json", "a\\b.json"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadWeights, match="leads out"):
        fetch.pull(Shelf({name: b"{}"}), ROW, tmp_path, quiet)
    assert list(tmp_path.iterdir()) == []


def test_more_or_fewer_bytes_than_announced(tmp_path: Path) -> None:
    class Liar(Shelf):
        def read(self, file: Remote, start: int) -> Iterator[bytes]:
            yield b"y" * (file.size - start + self.after)

    with pytest.raises(BadWeights, match="more bytes"):
        fetch.pull(Liar(FILES, after=1), ROW, tmp_path / "a", quiet)
    with pytest.raises(SaysoError, match="ended after"):
        fetch.pull(Liar(FILES, after=-1_000_000), ROW, tmp_path / "b", quiet)


@pytest.mark.parametrize("change", ["altered", "gone", "unlisted"])
def test_verify_names_what_changed(tmp_path: Path, change: str) -> None:
    fetch.pull(Shelf(FILES), ROW, tmp_path, quiet)
    path = tmp_path / "ema.safetensors"
    if change == "altered":
        path.write_bytes(b"z" + path.read_bytes()[1:])
    elif change == "gone":
        path.unlink()
    else:
        (tmp_path / checkpoints.MANIFEST).unlink()
    with pytest.raises(BadWeights, match="pull again"):
        fetch.verify(tmp_path, quiet)


def test_the_table_is_whole() -> None:
    assert set(checkpoints.TABLE) == {"bagel", "hidream-i1-full", "hidream-i1-dev", "hidream-i1-fast", "hidream-e1", "hidream-e1.1"}
    for row in checkpoints.TABLE.values():
        assert row.gigabytes > 1 and row.licence and all(source.files and "/" in source.repository for source in row.sources)
    with pytest.raises(Unknown, match="hidream-i1-dev"):
        checkpoints.published("hidream-i1-dve")


# ---------------------------------------------------------------------------------------------------------------------
# the real client against a server here


class Pages(BaseHTTPRequestHandler):
    """Answers as the hub does: a repository's list, and files by ranges."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path.startswith("/api/models/ByteDance-Seed/BAGEL-7B-MoT"):
            rows = [{"rfilename": name, "size": len(data), **({"lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data),
                     "pointerSize": 100}} if name.endswith("safetensors") else {})} for name, data in BAGEL.items()]
            self.send(200, json.dumps({"id": "ByteDance-Seed/BAGEL-7B-MoT", "sha": "1" * 40, "siblings": rows}).encode())
        elif "/api/models/" in self.path:
            self.send_response(403)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            data, asked = BAGEL[self.path.rsplit("/", 1)[1]], self.headers.get("Range", "bytes=0-")
            self.send(206, data[int(asked.removeprefix("bytes=").split("-")[0]):])

    def send(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


BAGEL = {"llm_config.json": b"{}", "ema.safetensors": b"e" * 3_000_000, "ae.safetensors": b"a" * 1000, "notes.bin": b"no"}


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def pulled(where: Path, endpoint: str, *words: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("huggingface_hub")
    env = {**os.environ, "HF_ENDPOINT": endpoint, "SAYSO_MODELS": str(where), "HF_HOME": str(where / "hf"), "PYTHONPATH": str(ROOT),
           "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return subprocess.run([sys.executable, "-m", "sayso", "pull", *words], env=env, cwd=where, capture_output=True, text=True, check=False)


def test_the_command_goes_on_where_a_file_stopped(tmp_path: Path, hub: str) -> None:
    (tmp_path / "bagel").mkdir()
    (tmp_path / "bagel" / "ema.safetensors.part").write_bytes(BAGEL["ema.safetensors"][:1_000_000])
    ran = pulled(tmp_path, hub, "bagel")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == str(tmp_path / "bagel") and "Apache-2.0" in ran.stderr
    assert {p.name: p.read_bytes() for p in (tmp_path / "bagel").iterdir() if p.name != checkpoints.MANIFEST} == {
        name: data for name, data in BAGEL.items() if name != "notes.bin"}
    assert json.loads(pulled(tmp_path, "http://127.0.0.1:9", "bagel", "--verify", "--json").stdout)["files"] == 3


def test_offline_and_gated_in_one_sentence(tmp_path: Path, hub: str) -> None:
    for endpoint, name, words in (("http://127.0.0.1:9", "bagel", "cannot be asked for"), (hub, "hidream-i1-fast", "consent")):
        ran = pulled(tmp_path, endpoint, name)
        assert ran.returncode == 1 and words in ran.stderr.splitlines()[-1] and "Traceback" not in ran.stderr, ran.stderr


def test_the_list_and_a_wrong_name(sayso: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSO_MODELS", str(tmp_path / "none"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "none"))
    assert [row["name"] for row in json.loads(sayso("pull", "--json").out)] == list(checkpoints.TABLE)
    assert any("bagel: " in line and "29.6 GB" in line for line in sayso("pull").lines)
    wrong = sayso("pull", "bagle")
    assert wrong.code == 2 and 'did you mean "bagel"?' in wrong.err
    assert sayso("pull", "--verify").code == 2
    assert sayso("pull", "bagel", "--verify").code == 3
