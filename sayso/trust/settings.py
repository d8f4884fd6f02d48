"""What a person may set about trust: a table of environment variables, each checked, and an unknown one refused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from sayso import paths
from sayso.errors import BadInput, Unknown

PREFIX = "SAYSO_TRUST_"
ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")


@dataclass(frozen=True)
class Settings:
    """Every field is set by SAYSO_TRUST_ and its name in capitals.

    `folder`: where keys and the log lie. `certificate`: PEM chain, leaf first; with `key` (PEM, unencrypted) or `command`, a
    program that reads bytes from its input and writes their signature, for keys that never leave a device or a key service.
    `anchors`: PEM of further roots whose signatures count as trusted. `timestamps`: URL of an RFC 3161 server, asked for each
    picture; when it fails the picture is sealed without and the log says so, unless `timestamps_required` is "yes".
    `tell_prompt`: "yes" writes the prompt itself into the manifest. `policy`: another policy file. `young`: "yes" for an
    installation that people under 18 use. `read_output`: "yes" also reads the lettering in finished pictures. `reasoner`:
    address of an OpenAI-compatible endpoint ("https://…/v1") whose model `reasoner_model` reads the policy too; `reasoner_key`
    names the environment variable with its key, and `reasoner_sees` says that it takes pictures.
    """

    folder: Path
    certificate: Path | None = None
    key: Path | None = None
    command: str | None = None
    algorithm: str = "es256"
    anchors: Path | None = None
    timestamps: str | None = None
    timestamps_required: Literal["yes", "no"] = "no"
    tell_prompt: Literal["yes", "no"] = "no"
    policy: Path | None = None
    young: Literal["yes", "no"] = "no"
    read_output: Literal["yes", "no"] = "no"
    reasoner: str | None = None
    reasoner_model: str = ""
    reasoner_key: str = "OPENAI_API_KEY"
    reasoner_sees: Literal["yes", "no"] = "no"

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise Unknown(f"{PREFIX}ALGORITHM", self.algorithm, ALGORITHMS)
        for name in ("timestamps_required", "tell_prompt", "young", "read_output", "reasoner_sees"):
            if getattr(self, name) not in ("yes", "no"):
                raise BadInput(f'{PREFIX}{name.upper()} is "{getattr(self, name)}"; write yes or no')
        if (self.certificate is None) != (self.key is None and self.command is None) or (self.key and self.command):
            raise BadInput(f"{PREFIX}CERTIFICATE needs {PREFIX}KEY or {PREFIX}COMMAND beside it, one of them, and they need it")
        for name, what in (("timestamps", "an RFC 3161 server"), ("reasoner", "an OpenAI-compatible endpoint")):
            if (url := getattr(self, name)) is not None and not url.startswith(("http://", "https://")):
                raise BadInput(f'{PREFIX}{name.upper()} is "{url}"; write the http or https address of {what}')
        if (self.reasoner is None) != (not self.reasoner_model):
            raise BadInput(f"{PREFIX}REASONER and {PREFIX}REASONER_MODEL belong together; set both or none")
        for name in ("certificate", "key", "anchors", "policy"):
            if (path := getattr(self, name)) is not None and not path.is_file():
                raise BadInput(f'{PREFIX}{name.upper()} is "{path}", which is not a file; give the path of a file')


def from_environment(env: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises BadInput or Unknown for a wrong value or a misspelt name."""
    given = os.environ if env is None else env
    known = {PREFIX + field.name.upper(): field.name for field in fields(Settings)}
    values: dict[str, object] = {"folder": paths.home() / "trust"}
    for name, value in given.items():
        if not name.startswith(PREFIX) or not value:
            continue
        if name not in known:
            raise Unknown("setting", name, tuple(known))
        field = known[name]
        values[field] = Path(value) if field in ("folder", "certificate", "key", "anchors", "policy") else value
    return Settings(**values)  # type: ignore[arg-type]
