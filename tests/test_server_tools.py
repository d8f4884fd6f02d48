"""What the page's canvas and gallery lean on: files of any format, a person's own edits, look-alikes, the policy in words."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sayso.engines import registry
from tests.server_kit import Served, picture, png, serving
from tests.test_server_studio import Page


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose pictures pass our own policy and sealer."""
    with serving(tmp_path_factory.mktemp("sealed")) as served:
        yield served


@pytest.fixture(scope="module")
def page(sealed: Served) -> Page:
    return Page(sealed)


@pytest.fixture(scope="module")
def row(page: Page) -> dict[str, Any]:
    """One drawn picture."""
    talk = page("POST", "/conversations", json={})["id"]
    turn = page.done(page.say(talk, "a red fox", wish={"seed": 1, "size": "192x192"}))
    return dict(turn["parts"][-1]["picture"])


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def content(page: Page, name: str) -> np.ndarray:
    return pixels(page.client.get(f"/pictures/{name}/content").content)


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg", "avif"])
def test_a_picture_is_saved_in_every_format_with_its_seal(page: Page, row: dict[str, Any], kind: str) -> None:
    answer = page.client.get(f"/pictures/{row['id']}/file", params={"format": kind})
    assert answer.status_code == 200 and answer.headers["content-type"] == f"image/{kind}"
    assert answer.headers["content-disposition"].startswith('attachment; filename="sayso-ig_')
    assert np.abs(pixels(answer.content).astype(int) - content(page, row["id"])).mean() < 4
    found = page("POST", "/verify", files={"file": ("a", answer.content)})["findings"]
    assert found[0]["kind"] == "our manifest"


def test_what_cannot_be_saved_is_refused_in_words(page: Page, row: dict[str, Any]) -> None:
    upload = page.upload(picture(64, 64, 1))
    for path, params, status in (
        (row["id"], {"format": "bmp"}, 400),
        (row["id"], {"format": "png", "quality": 5}, 400),
        (upload, {"format": "png"}, 400),
        ("ig_none", {"format": "png"}, 404),
    ):
        answer = page.client.get(f"/pictures/{path}/file", params=params)
        assert answer.status_code == status and len(answer.json()["error"]["message"]) > 20


def test_an_edit_by_hand_is_a_picture_with_a_parent(page: Page, row: dict[str, Any]) -> None:
    before = content(page, row["id"])
    edited = before.copy()
    edited[:64, :64] = (0, 200, 100, 0)
    made = page(
        "POST", f"/pictures/{row['id']}/versions", files={"file": ("a.png", png(edited))}, data={"tool": "cut_out", "note": "fox, cut out"}
    )
    assert (made["parents"], made["action"], made["settings"], made["prompt"]) == (
        [row["id"]],
        "edited",
        {"tool": "cut_out"},
        "fox, cut out",
    )
    assert made["conversation"] == row["conversation"]
    after = content(page, made["id"])
    assert (after[64:] == before[64:]).all() and (after[:64, :64, 3] == 0).all()
    listed = page("GET", "/pictures", params={"conversation": row["conversation"]})["data"]
    assert [one["id"] for one in listed] == [made["id"], row["id"]]


def test_an_edit_by_hand_needs_a_picture_a_tool_and_a_drawn_parent(page: Page, row: dict[str, Any]) -> None:
    data = png(picture(64, 64, 2))
    upload = page.upload(picture(64, 64, 3))
    for name, files, fields, status in (
        (row["id"], {"file": ("a.png", b"no picture")}, {"tool": "crop"}, 400),
        (row["id"], {"file": ("a.png", data)}, {"tool": "magic"}, 400),
        (row["id"], {"file": ("a.png", data)}, {}, 400),
        (upload, {"file": ("a.png", data)}, {"tool": "crop"}, 400),
        ("ig_none", {"file": ("a.png", data)}, {"tool": "crop"}, 404),
    ):
        page("POST", f"/pictures/{name}/versions", status, files=files, data=fields)


def test_ones_own_pictures_are_found_again_by_a_copy_and_nobody_elses(page: Page, row: dict[str, Any]) -> None:
    small = io.BytesIO()
    Image.fromarray(content(page, row["id"])).convert("RGB").resize((150, 150)).save(small, "JPEG", quality=75)
    found = page("POST", "/pictures/similar", files={"file": ("copy.jpg", small.getvalue())})["data"]
    assert found[0]["picture"]["id"] == row["id"] and found[0]["how"] in ("mark", "alike")
    assert page("POST", "/pictures/similar", files={"file": ("other.png", png(picture(150, 150, 9)))})["data"] == []
    page("POST", "/pictures/similar", 400, files={"file": ("none.png", b"nothing")})


def test_the_policy_is_told_in_words_with_examples(page: Page) -> None:
    told = page("GET", "/policy")
    assert len(told["clauses"]) >= 5 and all(one["title"] and len(one["text"]) > 40 and one["allowed"] for one in told["clauses"])
    assert next(one for one in told["clauses"] if one["id"] == "sexual-minors")["refused"] == []
    assert any(one["refused"] for one in told["clauses"]) and told["unseen"]


def test_engines_tell_their_styles_sizes_and_options(page: Page) -> None:
    rows = {one["name"]: one for one in page("GET", "/engines")["data"]}
    assert rows["pocket"]["styles"][:5] == rows["fake"]["styles"] and rows["pocket"]["sizes"][0] == "512x512"
    assert rows["fake"]["styles"] == ["fluent", "flat", "line", "noto", "twemoji"] and rows["fake"]["sizes"][0] == "256x256"
    assert registry.info("openai").styles is None  # said in words


def test_a_masked_edit_keeps_every_other_pixel_through_the_seal(page: Page, row: dict[str, Any], tmp_path: Path) -> None:
    mask = np.full((192, 192, 4), 255, np.uint8)
    mask[40:100, 40:100, 3] = 0
    parts = [{"type": "picture", "id": row["id"]}, {"type": "text", "text": "a hat"}]
    wish = {"action": "edit", "mask": page.upload(mask), "size": "192x192"}
    turn = page("POST", f"/conversations/{row['conversation']}/turns", json={"parts": parts, "wish": wish})
    made = page.done(turn)["parts"][-1]["picture"]["id"]
    changed = (content(page, made) != content(page, row["id"])).any(-1)
    inside = mask[..., 3] == 0
    assert not changed[~inside].any() and changed[inside].mean() > 0.9
