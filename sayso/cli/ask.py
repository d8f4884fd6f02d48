"""`sayso ask`: a question about pictures, or without any; the answer goes to standard output."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from sayso.cli import draw, options, pictures, tuning
from sayso.errors import SaysoError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("question", metavar="QUESTION", help="in English or Chinese; in quotes")
    add("pictures", metavar="PICTURE", nargs="*", type=Path, help="the pictures it is about")
    add("--think", action="store_true", help="let the engine think first; the thought is shown")
    add("--seed", type=options.seed, default=0, help='whole number or "random"; acts where the engine chooses words at random; default 0')
    add("--json", action="store_true", help="print one JSON object instead of the answer")
    options.engine(parser)


def run(args: argparse.Namespace) -> int:
    """Asks; prints the answer, or one JSON object. Raises SaysoError when the engine fails or says nothing."""
    from sayso.cli.progress import Progress
    from sayso.engines import registry
    from sayso.trust import plugin
    from sayso.types import Ability, Ask, Failed, Message, Part, Said, Step, Text, Thought

    info = registry.info(args.engine or registry.DEFAULT)
    question = options.prompt(args.question, info.prompt_limit)
    tuning.check_able(info, Ability.ASK, "answer questions")
    if args.think:
        tuning.check_able(info, Ability.THINK, "think first")
    tuned = tuning.read(args, info)
    given = pictures.given(args.pictures)
    tuning.check_ready(info, tuned, "answer")
    parts: tuple[Part, ...] = (*(picture for picture, _ in given), Text(question))
    ask = Ask((Message("user", parts),), "text", seed=args.seed, think=args.think, options=tuned.ask)
    if info.check is not None:
        info.check(ask)
    gate = draw.Gate(plugin.policy(), plugin.sealer())
    gate.pass_("prompt", ask)
    if given:
        gate.pass_("inputs", ask)
    thoughts, said, start = [], [], time.perf_counter()
    with draw.terminable(), Progress() as say:
        say.loading(info.name)
        for event in tuning.load(info, args.device, tuned).respond(ask):
            if isinstance(event, Thought):
                thoughts.append(event.text)
                say.remark(f"thought: {event.text}")
            elif isinstance(event, Said):
                said.append(event.text)
            elif isinstance(event, Step):
                say.step(event.index, event.total)
            elif isinstance(event, Failed):
                raise SaysoError(f'the engine "{info.name}" could not answer: {event.reason}')
    if not said:
        raise SaysoError(f'the engine "{info.name}" said nothing; ask in other words')
    answer = "\n".join(said)
    if args.json:
        print(json.dumps({"answer": answer, "thought": "".join(thoughts), "engine": info.name,
                          "seconds": round(time.perf_counter() - start, 3)}, ensure_ascii=False))
    else:
        print(answer)
    return 0
