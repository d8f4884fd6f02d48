"""Turns that are deleted and turns that only plan, with the engine of test cards."""

from __future__ import annotations

import pytest

from sayso.errors import BadInput
from sayso.storage.errors import NotFound
from sayso.studio.errors import Refused
from sayso.studio.requests import Request, Said, drawing
from sayso.studio.service import LOCAL, Studio
from sayso.types import Text
from tests import test_studio
from tests.test_studio import House, card, done, say

house, studio = test_studio.house, test_studio.studio


def test_deleting_a_turn_deletes_what_followed_from_it_and_what_nothing_else_shows(studio: Studio) -> None:
    place, elsewhere = studio.create_conversation(LOCAL).id, studio.create_conversation(LOCAL).id
    upload = studio.put_upload(LOCAL, card(256, 256, 5)).id
    first = say(studio, place, "a red fox")
    second = say(studio, place, "give it a zebra-striped umbrella", upload)
    third = say(studio, place, "make it darker")
    hand = studio.add_version(LOCAL, third.pictures[0], card(256, 256, 6), tool="recolour", note="by hand")
    beside = done(studio, studio.submit(LOCAL, Request((Said("user", (Text("a green car"),)),), place, parent=first.turn)))
    shown = say(studio, elsewhere, "the same in blue", second.pictures[0])
    studio.change_conversation(LOCAL, place, head=third.turn)
    blobs = {name: studio.picture(LOCAL, name).blob for name in (*second.pictures, *third.pictures, hand.id, *beside.pictures)}
    running = studio.submit(LOCAL, Request((Said("user", (Text("make it slow"),)),), place, options={"pause": 0.3}))
    asked = {turn.id: turn for turn in studio.tree(LOCAL, place)}[second.turn or ""].parent
    assert asked is not None
    studio.delete_turn(LOCAL, place, asked)
    assert {turn.job for turn in studio.tree(LOCAL, place)} == {None, first.id, beside.id}
    assert studio.conversation(LOCAL, place).head == beside.turn
    for gone in (third.pictures[0], hand.id):
        with pytest.raises(NotFound):
            studio.picture(LOCAL, gone)
        assert not studio.shelf.blobs.has(blobs[gone])
    for job in (second.id, third.id, running.job):
        with pytest.raises(NotFound):
            studio.job(LOCAL, job)
    with pytest.raises(NotFound):
        studio.file(LOCAL, upload)
    kept = studio.picture(LOCAL, second.pictures[0])
    assert (kept.conversation, kept.turn) == (None, None) and studio.shelf.blobs.has(kept.blob)  # it is shown elsewhere
    assert studio.conversations(LOCAL, "zebra").rows == () and studio.conversations(LOCAL, "green").rows[0].id == place
    studio.delete_conversation(LOCAL, elsewhere)
    assert shown.state == "done" and studio.pixels(LOCAL, beside.pictures[0]).width == 256
    root = studio.turns(LOCAL, place)[0].id
    studio.delete_turn(LOCAL, place, root)
    empty = studio.conversation(LOCAL, place)
    assert (empty.head, empty.title, studio.tree(LOCAL, place)) == (None, "", ())
    assert not studio.shelf.blobs.has(blobs[beside.pictures[0]]) and studio.conversations(LOCAL, "fox").rows == ()
    with pytest.raises(NotFound):
        studio.delete_turn(LOCAL, place, root)
    say(studio, place, "a yellow hat")
    assert studio.conversation(LOCAL, place).title == "a yellow hat"


def test_a_plan_alone_draws_nothing_and_a_plan_that_is_given_is_judged(studio: Studio, house: House) -> None:
    place = studio.create_conversation(LOCAL).id
    job = say(studio, place, "a fox and a car", think=True, plan_only=True)
    assert job.state == "done" and job.pictures == () and studio.used_today(LOCAL) == 0
    kinds = [event.kind for event in studio.log(LOCAL, job.id)]
    assert kinds == ["accepted", "started", "said", "thought", "done"]
    thought = next(str(event.data["text"]) for event in studio.log(LOCAL, job.id) if event.kind == "thought")
    given = thought.replace("fox fluent 5 30 45 70", 'fox fluent 5 30 45 70 #ff0000\ntext "HI" slab 5 5 95 20 #000000')
    drawn = say(studio, place, "a fox and a car", options={"plan": given})
    pixels = studio.pixels(LOCAL, drawn.pictures[0]).pixels
    assert (pixels[100:150, 20:100] == (255, 0, 0, 255)).all()
    with pytest.raises(BadInput, match="think"):
        studio.submit(LOCAL, drawing("a fox", plan_only=True))
    house.refuse = lambda stage, ask, drawn: stage == "plan"
    with pytest.raises(Refused):
        studio.submit(LOCAL, drawing("a fox", options={"plan": given}))
