"""Files that were sealed here, read by programs that are not ours: c2pa's own reader as it comes, and another implementation of the
standard. And what stops sealing, as docs/trust.md lists it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import c2pa
import numpy as np
import pytest
from test_seal import CARD, RECORD, own

from sayso.errors import CannotWrite, SaysoError
from sayso.trust import formats
from sayso.trust.provenance import USAGES
from sayso.trust.seal import Sealer
from sayso.trust.settings import Settings
from sayso.types import Parent, Record

READER = "@trustnxt/c2pa-ts@0.9.4"  # TypeScript, nothing in common with the library that signs here; reads PNG, JPEG and AVIF


@pytest.fixture(scope="module")
def sealer(tmp_path_factory: pytest.TempPathFactory) -> Sealer:
    return Sealer(Settings(folder=tmp_path_factory.mktemp("trust") / "trust"))


def state(data: bytes, root: bytes | None = None, store: bytes | None = None) -> str:
    """What c2pa's reader says of a file, with nothing set but a root to trust."""
    trust = {} if root is None else {"trust": {"user_anchors": root.decode(), "trust_config": USAGES}}
    with c2pa.Reader(
        formats.sniff(data), io.BytesIO(data), manifest_data=store, context=c2pa.Context.from_dict({"version": 1} | trust)
    ) as read:
        return str(read.get_validation_state())


@pytest.mark.parametrize("kind", formats.MEDIA_TYPES)
def test_c2pas_own_reader_says_valid_and_trusted_under_our_root(sealer: Sealer, kind: str) -> None:
    root, out = sealer.identity.root, sealer.seal(CARD, RECORD, kind, None)
    assert (state(out.data), state(out.data, root)) == ("Valid", "Trusted")
    assert state(out.data + b"x", root) == "Invalid"
    parts = sealer.parts(CARD, RECORD, kind, None, sidecar=True)
    assert state(parts.sealed.data, root, parts.store) == "Trusted"
    assert state(parts.sealed.data + b"x", root, parts.store) == "Invalid"
    edit = Record("edited", "pocket", "", 8, "bluer", {}, (Parent(out.data, "parentOf", "before"),))
    assert state(sealer.seal(CARD, edit, kind, None).data, root) == "Trusted"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the other implementation; skips the test where node or the registry cannot be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("reader")
    shutil.copy(Path(__file__).parent / "js" / "seal.mjs", folder)
    try:
        ran = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", READER], cwd=folder, capture_output=True,
                             text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm could not fetch the reader in two minutes")
    if ran.returncode:
        pytest.skip(f"npm could not fetch the reader: {(ran.stderr.strip().splitlines() or ['no reason given'])[-1][:200]}")
    return folder


def test_another_implementation_agrees(sealer: Sealer, reader: Path) -> None:
    wanted = {}
    for kind in ("png", "jpeg", "avif"):
        data = sealer.seal(CARD, RECORD, kind, None).data
        bit = bytearray(data)
        bit[len(bit) * 3 // 4] ^= 1
        edit = Record("edited", "pocket", "", 8, "bluer", {}, (Parent(data, "parentOf", "before"),))
        again = formats.encode(formats.decode(data), kind, None, formats.notes(RECORD))
        for name, made, valid in (("whole", data, True), ("bit", bytes(bit), False), ("byte", data + b"x", False), ("saved", again, False),
                                  ("edit", sealer.seal(CARD, edit, kind, None).data, True)):
            (reader / f"{name}.{kind}").write_bytes(made)
            wanted[f"{name}.{kind}"] = valid
    ran = subprocess.run(["node", "seal.mjs", *wanted], cwd=reader, capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(ran.stdout)
    assert {one["name"]: one["valid"] for one in told} == wanted, told
    by = {one["name"]: [code for code, _ in one["codes"]] for one in told}
    assert "claimSignature.validated" in by["whole.png"] and "assertion.dataHash.mismatch" in by["bit.png"]


# what stops sealing

def test_a_chain_in_the_wrong_order_is_refused(tmp_path: Path) -> None:
    settings = own(tmp_path)
    assert settings.certificate is not None
    leaf, root = settings.certificate.read_bytes().split(b"-----END CERTIFICATE-----\n")[:2]
    settings.certificate.write_bytes(b"".join(one + b"-----END CERTIFICATE-----\n" for one in (root, leaf)))
    with pytest.raises(SaysoError, match="put the leaf first"):
        Sealer(settings).seal(CARD, RECORD, "png", None)


def test_a_certificate_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    settings = own(tmp_path)
    assert settings.certificate is not None and settings.key is not None
    settings.key.write_bytes(b"no key")
    with pytest.raises(SaysoError, match="holds no readable key"):
        Sealer(settings).seal(CARD, RECORD, "png", None)
    settings.certificate.write_bytes(b"no certificate")
    with pytest.raises(SaysoError, match="holds no readable certificate"):
        Sealer(settings).seal(CARD, RECORD, "png", None)


def test_a_log_that_cannot_be_written_lets_nothing_out(tmp_path: Path) -> None:
    mine = Sealer(Settings(folder=tmp_path / "trust"))
    mine.seal(CARD, RECORD, "png", None)
    for path in (tmp_path / "trust").glob("pictures.sqlite*"):
        path.unlink()
    (tmp_path / "trust" / "pictures.sqlite").write_bytes(b"this is no database, and it is long enough to be seen as none")
    with pytest.raises(CannotWrite, match="pictures.sqlite"):
        Sealer(Settings(folder=tmp_path / "trust")).seal(CARD, RECORD, "png", None)


def test_an_unknown_algorithm_of_the_key_is_told(tmp_path: Path) -> None:
    """es384 with a key of P-256: the library refuses, and nothing is given out."""
    with pytest.raises(SaysoError, match="not given out|cannot sign"):
        Sealer(replace(own(tmp_path), algorithm="es384")).seal(CARD, RECORD, "png", None)


def test_a_picture_that_is_smaller_than_a_mark_is_signed_all_the_same(sealer: Sealer) -> None:
    small = replace(CARD, pixels=np.ascontiguousarray(CARD.pixels[:40, :40]))
    parts = sealer.parts(small, RECORD, "png", None)
    assert not parts.marked and state(parts.sealed.data, sealer.identity.root) == "Trusted"
