"""Where things lie. Nothing here creates a folder; whoever writes does."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
WORLD_DATA = PACKAGE / "world" / "data"
WEIGHTS = PACKAGE / "weights"


def cache() -> Path:
    """Folder for things that can be made again (sprite atlases); `SAYSO_CACHE` moves it."""
    if chosen := os.environ.get("SAYSO_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sayso"


def home() -> Path:
    """Folder for what must not be lost: keys, the log of pictures, conversations; `SAYSO_HOME` moves it."""
    if chosen := os.environ.get("SAYSO_HOME"):
        return Path(chosen)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sayso"


def models() -> Path:
    """Folder for fetched checkpoints; `SAYSO_MODELS` moves it."""
    if chosen := os.environ.get("SAYSO_MODELS"):
        return Path(chosen)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sayso" / "models"
