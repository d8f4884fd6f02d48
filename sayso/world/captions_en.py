"""English captions of a scene, in many wordings; see `captions.caption` for what they promise."""

from __future__ import annotations

import random
from collections import Counter

from sayso.world import colours, nouns, wording
from sayso.world.gist import (
    OPPOSITE,
    Gist,
    Group,
    Link,
    arrangement,
    gist,
    group_size,
    parted,
    place_of,
    shape,
    without_directions,
)
from sayso.world.phrases_en import background_en, background_sentence_en, colour_en, join_en, quoted, style_phrase_en
from sayso.world.scene import Item, Lettering, Scene

_RELATION: dict[str, tuple[str, ...]] = {
    "left of": ("to the left of", "left of", "to the left of", "on the left of", "on the left side of"),
    "right of": ("to the right of", "right of", "to the right of", "on the right of", "on the right side of"),
    "above": ("above", "above", "over", "above"),
    "below": ("below", "under", "beneath", "below", "underneath"),
    "between": ("between", "between", "in between"),
    "inside": ("inside", "in", "inside"),
    "on": ("on", "on", "on top of"),
    "wearing": ("wearing", "wearing", "that wears"),
    "holding": ("holding", "holding", "carrying"),
}
_FINITE = {"wearing": "wears", "holding": "holds"}
_GENERIC = ("a picture of ", "an image of ", "a photo of ", "a drawing of ", "an illustration of ", "a picture with ")
_IMPERATIVE = ("draw ", "draw me ", "please draw ", "show me ", "make ", "create ", "make a picture of ", "create an image of ",
               "generate an image of ", "I want ", "I'd like a picture of ", "give me ", "paint ", "can you draw ")
_PICTURE = ("picture", "picture", "illustration", "image", "drawing")
_QUOTES = (('"', '"'), ('"', '"'), ("“", "”"), ("'", "'"))
_BY_HEX = {c.hex: c for c in colours.COLOURS}


class English:
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
        self.tell_places = self.dense is False and rng.random() < (0.3 if density == "medium" else 0.12)

    # --- noun phrases ---

    def noun(self, concept: str) -> nouns.Noun:
        if concept not in self.names:
            said = nouns.said_en(concept)
            name = said[0] if len(said) == 1 or self.rng.random() < 0.72 else self.rng.choice(said)
            self.names[concept] = nouns.cased(name) if self.rng.random() < 0.6 else name
        return nouns.english(concept, self.names[concept])

    def tint(self, group: Group, name: str) -> tuple[str, str]:
        """Adjective before and words after the noun for the tint."""
        if group.tint is None:
            return "", ""
        word = colour_en(group.tint, self.rng, 0.88)
        if wording.has_colour_word(name) or (word[0] == "#" and self.rng.random() < 0.3):
            return "", f" {self.rng.choice(('in', 'coloured', 'tinted', 'colored'))} {word}"
        return word, ""

    def introduce(self, index: int) -> str:
        """The noun phrase at first mention, with size, style (when styles are mixed) and tint."""
        group, rng = self.gist.groups[index], self.rng
        noun = self.noun(group.concept)
        before, after = self.tint(group, noun.name)
        size = group_size(self.scene, group) if self.tell_sizes and self.scene.grid is None else None
        style_before = ""
        if self.tell_item_styles:
            word = rng.choice(wording.STYLE_EN[group.style])
            if rng.random() < 0.5:
                style_before = f"{word}-style"
            else:
                after += f" in {word} style"
        sizes = {"big": ("big", "large"), "small": ("small", "tiny", "little")}
        adjective = " ".join(w for w in (rng.choice(sizes[size]) if size else "", style_before, before) if w)
        twin = any(self._alike(index, other) for other in self.seen)
        self.seen.append(index)
        if len(group.members) > 1:
            number = str(len(group.members)) if self.digits or len(group.members) > 20 else wording.NUMBERS_EN[len(group.members)]
            return nouns.counted(noun, number + (" more" if twin else ""), adjective) + after
        if twin:
            return ("another " + nouns.bare(noun, adjective) if noun.form == "c" else "more " + nouns.bare(noun, adjective)) + after
        return nouns.indefinite(noun, adjective, rng.random() < 0.4) + after

    def _alike(self, a: int, b: int) -> bool:
        """Whether the two groups would be introduced with the same words."""
        one, two = self.gist.groups[a], self.gist.groups[b]
        return (one.concept, one.tint, one.style) == (two.concept, two.tint, two.style)

    def refer(self, index: int) -> str:
        """The noun phrase when the group is known already: "the fox", "the red foxes", "the second fox"."""
        group = self.gist.groups[index]
        noun = self.noun(group.concept)
        rivals = [g for g in self.seen if g != index and self.gist.groups[g].concept == group.concept]
        adjective = ""
        if rivals:
            known = _BY_HEX.get(group.tint or "")
            adjective = known.en[0] if known else group.tint or ""
            if any(self._alike(index, g) for g in rivals):
                order = [g for g in self.seen if self._alike(index, g)].index(index)
                adjective = f"{wording.ORDINALS_EN[min(order, 9)]} {adjective}".strip()
            elif any(self.gist.groups[g].tint == group.tint for g in rivals):
                adjective = f"{wording.STYLE_EN[group.style][0]}-style {adjective}".strip()
        if len(group.members) > 1:
            words = f"{adjective} {noun.many}" if adjective else noun.many
            return f"the {words}"
        return "the " + nouns.bare(noun, adjective)

    def name_it(self, index: int) -> str:
        return self.refer(index) if index in self.seen else self.introduce(index)

    def plural(self, index: int) -> bool:
        group = self.gist.groups[index]
        return len(group.members) > 1 or self.noun(group.concept).form == "p"

    # --- relations ---

    def link(self, link: Link, first: bool) -> str:
        """One relation as a noun phrase ("a fox left of a car") or, between known things, as a clause."""
        rng = self.rng
        known = [g for g in (link.subject, *link.objects) if g in self.seen]
        if not first and known:
            return self._later_link(link)
        opposite = OPPOSITE.get(link.kind)
        if len(link.objects) == 1 and rng.random() < 0.22 and (special := self._special(link)) is not None:
            return special
        if opposite and rng.random() < 0.2:
            subject = self.name_it(link.objects[0])
            return f"{subject} {rng.choice(_RELATION[opposite])} {self.name_it(link.subject)}"
        subject = self.name_it(link.subject)
        return f"{subject} {self.relation(link)} {self.objects(link)}"

    def relation(self, link: Link) -> str:
        word = self.rng.choice(_RELATION[link.kind])
        return "that wear" if word == "that wears" and self.plural(link.subject) else word

    def objects(self, link: Link) -> str:
        if link.kind == "between" and len(link.objects) == 2:
            a, b = link.objects if self.rng.random() < 0.5 else link.objects[::-1]
            first = self.name_it(a)
            return f"{first} and {self.name_it(b)}"
        return self.name_it(link.objects[0])

    def _special(self, link: Link) -> str | None:
        """Wordings that turn the sentence round: "a box with a cat inside", "a fox on the left and a car on the right"."""
        rng, thing = self.rng, link.objects[0]
        if link.kind in OPPOSITE:
            if not parted(self.scene, self.gist, link):
                return None
            here, there = {"left of": ("on the left", "on the right"), "right of": ("on the right", "on the left"),
                           "above": ("at the top", "at the bottom"), "below": ("at the bottom", "at the top")}[link.kind]
            a, b = self.introduce(link.subject), self.introduce(thing)
            if rng.random() < 0.5:
                return f"{a} {here} and {b} {there}"
            return f"{b} {there} and {a} {here}" if rng.random() < 0.5 else f"{a} and {b}, {self.refer(link.subject)} {here}"
        if self.plural(thing) and link.kind in ("inside", "on"):
            return None
        if link.kind == "inside":
            outer = self.introduce(thing)
            inner = self.introduce(link.subject)
            return f"{outer} with {inner} inside" if rng.random() < 0.6 else f"{outer} containing {inner}"
        if link.kind == "on":
            lower = self.introduce(thing)
            return f"{lower} with {self.introduce(link.subject)} on {'it' if rng.random() < 0.6 else 'top'}"
        if link.kind == "wearing":
            wearer = self.introduce(link.subject)
            return f"{wearer} with {self.introduce(thing)} on"
        if link.kind == "holding" and not self.plural(link.subject):
            return f"{self.introduce(link.subject)} with {self.introduce(thing)} in its hand"
        return None

    def _later_link(self, link: Link) -> str:
        """A relation that touches something said before, as a clause after a comma."""
        rng, opposite = self.rng, OPPOSITE.get(link.kind)
        if link.subject not in self.seen:
            return f"with {self.introduce(link.subject)} {self.relation(link)} {self.objects(link)}"
        if opposite and link.objects[0] not in self.seen:
            new = self.introduce(link.objects[0])
            return f"with {new} {rng.choice(_RELATION[opposite])} {self.refer(link.subject)}"
        subject, many = self.refer(link.subject), self.plural(link.subject)
        if link.kind in _FINITE:
            verb = _FINITE[link.kind][:-1] if many else _FINITE[link.kind]
        else:
            verb = f"{'are' if many else 'is'} {self.relation(link)}"
        return f"and {subject} {verb} {self.objects(link)}"

    # --- the main clause ---

    def main(self) -> str:
        """Everything that stands in the picture, as one noun phrase or list of them."""
        if self.scene.grid is not None and self.scene.items:
            return self.grid(*self.scene.grid)
        loose = list(self.gist.loose)
        self.rng.shuffle(loose)
        if not self.gist.links:
            return join_en([self.introduce(g) + self.spot(g) for g in loose], self.rng)
        links = list(self.gist.links)
        if loose and self.rng.random() < 0.3:
            head = join_en([self.introduce(g) + self.spot(g) for g in loose])
            said = head + ", and " + self.link(links[0], True)
            loose = []
        else:
            said = self.link(links[0], True)
        previous = links[0]
        for link in links[1:]:
            goes_on = link.subject == previous.subject and said.endswith(self._tail(previous))
            if goes_on and link.objects[0] not in self.seen and link.kind in OPPOSITE:
                said += f" and {self.relation(link)} {self.objects(link)}"
            else:
                clause = self.link(link, False)
                said += f", {clause}" if clause.startswith(("with ", "and ")) else f", and {clause}"
            previous = link
        if loose:
            said += self.rng.choice((", plus ", ", and also ", ", together with ")) + join_en([self.introduce(g) for g in loose], self.rng)
        return said

    def _tail(self, link: Link) -> str:
        """The bare name that the text ends with when `link` was said last in its plain form."""
        noun = self.noun(self.gist.groups[link.objects[-1]].concept)
        return noun.many if len(self.gist.groups[link.objects[-1]].members) > 1 else noun.name

    def spot(self, index: int) -> str:
        """Where a single loose item is, when this caption tells places; middle places are told more rarely."""
        group = self.gist.groups[index]
        if not self.tell_places or len(group.members) > 1 or len(self.gist.groups) > 6:
            return ""
        place = place_of(self.scene.items[group.members[0]])
        if place == 4 and self.rng.random() < 0.6:
            return ""
        return " " + self.rng.choice(wording.PLACE_EN[place])

    def grid(self, rows: int, columns: int) -> str:
        """"a 2x3 grid of icons, row 1: …; row 2: …", or "a 4x4 grid of apples" when all cells are alike."""
        rng, items = self.rng, self.scene.items
        size = rng.choice((f"{rows}x{columns}", f"{rows}x{columns}", f"{rows} by {columns}", f"{rows}×{columns}"))
        art_word = "an" if rows in (8, 11, 18) else "a"
        if len(self.gist.groups) == 1:
            group = self.gist.groups[0]
            noun = self.noun(group.concept)
            before, after = self.tint(group, noun.name)
            return f"{art_word} {size} grid of {nouns.counted(noun, '', before)}{after}"
        cells = [self.cell(g) for i in range(len(items)) for g in range(len(self.gist.groups)) if i in self.gist.groups[g].members]
        if min(rows, columns) == 1:
            way = "from left to right" if rows == 1 else "from top to bottom"
            line = rng.choice(("a row of", "a line of")) if rows == 1 else rng.choice(("a column of", "a stack of"))
            listed = join_en(cells, rng)
            return rng.choice((f"{way}: {listed}", f"{line} {len(items)} {rng.choice(('icons', 'things', 'drawings'))}, {way}: {listed}"))
        lines = [cells[r * columns:(r + 1) * columns] for r in range(rows)]
        of = rng.choice(("", " of icons", " of drawings", " of things"))
        draw = rng.random()
        if draw < 0.45:
            body = "; ".join(f"row {r + 1}: {', '.join(line)}" for r, line in enumerate(lines))
            return f"{art_word} {size} grid{of}{rng.choice((', ', '; '))}{body}"
        if draw < 0.75 or rows > 10:
            heads = {0: "top row", rows - 1: "bottom row"} if rows == 2 else {}
            body = "; ".join(f"{heads.get(r) or wording.ORDINALS_EN[min(r, 9)] + ' row'}: {join_en(line)}" for r, line in enumerate(lines))
            return f"{art_word} {size} grid{of}, {body}"
        body = "; ".join(", ".join(line) for line in lines)
        return f"a grid{of} with {rows} rows and {columns} columns: {body}"

    def cell(self, index: int) -> str:
        group = self.gist.groups[index]
        noun = self.noun(group.concept)
        before, after = self.tint(group, noun.name)
        if self.tell_item_styles:
            before = f"{wording.STYLE_EN[group.style][0]}-style {before}".strip()
        if index not in self.seen:
            self.seen.append(index)
        return nouns.bare(noun, before) + after

    # --- lettering ---

    def lettering(self, line: Lettering, full: bool) -> str:
        """"the words "HELLO"" with as much of colour, font and place as the density calls for."""
        rng = self.rng
        text = quoted(line.text, rng.choice(_QUOTES))
        alone = " " not in line.text.strip()
        word = "text" if not line.text.replace(" ", "").isalpha() else "word" if alone else "words"
        share = 1.0 if full else 0.5 if self.density == "medium" else 0.2
        said = f"the {rng.choice((word, word, 'text'))} {text}"
        if rng.random() < share:
            colour = colour_en(line.colour, rng)
            font = f"{rng.choice(wording.FONT_EN[line.font])} " if rng.random() < share else ""
            said += rng.choice((f" in {colour} {font}letters", f" written in {colour}" + (f" in a {font}font" if font else "")))
        elif rng.random() < share:
            font = rng.choice(wording.FONT_EN[line.font])
            said += f" in {wording.article(font)} {font} font"
        if rng.random() < share:
            said += " " + rng.choice(wording.PLACE_EN[wording.ninth(line.x, line.y)])
        return said

    def letterings(self) -> str:
        return join_en([self.lettering(line, False) for line in self.scene.lettering], self.rng)

    # --- whole captions ---

    def caption(self) -> str:
        return self.long() if self.dense else self.brief()

    def body(self) -> str:
        """Items and lettering together; never empty."""
        if not self.scene.items and not self.scene.lettering:
            return self.rng.choice(("an empty picture", "nothing", "a blank canvas"))
        if not self.scene.items:
            return self.letterings()
        main = self.main()
        if self.scene.lettering:
            main += self.rng.choice((" with ", " and ", ", with ", " and ")) + self.letterings()
        return main

    def brief(self) -> str:
        """One phrase: prefix, things, style, background; sometimes with a capital and a full stop."""
        rng, short = self.rng, self.density == "short"
        style = self.gist.style if rng.random() < (0.62 if short else 0.88) else None
        body = self.body()
        draw = rng.random()
        if style and draw < 0.14:
            word = rng.choice(wording.STYLE_EN[style])
            kind = "line drawing" if style == "line" and rng.random() < 0.5 else f"{word}-style {rng.choice(_PICTURE)}"
            said = f"{wording.article(kind)} {kind} of {body}"
            style = None
        elif draw < 0.26:
            said = rng.choice(_GENERIC) + body
        elif draw < 0.38:
            said = rng.choice(_IMPERATIVE) + body
        elif draw < 0.42 and not self.scene.grid and self.scene.items:
            many = len(self.gist.groups[self.seen[0]].members) > 1
            said = f"there {'are' if many else 'is'} {body}" if many or body.startswith(("a ", "an ")) else body
        else:
            said = body
        ground = background_en(self.scene.background, rng) if rng.random() < (0.6 if short else 0.88) else ""
        if self.scene.grid and "row" in said and ground.startswith(" "):
            ground = "," + ground  # not "…, car, tree on a red background", which would belong to the tree
        tail = f", {style_phrase_en(style, rng)}" if style else ""
        if ", the " in body and ground.startswith(" "):
            ground = "," + ground
        style_first = rng.random() < 0.5
        if style_first and tail and ground.startswith(" "):
            ground = "," + ground
        said += tail + ground if style_first else ground + tail
        return self.finish(said)

    def finish(self, said: str) -> str:
        """Now and then as a sentence: capital letter and the right mark at the end."""
        said = said.replace(" on on ", " on, on ")
        if said.startswith("can you "):
            said += "?"
        elif self.rng.random() < 0.3:
            said += "."
        elif self.rng.random() < 0.8:
            return said
        return said[:1].upper() + said[1:]

    def long(self) -> str:
        """Several sentences that say everything the scene holds."""
        rng = self.rng
        picture = rng.choice(_PICTURE)
        body = self.main() if self.scene.items else self.rng.choice(("nothing else", "no objects"))
        form = shape(self.scene)
        look = f"{form} " if form != "square" and rng.random() < 0.6 else ""
        style = self.gist.style if not self.mixed else None
        in_front = style is not None and rng.random() < 0.6
        if in_front and style is not None:
            look += f"{rng.choice(wording.STYLE_EN[style])}-style "
        opening = f"{wording.article(look or picture)} {look}{picture}"
        if not self.scene.items:
            said = [f"{opening} with only lettering"] if self.scene.lettering else [f"{opening} with nothing in it"]
        else:
            said = [f"{opening} {rng.choice(('of', 'of', 'showing', 'with'))} {body}"]
        ground = background_en(self.scene.background, rng) if rng.random() < 0.4 and not self.scene.grid else ""
        first = said[0] + ("" if in_front or style is None else f", {style_phrase_en(style, rng)}")
        first = first.removesuffix(" on") + " on," if first.endswith(" on") and ground.startswith(" on") else first
        sentences = [first[:1].upper() + first[1:] + ("," if ground.startswith(" ") and "," in first[-20:] else "") + ground + "."]
        if not self.scene.grid:
            sentences += self.details()
        sentences += [self._lettering_sentence(line) for line in self.scene.lettering]
        if not ground:
            sentences.append(background_sentence_en(self.scene.background, rng))
        return " ".join(sentences)

    def _lettering_sentence(self, line: Lettering) -> str:
        text = quoted(line.text, self.rng.choice(_QUOTES))
        place = self.rng.choice(wording.PLACE_EN[wording.ninth(line.x, line.y)])
        colour, font = colour_en(line.colour, self.rng), self.rng.choice(wording.FONT_EN[line.font])
        return self.rng.choice((
            f"The text {text} is written {place} in {colour} in {wording.article(font)} {font} font.",
            f"It says {text} {place} in {colour} {font} letters.",
            f"{place[:1].upper() + place[1:]} it reads {text} in {colour}, in {wording.article(font)} {font} font.",
        ))

    def details(self) -> list[str]:
        """Where everything is and how it is turned, one short clause a group."""
        order = [g for g in self.seen] + [g for g in range(len(self.gist.groups)) if g not in self.seen]
        clauses = [clause for g in order if (clause := self.detail(g))]
        if not clauses:
            return []
        if len(clauses) > 3 or self.rng.random() < 0.3:
            joined = "; ".join(clauses)
            return [joined[:1].upper() + joined[1:] + "."]
        return [c[:1].upper() + c[1:] + "." for c in clauses]

    def detail(self, index: int) -> str:
        group, rng = self.gist.groups[index], self.rng
        items = [self.scene.items[i] for i in group.members]
        name, be = self.refer(index), "are" if self.plural(index) else "is"
        if len(items) > 1:
            line = arrangement(self.scene, group)
            if line:
                where = f"stand in a {line}" if len(items) > 1 else ""
                return f"{name} {where}{self._row_place(group, line)}"
            if len(items) > 6:
                return f"{name} are {rng.choice(('spread over the picture', 'scattered around', 'all over the picture'))}"
            return f"{name} are {self._places(items)}"
        said = f"{name} {be} {rng.choice(wording.PLACE_EN[place_of(items[0])])}"
        extra = self._pose(items[0].flip, items[0].turn, items[0].shadow)
        return said + (", " + join_en(extra) if extra else "")

    def _places(self, items: list[Item]) -> str:
        """"both on the left", "two at the top and one in the middle"."""
        told = Counter(place_of(i) for i in items)
        if len(told) == 1:
            return f"{'both' if len(items) == 2 else 'all'} {wording.PLACE_EN[next(iter(told))][0]}"
        return join_en([f"{wording.NUMBERS_EN[n]} {wording.PLACE_EN[place][0]}" if len(told) < len(items) or len(items) > 2
                        else wording.PLACE_EN[place][0] for place, n in told.items()])

    def _row_place(self, group: Group, line: str) -> str:
        items = [self.scene.items[i] for i in group.members]
        if line == "row":
            y = sum(i.y for i in items) / len(items)
            return " at the top" if y < 0.37 else " at the bottom" if y > 0.63 else " across the middle"
        x = sum(i.x for i in items) / len(items)
        return " on the left" if x < 0.37 else " on the right" if x > 0.63 else " down the middle"

    def _pose(self, flip: bool, turn: float, shadow: bool) -> list[str]:
        rng, said = self.rng, []
        if flip:
            said.append(rng.choice(("mirrored", "flipped")))
        degrees = round((turn + 180) % 360 - 180)
        if abs(degrees) >= 165:
            said.append("upside down")
        elif abs(degrees) >= 5:
            way = "clockwise" if degrees > 0 else "counterclockwise"
            said.append(rng.choice((f"turned {abs(degrees)} degrees {way}", f"tilted to the {'right' if degrees > 0 else 'left'}",
                                    f"rotated {abs(degrees)}° {way}")))
        if shadow:
            said.append(rng.choice(("with a soft shadow", "casting a soft shadow")))
        return said


def caption_en(scene: Scene, rng: random.Random, density: str) -> str:
    """One English wording of the scene; `density` is "short", "medium" or "dense"."""
    return English(scene, rng, density).caption()
