"""Reading a free prompt: which concepts it names, and which of its words nobody here knows.

Names are matched longest first in English (plurals, hyphens and capitals do not matter) and Chinese, emoji count as the
concept they show, and text between quotes is lettering, not a thing to draw.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from sayso.world import art, nouns, wording
from sayso.world.vocabulary import (
    BACKGROUND_WORDS_EN,
    COLOUR_WORDS_EN,
    COLOUR_WORDS_ZH,
    GRAMMAR_EN,
    MARKS_EN,
    NUMERALS_ZH,
    PLAIN_EN,
    PLAIN_ZH,
)

Grade = Literal["name", "synonym", "keyword"]
_RANK = {"name": 0, "synonym": 1, "keyword": 2}
_SHARED = 4  # a keyword of more concepts than this ("animal") names none of them


@dataclass(frozen=True)
class Mention:
    """`prompt[start:end]` names the concept `slug`: by its usual name or emoji, by a synonym, or by a loose keyword."""

    slug: str
    start: int
    end: int
    grade: Grade


@dataclass(frozen=True)
class _Table:
    """Keys are lower case, English words joined with one blank. `longest_*`: words, or characters for Chinese."""

    english: dict[str, tuple[str, Grade]]
    chinese: dict[str, tuple[str, Grade]]
    emoji: dict[str, str]
    keywords_en: dict[str, str]
    keywords_zh: dict[str, str]
    units: dict[str, str]  # "boxes" → "box"
    mixed: frozenset[str]  # first two characters of the Chinese names that begin with a Latin letter (T恤)
    longest_en: int
    longest_zh: int


_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"#(?:[0-9a-fA-F]{{6}}|[0-9a-fA-F]{{3}})(?![0-9a-zA-Z])|[^\W_{_HAN}]+|[{_HAN}]|\S", re.UNICODE)
_IS_HAN = re.compile(f"[{_HAN}]")
_GRID = re.compile(r"\b(\d) ?(?:x|×|\*|by) ?(\d)(?!\d)|\b(\d) rows and (\d) columns|(?<!\d)(\d) ?行 ?(\d) ?列", re.IGNORECASE)
_GLUE = re.compile(r"[ \t]+|[-\u2010\u2011'’]|[ \t]*\n[ \t]*")  # what may lie between the words of one name
_QUOTED = re.compile(
    r'"[^"\n]{0,300}"|“[^”\n]{0,300}”|「[^」\n]{0,300}」|『[^』\n]{0,300}』|«[^»\n]{0,300}»|《[^》\n]{0,300}》'
    r"|(?<!\w)['‘][^'’\n]{0,300}['’](?!\w)"
)


def _key(name: str) -> str:
    return " ".join(re.findall(rf"[^\W_{_HAN}]+", name.lower()))


@functools.cache
def _table() -> _Table:
    english: dict[str, tuple[str, Grade]] = {}
    chinese: dict[str, tuple[str, Grade]] = {}
    # Core concepts come first: "houses" is the plural of the core's house before it is the picture of several houses.
    entries = [((not c.core, _RANK[grade], form, order), text, c.slug, grade, language)
               for order, c in enumerate(art.concepts()) for text, form, grade, language in _forms(c)]
    for _, text, slug, grade, language in sorted(entries, key=lambda e: e[0]):
        if text:
            (english if language == "en" else chinese).setdefault(text, (slug, grade))
    units = {made: unit for unit in wording.units() for made in (unit, wording.plural_of_countable(unit))}
    return _Table(english, chinese, {c.char: c.slug for c in art.concepts()}, _keywords("en", english), _keywords("zh", chinese), units,
                  frozenset(k[:2] for k in chinese if k[0].isascii()),
                  max(len(k.split()) for k in (*english, *PLAIN_EN)), max(map(len, (*chinese, *PLAIN_ZH))))


@functools.cache
def _core_names() -> frozenset[str]:
    return frozenset(n.lower() for c in art.concepts() if c.core for n in c.en + c.zh)


def _is_tinted(name: str, language: str) -> bool:
    """Whether the name is just a colour or size and a core concept ("blue book"), which is better read as that concept so changed."""
    if language == "en":
        return any(name.startswith(w + " ") and name[len(w) + 1:] in _core_names() for w in (*COLOUR_WORDS_EN, "small", "big", "large"))
    return any(name.startswith(w) and name[len(w):].removeprefix("的") in _core_names() for w in COLOUR_WORDS_ZH)


def _forms(c: art.Concept) -> list[tuple[str, int, Grade, str]]:
    """Every written form of a concept's names: (text, 0 as listed or 1 derived, grade, language)."""
    forms: list[tuple[str, int, Grade, str]] = []
    for i, name in enumerate(c.en):
        if _is_tinted(name, "en"):
            continue
        grade: Grade = "name" if i == 0 else "synonym"
        noun = nouns.english(c.slug, name)
        forms.append((_key(name), 0, grade, "en"))
        forms += [(_key(many), 1, grade, "en") for many in (noun.many, wording.plural_of_countable(name))]
        if noun.form == "p" and name.endswith("s") and not name.endswith("ss"):
            forms.append((_key(_singular(name)), 1, "synonym", "en"))
        if name in ("cactus",):
            forms.append(("cactuses", 1, grade, "en"))
    for i, name in enumerate(c.zh):
        if _is_tinted(name, "zh"):
            continue
        grade = "name" if i == 0 else "synonym"
        forms.append((name.lower(), 0, grade, "zh"))
        if name[0] == "一" and len(name) > 2:
            forms.append((name[1:].lower(), 1, grade, "zh"))
    return forms


def _singular(name: str) -> str:
    """"cherries" → "cherry", "grapes" → "grape"; only for names that are plural by themselves."""
    return name[:-3] + "y" if name.endswith("ies") else name[:-1]


def _keywords(language: str, names: dict[str, tuple[str, Grade]]) -> dict[str, str]:
    """Loose keyword → the first core concept that has it, without names, plain words and what too many concepts share."""
    found: dict[str, list[str]] = {}
    for c in (c for c in art.concepts() if c.core):  # those of the others ("see" for the red envelope) mislead more than they help
        for word in c.keywords_en if language == "en" else c.keywords_zh:
            keys = (_key(word), _key(wording.plural_of_countable(word)) if word else "") if language == "en" else (word.lower(),)
            for key in dict.fromkeys(keys):
                counts = language == "zh" and key[:1] in NUMERALS_ZH and key[1:] in wording.MEASURE_WORDS
                usable = len(key) > 1 and not counts and key not in names and key not in (PLAIN_EN if language == "en" else PLAIN_ZH)
                if usable and c.slug not in found.setdefault(key, []):
                    found[key].append(c.slug)
    return {key: slugs[0] for key, slugs in found.items() if 0 < len(slugs) <= _SHARED}


# --- scanning ------------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class _Span:
    """What a stretch of the prompt is: a mention, a plain word (slug None) or unread (`known` False)."""

    start: int
    end: int
    slug: str | None
    grade: Grade | None
    known: bool


def mentions(prompt: str) -> tuple[Mention, ...]:
    """The concepts that the prompt names, in reading order, each with its span and grade; never raises."""
    return tuple(Mention(s.slug, s.start, s.end, s.grade) for s in _scan(prompt) if s.slug is not None and s.grade is not None)


def unknown_words(prompt: str) -> tuple[str, ...]:
    """Content words (as written, each once) that are neither concepts nor plain words of `vocabulary`; never raises.

    A word that is a keyword of a concept is not listed: `mentions` tells it with the grade "keyword".
    """
    words: dict[str, str] = {}
    for s in _scan(prompt):
        if not s.known:
            word = prompt[s.start:s.end]
            words.setdefault(word.lower(), word)
    return tuple(words.values())


def cells(prompt: str, known: Collection[str]) -> tuple[str, ...]:
    """The concepts in a grid, cell by cell, where a prompt says how many rows and columns it has and names what is in each; else none."""
    size = _GRID.search(prompt)
    if size is None or not re.search("grid|网格", prompt, re.IGNORECASE):
        return ()
    rows, columns = (int(n) for n in size.groups() if n)
    found = tuple(m.slug for m in mentions(prompt) if m.grade != "keyword")
    return found if 1 < len(found) == rows * columns and set(found) <= set(known) else ()


def lettering(prompt: str) -> tuple[str, ...]:
    """The texts between quotes, as they stand; a prompt that is quoted as a whole holds none."""
    return tuple(prompt[a + 1:b - 1] for a, b in _quotes(prompt))


def _quotes(prompt: str) -> list[tuple[int, int]]:
    spans = [m.span() for m in _QUOTED.finditer(prompt)]
    whole = len(prompt.strip())
    return [] if len(spans) == 1 and spans[0][1] - spans[0][0] >= whole else spans


def _scan(prompt: str) -> list[_Span]:
    """The prompt as spans, punctuation left out."""
    quotes = _quotes(prompt)
    spans: list[_Span] = []
    begin = 0
    for start, end in [*quotes, (len(prompt), len(prompt))]:
        spans += _scan_part(prompt, begin, start)
        begin = end
    return spans


def _scan_part(prompt: str, begin: int, stop: int) -> list[_Span]:
    tokens = [(m.start(), m.end()) for m in _TOKEN.finditer(prompt, begin, stop)]
    lower = ["".join(c.lower() if len(c.lower()) == 1 else c for c in prompt[a:b]) for a, b in tokens]
    spans: list[_Span] = []
    i = 0
    while i < len(tokens):
        start, end = tokens[i]
        first = lower[i]
        taken = 1
        if _starts_chinese(lower, tokens, i):
            taken, span = _chinese(lower, tokens, i, prompt)
            spans.append(span)
        elif first[0] == "#" or first.isdecimal():
            spans.append(_Span(start, end, None, None, True))
        elif first[0].isalnum():
            taken, span = _english(lower, tokens, i, prompt)
            spans.append(span)
        elif (slug := _table().emoji.get(prompt[start])) and not (start and prompt[start - 1] == "\u200d"):
            spans.append(_Span(start, end, slug, "name", True))
        elif ord(prompt[start]) >= 0x2300 and unicodedata.category(prompt[start]) == "So":
            spans.append(_Span(start, end, None, None, bool(start and prompt[start - 1] == "\u200d")))
        i += taken
    return _merged(spans)


def _starts_chinese(lower: list[str], tokens: list[tuple[int, int]], i: int) -> bool:
    """A Han character, or a Latin letter that a Han character follows at once (T恤)."""
    if _IS_HAN.match(lower[i]):
        return True
    joined = i + 1 < len(lower) and tokens[i + 1][0] == tokens[i][1] and _IS_HAN.match(lower[i + 1])
    return bool(joined) and lower[i][-1] + lower[i + 1][0] in _table().mixed and len(lower[i]) == 1


def _english(lower: list[str], tokens: list[tuple[int, int]], i: int, prompt: str) -> tuple[int, _Span]:
    """The longest English name or plain phrase that begins at token i, else a keyword, else one unread word."""
    table = _table()
    run = [lower[i]]
    while len(run) < table.longest_en and i + len(run) < len(lower):
        k = i + len(run)
        if not lower[k][0].isalnum() or _IS_HAN.match(lower[k]):
            if lower[k] in "-'’\u2010\u2011" and k + 1 < len(lower) and tokens[k][1] == tokens[k + 1][0]:
                run.append("")  # glue inside a name
                continue
            break
        if not _GLUE.fullmatch(prompt[tokens[k - 1][1]:tokens[k][0]]) and run[-1] != "":
            break
        run.append(lower[k])
    for size in range(len(run), 0, -1):
        if run[size - 1] == "":
            continue
        key = " ".join(w for w in run[:size] if w)
        found = table.english.get(key)
        end = tokens[i + size - 1][1]
        if found and not _only_a_word(key, lower, i, size):
            return size, _Span(tokens[i][0], end, found[0], found[1], True)
        counts = size == 1 and key in table.units and lower[i + 1:i + 2] == ["of"]
        if found or counts or key in PLAIN_EN:
            return size, _Span(tokens[i][0], end, None, None, True)
    for size in range(len(run), 0, -1):
        key = " ".join(w for w in run[:size] if w)
        if run[size - 1] and key in table.keywords_en:
            return size, _Span(tokens[i][0], tokens[i + size - 1][1], table.keywords_en[key], "keyword", True)
    word = run[0]
    trivial = len(word) == 1 or word in ("ll", "re", "ve") or bool(re.fullmatch(r"\d+(x\d*|st|nd|rd|th|px|d)", word))
    return 1, _Span(tokens[i][0], tokens[i][1], None, None, trivial)


_COLOUR_BEFORE = frozenset(["from", "to", "in", "plain", "solid", "light", "coloured", "colored", "tinted", "is", "fades", "runs", "of"])


def _only_a_word(key: str, lower: list[str], i: int, size: int) -> bool:
    """Whether a name is not a thing here but grammar, a colour ("peach background"), a pattern or a counting word."""
    if key in GRAMMAR_EN:
        return True
    around = [w for w in lower[i + size:i + size + 3] if w != "-"] + ["", ""]
    after, second = around[0], around[1]
    before, earlier = (lower[i - 1] if i else ""), (lower[i - 2] if i > 1 else "")
    if key in MARKS_EN or (key.rpartition(" ")[2] in MARKS_EN and key.partition(" ")[0] in COLOUR_WORDS_EN):
        return any(w in ("background", "backdrop") for w in lower[max(0, i - 9):i + 9])
    if key in COLOUR_WORDS_EN:
        if before in _COLOUR_BEFORE or after in BACKGROUND_WORDS_EN or after in COLOUR_WORDS_EN or after in _table().english:
            return True
        begins = second != "" and any(w == second or w.startswith(second + " ") for w in COLOUR_WORDS_EN)
        listed = after == "and" and (begins or second.startswith("#"))
        return listed or (before in ("and", "with") and (earlier in COLOUR_WORDS_EN or earlier.startswith("#")))
    if after == "of" and (unit := _table().units.get(key)):
        return _counted_by(unit, lower[i + size + 1:i + size + 6])
    return False


def _counted_by(unit: str, words: list[str]) -> bool:
    """Whether one of the next words is a thing that this unit counts: "box" of "(blue) popcorn"."""
    for k in range(len(words)):
        for many in (1, 2):
            found = _table().english.get(" ".join(words[k:k + many]))
            if found and any(nouns.english(found[0], n).unit == unit for n in art.concept(found[0]).en):
                return True
    return False


def _chinese(lower: list[str], tokens: list[tuple[int, int]], i: int, prompt: str) -> tuple[int, _Span]:
    """The longest Chinese name or plain word that begins at token i, else a keyword, else one unread character."""
    texts = _texts(lower, tokens, i)
    following = texts[1][len(texts[0]):] if len(texts) > 1 else ""
    for n in range(len(texts), 0, -1):
        start, end = tokens[i][0], tokens[i + n - 1][1]
        found = _look_up(texts[n - 1])
        if found is None or (n == 1 and found[0] is not None and _counts(lower, i, following)):
            continue
        cut = _better_cut(lower, tokens, i, n, texts) if n > 1 and found[0] is not None else 0
        if cut:
            return cut, _Span(start, tokens[i + cut - 1][1], None, None, True)
        return n, _Span(start, end, found[0], found[1], True)
    counted = bool(i) and lower[i - 1][-1] in NUMERALS_ZH and lower[i] in wording.MEASURE_WORDS
    return 1, _Span(tokens[i][0], tokens[i][1], None, None, counted)


def _texts(lower: list[str], tokens: list[tuple[int, int]], i: int) -> list[str]:
    """Everything that begins at token i without a gap, from one token up to the longest word known."""
    texts = [lower[i]]
    while len(texts) < _table().longest_zh and i + len(texts) < len(lower) and tokens[i + len(texts)][0] == tokens[i + len(texts) - 1][1]:
        texts.append(texts[-1] + lower[i + len(texts)])
    return texts


def _look_up(text: str) -> tuple[str | None, Grade | None] | None:
    """(slug, grade) of a Chinese name or keyword, (None, None) of a plain word, None of anything else."""
    if text in PLAIN_ZH:
        return None, None
    if found := _table().chinese.get(text):
        return found
    return (_table().keywords_zh[text], "keyword") if len(text) > 1 and text in _table().keywords_zh else None


def _better_cut(lower: list[str], tokens: list[tuple[int, int]], i: int, n: int, texts: list[str]) -> int:
    """How many tokens to read as plain instead of the word of n tokens at i, because then a longer word follows; 0 if none.

    双手套 is 双 + 手套 and not 双手 + 套; 一杯奶茶 is 一杯 + 奶茶.
    """
    for cut in range(1, n):
        head = texts[cut - 1]
        counts = cut == 2 and head[0] in NUMERALS_ZH and head[1] in wording.MEASURE_WORDS
        if head not in PLAIN_ZH and not counts:
            continue
        rest = _texts(lower, tokens, i + cut)
        if any(_look_up(rest[m - 1]) is not None for m in range(len(rest), n - cut, -1)):
            return cut
    return 0


def _counts(lower: list[str], i: int, following: str) -> bool:
    """Whether the character is a measure word here: 桶 in 一桶爆米花."""
    before = lower[i - 1][-1] if i else ""
    return before in NUMERALS_ZH and before != "" and lower[i] in wording.MEASURE_WORDS and following != "" and following not in "在和与，、"


def _merged(spans: list[_Span]) -> list[_Span]:
    """Unread Han characters that touch become one unread word."""
    out: list[_Span] = []
    for s in spans:
        touches = bool(out) and not out[-1].known and out[-1].end == s.start
        # A one-character name right after two unread ones is the tail of a foreign name: 马 in 奥巴马.
        tail = touches and s.slug is not None and s.end - s.start == 1 and out[-1].end - out[-1].start >= 2 and s.grade != "keyword"
        if touches and (not s.known or tail):
            out[-1] = _Span(out[-1].start, s.end, None, None, False)
        else:
            out.append(s)
    return out
