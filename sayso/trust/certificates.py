"""Who signs: a chain of certificates made on first use, or a person's own, and the two secrets that never leave the folder.

`keys/` in the trust folder holds `root.pem` and `root.key` (what others may be told to trust), `signer.pem` (the signing key with
its chain) and `secret` (32 bytes that key the mark and salt the hashes). The folder appears whole or not at all, however many
processes start at once, and nobody else may read it.

Signatures of a chain made here are sound everywhere but known only where this root was added: public viewers list it as an
unknown signer, which only a certificate of the C2PA trust list changes.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sayso.errors import CannotWrite, SaysoError
from sayso.trust.settings import Settings

ROOT_YEARS, LEAF_DAYS, RENEW_DAYS = 20, 397, 30
SKEW = datetime.timedelta(hours=1)  # certificates begin this much before now, for clocks that are a little behind
COMMAND_SECONDS = 30


@dataclass(frozen=True)
class Identity:
    """`chain`: PEM, leaf first. `key`: PKCS#8 PEM, or None where `sign` signs. `root`: PEM of the
    root that was made here. `anchors`: PEM of all roots to trust."""

    chain: bytes
    key: bytes | None
    sign: Callable[[bytes], bytes] | None
    algorithm: str
    root: bytes
    anchors: bytes
    secret: bytes


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Self-hosted sayso")])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not signs_certificates, False, False, False, False, signs_certificates, signs_certificates, False, False)


def make_root(now: datetime.datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A self-signed root and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"sayso root {secrets.token_hex(4)}")
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(x509.random_serial_number()).not_valid_before(now - SKEW)
    built = built.not_valid_after(now + datetime.timedelta(days=365 * ROOT_YEARS))
    built = built.add_extension(x509.BasicConstraints(True, None), True).add_extension(_usage(True), True)
    built = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    return built.sign(key, hashes.SHA256()), key


def make_leaf(
    root: x509.Certificate, root_key: CertificateIssuerPrivateKeyTypes, now: datetime.datetime, days: int = LEAF_DAYS, seconds: int = 0,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A signing certificate under a root, of the form that C2PA asks for (its specification, "X.509 certificates").

    `now`, `days`, `seconds`: it is valid until so long after `now`. `usage`: what it may sign.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    built = x509.CertificateBuilder().subject_name(_name("sayso signer")).issuer_name(root.subject).public_key(key.public_key())
    built = built.serial_number(x509.random_serial_number()).not_valid_before(now - SKEW)
    built = built.not_valid_after(now + datetime.timedelta(days=days, seconds=seconds))
    built = built.add_extension(x509.BasicConstraints(False, None), True).add_extension(_usage(False), True)
    built = built.add_extension(x509.ExtendedKeyUsage([usage]), usage != ExtendedKeyUsageOID.EMAIL_PROTECTION)
    built = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    built = built.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), False)  # type: ignore[arg-type]
    return built.sign(root_key, hashes.SHA256()), key


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _make(keys: Path) -> None:
    """The folder of keys, whole: made beside its place and moved; where another process was quicker, its folder stays."""
    keys.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".keys-", dir=keys.parent))  # mode 0700
    try:
        now = datetime.datetime.now(datetime.UTC)
        root, root_key = make_root(now)
        leaf, key = make_leaf(root, root_key, now)
        _write(part / "root.pem", _pem(root))
        _write(part / "root.key", _key_pem(root_key))
        _write(part / "signer.pem", _key_pem(key) + _pem(leaf) + _pem(root))
        _write(part / "secret", secrets.token_bytes(32))
        with contextlib.suppress(OSError):
            os.rename(part, keys)
        if not (keys / "secret").exists():
            raise SaysoError(f'the keys cannot be put at "{keys}"; make that place free or set SAYSO_HOME to another folder')
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _renew(keys: Path) -> None:
    """A new signing certificate under the same root; replaced in one step."""
    root = x509.load_pem_x509_certificate((keys / "root.pem").read_bytes())
    root_key = serialization.load_pem_private_key((keys / "root.key").read_bytes(), None)
    leaf, key = make_leaf(root, root_key, datetime.datetime.now(datetime.UTC))  # type: ignore[arg-type]
    part = keys / f".signer-{secrets.token_hex(8)}"
    try:
        _write(part, _key_pem(key) + _pem(leaf) + _pem(root))
        os.replace(part, keys / "signer.pem")
    finally:
        part.unlink(missing_ok=True)


def _guard(path: Path) -> None:
    """Raises SaysoError when others may read a secret."""
    if os.name == "posix" and path.stat().st_mode & 0o077:
        remedy = f"chmod {'700' if path.is_dir() else '600'}"
        raise SaysoError(f'"{path}" can be read by others, so its key may be known to them; run {remedy} on it')


def _leaf(chain: bytes, named: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(chain)
    except ValueError as error:
        raise SaysoError(f'"{named}" holds no readable certificate ({error}); give a PEM chain, leaf first') from error


def _in_time(leaf: x509.Certificate, named: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        span = f"{leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}"
        raise SaysoError(f'the certificate in "{named}" is valid from {span} and this clock says {now:%Y-%m-%d}; set the clock or renew it')


def _own(settings: Settings, secret: bytes, root: bytes, anchors: bytes) -> Identity:
    """A person's own certificate with a key file or a signing command."""
    assert settings.certificate is not None
    chain = settings.certificate.read_bytes()
    leaf = _leaf(chain, str(settings.certificate))
    _in_time(leaf, str(settings.certificate))
    if settings.command is not None:
        return Identity(chain, None, _command(settings.command), settings.algorithm, root, anchors, secret)
    assert settings.key is not None
    _guard(settings.key)
    try:
        key = serialization.load_pem_private_key(settings.key.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise SaysoError(f'"{settings.key}" holds no readable key ({error}); give an unencrypted PEM key') from error
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        named = f'the first certificate of "{settings.certificate}"'
        raise SaysoError(f'the key "{settings.key}" does not belong to {named}; put the leaf first')
    return Identity(chain, _key_pem(key), None, settings.algorithm, root, anchors, secret)  # type: ignore[arg-type]


def _command(command: str) -> Callable[[bytes], bytes]:
    """A signer that hands the bytes to a program and takes the signature from its output."""
    import shlex

    words = shlex.split(command)

    def sign(data: bytes) -> bytes:
        ran = subprocess.run(words, input=data, capture_output=True, timeout=COMMAND_SECONDS, check=False)
        if ran.returncode or not ran.stdout:
            raise SaysoError(f'the signing command "{words[0]}" failed with exit code {ran.returncode}')
        return ran.stdout

    return sign


def load(settings: Settings) -> Identity:
    """The identity that signs, made on first use. Raises SaysoError for keys that others can read, or out of their time."""
    keys = settings.folder / "keys"
    try:
        if not keys.exists():
            _make(keys)
        for path in (keys, keys / "root.key", keys / "signer.pem", keys / "secret"):
            _guard(path)
        root, secret = (keys / "root.pem").read_bytes(), (keys / "secret").read_bytes()
        anchors = root + (b"\n" + settings.anchors.read_bytes() if settings.anchors else b"")
        if settings.certificate is not None:
            return _own(settings, secret, root, anchors)
        leaf = _leaf((keys / "signer.pem").read_bytes(), str(keys / "signer.pem"))
        left = leaf.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
        if left < datetime.timedelta(days=RENEW_DAYS):
            _renew(keys)
        signer = (keys / "signer.pem").read_bytes()
    except OSError as error:
        raise CannotWrite(f'the keys in "{keys}" cannot be used ({error.strerror}); set SAYSO_HOME to a folder you may write to') from error
    cut = signer.index(b"-----BEGIN CERTIFICATE-----")
    _in_time(_leaf(signer[cut:], str(keys / "signer.pem")), str(keys / "signer.pem"))
    return Identity(signer[cut:], signer[:cut], None, "es256", root, anchors, secret)
