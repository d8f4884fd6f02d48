"""Conversations about one picture: a caption, then instructions, each with the scene that it leads to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sayso.errors import BadInput
from sayso.world.captions import caption
from sayso.world.edits import Edit, sample_edit
from sayso.world.scene import Scene

BACK = 0.12  # share of turns that go back to the picture before the last and change that
_BACK_EN = ("go back to the picture before, and {}", "undo that, and {} instead", "take the previous picture and {}")
_BACK_ZH = ("回到上一张图，{}", "撤销刚才的修改，{}", "用前一张图，{}")


@dataclass(frozen=True)
class Turns:
    """`words[0]` captions `scenes[0]`; words[k] asks for scenes[k], made from scenes[bases[k]]. `edits[k - 1]`: how."""

    words: tuple[str, ...]
    scenes: tuple[Scene, ...]
    bases: tuple[int, ...]
    edits: tuple[Edit, ...]


def sample_turns(
    scene: Scene, rng: random.Random, language: str, concepts: Sequence[str], styles: Sequence[str], count: int, back: float = BACK
) -> Turns:
    """A conversation with `count` pictures that begins with `scene`. Raises BadInput where the scene allows no edit."""
    words, scenes, bases, edits = [caption(scene, rng, language, "medium")], [scene], [0], []
    while len(scenes) < count:
        base = len(scenes) - 1
        returns = base > 0 and rng.random() < back
        if returns:
            base = bases[base]  # what the last picture was made from
        edit = sample_edit(scenes[base], rng, language, concepts, styles)
        said = edit.instruction
        if returns:
            said = _bare(said)
            said = rng.choice(_BACK_EN if language == "en" else _BACK_ZH).format(said)
        words.append(said)
        scenes.append(edit.after)
        bases.append(base)
        edits.append(replace(edit, instruction=said))
    return Turns(tuple(words), tuple(scenes), tuple(bases), tuple(edits))


def _bare(said: str) -> str:
    """The instruction as the second half of a sentence."""
    for polite in ("please ", "Please ", "now ", "Now ", "请"):
        said = said.removeprefix(polite)
    for end in (".", "。", ", please"):
        said = said.removesuffix(end)
    if not said:
        raise BadInput("an instruction is empty; give words for the edit")
    return said[:1].lower() + said[1:]
