"""Questions about two pictures with answers that are right by construction, in English and Chinese."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from sayso.errors import BadInput, Unknown
from sayso.world import nouns, refer, wording
from sayso.world.captions import LANGUAGES
from sayso.world.colours import COLOURS
from sayso.world.edits import sample_edit
from sayso.world.questions import Question
from sayso.world.sampler import WorldSpec, sample_scene
from sayso.world.scene import Scene

COMPARISONS = ("same", "which has", "which more", "changed")
_FIRST_EN, _FIRST_ZH = ("the first", "the second"), ("第一张", "第二张")
_NAMED = {c.hex: c for c in COLOURS}
_CHANGES = ("add", "remove", "replace", "recolour", "move", "resize", "restyle", "background")


@dataclass(frozen=True)
class Comparison:
    """`question.kind` is one of COMPARISONS; its choices are the possible answers."""

    first: Scene
    second: Scene
    question: Question


def sample_comparison(rng: random.Random, spec: WorldSpec, language: str, kind: str | None = None) -> Comparison:
    """Two scenes of the spec and a question about both. Raises Unknown for a language or kind that does not exist and
    BadInput where the spec's concepts allow none."""
    if language not in LANGUAGES:
        raise Unknown("language", language, LANGUAGES)
    if kind is not None and kind not in COMPARISONS:
        raise Unknown("comparison", kind, COMPARISONS)
    chosen = kind or rng.choice(COMPARISONS)
    for _ in range(60):
        made = _KINDS[chosen](rng, spec, language)
        if made is not None:
            return made
    raise BadInput(f'these concepts allow no comparison of the kind "{chosen}"; give more of them')


def _asked(kind: str, language: str, text: str, answer: str, choices: tuple[str, ...], scenes: tuple[Scene, Scene]) -> Comparison:
    return Comparison(*scenes, Question(kind, text, answer, language, choices))


def _pair(rng: random.Random, spec: WorldSpec) -> tuple[Scene, Scene]:
    return sample_scene(rng, spec), sample_scene(rng, spec)


def _same(rng: random.Random, spec: WorldSpec, language: str) -> Comparison | None:
    """The same picture twice, or with one change."""
    first = sample_scene(rng, spec)
    second = first
    if rng.random() < 0.5:
        try:
            second = sample_edit(first, rng, language, spec.concepts, spec.styles).after
        except BadInput:
            return None
    text = rng.choice(
        ("Are the two pictures the same?", "Do both pictures show the same?")
        if language == "en"
        else ("两张图一样吗？", "这两张图是不是一样的？")
    )
    words = ("yes", "no") if language == "en" else ("一样", "不一样")
    return _asked("same", language, text, words[0] if first == second else words[1], words, (first, second))


def _which_has(rng: random.Random, spec: WorldSpec, language: str) -> Comparison | None:
    scenes = _pair(rng, spec)
    mine, theirs = ({item.concept for item in s.items} for s in scenes)
    only = sorted(mine ^ theirs)
    if not only:
        return None
    slug = rng.choice(only)
    words = _FIRST_EN if language == "en" else _FIRST_ZH
    thing = refer.indefinite(slug, rng, language)
    text = rng.choice(
        (f"Which picture has {thing}?", f"In which picture is there {thing}?")
        if language == "en"
        else (f"哪张图里有{thing}？", f"{thing}在哪张图里？")
    )
    return _asked("which has", language, text, words[slug not in mine], words, scenes)


def _which_more(rng: random.Random, spec: WorldSpec, language: str) -> Comparison | None:
    """More of one concept, or more things altogether."""
    scenes = _pair(rng, spec)
    counts = [Counter(item.concept for item in s.items) for s in scenes]
    shared = sorted(s for s in counts[0] if counts[1][s] not in (0, counts[0][s]))
    words = _FIRST_EN if language == "en" else _FIRST_ZH
    if shared and rng.random() < 0.7:
        slug = rng.choice(shared)
        name = refer.name_of(slug, rng, language)
        many = nouns.counted(nouns.english(slug, name), "") if language == "en" else name
        sizes = (counts[0][slug], counts[1][slug])
    else:
        many = "things" if language == "en" else "东西"
        sizes = (len(scenes[0].items), len(scenes[1].items))
        if sizes[0] == sizes[1]:
            return None
    text = f"Which picture has more {many}?" if language == "en" else f"哪张图里的{many}更多？"
    return _asked("which more", language, text, words[sizes[1] > sizes[0]], words, scenes)


def _changed(rng: random.Random, spec: WorldSpec, language: str) -> Comparison | None:
    """One edit, and what kind of thing it did, to what."""
    first = sample_scene(rng, spec)
    kind = rng.choice(_CHANGES)
    try:
        second = sample_edit(first, rng, language, spec.concepts, spec.styles, kind).after
    except BadInput:
        return None
    answer = _difference(first, second, kind, rng, language)
    if answer is None:
        return None
    text = rng.choice(
        ("What changed from the first picture to the second?", "What is different in the second picture?")
        if language == "en"
        else ("第二张图有什么变化？", "两张图有什么不同？")
    )
    return _asked("changed", language, text, answer, (), (first, second))


def _difference(first: Scene, second: Scene, kind: str, rng: random.Random, language: str) -> str | None:
    english = language == "en"
    if kind == "background":
        return "the background" if english else "背景变了"
    if kind == "restyle":
        styles = {item.style for item in second.items}
        if len(styles) != 1:
            return None
        style = styles.pop()
        return f"the style is now {wording.STYLE_EN[style][0]}" if english else f"变成了{wording.STYLE_ZH[style][0]}"
    before, after = Counter(i.concept for i in first.items), Counter(i.concept for i in second.items)
    gone, new = before - after, after - before
    if len(gone) > 1 or len(new) > 1:
        return None
    lost = _usual(next(iter(gone)), language) if gone else ""
    found = _usual(next(iter(new)), language) if new else ""
    if gone and new:
        return f"the {lost} became a {found}" if english else f"{lost}变成了{found}"
    if gone:
        return f"the {lost} is gone" if english else f"{lost}没了"
    if new:
        return f"there is a {found} now" if english else f"多了{found}"
    index = next(k for k, (a, b) in enumerate(zip(first.items, second.items, strict=True)) if a != b)
    old, item = first.items[index], second.items[index]
    name = _usual(item.concept, language)
    if kind == "recolour" and item.tint in _NAMED:
        word = _NAMED[item.tint]
        return f"the {name} is now {word.en[0]}" if english else f"{name}变成了{word.zh[0]}"
    if kind == "move":
        return f"the {name} moved" if english else f"{name}移动了"
    if kind == "resize":
        bigger = item.size > old.size
        return f"the {name} is {'bigger' if bigger else 'smaller'}" if english else f"{name}变{'大' if bigger else '小'}了"
    return None


def _usual(slug: str, language: str) -> str:
    return nouns.said_en(slug)[0] if language == "en" else nouns.said_zh(slug)[0]


_KINDS: dict[str, Callable[[random.Random, WorldSpec, str], Comparison | None]] = {
    "same": _same,
    "which has": _which_has,
    "which more": _which_more,
    "changed": _changed,
}
