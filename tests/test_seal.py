"""Provenance: what is signed, what every change to a file looks like, whose keys, and what is never fetched."""

from __future__ import annotations

import datetime
import http.server
import io
import json
import multiprocessing
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Ran
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from PIL import Image

from sayso.errors import BadInput, CannotWrite, SaysoError, Unknown
from sayso.evals import marked
from sayso.trust import certificates, formats, provenance, verify
from sayso.trust.fingerprint import ALIKE
from sayso.trust.manifest import COMPOSITE, TRAINED
from sayso.trust.seal import Sealer, sealed
from sayso.trust.settings import Settings, from_environment
from sayso.types import Parent, Picture, Record

RECORD = Record("created", "pocket", "ab" * 32, 7, "my secret prompt", {"steps": 16, "guidance": 5.0})
CARD = Picture(marked.infographic(1, 256))


@pytest.fixture(scope="module")
def sealer(tmp_path_factory: pytest.TempPathFactory) -> Sealer:
    return Sealer(Settings(folder=tmp_path_factory.mktemp("trust") / "trust"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Sealer:
    """Another installation."""
    return Sealer(Settings(folder=tmp_path_factory.mktemp("other") / "trust"))


def kinds(data: bytes, sealer: Sealer, sidecar: bytes | None = None) -> list[str]:
    return [one.kind for one in verify.check(data, sealer, sidecar, thorough=False)]


# every format

@pytest.mark.parametrize("kind", formats.MEDIA_TYPES)
def test_every_format_is_valid_and_trusted_here_and_valid_elsewhere(sealer: Sealer, stranger: Sealer, kind: str) -> None:
    out = sealer.seal(CARD, RECORD, kind, None)
    read = provenance.read(out.data, sealer.identity)
    assert (read.state, read.ours, read.broken) == ("trusted", True, ())
    assert read.steps[0].actions == ("c2pa.created", "c2pa.watermarked.bound") and read.steps[0].mark == out.id
    assert (out.media_type, formats.sniff(out.data)) == (formats.MEDIA_TYPES[kind], formats.MEDIA_TYPES[kind])
    there = provenance.read(out.data, stranger.identity)
    assert (there.state, there.ours) == ("valid", False)
    assert kinds(out.data, stranger) == ["another's manifest"]


@pytest.mark.parametrize("kind", formats.MEDIA_TYPES)
def test_every_change_is_reported_as_what_it_is(sealer: Sealer, kind: str) -> None:
    data = sealer.seal(CARD, RECORD, kind, None).data
    bit = bytearray(data)
    bit[len(bit) * (1 if kind == "webp" else 3) // 4] ^= 1  # among the pixels: a manifest stands at the end of a WebP
    for changed in (bytes(bit), data + b"x"):
        read = provenance.read(changed, sealer.identity)
        assert read.state in ("invalid", "unreadable")
        if read.state == "invalid":
            assert any("Hash.mismatch" in code for code in read.broken), read.broken
    assert "changed after it was signed" in verify.manifests(provenance.read(data + b"x", sealer.identity))[0].sentence
    again = formats.encode(formats.decode(data), kind, None, formats.notes(RECORD))
    assert provenance.read(again, sealer.identity).state == "none"


def test_a_sidecar_leaves_the_file_as_it_is(sealer: Sealer) -> None:
    parts = sealer.parts(CARD, RECORD, "png", None, sidecar=True)
    assert provenance.read(parts.sealed.data, sealer.identity).state == "none"
    assert provenance.read(parts.sealed.data, sealer.identity, parts.store).ours
    assert provenance.read(parts.sealed.data + b"x", sealer.identity, parts.store).state == "invalid"
    assert "our manifest" in kinds(parts.sealed.data, sealer, parts.store)


def test_what_a_manifest_tells_and_keeps_to_itself(sealer: Sealer) -> None:
    data = sealer.seal(CARD, RECORD, "png", None).data
    read = provenance.read(data, sealer.identity)
    facts = read.steps[0].facts
    assert read.ai and facts["seed"] == "7" and facts["weights"] == "ab" * 32 and facts["settings"] == {"steps": "16", "guidance": 5.0}
    assert b"secret prompt" not in data and str(facts["promptHash"]).startswith("hmac-sha256:")
    assert TRAINED in json.dumps(read.raw)
    told = Sealer(replace(sealer.settings, tell_prompt="yes")).seal(CARD, RECORD, "png", None).data
    assert provenance.read(told, sealer.identity).steps[0].facts["prompt"] == "my secret prompt"


def test_sealing_adds_little(sealer: Sealer) -> None:
    picture = Picture(marked.photo(1, 256))
    parts = sealer.parts(picture, RECORD, "png", None)
    plain = formats.encode(picture.pixels, "png", None, formats.notes(RECORD))
    assert len(parts.sealed.data) - len(plain) < 20_000 and len(parts.store) < 6_000


def test_the_same_pixels_get_the_same_mark_and_other_pixels_another(sealer: Sealer) -> None:
    first, again = sealer.seal(CARD, RECORD, "png", None), sealer.seal(CARD, RECORD, "png", None)
    assert first.id == again.id and np.array_equal(formats.decode(first.data), formats.decode(again.data))
    pixels = CARD.pixels.copy()
    pixels[0, 0, 0] ^= 1
    assert sealer.seal(Picture(pixels), RECORD, "png", None).id != first.id


def test_what_a_mask_kept_is_kept_by_the_seal_too(sealer: Sealer) -> None:
    """The pixels outside a masked edit are exactly those of the picture it was made from, its mark included."""
    first = np.asarray(Image.open(io.BytesIO(sealer.seal(CARD, RECORD, "png", None).data)).convert("RGBA"))
    edited, kept = first.copy(), np.ones(first.shape[:2], bool)
    edited[96:160, 96:160] = (200, 30, 30, 255)
    kept[96:160, 96:160] = False
    parent = Parent(sealer.seal(CARD, RECORD, "png", None).data, "parentOf", "before")
    record = replace(RECORD, action="edited", settings={"mask": True}, parents=(parent,))
    out = sealer.seal(Picture(edited), record, "png", None)
    pixels = np.asarray(Image.open(io.BytesIO(out.data)).convert("RGBA"))
    assert np.array_equal(pixels[kept], first[kept])
    read = provenance.read(out.data, sealer.identity)
    assert read.state == "trusted" and read.steps[0].mark in (None, out.id)


def test_alpha_is_kept_and_an_empty_picture_is_signed_without_a_mark(sealer: Sealer) -> None:
    picture = marked.picture("transparent", 3, 128)
    out = formats.decode(sealer.seal(Picture(picture), RECORD, "png", None).data)
    assert np.array_equal(out[..., 3], picture[..., 3]) and np.array_equal(out[picture[..., 3] == 0], picture[picture[..., 3] == 0])
    empty = sealer.seal(Picture(np.zeros((64, 64, 4), np.uint8)), RECORD, "png", None)
    step = provenance.read(empty.data, sealer.identity).steps[0]
    assert step.actions == ("c2pa.created",) and step.mark is None


def test_wrong_formats_and_qualities_are_refused(sealer: Sealer) -> None:
    with pytest.raises(Unknown, match="tiff"):
        sealer.seal(CARD, RECORD, "tiff", None)
    for kind, quality in (("png", 90), ("gif", 50), ("jpeg", 0), ("webp", 101)):
        with pytest.raises(BadInput, match="quality"):
            sealer.seal(CARD, RECORD, kind, quality)
    small = len(sealer.seal(CARD, RECORD, "jpeg", 40).data)
    assert small < len(sealer.seal(CARD, RECORD, ".JPG", 95).data)


# parents

def edited(sealer: Sealer, *parents: Parent) -> bytes:
    action = "edited" if any(parent.relation == "parentOf" for parent in parents) else "created"
    return sealer.seal(CARD, replace(RECORD, action=action, parents=parents), "png", None).data


def test_an_edit_carries_its_parent_and_its_references(sealer: Sealer) -> None:
    before, other = sealer.seal(CARD, RECORD, "jpeg", None).data, sealer.seal(CARD, RECORD, "webp", None).data
    hat, mood = Parent(other, "componentOf", "hat.webp"), Parent(other, "inputTo", "mood.webp")
    data = edited(sealer, Parent(before, "parentOf", "before.jpg"), hat, mood)
    read = provenance.read(data, sealer.identity)
    assert read.state == "trusted" and read.steps[0].actions == ("c2pa.opened", "c2pa.edited", "c2pa.placed", "c2pa.watermarked.bound")
    assert COMPOSITE in json.dumps(read.raw) and {step.relation for step in read.steps[1:]} == {"parentOf", "componentOf"}
    with pytest.raises(BadInput, match="more than one parent"):
        edited(sealer, Parent(before, "parentOf", "a"), Parent(before, "parentOf", "b"))


def test_a_picture_drawn_from_references_is_created_from_them(sealer: Sealer) -> None:
    read = provenance.read(edited(sealer, Parent(sealer.seal(CARD, RECORD, "png", None).data, "inputTo", "a.png")), sealer.identity)
    assert read.state == "trusted" and read.steps[0].actions[0] == "c2pa.created" and read.steps[1].relation == "inputTo"


def test_a_strangers_manifest_is_kept_and_found_behind_ours(sealer: Sealer, stranger: Sealer) -> None:
    theirs = stranger.seal(CARD, RECORD, "png", None).data
    read = provenance.read(edited(sealer, Parent(theirs, "parentOf", "theirs.png")), sealer.identity)
    label = provenance.read(theirs, stranger.identity).steps[0].label
    assert read.state == "trusted" and len(read.steps) == 2 and read.steps[1].label == label
    assert not any(one.kind == "broken parent" for one in verify.manifests(read))


def test_a_broken_parent_is_shown_as_broken(sealer: Sealer) -> None:
    broken = sealer.seal(CARD, RECORD, "png", None).data + b"x"
    child = edited(sealer, Parent(broken, "parentOf", "before.png"))
    grandchild = edited(sealer, Parent(child, "parentOf", "between.png"))
    for data in (child, grandchild):
        found = verify.manifests(provenance.read(data, sealer.identity))
        assert [one.kind for one in found] == ["our manifest", "broken parent"] and "changed after it was signed" in found[1].sentence


def test_a_long_history_is_cut_without_breaking_the_chain(sealer: Sealer) -> None:
    data, sizes, marks = sealer.seal(CARD, RECORD, "png", None).data, [], []
    for _ in range(provenance.DEPTH + 3):
        data = edited(sealer, Parent(data, "parentOf", "before.png"))
        read = provenance.read(data, sealer.identity)
        assert read.state == "trusted"
        sizes.append(len(data))
        marks.append(len(read.steps) + len(read.earlier))
    assert marks == list(range(2, provenance.DEPTH + 5)), "a step of the history is missing"
    assert max(sizes) - sizes[0] < 60_000 and len(read.steps) <= provenance.DEPTH + 1


def test_a_parent_that_is_no_picture_is_refused(sealer: Sealer) -> None:
    with pytest.raises(BadInput, match='"notes.txt" is not'):
        edited(sealer, Parent(b"hello", "parentOf", "notes.txt"))


# the network

@pytest.fixture
def counted() -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that counts who asks."""
    hits: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(self.path)
            self.send_response(404)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", hits
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_remote_manifest_is_never_fetched(sealer: Sealer, counted: tuple[str, list[str]]) -> None:
    url, hits = counted
    out = io.BytesIO()
    xmp = ('<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
           '<rdf:Description rdf:about="" '
           f'xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{url}/manifest.c2pa"/></rdf:RDF></x:xmpmeta>')
    Image.fromarray(CARD.pixels[..., :3]).save(out, "JPEG", xmp=xmp.encode())
    assert provenance.read(out.getvalue(), sealer.identity).state == "remote"
    assert "remote manifest" in kinds(out.getvalue(), sealer)
    read = provenance.read(edited(sealer, Parent(out.getvalue(), "parentOf", "theirs.jpg")), sealer.identity)
    assert read.state == "trusted" and "not fetched" in str(read.earlier) and hits == []


def test_a_timestamp_server_that_fails(sealer: Sealer, counted: tuple[str, list[str]]) -> None:
    url, hits = counted
    parts = Sealer(replace(sealer.settings, timestamps=url)).parts(CARD, RECORD, "png", None)
    assert hits and not parts.stamped and provenance.read(parts.sealed.data, sealer.identity).state == "trusted"
    assert any(line["what"] == "timestamp failed" for line in sealer.audit.lines())
    with pytest.raises(SaysoError, match="not given out"):
        Sealer(replace(sealer.settings, timestamps=url, timestamps_required="yes")).seal(CARD, RECORD, "png", None)


# keys and clocks

def test_keys_are_readable_by_nobody_else(sealer: Sealer) -> None:
    assert sealer.identity and stat.S_IMODE((sealer.settings.folder / "keys").stat().st_mode) == 0o700
    for path in (sealer.settings.folder / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for name in ("pictures.sqlite",):
        sealer.seal(CARD, RECORD, "png", None)
        assert stat.S_IMODE((sealer.settings.folder / name).stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_keys_that_others_can_read_are_refused(tmp_path: Path) -> None:
    settings = Settings(folder=tmp_path / "trust")
    certificates.load(settings)
    (settings.folder / "keys" / "signer.pem").chmod(0o644)
    with pytest.raises(SaysoError, match="chmod 600"):
        certificates.load(settings)


def _load(folder: str) -> bytes:
    return certificates.load(Settings(folder=Path(folder))).secret


def test_many_first_runs_at_once_agree_on_one_set_of_keys(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        secrets = pool.map(_load, [str(tmp_path / "trust")] * 6, chunksize=1)
    assert len(set(secrets)) == 1 and [path.name for path in (tmp_path / "trust").iterdir()] == ["keys"]


def test_a_certificate_is_renewed_before_it_ends(tmp_path: Path) -> None:
    settings = Settings(folder=tmp_path / "trust")
    first = certificates.load(settings)
    keys, now = settings.folder / "keys", datetime.datetime.now(datetime.UTC)
    root = x509.load_pem_x509_certificate((keys / "root.pem").read_bytes())
    root_key = serialization.load_pem_private_key((keys / "root.key").read_bytes(), None)
    leaf, key = certificates.make_leaf(root, root_key, now, days=10)  # type: ignore[arg-type]
    (keys / "signer.pem").write_bytes(certificates._key_pem(key) + certificates._pem(leaf) + certificates._pem(root))
    old = Sealer(settings)
    renewed = certificates.load(settings)
    assert renewed.chain != first.chain and renewed.root == first.root and stat.S_IMODE((keys / "signer.pem").stat().st_mode) == 0o600
    assert (x509.load_pem_x509_certificate(renewed.chain).not_valid_after_utc - now).days > 300
    assert provenance.read(old.seal(CARD, RECORD, "png", None).data, renewed).ours


def own(folder: Path, begins: int = 0, days: int = 100) -> Settings:
    """Settings with a certificate of one's own, valid from `begins` days from now, its key in the older SEC1 form."""
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=begins)
    root, root_key = certificates.make_root(now)
    leaf, key = certificates.make_leaf(root, root_key, now, days)
    old_form = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    for name, data in (("chain.pem", certificates._pem(leaf) + certificates._pem(root)), ("root.pem", certificates._pem(root)),
                       ("key.pem", key.private_bytes(*old_form))):
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o600)
    return Settings(folder=folder / "trust", certificate=folder / "chain.pem", key=folder / "key.pem", anchors=folder / "root.pem")


def test_a_certificate_of_ones_own(tmp_path: Path) -> None:
    settings = own(tmp_path)
    mine = Sealer(settings)
    read = provenance.read(mine.seal(CARD, RECORD, "png", None).data, mine.identity)
    assert (read.state, read.ours) == ("trusted", True)
    unlisted = Sealer(replace(settings, anchors=None))
    assert provenance.read(unlisted.seal(CARD, RECORD, "png", None).data, unlisted.identity).state == "valid"


def test_a_command_that_signs(tmp_path: Path) -> None:
    settings = own(tmp_path)
    script = tmp_path / "sign.py"
    script.write_text(
        "import sys\nfrom cryptography.hazmat.primitives import hashes, serialization\n"
        "from cryptography.hazmat.primitives.asymmetric import ec\n"
        f"key = serialization.load_pem_private_key(open({str(settings.key)!r}, 'rb').read(), None)\n"
        "sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read(), ec.ECDSA(hashes.SHA256())))\n")
    signing = Sealer(replace(settings, key=None, command=f"{sys.executable} {script}"))
    assert provenance.read(signing.seal(CARD, RECORD, "png", None).data, signing.identity).ours
    script.write_text("raise SystemExit(3)")
    with pytest.raises(SaysoError, match="exit code 3"):
        signing.seal(CARD, RECORD, "png", None)


@pytest.mark.parametrize(("begins", "days"), [(30, 100), (-100, 50)], ids=["not yet valid", "expired"])
def test_a_certificate_out_of_its_time_seals_nothing(tmp_path: Path, begins: int, days: int) -> None:
    with pytest.raises(SaysoError, match="set the clock or renew it"):
        Sealer(own(tmp_path, begins, days)).seal(CARD, RECORD, "png", None)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    other = own(tmp_path / "b")
    with pytest.raises(SaysoError, match="does not belong"):
        Sealer(replace(own(tmp_path / "a"), key=other.key)).seal(CARD, RECORD, "png", None)


def test_signing_outlives_a_fork(sealer: Sealer) -> None:
    """A server forks workers after it has signed once."""
    sealer.seal(CARD, RECORD, "png", None)
    child = os.fork()
    if child == 0:
        try:
            ok = provenance.read(sealer.seal(Picture(marked.infographic(9, 64)), RECORD, "png", None).data, sealer.identity).ours
        except Exception:  # noqa: BLE001  whatever it is, the child must end here
            ok = False
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_threads_may_seal_at_once(sealer: Sealer) -> None:
    from concurrent.futures import ThreadPoolExecutor

    pictures = [Picture(marked.infographic(i, 96)) for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        out = list(pool.map(lambda one: sealer.seal(one, RECORD, "png", None), pictures))
    assert len({one.id for one in out}) == 12 and all(provenance.read(one.data, sealer.identity).ours for one in out)


# settings

@pytest.mark.parametrize(("env", "said"), [
    ({"SAYSO_TRUST_ALGORYTHM": "es256"}, "SAYSO_TRUST_ALGORITHM"), ({"SAYSO_TRUST_ALGORITHM": "rot13"}, "rot13"),
    ({"SAYSO_TRUST_KEY": "/dev/null"}, "CERTIFICATE needs"), ({"SAYSO_TRUST_TIMESTAMPS": "ftp://x"}, "RFC 3161"),
    ({"SAYSO_TRUST_TELL_PROMPT": "maybe"}, "yes or no"), ({"SAYSO_TRUST_POLICY": "/no/such"}, "not a file"),
    ({"SAYSO_TRUST_REASONER": "http://x/v1"}, "belong together"),
])
def test_wrong_settings_are_refused(env: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        from_environment(env)


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite, match="SAYSO_HOME"):
        sealed(CARD, RECORD, "png", folder=tmp_path / "file" / "trust")


# the command

def test_verify_tells_findings_apart(
    sayso: Callable[..., Ran], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAYSO_HOME", str(tmp_path_factory.mktemp("home")))
    assert sayso("draw", "a red fox", "--engine", "fake", "-o", "a.png").code == 0
    told = json.loads(sayso("verify", "a.png", "--json").out)
    assert [one["kind"] for one in told["findings"]] == ["our manifest", "mark", "look-alike"]
    assert told["findings"][1]["picture"]["id"] == told["findings"][0]["mark"]
    assert told["findings"][2]["distance"] <= ALIKE // 2  # the mark itself changes 0 to 10 bits, by its number
    Image.open(tmp_path / "a.png").convert("RGB").resize((200, 200)).save(tmp_path / "b.jpg", quality=80)
    assert [line.split(":")[0] for line in sayso("verify", "b.jpg").lines] == ["mark", "look-alike"]
    Image.fromarray(marked.photo(99, 128)).save(tmp_path / "c.png")
    ran = sayso("verify", "c.png")
    assert ran.code == 0 and ran.lines == ["nothing: nothing was found, which proves nothing: marks and manifests can be removed by anyone"]
    for name, data in (("d.png", b""), ("e.png", b"GIF89a"), ("f.png", (tmp_path / "a.png").read_bytes()[:400])):
        (tmp_path / name).write_bytes(data)
        assert sayso("verify", name).code == 2
    assert "cannot be read" in sayso("verify", "none.png").err


def test_the_provenance_endpoints_shape(sealer: Sealer) -> None:
    data = sealer.seal(CARD, RECORD, "png", None).data
    rows = verify.endpoint(provenance.read(data, sealer.identity), verify.check(data, sealer, thorough=False))
    assert [(row["type"], row["outcome"]) for row in rows] == [("c2pa", "detected"), ("sayso", "detected")]
    assert rows[0]["validation_state"] == "trusted" and rows[1]["engine"] == "pocket"
    assert verify.endpoint(provenance.read(b"", sealer.identity), [])[0]["validation_state"] == "not_present"


def test_openssl_agrees_with_the_chain(sealer: Sealer, tmp_path: Path) -> None:
    import shutil

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    (tmp_path / "root.pem").write_bytes(sealer.identity.root)
    (tmp_path / "leaf.pem").write_bytes(sealer.identity.chain)
    ran = subprocess.run(["openssl", "verify", "-purpose", "smimesign", "-CAfile", str(tmp_path / "root.pem"), str(tmp_path / "leaf.pem")],
                         capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and ran.stdout.endswith("OK\n"), ran.stderr


def test_a_timestamp_keeps_a_signature_valid_after_its_certificate_ends(tmp_path: Path) -> None:
    """With a timestamp server of our own: sealed under a certificate of a few seconds, read when it has run out."""
    import shutil
    import time

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    config = tmp_path / "tsa.cnf"
    config.write_text(
        f"[tsa]\ndefault_tsa=t\n[t]\nserial={tmp_path}/serial\ncrypto_device=builtin\nsigner_cert={tmp_path}/tsa.pem\n"
        f"certs={tmp_path}/root.pem\n"
        f"signer_key={tmp_path}/tsa.key\nsigner_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256,sha384,sha512\naccuracy=secs:1\n"
        "ordering=no\ntsa_name=no\ness_cert_id_chain=no\ness_cert_id_alg=sha256\n")
    (tmp_path / "serial").write_text("01\n")
    settings = own(tmp_path)
    now = datetime.datetime.now(datetime.UTC)
    root, root_key = certificates.make_root(now)
    tsa, tsa_key = certificates.make_leaf(root, root_key, now, usage=x509.oid.ExtendedKeyUsageOID.TIME_STAMPING)
    leaf, key = certificates.make_leaf(root, root_key, now - datetime.timedelta(days=1), 1, seconds=4)
    for name, data in (("root.pem", certificates._pem(root)), ("tsa.pem", certificates._pem(tsa)),
                       ("tsa.key", certificates._key_pem(tsa_key)), ("key.pem", certificates._key_pem(key)),
                       ("chain.pem", certificates._pem(leaf) + certificates._pem(root))):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = tmp_path / "query"
            query.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            ran = subprocess.run(["openssl", "ts", "-reply", "-config", str(config), "-section", "t", "-queryfile", str(query)],
                                 capture_output=True, check=True)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(ran.stdout)))
            self.end_headers()
            self.wfile.write(ran.stdout)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        stamped = Sealer(replace(settings, timestamps=f"http://127.0.0.1:{server.server_port}"))
        parts = stamped.parts(CARD, RECORD, "png", None)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    bare = Sealer(settings).seal(CARD, RECORD, "png", None)
    assert parts.stamped and provenance.read(parts.sealed.data, stamped.identity).steps[0].time
    time.sleep(max(0.0, (leaf.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).total_seconds()) + 1.1)
    assert provenance.read(parts.sealed.data, stamped.identity).state == "trusted"
    late = provenance.read(bare.data, stamped.identity)
    assert late.state == "invalid" and "signingCredential.expired" in late.broken
    assert "no timestamp says that it was signed before" in verify.manifests(late)[0].sentence


def _seal(job: tuple[str, int]) -> tuple[str, bool]:
    folder, index = job
    mine = Sealer(Settings(folder=Path(folder)))
    out = mine.seal(Picture(marked.infographic(index, 96)), RECORD, "png", None)
    return out.id, provenance.read(out.data, mine.identity).ours


def test_several_processes_share_one_log_from_the_first_picture_on(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        done = pool.map(_seal, [(str(tmp_path / "trust"), index) for index in range(12)], chunksize=1)
    assert len({id for id, _ in done}) == 12 and all(ours for _, ours in done)
    assert len(Sealer(Settings(folder=tmp_path / "trust")).log) == 12
