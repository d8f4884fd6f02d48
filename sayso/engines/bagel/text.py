"""Text to pieces and back for BAGEL: the Qwen2 tokenizer from the checkpoint's files, and two stand-ins that need none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from sayso.engines.bagel.glue import PICTURE_MARKS, TEXT_MARKS, Glue
from sayso.errors import BadInput, BadWeights

# How Qwen2 splits text before merging: contractions, words, single digits, punctuation, white space.
SPLIT = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""


class Words(Protocol):
    """`marks`: ids before and after a text; `picture_marks`: before and after a picture."""

    marks: tuple[int, int]
    picture_marks: tuple[int, int]

    def encode(self, text: str, released: bool = False) -> list[int]: ...

    def decode(self, ids: list[int]) -> str: ...


class Qwen:
    """From the folder's tokenizer.json, or its vocab.json and merges.txt. Raises BadWeights when neither can be read."""

    def __init__(self, folder: Path):
        try:
            self.inner = _tokenizer(folder)
        except FileNotFoundError as error:
            raise BadWeights(f"{folder} lacks {Path(error.filename).name}; fetch the checkpoint's tokenizer files too") from None
        except Exception as error:  # the library raises bare exceptions
            raise BadWeights(f"the tokenizer in {folder} cannot be read ({error}); fetch its files again") from error
        found = [self._mark(mark, folder) for mark in (*TEXT_MARKS, *PICTURE_MARKS)]
        self.marks, self.picture_marks = (found[0], found[1]), (found[2], found[3])

    def _mark(self, mark: str, folder: Path) -> int:
        number = self.inner.token_to_id(mark)
        if number is None:
            raise BadWeights(f"the tokenizer in {folder} lacks the mark {mark}; it belongs to another model")
        return number

    def encode(self, text: str, released: bool = False) -> list[int]:
        """Ids without marks. A mark that a person types is plain text, except as released, where it acts as the mark."""
        self.inner.encode_special_tokens = not released
        return self.inner.encode(text, add_special_tokens=False).ids

    def decode(self, ids: list[int]) -> str:
        return self.inner.decode(ids, skip_special_tokens=False)


def _tokenizer(folder: Path) -> Tokenizer:
    whole = folder / "tokenizer.json"
    if whole.exists():
        return Tokenizer.from_file(str(whole))
    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    rows = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
    pairs = [row.partition(" ") for row in rows if row and not row.startswith("#version")]
    merges = [(first, second) for first, _, second in pairs]
    inner = Tokenizer(models.BPE(vocab, merges))
    inner.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    inner.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    inner.decoder = decoders.ByteLevel()
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    for _, row in sorted(config["added_tokens_decoder"].items(), key=lambda item: int(item[0])):
        inner.add_special_tokens([AddedToken(row["content"], special=True, normalized=False)])
    return inner


class Ids:
    """A prompt's words are the ids: "17 3 250"."""

    def __init__(self, marks: tuple[int, int], picture_marks: tuple[int, int]):
        self.marks, self.picture_marks = marks, picture_marks

    def encode(self, text: str, released: bool = False) -> list[int]:
        try:
            return [int(word) for word in text.split()]
        except ValueError:
            raise BadInput(f'this checkpoint has no tokenizer and reads numbers; "{text[:40]}" is not a list of ids') from None

    def decode(self, ids: list[int]) -> str:
        return " ".join(map(str, ids))


class Bytes:
    """A text's UTF-8 bytes are the ids, for models whose weights were never trained."""

    def __init__(self, marks: tuple[int, int], picture_marks: tuple[int, int]):
        self.marks, self.picture_marks = marks, picture_marks

    def encode(self, text: str, released: bool = False) -> list[int]:
        return list(text.encode())

    def decode(self, ids: list[int]) -> str:
        return bytes(i for i in ids if i < 256).decode(errors="replace")


def of_folder(folder: Path, glue: Glue) -> Words:
    if glue.tokenizer == "files":
        return Qwen(folder)
    if glue.tokenizer not in ("ids", "bytes") or glue.marks is None or glue.picture_marks is None:
        raise BadWeights(f'{folder} asks for the tokenizer "{glue.tokenizer}", which needs its marks; correct its sayso.json')
    return (Ids if glue.tokenizer == "ids" else Bytes)(glue.marks, glue.picture_marks)
