"""The studio from end to end with the engine of test cards: what is meant, what is drawn, what leaves and what stays."""

from __future__ import annotations

import asyncio
import http.server
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sayso.engines import header, registry
from sayso.errors import BadInput, CannotDo, SaysoError, Unknown
from sayso.hooks import hookimpl
from sayso.storage.errors import NotFound, StorageFull
from sayso.storage.rows import Job, Key
from sayso.studio import recall
from sayso.studio.director import Director
from sayso.studio.door import PlainPolicy, PlainSealer
from sayso.studio.errors import QuotaExceeded, RateLimited, Refused, Unauthorized
from sayso.studio.requests import Ref, Request, Said, drawing, from_json, to_json
from sayso.studio.service import LOCAL, Studio, Ticket, build
from sayso.studio.settings import load
from sayso.types import Ability, Ask, Picture, Plan, Policy, Record, Sealed, Sealer, Text, Verdict

REMARK = 'this is a test card of the engine "fake", not a drawing'


class House:
    """A plugin whose policy and sealer a test can bend."""

    def __init__(self) -> None:
        self.refuse: Callable[[str, Ask, Picture | None], bool] = lambda stage, ask, drawn: False
        self.stages: list[str] = []
        self.records: list[Record] = []
        self.broken = False

    @hookimpl
    def sayso_policy(self) -> Policy:
        return self  # type: ignore[return-value]

    @hookimpl
    def sayso_sealer(self) -> Sealer:
        return self

    def judge(self, stage: Any, ask: Ask, plan: Plan | None, drawn: Picture | None, moderation: str) -> Verdict:
        self.stages.append(stage)
        if self.refuse(stage, ask, drawn):
            return Verdict(False, stage, "test.clause", "This is not allowed.", "Draw a fox.", {"violence": 0.9, "hate": 0.1})
        return PlainPolicy().judge(stage, ask, plan, drawn, moderation)

    def seal(self, picture: Picture, record: Record, kind: str, quality: int | None) -> Sealed:
        if self.broken:
            raise SaysoError("the seal's key is missing; make one")
        self.records.append(record)
        return PlainSealer().seal(picture, record, kind, quality)


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def studio(tmp_path: Path, house: House) -> Iterator[Studio]:
    made = build(load(environ={}, data=str(tmp_path), engine="fake", engines=("fake",), lease_seconds=1.0, preload=False), house)
    made.start()
    yield made
    made.stop(0.5)


def done(studio: Studio, ticket: Ticket, owner: Key = LOCAL) -> Job:
    return asyncio.run(asyncio.wait_for(studio.wait(owner, ticket.job), 30))


def draw(studio: Studio, request: Request, owner: Key = LOCAL) -> list[str]:
    job = done(studio, studio.submit(owner, request), owner)
    assert job.state == "done", job.error
    return list(job.pictures)


def card(width: int, height: int, seed: int = 0, alpha: int = 255) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[..., 3] = alpha
    return Picture(pixels)


def say(studio: Studio, place: str, text: str, *pictures: str, **how: Any) -> Job:
    parts = (*(Ref(i) for i in pictures), Text(text))
    return done(studio, studio.submit(LOCAL, Request((Said("user", parts),), conversation=place, want="either", **how)))


def test_requests_are_data_that_comes_back_equal() -> None:
    request = Request(
        (Said("user", (Ref("ig_1"), Text("blue"))),), "conv", "turn", size=(64, 32), seed=5, options={"a": 1}, metadata={"b": "c"}
    )
    assert from_json(json.loads(json.dumps(to_json(request)))) == request


def test_a_picture_is_drawn_stored_and_told_in_order(studio: Studio, house: House) -> None:
    ticket = studio.submit(LOCAL, drawing("a red fox", seed=7, previews=3, format="webp"))
    job = done(studio, ticket)
    events = studio.log(LOCAL, job.id)
    assert [e.kind for e in events] == [
        "accepted",
        "started",
        "said",
        "step",
        "preview",
        "step",
        "preview",
        "step",
        "preview",
        "step",
        "picture",
        "done",
    ]
    assert [e.seq for e in events] == list(range(1, 13)) and events[2].data == {"text": REMARK}
    row = studio.picture(LOCAL, ticket.pictures[0])
    data, media = studio.data(LOCAL, row.id)
    image = Image.open(io.BytesIO(data))
    assert (row.prompt, row.seed, row.engine, row.action, row.bytes, media) == ("a red fox", 7, "fake", "created", len(data), "image/webp")
    assert (image.format, image.size) == ("WEBP", (256, 256)) == ("WEBP", (row.width, row.height))
    assert row.seal and b"a red fox" not in data
    previews = [studio.preview(LOCAL, job.id, e.data["blob"]) for e in events if e.kind == "preview"]
    assert len(set(previews)) == 3 and all(Image.open(io.BytesIO(p)).size == (256, 256) for p in previews)
    assert house.stages == ["prompt", "output", "output", "output", "output"]  # partial pictures leave by the same door
    with pytest.raises(NotFound):
        studio.preview(LOCAL, job.id, row.blob)


def test_several_pictures_have_seeds_that_follow(studio: Studio) -> None:
    four = draw(studio, drawing("a fox", count=4, seed=2**63 - 2))
    assert [studio.picture(LOCAL, i).seed for i in four] == [2**63 - 2, 2**63 - 1, 0, 1]
    (one,) = draw(studio, drawing("a fox", seed=0))
    assert np.array_equal(studio.pixels(LOCAL, four[2]).pixels, studio.pixels(LOCAL, one).pixels)


def test_a_conversation_draws_edits_answers_and_repeats(studio: Studio) -> None:
    place = studio.create_conversation(LOCAL).id
    first = say(studio, place, "Please draw me a picture of a red fox")
    second = say(studio, place, "make it blue")
    assert (first.direction["action"], first.direction["prompt"]) == ("created", "a red fox")
    assert (second.direction["action"], second.direction["prompt"]) == ("edited", "make the fox blue")
    assert second.direction["pictures"] == list(first.pictures) and studio.picture(LOCAL, second.pictures[0]).parents == first.pictures
    third = say(studio, place, "what is in the picture?")
    assert (third.direction["action"], third.pictures) == ("answered", ())
    assert studio.turns(LOCAL, place)[-1].parts == ({"text": "5 words; pictures: 256x256, 256x256"},)
    fourth = say(studio, place, "go back to the first picture and add a hat")
    assert fourth.direction["pictures"] == list(first.pictures)
    fifth = say(studio, place, "another one")
    assert (fifth.direction["action"], fifth.direction["pictures"]) == ("edited", list(first.pictures))
    assert fifth.request["seed"] != fourth.request["seed"]
    sixth = say(studio, place, "画一只红色的狐狸")
    assert (sixth.direction["action"], sixth.direction["prompt"]) == ("created", "一只红色的狐狸")
    assert [len(t.parts) > 0 for t in studio.turns(LOCAL, place)] == [True] * 12
    assert studio.conversation(LOCAL, place).title == "Please draw me a picture of a red fox"


def test_branching_regenerating_and_going_back(studio: Studio, house: House) -> None:
    place = studio.create_conversation(LOCAL).id
    first = say(studio, place, "a red fox")
    second = say(studio, place, "make it blue")
    assert first.turn is not None and second.turn is not None
    other = done(studio, studio.submit(LOCAL, Request((Said("user", (Text("make it green"),)),), place, parent=first.turn)))
    assert other.direction["pictures"] == list(first.pictures)
    assert [t.id for t in studio.turns(LOCAL, place)][:2] == [t.id for t in studio.turns(LOCAL, place, second.turn)][:2]
    again = done(studio, studio.regenerate(LOCAL, place, second.turn))
    tree = {t.id: t for t in studio.tree(LOCAL, place)}
    assert again.turn is not None and tree[again.turn].parent == tree[second.turn].parent and len(tree) == 7
    assert again.request["seed"] != second.request["seed"] and again.direction == second.direction
    assert studio.conversation(LOCAL, place).head == again.turn
    studio.change_conversation(LOCAL, place, head=first.turn)
    assert say(studio, place, "remove the tail").direction["pictures"] == list(first.pictures)
    house.refuse = lambda stage, ask, drawn: stage == "prompt"
    with pytest.raises(Refused):
        studio.regenerate(LOCAL, place, second.turn)
    for wrong in ("turn_none", tree[second.turn].parent):
        with pytest.raises((NotFound, BadInput)):
            studio.regenerate(LOCAL, place, wrong or "")


def test_deleted_pictures_are_not_shown_again(studio: Studio) -> None:
    place = studio.create_conversation(LOCAL).id
    first, second = say(studio, place, "a red fox"), say(studio, place, "make it blue")
    studio.delete_picture(LOCAL, second.pictures[0])
    assert say(studio, place, "make it green").direction["pictures"] == list(first.pictures)
    talk = recall.talk_of(studio.db, studio.rooms.pictures, say(studio, place, "what is it?"))
    assert Ref(second.pictures[0]) not in [part for said in talk for part in said.parts]


@pytest.mark.parametrize("size", [(100, 70), (256, 256), (37, 301), (3000, 40)])
def test_an_edit_keeps_the_size_of_its_picture(studio: Studio, size: tuple[int, int]) -> None:
    upload = studio.put_upload(LOCAL, card(*size))
    (made,) = draw(studio, drawing("make it blue", upload.id))
    row = studio.picture(LOCAL, made)
    assert (row.width, row.height) == size and row.parents == (upload.id,)


@pytest.mark.parametrize("obeys", [True, False])
@pytest.mark.parametrize("size", [(96, 64), (101, 67)])
def test_what_a_mask_keeps_is_put_back_exactly(studio: Studio, obeys: bool, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    from sayso.engines.fake import FakeEngine
    from sayso.types import Ability

    if not obeys:  # an engine that edits but knows no masks
        info = studio.rooms.director.table["fake"]
        object.__setattr__(info, "abilities", info.abilities - {Ability.MASK})
        seen: list[bool] = []
        real = FakeEngine.respond
        monkeypatch.setattr(FakeEngine, "respond", lambda self, ask: seen.append(ask.mask is None) or real(self, ask))
    width, height = size
    original = card(width, height)
    hole = card(width, height, 1)
    hole.pixels[10:40, 20:60, 3] = 0
    picture, mask = studio.put_upload(LOCAL, original), studio.put_upload(LOCAL, hole)
    try:
        (made,) = draw(studio, drawing("a hat", picture.id, mask=mask.id, action="edit", background="opaque"))
    finally:
        if not obeys:
            object.__setattr__(info, "abilities", info.abilities | {Ability.MASK})
    after, keep = studio.pixels(LOCAL, made).pixels, np.ones((height, width), bool)
    keep[10:40, 20:60] = False
    assert np.array_equal(after[keep], original.pixels[keep])
    assert (after[~keep] != original.pixels[~keep]).any(axis=1).mean() > 0.5
    assert obeys or all(seen)


def test_masks_that_do_not_fit_are_refused(studio: Studio) -> None:
    picture, small = studio.put_upload(LOCAL, card(64, 64)), studio.put_upload(LOCAL, card(32, 32, alpha=0))
    full = studio.put_upload(LOCAL, card(64, 64))
    for request, why in (
        (drawing("x", picture.id, mask=small.id), "same size"),
        (drawing("x", picture.id, mask=full.id), "no transparent part"),
        (drawing("x", mask=small.id), "no picture"),
        (drawing("x", small.id, mask=small.id, size=(64, 64)), "leave size out"),
    ):
        with pytest.raises(BadInput, match=why):
            studio.submit(LOCAL, request)
    assert studio.jobs(LOCAL).rows == ()


def test_what_cannot_be_is_refused_before_anything_is_kept(studio: Studio) -> None:
    upload, text = (
        studio.put_upload(LOCAL, card(64, 64)),
        studio.put_file(LOCAL, b"hello", filename="a.txt", media_type="text/plain", purpose="x"),
    )
    for request, kind, why in (
        (drawing("   "), BadInput, "empty"),
        (drawing("a" * 40_000), BadInput, "shorten"),
        (drawing("a\0b"), BadInput, "control"),
        (drawing("a", count=11), BadInput, "11 pictures"),
        (drawing("a", previews=4), BadInput, "partial"),
        (drawing("a", engine="nobody"), Unknown, "nobody"),
        (drawing("a", quality="best"), Unknown, "best"),
        (drawing("a", size=(8000, 8000)), BadInput, "too large"),
        (drawing("a", background="transparent", format="jpeg"), BadInput, "png or webp"),
        (drawing("a", compression=50), BadInput, "does not go"),
        (drawing("a", action="edit"), BadInput, "no picture to edit"),
        (drawing("a", "ig_none"), NotFound, "ig_none"),
        (drawing("a", text.id), BadInput, "no picture"),
        (drawing("a", *[upload.id] * 17), BadInput, "leave some out"),
        (drawing("x", upload.id, mask=upload.id, action="generate"), BadInput, "belongs to an edit"),
        (drawing("what?", want="text", size=(64, 64)), BadInput, "in words"),
        (drawing("x", parent="turn_1"), BadInput, "needs its conversation"),
        (Request(()), BadInput, "no message"),
        (Request((Said("assistant", (Text("a"),)),)), BadInput, "last message"),
        (Request((Said("user", (Text("a"),)),), conversation="conv_none"), NotFound, "conv_none"),
    ):
        with pytest.raises(kind, match=why):
            studio.submit(LOCAL, request)
    assert studio.jobs(LOCAL).rows == () and studio.used_today(LOCAL) == 0


def test_an_engine_that_cannot_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header, "pocket_abilities", lambda: frozenset({Ability.DRAW, Ability.TRANSPARENT}))
    monkeypatch.setattr(registry, "engines", registry.engines.__wrapped__)  # not the table that an earlier test asked for
    studio = build(load(environ={}, data=str(tmp_path), engine="pocket", workers=0))
    studio.start()
    try:
        upload = studio.put_upload(LOCAL, card(64, 64))
        with pytest.raises(CannotDo, match='the engine "pocket" cannot edit a picture'):
            studio.submit(LOCAL, drawing("make it blue", upload.id, engine="pocket"))
        with pytest.raises(CannotDo, match="no engine here can edit a picture"):  # the test cards never stand in unasked
            studio.submit(LOCAL, drawing("make it blue", upload.id))
        with pytest.raises(CannotDo, match="no engine here answers"):
            studio.submit(LOCAL, drawing("what is it?", want="text"))
        assert studio.submit(LOCAL, drawing("make it blue", upload.id, engine="fake")).pictures
        assert studio.submit(LOCAL, drawing("thanks", want="either")).pictures == ()
    finally:
        studio.stop()


def test_steps_come_from_the_quality(studio: Studio) -> None:
    for quality, steps, want in (("auto", None, None), ("low", None, 8), ("hd", None, 24), ("max", 3, 3)):
        job = done(studio, studio.submit(LOCAL, drawing("a", quality=quality, steps=steps)))
        assert job.direction["steps"] == want
        assert studio.log(LOCAL, job.id)[-3].data["total"] == (want or 4)


def test_an_engine_may_have_its_own_pace(tmp_path: Path) -> None:
    """What is painted after a plan takes one step where diffusion takes sixteen; other qualities are those of the settings."""
    paced = replace(registry.info("fake"), paces={"medium": 2, "high": 3})
    settings = load(environ={}, data=str(tmp_path), engine="fake", steps_max=7)
    director = Director(settings, {"fake": paced})
    for quality, steps, want in (("medium", None, 2), ("hd", None, 3), ("max", None, 7), ("high", 5, 5), ("auto", None, None)):
        asked = drawing("a", quality=quality, steps=steps)
        assert director.decide(asked, asked.messages, {}).steps == want


@pytest.mark.parametrize("stage", ["prompt", "inputs", "output"])
def test_the_policy_stands_at_every_stage(studio: Studio, house: House, stage: str) -> None:
    upload = studio.put_upload(LOCAL, card(64, 64))
    house.refuse = lambda at, ask, drawn: at == stage
    if stage == "output":
        job = done(studio, studio.submit(LOCAL, drawing("make it blue", upload.id, previews=2)))
        assert job.state == "failed" and job.error is not None and job.drawn == ()
        assert job.error["code"] == "moderation_blocked" and job.error["message"] == "This is not allowed. Draw a fox."
        assert job.error["details"] == {"stage": "output", "clause": "test.clause", "categories": ["violence"]}
        assert "preview" not in [e.kind for e in studio.log(LOCAL, job.id)] and studio.used_today(LOCAL) == 0
    else:
        with pytest.raises(Refused, match="Draw a fox") as refused:
            studio.submit(LOCAL, drawing("make it blue", upload.id))
        assert refused.value.verdict.stage == stage and studio.jobs(LOCAL).rows == ()
    assert studio.search(LOCAL).rows == ()


def test_a_picture_that_cannot_be_sealed_does_not_leave(studio: Studio, house: House) -> None:
    house.broken = True
    job = done(studio, studio.submit(LOCAL, drawing("a fox")))
    assert job.state == "failed" and job.error is not None and "key is missing" in job.error["message"] and studio.search(LOCAL).rows == ()


def test_the_seal_is_told_how_it_came_to_be(studio: Studio, house: House) -> None:
    upload, other = studio.put_upload(LOCAL, card(64, 64)), studio.put_upload(LOCAL, card(64, 64, 2))
    draw(studio, drawing("make it blue", upload.id, other.id, seed=3, quality="low"))
    record = house.records[-1]
    assert (record.action, record.engine, record.seed, record.settings["steps"]) == ("edited", "fake", 3, 8)
    assert [(p.relation, p.name) for p in record.parents] == [("parentOf", upload.id), ("inputTo", other.id)]
    assert record.parents[0].data == studio.data(LOCAL, upload.id)[0]


def test_one_refused_picture_does_not_take_others_along(studio: Studio, house: House) -> None:
    house.refuse = lambda stage, ask, drawn: (
        stage == "output" and any(isinstance(p, Text) and "bad" in p.text for m in ask.messages for p in m.parts)
    )
    tickets = [
        studio.submit(LOCAL, drawing(text, options={"pause": 0.01})) for text in ("first", "good one", "bad one", "good two", "good three")
    ]
    assert [done(studio, t).state for t in tickets] == ["done", "done", "failed", "done", "done"]


def test_versions_by_hand_are_sealed_as_edits(studio: Studio, house: House) -> None:
    (made,) = draw(studio, drawing("a fox"))
    version = studio.add_version(LOCAL, made, card(20, 10), tool="crop", note="cropped to the nose")
    assert (version.parents, version.action, version.width, version.height) == ((made,), "edited", 20, 10)
    assert house.records[-1].action == "edited" and [p.id for p in studio.search(LOCAL, "nose").rows] == [version.id]
    data, media = studio.sealed_as(LOCAL, made, "jpeg", 60)
    assert media == "image/jpeg" and Image.open(io.BytesIO(data)).format == "JPEG"


def test_keys_see_only_their_own(studio: Studio) -> None:
    one, two = studio.create_key("one")[0], studio.create_key("two")[0]
    place = studio.create_conversation(one).id
    upload = studio.put_upload(one, card(64, 64))
    (made,) = draw(studio, drawing("a fox"), one)
    job = studio.jobs(one).rows[0].id
    looks: Sequence[Callable[[], object]] = (
        lambda: studio.picture(two, made),
        lambda: studio.data(two, made),
        lambda: studio.pixels(two, upload.id),
        lambda: studio.job(two, job),
        lambda: studio.log(two, job),
        lambda: studio.cancel(two, job),
        lambda: studio.delete_job(two, job),
        lambda: studio.tree(two, place),
        lambda: studio.delete_picture(two, made),
        lambda: studio.favourite(two, made, True),
        lambda: studio.delete_file(two, upload.id),
        lambda: studio.delete_conversation(two, place),
        lambda: studio.submit(two, drawing("x", made)),
        lambda: studio.submit(two, drawing("x", upload.id)),
        lambda: studio.add_version(two, made, card(4, 4), tool="crop", note="x"),
        lambda: studio.append(two, studio.create_conversation(two).id, "user", ({"picture": made},)),
        lambda: asyncio.run(studio.wait(two, job)),
    )
    for look in looks:
        with pytest.raises(NotFound):
            look()
    assert studio.search(two).rows == () and studio.files(two).rows == () and studio.jobs(two).rows == ()
    studio.erase(two)
    assert studio.picture(one, made).id == made


def test_rates_and_quotas(studio: Studio) -> None:
    key = studio.create_key("small", rate=3, quota=4)[0]
    for _ in range(3):
        studio.take_request(key)
    with pytest.raises(RateLimited) as slow:
        studio.take_request(key)
    assert 0 < slow.value.retry_after <= 20
    draw(studio, drawing("a", count=3), key)
    with pytest.raises(QuotaExceeded, match="4 pictures a day and 3 are used"):
        studio.submit(key, drawing("a", count=2))
    assert studio.used_today(key) == 3
    running = studio.submit(key, drawing("a", options={"pause": 0.3}))
    studio.cancel(key, running.job)
    assert done(studio, running, key).state == "cancelled" and studio.used_today(key) == 3


def test_who_is_let_in(studio: Studio, tmp_path: Path) -> None:
    key, secret = studio.create_key("laptop")
    assert studio.authenticate(secret) == key and studio.authenticate(None) == LOCAL == studio.authenticate("sk-anything")
    studio.revoke_key(key.id)
    with pytest.raises(Unauthorized):
        studio.authenticate(secret)
    expired = studio.create_key("old", expires=time.time() - 1)[1]
    with pytest.raises(Unauthorized):
        studio.authenticate(expired)
    open_house = build(load(environ={}, data=str(tmp_path / "other"), host="0.0.0.0", workers=0))
    open_house.start()
    assert open_house.demands_keys()
    for wrong in (None, "", "sk-anything", secret):
        with pytest.raises(Unauthorized):
            open_house.authenticate(wrong)
    open_house.stop()


def test_deleting_a_conversation_deletes_what_was_made_in_it(studio: Studio, tmp_path: Path) -> None:
    place = studio.create_conversation(LOCAL).id
    job = say(studio, place, "a zebra-striped umbrella")
    running = studio.submit(LOCAL, Request((Said("user", (Text("a new picture of a zebra-striped hat"),)),), place, options={"pause": 0.3}))
    blob = studio.picture(LOCAL, job.pictures[0]).blob
    studio.delete_conversation(LOCAL, place)
    for look in (
        lambda: studio.conversation(LOCAL, place),
        lambda: studio.picture(LOCAL, job.pictures[0]),
        lambda: studio.job(LOCAL, running.job),
    ):
        with pytest.raises(NotFound):
            look()
    assert not studio.shelf.blobs.has(blob)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and b"zebra-striped umbrella" in p.read_bytes()]


def test_instructions_count_once(studio: Studio) -> None:
    place = studio.create_conversation(LOCAL).id
    first = say(studio, place, "a fox", instructions="Everything in yellow.")
    assert first.direction["prompt"] == "Everything in yellow.\na fox" == studio.picture(LOCAL, first.pictures[0]).revised_prompt
    assert "yellow" not in say(studio, place, "draw a cat").direction["prompt"]


def test_brief_jobs_and_old_files_are_forgotten(studio: Studio) -> None:
    job = done(studio, studio.submit(LOCAL, drawing("a fox", store=False)))
    old = studio.put_upload(LOCAL, card(8, 8), expires=time.time() - 1)
    with pytest.raises(NotFound):
        studio.file(LOCAL, old.id)
    studio.rooms.upkeep.once()
    assert studio.picture(LOCAL, job.pictures[0]) and not studio.shelf.blobs.has(old.blob)
    with studio.db.write() as tx:
        from sayso.storage.tables import jobs

        tx.execute(jobs.update().values(expires=time.time() - 1))
    studio.rooms.upkeep.once()
    with pytest.raises(NotFound):
        studio.picture(LOCAL, job.pictures[0])


def test_a_disk_that_is_nearly_full_takes_nothing_new(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio.shelf.blobs, "free", lambda: 1000)
    studio.rooms.upkeep._free = (0.0, None)
    with pytest.raises(StorageFull, match="free some space"):
        studio.submit(LOCAL, drawing("a fox"))
    assert studio.ready() is not None and "free" in str(studio.ready())


def test_metrics_tell_what_happened(studio: Studio) -> None:
    from prometheus_client import generate_latest

    draw(studio, drawing("a fox", count=2))
    end = time.monotonic() + 5
    while 'outcome="done"' not in (told := generate_latest(studio.registry).decode()) and time.monotonic() < end:
        time.sleep(0.01)  # an attempt is counted just after its end is told
    for line in (
        'sayso_pictures_total{engine="fake"} 2.0',
        'sayso_jobs{state="queued"} 0.0',
        'sayso_attempts_total{engine="fake",outcome="done"} 1.0',
        'sayso_batch_pictures_bucket{engine="fake",le="1.0"} 0.0',
        "sayso_resident_bytes ",
        "sayso_engines_loaded 1.0",
    ):
        assert line in told, line


@pytest.fixture
def model() -> Iterator[tuple[str, list[Any], list[str]]]:
    """A language model's chat interface: its URL, what it was sent, and the replies that it gives."""
    asked: list[Any] = []
    replies: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((dict(self.headers), json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            body = json.dumps({"choices": [{"message": {"content": replies.pop(0) if replies else "nonsense"}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked, replies
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_language_model_may_direct(tmp_path: Path, model: tuple[str, list[Any], list[str]]) -> None:
    url, asked, replies = model
    studio = build(
        load(environ={}, data=str(tmp_path), engine="fake", director_url=url, director_model="m", director_key="secret", preload=False)
    )
    studio.start()
    try:
        place = studio.create_conversation(LOCAL).id
        replies.append('Sure: {"action": "draw", "picture": null, "prompt": "a red fox in snow", "answer": ""}')
        first = say(studio, place, "something cute for winter")
        assert first.direction["prompt"] == "a red fox in snow" and first.direction["action"] == "created"
        assert asked[0][0]["Authorization"] == "Bearer secret" and "something cute" in asked[0][1]["messages"][1]["content"]
        replies.append(json.dumps({"action": "edit", "picture": f"[{first.pictures[0]}]", "prompt": "give the fox a scarf", "answer": ""}))
        assert say(studio, place, "brrr").direction["pictures"] == list(first.pictures)
        replies.append('{"action": "answer", "picture": null, "prompt": "", "answer": "It is a fox."}')
        assert say(studio, place, "what?").direction["answer"] == "It is a fox."
        assert studio.turns(LOCAL, place)[-1].parts == ({"text": "It is a fox."},)
        for broken in (
            "nonsense",
            '{"action": "delete everything"}',
            '{"action": "draw", "prompt": ""}',
            "[]",
            '{"action": "draw", "prompt": 3}',
        ):
            replies.append(broken)
            assert say(studio, place, "draw a dog").direction["prompt"] == "a dog"  # the rules decide alone
    finally:
        studio.stop()
