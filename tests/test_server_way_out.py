"""No picture leaves the server unsealed: every route is walked that can give one out, and every route is accounted for."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sayso.studio.service import LOCAL
from sayso.trust import formats, provenance
from sayso.trust.seal import Sealer
from tests.server_kit import Served, picture, png, serving

TOOL = {"type": "image_generation", "size": "64x64", "partial_images": 1}
ROUTES = Path(__file__).resolve().parent.parent / "sayso" / "server" / "routes"
GIVING = {  # routes that give pictures out; each is walked below
    "post /images/generations", "post /images/edits", "post /images/variations", "get /pictures/{picture}/content",
    "post /chat/completions", "post /responses", "get /responses/{response}", "get /jobs/{job}/events", "get /pictures/{picture}/file",
    "post /pictures/{picture}/versions", "get /everything",
}
OWN = {  # routes that give back what the caller handed in, as it was stored
    "get /files/{file}/content",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("sealed")) as running:
        yield running


def pictures_in(answer: httpx2.Response) -> list[bytes]:
    """Every picture in an answer: the body itself, or base64 anywhere in its JSON or in the events of a stream."""
    kind = answer.headers["content-type"].split(";")[0]
    if kind.startswith("image/"):
        return [answer.content]
    texts = re.findall(r"^data: (\{.*)$", answer.text, re.MULTILINE) if kind == "text/event-stream" else [answer.text]
    found: list[bytes] = []

    def search(value: Any) -> None:
        if isinstance(value, dict):
            for one in value.values():
                search(one)
        elif isinstance(value, list):
            for one in value:
                search(one)
        elif isinstance(value, str) and len(value) > 200:
            try:
                data = base64.b64decode(value.removeprefix("data:").split("base64,")[-1], validate=True)
            except (binascii.Error, ValueError):
                return
            if formats.sniff(data) is not None:
                found.append(data)

    for text in texts:
        search(json.loads(text))
    return found


def sealed(answer: httpx2.Response, least: int) -> None:
    assert answer.status_code == 200, answer.text
    given = pictures_in(answer)
    assert len(given) >= least
    for data in given:
        read = provenance.read(data, Sealer().identity)
        assert (read.state, read.ours) == ("trusted", True)


def test_every_route_is_accounted_for() -> None:
    """A new route that speaks of pictures must be walked here or be known to give none."""
    routes = {
        f"{way} {path}"
        for file in ROUTES.glob("*.py")
        for way, path in re.findall(r'@router\.(get|post|put|patch|delete)\(\s*"([^"]+)"', file.read_text(encoding="utf-8"))
    }
    assert routes >= GIVING | OWN
    words = r"/(content|file|versions|generations|edits|variations|completions|responses)\b"
    speaking = {name for name in routes if re.search(words, name)}
    known = GIVING | OWN | {"post /responses/{response}/cancel", "delete /responses/{response}", "get /responses/{response}/input_items"}
    assert speaking - known == set()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_the_images_interface_gives_sealed_pictures(served: Served, kind: str) -> None:
    ask = {"model": "fake", "prompt": "a red fox", "size": "64x64", "output_format": kind}
    sealed(httpx2.post(served.base + "/images/generations", json={**ask, "n": 2}), 2)
    sealed(httpx2.post(served.base + "/images/generations", json={**ask, "stream": True, "partial_images": 2}), 3)
    files = {"image": ("a.png", png(picture(64, 64, 1)))}
    sealed(httpx2.post(served.base + "/images/edits", data={"model": "fake", "prompt": "paint it", "output_format": kind}, files=files), 1)


def test_variations_chat_and_responses_give_sealed_pictures(served: Served) -> None:
    files = {"image": ("a.png", png(picture(64, 64, 2)))}
    sealed(httpx2.post(served.base + "/images/variations", data={"size": "256x256", "response_format": "b64_json"}, files=files), 1)
    chat = {"model": "fake", "modalities": ["image", "text"], "messages": [{"role": "user", "content": "a red fox"}]}
    sealed(httpx2.post(served.base + "/chat/completions", json=chat, timeout=60), 1)
    ask = {"model": "gpt-5", "input": "a red fox", "tools": [TOOL]}
    made = httpx2.post(served.base + "/responses", json={**ask, "background": False}, timeout=60)
    sealed(made, 1)
    sealed(httpx2.post(served.base + "/responses", json={**ask, "stream": True}, timeout=60), 2)
    sealed(httpx2.get(f"{served.base}/responses/{made.json()['id']}"), 1)


def test_the_studio_gives_sealed_pictures(served: Served) -> None:
    ask = {"model": "fake", "prompt": "a blue car", "size": "64x64"}
    made = httpx2.post(served.base + "/images/generations", json=ask).json()["data"][0]
    name = made["id"]
    linked = {**ask, "model": "dall-e-3", "response_format": "url", "size": "1024x1024"}
    link = httpx2.post(served.base + "/images/generations", json=linked)
    sealed(httpx2.get(link.json()["data"][0]["url"]), 1)
    sealed(httpx2.get(f"{served.root}/studio/v1/pictures/{name}/content"), 1)
    sealed(httpx2.get(f"{served.root}/studio/v1/pictures/{name}/file", params={"format": "webp"}), 1)
    files = {"file": ("a.png", base64.b64decode(made["b64_json"]))}
    by_hand = httpx2.post(f"{served.root}/studio/v1/pictures/{name}/versions", data={"tool": "recolour"}, files=files).json()["id"]
    sealed(httpx2.get(f"{served.root}/studio/v1/pictures/{by_hand}/content"), 1)


def test_the_export_holds_sealed_pictures_and_the_log_of_a_job_only_their_names(served: Served) -> None:
    httpx2.post(served.base + "/images/generations", json={"model": "fake", "prompt": "a tree", "size": "64x64"})
    jobs = httpx2.get(f"{served.root}/studio/v1/jobs").json()["data"]
    assert pictures_in(httpx2.get(f"{served.root}/studio/v1/jobs/{jobs[0]['id']}/events", timeout=60)) == []
    drawn = {row.id for row in served.studio.search(LOCAL, limit=200).rows}
    with zipfile.ZipFile(io.BytesIO(httpx2.get(f"{served.root}/studio/v1/everything").content)) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    given = [data for entry, data in files.items() if any(name in entry for name in drawn)]
    assert len(given) >= 1
    for data in given:
        assert provenance.read(data, Sealer().identity).state == "trusted"
