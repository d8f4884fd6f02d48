"""`sayso chat`: a conversation that lasts, in the terminal, on the same studio as the server's; pictures are shown as they come."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sayso.cli import options
from sayso.errors import BadInput, SaysoError, Unknown

if TYPE_CHECKING:
    from sayso.cli.progress import Progress
    from sayso.cli.show import Way
    from sayso.storage.rows import JobEvent
    from sayso.studio.service import Studio, Ticket

HELP = """\
say what to draw, or how to change it; and
  /attach FILE     show it a picture, with what you say next
  /mask FILE       a PNG as large as that picture: where it is transparent the picture may change
  /again           the last answer once more, with another seed
  /back [N]        go back N answers (1); what follows is a branch, nothing is lost
  /save FILE       write the newest picture to a file
  /size WxH        for what follows; /size auto: as the engine or the picture has it
  /style NAME      for what follows; /style none
  /new             another conversation      /list [WORDS]    the last ones      /open ID    go on with one
  /find WORDS      pictures by their prompts
  /quit            leave; the conversation stays"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--engine", help="the engine that draws; see sayso engines")
    add("--conversation", metavar="ID", help='go on with this one; "last": the newest')
    add("--data", help="folder for the database and the pictures; the server's, to go on there")
    add("--config", type=Path, metavar="FILE", help="a TOML file of settings; see docs/settings.md")
    add("--show", choices=("auto", "kitty", "sixel", "blocks", "none"), default="auto", help="how to show pictures")


@dataclass
class Chat:
    """The state of one sitting. `shown`: ids to show with the next words."""

    studio: Studio
    way: Way
    place: str | None = None
    shown: list[str] = field(default_factory=list)
    mask: str | None = None
    size: tuple[int, int] | None = None
    style: str | None = None
    newest: str | None = None

    def said(self, text: str) -> None:
        """Sends words, with what was attached, and shows what comes back. Raises SaysoError."""
        from sayso.studio.requests import Ref, Request, Said
        from sayso.studio.service import LOCAL
        from sayso.types import Text

        if self.place is None:
            self.place = self.studio.create_conversation(LOCAL).id
        parts: tuple[Ref | Text, ...] = (*(Ref(i) for i in self.shown), Text(text))
        request = Request((Said("user", parts),), self.place, want="either", size=self.size, style=self.style, mask=self.mask)
        self.follow(self.studio.submit(LOCAL, request))
        self.shown, self.mask = [], None

    def follow(self, ticket: Ticket) -> None:
        """Shows a job to its end; Ctrl-C cancels it."""
        from sayso.cli.progress import Progress
        from sayso.studio.service import LOCAL

        async def listen(progress: Progress) -> None:
            async for event in self.studio.events(LOCAL, ticket.job):
                if event.kind == "said" and not ticket.pictures:
                    print(event.data["text"], flush=True)
                else:
                    self._event(event, progress)

        with Progress() as progress:
            progress.drawing()
            try:
                asyncio.run(listen(progress))
            except KeyboardInterrupt:
                self.studio.cancel(LOCAL, ticket.job)
                print("stopped")

    def _event(self, event: JobEvent, progress: Progress) -> None:
        from sayso.cli import show
        from sayso.studio.service import LOCAL

        if event.kind == "step":
            progress.step(event.data["index"], event.data["total"])
        elif event.kind in ("said", "thought"):
            progress.remark(event.data["text"])
        elif event.kind == "revised":
            progress.remark(f"drawing: {event.data['prompt']}")
        elif event.kind == "picture":
            self.newest = event.data["id"]
            sys.stdout.write(show.picture(self.studio.pixels(LOCAL, event.data["id"]).pixels, self.way))
            print(f"{event.data['id']}  {event.data['width']}x{event.data['height']}  seed {event.data['seed']}", flush=True)
        elif event.kind == "failed":
            print(f"sayso: {event.data['message']}", file=sys.stderr)

    # Commands

    def attach(self, word: str) -> None:
        self.shown.append(self._upload(word))
        print(f"it goes with what you say next ({len(self.shown)} shown)")

    def with_mask(self, word: str) -> None:
        self.mask = self._upload(word)
        print("it goes with what you say next")

    def _upload(self, word: str) -> str:
        from sayso.studio.service import LOCAL
        from sayso.studio.tools.encode import decode

        path, most = Path(word).expanduser(), self.studio.settings.file_mb * 2**20
        try:
            if path.stat().st_size > most:
                raise BadInput(f'"{word}" is larger than {self.studio.settings.file_mb} MB; attach a smaller picture')
            picture = decode(path.read_bytes())
        except OSError as error:
            raise BadInput(f'"{word}" cannot be read ({error.strerror}); check the name') from error
        return self.studio.put_upload(LOCAL, picture, filename=path.name).id

    def again(self, word: str) -> None:
        from sayso.studio.service import LOCAL

        answers = self._answers()
        if self.place is None or not answers:
            raise BadInput("there is nothing to do again yet; say what to draw")
        self.follow(self.studio.regenerate(LOCAL, self.place, answers[-1]))

    def back(self, word: str) -> None:
        from sayso.studio.service import LOCAL

        count, answers = options.whole("/back", 1, 10_000)(word or "1"), self._answers()
        if self.place is None or len(answers) <= count:
            raise BadInput(f"there are {len(answers)} answers here; go back fewer, or begin anew with /new")
        self.studio.change_conversation(LOCAL, self.place, head=answers[-1 - count])
        print(f"back at answer {len(answers) - count} of {len(answers)}")

    def _answers(self) -> list[str]:
        from sayso.studio.service import LOCAL

        return [] if self.place is None else [t.id for t in self.studio.turns(LOCAL, self.place) if t.role == "assistant"]

    def save(self, word: str) -> None:
        from sayso.cli import files
        from sayso.studio.service import LOCAL

        path = options.output(word) if word else None
        if self.newest is None or path is None or path.is_dir():
            raise BadInput("there is no picture yet; say what to draw" if self.newest is None else "name the file, for example /save fox.png")
        kind = {".jpg": "jpeg"}.get(path.suffix.lower(), path.suffix.lower()[1:])
        data, media = self.studio.data(LOCAL, self.newest)
        if media != f"image/{kind}":
            data, _ = self.studio.sealed_as(LOCAL, self.newest, kind)
        with files.Batch(force=False) as batch:
            batch.add(path, data)
            batch.publish()
        print(path)

    def set_size(self, word: str) -> None:
        self.size = None if word == "auto" else options.size(word)

    def set_style(self, word: str) -> None:
        self.style = None if word in ("", "none") else options.style(word)

    def new(self, word: str) -> None:
        self.place, self.shown, self.mask = None, [], None

    def list(self, word: str) -> None:
        from sayso.studio.service import LOCAL

        for place in self.studio.conversations(LOCAL, word, limit=15).rows:
            print(f"{place.id}  {place.title}")

    def open(self, word: str) -> None:
        from sayso.studio.service import LOCAL

        if word == "last":
            rows = self.studio.conversations(LOCAL, limit=1).rows
            if not rows:
                raise BadInput("there is no conversation yet; begin one")
            word = rows[0].id
        self.place = self.studio.conversation(LOCAL, word).id
        for turn in self.studio.turns(LOCAL, self.place):
            for part in turn.parts:
                print(f"{'you' if turn.role == 'user' else 'sayso'}: {part.get('text') or part.get('picture')}")
                self.newest = part.get("picture", self.newest) if turn.role == "assistant" else self.newest

    def find(self, word: str) -> None:
        from sayso.studio.service import LOCAL

        for picture in self.studio.search(LOCAL, word, limit=15).rows:
            print(f"{picture.id}  {picture.prompt[:80]}")

    def commands(self) -> dict[str, Callable[[str], Any]]:
        return {"/attach": self.attach, "/mask": self.with_mask, "/again": self.again, "/back": self.back, "/save": self.save,
                "/size": self.set_size, "/style": self.set_style, "/new": self.new, "/list": self.list, "/open": self.open, "/find": self.find,
                "/help": lambda word: print(HELP)}

    def line(self, text: str) -> None:
        """One line that someone typed. Raises SaysoError."""
        if not text.startswith("/"):
            self.said(text)
            return
        name, _, word = text.partition(" ")
        table = self.commands()
        if name not in table:
            raise Unknown("command", name, tuple(table))
        table[name](word.strip())


def _lines(prompt: str) -> Any:
    """What is typed, or piped in, line by line."""
    typed = sys.stdin.isatty()
    if typed:
        import readline  # noqa: F401 - history and editing for input()
    while True:
        try:
            yield input(prompt if typed else "")
        except EOFError:
            return


def run(args: argparse.Namespace) -> int:
    """Until /quit or the end of the input; the exit code is 1 when the last line of a script failed."""
    try:
        from sayso.cli import show
        from sayso.studio.service import build
        from sayso.studio.settings import load
    except ImportError as error:
        raise BadInput(f"chatting needs libraries that are not installed ({error.name}); run pip install 'sayso[serve]'") from error
    given = {name: getattr(args, name) for name in ("engine", "data") if getattr(args, name) is not None}
    studio = build(load(args.config, **given))
    way = show.detect(os.environ, sys.stdout.isatty()) if args.show == "auto" else cast("Way", args.show)
    studio.start()
    failed = False
    try:
        chat = Chat(studio, way)
        if args.conversation:
            chat.open(args.conversation)
        if sys.stdin.isatty():
            print("say what to draw; /help tells what else there is")
        for text in _lines("> "):
            if text.strip() in ("/quit", "/exit"):
                break
            if text.strip():
                failed = not _tried(chat, text.strip())
    finally:
        studio.stop(2.0)
    return 1 if failed and not sys.stdin.isatty() else 0


def _tried(chat: Chat, text: str) -> bool:
    try:
        chat.line(text)
    except SaysoError as error:
        print(f"sayso: {error}", file=sys.stderr)
        return False
    except KeyboardInterrupt:
        print()
    return True
