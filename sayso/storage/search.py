"""Full-text search: an index of words in a plain table, the same on every database, and gone when its row is deleted.

Latin words are folded (case, accents) and found by their beginning; Chinese is indexed by single characters and by pairs.
"""

from __future__ import annotations

import itertools
import re
import unicodedata

from sqlalchemy import Connection, Select, delete, select

from sayso.storage import tables as t
from sayso.storage.pages import upsert

MOST = 2000  # words of one thing
LONGEST = 60
PIECES = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+|[^\W_]+")
HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
LAST = "\U0010ffff"


def fold(text: str) -> str:
    """Lower case without accents, in compatibility form."""
    spread = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(c for c in spread if not unicodedata.combining(c)))


def index_words(text: str) -> list[str]:
    """What a text is found by, each once, at most MOST."""
    found: dict[str, None] = {}
    for piece in PIECES.findall(fold(text)):
        if HAN.match(piece):
            found.update(dict.fromkeys(piece))
            found.update(dict.fromkeys(a + b for a, b in itertools.pairwise(piece)))
        else:
            found[piece[:LONGEST]] = None
        if len(found) >= MOST:
            break
    return list(found)[:MOST]


def query_words(text: str) -> list[tuple[str, bool]]:
    """(word, whether its beginning is enough) for all that must be there."""
    out: list[tuple[str, bool]] = []
    for piece in PIECES.findall(fold(text)):
        if not HAN.match(piece):
            out.append((piece[:LONGEST], True))
        elif len(piece) == 1:
            out.append((piece, False))
        else:
            out += [(a + b, False) for a, b in itertools.pairwise(piece)]
    return list(dict.fromkeys(out))[:32]


def add(tx: Connection, owner: str, kind: str, thing: str, text: str) -> None:
    """Indexes a text; words that are there already stay."""
    rows = [{"owner": owner, "kind": kind, "word": word, "thing": thing} for word in index_words(text)]
    if rows:
        tx.execute(upsert(tx, t.words).on_conflict_do_nothing(), rows)


def forget(tx: Connection, thing: str) -> None:
    tx.execute(delete(t.words).where(t.words.c.thing == thing))


def matching(owner: str, kind: str, text: str) -> list[Select[tuple[str]]]:
    """Selections of ids, one a word; a thing must be in all of them."""
    out = []
    for word, beginning in query_words(text):
        where = [t.words.c.owner == owner, t.words.c.kind == kind]
        where += [t.words.c.word >= word, t.words.c.word < word + LAST] if beginning else [t.words.c.word == word]
        out.append(select(t.words.c.thing).where(*where))
    return out
