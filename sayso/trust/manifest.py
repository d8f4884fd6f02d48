"""What a manifest says: a record of how a picture came to be, as the dictionaries that C2PA signs. No library, no file.

Labels and actions follow the C2PA specification 2.2, "Standard assertions"; the source types are IPTC's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sayso import __version__
from sayso.types import Record

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED, COMPOSITE = IPTC + "trainedAlgorithmicMedia", IPTC + "compositeWithTrainedAlgorithmicMedia"
GENERATION, EARLIER = "sayso.generation", "sayso.earlier"  # our own assertions
MARK = "sayso.mark.1"  # the name of the watermark as a soft binding
PARENT = "parent"  # the label of the ingredient that was edited


@dataclass(frozen=True)
class Ingredient:
    """A parent as it goes into a manifest. `earlier`: steps of its history that are told as data, its own manifests being cut."""

    data: bytes
    media_type: str
    relation: Literal["parentOf", "inputTo", "componentOf"]
    name: str
    label: str
    earlier: tuple[Mapping[str, object], ...] = ()

    def definition(self) -> dict[str, str]:
        return {"title": self.name, "relationship": self.relation, "label": self.label}


def salted(text: str, secret: bytes) -> str:
    """A hash that shows nothing of the text to who lacks the secret: HMAC-SHA256, hex."""
    return hmac.new(secret, b"prompt\0" + text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _plain(value: object) -> object:
    """A setting as JSON has it; whole numbers as strings, since readers round large ones."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(one) for one in value]
    return str(value)


def _actions(record: Record, ingredients: Sequence[Ingredient]) -> list[dict[str, object]]:
    """What was done, first to last."""
    agent = {"name": f"sayso {record.engine}"}
    inputs = [one.label for one in ingredients if one.relation == "inputTo"]
    actions: list[dict[str, object]]
    if any(one.relation == "parentOf" for one in ingredients):
        edited: dict[str, object] = {"action": "c2pa.edited", "softwareAgent": agent, "digitalSourceType": COMPOSITE}
        if inputs:
            edited["parameters"] = {"ingredientIds": inputs}
        actions = [{"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT]}}, edited]
    else:
        created: dict[str, object] = {"action": "c2pa.created", "softwareAgent": agent, "digitalSourceType": TRAINED}
        if inputs:
            created["parameters"] = {"ingredientIds": inputs}
        actions = [created]
    for one in ingredients:
        if one.relation == "componentOf":
            actions.append({"action": "c2pa.placed", "parameters": {"ingredientIds": [one.label]}})
    return actions


def definition(
    record: Record, ingredients: Sequence[Ingredient], title: str, mark: str | None, secret: bytes, tell_prompt: bool
) -> dict[str, object]:
    """The manifest of one picture. `mark`: its id in hex, None when it could not be marked (nothing of it can be seen)."""
    generation = {
        "engine": record.engine, "weights": record.weights, "seed": str(record.seed), "settings": _plain(record.settings),
        "promptHash": "hmac-sha256:" + salted(record.prompt, secret),
    }
    if tell_prompt:
        generation["prompt"] = record.prompt
    actions = _actions(record, ingredients)
    assertions: list[dict[str, object]] = [{"label": GENERATION, "data": generation}]
    if mark is not None:
        actions.append({"action": "c2pa.watermarked.bound", "softwareAgent": {"name": MARK}})
        assertions.append({"label": "c2pa.soft-binding", "data": {"alg": MARK, "blocks": [{"scope": {}, "value": mark}]}})
    earlier = [dict(step) | {"ingredient": one.label} for one in ingredients for step in one.earlier]
    if earlier:
        assertions.append({"label": EARLIER, "data": {"steps": earlier}})
    assertions.insert(0, {"label": "c2pa.actions.v2", "data": {"actions": actions, "allActionsIncluded": True}})
    return {"claim_generator_info": [{"name": "sayso", "version": __version__}], "title": title, "assertions": assertions}
