"""How HiDream-E1 wants an edit to be worded: an instruction and, for E1 Full, a description of the picture it should become."""

from __future__ import annotations

from dataclasses import dataclass

INSTRUCTION, TARGET = "Editing Instruction:", "Target Image Description:"
QUESTION = (  # what an engine that sees the picture is asked, so that an edit gets its description
    "Look at the picture and at the wish for a change. Answer in exactly three lines and nothing else: first a description of the picture, "
    "then the change as one plain instruction, then a description of the picture as it will be after the change."
)


@dataclass(frozen=True)
class Instruction:
    """`edit` is read while the source is in view, `target` while the result is polished."""

    edit: str
    target: str


def worded(prompt: str, target: str | None, formatted: bool) -> Instruction:
    """A person's words as the model was trained on them.

    A prompt that already has the format stays as it is. `formatted`: E1 Full's one line, of which the description repeats the
    instruction when nobody gave one; E1.1 takes plain instructions. Without a description the polish reads the instruction.
    """
    prompt = " ".join(prompt.split())
    if TARGET in prompt:
        return Instruction(prompt, (target or prompt.split(TARGET, 1)[1]).strip())
    if not formatted:
        return Instruction(prompt, " ".join((target or prompt).split()))
    told = prompt.removeprefix(INSTRUCTION).strip().rstrip(".")
    described = " ".join((target or told).split())
    return Instruction(f"{INSTRUCTION} {told}. {TARGET} {described}", described)


def refined(answer: str) -> str | None:
    """The prompt from such an answer; None when it is not of three lines."""
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    if len(lines) != 3:
        return None
    return f"{INSTRUCTION} {lines[1].rstrip('.')}. {TARGET} {lines[2]}"
