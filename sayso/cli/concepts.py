"""`sayso concepts`: what the model knows of the drawn world, searchable in English and Chinese, with thumbnails."""

from __future__ import annotations

import argparse
import json
import os
import sys
from itertools import groupby
from typing import TYPE_CHECKING, cast

from sayso.cli import options

if TYPE_CHECKING:
    from sayso.world.art import Concept

THUMBNAIL = 64  # pixels of one style's thumbnail
THUMBNAIL_COLUMNS = 60  # character cells of a row of thumbnails, one for each style


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("word", metavar="WORD", nargs="?", help="a name, synonym or keyword, English or Chinese; default: list what the engine knows")
    add("--all", action="store_true", help="list every concept of the drawn world, not only what the engine knows")
    add("--limit", type=options.whole("limit", 1, 10_000), default=20, help="most answers to a WORD; default 20")
    add("--engine", default=None, help="whose knowledge; see sayso engines; default: pocket")
    add("--thumbnails", action="store_true", help="show each concept in the five styles, in the terminal's best way")
    add("--show", choices=("auto", "kitty", "sixel", "blocks"), default="auto", help="how to show thumbnails")
    add("--json", action="store_true", help="print a JSON list")


def known_by(name: str | None) -> tuple[str, frozenset[str] | None, str]:
    """The engine's name, the slugs that it knows (None: it keeps no list, or is not usable) and a remark for a person."""
    from sayso.engines import registry

    info = registry.info(name or registry.DEFAULT)
    if info.knows is None:
        return info.name, None, f'the engine "{info.name}" keeps no list of what it knows; this is the whole drawn world'
    if reason := info.missing():
        return info.name, None, f'what the engine "{info.name}" knows cannot be told: {reason}; this is the whole drawn world'
    return info.name, info.knows(), ""


def chosen(word: str | None, limit: int, every: bool, known: frozenset[str] | None) -> list[Concept]:
    """The concepts to list; raises Unknown with the nearest name when a word finds nothing."""
    from sayso.errors import Unknown
    from sayso.world import art

    if word is not None:
        if not (found := art.find(word, limit)):
            raise Unknown("concept", word, tuple(art.names()))
        return found
    return [concept for concept in art.concepts() if every or known is None or concept.slug in known]


def strip(slug: str, way: str) -> str:
    """The concept in the five styles beside each other on white; `way` as in `--show`, "auto" asks the environment."""
    from sayso.cli import show
    from sayso.world.render import render
    from sayso.world.scene import STYLES, Background, Item, Scene, Style

    count = len(STYLES)
    items = tuple(Item(slug, cast(Style, style), (i + 0.5) / count, 0.5, 0.9) for i, style in enumerate(STYLES))
    pixels = render(Scene(THUMBNAIL * count, THUMBNAIL, Background("solid", ("#ffffff",)), items))
    best = show.detect(os.environ, is_terminal=sys.stdout.isatty()) if way == "auto" else cast(show.Way, way)
    return show.picture(pixels, "blocks" if best == "none" else best, THUMBNAIL_COLUMNS)


def row(concept: Concept, known: frozenset[str] | None) -> str:
    """One concept in words: character, names, and whether it is known."""
    mark = "" if known is None or concept.slug in known else "  (not known to the model)"
    return f"{concept.char}  {', '.join(concept.en)}  ·  {'、'.join(concept.zh)}{mark}"


def _groups(concepts: list[Concept]) -> str:
    lines = []
    for group, members in groupby(sorted(concepts, key=lambda c: c.group), key=lambda c: c.group):
        names = [f"{concept.char} {concept.en[0]}" for concept in members]
        lines += [f"{group} ({len(names)})", "  " + " · ".join(names)]
    return "\n".join(lines)


def run(args: argparse.Namespace) -> int:
    from sayso.errors import BadInput

    if args.json and args.thumbnails:
        raise BadInput("--json and --thumbnails both want standard output; leave one out")
    engine, known, remark = known_by(args.engine)
    concepts = chosen(args.word, args.limit, args.all, known)
    if args.json:
        rows = [{"slug": c.slug, "char": c.char, "en": c.en, "zh": c.zh, "group": c.group,
                 "known": None if known is None else c.slug in known} for c in concepts]
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    if remark:
        print(f"note: {remark}", file=sys.stderr)
    if args.word is None and not args.thumbnails:
        print(_groups(concepts))
        print(f"{len(concepts)} concepts{f' that {engine} knows' if known is not None and not args.all else ''}", file=sys.stderr)
        return 0
    for concept in concepts:
        print(row(concept, known))
        if args.thumbnails:
            sys.stdout.write(strip(concept.slug, args.show))
    return 0
