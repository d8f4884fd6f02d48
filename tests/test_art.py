"""The concept table and the packs."""

from __future__ import annotations

import re

import pytest

from sayso.errors import Unknown
from sayso.world import art
from sayso.world.scene import STYLES

MUST = ("fox", "car", "ladybug", "cactus", "dog", "cat", "horse", "apple", "tree", "house", "guitar", "umbrella", "top-hat",
        "glasses", "sunglasses", "crown", "book", "key", "balloon", "rocket", "sailboat", "bicycle")
ROLES = (art.WEARABLE_HATS, art.WEARABLE_EYES, art.WEARERS, art.CREATURES, art.HOLDABLE, art.SUPPORTS, art.CONTAINERS)


def test_there_are_1369_concepts_and_about_400_in_the_core() -> None:
    assert len(art.concepts()) == 1369
    assert 380 <= len(art.CORE) <= 420
    assert len(set(art.CORE)) == len(art.CORE)
    assert set(MUST) <= set(art.CORE)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_name_or_synonym_belongs_to_two_concepts(language: str) -> None:
    owner: dict[str, str] = {}
    for c in art.concepts():
        for name in getattr(c, language):
            assert name == name.strip() and name
            assert owner.setdefault(name.lower(), c.slug) == c.slug, name


def test_core_names_carry_no_colour_word_so_that_tints_read_well() -> None:
    words = re.compile(r"\b(red|orange|yellow|green|blue|purple|pink|brown|black|white|grey|gray|cyan)\b")
    allowed = {"red envelope", "red packet"}
    found = [n for slug in art.CORE for n in art.concept(slug).en if words.search(n) and n not in allowed]
    assert found == []


def test_roles_name_core_concepts_only() -> None:
    for role in ROLES:
        assert len(set(role)) == len(role)
        assert set(role) <= set(art.CORE), set(role) - set(art.CORE)


def test_the_core_has_no_flags_arrows_or_clock_faces() -> None:
    subgroups = {art.concept(slug).subgroup for slug in art.CORE}
    assert not {s for s in subgroups if re.search("arrow|flag|zodiac|hand-|alphanum|av-symbol|geometric", s)}


@pytest.mark.parametrize("style", STYLES)
def test_every_concept_has_a_body_in_every_style_with_all_references_answered(style: str) -> None:
    for c in art.concepts():
        drawn = art.art(c.slug, style)
        assert drawn.width > 0 and drawn.height > 0 and "<" in drawn.body
        ids = set(re.findall(r'\bid="([^"]+)"', drawn.body))
        references = set(re.findall(r"url\(#([^)]+)\)", drawn.body)) | set(re.findall(r'href="#([^"]+)"', drawn.body))
        assert references <= ids, c.slug
        assert all(i.startswith("@@") for i in ids), c.slug


def test_line_style_takes_its_ink_from_current_color() -> None:
    for slug in art.CORE:
        body = art.art(slug, "line").body
        assert "currentColor" in body
        inked = re.sub(r"<(defs|mask|clipPath)\b.*?</\1>", "", body)  # what only masks or clips is not seen
        assert not re.search(r'fill="#', inked), slug


@pytest.mark.parametrize(
    ("text", "slug"), [("ladybird", "ladybug"), ("瓢虫", "ladybug"), ("Bike", "bicycle"), ("🦊", "fox"), ("汽车", "car")]
)
def test_find_puts_the_thing_itself_first(text: str, slug: str) -> None:
    assert art.find(text, 3)[0].slug == slug


def test_find_searches_keywords_and_keeps_to_the_limit() -> None:
    assert len(art.find("animal", 5)) == 5
    assert art.find("", 5) == []
    assert art.find("zzzzqq", 5) == []


def test_unknown_concept_and_style_name_the_nearest() -> None:
    with pytest.raises(Unknown, match='did you mean "ladybug"'):
        art.concept("ladybugg")
    with pytest.raises(Unknown, match='did you mean "twemoji"'):
        art.art("fox", "twemojy")
