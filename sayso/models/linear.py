"""The linear layer of both transformers."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """Weights keep the type they are stored in; the product runs in the type of the rows.

    So training keeps float32 under bfloat16's products, and a processor that multiplies float32 alone draws with a checkpoint in
    bfloat16 at half the memory: what it multiplies with is the same to the bit.
    """

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)
