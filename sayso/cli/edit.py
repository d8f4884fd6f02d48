"""`sayso edit`: one picture changed in words, or a new one made from several."""

from __future__ import annotations

import argparse
from pathlib import Path

from sayso.cli import draw, options, pictures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", help="what is to change, in English or Chinese; in quotes")
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", type=Path, help="the picture to edit; with several, all are looked at")
    options.making(parser)


def run(args: argparse.Namespace) -> int:
    """Edits; prints the files' names last on standard output, or one JSON object."""
    from sayso.types import Ability

    given = pictures.given(args.pictures)
    return draw.make(args, draw.order(args, Ability.EDIT if len(given) == 1 else Ability.REFERENCES,
                                      "edit a picture" if len(given) == 1 else "use several pictures", given))
