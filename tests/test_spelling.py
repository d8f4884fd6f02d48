"""Letterings and the things of a grid are copied as they were said, whatever the writer would have put."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.engines import context
from sayso.engines.spelling import Spelling, letterable
from sayso.models import tokens
from sayso.models.tokens import Pieces
from sayso.world import lexicon, shorthand


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return tokens.train(["a fox; hot dog flat; solid white; red car; sans"] * 3, 320).with_marks(shorthand.MARKS)


class Noise:
    """A writer that begins as told and then puts out noise, of pieces that it favours."""

    def __init__(self, opening: list[int], seed: int, size: int, favoured: list[int]):
        self.opening, self.noise, self.favoured = opening, torch.Generator().manual_seed(seed), torch.zeros(size)
        self.favoured[favoured] = 8.0

    def begin(self, *rest: object) -> Callable[[list[int]], torch.Tensor]:
        opening = iter(self.opening)

        def scores(last: list[int]) -> torch.Tensor:
            first = next(opening, None)
            told = self.favoured if first is None else 1e4 * torch.eye(len(self.favoured))[first]
            return (torch.randn(len(self.favoured), generator=self.noise) + told)[None]

        return scores


def written(pieces: Pieces, begun: str, seed: int, spelling: Spelling, favoured: str = "") -> str:
    noise = Noise(pieces.encode(begun)[1:-1], seed, pieces.size, pieces.encode(favoured)[1:])
    told = SimpleNamespace(cache=None, start=None)
    (line,) = context.write(noise, pieces, told, 96, 1.0, [seed], [spelling])  # type: ignore[arg-type]
    return line


@pytest.mark.parametrize(("said", "begun", "after"), [
    (("羊", "SALE"), '"', ("羊", "S")), (("SALE", "SAND"), 'a fox; "SA', ("L", "N")), (("SALE",), '"SALE', ('"',)),
    (("SALE",), '"SALE" sans', ()), (("SALE",), "a fox", ()), (("one", "two"), '"one" sans; "t', ("w",)),
    ((), '"', ()), (('say "x"',), '"', ()), (("a  b",), '"a ', ("b",))])
def test_between_quotation_marks_stands_what_was_said(pieces: Pieces, said: tuple[str, ...], begun: str, after: tuple[str, ...]) -> None:
    line = pieces.encode(begun + '"')[1:-2] if begun.count('"') % 2 else pieces.encode(begun)[1:-1]
    assert Spelling(pieces, said).after(line) == [pieces.encode(f'"{c}"')[2] if c != '"' else pieces.encode('"')[1] for c in after]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=3), st.integers(0, 1000))
def test_any_writer_spells_what_was_said(pieces: Pieces, said: list[str], seed: int) -> None:
    line = written(pieces, '"', seed, Spelling(pieces, said))
    plain = [unicodedata.normalize("NFC", " ".join(text.split())) for text in said]
    if all(text and '"' not in text and "\\" not in text for text in plain):
        assert any(line.startswith(f'"{text}"') for text in plain)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["fox", "car", "hot-dog"]), min_size=2, max_size=5), st.booleans(), st.integers(0, 1000))
def test_any_writer_names_the_things_of_a_grid(pieces: Pieces, listed: list[str], lettered: bool, seed: int) -> None:
    line = written(pieces, "solid", seed, Spelling(pieces, ["OPEN"] if lettered else [], listed), "; flat")
    things = line.split('"')[0].split(";")[1:]
    names = [" " + slug.replace("-", " ") for slug in listed]
    assert all(thing[: len(name)] == name[: len(thing)] for name, thing in zip(names, things, strict=False)), "the last may be cut"
    assert not "".join(things[len(listed) :]).strip(), "then comes lettering, or nothing"


def test_a_grid_is_neither_cut_short_nor_longer(pieces: Pieces) -> None:
    half, whole = (pieces.encode("solid white" + "; fox flat" * n)[1:-1] for n in (1, 2))
    ends, goes_on = [pieces.end], [pieces.encode(";")[1]]
    quotes = pieces.encode('"')[1:-1]
    bare, lettered, any_ = (Spelling(pieces, said, ["fox", "fox"]) for said in ([], ["OPEN"], None))
    assert bare.barred(half) == quotes + ends and lettered.barred(half) == any_.barred(half) == ends
    assert bare.barred(whole) == quotes + goes_on and lettered.barred(whole) == any_.barred(whole) == []
    assert Spelling(pieces, ["OPEN"]).barred(half) == Spelling(pieces, None).barred(half) == []
    assert Spelling(pieces, []).barred(half) == quotes


@pytest.mark.parametrize(("text", "can"), [
    ("SALE", True), ("生日快乐", True), ("\U0001f600", False), ("龘龘", False), ("so " * 30, False), ("two\nlines", True), ("", True)])
def test_what_can_be_lettered(pieces: Pieces, text: str, can: bool) -> None:
    assert letterable(pieces, text) == can


@pytest.mark.parametrize(("prompt", "held"), [
    ("a 2x2 grid of icons, row 1: fox, car; row 2: hot dog, fox", ("fox", "car", "hot-dog", "fox")),
    ("a grid of things with 1 rows and 2 columns: red fox, blue car", ("fox", "car")),
    ("2行2列的网格，第一行：狐狸、汽车；第二行：狐狸、狐狸", ("fox", "car", "fox", "fox")),
    ("a 2 by 2 grid: fox, car, car", ()), ("a 4x4 grid of foxes", ()), ("a fox and a car on a grid", ()),
    ("a 2x1 photo of a fox and a car", ()),
    ("a 1x2 grid of a fox and a giraffe", ()), ("a 11x2 grid of a fox and a car", ())])
def test_a_grid_whose_cells_are_all_named(prompt: str, held: tuple[str, ...]) -> None:
    assert lexicon.cells(prompt, {"fox", "car", "hot-dog"}) == held
