"""Keeps two blocks of README.md true: the tree of files and the table of commands (--write changes, --check tells)."""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

FOLDERS = {  # folders whose __init__.py says nothing or that have none, and what they are
    ".ci": "what CI runs",
    "docs": "the log, decisions, what waits for a GPU, the contact sheet",
    "runs": "whole pipelines, from nothing to a model that draws",
    "scripts": "how committed data was made, and chores",
    "tests": "pytest; tests/golden holds numbers that must not drift",
    "sayso": "the package",
    "sayso/evals": "the score of a model: in-world bench, the judge's own examination, speed",
    "sayso/training": "data stream, losses, optimiser, loop",
    "sayso/world": "the drawn world: scenes as data, art, captions, an exact renderer, a fast compositor, a judge",
    "sayso/world/judge": "finds what is in a picture, independently of the model that drew it",
    "sayso/web/static": "the page itself: index.html, modules, stylesheets, art; each module begins with what it is for",
    "sayso/weights": "the bundled weights and their model card",
    "sayso/world/data": "art in five styles, fonts, names and words, with their licences",
}
SKIPPED = {".git", ".venv", "out", "build", "dist", "node_modules", "__pycache__", "runs/made"}
CLOSED = {"docs", "tests", "sayso/web/static", "sayso/weights", "sayso/world/data", ".ci"}  # listed as one line
LONGEST = 92  # characters of a description


def shorten(text: str) -> str:
    """The text, cut at the end of a clause when it is longer than LONGEST."""
    text = text.strip().rstrip(".")
    if len(text) <= LONGEST:
        return text
    cuts = [i for i in range(LONGEST) if text.startswith((". ", "; ", ": ", ", ", " ("), i) and text[:i].count("(") == text[:i].count(")")]
    return text[: cuts[-1]] if cuts else text[:LONGEST].rsplit(" ", 1)[0]


def described(path: Path) -> str:
    """One line about a file: a Python docstring's or a shell script's first comment line; raises SystemExit without one."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        line = (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
    else:
        line = next((row.lstrip("# ") for row in text.split("\n") if row.startswith("# ")), "")
    if not line:
        raise SystemExit(f"{path.relative_to(ROOT)} does not say what it is; begin it with a docstring or a comment")
    return shorten(line)


def _folder(path: Path) -> str:
    name = path.relative_to(ROOT).as_posix()
    if name in FOLDERS:
        return FOLDERS[name]
    if (path / "__init__.py").exists():
        return described(path / "__init__.py")
    raise SystemExit(f"the folder {name} is not in the FOLDERS of scripts/readme_tree.py; say there what it holds")


def rows(folder: Path, depth: int = 0) -> list[tuple[str, str]]:
    """(indented name, description) for a folder and all it shows, folders first, then files, by name."""
    out = []
    entries = sorted(folder.iterdir(), key=lambda p: (not p.is_dir(), p.name))
    for path in entries:
        name = path.relative_to(ROOT).as_posix()
        if path.is_dir():
            hidden = path.name.startswith(".") and path.name != ".ci"
            if {path.name, name} & SKIPPED or hidden or path.name.endswith(".egg-info") or not any(path.iterdir()):
                continue
            out.append(("  " * depth + path.name + "/", _folder(path)))
            if name not in CLOSED:
                out += rows(path, depth + 1)
        elif depth and path.suffix in (".py", ".sh") and path.name not in ("__init__.py", "__main__.py"):
            out.append(("  " * depth + path.name, described(path)))
    return out


def tree() -> str:
    """The block between the tree markers."""
    listed = rows(ROOT)
    width = max(len(name) for name, _ in listed)
    return "```\n" + "\n".join(f"{name:<{width}}  {text}" for name, text in listed) + "\n```"


def commands() -> str:
    """The block between the commands markers."""
    from sayso.cli.main import COMMANDS

    lines = [f"| `sayso {command.name}` | {command.summary} |" for command in COMMANDS]
    return "\n".join(["| command | does |", "|---|---|", *lines])


def renewed(readme: str) -> str:
    """The README with both blocks made anew; raises SystemExit when a marker is missing."""
    for name, block in (("tree", tree()), ("commands", commands())):
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if readme.count(begin) != 1 or readme.count(end) != 1:
            raise SystemExit(f"README.md must hold {begin} and {end} once each")
        head, rest = readme.split(begin)
        readme = f"{head}{begin}\n{block}\n{end}{rest.split(end)[1]}"
    return readme


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true")
    action.add_argument("--write", action="store_true")
    args = parser.parse_args()
    path = ROOT / "README.md"
    old = path.read_text(encoding="utf-8")
    new = renewed(old)
    if args.write:
        path.write_text(new, encoding="utf-8")
    elif new != old:
        print("README.md does not match the disk or the table of commands; run: make readme", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
