"""Layers whose weights stay in the host's memory and visit the device one by one, the next one's copy under way meanwhile.

At most two layers are on the device. On a CPU the copies are plain and at once, which is the slow twin in tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn


class Visiting(nn.ModuleList):
    """A model's list of layers; what is taken from it is on the device until the next is taken, or the turn through all has ended.

    Layers are taken in rising order, and after the last comes the first. Names and the tensors at home stay as they were.
    """

    def __init__(self, layers: Iterable[nn.Module], device: torch.device):
        super().__init__(layers)
        self.device = device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self.homes: list[list[tuple[Tensor, Tensor]]] = []
        self.away: dict[int, Any] = {}  # layers on the device, with the event that ends their copy
        for layer in self.children():
            held = []
            for tensor in (*layer.parameters(), *layer.buffers()):
                tensor.data = tensor.data.cpu().pin_memory() if self.stream is not None else tensor.data.cpu()
                held.append((tensor, tensor.data))
            self.homes.append(held)

    def __getitem__(self, index: int) -> nn.Module:  # type: ignore[override]
        """The layer, on the device; the one after it is then on its way."""
        return self._take(index, (index + 1) % len(self))

    def _take(self, index: int, after: int) -> nn.Module:
        self.go_home(*(self.away.keys() - {index, after}))
        self._fetch(index)
        if self.stream is not None:
            now = torch.cuda.current_stream(self.device)
            now.wait_event(self.away[index])
            for tensor, _ in self.homes[index]:
                tensor.data.record_stream(now)
        self._fetch(after)
        layer = self._modules[str(index)]
        assert layer is not None
        return layer

    def __iter__(self) -> Iterator[nn.Module]:
        try:
            for index in range(len(self)):
                yield self._take(index, min(index + 1, len(self) - 1))
        finally:
            self.go_home(*self.away)

    def go_home(self, *indices: int) -> None:
        """Lets go of the copies of these layers; nothing is copied back."""
        for index in indices:
            del self.away[index]
            for tensor, host in self.homes[index]:
                tensor.data = host

    def _fetch(self, index: int) -> None:
        if index in self.away:
            return
        if self.stream is None:
            for tensor, host in self.homes[index]:
                tensor.data = host.to(self.device, copy=True)
            self.away[index] = None
            return
        with torch.cuda.stream(self.stream):
            for tensor, host in self.homes[index]:
                tensor.data = host.to(self.device, non_blocking=True)
            self.away[index] = torch.cuda.Event()
            self.away[index].record(self.stream)


def visit_alone(module: nn.Module, device: torch.device) -> None:
    """From now on the weights of one module stay on the host and are on the device while it is called."""
    lone = Visiting([module], device)

    def enter(module: nn.Module, args: tuple[Any, ...]) -> None:
        lone[0]

    def leave(module: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        lone.go_home(0)

    module.register_forward_pre_hook(enter)
    module.register_forward_hook(leave)
