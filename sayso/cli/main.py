"""The table of commands, and the one place where errors become a sentence and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, cast

from sayso import __version__


@dataclass(frozen=True)
class Command:
    """`module` offers `add_arguments(parser)`, which must import nothing heavy, and `run(args) -> int`."""

    name: str  # one word, or two: "eval world"
    summary: str
    module: str


COMMANDS = (
    Command("draw", "draw a picture from words", "sayso.cli.draw"),
    Command("edit", "change a picture, or make one from several, in words", "sayso.cli.edit"),
    Command("ask", "ask a question, about pictures or without any", "sayso.cli.ask"),
    Command("concepts", "what the model knows, searchable in English and Chinese", "sayso.cli.concepts"),
    Command("engines", "the engines that are installed and what each can do", "sayso.cli.engines"),
    Command("pull", "fetch the weights of a published model", "sayso.cli.pull"),
    Command("chat", "a conversation that draws, edits and answers, in the terminal", "sayso.cli.chat"),
    Command("serve", "the OpenAI-compatible server and the studio", "sayso.server.serve"),
    Command("keys", "API keys for the server: create, list, revoke", "sayso.cli.keys"),
    Command("verify", "what can be told about a picture's file: manifests, mark, look-alikes", "sayso.cli.verify"),
    Command("policy", "what is not drawn, and how a prompt fares", "sayso.cli.policy"),
    Command("train", "train a model in the drawn world", "sayso.training.run"),
    Command("train finisher", "train the upscaler that finishes pictures", "sayso.training.finish_run"),
    Command("distil", "weights that draw in few steps and without guidance", "sayso.training.distil_run"),
    Command("eval world", "the score of a model on held-out prompts", "sayso.evals.world"),
    Command("eval judge", "how right the judge is on pictures whose content is known", "sayso.evals.judge"),
    Command("eval trust", "how well copies are found again after what happens to pictures", "sayso.evals.trust"),
    Command("bench pocket", "seconds per picture, memory, and pictures per second of training", "sayso.training.speed"),
    Command("bench hidream", "seconds per step of HiDream, beside diffusers in the same run", "sayso.engines.hidream.bench"),
    Command("bench bagel", "seconds per picture and per step, FLOP/s and memory, beside a plain schedule", "sayso.evals.bagel_speed"),
    Command("bench server", "pictures per second and waiting times of the server, beside the engine alone", "sayso.server.bench"),
)
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """argparse, except that a mistake is a BadInput with a remedy and options are never guessed from a prefix."""

    def __init__(self, prog: str, description: str):
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        from sayso.errors import BadInput

        raise BadInput(f"{message}; see {self.prog} --help")

    def options(self) -> list[str]:
        return [text for action in self._actions for text in action.option_strings]


def usage() -> str:
    """What `sayso --help` prints; made from the table alone, so that it answers at once."""
    width = max(len(command.name) for command in COMMANDS)
    rows = "\n".join(f"  {command.name:<{width}}  {command.summary}" for command in COMMANDS)
    return (
        f"sayso {__version__}: say so, and it is drawn.\n\nusage: sayso COMMAND [options]\n\n{rows}\n\n"
        "  sayso COMMAND --help tells more; --version prints the version; --debug shows where an error came from.\n"
    )


def find(words: Sequence[str]) -> tuple[Command | None, list[str]]:
    """The command that the words begin with and the words after it; None when they only begin a two-word command."""
    from sayso.errors import Unknown

    for length in (2, 1):
        for command in COMMANDS:
            if command.name.split() == list(words[:length]) and len(command.name.split()) == length:
                return command, list(words[length:])
    first = {command.name.split()[0] for command in COMMANDS if " " in command.name}
    if words[0] in first:
        seconds = tuple(command.name.split()[1] for command in COMMANDS if command.name.startswith(words[0] + " "))
        if len(words) > 1 and words[1] not in ("-h", "--help"):
            raise Unknown(f'kind of "{words[0]}"', words[1], seconds)
        return None, list(words)
    raise Unknown("command", words[0], tuple(sorted(first | {command.name for command in COMMANDS if " " not in command.name})))


def parse(command: Command, words: Sequence[str]) -> tuple[argparse.Namespace, Callable[[argparse.Namespace], int]]:
    """Loads the command's module and reads its words. Raises BadInput for an unknown option, with the nearest one."""
    module = importlib.import_module(command.module)
    parser = Parser(f"sayso {command.name}", command.summary)
    module.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    args, rest = parser.parse_known_args(words)
    if rest:
        close = difflib.get_close_matches(rest[0].split("=")[0], parser.options(), n=1)
        hint = f'did you mean "{close[0]}"' if close else ("put words of one prompt in quotes" if rest[0][0] != "-" else "it is unknown")
        parser.error(f'cannot use "{rest[0]}", {hint}')
    return args, cast(Callable[[argparse.Namespace], int], module.run)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"sayso {__version__}")
        return 0
    command, rest = find(words)
    if command is None:
        rows = [f"  sayso {command.name}  {command.summary}" for command in COMMANDS if command.name.startswith(words[0] + " ")]
        print("\n".join(["usage:", *rows]))
        return 0 if len(rest) > 1 else 2
    args, run = parse(command, rest)
    return run(args)


def _explain(error: Exception) -> tuple[str, int]:
    """The sentence and the exit code for an error."""
    from sayso.errors import SaysoError

    if isinstance(error, SaysoError):
        return str(error), error.exit_code
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "there is not enough memory for this; ask for a smaller --size, fewer pictures or another --device", 1
    detail = " ".join(str(error).split())[:200]
    return f"something went wrong inside ({type(error).__name__}: {detail}); run it again with --debug to see where", 1


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code (0 done, 1 failed, 2 bad input, 3 bad weights, 4 cannot write, 130 Ctrl-C)."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    if words and words[0] == "--debug":
        words = words[1:]
    try:
        return _dispatch(words)
    except KeyboardInterrupt:
        print("sayso: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        with contextlib.suppress(OSError):  # whoever read our output has gone; the interpreter must not try to flush
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SystemExit as stop:  # argparse's --help
        return stop.code if isinstance(stop.code, int) else 0
    except Exception as error:
        if debug:
            raise
        message, code = _explain(error)
        print(f"sayso: {message}", file=sys.stderr)
        return code
