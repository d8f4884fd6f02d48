"""What can be told about a file: each finding apart, and never one verdict.

A manifest says who signed what; a mark says that the pixels, or some of them, came out of this installation; a look-alike says
that a picture of ours resembles this one. None proves that a picture is true, and finding nothing proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sayso.trust import fingerprint, formats, provenance, watermark
from sayso.trust.log import Entry
from sayso.trust.provenance import Reading, Step
from sayso.trust.seal import Sealer, watermark_key

Kind = Literal["our manifest", "another's manifest", "broken manifest", "broken parent", "remote manifest", "mark", "look-alike", "nothing"]
WHY = {  # what the commonest failures mean, for a person
    "assertion.dataHash.mismatch": "the file was changed after it was signed",
    "assertion.bmffHash.mismatch": "the file was changed after it was signed",
    "assertion.boxesHash.mismatch": "the file was changed after it was signed",
    "assertion.hashedURI.mismatch": "the manifest was changed after it was signed",
    "claimSignature.mismatch": "the signature does not fit the manifest",
    "signingCredential.expired": "the certificate had expired, and no timestamp says that it was signed before",
    "signingCredential.untrusted": "the signer is not known here",
    "signingCredential.invalid": "the certificate may not sign manifests",
    "timeStamp.untrusted": "the timestamp comes from a server that is not known here",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was found. `sentence`: for a person. `facts`: the same as data."""

    kind: Kind
    sentence: str
    facts: Mapping[str, object]


def check(data: bytes, sealer: Sealer, sidecar: bytes | None = None, thorough: bool = True) -> list[Finding]:
    """All findings about a file, manifests first; one of kind "nothing" when there are none.

    Raises BadInput when the file is no picture that can be decoded. `thorough` also looks for marks at small turns and, as in
    screenshots, at unknown scales, which takes up to a second.
    """
    pixels = formats.decode(data)
    found = manifests(provenance.read(data, sealer.identity, sidecar))
    found += traces(pixels, sealer, thorough)
    return found or [Finding("nothing", "nothing was found, which proves nothing: marks and manifests can be removed by anyone", {})]


def _why(codes: tuple[str, ...]) -> str:
    told = [WHY.get(code, code) for code in codes if code != "signingCredential.untrusted"]
    return "; ".join(dict.fromkeys(told)) or "its validation failed"


def _signed(step: Step) -> str:
    when = f" on {step.time[:10]}" if step.time else ""
    ai = " It says that a model had a part in the picture." if step.ai else ""
    engine = f' Engine "{step.facts["engine"]}", seed {step.facts.get("seed", "?")}.' if step.facts.get("engine") else ""
    return f'by "{step.issuer}" with {step.generator or "an unnamed program"}{when}.{ai}{engine}'


def _facts(step: Step) -> dict[str, object]:
    return {"manifest": step.label, "title": step.title, "issuer": step.issuer, "generator": step.generator, "time": step.time,
            "actions": list(step.actions), "ai": step.ai, "mark": step.mark, "generation": dict(step.facts), "relation": step.relation,
            "broken": list(step.broken)}


def manifests(reading: Reading) -> list[Finding]:
    """What the manifests of a file say."""
    if reading.state == "none":
        return []
    if reading.state == "remote":
        return [Finding("remote manifest", "the file says that its manifest lies elsewhere; it was not fetched", {"said": reading.remote})]
    if reading.state == "unreadable" or not reading.steps:
        return [Finding("broken manifest", "there is a manifest that cannot be read", {"said": list(reading.broken)})]
    newest, *parents = reading.steps
    facts = _facts(newest) | {"state": reading.state, "history": [_facts(step) for step in parents], "earlier": list(reading.earlier)}
    ai_before = any(step.ai for step in parents) and not newest.ai
    before = " An earlier version was made by a model." if ai_before else ""
    if reading.state == "invalid":
        sentence = f"there is a manifest, but {_why(reading.broken)}. It was signed {_signed(newest)}{before}"
        found = [Finding("broken manifest", sentence, facts)]
    elif reading.ours:
        found = [Finding("our manifest", f"signed here, and unchanged since: {_signed(newest)}{before}", facts)]
    else:
        known = "a signer that is trusted here" if reading.state == "trusted" else "a signer that is not known here"
        found = [Finding("another's manifest", f"sound, from {known}: {_signed(newest)}{before}", facts)]
    for step in parents:
        if step.broken and step.broken != ("signingCredential.untrusted",):
            role = "it was made from" if step.relation == "parentOf" else "was used in it"
            sentence = f'a picture that {role} ("{step.title or "untitled"}") came with a broken manifest: {_why(step.broken)}'
            found.append(Finding("broken parent", sentence, _facts(step)))
    return found


def _entry(entry: Entry) -> dict[str, object]:
    return {"id": entry.id, "made": entry.made, "engine": entry.engine, "seed": entry.seed, "action": entry.action,
            "size": f"{entry.width}x{entry.height}", "weights": entry.weights}


def traces(pixels: np.ndarray, sealer: Sealer, thorough: bool) -> list[Finding]:
    """What the pixels themselves show: our mark, and pictures of our own that look alike."""
    found = []
    read = watermark.read(pixels, watermark_key(sealer.identity), sealer.log.known(), sealer.log.sides(), thorough)
    if read is not None:
        entry = sealer.log.entry(read.value)
        facts: dict[str, object] = {"id": f"{read.value:08x}", "score": round(read.score, 1), "how": read.how}
        if entry is None:
            sentence = f"it carries a mark of this installation, {read.value:08x}, of a picture that is not in the log"
        else:
            facts |= {"picture": _entry(entry)}
            sentence = f"it carries the mark {entry.id} of a picture {_made(entry)} by {entry.engine} with seed {entry.seed}"
        found.append(Finding("mark", f"{sentence} (read {_how(read.how)}, {read.score:.0f} deviations above chance)", facts))
    for alike in sealer.log.alike(fingerprint.turns(pixels)):
        turned = "" if alike.turn == 0 else ", turned or mirrored"
        apart = f"{alike.distance} of 256 bits apart{turned}"
        sentence = f"it looks like the picture {alike.entry.id} {_made(alike.entry)}: {apart}; a look-alike need not be a copy"
        found.append(Finding("look-alike", sentence, {"distance": alike.distance, "turn": alike.turn, "picture": _entry(alike.entry)}))
    return found


def _made(entry: Entry) -> str:
    return f"made here on {entry.made[:10]}"


def _how(how: str) -> str:
    return {"whole": "from the whole picture", "part": "from a part at its first size"}.get(how, how)


def endpoint(reading: Reading, findings: list[Finding]) -> list[dict[str, object]]:
    """The findings in the shape of OpenAI's content provenance checks; the second row, what our own look-up says, is an extension."""
    states = {"none": "not_present", "remote": "not_present", "trusted": "trusted", "valid": "valid"}
    newest = reading.steps[0] if reading.steps else None
    found = next((one for kind in ("mark", "look-alike") for one in findings if one.kind == kind), None)
    picture = found.facts.get("picture") if found else None
    picture = picture if isinstance(picture, Mapping) else {}
    return [
        {"type": "c2pa", "outcome": "not_detected" if reading.state == "none" else "detected",
         "validation_state": states.get(reading.state, "invalid"), "issuer": newest.issuer if newest else None,
         "model": newest.facts.get("engine") if newest else None, "generated_at": (newest.time or None) if newest else None},
        {"type": "sayso", "outcome": "detected" if found else "not_detected", "engine": picture.get("engine"),
         "id": (picture.get("id") or found.facts.get("id")) if found else None, "generated_at": picture.get("made")},
    ]
