"""Refusals of a policy, and the pocket engine, through the interfaces."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx2
import numpy as np
import openai
import pytest

from sayso.hooks import hookimpl
from sayso.types import Ask, Picture, Plan, Policy, Text, Verdict
from tests.server_kit import Served, Unmarked, png, serving
from tests.server_kit import picture as noise
from tests.test_server_images import pixels_of


class Strict:
    """Refuses the word "forbidden", pictures that are shown with the word "shown", and what was drawn for "late"."""

    def judge(self, stage: str, ask: Ask, plan: Plan | None, drawn: Picture | None, moderation: str) -> Verdict:
        words = " ".join(part.text for message in ask.messages for part in message.parts if isinstance(part, Text))
        bad = {"prompt": "forbidden", "inputs": "shown", "output": "late"}.get(stage, "\0") in words and moderation == "auto"
        return Verdict(
            not bad,
            stage,
            "violence-1" if bad else None,
            "this shows violence" if bad else "",
            "a calmer scene" if bad else "",
            {"violence": 0.9 if bad else 0.1},
        )

    @hookimpl
    def sayso_policy(self) -> Policy:
        return self


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("strict"), Unmarked(), Strict()) as running:
        yield running


def blocked(caught: pytest.ExceptionInfo[openai.BadRequestError], stage: str) -> None:
    error = caught.value
    assert (error.code, error.type) == ("moderation_blocked", "image_generation_user_error") and isinstance(error.body, dict)
    assert error.body["moderation_details"] == {"moderation_stage": stage, "categories": ["violence"]}
    assert "this shows violence" in error.body["message"] and "a calmer scene" in error.body["message"]


@pytest.mark.parametrize(("words", "stage"), [("forbidden", "input"), ("late", "output")])
def test_a_refusal_says_stage_and_category(strict: Served, words: str, stage: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        strict.client.images.generate(model="fake", prompt=words, size="64x64")
    blocked(caught, stage)
    assert strict.pictures() == 0
    made = strict.client.images.generate(model="fake", prompt=words, size="64x64", moderation="low")
    strict.studio.delete_picture(strict.studio.authenticate(None), made.data[0].id)


def test_pictures_that_are_shown_are_judged_and_not_kept(strict: Served) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        strict.client.images.edit(model="fake", prompt="shown", image=("a.png", png(noise(32, 32, 1))))
    blocked(caught, "input")
    assert strict.files() == 0


def test_a_refusal_in_a_stream_and_in_a_response(strict: Served) -> None:
    with pytest.raises(openai.APIError) as caught:
        list(strict.client.images.generate(model="fake", prompt="late", size="64x64", stream=True))
    assert caught.value.code == "moderation_blocked"
    tool = {"type": "image_generation", "size": "64x64"}
    made = strict.client.responses.create(model="fake", input="late", tools=[tool])
    call = next(item for item in made.output if item.type == "image_generation_call")
    assert made.status == "failed" and made.error is not None and made.error.code == "image_content_policy_violation"
    assert call.status == "failed" and call.error is not None and call.error.moderation_details is not None
    assert call.error.moderation_details.moderation_stage == "output" and call.result is None


def test_moderations(strict: Served) -> None:
    said = strict.client.moderations.create(input=["a calm lake", "forbidden things"])
    assert [one.flagged for one in said.results] == [False, True] and said.results[1].categories.violence is True
    assert said.results[0].category_scores.violence == 0.1 and said.results[0].categories.hate is False
    url = "data:image/png;base64," + base64.b64encode(png(noise(8, 8, 1))).decode()
    parts = [{"type": "text", "text": "shown"}, {"type": "image_url", "image_url": {"url": url}}]
    both = strict.client.moderations.create(input=parts, model="omni-moderation-latest")
    assert both.results[0].flagged and both.results[0].category_applied_input_types.violence == ["text", "image"]


def test_what_leaves_is_sealed_and_found_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With our own policy and sealer: a picture's file says where it comes from, also through the OpenAI interface."""
    with serving(tmp_path_factory.mktemp("sealed")) as served:
        made = served.client.images.generate(model="fake", prompt="a red fox", size="256x256")
        assert made.data is not None and made.data[0].b64_json is not None
        file = base64.b64decode(made.data[0].b64_json)
        check = served.client.content_provenance_checks.create(file=("a.png", file))
        first = check.results[0]
        assert (
            (first.type, first.outcome) == ("c2pa", "detected") and first.validation_state in ("trusted", "valid") and first.model == "fake"
        )
        plain = served.client.content_provenance_checks.create(file=("b.png", png(noise(256, 256, 5))))
        assert plain.results[0].outcome == "not_detected" and plain.results[0].validation_state == "not_present"
        told = httpx2.get(f"{served.root}/studio/v1/pictures/{made.data[0].id}/seal").json()
        assert told["mark"] and "our manifest" in [one["kind"] for one in told["findings"]]
        found = httpx2.post(f"{served.root}/studio/v1/verify", files={"file": ("a.png", file)}).json()["findings"]
        assert found[0]["kind"] == "our manifest"
        assert served.client.moderations.create(input="a red fox").results[0].flagged is False
        before, mask = noise(256, 256, 6), np.full((256, 256, 4), 255, np.uint8)
        mask[:64, :, 3] = 0
        made = served.client.images.edit(model="fake", prompt="paint it", image=("a.png", png(before)), mask=("m.png", png(mask)))
        assert np.array_equal(pixels_of(made.data[0].b64_json)[64:], before[64:]), "outside a mask nothing changes, the seal included"


def test_the_pocket_engine_streams_its_sampler(served: Served) -> None:
    how = {"seed": 1, "steps": 8}  # in one step, as it draws by itself, there is nothing partial
    events = list(served.client.images.generate(model="pocket", prompt="a red fox", stream=True, partial_images=3, extra_body=how))
    assert [event.type for event in events] == ["image_generation.partial_image"] * 3 + ["image_generation.completed"]
    shown = [pixels_of(event.b64_json).astype(float) for event in events]
    apart = [np.abs(one - shown[-1]).mean() for one in shown[:3]]
    assert len({one.tobytes() for one in shown}) == 4 and apart[2] < apart[0], "later partial pictures are nearer to the last"
    assert events[-1].size == "512x512"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"size": "2048x512"}, "aspect"),
        ({"extra_body": {"engine_options": {"plan": "a fox"}}}, "canvas"),
        ({"extra_body": {"engine_options": {"speed": 2}}}, "speed"),
    ],
)
def test_the_pocket_engine_refuses_what_it_cannot(served: Served, more: dict[str, object], said: str) -> None:
    with pytest.raises(openai.BadRequestError, match=said):
        served.client.images.generate(**{"model": "pocket", "prompt": "a red fox", **more})


def test_the_pocket_engine_obeys(served: Served) -> None:
    made = served.client.images.generate(
        model="pocket",
        prompt="a red fox",
        size="256x256",
        background="transparent",
        output_format="webp",
        quality="low",
        extra_body={"seed": 3},
    )
    assert made.data is not None and pixels_of(made.data[0].b64_json).shape == (256, 256, 4) and made.background == "transparent"
    again = served.client.images.generate(
        model="pocket",
        prompt="a red fox",
        size="256x256",
        background="transparent",
        output_format="webp",
        quality="low",
        extra_body={"seed": 3},
    )
    assert again.data is not None and np.array_equal(pixels_of(again.data[0].b64_json), pixels_of(made.data[0].b64_json))
