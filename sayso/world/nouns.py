"""Concepts as nouns: "a big red fox", "three pairs of scissors", "the loaf of bread"; 一只红色的狐狸, 三把剪刀.

The grammar is in `wording.py`, the names are in `art.py`; nothing here chooses at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sayso.world import art, wording

# Names that are true of the thing but read badly in a sentence; they are still found by `lexicon.mentions`.
UNSAID = frozenset({"bowling", "home", "capsule", "letter", "bricks", "马戏团", "乒乓球", "羽毛球", "砖", "木头", "蜂蜜", "啤酒", "信", "电动车"})
# Names that need a definite article, or none at all.
_OWN_ARTICLE = {"tokyo tower": "the ", "statue of liberty": "the ", "earth": "the ", "milky way": "the ", "kaaba": "the ",
                "santa claus": "", "santa": "", "saturn": "", "mount fuji": "", "mrs. claus": ""}


_CASED = {w.lower(): w for w in (
    "Japanese", "Christmas", "Tokyo", "Tower", "Statue", "Liberty", "Santa", "Claus", "T-Rex", "TV", "SUV", "UFO", "Greek", "Russian",
    "American", "Halloween", "Saturn", "Earth", "T-shirt", "Mount", "Fuji", "DNA", "Milky", "Way", "Asia", "Europe", "ID", "DVD", "CD",
)}


@lru_cache(8192)
def cased(name: str) -> str:
    """The English name with its proper nouns and abbreviations in capitals: "Christmas tree", "TV set"."""
    return " ".join(_CASED.get(word, word) for word in name.split(" "))


@dataclass(frozen=True)
class Noun:
    """An English name: "c" countable, "p" plural by itself, "m" mass; `unit` counts the last two ("pair", "loaf")."""

    name: str
    many: str
    form: str
    unit: str


@lru_cache(8192)
def english(slug: str, name: str) -> Noun:
    """How the English name (one of the concept's) behaves."""
    c = art.concept(slug)
    counted = wording.unit_of(name)
    form = "c"
    usual = name.lower() == c.en[0]
    if " of " not in name and c.form != "c" and (usual or counted or name.endswith("s")):
        form = c.form
    elif " of " not in name and not usual and counted:
        form = "m" if wording.is_mass(name) else "p"
    unit = counted or ("piece" if form == "m" else "set")
    return Noun(name, name if form != "c" else wording.plural_of_countable(name), form, unit)


def said_en(slug: str) -> tuple[str, ...]:
    """The English names that may stand in a caption, the usual one first."""
    return _said(slug)[0]


def said_zh(slug: str) -> tuple[str, ...]:
    """The Chinese names that may stand in a caption, the usual one first."""
    return _said(slug)[1]


@lru_cache(4096)
def _said(slug: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    c = art.concept(slug)
    keep_en = tuple(n for n in c.en[1:] if n not in UNSAID)
    keep_zh = tuple(n for n in c.zh[1:] if n not in UNSAID)
    return (c.en[0], *keep_en), (c.zh[0], *keep_zh)


@lru_cache(65536)
def indefinite(noun: Noun, adjective: str = "", fuller: bool = False) -> str:
    """One of them: "a red fox", "a pair of red scissors" (`fuller`) or "red scissors", "red bread"."""
    words = f"{adjective} {noun.name}" if adjective else noun.name
    if noun.form == "c":
        own = _OWN_ARTICLE.get(noun.name.lower())
        if own is not None and not adjective:
            return own + noun.name
        return f"{wording.article(words)} {words}"
    if fuller:
        return f"{wording.article(noun.unit)} {noun.unit} of {words}"
    return words


@lru_cache(65536)
def counted(noun: Noun, number: str, adjective: str = "") -> str:
    """More than one of them: "three red foxes", "3 pairs of red scissors". `number` is a word or digits, or ""."""
    head = f"{number} " if number else ""
    if noun.form == "c":
        return f"{head}{adjective} {noun.many}" if adjective else head + noun.many
    words = f"{adjective} {noun.name}" if adjective else noun.name
    return f"{head}{wording.plural_of_countable(noun.unit)} of {words}"


def bare(noun: Noun, adjective: str = "") -> str:
    """Without article: "red fox"."""
    return f"{adjective} {noun.name}" if adjective else noun.name


@lru_cache(65536)
def chinese(slug: str, name: str, number: str, adjective: str = "") -> str:
    """Number, measure word, adjective, name: 三只红色的狐狸. Names that begin with their own measure (一杯牛奶) keep it."""
    if name[0] == "一" and len(name) > 2:
        return f"{adjective}{number}{name[1:]}"
    return f"{number}{classifier(slug, name)}{adjective}{name}"


@lru_cache(8192)
def classifier(slug: str, name: str) -> str:
    """The measure word of one of the concept's Chinese names."""
    c = art.concept(slug)
    if c.form == "p" and name.endswith(("鞋", "靴", "手套", "鞋子", "靴子")):
        return "双"
    return wording.measure(name, c.subgroup)
