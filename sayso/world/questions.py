"""Questions about a scene with answers that are right by construction, in English and Chinese.

Captions as answers are `captions.caption`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sayso.errors import BadInput, Unknown
from sayso.world import art, layout, nouns, refer, wording
from sayso.world.captions import LANGUAGES
from sayso.world.captions_zh import join_zh
from sayso.world.colours import COLOURS, ITEM_COLOURS, ColourWord
from sayso.world.gist import OPPOSITE
from sayso.world.phrases_en import join_en
from sayso.world.scene import STYLES, Item, Relation, Scene

QUESTIONS = ("what", "how many", "colour", "where", "text", "yes/no", "style", "background")
_BY_HEX = {c.hex: c for c in COLOURS}
_TRIES = 24


@dataclass(frozen=True)
class Question:
    """`choices`: the possible answers where there are few (the right one among them), else empty."""

    kind: str
    text: str
    answer: str
    language: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Asked:
    scene: Scene
    rng: random.Random
    language: str

    @property
    def english(self) -> bool:
        return self.language == "en"

    def say(self, english: Sequence[str], chinese: Sequence[str], /, **words: str) -> str:
        return self.rng.choice(english if self.english else chinese).format(**words)

    def colour(self, word: ColourWord) -> str:
        return word.en[0] if self.english else word.zh[0]


_Made = tuple[str, str, tuple[str, ...]]


def sample_question(scene: Scene, rng: random.Random, language: str, kind: str | None = None) -> Question:
    """A question that the scene answers, of a random kind that fits or of `kind`.

    Yes/no questions are balanced, and their false ones differ in one respect only (concept, colour, count, side).
    Raises Unknown for a language or kind that does not exist and BadInput when the scene does not allow the kind.
    """
    if language not in LANGUAGES:
        raise Unknown("language", language, LANGUAGES)
    if kind is not None and kind not in QUESTIONS:
        raise Unknown("question", kind, QUESTIONS)
    asked = _Asked(scene, rng, language)
    for chosen in [kind] if kind else rng.sample(QUESTIONS, len(QUESTIONS)):
        for _ in range(_TRIES):
            made = _KINDS[chosen](asked)
            if made is not None:
                choices = list(made[2])
                rng.shuffle(choices)
                return Question(chosen, made[0], made[1], language, tuple(choices))
    raise BadInput(f'this scene answers no question of the kind "{kind}"; choose another kind or leave it open')


# --- small helpers -------------------------------------------------------------------------------------------------------

def _usual(slug: str, language: str) -> str:
    """The usual name as an answer: "fox", 狐狸."""
    name = nouns.said_en(slug)[0] if language == "en" else nouns.said_zh(slug)[0]
    return name[2:] if language == "zh" and name[0] == "一" and len(name) > 2 else name


def _many(slug: str, rng: random.Random, language: str) -> tuple[str, str]:
    """The name for counting and the Chinese measure word: ("foxes", ""), ("只狐狸", "只")."""
    name = refer.name_of(slug, rng, language)
    if language == "en":
        return nouns.counted(nouns.english(slug, name), ""), ""
    many = nouns.chinese(slug, name, "")
    return many, many[0]


def _number(n: int, language: str) -> str:
    return str(n) if n > 20 else wording.NUMBERS_EN[n] if language == "en" else {2: "两"}.get(n, wording.NUMBERS_ZH[n])


def _count(scene: Scene, slug: str) -> int:
    return sum(item.concept == slug for item in scene.items)


def _pick(asked: _Asked, fits: Callable[[Item], bool] = lambda item: True) -> tuple[int, str] | None:
    """A random item that fits, with words that point at it without telling its colour."""
    likely = [k for k, item in enumerate(asked.scene.items) if fits(item)]
    if not likely:
        return None
    index = asked.rng.choice(likely)
    words = refer.definite(asked.scene, index, asked.rng, asked.language)
    return (index, words) if words else None


def _be(thing: str) -> str:
    """"are" after "the scissors", else "is"."""
    bare = thing.removeprefix("the ").lower()
    known = art.names().get(bare)
    return "are" if known is not None and refer.takes_are(known.slug, bare) else "is"


# --- the kinds -----------------------------------------------------------------------------------------------------------

def _what(asked: _Asked) -> _Made | None:
    """What is in the picture, or what stands where."""
    scene, rng = asked.scene, asked.rng
    slugs = tuple(dict.fromkeys(item.concept for item in scene.items))
    if not slugs or len(slugs) > 6:
        return None
    single = [r for r in scene.relations if r.kind in OPPOSITE or r.kind in ("wearing", "holding", "inside", "on")]
    if single and rng.random() < 0.5:
        return _what_related(asked, rng.choice(single))
    if len(slugs) == 1:
        text = asked.say(("What is in the picture?", "What is this?", "What does the picture show?"),
                        ("图片里是什么？", "这是什么？", "画的是什么？"))
        return text, _usual(slugs[0], asked.language), ()
    names = [_usual(slug, asked.language) for slug in slugs]
    text = asked.say(("What things are in the picture?", "What can you see?", "Name everything in the picture."),
                     ("图片里有什么？", "画面中有哪些东西？", "你看到了什么？"))
    return text, join_en(names) if asked.english else join_zh(names), ()


def _what_related(asked: _Asked, relation: Relation) -> _Made | None:
    """"What is to the left of the car?" where only one thing is."""
    scene = asked.scene
    wearing = relation.kind in ("wearing", "holding")
    if relation.kind in OPPOSITE and asked.rng.random() < 0.5:
        relation = Relation(OPPOSITE[relation.kind], relation.objects[0], (relation.subject,))
    known, wanted = (relation.subject, relation.objects[0]) if wearing else (relation.objects[0], relation.subject)
    if relation.kind in OPPOSITE and len(scene.items) != 2:
        return None  # another thing might lie on that side too
    words = refer.definite(scene, known, asked.rng, asked.language)
    if words is None:
        return None
    if wearing:
        be = _be(words)
        verb = "戴着" if relation.kind == "wearing" else "拿着"
        text = asked.say((f"What {be} {{thing}} {relation.kind}?",), (f"{{thing}}{verb}什么？",), thing=words)
    else:
        en = {"left of": "to the left of", "right of": "to the right of"}.get(relation.kind, relation.kind)
        zh = {"left of": "左边", "right of": "右边", "above": "上方", "below": "下方", "inside": "里面", "on": "上面"}[relation.kind]
        text = asked.say((f"What is {en} {{thing}}?",), (f"{{thing}}{zh}是什么？", f"{{thing}}的{zh}有什么？"), thing=words)
    return text, _usual(scene.items[wanted].concept, asked.language), ()


def _how_many(asked: _Asked) -> _Made | None:
    scene, rng = asked.scene, asked.rng
    if not scene.items:
        return None
    if len({item.concept for item in scene.items}) > 1 and rng.random() < 0.15:
        n, unit = len(scene.items), "" if asked.english else "个"
        text = asked.say(("How many things are in the picture?", "How many objects are there?"), ("图片里一共有几个东西？", "一共有多少个物体？"))
    else:
        slug = rng.choice(scene.items).concept
        n = _count(scene, slug)
        many, unit = _many(slug, rng, asked.language)
        text = asked.say(("How many {many} are there?", "How many {many} are in the picture?", "Count the {many}."),
                         ("图片里有几{many}？", "有几{many}？", "画面中有多少{many}？"), many=many)
    near = sorted({max(1, n + d) for d in (-2, -1, 1, 2)} - {n})
    choices = [n, *rng.sample(near, min(3, len(near)))]
    return text, _number(n, asked.language) + unit, tuple(_number(c, asked.language) + unit for c in choices)


def _colour(asked: _Asked) -> _Made | None:
    """Only tints with a name are asked for; what has no tint has the colours of its art."""
    tinted = _pick(asked, lambda item: item.tint in _BY_HEX)
    if tinted is None:
        return None
    index, words = tinted
    tint = asked.scene.items[index].tint
    assert tint is not None
    answer = asked.colour(_BY_HEX[tint])
    if any(name in words for c in COLOURS for name in (c.en if asked.english else c.zh)):
        return None  # the words give the answer away
    be = _be(words)
    text = asked.say((f"What colour {be} {{thing}}?", f"What color {be} {{thing}}?", f"Which colour {be} {{thing}}?"),
                     ("{thing}是什么颜色的？", "{thing}是什么颜色？"), thing=words)
    others = [asked.colour(c) for c in ITEM_COLOURS if c.hex != tint]
    return text, answer, (answer, *asked.rng.sample(others, 3))


def _where(asked: _Asked) -> _Made | None:
    scene = asked.scene
    picked = _pick(asked)
    if picked is None:
        return None
    index, words = picked
    item = scene.items[index]
    if any(word in words for word in ("most", "lowest", "最")):
        return None
    place = wording.ninth(item.x, item.y)
    if _near_a_border(item):
        return None
    table = wording.PLACE_EN if asked.english else wording.PLACE_ZH
    be = _be(words)
    text = asked.say((f"Where {be} {{thing}}?", f"Where in the picture {be} {{thing}}?"), ("{thing}在哪里？", "{thing}在画面的什么位置？"),
                     thing=words)
    others = [table[k][0] for k in range(9) if k != place]
    return text, table[place][0], (table[place][0], *asked.rng.sample(others, 3))


def _near_a_border(item: Item) -> bool:
    """Whether the centre is so near to the border between two ninths that either answer would be fair."""
    return any(abs(v - edge) < 0.03 for v in (item.x, item.y) for edge in (0.37, 0.63))


def _text(asked: _Asked) -> _Made | None:
    if len(asked.scene.lettering) != 1:
        return None
    text = asked.say(("What does it say?", "What is written in the picture?", "Read the text.", "What does the text say?"),
                     ("上面写着什么？", "图中的文字是什么？", "写的是什么字？"))
    return text, asked.scene.lettering[0].text, ()


def _style(asked: _Asked) -> _Made | None:
    styles = {item.style for item in asked.scene.items}
    if len(styles) != 1:
        return None
    table = wording.STYLE_PHRASES_EN if asked.english else wording.STYLE_ZH
    text = asked.say(("What style is the picture?", "In which style is it drawn?", "What is the drawing style?"),
                     ("这是什么风格？", "画的是什么风格？"))
    return text, table[styles.pop()][0], tuple(table[s][0] for s in STYLES)


def _background(asked: _Asked) -> _Made | None:
    background = asked.scene.background
    if background.kind == "solid" and background.colours[0] in _BY_HEX:
        answer = asked.colour(_BY_HEX[background.colours[0]])
        text = asked.say(("What colour is the background?", "What is the background colour?", "What color is the background?"),
                         ("背景是什么颜色？", "背景是什么颜色的？"))
        others = [asked.colour(c) for c in ITEM_COLOURS if asked.colour(c) != answer]
        return text, answer, (answer, *asked.rng.sample(others, 3))
    if background.kind == "transparent":
        text = asked.say(("What is the background?", "What kind of background is it?"), ("背景是什么？",))
        return text, "transparent" if asked.english else "透明", ()
    if background.kind == "backdrop":
        answer = wording.BACKDROP_SHOWN_EN[background.name] if asked.english else wording.BACKDROP_ZH[background.name][1][0]
        return asked.say(("What is in the background?", "What does the background show?"), ("背景是什么？", "背景里有什么？")), answer, ()
    return None


# --- yes or no -----------------------------------------------------------------------------------------------------------

def _yes_no(asked: _Asked) -> _Made | None:
    truth = asked.rng.random() < 0.5
    makers = [_is_there, _is_coloured, _are_so_many, _is_beside]
    text = asked.rng.choice(makers)(asked, truth)
    if text is None:
        return None
    yes, no = ("yes", "no") if asked.english else ("有", "没有") if "有" in text else ("是", "不是")
    return text, yes if truth else no, (yes, no)


def _is_there(asked: _Asked, truth: bool) -> str | None:
    """"Is there a fox?"; a false one asks for something of the same kind that is not there."""
    scene, rng = asked.scene, asked.rng
    if not scene.items:
        return None
    slug = rng.choice(scene.items).concept
    if not truth:
        mine = art.concept(slug)
        there = {item.concept for item in scene.items}
        alike = [c for c in _core_kin(mine.subgroup) if c not in there]
        slug = rng.choice(alike or [c for c in art.CORE if c not in there])
    return asked.say(("Is there {thing}?", "Is there {thing} in the picture?", "Can you see {thing}?"),
                     ("图片里有{thing}吗？", "画面中有没有{thing}？"),
                     thing=refer.indefinite(slug, rng, asked.language))


def _core_kin(subgroup: str) -> tuple[str, ...]:
    return tuple(slug for slug in art.CORE if art.concept(slug).subgroup == subgroup)


def _is_coloured(asked: _Asked, truth: bool) -> str | None:
    """"Is the fox red?"; a false one names the colour of something else in the picture when there is one."""
    scene, rng = asked.scene, asked.rng
    tinted = [item for item in scene.items if item.tint in _BY_HEX and _count(scene, item.concept) == 1]
    if not tinted:
        return None
    item = rng.choice(tinted)
    assert item.tint is not None
    tint = item.tint
    if not truth:
        near = [other.tint for other in scene.items if other.tint in _BY_HEX and other.tint != item.tint]
        tint = rng.choice(near or [c.hex for c in ITEM_COLOURS if c.hex != item.tint]) or tint
    name = refer.name_of(item.concept, rng, asked.language)
    be = "Are" if asked.english and refer.takes_are(item.concept, name) else "Is"
    if not asked.english and name[0] == "一" and len(name) > 2:
        name = f"那{name[1:]}"
    return asked.say((f"{be} the {{thing}} {{colour}}?",), ("{thing}是{colour}的吗？", "{thing}是不是{colour}的？"),
                     thing=name, colour=asked.colour(_BY_HEX[tint]))


def _are_so_many(asked: _Asked, truth: bool) -> str | None:
    """"Are there three foxes?"; a false one is one or two off."""
    scene, rng = asked.scene, asked.rng
    counts = Counter(item.concept for item in scene.items)
    several = [slug for slug, n in counts.items() if n > 1]
    if not several:
        return None
    slug = rng.choice(several)
    n = counts[slug] if truth else max(2, counts[slug] + rng.choice((-2, -1, 1, 2)))
    if not truth and n == counts[slug]:
        n += 1
    name = refer.name_of(slug, rng, asked.language)
    if asked.english:
        return f"Are there {rng.choice(('', 'exactly '))}{nouns.counted(nouns.english(slug, name), _number(n, 'en'))}?"
    return f"{rng.choice(('图片里有', '一共有'))}{nouns.chinese(slug, name, _number(n, 'zh'))}吗？"


def _is_beside(asked: _Asked, truth: bool) -> str | None:
    """"Is the fox to the left of the car?"; a false one names the opposite side."""
    scene, rng = asked.scene, asked.rng
    if len(scene.items) < 2:
        return None
    a, b = rng.sample(range(len(scene.items)), 2)
    spots = [layout.spot(scene.items[k], scene.width, scene.height) for k in (a, b)]
    towards = layout.direction(spots[0], spots[1])
    one, two = (refer.definite(scene, k, rng, asked.language) for k in (a, b))
    if towards is None or one is None or two is None:
        return None
    side = towards if truth else OPPOSITE[towards]
    en = {"left of": "to the left of", "right of": "to the right of"}.get(side, side)
    zh = {"left of": "左边", "right of": "右边", "above": "上方", "below": "下方"}[side]
    return asked.say((f"{_be(one).capitalize()} {{one}} {en} {{two}}?",), (f"{{one}}在{{two}}的{zh}吗？", f"{{one}}是不是在{{two}}{zh}？"),
                     one=one, two=two)


_KINDS: dict[str, Callable[[_Asked], _Made | None]] = {
    "what": _what, "how many": _how_many, "colour": _colour, "where": _where, "text": _text, "yes/no": _yes_no, "style": _style,
    "background": _background,
}
