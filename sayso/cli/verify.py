"""`sayso verify`: what can be told about a picture's file, each finding apart and never one verdict."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sayso.errors import BadInput

LARGEST = 256 * 2**20  # bytes of a file that is read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a PNG, JPEG, WebP, AVIF or GIF file")
    parser.add_argument("--manifest", metavar="FILE", type=Path, help="a manifest that lies beside the picture (.c2pa)")
    parser.add_argument("--quick", action="store_true", help="do not look for marks at small turns and unknown scales, as in screenshots")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def contents(path: Path) -> bytes:
    """The bytes of a file; raises BadInput when it cannot be read or is too large."""
    try:
        if path.stat().st_size > LARGEST:
            raise BadInput(f'"{path}" is larger than {LARGEST >> 20} MB; make it smaller')
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f'"{path}" cannot be read ({error.strerror}); check the name') from error


def run(args: argparse.Namespace) -> int:
    """Prints the findings; exit code 0 whatever they are, since none of them is a verdict."""
    data = contents(args.file)
    sidecar = None if args.manifest is None else contents(args.manifest)
    from sayso.trust import verify
    from sayso.trust.seal import Sealer

    findings = verify.check(data, Sealer(), sidecar, thorough=not args.quick)
    if args.json:
        told = [{"kind": one.kind, "sentence": one.sentence, **one.facts} for one in findings]
        print(json.dumps({"file": str(args.file), "findings": told}, ensure_ascii=False, indent=2, default=str))
        return 0
    for one in findings:
        print(f"{one.kind}: {one.sentence}")
    return 0
