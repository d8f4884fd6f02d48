"""Edits of a scene: an instruction in English or Chinese, the scene before and after, and where pixels may change."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sayso.errors import BadInput, Unknown
from sayso.world import fonts, layout, nouns, refer, wording
from sayso.world.captions import LANGUAGES
from sayso.world.captions_zh import background_zh, colour_zh, quoted_zh
from sayso.world.colours import ITEM_COLOURS
from sayso.world.contrast import all_apart
from sayso.world.gist import OPPOSITE
from sayso.world.giving import give
from sayso.world.phrases_en import colour_en, quoted
from sayso.world.pools import words
from sayso.world.render import INK, SHADOW_DOWN, SHADOW_RX, SHADOW_RY
from sayso.world.scene import MAX_ITEMS, Background, Item, Lettering, Relation, Scene
from sayso.world.splits import held_out
from sayso.world.staging import letter_colour, main_colours, pick_background

EDITS = ("add", "remove", "replace", "recolour", "move", "resize", "restyle", "background", "lettering", "give")
Box = tuple[float, float, float, float]
WHOLE: tuple[Box, ...] = ((0.0, 0.0, 1.0, 1.0),)
_TRIES = 24
_LINE_UP, _LINE_ASIDE = 0.85, 0.35  # em around a line of lettering that brush and script strokes may reach


@dataclass(frozen=True)
class Edit:
    """`region`: boxes x0, y0, x1, y1 in fractions of the canvas; outside them (and one pixel of antialiasing) nothing changes."""

    kind: str
    instruction: str
    before: Scene
    after: Scene
    region: tuple[Box, ...]


@dataclass(frozen=True)
class _Desk:
    """What every kind of edit works with."""

    scene: Scene
    rng: random.Random
    language: str
    concepts: Sequence[str]
    styles: Sequence[str]

    @property
    def english(self) -> bool:
        return self.language == "en"

    def say(self, english: Sequence[str], chinese: Sequence[str], /, **words: str) -> str:
        """One of the wordings of the language, filled in."""
        return self.rng.choice(english if self.english else chinese).format(**words)

    def colour(self, hex_colour: str) -> str:
        return colour_en(hex_colour, self.rng) if self.english else colour_zh(hex_colour, self.rng)

    def quote(self, text: str) -> str:
        return quoted(text, self.rng.choice((('"', '"'), ("“", "”")))) if self.english else quoted_zh(text, ("“", "”"))


_Made = tuple[str, Scene, tuple[Box, ...]]


def sample_edit(
    scene: Scene, rng: random.Random, language: str, concepts: Sequence[str], styles: Sequence[str], kind: str | None = None,
) -> Edit:
    """An edit of the scene, of a kind that it allows (or of `kind`); `concepts`, `styles`: what may be added or changed to.

    When the scene holds no held-out composition, the scene after the edit holds none either. Things that are added or moved
    do not collide with others. Raises Unknown for a language or kind that does not exist and BadInput when the scene does
    not allow the edit.
    """
    if language not in LANGUAGES:
        raise Unknown("language", language, LANGUAGES)
    if kind is not None and kind not in EDITS:
        raise Unknown("edit", kind, EDITS)
    kinds = [kind] if kind else rng.sample(EDITS, len(EDITS))
    desk = _Desk(scene, rng, language, concepts, styles)
    free = not held_out(scene)
    for chosen in kinds:
        for _ in range(_TRIES):
            made = _KINDS[chosen](desk)
            if made is not None and made[1] != scene and not (free and held_out(made[1])):
                return Edit(chosen, _polish(desk, made[0]), scene, made[1], made[2])
    raise BadInput(f'this scene allows no edit of the kind "{kind}"; choose another kind or leave it open' if kind else
                   "this scene allows no edit with these concepts and styles; give more of them")


def _polish(desk: _Desk, said: str) -> str:
    """Now and then a polite word, a capital, a full stop."""
    rng = desk.rng
    if desk.english:
        draw = rng.random()
        said = f"please {said}" if draw < 0.08 else f"{said}, please" if draw < 0.12 else f"now {said}" if draw < 0.18 else said
        said = said[:1].upper() + said[1:] if rng.random() < 0.3 else said
        return said + "." if rng.random() < 0.2 else said
    said = f"请{said}" if rng.random() < 0.15 else said
    return said + "。" if rng.random() < 0.2 else said


# --- regions -------------------------------------------------------------------------------------------------------------

def item_boxes(item: Item, width: int, height: int) -> tuple[Box, ...]:
    """Where the item (turned, with its shadow) may have pixels, in fractions clipped to a width x height canvas."""
    across, down = layout.frame(width, height)
    x0, y0, x1, y1 = layout.box(item, width, height)
    boxes = [(x0, y0, x1, y1)]
    if item.shadow:
        cx, cy = item.x * across, item.y * down + SHADOW_DOWN * item.size
        boxes.append((cx - SHADOW_RX * item.size, cy - SHADOW_RY * item.size, cx + SHADOW_RX * item.size, cy + SHADOW_RY * item.size))
    return _clipped([(a / across, b / down, c / across, d / down) for a, b, c, d in boxes])


def lettering_boxes(line: Lettering, width: int, height: int) -> tuple[Box, ...]:
    """Where the line may have pixels, in fractions clipped to a width x height canvas."""
    across, down = layout.frame(width, height)
    half_w = (fonts.width(line.font, line.text) / 2 + _LINE_ASIDE) * line.height / across
    half_h = _LINE_UP * line.height / down
    return _clipped([(line.x - half_w, line.y - half_h, line.x + half_w, line.y + half_h)])


def _clipped(boxes: Sequence[Box]) -> tuple[Box, ...]:
    clipped = [(max(a, 0.0), max(b, 0.0), min(c, 1.0), min(d, 1.0)) for a, b, c, d in boxes]
    return tuple(box for box in clipped if box[0] < box[2] and box[1] < box[3])


def _give(desk: _Desk) -> _Made | None:
    made = give(desk.scene, desk.rng, desk.language, desk.concepts)
    return None if made is None else (*made, _touched(desk.scene, made[1].items[-1]))


def _touched(scene: Scene, *items: Item) -> tuple[Box, ...]:
    return tuple(dict.fromkeys(box for item in items for box in item_boxes(item, scene.width, scene.height)))


# --- helpers -------------------------------------------------------------------------------------------------------------

def _free(scene: Scene, item: Item, apart_from: int | None = None) -> bool:
    """Whether the item lies inside the canvas and collides with no other item and no lettering."""
    across, down = layout.frame(scene.width, scene.height)
    box = layout.box(item, scene.width, scene.height)
    if box[0] < 0 or box[1] < 0 or box[2] > across or box[3] > down:
        return False
    others = [layout.box(other, scene.width, scene.height) for k, other in enumerate(scene.items) if k != apart_from]
    for line in scene.lettering:
        others += [(a * across, b * down, c * across, d * down) for a, b, c, d in lettering_boxes(line, scene.width, scene.height)]
    return all(layout.overlap(box, other) == 0 for other in others)


def _without(scene: Scene, gone: frozenset[int]) -> Scene:
    """The scene without these items and their relations; a grid with a hole is no grid."""
    where = {old: new for new, old in enumerate(k for k in range(len(scene.items)) if k not in gone)}
    relations = tuple(Relation(r.kind, where[r.subject], tuple(where[o] for o in r.objects))
                      for r in scene.relations if r.subject in where and all(o in where for o in r.objects))
    return replace(scene, items=tuple(item for k, item in enumerate(scene.items) if k in where), relations=relations, grid=None)


def _changed(scene: Scene, index: int, item: Item, moved: bool) -> Scene:
    """The scene with one item changed; when it moved, its relations are forgotten unless they still hold."""
    items = scene.items[:index] + (item,) + scene.items[index + 1:]
    after = replace(scene, items=items, grid=None if moved else scene.grid)
    if not moved:
        return after
    kept = tuple(r for r in scene.relations
                 if index not in (r.subject, *r.objects) or (r.kind in OPPOSITE and layout.relation_holds(after, r)))
    return replace(after, relations=kept)


def _pick(desk: _Desk) -> tuple[int, str] | None:
    """A random item with words that point at it."""
    if not desk.scene.items:
        return None
    index = desk.rng.randrange(len(desk.scene.items))
    words_for = refer.definite(desk.scene, index, desk.rng, desk.language)
    return (index, words_for) if words_for else None


def _visible(scene: Scene, tint: str) -> bool:
    background = scene.background
    return background.kind in ("transparent", "backdrop") or all_apart((tint,), background.colours)


# --- the kinds -----------------------------------------------------------------------------------------------------------

def _add(desk: _Desk) -> _Made | None:
    scene, rng = desk.scene, desk.rng
    if len(scene.items) >= MAX_ITEMS or scene.grid is not None or not desk.concepts:
        return None
    slug = rng.choice(desk.concepts)
    if any(item.concept == slug for item in scene.items):
        return None
    style = scene.items[-1].style if scene.items else rng.choice(desk.styles)
    tint = rng.choice(ITEM_COLOURS).hex if rng.random() < 0.3 else None
    if tint and not _visible(scene, tint):
        tint = None
    typical = sorted(item.size for item in scene.items)[len(scene.items) // 2] if scene.items else 0.6
    made = None
    for _ in range(30):
        size = max(0.12, min(typical * (0.6 + 0.5 * rng.random()), 0.7))
        item = Item(slug, style, round(rng.random(), 4), round(rng.random(), 4), round(size, 4), tint=tint)  # type: ignore[arg-type]
        if _free(scene, item):
            made = item
            break
    if made is None:
        return None
    after = replace(scene, items=(*scene.items, made))
    thing = refer.indefinite(slug, rng, desk.language, tint)
    if scene.items and rng.random() < 0.5 and (related := _beside(desk, after)) is not None:
        relation, where = related
        after = replace(after, relations=(*scene.relations, relation))
    else:
        where = desk.say((wording.PLACE_EN[wording.ninth(made.x, made.y)][0],), ("在" + wording.PLACE_ZH[wording.ninth(made.x, made.y)][0],))
    said = desk.say(("add {thing} {where}", "put {thing} {where}", "draw {thing} {where}", "place {thing} {where}"),
                    ("{where}加{thing}", "{where}添加{thing}", "{where}画{thing}", "{where}放{thing}"), thing=thing, where=where)
    return said, after, _touched(scene, made)


def _beside(desk: _Desk, after: Scene) -> tuple[Relation, str] | None:
    """Where the last item is as seen from a random other one, as relation and words."""
    new = len(after.items) - 1
    other = desk.rng.randrange(new)
    spots = [layout.spot(after.items[k], after.width, after.height) for k in (new, other)]
    towards = layout.direction(spots[0], spots[1])
    words_for = refer.definite(desk.scene, other, desk.rng, desk.language)
    if towards is None or words_for is None:
        return None
    return Relation(towards, new, (other,)), _direction(desk, towards, words_for)


def _direction(desk: _Desk, towards: str, thing: str) -> str:
    en = {"left of": "to the left of", "right of": "to the right of", "above": "above", "below": "below"}[towards]
    zh = {"left of": "左边", "right of": "右边", "above": "上方", "below": "下方"}[towards]
    return f"{en} {thing}" if desk.english else f"在{thing}{desk.rng.choice(('', '的'))}{zh}"


def _remove(desk: _Desk) -> _Made | None:
    scene, rng = desk.scene, desk.rng
    if not scene.items:
        return None
    slug = rng.choice(scene.items).concept
    same = frozenset(k for k, item in enumerate(scene.items) if item.concept == slug)
    if len(same) > 1 and rng.random() < 0.5:
        name = refer.name_of(slug, rng, desk.language)
        many = nouns.english(slug, name).many if desk.english else name[1:] if name[0] == "一" and len(name) > 2 else name
        thing = rng.choice((f"all the {many}", f"the {many}", f"all {many}")) if desk.english else rng.choice((f"所有的{many}", f"所有{many}"))
        gone = same
    else:
        picked = _pick(desk)
        if picked is None:
            return None
        gone, thing = frozenset({picked[0]}), picked[1]
    said = desk.say(("remove {thing}", "delete {thing}", "take away {thing}", "erase {thing}", "get rid of {thing}"),
                    ("去掉{thing}", "删除{thing}", "把{thing}去掉", "移除{thing}", "擦掉{thing}"), thing=thing)
    return said, _without(scene, gone), _touched(scene, *(scene.items[k] for k in sorted(gone)))


def _replace(desk: _Desk) -> _Made | None:
    picked = _pick(desk)
    if picked is None or not desk.concepts:
        return None
    (index, thing), scene = picked, desk.scene
    old, slug = scene.items[index], desk.rng.choice(desk.concepts)
    if any(item.concept == slug for item in scene.items):
        return None
    new = replace(old, concept=slug, tint=None, flip=False)
    after = _changed(scene, index, new, moved=False)
    kept = tuple(r for r in scene.relations if r.kind not in ("wearing", "holding") or index not in (r.subject, *r.objects))
    said = desk.say(("replace {thing} with {other}", "change {thing} to {other}", "turn {thing} into {other}", "swap {thing} for {other}"),
                    ("把{thing}换成{other}", "将{thing}替换为{other}", "把{thing}变成{other}"), thing=thing,
                    other=refer.indefinite(slug, desk.rng, desk.language))
    return said, replace(after, relations=kept), _touched(scene, old, new)


def _recolour(desk: _Desk) -> _Made | None:
    picked = _pick(desk)
    if picked is None:
        return None
    (index, thing), scene = picked, desk.scene
    old, tint = scene.items[index], desk.rng.choice(ITEM_COLOURS).hex
    same = tint == old.tint or (old.style == "line" and tint == INK == (old.tint or INK))  # line art is black by itself
    if same or not _visible(scene, tint):
        return None
    new = replace(old, tint=tint)
    said = desk.say(("make {thing} {colour}", "paint {thing} {colour}", "recolour {thing} {colour}",
                     "change the colour of {thing} to {colour}", "color {thing} {colour}", "turn {thing} {colour}"),
                    ("把{thing}变成{colour}", "把{thing}改成{colour}", "将{thing}涂成{colour}", "把{thing}改为{colour}"),
                    thing=thing, colour=desk.colour(tint))
    return said, _changed(scene, index, new, moved=False), _touched(scene, old, new)


def _move(desk: _Desk) -> _Made | None:
    picked = _pick(desk)
    if picked is None:
        return None
    (index, thing), scene, rng = picked, desk.scene, desk.rng
    old = scene.items[index]
    for _ in range(30):
        new = replace(old, x=round(rng.random(), 4), y=round(rng.random(), 4))
        place = wording.ninth(new.x, new.y)
        if place != wording.ninth(old.x, old.y) and _free(scene, new, apart_from=index):
            break
    else:
        return None
    after = _changed(scene, index, new, moved=True)
    where_en = wording.PLACE_EN[place][0].replace("in the ", "to the ").replace("at the ", "to the ").replace("on the ", "to the ")
    said = desk.say(("move {thing} {where}", "put {thing} {at}", "shift {thing} {where}"),
                    ("把{thing}移到{zh}", "将{thing}移动到{zh}", "把{thing}放在{zh}"),
                    thing=thing, where=where_en, at=wording.PLACE_EN[place][0], zh=wording.PLACE_ZH[place][0])
    return said, after, _touched(scene, old, new)


def _resize(desk: _Desk) -> _Made | None:
    picked = _pick(desk)
    if picked is None:
        return None
    (index, thing), scene, rng = picked, desk.scene, desk.rng
    old = scene.items[index]
    bigger = rng.random() < 0.5
    new = replace(old, size=round(old.size * (rng.uniform(1.3, 1.7) if bigger else rng.uniform(0.5, 0.7)), 4))
    touching = any(index in (r.subject, *r.objects) and r.kind not in OPPOSITE for r in scene.relations)
    if new.size < 0.08 or touching or (bigger and not _free(scene, new, apart_from=index)):
        return None
    if bigger:
        said = desk.say(("make {thing} bigger", "make {thing} larger", "enlarge {thing}"), ("把{thing}变大", "让{thing}大一点", "放大{thing}"),
                        thing=thing)
    else:
        said = desk.say(("make {thing} smaller", "shrink {thing}"), ("把{thing}变小", "让{thing}小一点", "缩小{thing}"), thing=thing)
    return said, _changed(scene, index, new, moved=True), _touched(scene, old, new)


def _restyle(desk: _Desk) -> _Made | None:
    scene, rng = desk.scene, desk.rng
    styles = [s for s in desk.styles if any(item.style != s for item in scene.items)]
    if not styles:
        return None
    style = rng.choice(styles)
    after = replace(scene, items=tuple(replace(item, style=style) for item in scene.items))  # type: ignore[arg-type]
    word = rng.choice(wording.STYLE_EN[style]) if desk.english else rng.choice(wording.STYLE_ZH[style])
    said = desk.say(("redraw it in {word} style", "make it {word} style", "change the style to {word} style",
                     "turn it into {a} {word}-style picture"),
                    ("换成{word}", "改成{word}", "用{word}重画", "把画变成{word}"), word=word, a=wording.article(word))
    return said, after, WHOLE


def _background(desk: _Desk) -> _Made | None:
    scene, rng = desk.scene, desk.rng
    inks = tuple(sorted({item.tint or INK for item in scene.items if item.tint or item.style == "line"}
                        | {line.colour for line in scene.lettering}))
    background, _ = pick_background(rng, inks)
    said = _background_en(background, desk) if desk.english else _background_zh(background, desk)
    return said, replace(scene, background=background), WHOLE


def _background_en(background: Background, desk: _Desk) -> str:
    rng = desk.rng
    if background.kind == "transparent":
        return rng.choice(("make the background transparent", "remove the background", "use a transparent background"))
    if background.kind == "solid":
        colour = desk.colour(background.colours[0])
        return rng.choice((f"make the background {colour}", f"change the background to {colour}",
                           f"put it on {wording.article(colour)} {colour} background", f"{colour} background"))
    phrase = _background_phrase(background, desk)
    return rng.choice((f"change the background to {phrase}", f"make the background {phrase}", f"use {phrase} as the background"))


def _background_zh(background: Background, desk: _Desk) -> str:
    rng = desk.rng
    if background.kind == "transparent":
        return rng.choice(("去掉背景", "把背景变成透明的", "换成透明背景"))
    if background.kind == "solid" and rng.random() < 0.6:
        return rng.choice(("把背景变成{}", "把背景改成{}", "背景换成{}")).format(desk.colour(background.colours[0]))
    if background.kind == "backdrop" and rng.random() < 0.6:
        return f"把背景换成{rng.choice(wording.BACKDROP_ZH[background.name][1])}"
    return rng.choice(("换成{}", "改成{}", "改用{}")).format(background_zh(background, rng))


def _background_phrase(background: Background, desk: _Desk) -> str:
    """The background as an English noun phrase."""
    if background.kind == "backdrop":
        return wording.BACKDROP_SHOWN_EN[background.name]
    first, second = (desk.colour(c) for c in background.colours)
    if background.kind == "gradient":
        return f"a gradient from {first} to {second}"
    return f"{first} with {second} {desk.rng.choice(wording.PATTERN_EN[background.name][0])}"


def _lettering(desk: _Desk) -> _Made | None:
    scene, rng = desk.scene, desk.rng
    if scene.lettering:
        return _change_lettering(desk)
    font = rng.choice([f for f in fonts.FONTS if f in fonts.CHINESE] if not desk.english and rng.random() < 0.7 else list(fonts.LATIN))
    text = _text_for(rng, font)
    if text is None:
        return None
    across, down = layout.frame(scene.width, scene.height)
    top = rng.random() < 0.5
    em = min(0.24, 0.9 * across / (fonts.width(font, text) + 2 * _LINE_ASIDE))
    ground = scene.background
    colour = letter_colour(rng, main_colours(ground.name, ground.variant) if ground.kind == "backdrop" else ground.colours)
    y = (_LINE_UP * em + 0.01) / down
    line = Lettering(text, font, 0.5, round(y if top else 1 - y, 4), round(em, 4), colour)
    boxes = lettering_boxes(line, scene.width, scene.height)
    mine = [(a * across, b * down, c * across, d * down) for a, b, c, d in boxes]
    if any(layout.overlap(box, layout.box(item, scene.width, scene.height)) > 0.25 for box in mine for item in scene.items):
        return None
    place = wording.ninth(line.x, line.y)
    said = desk.say(("write {text} {en} in {colour}", "add the text {text} {en} in {colour}", "add the words {text} in {colour} {en}"),
                    ("在{zh}用{colour}字写上{text}", "在{zh}加上{colour}的文字{text}"),
                    text=desk.quote(text), en=wording.PLACE_EN[place][0], zh=wording.PLACE_ZH[place][0],
                    colour=desk.colour(colour))
    return said, replace(scene, lettering=(line,)), boxes


def _text_for(rng: random.Random, font: str) -> str | None:
    text = rng.choice(words("zh" if font in fonts.CHINESE else "en"))
    text = text if font in fonts.CHINESE or rng.random() < 0.3 else text.upper() if rng.random() < 0.6 else text.title()
    return text if fonts.covers(font, text) else None


def _change_lettering(desk: _Desk) -> _Made | None:
    """Another text, another colour, or no text, for a line that is there."""
    scene, rng = desk.scene, desk.rng
    index = rng.randrange(len(scene.lettering))
    line = scene.lettering[index]
    new: Lettering | None = None
    draw = rng.random()
    if draw < 0.5:
        text = _text_for(rng, line.font)
        if text is None or text == line.text:
            return None
        across = layout.frame(scene.width, scene.height)[0]
        room = 2 * min(line.x, 1 - line.x) * across
        new = replace(line, text=text, height=round(min(line.height, room / (fonts.width(line.font, text) + 2 * _LINE_ASIDE)), 4))
        said = desk.say(("change the text to {to}", "replace {old} with {to}", "make it say {to}"), ("把文字改成{to}", "把{old}换成{to}"),
                        to=desk.quote(text), old=desk.quote(line.text))
    elif draw < 0.75:
        colour = rng.choice(ITEM_COLOURS).hex
        if colour == line.colour or not _visible(scene, colour):
            return None
        new = replace(line, colour=colour)
        said = desk.say(("make the text {c}", "make the letters {c}", "change the colour of the text to {c}"), ("把文字变成{c}", "把文字改为{c}"),
                        c=desk.colour(colour))
    else:
        said = desk.say(("remove the text", "delete the text", "remove the text {old}"), ("去掉文字", "删除文字", "去掉文字{old}"),
                        old=desk.quote(line.text))
    lines = scene.lettering[:index] + ((new,) if new else ()) + scene.lettering[index + 1:]
    if len(scene.lettering) > 1 and draw >= 0.5:
        return None  # "the text" would not say which
    boxes = lettering_boxes(line, scene.width, scene.height) + (lettering_boxes(new, scene.width, scene.height) if new else ())
    return said, replace(scene, lettering=lines), tuple(dict.fromkeys(boxes))


_KINDS: dict[str, Callable[[_Desk], _Made | None]] = {
    "add": _add, "remove": _remove, "replace": _replace, "recolour": _recolour, "move": _move, "resize": _resize, "restyle": _restyle,
    "background": _background, "lettering": _lettering, "give": _give,
}
