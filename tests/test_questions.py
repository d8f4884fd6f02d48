"""Questions: their answers follow from the scene, yes and no come equally often."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from sayso.errors import BadInput, Unknown
from sayso.world import art, layout, lexicon, wording
from sayso.world.colours import BY_WORD
from sayso.world.questions import QUESTIONS, Question, sample_question
from sayso.world.sampler import default_mix, sample_scene
from sayso.world.scene import Background, Item, Lettering, Relation, Scene

LANGUAGES = ("en", "zh")
WHITE = Background("solid", ("#ffffff",))
SCENE = Scene(
    64,
    64,
    WHITE,
    (Item("fox", "flat", 0.25, 0.5, 0.4, tint="#e02424"), Item("car", "flat", 0.75, 0.5, 0.4, tint="#2563eb")),
    (Lettering("HELLO", "slab", 0.5, 0.1, 0.1, "#222222"),),
    (Relation("left of", 0, (1,)),),
)
HAN = re.compile("[\u3400-\u9fff]")


def asked(kind: str, language: str, count: int, seed: int = 0) -> Iterator[tuple[Scene, Question]]:
    spec = default_mix()
    k = made = 0
    while made < count:
        rng = random.Random(f"{kind}/{language}/{seed}/{k}")
        k += 1
        assert k < 60 * count, f"too few scenes answer {kind}"
        scene = sample_scene(rng, spec)
        try:
            question = sample_question(scene, rng, language, kind)
        except BadInput:
            continue
        made += 1
        yield scene, question


def named(text: str) -> list[str]:
    return [m.slug for m in lexicon.mentions(text)]


@pytest.mark.parametrize("kind", QUESTIONS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_are_in_their_language_and_choices_hold_the_answer(kind: str, language: str) -> None:
    for _, q in asked(kind, language, 30):
        assert q.kind == kind and q.language == language and q.answer
        assert bool(HAN.search(q.text)) == (language == "zh"), q
        assert q.text[-1] in "?.？", q
        if q.choices:
            assert q.choices.count(q.answer) == 1 and len(set(q.choices)) == len(q.choices), q


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_names_things_of_the_scene(language: str) -> None:
    for scene, q in asked("what", language, 60):
        answer = set(named(q.answer))
        there = {item.concept for item in scene.items}
        known = set(named(q.text))
        assert answer <= there and answer, q
        if not known:
            assert answer == there, q
        else:
            assert not answer & known or len(there) < 2, q


@pytest.mark.parametrize("language", LANGUAGES)
def test_how_many_counts(language: str) -> None:
    numbers = wording.NUMBERS_EN if language == "en" else wording.NUMBERS_ZH
    for scene, q in asked("how many", language, 60):
        slugs = named(q.text)
        n = sum(item.concept == slugs[0] for item in scene.items) if slugs else len(scene.items)
        assert q.answer.startswith(numbers[n]), (q, n)


@pytest.mark.parametrize("language", LANGUAGES)
def test_colour_is_a_tint_of_the_thing_asked_for(language: str) -> None:
    for scene, q in asked("colour", language, 60):
        (slug,) = named(q.text)
        assert BY_WORD[q.answer] in {item.tint for item in scene.items if item.concept == slug}, q
        assert q.answer not in q.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_is_where_it_is(language: str) -> None:
    table = wording.PLACE_EN if language == "en" else wording.PLACE_ZH
    for scene, q in asked("where", language, 60):
        (slug,) = named(q.text)
        places = {table[wording.ninth(item.x, item.y)][0] for item in scene.items if item.concept == slug}
        assert q.answer in places, q


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_style_and_background(language: str) -> None:
    for scene, q in asked("text", language, 20):
        assert q.answer == scene.lettering[0].text
    for scene, q in asked("style", language, 20):
        table = wording.STYLE_PHRASES_EN if language == "en" else wording.STYLE_ZH
        assert q.answer == table[scene.items[0].style][0]
    for scene, q in asked("background", language, 60):
        if scene.background.kind == "solid":
            assert BY_WORD[q.answer] == scene.background.colours[0]
        else:
            assert scene.background.kind in ("transparent", "backdrop")


@pytest.mark.parametrize("language", LANGUAGES)
def test_yes_and_no_are_true_and_balanced(language: str) -> None:
    told = Counter()
    for scene, q in asked("yes/no", language, 300):
        yes = q.answer in ("yes", "是", "有")
        told[yes] += 1
        assert truth_of(scene, q) in (None, yes), (q, scene.items)
    assert 110 <= told[True] <= 190, told


def truth_of(scene: Scene, q: Question) -> bool | None:
    """What the scene says to a yes/no question, worked out from its words; None where this reading is not sure."""
    slugs = named(q.text)
    items = [item for item in scene.items if item.concept == slugs[0]]
    if len(slugs) == 2:
        others = [item for item in scene.items if item.concept == slugs[1]]
        sides = {"left of": "left|左", "right of": "right|右", "above": "above|上方", "below": "below|下方"}
        if len(items) != 1 or len(others) != 1:
            return None
        side = next(kind for kind, words in sides.items() if re.search(words, q.text))
        return layout.direction(*(layout.spot(i, scene.width, scene.height) for i in (items[0], others[0]))) == side
    if re.match("Is there|Can you see|图片里有一|画面中有没有", q.text):
        return bool(items)
    if q.text.startswith("Are there") or "有" in q.text:
        numbers = wording.NUMBERS_EN if q.language == "en" else wording.NUMBERS_ZH
        found = [n for n, word in enumerate(numbers) if n > 1 and re.search(rf"\b{word}\b" if q.language == "en" else f"有{word}", q.text)]
        return len(items) == max(found)
    words = [w for w in BY_WORD if re.search(rf"\b{w}\?" if q.language == "en" else f"是{w}的", q.text)]
    return any(item.tint == BY_WORD[max(words, key=len)] for item in items) if words else None


def test_the_kinds_on_a_small_scene() -> None:
    rng = random.Random(0)
    answers = {kind: {sample_question(SCENE, rng, "en", kind).answer for _ in range(80)} for kind in QUESTIONS}
    assert answers["text"] == {"HELLO"} and answers["style"] == {"flat style"} and answers["background"] == {"white"}
    assert answers["colour"] == {"red", "blue"} and answers["where"] == {"on the left", "on the right"}
    assert {"fox", "car", "fox and car"} <= answers["what"] and answers["yes/no"] == {"yes", "no"}
    assert answers["how many"] == {"one", "two"}


def test_false_questions_ask_for_kin() -> None:
    rng = random.Random(1)
    asked_for = []
    for _ in range(300):
        q = sample_question(SCENE, rng, "en", "yes/no")
        if re.match("Is there|Can you", q.text) and q.answer == "no":
            asked_for += named(q.text)
    groups = {art.concept(slug).subgroup for slug in asked_for}
    assert asked_for and groups == {art.concept("fox").subgroup, art.concept("car").subgroup}


def test_what_cannot_be_asked_is_told() -> None:
    empty = Scene(64, 64, Background("solid", ("#123456",)))
    with pytest.raises(BadInput, match="colour"):
        sample_question(empty, random.Random(0), "en", "colour")
    with pytest.raises(BadInput):
        sample_question(empty, random.Random(0), "en")
    with pytest.raises(Unknown, match="how many"):
        sample_question(SCENE, random.Random(0), "en", "how much")
