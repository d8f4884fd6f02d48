"""What this machine offers: free memory of host and cards, free disk, and how fast it multiplies."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import torch

GIB = 1 << 30


@dataclass(frozen=True)
class Machine:
    """Bytes free, FLOP/s of a large product in the type that models run in. `card`: its name, None without one.

    `bandwidth`: bytes a second from the host to where the model runs.
    """

    host: int
    card: str | None
    card_memory: int
    capability: tuple[int, int]
    flops: float
    bandwidth: float


def host_memory() -> int:
    """Bytes that this process may still take: the system's, or what its control group leaves."""
    free = 1 << 62
    try:
        rows = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(rows["MemAvailable"].split()[0]) * 1024
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit != "max":
            free = min(free, int(limit) - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    except (OSError, KeyError, ValueError):
        if free == 1 << 62 and hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
            free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(0, free)


def device_memory(device: torch.device) -> int:
    """Bytes free where a model would lie."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else host_memory()


def disk_free(folder: Path) -> int:
    """Bytes free in the nearest folder above that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def quick_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it quickly, else float32."""
    if device.type == "cpu" and not torch.cpu._is_avx512_bf16_supported():
        return torch.float32
    return torch.bfloat16


def multiply_speed(device: torch.device, dtype: torch.dtype, side: int, rounds: int = 3) -> float:
    """FLOP/s of a side × side product, the best of a few."""
    a, b = (torch.randn(side, side, device=device, dtype=torch.float32).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(rounds + 1):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def look() -> Machine:
    """This machine now; multiplies for a fraction of a second to see how fast it is."""
    if torch.cuda.is_available():
        device = torch.device("cuda")
        name, memory, capability = torch.cuda.get_device_name(device), device_memory(device), torch.cuda.get_device_capability(device)
        return Machine(host_memory(), name, memory, capability, multiply_speed(device, torch.bfloat16, 8192), 25e9)
    device = torch.device("cpu")
    return Machine(host_memory(), None, 0, (0, 0), multiply_speed(device, quick_dtype(device), 1024), 10e9)
