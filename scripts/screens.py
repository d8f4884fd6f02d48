"""Photograph every place of the studio's page, light and dark, narrow and wide, into docs/screens, with the bundled engine drawing.

What only some weights can do (plans, turning, walking) is photographed where the bundled ones can; `make screens` runs this.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "screens"
SIZES = {"wide": (1360, 850), "narrow": (390, 844)}
PROMPTS = (
    "a sailboat on the sea",
    "a red apple, white background",
    "an owl, night sky",
    "a yellow banana on a blue background",
    "two strawberries and a lemon",
    "a tree in a meadow",
    "a panda and a red balloon",
    "a cactus, flat style, orange background",
)
PLANNED = "a cat to the left of a tree"
TURNS = (
    ("views", "a toy car, red and blue, 3d model, seen from the front", "turn it 30 degrees to the right"),
    ("walk", "an alley in the evening", "go forward"),
)
LIMIT = 60_000  # bytes of one picture


def start(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A server on a free port; its process and its address."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "SAYSO_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "sayso", "serve", "--port", str(port), "--data", str(folder / "data")]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    root = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{root}/health", timeout=5).close()
            return process, root
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    raise SystemExit("the server did not start; try sayso serve by hand")


def call(root: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{root}/studio/v1{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())


def finished(root: str, job: str) -> dict[str, Any]:
    while (now := call(root, f"/jobs/{job}"))["state"] in ("queued", "running"):
        time.sleep(0.2)
    return dict(now)


def said(root: str, talk: str, words: str, wish: dict[str, Any], picture: str | None = None) -> dict[str, Any]:
    """A turn, waited for; its job."""
    parts = [*([{"type": "picture", "id": picture}] if picture else []), {"type": "text", "text": words}]
    turn = call(root, f"/conversations/{talk}/turns", {"parts": parts, "wish": {"seed": 3, **wish}, "partial_images": 0})
    return finished(root, turn["job"]["id"])


def abilities(root: str) -> set[str]:
    """What the bundled engine can."""
    return set(next(row["abilities"] for row in call(root, "/engines")["data"] if row["name"] == "pocket"))


def talented(root: str) -> dict[str, str]:
    """Places that only some weights have something to show in."""
    able, places = abilities(root), {"walk": "#/turn/walk"}
    if "think" in able:
        talk = call(root, "/conversations", {})["id"]
        said(root, talk, PLANNED, {"think": True, "plan_only": True})
        places["plan"] = f"#/talk/{talk}"
    for ability, first, then in TURNS:
        if ability in able:
            talk = call(root, "/conversations", {})["id"]
            drawn = said(root, talk, first, {"action": "generate"})["pictures"]
            if drawn:
                said(root, talk, then, {"action": "edit"}, drawn[0])
            places["turn" if ability == "views" else "walk"] = f"#/turn/{ability}/{talk}"
    return places


def furnish(root: str) -> dict[str, str]:
    """Conversations, pictures and votes to look at; the places to photograph."""
    talks = []
    for words in PROMPTS:
        talk = call(root, "/conversations", {})["id"]
        said(root, talk, words, {})
        talks.append(talk)
    for steps, choice in ((4, "left"), (8, "right"), (4, "tie"), (8, "left")):
        pair = call(
            root,
            "/arena/pairs",
            {"prompt": PROMPTS[0], "category": "scenes", "sides": [{"engine": "pocket"}, {"engine": "pocket", "steps": steps}]},
        )
        while call(root, f"/arena/pairs/{pair['id']}")["state"] == "drawing":
            time.sleep(0.2)
        call(root, f"/arena/pairs/{pair['id']}/vote", {"choice": choice})
    picture = call(root, f"/pictures?conversation={talks[0]}")["data"][0]["id"]
    return {
        "first": "#/talk",
        "talk": f"#/talk/{talks[0]}",
        "canvas": f"#/canvas/{picture}",
        "gallery": "#/gallery",
        "arena": "#/arena",
        "turn": "#/turn",
        "check": "#/seal",
        "seal": f"#/seal/{picture}",
        "settings": "#/settings",
        **talented(root),
    }


READY = {
    "first": ".example",
    "talk": "figure.drawn img",
    "canvas": ".strip a",
    "gallery": ".tile img",
    "arena": "tbody tr",
    "turn": ".turn-stage img, .empty",
    "walk": ".turn-stage img, .empty",
    "plan": ".plan-box, .answer .turn-tools",
    "check": ".dropzone",
    "seal": ".facts",
    "settings": ".clause",
}


def keep(shot: bytes, path: Path) -> None:
    """As WebP under the limit, as good as that allows."""
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    for quality in (82, 70, 58, 45, 30):
        image.save(path, quality=quality, method=6)
        if path.stat().st_size <= LIMIT:
            return
    raise SystemExit(f"{path.name} does not fit into {LIMIT} bytes; make the window smaller")


def still(page: Any) -> bytes:
    """The page as PNG once its pictures are there and nothing moves."""
    page.evaluate(
        """() => Promise.all([...document.images].filter((one) => one.getBoundingClientRect().top < innerHeight && one.offsetParent)
            .map((one) => one.decode().catch(() => {})))"""
    )
    page.wait_for_timeout(600)
    return bytes(page.screenshot())


def photograph(root: str, places: dict[str, str], chromium: str, png: Path | None) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-quic", "--disable-background-networking"])
        for window, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB")
                page = context.new_page()
                for name, address in places.items():
                    page.goto(f"{root}/{address}")
                    page.locator(READY[name]).first.wait_for()
                    shot = still(page)
                    keep(shot, OUT / f"{name}-{window}-{scheme}.webp")
                    if png is not None:
                        (png / f"{name}-{window}-{scheme}.png").write_bytes(shot)
                context.close()
        context = browser.new_context(viewport={"width": SIZES["wide"][0], "height": SIZES["wide"][1]}, locale="zh-CN")
        page = context.new_page()
        page.goto(f"{root}/#/talk")
        page.locator(".example").first.wait_for()
        keep(still(page), OUT / "first-wide-chinese.webp")
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--png", type=Path, help="a folder for the same pictures as PNG")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium was found; install one")
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        process, root = start(Path(folder))
        try:
            photograph(root, furnish(root), chromium, args.png)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


if __name__ == "__main__":
    main()
