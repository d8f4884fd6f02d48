"""Text to pieces: our own byte-level BPE (Sennrich et al. 2016) through the `tokenizers` library, one JSON file.

Prompts are folded to lower case outside quotation marks, so that "A Red FOX" reads as "a red fox" while lettering keeps
its capitals. Between quotation marks every character is spelt, in one piece or a few of its bytes: to copy a word is then to copy
characters, whichever they are (why models that see words in pieces misspell: Liu et al. 2022).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from sayso.errors import BadWeights

PAD, BEGIN, END = "<pad>", "<begin>", "<end>"
SPECIAL = (PAD, BEGIN, END)
# Never merged with their neighbours: digits (boxes and hex codes are spelt) and the Chinese particles and measure words
# that would otherwise glue to nouns and colours, so that one noun is one piece wherever it stands.
_APART = r"\d|[的在一二两三四五六七八九十是有和与着，。：；、“”只个条辆头匹本座棵朵张架把顶颗块片支艘件幅]"
_QUOTED = re.compile(r'''("(?:[^"\\]|\\.)*"|“[^”]*”|「[^」]*」|‘[^’]*’|《[^》]*》|«[^»]*»|(?<!\w)'[^'\n]+'(?!\w))''')


def fold(text: str) -> str:
    """NFC, single spaces within a line, lower case outside quotation marks."""
    text = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates, as a command line can deliver
    text = "\n".join(" ".join(line.split()) for line in unicodedata.normalize("NFC", text).strip().split("\n"))
    return "".join(part if i % 2 else part.lower() for i, part in enumerate(_QUOTED.split(text)))


class Pieces:
    """The tokenizer of a checkpoint. `pad`, `begin`, `end` are ids."""

    def __init__(self, definition: str):
        try:
            self._tokenizer = Tokenizer.from_str(definition)
        except Exception as error:
            raise BadWeights(f"the tokenizer in the checkpoint cannot be read ({error}); fetch the file again") from error
        self._tokenizer.encode_special_tokens = True  # "<end>" in a prompt is text, not the mark
        self.definition = definition
        self._spelt: dict[str, list[int]] = {}
        ids = [i for i in (self._tokenizer.token_to_id(s) for s in SPECIAL) if i is not None]
        if len(ids) < len(SPECIAL):
            raise BadWeights(f"the tokenizer in the checkpoint lacks the marks {', '.join(SPECIAL)}; fetch the file again")
        self.pad, self.begin, self.end = ids
        self.size = self._tokenizer.get_vocab_size()

    def with_marks(self, marks: str) -> Pieces:
        """These pieces and, behind them, one for every character of `marks` that is none yet."""
        tokenizer = Tokenizer.from_str(self.definition)
        tokenizer.add_tokens([AddedToken(mark, normalized=False) for mark in marks if tokenizer.token_to_id(mark) is None])
        return Pieces(_definition(tokenizer))

    def encode(self, text: str, limit: int | None = None) -> list[int]:
        """Ids with the marks around them. Past `limit` ids the end of the text is cut off, the end mark kept."""
        ids: list[int] = []
        for i, part in enumerate(_QUOTED.split(fold(text))):
            for cut in (part[0], *part[1:-1], part[-1]) if i % 2 else (part,):
                ids += self._cut(cut)
        return self._wrap(ids, limit)

    def _cut(self, text: str) -> list[int]:
        """Ids without marks; those of single characters are kept."""
        if len(text) != 1:
            return list(self._tokenizer.encode(text, add_special_tokens=False).ids) if text else []
        if text not in self._spelt:
            self._spelt[text] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return self._spelt[text]

    def encode_batch(self, texts: list[str], limit: int | None = None) -> list[list[int]]:
        """`encode` for many texts."""
        return [self.encode(text, limit) for text in texts]

    def _wrap(self, ids: list[int], limit: int | None) -> list[int]:
        room = None if limit is None else limit - 2
        return [self.begin, *ids[:room], self.end]

    def decode(self, ids: Iterable[int]) -> str:
        """Text without the marks; bytes that are not UTF-8 become the replacement character."""
        return str(self._tokenizer.decode([i for i in ids if i not in (self.pad, self.begin, self.end)]))


def train(texts: Iterable[str], size: int) -> Pieces:
    """Learns `size` pieces from a corpus. The definition is the same for the same texts."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(_APART), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
        max_token_length=24,
    )
    tokenizer.train_from_iterator((fold(t) for t in texts), trainer)
    return Pieces(_definition(tokenizer))


def _definition(tokenizer: Tokenizer) -> str:
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))
