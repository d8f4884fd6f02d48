"""The studio interface over the wire: trees of turns, events, gallery, arena, engines, keys that do not see each other."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import choix
import httpx2
import numpy as np
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.hooks import Fit
from sayso.server import arena, narration
from sayso.server.arena import Ballot
from tests.server_kit import Served, Unmarked, picture, png, serving
from tests.test_server_images import decoded


class Page:
    """What a page does: calls under /studio/v1, with or without a key."""

    def __init__(self, served: Served, key: str | None = None):
        self.client = httpx2.Client(
            base_url=served.root + "/studio/v1", timeout=60, headers={"Authorization": f"Bearer {key}"} if key else {}
        )

    def __call__(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        answer = self.client.request(method, path, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    def say(self, conversation: str, words: str, status: int = 200, **more: Any) -> Any:
        return self("POST", f"/conversations/{conversation}/turns", status, json={"parts": [{"type": "text", "text": words}], **more})

    def events(self, job: str, after: int = 0) -> list[dict[str, Any]]:
        with self.client.stream("GET", f"/jobs/{job}/events", headers={"Last-Event-ID": str(after)}) as stream:
            return [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]

    def done(self, turn: dict[str, Any]) -> dict[str, Any]:
        assert self.events(turn["job"]["id"])[-1]["type"] == "done"
        return self("GET", f"/conversations/{turn['conversation']}/turns/{turn['id']}")

    def upload(self, pixels: np.ndarray) -> str:
        return str(self("POST", "/pictures", files={"file": ("a.png", png(pixels), "image/png")})["id"])


@pytest.fixture
def page(served: Served) -> Page:
    return Page(served)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Page]:
    """A page whose server nobody else has used."""
    with serving(tmp_path, Unmarked()) as running:
        yield Page(running)


def test_the_gallery_is_sifted_by_the_query(alone: Page) -> None:
    page = alone
    talk = page("POST", "/conversations", json={})["id"]
    for style in ("line", "flat", "line"):
        page.done(page.say(talk, f"draw a fox, {style}", wish={"style": style}))
    edited = page.done(page.say(talk, "make it blue"))["parts"][-1]["picture"]["id"]

    def ids(**asked: object) -> list[str]:
        return [row["id"] for row in page("GET", "/pictures", params=asked)["data"]]

    newest, *rest = ids()
    assert newest == edited and len(rest) == 3
    assert ids(style="line") == [rest[0], rest[2]] == ids(style="line", engine="fake", action="created") and ids(action="edited") == [
        edited
    ]
    first = page("GET", "/pictures", params={"style": "line", "limit": 1})
    assert page("GET", "/pictures", params={"style": "line", "limit": 1, "cursor": first["next"]})["data"][0]["id"] == rest[2]
    at = page("GET", f"/pictures/{rest[0]}")["created_at"]
    assert ids(since=at) == [edited, rest[0]] and ids(until=at) == rest[1:] and ids(engine="pocket") == []
    for wrong in ({"engine": "a\0"}, {"action": "drawn"}, {"since": -1}, {"until": "soon"}):
        page("GET", "/pictures", 400, params=wrong)


def test_a_conversation_is_a_tree(page: Page) -> None:
    talk = page("POST", "/conversations", json={"title": "Foxes"})["id"]
    first = page.done(page.say(talk, "draw a red fox", wish={"seed": 1}))
    assert (
        [part["type"] for part in first["parts"]].count("picture") == 1 and first["role"] == "assistant" and first["job"]["state"] == "done"
    )
    second = page.done(page.say(talk, "make it blue"))
    again = page.done(page("POST", f"/conversations/{talk}/turns/{second['id']}/regenerate", json={}))
    assert again["parent"] == second["parent"] and again["job"]["wish"]["seed"] != second["job"]["wish"]["seed"]
    whole = page("GET", f"/conversations/{talk}")
    assert len(whole["tree"]) == 5 and whole["current"] == again["id"] and whole["path"][-1] == again["id"]
    asked = next(turn for turn in whole["tree"] if turn["id"] == second["parent"])
    assert asked["children"] == [second["id"], again["id"]]
    page("PATCH", f"/conversations/{talk}", json={"current": first["id"], "title": "Red foxes"})
    fork = page.done(page.say(talk, "make it green"))
    whole = page("GET", f"/conversations/{talk}")
    assert whole["title"] == "Red foxes" and whole["path"][:2] == [first["parent"], first["id"]] and whole["path"][-1] == fork["id"]
    anew = page.done(page.say(talk, "draw a car", from_start=True))
    whole = page("GET", f"/conversations/{talk}")
    assert whole["path"] == [anew["parent"], anew["id"]] and sum(turn["parent"] is None for turn in whole["tree"]) == 2
    page.say(talk, "x", 400, from_start=True, parent=first["id"])
    branch = page("POST", f"/conversations/{talk}/branch", json={"turn": second["id"]})
    assert [turn["role"] for turn in page("GET", f"/conversations/{branch['id']}")["tree"]] == ["user", "assistant"] * 2
    rows = {row["id"]: row for row in page("GET", "/conversations", params={"query": "foxes"})["data"]}
    assert httpx2.get(rows[talk]["cover"]).status_code == 200
    page("DELETE", f"/conversations/{talk}")
    page("GET", f"/conversations/{talk}", 404)
    assert page("GET", f"/conversations/{branch['id']}")["title"]


def test_a_job_is_followed_and_taken_up_again(page: Page) -> None:
    talk = page("POST", "/conversations", json={})["id"]
    turn = page.say(talk, "a red fox", partial_images=2, wish={"count": 2, "size": "64x64"})
    events = page.events(turn["job"]["id"])
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1)) and events[-1]["type"] == "done"
    kinds = [event["type"] for event in events]
    assert kinds.count("preview") == 4 and kinds.count("picture") == 2 and kinds[0] == "accepted"
    preview = next(event for event in events if event["type"] == "preview")
    assert preview["image"].startswith("data:image/")
    row = next(event for event in events if event["type"] == "picture")["row"]
    assert httpx2.get(row["url"]).status_code == 200 and row["conversation"] == talk
    assert page.events(turn["job"]["id"], after=5) == events[5:]
    assert page("GET", f"/jobs/{turn['job']['id']}")["pictures"] and page("POST", f"/jobs/{turn['job']['id']}/cancel")["state"] == "done"


def test_a_job_is_cancelled(page: Page) -> None:
    talk = page("POST", "/conversations", json={})["id"]
    turn = page.say(talk, "a red fox", wish={"steps": 20, "engine_options": {"pause": 0.2}})
    page("POST", f"/jobs/{turn['job']['id']}/cancel")
    assert page.events(turn["job"]["id"])[-1]["type"] == "cancelled"
    assert page("GET", "/jobs", params={"state": "cancelled"})["data"][0]["id"] == turn["job"]["id"]


def test_uploads_and_masks(page: Page) -> None:
    talk, before, mask = page("POST", "/conversations", json={})["id"], picture(64, 48, 1), np.full((48, 64, 4), 255, np.uint8)
    mask[:10, :, 3] = 0
    shown, hidden = page.upload(before), page.upload(mask)
    turn = page.done(
        page(
            "POST",
            f"/conversations/{talk}/turns",
            json={
                "parts": [{"type": "text", "text": "paint it"}, {"type": "picture", "id": shown}],
                "wish": {"mask": hidden, "action": "edit"},
            },
        )
    )
    drawn = next(part["picture"] for part in turn["parts"] if part["type"] == "picture")
    after = decoded(httpx2.get(drawn["url"]).content)
    assert np.array_equal(after[10:], before[10:]) and not np.array_equal(after[:10], before[:10]) and drawn["parents"] == [shown]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"parts": [{"type": "text", "text": " "}]}, "no words"),
        ({"parts": []}, "parts"),
        ({"parts": [{"type": "picture", "id": "ig_x"}]}, "ig_x"),
        ({"parts": [{"type": "text", "text": "x"}], "wish": {"size": "9x9x9"}}, "size"),
        ({"parts": [{"type": "text", "text": "x"}], "wish": {"tint": 1}}, "tint"),
        ({"parts": [{"type": "text", "text": "x"}], "parent": "turn_x"}, "turn"),
        ({"parts": [{"type": "text", "text": "x"}], "wish": {"mask": "file-x"}}, "file-x"),
        ({"parts": [{"type": "text", "text": "x"}], "wish": {"think": True, "complexity": "low"}}, "contradict"),
    ],
)
def test_what_cannot_be_obeyed_is_refused(page: Page, served: Served, body: dict[str, Any], said: str) -> None:
    talk = page("POST", "/conversations", json={})["id"]
    answer = page.client.post(f"/conversations/{talk}/turns", json=body)
    assert answer.status_code in (400, 404) and said in answer.json()["error"]["message"]
    assert page("GET", f"/conversations/{talk}")["tree"] == []


def test_the_gallery(page: Page, served: Served) -> None:
    served.client.images.generate(model="fake", prompt="a zebra in pyjamas", size="64x64", n=2)
    found = page("GET", "/pictures", params={"query": "zebra pyj"})["data"]
    assert len(found) == 2 and found[0]["prompt"] == "a zebra in pyjamas" and found[0]["engine"] == "fake"
    name = found[0]["id"]
    assert page("PUT", f"/pictures/{name}/favourite")["favourite"] is True
    assert [row["id"] for row in page("GET", "/pictures", params={"favourites": True, "query": "zebra"})["data"]] == [name]
    assert page("DELETE", f"/pictures/{name}/favourite")["favourite"] is False
    first = page("GET", "/pictures", params={"limit": 1})
    second = page("GET", "/pictures", params={"limit": 1, "cursor": first["next"]})
    assert first["data"][0]["id"] != second["data"][0]["id"]
    page("DELETE", f"/pictures/{name}")
    page("GET", f"/pictures/{name}", 404)
    assert len(page("GET", "/pictures", params={"query": "zebra"})["data"]) == 1


def test_an_engine_is_loaded_and_unloaded(page: Page, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    table = served.studio.rooms.director.table
    assert {row["name"]: row["default"] for row in page("GET", "/engines")["data"]}["fake"] is True
    assert next(row["loaded"] for row in page("POST", "/engines/fake/load")["data"] if row["name"] == "fake")
    assert not next(row["loaded"] for row in page("POST", "/engines/fake/unload")["data"] if row["name"] == "fake")
    page("POST", "/engines/nothing/load", 404)
    page("GET", "/engines/nothing/fit", 404)
    assert page("GET", "/engines/fake/fit")["data"] == [] and page("GET", "/engines")["data"][0]["fit"] is False
    ways = [Fit("", False, None, "needs 30 GB, 23 GB are free"), Fit("quantise=int8", True, 61200.0, "needs 18 GB, 23 GB are free")]
    monkeypatch.setitem(table, "fake", replace(table["fake"], fit=lambda: ways))
    assert page("GET", "/engines/fake/fit")["data"] == [asdict(way) for way in ways]
    assert next(row["fit"] for row in page("GET", "/engines")["data"] if row["name"] == "fake")
    assert page("GET", "/names")["gpt-image-2"] == "fake"


def test_the_server_tells_its_bounds_and_hides_secrets(page: Page, served: Served) -> None:
    told = page("GET", "/server")
    assert told["default_engine"] == "fake" and told["key_required"] is False and told["limits"]["pictures_at_once"] == 10
    rows = {row["name"]: row for row in page("GET", "/settings")["data"]}
    assert rows["engine"]["value"] == "fake" and rows["engine"]["environment"] == "SAYSO_ENGINE" and rows["remote_key"]["value"] == ""
    assert httpx2.get(served.root + "/health").json() == {"status": "ok"} and httpx2.get(served.root + "/ready").status_code == 200
    numbers = httpx2.get(served.root + "/metrics").text
    assert 'sayso_http_answers_total{method="GET",route="/studio/v1/server",status="200"}' in numbers and "sayso_jobs" in numbers


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that demands keys."""
    with serving(tmp_path_factory.mktemp("locked"), Unmarked(), keys="always") as running:
        yield running


def test_without_a_key_nothing_is_answered_but_health(locked: Served) -> None:
    for path in ("/v1/models", "/studio/v1/pictures", "/metrics", "/v1/responses/resp_" + "0" * 48):
        answer = httpx2.get(locked.root + path)
        assert (
            answer.status_code == 401
            and answer.json()["error"]["code"] == "invalid_api_key"
            and "bearer" in answer.headers["www-authenticate"].lower()
        )
    with pytest.raises(openai.AuthenticationError):
        locked.client.models.list()
    assert httpx2.get(locked.root + "/health").status_code == 200


def test_keys_do_not_see_each_other(locked: Served) -> None:
    (_, one), (_, other), (_, admin) = (locked.studio.create_key(name, admin=name == "root") for name in ("ann", "ben", "root"))
    ann, ben = Page(locked, one), Page(locked, other)
    client = openai.OpenAI(base_url=locked.base, api_key=one, max_retries=0)
    talk = ann("POST", "/conversations", json={})["id"]
    turn = ann.done(ann.say(talk, "a secret fox"))
    drawn = next(part["picture"]["id"] for part in turn["parts"] if part["type"] == "picture")
    file = client.files.create(file=("a.png", png(picture(8, 8, 1))), purpose="vision").id
    reply = client.responses.create(model="fake", input="a fox", tools=[{"type": "image_generation"}])
    for path in (
        f"/conversations/{talk}",
        f"/pictures/{drawn}",
        f"/pictures/{drawn}/content",
        f"/pictures/{file}",
        f"/jobs/{turn['job']['id']}",
        f"/jobs/{turn['job']['id']}/events",
    ):
        assert ben("GET", path, 404)["error"]["code"] == "not_found"
    stranger = openai.OpenAI(base_url=locked.base, api_key=other, max_retries=0)
    for call in (
        lambda: stranger.responses.retrieve(reply.id),
        lambda: stranger.files.content(file),
        lambda: stranger.responses.cancel(reply.id),
        lambda: stranger.files.delete(file),
        lambda: stranger.conversations.items.list(talk),
    ):
        with pytest.raises(openai.NotFoundError):
            call()
    for words in (
        {"previous_response_id": reply.id},
        {"input": [{"type": "image_generation_call", "id": drawn}, {"role": "user", "content": "x"}]},
    ):
        with pytest.raises(openai.BadRequestError):
            stranger.responses.create(**{"model": "fake", "input": "x", "tools": [{"type": "image_generation"}], **words})
    assert ben("GET", "/pictures")["data"] == [] and ben("GET", "/conversations")["data"] == [] and ben("GET", "/keys", 403)
    made = Page(locked, admin)("POST", "/keys", json={"name": "new", "rate": 2})
    assert made["secret"] not in json.dumps(Page(locked, admin)("GET", "/keys"))
    fresh = Page(locked, made["secret"])
    fresh("GET", "/server")
    fresh("GET", "/server")
    answer = fresh.client.get("/server")
    assert answer.status_code == 429 and 1 <= int(answer.headers["retry-after"]) <= 60
    Page(locked, admin)("DELETE", f"/keys/{made['key']['id']}")
    fresh("GET", "/server", 401)


def test_a_quota_of_pictures(locked: Served) -> None:
    _, secret = locked.studio.create_key("few", quota=2)
    client = openai.OpenAI(base_url=locked.base, api_key=secret, max_retries=0)
    client.images.generate(model="fake", prompt="x", size="64x64", n=2)
    with pytest.raises(openai.RateLimitError) as caught:
        client.images.generate(model="fake", prompt="x", size="64x64")
    assert caught.value.code == "insufficient_quota" and int(caught.value.response.headers["retry-after"]) > 0


def test_everything_is_exported_and_erased(locked: Served, tmp_path: Path) -> None:
    _, secret = locked.studio.create_key("gone")
    page = Page(locked, secret)
    talk = page("POST", "/conversations", json={"title": "unmistakable words"})["id"]
    page.done(page.say(talk, "an unmistakable fox"))
    archive = zipfile.ZipFile(io.BytesIO(page.client.get("/everything").content))
    told = b"".join(archive.read(name) for name in archive.namelist())
    assert archive.testzip() is None and b"an unmistakable fox" in told
    page("DELETE", "/everything")
    assert page("GET", "/pictures")["data"] == [] and page("GET", "/conversations")["data"] == []


def test_the_arena(page: Page, served: Served) -> None:
    page("POST", "/arena/pairs", 400, json={"prompt": "a fox", "sides": [{"engine": "fake"}, {"engine": "gpt-image-2"}]})
    sides = [{"engine": "fake"}, {"engine": "fake", "steps": 8}]
    made = page("POST", "/arena/pairs", json={"prompt": "a red fox", "sides": sides, "size": "64x64", "category": "animals"})
    served.settle(lambda: page("GET", f"/arena/pairs/{made['id']}")["state"] != "drawing", 60)
    pair = page("GET", f"/arena/pairs/{made['id']}")
    assert pair["state"] == "ready" and pair["names"] is None and pair["left"]["engine"] is None and pair["right"]["settings"] == {}
    voted = page("POST", f"/arena/pairs/{made['id']}/vote", json={"choice": "left"})
    assert sorted(voted["names"]) == ["fake", "fake, 8 steps"] and voted["left"]["engine"] == "fake"
    page("POST", f"/arena/pairs/{made['id']}/vote", 409, json={"choice": "right"})
    standings = page("GET", "/arena/standings", params={"category": "animals"})
    assert standings["votes"] == 1 and standings["data"][0]["name"] == voted["names"][0] and standings["categories"] == ["animals"]
    assert page("GET", "/arena/standings", params={"category": "cars"})["data"] == []


def test_ratings_find_who_wins() -> None:
    chance, strength = np.random.default_rng(1), {"a": 1200.0, "b": 1000.0, "c": 800.0}
    ballots = []
    for _ in range(3000):
        left, right = chance.permutation(list(strength))[:2]
        odds = 1 / (1 + 10 ** ((strength[right] - strength[left]) / 400))
        ballots.append(Ballot(left, right, "left" if chance.random() < odds else "right"))
    rows = arena.standings(ballots)
    assert [row.name for row in rows] == ["a", "b", "c"]
    assert all(row.low <= strength[row.name] <= row.high and row.high - row.low < 80 for row in rows)
    assert arena.standings([]) == []


def test_ratings_of_two_are_those_calculated_by_hand() -> None:
    """Three quarters of 400 votes won: odds of three to one, so 400 log10 3 = 190.85 points apart; a logit of 400 votes has the
    standard deviation 1 / sqrt(400 · 3/4 · 1/4) = 0.11547, and each rating half of that. The prior moves both by less than 1 %."""
    for split in (["left"] * 300 + ["right"] * 100, ["left"] * 200 + ["tie"] * 100 + ["both_bad"] * 100):
        a, b = arena.standings([Ballot("a", "b", choice) for choice in split])
        assert (a.name, b.name, a.votes, b.votes) == ("a", "b", 400, 400)
        assert a.rating - b.rating == pytest.approx(400 * np.log10(3), rel=0.01) and a.rating + b.rating == pytest.approx(2000)
        assert (a.high - a.low) / 2 == pytest.approx(1.959964 * 0.11547 / 2 * 400 / np.log(10), rel=0.01)


@pytest.mark.parametrize("votes", [1, 3, 30])
def test_one_that_won_every_vote_has_a_finite_rating_and_a_wide_interval(votes: int) -> None:
    """By symmetry the strengths are ±x, and the fit is where votes · (1 − logistic(2x)) = x / 2² (the prior); checked with bisection."""
    first, last = arena.standings([Ballot("winner", "loser", "left")] * votes)
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if votes / (1 + np.exp(2 * middle)) > middle / 4 else (low, middle)
    assert first.name == "winner" and first.rating - 1000 == pytest.approx(low * 400 / np.log(10), abs=0.05)
    assert first.high - first.low > 300 and last.low < last.rating < 1000
    even = arena.standings([Ballot("winner", "loser", "left"), Ballot("loser", "winner", "left")])
    assert [row.rating for row in even] == pytest.approx([1000, 1000])


def test_intervals_agree_with_drawing_from_the_votes_again() -> None:
    """The other way to the same intervals: 400 resamples of 600 votes, each fitted anew by another algorithm and without a prior."""
    chance = np.random.default_rng(3)
    pairs = np.repeat([[0, 1], [1, 2], [0, 2]], 200, axis=0)
    won = chance.random(600) < np.repeat([0.7, 0.6, 0.8], 200)
    drawn = []
    for picked in chance.integers(0, 600, (400, 600)):
        wins = np.zeros((3, 3))
        np.add.at(wins, tuple(np.where(won[picked, None], pairs[picked], pairs[picked, ::-1]).T), 1)
        drawn.append(1000 + 400 / np.log(10) * choix.ilsr_pairwise_dense(wins))
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    rows = arena.standings([Ballot("abc"[a], "abc"[b], "left" if left else "right") for (a, b), left in zip(pairs, won, strict=True)])
    for row in rows:
        i = "abc".index(row.name)
        assert (row.low, row.high) == pytest.approx((low[i], high[i]), abs=10) and row.high - row.low > 40


@given(st.lists(st.sampled_from(["started", "step", "preview", "picture", "said", "thought", "failed", "cancelled", "done"]), max_size=25))
def test_a_log_is_always_told_the_same_and_in_order(kinds: list[str]) -> None:
    """Whatever happens, also twice: numbers without gaps, one end, and what was told before is a beginning of what is told later."""
    data = {
        "attempt": 1,
        "action": "created",
        "text": "x",
        "index": 1,
        "total": 2,
        "picture": 0,
        "nth": 0,
        "blob": "b",
        "id": "ig_1",
        "width": 8,
        "height": 8,
        "seed": 1,
        "code": "server_error",
        "message": "m",
        "item": None,
    }

    def told(upto: int) -> list[dict[str, Any]]:
        story = narration.Narration(lambda status, output, error: {"status": status}, lambda kind: f"{kind}_1", {}, True, True)
        events = story.opening()
        for kind in kinds[:upto]:
            events += story.events(kind, data)
        return events

    whole = told(len(kinds))
    assert [event["sequence_number"] for event in whole] == list(range(len(whole)))
    ends = [event for event in whole if event["type"] in ("response.completed", "response.failed", "response.incomplete")]
    assert len(ends) == min(1, sum(kind in ("failed", "cancelled", "done") for kind in kinds)) and (not ends or whole[-1] == ends[0])
    for upto in range(len(kinds)):
        part = told(upto)
        assert [event["type"] for event in whole[: len(part)]] == [event["type"] for event in part]
