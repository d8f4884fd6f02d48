"""Chinese captions of a scene, in many wordings; the same promises as `captions.caption`."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence

from sayso.world import colours, nouns, wording
from sayso.world.gist import OPPOSITE, Gist, Group, Link, arrangement, gist, group_size, parted, place_of, shape, without_directions
from sayso.world.scene import Background, Lettering, Scene

_SIDE: dict[str, tuple[str, ...]] = {
    "left of": ("左边", "左侧", "左面"), "right of": ("右边", "右侧", "右面"), "above": ("上方", "上面"), "below": ("下方", "下面"),
    "inside": ("里面", "里"), "on": ("上面", "上"),
}
_CLAUSE = ("图片：{}", "一张图片：{}", "一张图，{}", "画面：{}", "画一张图：{}", "请画一张图：{}", "生成一张图片：{}", "帮我画一张图：{}")
_LETTERED = ("图中{}", "画面上{}", "一张图，{}", "图片：{}")
_GENERIC = ("{}的图片", "{}的画", "{}的插画", "图片：{}", "一张图，画着{}", "图中有{}", "画面里有{}", "一张图片，上面有{}")
_IMPERATIVE = ("画{}", "请画{}", "帮我画{}", "给我画{}", "画一张图：{}", "生成一张图片：{}", "我想要{}", "请生成{}")
_QUOTES = (("“", "”"), ("“", "”"), ("「", "」"), ('"', '"'))
_BY_HEX = {c.hex: c for c in colours.COLOURS}
_PICTURE = ("画", "图片", "插画")


def colour_zh(hex_colour: str, rng: random.Random, usual: float = 0.8) -> str:
    """The word of a named colour (a synonym or the hex code now and then), else its hex code."""
    named = _BY_HEX.get(hex_colour)
    if named is None:
        return hex_colour
    draw = rng.random()
    return named.zh[0] if draw < usual else rng.choice(named.zh) if draw < 0.93 else hex_colour


def quoted_zh(text: str, pair: tuple[str, str]) -> str:
    """The text in that pair of quotes, or in the first pair that does not occur in it."""
    for left, right in (pair, ("“", "”"), ("「", "」"), ('"', '"'), ("《", "》")):
        if left not in text and right not in text:
            return left + text + right
    return f'"{text}"'


def join_zh(parts: Sequence[str]) -> str:
    """甲, 甲和乙, 甲、乙和丙."""
    return "".join(parts) if len(parts) < 2 else "、".join(parts[:-1]) + "和" + parts[-1]


def background_zh(background: Background, rng: random.Random) -> str:
    """The background as a noun phrase: 黄色背景, 从红色到蓝色的渐变背景, 透明背景, 雪地背景."""
    if background.kind == "transparent":
        return rng.choice(("透明背景", "透明背景", "无背景", "没有背景"))
    if background.kind == "backdrop":
        return rng.choice(wording.BACKDROP_ZH[background.name][1]) + "背景"
    first = colour_zh(background.colours[0], rng)
    if background.kind == "solid":
        return rng.choice((f"{first}背景", f"{first}背景", f"{first}的背景", f"纯{first}背景" if first[:1] not in "#纯" else f"{first}背景"))
    second = colour_zh(background.colours[1], rng)
    if background.kind == "gradient":
        return rng.choice((f"从{first}到{second}的渐变背景", f"{first}到{second}渐变背景", f"{first}渐变到{second}的背景"))
    marks = rng.choice(wording.PATTERN_ZH[background.name])
    ground = first[:-1] + "底" if first.endswith("色") else first + "底"
    return rng.choice((f"{ground}{second}{marks}背景", f"{first}背景上有{second}{marks}", f"带{second}{marks}的{first}背景"))


def background_sentence_zh(background: Background, rng: random.Random) -> str:
    """The background in a sentence of its own, with everything there is to say about it."""
    if background.kind == "transparent":
        return rng.choice(("背景是透明的。", "没有背景。", "背景透明。"))
    if background.kind == "backdrop":
        return f"背景是{rng.choice(wording.BACKDROP_ZH[background.name][1])}。"
    first = colour_zh(background.colours[0], rng)
    if background.kind == "solid":
        return rng.choice((f"背景是{first}。", f"背景为{first}。", f"背景是纯{first}。" if first[:1] not in "#纯" else f"背景是{first}。"))
    second = colour_zh(background.colours[1], rng)
    if background.kind == "gradient":
        ends = (("上", "下"), ("左上", "右下"), ("左", "右"), ("左下", "右上"), ("下", "上"), ("右下", "左上"), ("右", "左"), ("右上", "左下"))
        start, end = ends[round(background.angle / 45) % 8]
        return f"背景从{start}到{end}由{first}渐变到{second}。"
    return f"背景是{first}，上面有{second}的{rng.choice(wording.PATTERN_ZH[background.name])}。"


class Chinese:
    """One caption in the making: which names were chosen, who was introduced already."""

    def __init__(self, scene: Scene, rng: random.Random, density: str) -> None:
        self.scene, self.rng, self.density = scene, rng, density
        share = {"short": 0.3, "medium": 0.12}.get(density, 0.0)  # so that plain lists are in the language too
        self.gist: Gist = gist(without_directions(scene) if scene.relations and rng.random() < share else scene)
        self.dense = density == "dense"
        self.names: dict[str, str] = {}
        self.seen: list[int] = []
        self.mixed = self.gist.style is None and len(scene.items) > 1
        self.tell_item_styles = self.mixed and (density != "short" or rng.random() < 0.75)
        self.digits = rng.random() < 0.25
        self.tell_sizes = self.dense or (density == "medium" and rng.random() < 0.5)
        self.tell_places = not self.dense and rng.random() < (0.3 if density == "medium" else 0.12)
        self.bare_one = density != "dense" and rng.random() < 0.15  # "狐狸和汽车" without 一只, 一辆

    # --- noun phrases ---

    def name(self, concept: str) -> str:
        if concept not in self.names:
            said = nouns.said_zh(concept)
            self.names[concept] = said[0] if len(said) == 1 or self.rng.random() < 0.72 else self.rng.choice(said)
        return self.names[concept]

    def adjective(self, group: Group, name: str, size: str = "") -> str:
        """What stands between measure word and noun: 大的、红色的."""
        style = f"{self.rng.choice(wording.STYLE_ZH[group.style])}的" if self.tell_item_styles else ""
        tint = ""
        if group.tint is not None:
            word = colour_zh(group.tint, self.rng, 0.88)
            if wording.has_colour_word(name):
                tint = f"染成{word}的"
            else:
                tint = word if word[0] != "#" and self.rng.random() < (0.7 if size or style else 0.35) and name[0] != "一" else word + "的"
        return style + size + tint

    def introduce(self, index: int, bare: float = 0.0) -> str:
        """The noun phrase at first mention: 一只红色的狐狸, 三辆汽车; with probability `bare` a single one is just 蓝色汽车."""
        group = self.gist.groups[index]
        name = self.name(group.concept)
        said = group_size(self.scene, group) if self.tell_sizes and self.scene.grid is None and name[0] != "一" else None
        size = {"big": "大大的", "small": "小小的"}[said] if said else ""
        adjective = self.adjective(group, name, size)
        twin = any(self._alike(index, other) for other in self.seen)
        self.seen.append(index)
        n = len(group.members)
        if n == 1:
            if (self.bare_one or self.rng.random() < bare) and not twin and name[0] != "一" and len(self.gist.groups) > 1:
                return adjective + name
            return nouns.chinese(group.concept, name, "另一" if twin else "1" if self.digits and self.rng.random() < 0.3 else "一", adjective)
        number = str(n) if self.digits or n > 20 else wording.NUMBERS_ZH[n]
        return nouns.chinese(group.concept, name, ("另外" if twin else "") + number, adjective)

    def _alike(self, a: int, b: int) -> bool:
        one, two = self.gist.groups[a], self.gist.groups[b]
        return (one.concept, one.tint, one.style) == (two.concept, two.tint, two.style)

    def refer(self, index: int) -> str:
        """The noun phrase when the group is known already: 狐狸, 红色的狐狸, 第二只狐狸."""
        group = self.gist.groups[index]
        name = self.name(group.concept)
        name = name[1:] if name[0] == "一" and len(name) > 2 else name
        rivals = [g for g in self.seen if g != index and self.gist.groups[g].concept == group.concept]
        if not rivals:
            return f"那{name}" if name != self.name(group.concept) else name
        known = _BY_HEX.get(group.tint or "")
        adjective = (known.zh[0] if known else group.tint) + "的" if group.tint else ""
        if any(self._alike(index, g) for g in rivals):
            order = [g for g in self.seen if self._alike(index, g)].index(index)
            return f"{wording.ORDINALS_ZH[min(order, 9)]}{nouns.classifier(group.concept, self.name(group.concept))}{adjective}{name}"
        if any(self.gist.groups[g].tint == group.tint for g in rivals):
            adjective = f"{wording.STYLE_ZH[group.style][0]}的{adjective}"
        return adjective + name

    def name_it(self, index: int, bare: float = 0.0) -> str:
        return self.refer(index) if index in self.seen else self.introduce(index, bare)

    # --- relations ---

    def link(self, link: Link) -> str:
        """One relation as a clause: 一只狐狸在一辆汽车的左边, 汽车左边有一只狐狸, 一只猫戴着礼帽."""
        rng, thing = self.rng, link.objects[0]
        if link.kind in ("wearing", "holding"):
            verb = self.wear_verb(thing) if link.kind == "wearing" else rng.choice(("拿着", "手里拿着", "举着"))
            return f"{self.name_it(link.subject)}{verb}{self.name_it(thing)}"
        if link.kind == "between":
            if len(link.objects) == 2:
                a, b = link.objects if rng.random() < 0.5 else link.objects[::-1]
                around = self.name_it(a)
                around = f"{around}和{self.name_it(b)}"
            else:
                around = self.name_it(thing)
            subject_known = link.subject in self.seen
            subject = self.name_it(link.subject)
            return f"{around}{rng.choice(('之间', '中间'))}有{subject}" if rng.random() < 0.5 and not subject_known \
                else f"{subject}在{around}{rng.choice(('之间', '中间'))}"
        if link.kind in OPPOSITE and rng.random() < 0.15 and parted(self.scene, self.gist, link):
            here, there = (rng.choice(_SIDE[kind][:2]) for kind in (link.kind, OPPOSITE[link.kind]))
            return f"{here}{rng.choice(('是', '有'))}{self.introduce(link.subject)}，{there}{rng.choice(('是', '有'))}{self.introduce(thing)}"
        subject_index, kind = link.subject, link.kind
        if kind in OPPOSITE and rng.random() < 0.2:
            subject_index, thing, kind = thing, subject_index, OPPOSITE[kind]
        side = rng.choice(_SIDE[kind])
        if rng.random() < 0.45 and subject_index not in self.seen:
            ground = self.name_it(thing, 0.35)
            return f"{ground}{'的' if rng.random() < 0.3 and len(side) > 1 else ''}{side}有{self.introduce(subject_index)}"
        subject = self.name_it(subject_index)
        ground = self.name_it(thing, 0.35)
        if len(side) == 1:
            return f"{subject}在{ground}{side}"
        return f"{subject}{rng.choice(('在', '在', '位于'))}{ground}{rng.choice(('', '的'))}{side}"

    def wear_verb(self, thing: int) -> str:
        """戴 for hats and glasses, 穿 for clothes."""
        return "穿着" if self.name(self.gist.groups[thing].concept).endswith(("衣", "裤", "裙", "服", "鞋", "靴", "恤", "衫", "袜子")) else "戴着"

    # --- the main clause ---

    def main(self) -> str:
        if self.scene.grid is not None and self.scene.items:
            return self.grid(*self.scene.grid)
        loose = list(self.gist.loose)
        self.rng.shuffle(loose)
        if not self.gist.links:
            return self.listed(loose)
        said = "，".join(self.link(link) for link in self.gist.links)
        return said + ("，" + self.rng.choice(("还有", "另外还有")) + join_zh([self.introduce(g) for g in loose]) if loose else "")

    def listed(self, loose: list[int]) -> str:
        """Things without relations: a list, or with places: 左上角有一只狐狸，右下角有一辆汽车."""
        if self.tell_places and len(self.gist.groups) <= 4 and all(len(self.gist.groups[g].members) == 1 for g in loose):
            clauses = []
            for g in loose:
                ninth = place_of(self.scene.items[self.gist.groups[g].members[0]])
                place = {1: "顶部", 7: "底部"}.get(ninth) or self.rng.choice(wording.PLACE_ZH[ninth])
                clauses.append(f"{place}有{self.introduce(g)}" if self.rng.random() < 0.6 else f"{self.introduce(g)}在{place}")
            return "，".join(clauses)
        return join_zh([self.introduce(g) for g in loose])

    def grid(self, rows: int, columns: int) -> str:
        """2行3列的网格，第一行：狐狸、汽车、树；第二行：…"""
        rng, items = self.rng, self.scene.items
        size = rng.choice((f"{rows}行{columns}列的", f"{rows}x{columns}的", f"{rows}×{columns}"))
        if len(self.gist.groups) == 1:
            group = self.gist.groups[0]
            name = self.name(group.concept)
            return f"{size}网格，{rng.choice(('每格都是', '全是'))}{nouns.chinese(group.concept, name, '一', self.adjective(group, name))}" \
                if rng.random() < 0.6 else f"{size}{self.adjective(group, name)}{name}网格"
        home = {i: g for g, group in enumerate(self.gist.groups) for i in group.members}
        cells = [self.cell(home[i]) for i in range(len(items))]
        if min(rows, columns) == 1:
            way = rng.choice(("从左到右", "从左到右依次是")) if rows == 1 else rng.choice(("从上到下", "从上到下依次是"))
            return f"{way}：{'、'.join(cells)}"
        lines = ["、".join(cells[r * columns:(r + 1) * columns]) for r in range(rows)]
        number = (lambda r: wording.ORDINALS_ZH[r]) if rows <= 10 and rng.random() < 0.7 else (lambda r: f"第{r + 1}")
        mark = rng.choice(("：", "：", "是"))
        return f"{size}网格，" + "；".join(f"{number(r)}行{mark}{line}" for r, line in enumerate(lines))

    def cell(self, index: int) -> str:
        group = self.gist.groups[index]
        name = self.name(group.concept)
        if index not in self.seen:
            self.seen.append(index)
        return self.adjective(group, name) + name

    # --- lettering ---

    def lettering(self, line: Lettering, full: bool) -> str:
        """写着“你好”, with as much of colour, font and place as the density calls for; a clause without subject."""
        rng = self.rng
        text = quoted_zh(line.text, rng.choice(_QUOTES))
        share = 1.0 if full else 0.5 if self.density == "medium" else 0.2
        colour = colour_zh(line.colour, rng) if rng.random() < share else ""
        font = rng.choice(wording.FONT_ZH[line.font]) if rng.random() < share else ""
        place = rng.choice(wording.PLACE_ZH[wording.ninth(line.x, line.y)]) if rng.random() < share else ""
        style = f"用{colour}{'的' if colour and (font or colour[0] == '#') else ''}{font or '字'}" if colour or font else ""
        if style:
            return f"{place}{style}写着{text}"
        return f"{place}{rng.choice(('写着', '写着', '写着', '有文字'))}{text}"

    # --- whole captions ---

    def caption(self) -> str:
        return self.long() if self.dense else self.brief()

    def body(self) -> tuple[str, str]:
        """(things, lettering), either may be empty but not both."""
        words = "，".join(self.lettering(line, False) for line in self.scene.lettering)
        if not self.scene.items:
            return words or self.rng.choice(("一张空白的图", "空白画布")), ""
        return self.main(), words

    def brief(self) -> str:
        """One phrase: prefix, things, lettering, style, background."""
        rng, short = self.rng, self.density == "short"
        style = rng.choice(wording.STYLE_ZH[self.gist.style]) if self.gist.style and rng.random() < (0.62 if short else 0.88) else ""
        things, words = self.body()
        clause = "，" in things or "：" in things or not self.scene.items or bool(self.gist.links) or self.tell_places
        draw = rng.random()
        tail: list[str] = []
        if style and draw < 0.2 and self.scene.items:
            said = f"{style}的{rng.choice(_PICTURE)}：{things}" if clause or things[0] == "#" else f"{style}的{things}"
        elif draw < 0.44:
            forms = _LETTERED if not self.scene.items else _CLAUSE if clause else _GENERIC if draw < 0.32 else _IMPERATIVE
            said = rng.choice(forms).format(things)
        else:
            said = things
        if style and not said.startswith(style):
            tail.append(style)
        background = self.scene.background
        if rng.random() < (0.6 if short else 0.88):
            if background.kind == "backdrop" and said == things and rng.random() < 0.5:
                place = rng.choice(wording.BACKDROP_ZH[background.name][0])
                said = f"{place}，{said}" if clause else f"{place}{rng.choice(('的', '有'))}{said}"
            else:
                tail.append(background_zh(background, rng))
        rng.shuffle(tail)
        said = "，".join([part for part in (said, words, *tail) if part])
        return said + ("。" if rng.random() < 0.25 else "")

    def long(self) -> str:
        """Several sentences that say everything the scene holds."""
        rng = self.rng
        form = {"wide": "横", "tall": "竖"}.get(shape(self.scene), "")
        look = f"一张{form + '版的' if form and rng.random() < 0.6 else ''}"
        style = rng.choice(wording.STYLE_ZH[self.gist.style]) if self.gist.style and not self.mixed else ""
        look += f"{style}的{rng.choice(_PICTURE)}" if style else rng.choice(_PICTURE)
        if not self.scene.items:
            sentences = [look + ("，上面只有文字。" if self.scene.lettering else "，上面什么也没有。")]
        else:
            things = self.main()
            sentences = [look + (f"：{things}。" if self.gist.links or self.scene.grid else f"，{rng.choice(('画着', '上面有', '画的是'))}{things}。")]
            if not self.scene.grid:
                sentences += self.details()
        sentences += [self.lettering(line, True) + "。" for line in self.scene.lettering]
        sentences.append(background_sentence_zh(self.scene.background, rng))
        return "".join(sentences)

    def details(self) -> list[str]:
        """Where everything is and how it is turned."""
        order = self.seen + [g for g in range(len(self.gist.groups)) if g not in self.seen]
        clauses = [self.detail(g) for g in order]
        return ["；".join(clauses) + "。"] if len(clauses) > 3 or self.rng.random() < 0.5 else [c + "。" for c in clauses]

    def detail(self, index: int) -> str:
        group, rng = self.gist.groups[index], self.rng
        items = [self.scene.items[i] for i in group.members]
        name = self.refer(index)
        if len(items) > 1:
            line = arrangement(self.scene, group)
            if line:
                return f"{name}排成一{'行' if line == 'row' else '列'}"
            if len(items) > 6:
                return f"{name}{rng.choice(('分布在整个画面中', '散落在画面各处'))}"
            told = Counter(place_of(i) for i in items)
            if len(told) == 1:
                return f"{name}都在{wording.PLACE_ZH[next(iter(told))][0]}"
            if len(told) == len(items):
                return f"{name}分别在{join_zh([wording.PLACE_ZH[place][0] for place in told])}"
            unit = nouns.classifier(group.concept, self.name(group.concept))
            return f"{name}：" + "，".join(f"{wording.NUMBERS_ZH[n]}{unit}在{wording.PLACE_ZH[place][0]}" for place, n in told.items())
        said = f"{name}在{rng.choice(wording.PLACE_ZH[place_of(items[0])])}"
        degrees = round((items[0].turn + 180) % 360 - 180)
        if items[0].flip:
            said += "，左右翻转"
        if abs(degrees) >= 165:
            said += "，上下颠倒"
        elif abs(degrees) >= 5:
            said += f"，{'顺' if degrees > 0 else '逆'}时针转{abs(degrees)}度"
        return said + ("，带柔和的阴影" if items[0].shadow else "")


def caption_zh(scene: Scene, rng: random.Random, density: str) -> str:
    """One Chinese wording of the scene; `density` is "short", "medium" or "dense"."""
    said = Chinese(scene, rng, density).caption()
    return re.sub("的的", "的", said) if "的的" in said else said
