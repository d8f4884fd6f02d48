"""Layers whose weights stay in the host's memory and visit the device one by one, the next one's copy under way meanwhile.

Two sets of device memory take turns. On a CPU the copies are plain and at once, which is the slow twin in tests.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


class Visiting(nn.Module):
    """Stands in for a model's list of equal layers. Layers must be taken in rising order; the one after the last is the first."""

    def __init__(self, layers: nn.ModuleList, device: torch.device):
        super().__init__()
        self.device, self.fast = device, device.type == "cuda"
        self.held = [{name: self._host(t) for name, t in _tensors(layer).items()} for layer in layers]
        self.places = nn.ModuleList(copy.deepcopy(layers[0]).to(device) for _ in range(2))
        self.stream = torch.cuda.Stream(device) if self.fast else None
        self.ready: list[object | None] = [None, None]
        self.there: list[int | None] = [None, None]

    def _host(self, tensor: Tensor) -> Tensor:
        tensor = tensor.detach().cpu()
        return tensor.pin_memory() if self.fast else tensor

    def __len__(self) -> int:
        return len(self.held)

    def __iter__(self) -> Iterator[nn.Module]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> nn.Module:
        """The layer, on the device; the one after it is then on its way. It is valid until the next but one is taken."""
        here = self._bring(index)
        if self.ready[here] is not None:
            torch.cuda.current_stream(self.device).wait_event(self.ready[here])  # type: ignore[arg-type]
        if len(self) > 1:
            self._bring((index + 1) % len(self))
        return self.places[here]

    def _bring(self, index: int) -> int:
        """Starts copying a layer unless it is there; its place."""
        if index in self.there:
            return self.there.index(index)
        before = (index - 1) % len(self)
        place = 1 - self.there.index(before) if before in self.there else 0
        self.there[place] = index
        pairs = [(t, self.held[index][name]) for name, t in _tensors(self.places[place]).items()]
        if self.stream is None:
            for to, source in pairs:
                to.copy_(source)
            return place
        self.stream.wait_stream(torch.cuda.current_stream(self.device))  # whoever computed with this place is done
        with torch.cuda.stream(self.stream):
            for to, source in pairs:
                to.copy_(source, non_blocking=True)
            event = torch.cuda.Event()
            event.record(self.stream)
        self.ready[place] = event
        return place
