"""Words of a prompt as a person would read them, however they are written: look-alike letters, spacing, leetspeak, Chinese.

Folding never decides anything; it makes several readings of a text, and a word counts as said when any reading holds it.
Confusable letters after Unicode Technical Standard 39, reduced to the letters that look like Latin ones.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_PAIRS = (
    "аa ɑa αa ᴀa еe ҽe єe ɛe ᴇe οo оo σo օo ᴏo сc ϲc ԁd ɗd һh հh іi ıi ιi ɩi ӏl ⅼl ǀl јj κk кk ᴋk мm ոn пn ᴨn ɴn рp ρp ԛq гr ʀr ѕs ꜱs "
    "тt τt ᴛt υu սu νv ѵv ԝw шw ѡw хx χx уy үy γy ʏy вb ьb ƅb ʙb ցg ɡg ɢg ғf ƒf ʜh ɪi ʟl ᴍm øo łl đd ħh ŧt ßb "
    "ɓb ƈc ƙk ŋn ƞn ɲn ɳn ɱm ƥp ƭt ʂs ɐa ɘe ǝe ɵo ɨi ʉu "
    "Ꭺa Ᏼb Ꮯc Ꭰd Ꭼe Ꮐg Ꮋh Ꭵi Ꭻj Ꮶk Ꮮl Ꮇm Ꮑn Ꮲp Ꭱr Ꮪs Ꭲt Ꮩv Ꮃw Ꮓz"
)
LOOKALIKES = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}
_SIGNS = {first + i: chr(97 + i) for first in (0x1F150, 0x1F170, 0x1F1E6) for i in range(26)}  # letters in discs and squares, and of flags
_TURNED = re.compile("\u202e([^\u202c\n]*)\u202c?")  # shown from right to left
LEET = {ord(a): b for a, b in ("0o", "1i", "2z", "3e", "4a", "5s", "6g", "7t", "8b", "9g", "@a", "$s", "!i", "|i", "€e", "£l", "+t")}
LEET_L = LEET | {ord("1"): "l", ord("!"): "l", ord("|"): "l"}
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_IS_HAN = re.compile(f"[{_HAN}]")
_WORD = re.compile(rf"[^\W_{_HAN}]+(?:['’][^\W\d_{_HAN}]+)*")
_TOKEN, _LEETED = re.compile(rf"[^\s{_HAN}]+"), re.compile("[0-9@$!|€£+]")
_SPACED = re.compile(rf"(?<![^\W_{_HAN}])[^\W_{_HAN}](?:[\W_]{{1,3}}[^\W_{_HAN}]){{2,}}(?![^\W_{_HAN}])")
_BETWEEN_HAN = re.compile(rf"(?<=[{_HAN}])[^\w{_HAN}]{{1,3}}(?=[{_HAN}])|(?<=[{_HAN}])_{{1,3}}(?=[{_HAN}])")
_STARRED = re.compile(rf"(?<![\w*#])[^\W\d_{_HAN}](?:[^\W\d_{_HAN}]|[*#]){{3,23}}(?![\w*#])")
_ARTICLE = re.compile(r"^([ai])[\W_]+")  # "make a b o m b"
_LONG = re.compile(r"(.)\1{2,}")
LEAST_START, LEAST_SPLIT, LONGEST_PART = 4, 5, 5  # letters: of a beginning, of a word in two pieces, and of a piece
ENDINGS = ("s", "es", "ed", "d", "ing", "ly")


def plain(text: str) -> str:
    """Compatibility forms, case, accents and invisible characters folded away."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", text.translate(_SIGNS)).casefold()
    return "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Me", "Cf"))


def readings(text: str) -> tuple[list[list[str]], str, str]:
    """The words of a text in each of its readings; its runs of spaced letters, joined; its Chinese with nothing put between."""
    first = plain(text)
    looked = first if first.isascii() else first.translate(LOOKALIKES)
    variants = dict.fromkeys((first, looked))
    if "\u202e" in text:
        variants[plain(_TURNED.sub(lambda found: found[1][::-1], text))] = None
    if _LEETED.search(looked):
        for table in (LEET, LEET_L):
            variants[_unleeted(looked, table)] = None
    runs: list[str] = []
    for variant in tuple(variants):
        found = _SPACED.findall(variant)
        if found:
            runs += (re.sub(r"[\W_]", "", run) for run in found)
            variants[_SPACED.sub(lambda run: _parted(run[0]), variant)] = None
            variants[_SPACED.sub(lambda run: _parted(_ARTICLE.sub(r"\1  ", run[0])), variant)] = None
        if _LONG.search(variant):
            variants[_LONG.sub(r"\1", variant)] = variants[_LONG.sub(r"\1\1", variant)] = None
    han = _BETWEEN_HAN.sub("", first) if _IS_HAN.search(first) else ""
    return [[word.replace("’", "'").removesuffix("'s") for word in _WORD.findall(variant)] for variant in variants], "\n".join(runs), han


def _may_be(starred: str, word: str) -> bool:
    """Whether a word with fewer than half of its letters starred out may be a word of the same length."""
    if starred[0] not in ("*", "#", word[0]) or 2 * (starred.count("*") + starred.count("#")) >= len(starred):
        return False
    return all(a in ("*", "#", b) for a, b in zip(starred, word, strict=True))


def inside(text: str, place: int, phrase: str) -> bool:
    """Whether a place of a text lies in an occurrence of the phrase."""
    return phrase in text[max(0, place - len(phrase) + 1) : place + len(phrase)]


def _unleeted(text: str, table: Mapping[int, str]) -> str:
    return _TOKEN.sub(lambda found: _unleet(found[0], table) if _LEETED.search(found[0]) else found[0], text)


def _unleet(token: str, table: Mapping[int, str]) -> str:
    """A token with its digits and signs read as letters, when it has letters as well: "nud3" but not "1920x1080"."""
    inner = token.strip(".,;:!?\"'()[]|+")
    if sum(c.isalpha() for c in inner) * 3 < len(inner):
        return token
    return inner.translate(table)


def _parted(run: str) -> str:
    """Spaced letters with wider gaps kept as gaps between words: "n u d e   g i r l"."""
    return " ".join("".join(re.findall(r"\w", part)) for part in re.split(r"[\W_]{2,}", run))


@dataclass
class Lists:
    """Word lists by name, ready to be looked for in one walk over a text."""

    starts: dict[str, list[str]] = field(default_factory=dict)  # how a word begins → lists
    first: dict[str, list[tuple[tuple[str, ...], str]]] = field(default_factory=dict)  # first word → (all words, list)
    innocent: dict[str, list[tuple[tuple[str, ...], str]]] = field(default_factory=dict)
    vocabulary: dict[int, dict[str, None]] = field(default_factory=dict)  # letters of a word → such words, of any list
    joined: list[tuple[str, str]] = field(default_factory=list)  # a word or phrase without blanks, list
    han: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # first character → (text, list)
    innocent_han: dict[str, list[str]] = field(default_factory=dict)  # list → texts

    def add(self, name: str, english: Iterable[str], chinese: Iterable[str], innocent: Iterable[str]) -> None:
        """A list: English words take simple endings, any with "*" at their end, none with "~" before them; `innocent` phrases hide
        the words inside them."""
        for entry in english:
            whole = "".join(_WORD.findall(plain(entry)))
            if len(whole) >= 4:
                self.joined.append((whole, name))
            if entry.endswith("*"):
                self.starts.setdefault(whole, []).append(name)
            for words in _forms(entry):
                self.first.setdefault(words[0], []).append((words, name))
                for word in words:
                    self.vocabulary.setdefault(len(word), {})[word] = None
        for entry in innocent:
            if _IS_HAN.search(entry):
                self.innocent_han.setdefault(name, []).append(plain(entry))
                continue
            words = tuple(_WORD.findall(plain(entry)))
            self.innocent.setdefault(words[0], []).append((words, name))
        for entry in chinese:
            text = "".join(plain(entry).split())
            self.han.setdefault(text[0], []).append((text, name))

    def found(self, text: str) -> frozenset[str]:
        """Names of the lists of which a word is said in the text, in any of its readings."""
        out: set[str] = set()
        variants, runs, han = readings(text)
        if "*" in text or "#" in text:
            variants += readings(_STARRED.sub(self._guessed, plain(text)))[0]
        for words in variants:
            out.update(self._in(words))
        if runs:
            out.update(name for whole, name in self.joined if whole in runs)
        for place, character in enumerate(han):
            for entry, name in self.han.get(character, ()):
                if han.startswith(entry, place) and not any(
                    inside(han, place, text) for text in self.innocent_han.get(name, ())
                ):
                    out.add(name)
        return frozenset(out)

    def _guessed(self, found: re.Match[str]) -> str:
        """The words of the lists that a word with letters starred out may be: "p*rn". Fewer than half of it may be stars."""
        starred = found[0]
        if "*" not in starred and "#" not in starred:
            return starred
        guesses = [word for word in self.vocabulary.get(len(starred), ()) if _may_be(starred, word)]
        guesses += [start for start in self.starts if len(start) < len(starred) and _may_be(starred[: len(start)], start)]
        return " ".join(guesses) or starred

    def _in(self, words: list[str]) -> Iterator[str]:
        hidden: set[tuple[int, str]] = set()
        for place, word in enumerate(words):
            for entry, name in self.innocent.get(word, ()):
                if tuple(words[place : place + len(entry)]) == entry:
                    hidden.update((place + i, name) for i in range(len(entry)))
        for place, word in enumerate(words):
            for entry, name in self.first.get(word, ()):
                if (place, name) not in hidden and (len(entry) == 1 or tuple(words[place : place + len(entry)]) == entry):
                    yield name
            for length in range(LEAST_START, len(word)):
                for name in self.starts.get(word[:length], ()):
                    if (place, name) not in hidden:
                        yield name
            if place and 2 <= len(words[place - 1]) <= LONGEST_PART and 2 <= len(word) <= LONGEST_PART:
                for entry, name in self.first.get(words[place - 1] + word, ()):  # one word in two pieces
                    if len(entry) == 1 and len(entry[0]) >= LEAST_SPLIT and not {(place - 1, name), (place, name)} & hidden:
                        yield name


@functools.lru_cache(maxsize=4096)
def _forms(entry: str) -> tuple[tuple[str, ...], ...]:
    """A word of a list with its endings, as tuples of words; in a phrase the last word takes them."""
    exact, text = entry.startswith("~"), plain(entry.lstrip("~"))
    words = tuple(word.removesuffix("'s") for word in _WORD.findall(text))
    if exact or len(words[-1]) < 3 or words[-1][-1].isdigit():
        return (words,)
    ends = [words[-1]] + [words[-1] + ending for ending in ENDINGS]
    if words[-1].endswith("e"):
        ends.append(words[-1][:-1] + "ing")
    if words[-1].endswith("y"):
        ends.append(words[-1][:-1] + "ies")
    return tuple((*words[:-1], end) for end in ends)
