"""`sayso keys`: API keys of the server's data folder: made, listed, revoked."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sayso.cli import options
from sayso.errors import BadInput

if TYPE_CHECKING:
    from sayso.studio.service import Studio

DAY = 86_400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", choices=("create", "list", "revoke"), help="what to do")
    add("name", nargs="?", help="create: a name for the key; revoke: its id")
    add("--admin", action="store_true", help="it may make and revoke keys, load and unload engines")
    add("--rate", type=options.whole("rate", 0, 1_000_000), default=0, help="requests a minute; 0: as in the settings")
    add("--quota", type=options.whole("quota", 0, 1_000_000), default=0, help="pictures a day; 0: as in the settings")
    add("--days", type=options.whole("days", 1, 36_500), help="days until it expires; default: never")
    add("--data", help="folder of the server's data")
    add("--config", type=Path, metavar="FILE", help="the server's TOML file of settings")


def run(args: argparse.Namespace) -> int:
    """Raises BadInput for a missing or superfluous name, NotFound for an unknown id."""
    if (args.name is None) != (args.action == "list"):
        raise BadInput("name the key" if args.name is None else f'cannot use "{args.name}" with list; leave it out')
    from sayso.studio.service import build
    from sayso.studio.settings import load

    studio = build(load(args.config, workers=0, **({"data": args.data} if args.data else {})))
    studio.start()
    try:
        _act(studio, args)
    finally:
        studio.stop()
    return 0


def _act(studio: Studio, args: argparse.Namespace) -> None:
    if args.action == "create":
        expires = None if args.days is None else time.time() + args.days * DAY
        key, secret = studio.create_key(args.name, admin=args.admin, rate=args.rate, quota=args.quota, expires=expires)
        print(secret)
        print(f"{key.id}: keep the line above, it is shown this once", file=sys.stderr)
    elif args.action == "revoke":
        studio.revoke_key(args.name)
    else:
        every = studio.keys()
        for key in every:
            state = "revoked" if key.revoked else "expired" if key.expires and key.expires < time.time() else "admin" if key.admin else "valid"
            print(f"{key.id}  {key.hint}…  {state:<8}  {key.name}")
