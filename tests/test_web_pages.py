"""The studio's page as files: what is sent, how large it is, what it may do, and the rules that its code keeps."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra serve is not installed")

from starlette.applications import Starlette
from starlette.testclient import TestClient

from sayso.web import pages

STATIC = pages.FOLDER
SCRIPTS = sorted(STATIC.rglob("*.js"))
STYLES = sorted(STATIC.rglob("*.css"))
FIRST = 200_000  # bytes that a first visit may take
AXE = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"


def short(path: Path) -> str:
    return path.relative_to(STATIC).as_posix()


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = Starlette()
    pages.mount(app)
    return TestClient(app, base_url="http://localhost")


def test_the_page_is_sent_with_a_strict_policy_and_is_asked_for_again(client: TestClient) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy and "*" not in policy
    assert client.get("/", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert client.get("/studio", follow_redirects=False).headers["location"] == "/"


def test_files_are_kept_for_ever_under_the_hash_of_all_of_them(client: TestClient) -> None:
    page = client.get("/").text
    links = re.findall(r'(?:href|src)="(/[^"]+)"', page)
    assert len(links) > 15 and all(link.startswith(f"/web/{pages.stamp()}/") for link in links)
    for link in links:
        answer = client.get(link)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"], link
    assert "immutable" not in client.get("/web/0000000000000000/js/main.js").headers["cache-control"]
    assert client.get(f"/web/{pages.stamp()}/js/none.js").status_code == 404
    assert client.get(f"/web/{pages.stamp()}/../pages.py").status_code == 404
    assert client.get(f"/web/{pages.stamp()}/..%2f..%2fpages.py").status_code == 404


def test_what_is_packed_is_the_same_when_unpacked(client: TestClient) -> None:
    name = f"/web/{pages.stamp()}/css/base.css"
    plain, packed = (client.get(name, headers={"accept-encoding": how}) for how in ("identity", "gzip"))
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert plain.content == packed.content == (STATIC / "css/base.css").read_bytes() and plain.headers["etag"] != packed.headers["etag"]


def test_a_first_visit_is_small() -> None:
    """The page, everything that it names, everything that these modules import at once, and the pictures of the first screen."""
    seen: set[str] = set()
    waiting = re.findall(r"\{\{root\}\}/([^\"]+)", (STATIC / "index.html").read_text()) + ["index.html"]
    waiting += [short(path) for path in (STATIC / "art").glob("example-*.webp")] + ["art/icon.svg"]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name.endswith(".js"):
            for other in re.findall(r'^import [^;]*?"(\.[^"]+)";', (STATIC / name).read_text(), re.MULTILINE):
                waiting.append(short((STATIC / name).parent.joinpath(other).resolve()))
    sizes = {name: len(file.packed or file.data) for name, file in pages.files().items() if name in seen}
    assert "js/canvas/view.js" not in seen and len(sizes) == len(seen)
    assert sum(sizes.values()) <= FIRST, sorted(sizes.items(), key=lambda row: -row[1])[:8]


@pytest.mark.parametrize("path", SCRIPTS, ids=short)
def test_a_script_is_one_sitting_and_cannot_inject(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0].startswith("// ") and len(lines) <= 600
    assert (
        re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|setAttribute\(\"(?:style|on)", text
        )
        == []
    )
    assert re.findall(r"\b(?:TO" + r"DO|FIX" + r"ME|console\.\w+|debugger)\b", text) == []
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)[^\s\"'`]+", text) == []
    for other in re.findall(r"(?:from|import\() ?\"(\.[^\"]+)\"", text):
        assert path.parent.joinpath(other).resolve().is_file(), other


def test_the_page_has_no_inline_script_no_inline_style_and_no_stranger() -> None:
    text = (STATIC / "index.html").read_text()
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", text) == []
    assert re.findall(r"https?://|//cdn", text) == []
    symbols = set(re.findall(r'id="i-([\w-]+)"', text))
    sources = "\n".join(path.read_text() for path in SCRIPTS)
    used = set(re.findall(r"icon\(\"([\w-]+)\"\)|glyph: \"([\w-]+)\"", sources))
    assert {a or b for a, b in used} <= symbols


@pytest.mark.parametrize("path", STYLES, ids=short)
def test_only_the_tokens_name_colours(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("/* ")
    if path.name != "tokens.css":
        named = [
            line
            for line in re.findall(r"[^{};]*:[^{};]*(?:#[0-9a-f]{3,8}|rgb\()[^{};]*", text)
            if not re.search(r"#fff|#000|rgb\(0 0 0", line)
        ]
        assert named == []
    assert "@import" not in text and re.findall(r"url\((?!\"\.\./art/)", text) == []


def words(name: str) -> dict[str, str]:
    text = (STATIC / "js" / "words" / f"{name}.js").read_text(encoding="utf-8")
    return dict(re.findall(r'"([\w\'\. -]+)": "((?:[^"\\]|\\.)*)"', text))


def test_both_languages_say_the_same_things_with_the_same_blanks() -> None:
    en, zh = words("en"), words("zh")
    assert en.keys() == zh.keys() and len(en) > 400
    blanks = [key for key in en if sorted(re.findall(r"\{\w+\}", en[key])) != sorted(re.findall(r"\{\w+\}", zh[key]))]
    assert blanks == []
    assert [
        key
        for key, said in zh.items()
        if not re.search(r"[\u4e00-\u9fff]", said) and key not in ("fork.place", "arena.left", "arena.right")
    ] == []


def test_every_sentence_that_is_asked_for_is_there() -> None:
    en = words("en")
    text = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS if path.parent.name != "words")
    asked = set(re.findall(r'\bt\("([^"]+)"', text)) | {
        key for pair in re.findall(r'\bt\([^()"`]*\? "([^"]+)" : "([^"]+)"', text) for key in pair
    }
    assert asked - en.keys() == set() and len(asked) > 250
    stems = {stem for stem in re.findall(r"\bt\(`([\w.]+\.)\$\{", text)}
    assert [stem for stem in stems if not any(key.startswith(stem) for key in en)] == []
    called = set(re.findall(r'"([a-z][\w\'. -]*)"', text))
    assert [key for key in en if key not in called and not any(key.startswith(stem) for stem in stems)] == []


def test_styles_have_a_thumbnail_each() -> None:
    table = (STATIC / "js/talk/look.js").read_text(encoding="utf-8").split("const TABLE = `")[1].split("`")[0].splitlines()
    names = [line.split("|")[0] for line in table]
    assert len(names) == len(set(names)) >= 50 and all(line.count("|") == 2 for line in table)
    with Image.open(STATIC / "art/styles.webp") as sheet:
        assert sheet.width == 8 * 76 and sheet.height == -(-len(names) // 8) * 76
        colours = {
            sheet.convert("RGB").crop((i % 8 * 76, i // 8 * 76, i % 8 * 76 + 76, i // 8 * 76 + 76)).tobytes() for i in range(len(names))
        }
    assert len(colours) == len(names)


def test_the_examiner_of_access_is_the_file_that_was_published() -> None:
    data = (Path(__file__).parent / "js" / "axe-core-4.14.1.min.js").read_bytes()
    assert hashlib.sha256(data).hexdigest() == AXE


def test_packing_does_not_depend_on_the_clock() -> None:
    file = pages.files()["css/tokens.css"]
    assert file.packed == gzip.compress(file.data, 9, mtime=0)
