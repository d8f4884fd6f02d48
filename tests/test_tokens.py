"""The tokenizer: folding, quotation marks, every text comes back, limits, and definitions that are damaged."""

from __future__ import annotations

import json
import random
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.errors import BadWeights
from sayso.models import tokens
from sayso.models.tokens import Pieces, fold

CORPUS = ["a red fox to the left of a blue car, flat style", "three cats on the street", "一只红色的狐狸在蓝色汽车的左边，扁平风格", "两个苹果"] * 5


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return tokens.train(CORPUS, 420)


@pytest.mark.parametrize(("text", "folded"), [
    ("A Red FOX", "a red fox"),
    ("  a   red\tfox ", "a red fox"),
    ('The Word "HELLO You" In Red', 'the word "HELLO You" in red'),
    ("文字“Hi There”，Flat Style", "文字“Hi There”，flat style"),
    ("「OK」 And ‘No’", "「OK」 and ‘No’"),
    ('an open "QUOTE', 'an open "quote'),
    ("The Words 'FINGER Hike' In A Font", "the words 'FINGER Hike' in a font"),
    ("The Cat's Hat Isn't Don's", "the cat's hat isn't don's"),
    ("写着《Go》 And «On»", "写着《Go》 and «On»"),
    ("CAFE\u0301", "caf\u00e9"),
    ("canvas 256x256\n  A Fox\n", "canvas 256x256\na fox"),
    ("", ""),
    (" \n\n ", ""),
])
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_every_text_comes_back_folded(pieces: Pieces, text: str) -> None:
    ids = pieces.encode(text)
    assert ids[0] == pieces.begin and ids[-1] == pieces.end
    assert all(0 <= i < pieces.size for i in ids)
    assert pieces.decode(ids) == fold(text)


@pytest.mark.parametrize("quotes", ['""', "“”", "「」", "‘’", "''", "《》", "«»"])
@given(words=st.text(alphabet="abcFOX狐狸 7!", min_size=1, max_size=12).map(str.strip).filter(bool))
def test_lettering_is_spelt_character_by_character(pieces: Pieces, quotes: str, words: str) -> None:
    """So that the word in a prompt and the word in a plan are the same pieces, whatever stands around them."""
    words = " ".join(words.split())
    spelt = [i for c in words for i in pieces.encode(c if c.islower() or not c.isascii() else f'"{c}"')[1:-1] if pieces.decode([i]) != '"']
    ids = pieces.encode(f"a sign {quotes[0]}{words}{quotes[1]} in red")
    assert any(ids[k : k + len(spelt)] == spelt for k in range(len(ids)))


@given(st.text(alphabet='"“”「」‘’ aB狐'))
def test_capitals_survive_only_in_quotation_marks(text: str) -> None:
    quoted = re.findall(r'"[^"]*"|“[^”]*”|「[^」]*」|‘[^’]*’', " ".join(unicodedata.normalize("NFC", text).split()))
    assert fold(text).count("B") == sum(q.count("B") for q in quoted)


def test_the_marks_cannot_be_written(pieces: Pieces) -> None:
    """A prompt is text: "<end>" in it is five letters, not the mark that ends it."""
    ids = pieces.encode("a fox <end> <pad> <begin> red")
    assert not {pieces.begin, pieces.end, pieces.pad} & set(ids[1:-1])
    assert pieces.decode(ids) == "a fox <end> <pad> <begin> red"


def test_half_characters_of_a_broken_terminal_are_read_as_question_marks(pieces: Pieces) -> None:
    assert pieces.decode(pieces.encode("a\udcff fox \ud800")) == "a? fox ?"


@given(st.lists(st.text(max_size=30), max_size=6), st.one_of(st.none(), st.integers(2, 12)))
def test_a_batch_is_one_by_one(pieces: Pieces, texts: list[str], limit: int | None) -> None:
    assert pieces.encode_batch(texts, limit) == [pieces.encode(t, limit) for t in texts]


@given(st.text(), st.integers(2, 20))
def test_a_limit_keeps_the_beginning_and_the_end_mark(pieces: Pieces, text: str, limit: int) -> None:
    whole, cut = pieces.encode(text), pieces.encode(text, limit)
    assert len(cut) == min(limit, len(whole))
    assert cut[:-1] == whole[: len(cut) - 1] and cut[-1] == pieces.end


def test_digits_and_chinese_particles_stand_alone(pieces: Pieces) -> None:
    spelt = [pieces.decode([i]) for i in pieces.encode("红色的狐狸 #f7d020")[1:-1]]
    assert "的" in spelt
    assert [s for s in spelt if any(c.isdigit() for c in s)] == ["7", "0", "2", "0"]


def test_bytes_that_are_no_text_become_the_replacement_character(pieces: Pieces) -> None:
    fox = pieces.encode("龘")[1:-1]  # not in the corpus, so spelt in bytes
    assert len(fox) > 1 and "\ufffd" in pieces.decode(fox[:-1])


def test_training_repeats_and_common_words_are_one_piece(pieces: Pieces) -> None:
    again = tokens.train(iter(CORPUS), 420)
    assert again.definition == pieces.definition
    assert len(pieces.encode("a red fox")) == 2 + 3 and len(pieces.encode("狐狸")) == 2 + 1


def test_a_definition_survives_the_file(pieces: Pieces) -> None:
    again = Pieces(pieces.definition)
    text = '一只 Fox “狐” "Fox"'
    assert (again.size, again.encode(text)) == (pieces.size, pieces.encode(text))


def test_damaged_definitions_are_refused_in_words(pieces: Pieces) -> None:
    lacking = json.loads(pieces.definition)
    lacking["added_tokens"] = []
    del lacking["model"]["vocab"]["<pad>"]
    for broken in ("", "{}", "[" * 10_000, pieces.definition[:-5], json.dumps(lacking), "null"):
        with pytest.raises(BadWeights, match=r"tokenizer in the checkpoint .*; fetch the file again"):
            Pieces(broken)


def test_random_damage_is_refused_or_still_reads_text(pieces: Pieces) -> None:
    rng = random.Random(0)
    refused = 0
    for _ in range(150):
        letters = list(pieces.definition)
        for _ in range(rng.randint(1, 3)):
            letters[rng.randrange(len(letters))] = chr(rng.randrange(32, 127))
        try:
            Pieces("".join(letters)).encode("a red fox 狐狸 7")
        except BadWeights:
            refused += 1
    assert refused > 50


# ---------------------------------------------------------------------------------------------------------------------
# marks

SIGNS = "\ue000\ue001\ue002"


def test_marks_stand_behind_the_pieces_and_are_one_piece_each(pieces: Pieces) -> None:
    more = pieces.with_marks(SIGNS)
    assert more.size == pieces.size + 3 and (more.pad, more.begin, more.end) == (pieces.pad, pieces.begin, pieces.end)
    assert [more.encode(c)[1:-1] for c in SIGNS] == [[pieces.size], [pieces.size + 1], [pieces.size + 2]]
    assert more.with_marks(SIGNS).definition == more.definition, "those there are already are not added again"
    assert more.with_marks(SIGNS + "\ue003").encode("\ue003")[1:-1] == [pieces.size + 3]
    assert Pieces(more.definition).encode(f"fox{SIGNS}") == more.encode(f"fox{SIGNS}")


@given(st.text(st.sampled_from('a fox"B\\ 狐;' + SIGNS) | st.characters(exclude_categories=["Co"])))
def test_text_with_marks_comes_back(pieces: Pieces, text: str) -> None:
    more = pieces.with_marks(SIGNS)
    assert more.decode(more.encode(text)) == fold(text)
    if not set(text) & set(SIGNS):
        assert more.encode(text) == pieces.encode(text), "words are cut as before"


def test_quotation_marks_within_quotation_marks() -> None:
    assert fold('A "Say \\"HI\\" Now" Fox') == 'a "Say \\"HI\\" Now" fox'
