"""Captions name what is in the scene, in the language asked for, and the lexicon reads them back."""

from __future__ import annotations

import math
import random
import re
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.errors import Unknown
from sayso.world import art, lexicon, nouns, wording
from sayso.world.captions import DENSITIES, LANGUAGES, caption
from sayso.world.colours import COLOURS
from sayso.world.phrases_en import quoted
from sayso.world.sampler import default_mix, sample_scene
from sayso.world.scene import Background, Item, Lettering, Relation, Scene

WORDED = ("short", "medium", "dense")
WHITE = Background("solid", ("#ffffff",))
HAN = re.compile("[\u3400-\u9fff]")
FOX_AND_CAR = Scene(
    64,
    64,
    WHITE,
    (Item("fox", "flat", 0.25, 0.5, 0.4, tint="#e02424"), Item("car", "flat", 0.75, 0.5, 0.4, tint="#2563eb")),
    (),
    (Relation("left of", 0, (1,)),),
)
CATS = Scene(64, 64, WHITE, tuple(Item("cat", "flat", 0.2 + 0.3 * k, 0.5, 0.25) for k in range(3)))


def scenes(count: int, seed: int = 0) -> Iterator[tuple[random.Random, Scene]]:
    spec = default_mix()
    for k in range(count):
        rng = random.Random(f"{seed}/{k}")
        yield rng, sample_scene(rng, spec)


def unlettered(text: str, scene: Scene) -> str:
    for line in scene.lettering:
        text = text.replace(line.text, "")
    return text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("density", WORDED)
def test_every_concept_is_named_and_no_other(language: str, density: str) -> None:
    wrong = []
    for rng, scene in scenes(250, seed=1):
        said = caption(scene, rng, language, density)
        found = {m.slug for m in lexicon.mentions(said)}
        if found != {item.concept for item in scene.items}:
            wrong.append((said, found))
    assert len(wrong) <= 1, wrong  # "a peach" beside a peach background is honestly hard


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_of_a_caption_is_unknown(language: str) -> None:
    unknown = Counter(word for rng, scene in scenes(200, seed=2) for word in lexicon.unknown_words(caption(scene, rng, language, "dense")))
    assert not unknown


@pytest.mark.parametrize("density", WORDED)
def test_english_has_no_chinese_and_chinese_no_english(density: str) -> None:
    for rng, scene in scenes(150, seed=3):
        assert not HAN.search(unlettered(caption(scene, rng, "en", density), scene))
        chinese = unlettered(caption(scene, rng, "zh", density), scene)
        plain = re.sub(r"#[0-9a-f]{6}|T恤|\dx\d", "", chinese)
        assert not re.search("[A-Za-z]", plain), chinese


@pytest.mark.parametrize("density", WORDED)
def test_counts_and_named_tints_appear(density: str) -> None:
    for rng, scene in scenes(200, seed=4):
        english, chinese = (caption(scene, rng, language, density).lower() for language in LANGUAGES)
        groups = Counter((item.concept, item.tint, item.style) for item in scene.items)
        if scene.grid is None and len({item.style for item in scene.items}) == 1 and not scene.relations:
            for n in groups.values():
                if n > 1:
                    assert re.search(rf"\b({n}|{wording.NUMBERS_EN[n]})\b", english), english
                    assert str(n) in chinese or wording.NUMBERS_ZH[n] in chinese, chinese
        for tint in {item.tint for item in scene.items if item.tint}:
            known = [c for c in COLOURS if c.hex == tint]
            assert tint in english or any(word in english for c in known for word in c.en), english
            assert tint in chinese or any(word in chinese for c in known for word in c.zh), chinese


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("density", WORDED)
def test_lettering_is_quoted_as_it_stands(language: str, density: str) -> None:
    rng = random.Random(5)
    for text, font in (("HELLO", "slab"), ('say "hi"', "sans"), ("it's", "mono"), ("你好", "brush"), ('"“「', "hei")):
        scene = Scene(64, 64, WHITE, (Item("fox", "line", 0.5, 0.6, 0.5),), (Lettering(text, font, 0.5, 0.1, 0.15, "#222222"),))
        assert text in caption(scene, rng, language, density)


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        (r"a red fox to the left of a blue car, flat style", "en"),
        (r"一只红色的狐狸在蓝色汽车的左边，扁平风格", "zh"),
        (r"a red fox and a blue car", "en"),
        (r"a photo of a red fox .*", "en"),
        (r"a blue car (right of|to the right of) a red fox.*", "en"),
        (r"draw a red fox left of a blue car.*", "en"),
    ],
)
def test_natural_prompts_are_in_the_language(wanted: str, language: str) -> None:
    rng = random.Random(6)
    pattern = re.compile(wanted)
    assert any(pattern.fullmatch(caption(FOX_AND_CAR, rng, language, "short")) for _ in range(40_000))


def test_three_cats_and_the_issue_s_ladybug() -> None:
    rng = random.Random(7)
    said = {caption(CATS, rng, "en", "short") for _ in range(500)}
    assert {"three cats", "3 cats"} <= said
    ladybug = Scene(
        64,
        64,
        Background("solid", ("#f7d020",)),
        (Item("ladybug", "line", 0.5, 0.25, 0.4), Item("cactus", "line", 0.5, 0.75, 0.4)),
        (),
        (Relation("above", 0, (1,)),),
    )
    assert any(caption(ladybug, rng, "en", "short") == "a ladybug above a cactus, line style, yellow background" for _ in range(20_000))


def test_wordings_are_many() -> None:
    rng = random.Random(8)
    for language in LANGUAGES:
        assert len({caption(FOX_AND_CAR, rng, language, "short") for _ in range(400)}) > 150


def test_relations_beyond_directions_are_never_dropped() -> None:
    rng = random.Random(9)
    hat = Scene(
        64, 64, WHITE, (Item("fox", "flat", 0.5, 0.6, 0.6), Item("top-hat", "flat", 0.5, 0.3, 0.3)), (), (Relation("wearing", 0, (1,)),)
    )
    for _ in range(300):
        english, chinese = caption(hat, rng, "en", "short"), caption(hat, rng, "zh", "short")
        assert re.search(r"wearing|that wears|with a[n]? .*hat on", english, re.IGNORECASE), english
        assert "戴着" in chinese


def test_dense_tells_places_turns_and_background() -> None:
    rng = random.Random(10)
    scene = Scene(
        96,
        64,
        Background("gradient", ("#e02424", "#2563eb"), angle=90),
        (Item("fox", "noto", 0.15, 0.2, 0.3, turn=15, flip=True, shadow=True),),
    )
    for _ in range(60):
        said = caption(scene, rng, "en", "dense")
        assert re.search("top left|upper left", said) and re.search("mirrored|flipped", said) and "shadow" in said, said
        assert re.search("15|tilted to the right", said) and re.search("red|#e02424", said) and re.search("blue|#2563eb", said), said
        assert re.search("noto|soft", said), said


def test_plan_density_is_the_plan() -> None:
    assert caption(FOX_AND_CAR, random.Random(0), "zh", "plan").splitlines()[1:] == [
        "fox flat 5 30 45 70 #e02424",
        "car flat 55 30 95 70 #2563eb",
    ]


def test_same_seed_same_caption_and_bad_names_are_told() -> None:
    assert caption(FOX_AND_CAR, random.Random(3)) == caption(FOX_AND_CAR, random.Random(3))
    with pytest.raises(Unknown, match="medium"):
        caption(FOX_AND_CAR, random.Random(0), "en", "mediun")
    with pytest.raises(Unknown, match="language"):
        caption(FOX_AND_CAR, random.Random(0), "fr")
    assert set(DENSITIES) == {*WORDED, "plan"}


def test_an_empty_scene_has_captions_too() -> None:
    rng = random.Random(0)
    for language in LANGUAGES:
        for density in WORDED:
            assert caption(Scene(64, 64, Background("transparent")), rng, language, density).strip()


def test_captions_are_fast() -> None:
    made = [scene for _, scene in scenes(150, seed=11)]
    rng = random.Random(0)
    best = {}
    for density in WORDED:
        for _ in range(3):
            began = time.perf_counter()
            for scene in made:
                caption(scene, rng, "en", density)
            best[density] = min(best.get(density, 9.0), (time.perf_counter() - began) / len(made))
    assert max(best.values()) < 300e-6, best  # aim 150 µs; twice that where the machine is busy


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("fox", "foxes"),
        ("mouse", "mice"),
        ("sheep", "sheep"),
        ("knife", "knives"),
        ("cherry", "cherries"),
        ("person", "people"),
        ("bus", "buses"),
        ("wolf", "wolves"),
        ("cactus", "cacti"),
        ("glass of milk", "glasses of milk"),
        ("bow and arrow", "bows and arrows"),
        ("potato", "potatoes"),
        ("computer mouse", "computer mice"),
        ("kangaroo", "kangaroos"),
        ("yo-yo", "yo-yos"),
        ("monkey", "monkeys"),
        ("frying pan with an egg", "frying pans with an egg"),
    ],
)
def test_plurals(name: str, many: str) -> None:
    assert wording.plural(name) == many


@pytest.mark.parametrize(
    ("phrase", "word"),
    [
        ("umbrella", "an"),
        ("unicorn", "a"),
        ("hourglass", "an"),
        ("UFO", "a"),
        ("orange fox", "an"),
        ("house", "a"),
        ("SUV", "a"),
        ("igloo", "an"),
    ],
)
def test_articles(phrase: str, word: str) -> None:
    assert wording.article(phrase) == word


def test_words_that_are_plural_or_stuff_are_counted_with_a_unit() -> None:
    scissors, bread = nouns.english("scissors", "scissors"), nouns.english("bread", "bread")
    assert nouns.counted(scissors, "three", "red") == "three pairs of red scissors"
    assert nouns.counted(bread, "2") == "2 loaves of bread"
    assert nouns.indefinite(bread, fuller=True) == "a loaf of bread"
    assert nouns.chinese("fox", "狐狸", "三", "红色的") == "三只红色的狐狸"
    assert nouns.chinese("car", "汽车", "两") == "两辆汽车"
    assert nouns.chinese("glass-of-milk", "一杯牛奶", "三") == "三杯牛奶"


def test_quotes_avoid_what_the_text_holds() -> None:
    assert quoted('a "b"', ('"', '"')) == '“a "b"”'
    assert quoted("it's", ("'", "'")) == '"it\'s"'


# --- the lexicon ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "slugs"),
    [
        ("a red fox to the left of a blue car, flat style", ["fox", "car"]),
        ("一只红色的狐狸在蓝色汽车的左边，扁平风格", ["fox", "car"]),
        ("🦊 and 🚗", ["fox", "car"]),
        ("three foxes", ["fox"]),
        ("Fire  Engine", ["fire-engine"]),
        ("a t rex", ["t-rex"]),
        ("a box of popcorn", ["popcorn"]),
        ("a box", ["cardboard-box"]),
        ('a dog with the word "CAT"', ["dog"]),
        ("a purple heart", ["heart"]),
        ("a peach on a peach background", ["peach"]),
        ("eleven houses", ["house"]),
        ("一双手套", ["gloves"]),
        ("熊猫和猫", ["panda", "cat"]),
        ("a cactus and two cacti", ["cactus", "cactus"]),
        ("", []),
    ],
)
def test_mentions(prompt: str, slugs: list[str]) -> None:
    assert [m.slug for m in lexicon.mentions(prompt)] == slugs


def test_mentions_are_graded_and_spanned() -> None:
    prompt = "a kitty and a fox"
    kitty, fox = lexicon.mentions(prompt)
    assert (prompt[kitty.start : kitty.end], kitty.grade) == ("kitty", "synonym") and (prompt[fox.start : fox.end], fox.grade) == (
        "fox",
        "name",
    )
    assert [(m.slug, m.grade) for m in lexicon.mentions("a king")] == [("crown", "keyword")]


def test_every_name_of_every_core_concept_is_found() -> None:
    for slug in art.CORE:
        c = art.concept(slug)
        for name in (*c.en, *c.zh, c.char):
            assert [m.slug for m in lexicon.mentions(name)] == [slug] or name in nouns.UNSAID, name


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Barack Obama next to a fox", ("Barack", "Obama")),
        ("一只奥巴马和狐狸", ("奥巴马",)),
        ("a red fox, flat style, #2563eb background", ()),
        ("the Eiffel tower in the snow", ("Eiffel",)),
        ("a cat, ghibli style", ("ghibli",)),
        ('a wumpus "Zxqv"', ("wumpus",)),
        ("please draw me three cats in the top left corner of a wide picture", ()),
    ],
)
def test_unknown_words(prompt: str, words: tuple[str, ...]) -> None:
    assert lexicon.unknown_words(prompt) == words


def test_lettering_is_what_stands_in_quotes() -> None:
    assert lexicon.lettering('a fox and "HI" and “you”') == ("HI", "you")
    assert lexicon.lettering('"a red fox"') == ()


@given(st.text(max_size=200) | st.text(alphabet="一只狐狸T恤双手套桶爆米花 aox\"'“”-#0fF🦊\u200d", max_size=80))
def test_the_lexicon_never_raises_and_spans_are_in_order(prompt: str) -> None:
    end = 0
    for m in lexicon.mentions(prompt):
        assert end <= m.start < m.end <= len(prompt)
        end = m.end
    assert all(word in prompt for word in lexicon.unknown_words(prompt))


@pytest.mark.parametrize("piece", ["a red fox, 一只蓝色的猫 ", "“", "T恤", "'", "a-b-", "\u200d🦊", "box of "])
def test_long_prompts_are_read_in_proportion(piece: str) -> None:
    """Ten times as long a prompt takes about ten times as long, not a hundred times."""

    def took(length: int) -> float:
        prompt, least = (piece * length)[:length], math.inf
        for _ in range(5):
            began = time.perf_counter()
            lexicon.mentions(prompt)
            least = min(least, time.perf_counter() - began)
        return least

    lexicon.mentions("warm up")
    assert took(5000) < 40 * took(500)
