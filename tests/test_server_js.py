"""The JavaScript client does the core five against a running server."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.server_kit import Served, picture, png

JS = Path(__file__).parent / "js"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client installed; skips the test where node or the registry cannot be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("js")
    for name in ("package.json", "core.mjs"):
        shutil.copy(JS / name, folder / name)
    try:
        ran = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm could not fetch the client in two minutes")
    if ran.returncode:
        pytest.skip(
            f"npm could not fetch the client: {ran.stderr.strip().splitlines()[-1][:200] if ran.stderr.strip() else 'no reason given'}"
        )
    return folder


def test_the_core_five(node: Path, served: Served) -> None:
    mask = np.full((64, 64, 4), 255, np.uint8)
    mask[:32, :, 3] = 0
    (node / "a.png").write_bytes(png(picture(64, 64, 1)))
    (node / "mask.png").write_bytes(png(mask))
    ran = subprocess.run(
        ["node", "core.mjs", served.base, "a.png", "mask.png"], cwd=node, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["generate"] == ["PNG", "PNG"] and told["usage"] > 0
    assert told["stream"] == ["image_generation.partial_image"] * 3 + ["image_generation.completed"]
    assert told["edit"] == "64x64" and told["responses"] == [1, 1] and told["action"] == "edit"
    assert told["error"] == [404, "model_not_found", "NotFoundError"]
