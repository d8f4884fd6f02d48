"""Settings come from one table; what is wrong is named; the page about them is made from it."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import fields
from pathlib import Path

import pytest

from sayso.errors import BadInput, Unknown
from sayso.studio import logs
from sayso.studio.settings import Settings, load, table

ROOT = Path(__file__).resolve().parent.parent


def test_the_environment_goes_before_the_file_and_the_caller_before_both(tmp_path: Path) -> None:
    path = tmp_path / "sayso.toml"
    path.write_text('port = 1\nworkers = 2\nbatch = 3\nurls = true\norigins = ["https://a", "https://b"]\n')
    found = load(path, {"SAYSO_WORKERS": "4", "SAYSO_BATCH": "5", "SAYSO_KEYS": "always", "SAYSO_ENGINES": "pocket, fake"}, batch=6)
    assert (found.port, found.workers, found.batch, found.urls, found.keys) == (1, 4, 6, True, "always")
    assert found.origins == ("https://a", "https://b") and found.engines == ("pocket", "fake")
    assert load(environ={"SAYSO_CONFIG": str(path)}).port == 1 and load(environ={"SAYSO_WEIGHTS": "/x"}) == Settings()


@pytest.mark.parametrize(("name", "word"), [
    ("port", "many"), ("port", "70000"), ("workers", "-1"), ("workers", "1.5"), ("urls", "perhaps"), ("keys", "sometimes"),
    ("lease_seconds", "0"), ("lease_seconds", "nan"), ("log_level", "loud"), ("batch", ""),
])
def test_a_wrong_value_is_named(name: str, word: str) -> None:
    with pytest.raises(BadInput, match=name):
        load(environ={f"SAYSO_{name.upper()}": word})


def test_an_unknown_setting_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "sayso.toml"
    path.write_text("worker = 2\n")
    with pytest.raises(Unknown, match='"workers"'):
        load(path, {})
    with pytest.raises(Unknown, match='"port"'):
        load(environ={}, prt=3)
    for text, why in (("port = [", "cannot be read"), ('port = "x"', "port"), ("urls = 1", "urls"), ("origins = [1]", "origins")):
        path.write_text(text)
        with pytest.raises(BadInput, match=why):
            load(path, {})
    with pytest.raises(BadInput, match="cannot be read"):
        load(tmp_path / "absent.toml", {})


def test_every_setting_is_told_and_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert table() in page, "run: python scripts/settings_page.py"
    for row in fields(Settings):
        assert f"`SAYSO_{row.name.upper()}`" in page and len(row.metadata["help"]) > 10


def test_secrets_do_not_show() -> None:
    assert "hush" not in repr(load(environ={}, remote_key="hush", director_key="hush", database="postgresql+psycopg://u:hush@h/d"))


def test_prompts_stay_out_of_the_log_unless_let_in() -> None:
    for prompts in (False, True):
        stream = io.StringIO()
        logger = logging.getLogger("sayso")
        before = (logger.handlers[:], logger.level, logger.propagate)
        try:
            logs.set_up("info", prompts, stream)
            log = logging.getLogger("sayso.test")
            log.debug("not told")
            log.info("drawn", extra={"prompt": "a secret fox", "engine": "fake", "seconds": 1.5})
            try:
                raise ValueError("a secret fox")
            except ValueError:
                log.exception("failed")
        finally:
            logger.handlers[:], level, logger.propagate = before[0], before[1], before[2]
            logger.setLevel(level)
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        assert [line["what"] for line in lines] == ["drawn", "failed"] and lines[0]["engine"] == "fake" and lines[0]["level"] == "info"
        assert ("a secret fox" in stream.getvalue()) is prompts and "ValueError" in lines[1]["error"]
