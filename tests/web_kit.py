"""A real server in a process of its own, and a browser that looks at it; for the stories of the studio's page."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("fastapi", reason="the extra serve is not installed")

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
FLAGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking"]
PATIENCE = 30_000  # milliseconds; machines that run tests are shared
playwright.expect.set_options(timeout=PATIENCE)


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


@dataclass
class Server:
    """`sayso serve` as a process; it can be killed and started again on the same data and port."""

    folder: Path
    engine: str = "fake"
    env: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "XDG_DATA_HOME": str(self.folder / "home"),
            "SAYSO_CACHE": os.environ.get("SAYSO_CACHE", str(self.folder / "cache")),
            **self.env,
        }
        command = [
            sys.executable,
            "-m",
            "sayso",
            "serve",
            "--port",
            str(self.port),
            "--engine",
            self.engine,
            "--data",
            str(self.folder / "data"),
        ]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.root}/health", timeout=5).close()
                return
            assert self.process.poll() is None, (self.folder / "server.log").read_text()[-2000:]
            time.sleep(0.1)
        raise AssertionError("the server did not answer in a minute")

    def kill(self, how: int = signal.SIGKILL) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, how)
            self.process.wait(20)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.root}/studio/v1{path}", timeout=30) as answer:
            return json.loads(answer.read())

    def post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(f"{self.root}/studio/v1{path}", json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def pixels(self, picture: str) -> np.ndarray:
        """uint8 [H, W, 4] of a stored picture."""
        with urllib.request.urlopen(f"{self.root}/studio/v1/pictures/{picture}/content", timeout=30) as answer:
            return np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGBA"))

    def draw(self, words: str, **wish: Any) -> dict[str, Any]:
        """One picture in a conversation of its own; its row."""
        talk = self.post("/conversations", {})
        turn = self.post(
            f"/conversations/{talk['id']}/turns", {"parts": [{"type": "text", "text": words}], "wish": wish, "partial_images": 0}
        )
        return dict(self.get(f"/pictures/{self.done(turn['job']['id'])['pictures'][0]}"))

    def done(self, job: str) -> dict[str, Any]:
        """Waits for a job to end well."""
        until = time.monotonic() + 60
        while (now := self.get(f"/jobs/{job}"))["state"] not in ("done", "failed"):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert now["state"] == "done", now["error"]
        return dict(now)


def untrained_pocket(path: Path, abilities: Sequence[str] | None = None) -> None:
    """A pocket model of two layers that says it can do this (None: everything); it draws noise, by the whole way of the real one."""
    import torch

    from sayso.engines import checkpoint
    from sayso.engines.ground import spec_of
    from sayso.models import tokens
    from sayso.models.specs import pocket
    from sayso.models.unified import UnifiedModel
    from sayso.training.corpus import texts
    from sayso.types import Ability
    from sayso.world import art, looks, shorthand
    from sayso.world.grounds import Known, characters

    torch.manual_seed(0)
    known = Known(art.CORE[:20], characters())
    pieces = tokens.train(texts(60, 0), 2000).with_marks(shorthand.MARKS)
    spec = pocket(2, pieces.size, 8)
    model = UnifiedModel(spec, False, spec_of(known))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.06)
    facts = {
        "spec": spec.to_dict(),
        "pieces": pieces.definition,
        "canvas": {"patch": 8, "tokens": 64},
        "text_limit": 112,
        "concepts": list(known.concepts),
        "characters": known.characters,
        "looks": list(looks.NAMES) if abilities is None else [],
        "abilities": [one.value for one in Ability if one is not Ability.VIDEO] if abilities is None else list(abilities),
        "sampling": {"steps": 2, "guidance": 1.0},
    }
    checkpoint.save(path, model.state_dict(), facts)


@dataclass
class Visit:
    """One tab. `said`: what the console said that it should not have."""

    page: Any
    server: Server
    said: list[str] = field(default_factory=list)

    def open(self, place: str = "talk", ready: str = "main[data-view]") -> None:
        self.page.goto(f"{self.server.root}/#/{place}")
        self.page.locator(ready).first.wait_for()

    def say(self, words: str) -> None:
        self.page.locator("#prompt").fill(words)
        self.page.keyboard.press("Enter")

    def drawn(self, count: int) -> None:
        """Waits for so many finished pictures in the thread, and for the end of all work."""
        playwright.expect(self.page.locator("figure.drawn img")).to_have_count(count)
        playwright.expect(self.page.locator(".working")).to_have_count(0)

    def slowly(self, seconds: float) -> None:
        """Turns take at least so long from now on: the test-card engine is told to pause at each of its four steps."""

        def pausing(route: Any) -> None:
            body = json.loads(route.request.post_data)
            body["wish"] = {**body["wish"], "engine_options": {"pause": seconds / 4}}
            route.continue_(post_data=json.dumps(body))

        self.page.route("**/turns", lambda route: pausing(route) if route.request.method == "POST" else route.continue_())

    def at_once(self) -> None:
        self.page.unroute("**/turns")

    @property
    def talk(self) -> str:
        return str(self.page.url).rsplit("/", 1)[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed, so nobody can look at the page")
    made = Server(tmp_path_factory.mktemp("web"))
    made.start()
    yield made
    made.kill(signal.SIGTERM)


@pytest.fixture
def modest(tmp_path: Path) -> Iterator[Server]:
    """A server whose pocket engine draws from words and nothing more; the test cards are its default."""
    untrained_pocket(tmp_path / "pocket.safetensors", ("draw", "transparent"))
    made = Server(tmp_path, env={"SAYSO_WEIGHTS": str(tmp_path / "pocket.safetensors")})
    made.start()
    yield made
    made.kill(signal.SIGTERM)


@pytest.fixture(scope="module")
def able(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose pocket engine can do everything that pocket engines can."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed, so nobody can look at the page")
    folder = tmp_path_factory.mktemp("able")
    untrained_pocket(folder / "pocket.safetensors")
    # Without programs on the path: Tesseract would take longer to look for lettering in each view than the view takes to be drawn.
    made = Server(folder, "pocket", {"SAYSO_WEIGHTS": str(folder / "pocket.safetensors"), "PATH": str(folder)})
    made.start()
    yield made
    made.kill(signal.SIGTERM)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed, so nobody can look at the page")
    with playwright.sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@contextlib.contextmanager
def visiting(browser: Any, server: Server, **how: Any) -> Iterator[Visit]:
    """A tab of its own; at the end its console must be clean."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}, "locale": "en-GB", "accept_downloads": True, **how})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    visit = Visit(page, server)
    page.on("console", lambda message: visit.said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: visit.said.append(str(error)))
    page.on(
        "request", lambda request: visit.said.append(request.url) if not request.url.startswith((server.root, "data:", "blob:")) else None
    )
    try:
        yield visit
    finally:
        context.close()
    assert visit.said == []


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Visit]:
    with visiting(browser, server) as made:
        yield made
