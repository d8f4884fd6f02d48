"""Every error a person can cause, with the exit code the command line gives it.

A message names the value that was wrong and the remedy, in one sentence, so that it can be shown as it stands.
"""


class SaysoError(Exception):
    """Base of all errors that are told to a person without a traceback."""

    exit_code = 1


class BadInput(SaysoError):
    """What was asked for is malformed or out of range (prompt, size, colour, option)."""

    exit_code = 2


class Unknown(BadInput):
    """A name that is not in a table (style, engine, concept, font); carries the nearest match."""

    def __init__(self, kind: str, value: str, known: "tuple[str, ...] | list[str]"):
        import difflib

        close = difflib.get_close_matches(value, known, n=1, cutoff=0.4)
        hint = f'did you mean "{close[0]}"?' if close else "known: " + ", ".join(list(known)[:12])
        super().__init__(f'unknown {kind} "{value}"; {hint}')
        self.kind, self.value, self.nearest = kind, value, close[0] if close else None


class CannotDo(BadInput):
    """The engine lacks the ability that was asked for; nothing was started."""


class BadWeights(SaysoError):
    """A checkpoint is missing, truncated, altered or of another architecture."""

    exit_code = 3


class CannotWrite(SaysoError):
    """An output could not be written; nothing was left half-written."""

    exit_code = 4
