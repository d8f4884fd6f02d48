"""Signed manifests (C2PA) in and beside picture files: written with an identity, read with its anchors, never from the network."""

from __future__ import annotations

import functools
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import c2pa
import numpy as np
from cryptography import x509

from sayso.errors import BadInput, SaysoError
from sayso.trust import formats
from sayso.trust.certificates import Identity
from sayso.trust.manifest import EARLIER, GENERATION, MARK, PARENT, Ingredient
from sayso.types import Parent

DEPTH = 8  # manifests of one parent that are carried on whole; of a longer history the steps are told as data
USAGES = "1.3.6.1.5.5.7.3.4\n1.3.6.1.5.5.7.3.36\n1.3.6.1.4.1.62558.2.1"  # e-mail protection, document signing, C2PA's own
RESERVE = 2048  # bytes kept free for a signature that a command makes


@dataclass(frozen=True)
class Step:
    """One manifest of a store. `state` of the newest step is its validation; `broken` lists the codes of what failed."""

    label: str
    title: str
    issuer: str
    generator: str
    time: str
    actions: tuple[str, ...]
    ai: bool
    mark: str | None
    facts: Mapping[str, object]
    broken: tuple[str, ...] = ()
    relation: str = ""


@dataclass(frozen=True)
class Reading:
    """What a file's manifests say. `state`: none, trusted, valid (sound, signer not in the anchors), invalid, remote or unreadable.

    `steps`: newest first; parents and references follow, as far as their manifests are carried. `earlier`: the history that
    is told as data. `ours`: the newest manifest was signed by one of our own anchors. `remote`: where a manifest is said to
    be; it is not fetched.
    """

    state: Literal["none", "trusted", "valid", "invalid", "remote", "unreadable"]
    steps: tuple[Step, ...] = ()
    earlier: tuple[Mapping[str, object], ...] = ()
    broken: tuple[str, ...] = ()
    ours: bool = False
    remote: str = ""
    raw: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def ai(self) -> bool:
        """Whether any manifest says that a model had a part in the picture."""
        return any(step.ai for step in self.steps)


@functools.lru_cache(maxsize=8)
def _context(process: int, anchors: bytes) -> c2pa.Context:
    """One per process: a context does not outlive a fork."""
    return c2pa.Context.from_dict({
        "version": 1,
        "trust": {"user_anchors": anchors.decode(), "trust_config": USAGES},
        "verify": {"verify_after_sign": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
        "core": {"allowed_network_hosts": []},
        "builder": {"thumbnail": {"enabled": False}},
    })


def context(identity: Identity) -> c2pa.Context:
    """The settings for signing and reading with all of an identity's anchors."""
    return _context(os.getpid(), identity.anchors)


def signer(identity: Identity, timestamps: str | None) -> c2pa.Signer:
    """A signer of this identity; raises SaysoError when its key and chain do not fit."""
    algorithm = getattr(c2pa.C2paSigningAlg, identity.algorithm.upper())
    try:
        if identity.key is not None:
            return c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, identity.chain, identity.key, timestamps))
        return c2pa.Signer.from_callback(identity.sign, algorithm, identity.chain.decode(), timestamps)
    except c2pa.C2paError as error:
        raise SaysoError(f"the certificate and its key cannot sign ({_short(error)}); check SAYSO_TRUST_CERTIFICATE and its key") from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def sign(
    data: bytes, media_type: str, definition: Mapping[str, object], ingredients: Sequence[Ingredient], identity: Identity,
    timestamps: str | None = None, sidecar: bool = False,
) -> tuple[bytes, bytes]:
    """The signed file and its manifest store. With `sidecar` the file stays as it is and the store is kept beside it.

    Raises SaysoError; nothing was signed then.
    """
    failure: list[Exception] = []
    if identity.sign is not None:  # the library hides what a callback raises
        inner = identity.sign

        def kept(bytes_: bytes) -> bytes:
            try:
                return inner(bytes_)
            except Exception as error:
                failure.append(error)
                raise

        identity = replace(identity, sign=kept)
    try:
        with signer(identity, timestamps) as pen, c2pa.Builder(dict(definition), context=context(identity)) as builder:
            for one in ingredients:
                builder.add_ingredient(one.definition(), one.media_type, io.BytesIO(one.data))
            if sidecar:
                builder.set_no_embed()
            out = io.BytesIO()
            store = builder.sign(pen, media_type, io.BytesIO(data), out)
    except c2pa.C2paError as error:
        reason = _short(failure[0] if failure else error)
        told = f"the picture could not be signed and was not given out ({reason}); see docs/trust.md for the usual causes"
        raise SaysoError(told) from error
    return out.getvalue(), bytes(store)


# Parents.


def ingredient(parent: Parent, place: int, identity: Identity) -> Ingredient:
    """A parent's file, ready for a manifest. Its own manifests go along, sound or broken; too many are told as data instead.

    Raises BadInput when it is no picture.
    """
    media = formats.sniff(parent.data)
    label = PARENT if parent.relation == "parentOf" else f"reference{place}"
    if media is None:
        raise BadInput(f'the picture "{parent.name}" is not a PNG, JPEG, WebP, AVIF or GIF; convert it to one of these')
    reading = read(parent.data, identity)
    if reading.state in ("remote", "unreadable"):
        told = {"remote": "its manifest lies elsewhere and is not fetched", "unreadable": "its manifest cannot be read"}[reading.state]
        return Ingredient(_bare(parent.data), "image/png", parent.relation, parent.name, label, ({"remark": told},))
    if len(reading.steps) <= DEPTH:
        return Ingredient(parent.data, media, parent.relation, parent.name, label)
    steps = [{"manifest": step.label, "issuer": step.issuer, "time": step.time, "actions": list(step.actions), "mark": step.mark or "",
              "aiGenerated": step.ai, "broken": list(step.broken)} for step in reading.steps]
    earlier = (*steps, *({key: value for key, value in step.items() if key != "ingredient"} for step in reading.earlier))
    return Ingredient(_bare(parent.data), "image/png", parent.relation, parent.name, label, earlier)


def _bare(data: bytes) -> bytes:
    """The same pixels as a PNG without any metadata."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(formats.decode(data))).save(out, "PNG", compress_level=1)
    return out.getvalue()


# Reading.


def read(data: bytes, identity: Identity, sidecar: bytes | None = None) -> Reading:
    """What the manifests of a file say, from the file or from a store beside it. Never raises for a hostile file."""
    media = formats.sniff(data)
    if media is None:
        return Reading("none")
    try:
        if sidecar is not None:
            reader = c2pa.Reader(media, io.BytesIO(data), manifest_data=sidecar, context=context(identity))
        else:
            found = c2pa.Reader.try_create(media, io.BytesIO(data), context=context(identity))
            if found is None:
                return Reading("none")
            reader = found
        with reader:
            state, report = str(reader.get_validation_state() or "Invalid").lower(), json.loads(reader.json())
    except Exception as error:  # noqa: BLE001  whatever the bytes do to the native reader, it is a fact about the file
        text = _short(error)
        if "remote" in text.lower() or "remote" in type(error).__name__.lower():
            return Reading("remote", remote=text)
        return Reading("unreadable", broken=(text,))
    return _reading(state, report, state == "trusted" and _by_us(report, media, data, sidecar, identity))


def _codes(results: Mapping[str, object] | None) -> tuple[str, ...]:
    """The codes of what failed in the validation results of one manifest."""
    active = (results or {}).get("activeManifest")
    failures = active.get("failure", ()) if isinstance(active, Mapping) else ()
    return tuple(dict.fromkeys(str(one.get("code")) for one in failures if isinstance(one, Mapping)))


def _reading(state: str, report: Mapping[str, object], ours: bool) -> Reading:
    manifests = report.get("manifests")
    manifests = manifests if isinstance(manifests, Mapping) else {}
    steps: list[Step] = []
    earlier: list[Mapping[str, object]] = []
    newest = _codes(report.get("validation_results"))  # type: ignore[arg-type]
    waiting: list[tuple[str, tuple[str, ...], str]] = [(str(report.get("active_manifest")), newest, "")]
    done: set[str] = set()
    while waiting:
        label, broken, relation = waiting.pop(0)
        manifest = manifests.get(label)
        if label in done or not isinstance(manifest, Mapping):
            continue
        done.add(label)
        steps.append(_step(label, manifest, broken, relation))
        earlier += _assertion(manifest, EARLIER).get("steps", ())  # type: ignore[arg-type]
        for one in manifest.get("ingredients", ()):
            failed = _codes(one.get("validation_results"))
            if one.get("active_manifest"):
                waiting.append((str(one["active_manifest"]), failed, str(one.get("relationship", ""))))
            elif failed:
                steps.append(Step("", str(one.get("title", "")), "", "", "", (), False, None, {}, failed, str(one.get("relationship", ""))))
    known = state if state in ("trusted", "valid", "invalid") else "invalid"
    return Reading(known, tuple(steps), tuple(earlier), newest, ours, raw=report)  # type: ignore[arg-type]


def _by_us(report: Mapping[str, object], media: str, data: bytes, sidecar: bytes | None, identity: Identity) -> bool:
    """Whether a trusted signature is our own: by the certificate that signs here now, or under the root that was made here."""
    manifests = report.get("manifests")
    manifest = manifests.get(str(report.get("active_manifest"))) if isinstance(manifests, Mapping) else None
    info = manifest.get("signature_info") if isinstance(manifest, Mapping) else None
    serial = str(x509.load_pem_x509_certificate(identity.chain).serial_number)
    if isinstance(info, Mapping) and str(info.get("cert_serial_number")) == serial:
        return True
    if identity.anchors == identity.root:
        return True
    root = _context(os.getpid(), identity.root)
    with c2pa.Reader(media, io.BytesIO(data), manifest_data=sidecar, context=root) as reader:
        return str(reader.get_validation_state()) == "Trusted"


def _assertion(manifest: object, label: str) -> Mapping[str, object]:
    found = manifest.get("assertions", ()) if isinstance(manifest, Mapping) else ()
    for one in found:
        if one.get("label") == label and isinstance(one.get("data"), Mapping):
            return one["data"]
    return {}


def _step(label: str, manifest: Mapping[str, object], broken: tuple[str, ...], relation: str) -> Step:
    info = manifest.get("signature_info")
    info = info if isinstance(info, Mapping) else {}
    generators = manifest.get("claim_generator_info")
    generator = generators[0] if isinstance(generators, list) and generators else {}
    actions = _assertion(manifest, "c2pa.actions.v2").get("actions") or _assertion(manifest, "c2pa.actions").get("actions") or ()
    rows = [one for one in actions if isinstance(one, Mapping)]  # type: ignore[attr-defined]
    binding = _assertion(manifest, "c2pa.soft-binding")
    blocks = binding.get("blocks") if binding.get("alg") == MARK else None
    mark = str(blocks[0].get("value")) if isinstance(blocks, list) and blocks and isinstance(blocks[0], Mapping) else None
    return Step(
        label, str(manifest.get("title") or ""), str(info.get("issuer") or info.get("common_name") or "unknown"),
        " ".join(str(generator.get(key)) for key in ("name", "version") if generator.get(key)), str(info.get("time") or ""),
        tuple(str(one.get("action")) for one in rows),
        any("rainedAlgorithmicMedia" in str(one.get("digitalSourceType", "")) for one in rows), mark, _assertion(manifest, GENERATION),
        broken, relation,
    )
