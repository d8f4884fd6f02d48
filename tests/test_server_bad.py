"""Bad input over the wire: a 4xx with a sentence, and nothing of it is kept."""

from __future__ import annotations

import base64
from dataclasses import replace

import httpx2
import numpy as np
import pytest

from sayso.studio.service import LOCAL
from tests.server_kit import Served, picture, png
from tests.test_server_uploads import BAD, huge

GOOD = png(picture(32, 32, 1))
SMALL = ("too many bytes", "bigger bomb", "long")  # these are bad only under the small bounds of the unit test
FILES = {name: data for name, (data, _) in BAD.items() if name not in SMALL} | {"real bomb": huge(9000, 9000), "nul": b"\0" * 64}


def state(served: Served) -> tuple[int, int, int]:
    return served.pictures(), served.files(), served.running()


def refused(served: Served, answer: httpx2.Response, before: tuple[int, int, int]) -> dict[str, object]:
    assert 400 <= answer.status_code < 500, answer.text[:200]
    error = answer.json()["error"]
    assert set(error) >= {"message", "type", "param", "code"} and len(error["message"]) > 15 and answer.headers["x-request-id"]
    assert state(served) == before
    return error


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("route", ["files", "images/edits", "images/variations", "content_provenance_checks", "mask"])
def test_bad_files(served: Served, name: str, route: str) -> None:
    before, file = state(served), ("../../x.png", FILES[name], "image/png")
    if route == "mask":
        answer = httpx2.post(served.base + "/images/edits", data={"prompt": "x"}, files={"image": ("a.png", GOOD), "mask": file})
    elif route == "files":
        answer = httpx2.post(served.base + "/files", data={"purpose": "vision"}, files={"file": file})
    elif route == "content_provenance_checks":
        answer = httpx2.post(served.base + "/" + route, files={"file": file})
    else:
        answer = httpx2.post(served.base + "/" + route, data={"prompt": "x"} if route == "images/edits" else {}, files={"image": file})
    refused(served, answer, before)


def mask(width: int, height: int, alpha: int) -> bytes:
    pixels = np.full((height, width, 4), alpha, np.uint8)
    return png(pixels)


@pytest.mark.parametrize(
    ("files", "data", "said"),
    [
        ({"image": ("a.png", GOOD), "mask": ("m.png", mask(31, 32, 0))}, {}, "the mask is 31x32"),
        ({"image": ("a.png", GOOD), "mask": ("m.png", mask(32, 32, 255))}, {}, "no fully transparent pixel"),
        ({"mask": ("m.png", mask(32, 32, 0))}, {}, "Missing required parameter: 'image'"),
        ({"image": ("a.png", GOOD)}, {"moderation": "low"}, "moderation"),
        ({"image": ("a.png", GOOD), "markup": ("m.png", GOOD)}, {}, "markup"),
        ({"image": ("a.png", GOOD), "other": ("m.png", GOOD)}, {}, "Unknown file part"),
        ({"image": ("a.png", GOOD)}, {"n": "100000000000"}, "'n'"),
        ({"image": ("a.png", GOOD)}, {"n": "two"}, "'n'"),
        ({"image": ("a.png", GOOD)}, {"size": "0x0"}, "size"),
        ({"image": ("a.png", GOOD)}, {"strength": "1"}, "Unknown parameter"),
        ({"image": ("a.png", GOOD)}, {"prompt": "x" * 33_000}, "prompt"),
        ({"image": ("a.png", GOOD)}, {"stream": "perhaps"}, "stream"),
        ({"image": ("a.png", GOOD)}, {"image": "words"}, "must be a file"),
        ({"image": ("a.png", GOOD)}, {"input_fidelity": "high"}, "input_fidelity"),
    ],
)
def test_bad_edits(served: Served, files: dict[str, tuple[str, bytes]], data: dict[str, str], said: str) -> None:
    before = state(served)
    answer = httpx2.post(served.base + "/images/edits", data={"prompt": "paint it", "model": "fake", **data}, files=files)
    assert said in str(refused(served, answer, before)["message"])


def test_seventeen_pictures(served: Served) -> None:
    before = state(served)
    answer = httpx2.post(served.base + "/images/edits", data={"prompt": "x"}, files=[("image[]", (f"{i}.png", GOOD)) for i in range(17)])
    refused(served, answer, before)


URL = "data:image/png;base64," + base64.b64encode(GOOD).decode()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x.png",
        "https://localhost/x.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "file:///etc/passwd",
        "ftp://x/y",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:text/html,<script>",
        URL[:-9] + "!!!!",
        URL[:60],
        "",
        "data:",
        "https://" + "a" * 3000,
    ],
)
def test_bad_urls(served: Served, url: str) -> None:
    for path, body in (
        ("images/edits", {"prompt": "x", "images": [{"image_url": url}]}),
        (
            "chat/completions",
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": url}}]}]},
        ),
    ):
        before = state(served)
        refused(served, httpx2.post(f"{served.base}/{path}", json=body), before)


@pytest.mark.parametrize("url", ["https://127.0.0.1/x.png", "https://localhost/x.png", "https://[::ffff:10.0.0.1]/", "https://2130706433/"])
def test_bad_urls_where_urls_are_fetched(served: Served, url: str) -> None:
    before, plain = state(served), served.studio.settings
    served.studio.settings = replace(plain, urls=True)
    try:
        answer = httpx2.post(served.base + "/images/edits", json={"prompt": "x", "images": [{"image_url": url}]})
        assert "not public" in str(refused(served, answer, before)["message"])
    finally:
        served.studio.settings = plain


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b'{"prompt": "x", "n": NaN}', "application/json"),
        (b'{"prompt": "\\ud800"}', "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"prompt": "x"}', "text/plain"),
        (b"prompt=x", "application/x-www-form-urlencoded"),
        (b"--x\r\n", "multipart/form-data"),
        (b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nfox', "multipart/form-data; boundary=x"),
    ],
)
def test_bad_bodies(served: Served, body: bytes, kind: str) -> None:
    for path in ("images/generations", "images/edits", "responses", "chat/completions"):
        before = state(served)
        refused(served, httpx2.post(f"{served.base}/{path}", content=body, headers={"content-type": kind}), before)


@pytest.mark.parametrize(
    "path",
    [
        "files/..%2f..%2fetc%2fpasswd",
        "files/file-..",
        "files/%00",
        "files/file-x%00",
        "responses/resp_x",
        "conversations/%2e%2e",
        "pictures/ig_x/content",
        "nothing",
        "models/..%2f..%2fx",
        "pictures/..%2f/content?owner=local&expires=99999999999&signature=%ff",
    ],
)
def test_bad_paths(served: Served, path: str) -> None:
    answer = httpx2.get(f"{served.base}/{path}")
    assert 400 <= answer.status_code < 500 and "error" in answer.json()


def test_a_method_that_is_none(served: Served) -> None:
    answer = httpx2.put(served.base + "/images/generations", json={})
    assert answer.status_code == 405 and answer.json()["error"]["message"]


def test_a_prompt_of_harmful_text_is_only_text(served: Served) -> None:
    words = "'; DROP TABLE pictures; -- <script>alert(1)</script> \u202e ${jndi:ldap://x} {{7*7}} %s%n"
    made = served.client.images.generate(model="fake", prompt=words, size="64x64")
    assert made.data is not None
    rows = served.studio.search(LOCAL, "DROP TABLE").rows
    assert rows and rows[0].prompt == words
