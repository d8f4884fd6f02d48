"""Contexts into keys and values: each piece once, and each common beginning once, however many contexts share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sayso.engines.bagel.contexts import Context, Piece
from sayso.engines.bagel.glue import PATCH
from sayso.engines.bagel.text import Words
from sayso.models.codecs.vae import Autoencoder, to_tokens
from sayso.models.unified import Cache, Output, UnifiedModel

Watch = Callable[[str, Piece, Output], None]


@dataclass(frozen=True)
class Seen:
    """One picture of a conversation, float32 [1, 3, H, W] in −1..1, as the autoencoder and as the eyes get it."""

    latent: Tensor
    vision: Tensor


class Reader:
    """Reads for one batch of asks. `watch`, if given, is shown the rows of every piece, for tests and for the curious."""

    def __init__(self, model: UnifiedModel, coder: Autoencoder, words: Words, dtype: torch.dtype, watch: Watch | None):
        self.model, self.coder, self.words, self.dtype, self.watch = model, coder, words, dtype, watch
        self.device = model.embed.weight.device
        self.read: dict[tuple[tuple[Piece, int], ...], Cache] = {}
        self.latents: dict[Piece, Tensor] = {}

    def cache(self, context: Context, seen: Sequence[Seen], noises: Sequence[Tensor | None]) -> Cache | None:
        """Keys and values of a context. `noises`: for each picture the posterior's noise, None = its mean."""
        known = next((n for n in range(len(context.pieces), 0, -1) if context.pieces[:n] in self.read), 0)
        cache = self.read[context.pieces[:known]] if known else None
        for n in range(known, len(context.pieces)):
            piece, at = context.pieces[n]
            out = self._block(piece, at, cache, seen, noises)
            if self.watch is not None:
                self.watch("read", piece, out)
            cache = self.read[context.pieces[: n + 1]] = out.cache
        return cache

    def _block(self, piece: Piece, at: int, cache: Cache | None, seen: Sequence[Seen], noises: Sequence[Tensor | None]) -> Output:
        start = torch.tensor([float(at)], device=self.device)
        if piece.kind == "text":
            ids = torch.tensor([[self.words.marks[0], *piece.ids, self.words.marks[1]]], device=self.device)
            return self.model.read(ids, None, cache, start, self.dtype)
        if piece.kind == "vision":
            return self.model.see(seen[piece.picture].vision.to(self.device), start, cache, self.dtype)
        latent = self.encoded(piece, seen[piece.picture], noises[piece.picture])
        rows, columns = latent.shape[2] // PATCH, latent.shape[3] // PATCH
        clean = torch.zeros(1, device=self.device)
        return self.model.draw(to_tokens(latent, PATCH).to(self.dtype), clean, self.model.where(rows, columns), start, cache)

    def encoded(self, piece: Piece, seen: Seen, noise: Tensor | None) -> Tensor:
        """The picture's latent [1, Z, h, w], computed once."""
        if piece not in self.latents:
            weight = self.coder.encoder.conv_in.weight
            given = None if noise is None else noise.to(weight.device, weight.dtype)
            self.latents[piece] = self.coder.encode(seen.latent.to(weight.device, weight.dtype), given)
        return self.latents[piece]

    def forget(self) -> None:
        """Lets go of everything that was read."""
        self.read.clear()
        self.latents.clear()
