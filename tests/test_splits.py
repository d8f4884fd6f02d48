"""The splits: stable, symmetric, of the stated shares, and complete over the four families."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from sayso.world import art, splits
from sayso.world.colours import ITEM_COLOURS
from sayso.world.scene import Background, Item, Lettering, Scene

WHITE = Background("solid", ("#ffffff",))
slugs = st.sampled_from(art.CORE)


def _scene(*items: Item, lettering: tuple[Lettering, ...] = ()) -> Scene:
    return Scene(256, 256, WHITE, items, lettering)


def _item(concept: str, tint: str | None = None) -> Item:
    return Item(concept, "flat", 0.5, 0.5, 0.4, tint=tint)


def test_decisions_never_change():
    """Golden: a change of these would silently mix what trained models have and have not seen."""
    first, second = "fox dog cat car house apple".split(), "tree balloon fish star horse rocket".split()
    assert "".join("01"[splits.pair_held_out(a, b)] for a in first for b in second) == "000001000000000000000100000010000000"
    words = ("red", "house", "hello", "water", "moon", "hand", "tree", "blue", "bird", "你好", "快乐")
    assert [w for w in words if splits.word_held_out(w)] == ["bird", "快乐"]


def test_another_process_with_another_hash_seed_agrees():
    code = "from sayso.world import art, splits; print(sum(splits.pair_held_out('fox', b) << i for i, b in enumerate(art.CORE)))"
    said = {subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": s, "PYTHONPATH": "."}, capture_output=True, text=True,
                           check=True).stdout for s in ("1", "2")}
    assert said == {f"{sum(splits.pair_held_out('fox', b) << i for i, b in enumerate(art.CORE))}\n"}


def test_shares():
    core = art.CORE
    pairs = [splits.pair_held_out(a, b) for i, a in enumerate(core) for b in core[:i]]
    assert abs(sum(pairs) / len(pairs) - splits.PAIR_SHARE) < 0.005
    colours = [splits.colour_held_out(c, colour.hex) for c in core for colour in ITEM_COLOURS]
    assert abs(sum(colours) / len(colours) - splits.COLOUR_SHARE) < 0.02
    counts = [splits.count_held_out(c, n) for c in core for n in range(2, 11)]
    assert abs(sum(counts) / len(counts) - splits.COUNT_SHARE) < 0.02


@given(slugs, slugs)
def test_pairs_have_no_order_and_no_self(a, b):
    assert splits.pair_held_out(a, b) == splits.pair_held_out(b, a)
    assert not splits.pair_held_out(a, a) and not splits.count_held_out(a, 1)


@given(slugs, st.sampled_from(ITEM_COLOURS))
def test_a_free_colour_counts_as_its_nearest_word(concept, colour):
    near = "#" + "".join(f"{min(max(int(colour.hex[k:k + 2], 16) + 3, 0), 255):02x}" for k in (1, 3, 5))
    assert splits.colour_family(near) == colour.hex
    assert splits.colour_held_out(concept, near) == splits.colour_held_out(concept, colour.hex)


@given(slugs, slugs, st.sampled_from(ITEM_COLOURS), st.integers(2, 6))
def test_each_family_holds_out_a_scene(a, b, colour, n):
    if a != b:
        assert splits.held_out(_scene(_item(a), _item(b))) == splits.pair_held_out(a, b)
    assert splits.held_out(_scene(_item(a, colour.hex))) == splits.colour_held_out(a, colour.hex)
    assert splits.held_out(_scene(*[_item(a)] * n)) == splits.count_held_out(a, n)


@given(st.sampled_from(("house", "HOUSE", "House", "blue tree", "hello", "月亮", "hand", "KEY", "coast", "sunday", "train")))
def test_words(text):
    line = Lettering(text, "hei", 0.5, 0.5, 0.2, "#000000")
    assert splits.held_out(_scene(lettering=(line,))) == any(splits.word_held_out(w) for w in text.lower().split())
    assert splits.word_held_out(text) == splits.word_held_out(text.upper())
