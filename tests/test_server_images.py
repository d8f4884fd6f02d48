"""The Images interface, driven by the openai SDK against a running server with the test-card engine."""

from __future__ import annotations

import base64
import io
import time

import httpx2
import numpy as np
import openai
import pytest
from PIL import Image

from tests.server_kit import Served, picture, png


def image_of(text: str | None) -> Image.Image:
    assert text is not None
    return Image.open(io.BytesIO(base64.b64decode(text)))


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def pixels_of(text: str | None) -> np.ndarray:
    return np.asarray(image_of(text).convert("RGBA"))


def test_generate(served: Served) -> None:
    made = served.client.images.generate(
        model="gpt-image-2", prompt="a red fox", size="512x256", n=2, quality="high", background="opaque", user="someone", moderation="low"
    )
    assert (made.size, made.quality, made.background, made.output_format) == ("512x256", "high", "opaque", "png")
    assert abs(made.created - time.time()) < 60
    assert made.data is not None and len(made.data) == 2
    pictures = [pixels_of(one.b64_json) for one in made.data]
    assert all(one.shape == (256, 512, 4) for one in pictures) and not np.array_equal(*pictures)
    assert made.usage is not None and made.usage.input_tokens == 3 and made.usage.total_tokens == 3 + made.usage.output_tokens
    assert made.usage.input_tokens_details.text_tokens == 3


def test_usage_follows_the_public_formula(served: Served) -> None:
    for size, quality, tokens in (("1024x1024", "low", 196), ("1024x1024", "medium", 1756), ("1536x1024", "high", 5488)):
        made = served.client.images.generate(model="fake", prompt="x", size=size, quality=quality)
        assert made.usage.output_tokens == tokens


def test_seed_steps_and_guidance_are_obeyed(served: Served) -> None:
    def draw(**extra: object) -> bytes:
        made = served.client.images.generate(model="fake", prompt="a red fox", size="64x64", extra_body=extra)
        assert made.data is not None and made.data[0].b64_json is not None
        return pixels_of(made.data[0].b64_json).tobytes()

    assert draw(seed=7) == draw(seed=7) != draw(seed=8)
    assert draw(seed=7, guidance=0.5) != draw(seed=7)
    assert draw(seed=7, style="line") != draw(seed=7)
    assert draw(seed=7, finish=False) != draw(seed=7)
    assert draw(seed=7, background_color="#ff0000") != draw(seed=7)
    assert draw() != draw(), "without a seed every picture is another"


@pytest.mark.parametrize(("kind", "pillow"), [("png", "PNG"), ("webp", "WEBP"), ("jpeg", "JPEG")])
def test_output_format_and_compression(served: Served, kind: str, pillow: str) -> None:
    sizes = []
    for compression in (10, 100) if kind != "png" else (100,):
        made = served.client.images.generate(
            model="fake",
            prompt="a red fox",
            size="256x256",
            output_format=kind,
            output_compression=compression,
            extra_body={"seed": 1, "finish": False},
        )
        assert made.output_format == kind and image_of(made.data[0].b64_json).format == pillow
        sizes.append(len(made.data[0].b64_json))
    assert sizes == sorted(sizes) and len(set(sizes)) == len(sizes)


def test_a_transparent_background(served: Served) -> None:
    made = served.client.images.generate(model="fake", prompt="a red fox", background="transparent", output_format="webp")
    assert made.background == "transparent" and made.data is not None
    assert pixels_of(made.data[0].b64_json)[0, 0, 3] == 0


def test_stream_with_three_partials(served: Served) -> None:
    events = list(served.client.images.generate(model="fake", prompt="a red fox", size="64x64", stream=True, partial_images=3))
    assert [event.type for event in events] == ["image_generation.partial_image"] * 3 + ["image_generation.completed"]
    assert [event.partial_image_index for event in events[:3]] == [0, 1, 2]
    shown = [pixels_of(event.b64_json) for event in events]
    grey = [int((one == 127).all(-1).sum() if one.shape[2] == 3 else (one[..., :3] == 127).all(-1).sum()) for one in shown]
    assert grey == sorted(grey, reverse=True) and len(set(grey)) == 4, "each comes from a later step of the sampler"
    last = events[-1]
    assert last.type == "image_generation.completed" and last.usage.output_tokens > 300 and last.size == "64x64"


def test_stream_without_partials_is_one_event_a_picture(served: Served) -> None:
    events = list(served.client.images.generate(model="fake", prompt="a red fox", size="64x64", stream=True, n=2))
    assert [event.type for event in events] == ["image_generation.completed"] * 2


def test_edit_with_several_files_and_a_mask(served: Served) -> None:
    before, other = picture(96, 64, 1), picture(32, 32, 2)
    mask = np.full((64, 96, 4), 255, np.uint8)
    mask[16:32, 16:48, 3] = 0
    made = served.client.images.edit(
        model="gpt-image-1",
        prompt="paint it blue",
        image=[("a.png", png(before)), ("b.png", png(other))],
        mask=("mask.png", png(mask)),
        extra_body={"seed": 3},
    )
    assert made.size == "96x64" and made.data is not None
    after, changed = pixels_of(made.data[0].b64_json), mask[..., 3] == 0
    assert np.array_equal(after[~changed], before[~changed]) and not np.array_equal(after[changed], before[changed])
    assert made.usage is not None and made.usage.input_tokens_details.image_tokens > 0


def test_edit_of_one_file_keeps_its_size_and_streams(served: Served) -> None:
    events = list(
        served.client.images.edit(model="fake", prompt="paint it", image=("a.png", png(picture(96, 64, 1))), stream=True, partial_images=1)
    )
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert events[-1].size == "96x64"


def test_edit_as_json(served: Served) -> None:
    url = "data:image/png;base64," + base64.b64encode(png(picture(96, 64, 1))).decode()
    file = served.client.files.create(file=("a.png", png(picture(32, 32, 2))), purpose="vision")
    body = {"prompt": "paint it", "images": [{"image_url": url}, {"file_id": file.id}], "moderation": "low", "seed": 5}
    said = httpx2.post(served.base + "/images/edits", json=body)
    assert said.status_code == 200 and said.json()["size"] == "96x64"


def test_variation(served: Served) -> None:
    made = served.client.images.create_variation(image=("a.png", png(picture(64, 64, 1))), n=2, size="256x256", response_format="b64_json")
    assert made.data is not None and [pixels_of(one.b64_json).shape for one in made.data] == [(256, 256, 4)] * 2


def test_urls_are_signed_and_expire(served: Served) -> None:
    made = served.client.images.generate(model="dall-e-2", prompt="a red fox", size="256x256", response_format="url")
    assert made.data is not None and made.data[0].url is not None and made.data[0].b64_json is None
    said = httpx2.get(made.data[0].url)
    assert said.status_code == 200 and said.headers["content-type"] == "image/png" and said.headers["x-content-type-options"] == "nosniff"
    tampered = made.data[0].url[:-6] + ("000000" if made.data[0].url[-6:] != "000000" else "111111")
    assert httpx2.get(tampered).status_code in (403, 404)


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"model": "gpt-imagine"}, "model", "model_not_found"),
        ({"n": 11}, "n", "invalid_value"),
        ({"n": 0}, "n", "invalid_value"),
        ({"size": "big"}, "size", "invalid_value"),
        ({"quality": "best"}, "quality", "invalid_value"),
        ({"prompt": ""}, "prompt", "invalid_value"),
        ({"prompt": "x" * 32_001}, "prompt", "invalid_value"),
        ({"prompt": "a\0b"}, "prompt", "invalid_value"),
        ({"extra_body": {"negative_prompt": "x"}}, "negative_prompt", "unknown_parameter"),
        ({"output_format": "gif"}, "output_format", None),
        ({"output_format": "svg"}, "output_format", None),
        ({"output_compression": 50}, None, "invalid_value"),
        ({"background": "transparent", "output_format": "jpeg"}, None, "invalid_value"),
        ({"partial_images": 2}, None, "invalid_value"),
        ({"extra_body": {"seed": -1}}, "seed", "invalid_value"),
        ({"extra_body": {"seed": "7"}}, "seed", "invalid_type"),
        ({"style": "vivid"}, "style", None),
        ({"extra_body": {"engine_options": {"speed": 1}}}, None, None),
        ({"size": "99999x16"}, "size", None),
    ],
)
def test_what_cannot_be_obeyed_is_refused_in_a_sentence(
    served: Served, change: dict[str, object], param: str | None, code: str | None
) -> None:
    before = served.pictures()
    with pytest.raises(openai.APIStatusError) as caught:
        served.client.images.generate(**{"model": "fake", "prompt": "a red fox", **change})
    error = caught.value
    assert error.status_code == (404 if code == "model_not_found" else 400)
    assert isinstance(error.body, dict) and set(error.body) >= {"message", "type", "param", "code"}
    assert error.type == "invalid_request_error" and len(error.body["message"]) > 20 and error.request_id
    if param is not None:
        assert error.param == param
    if code is not None:
        assert error.code == code
    assert served.pictures() == before


def test_the_sdk_waits_as_it_is_told_when_the_queue_is_full(served: Served) -> None:
    """Two answers of 429 with a short wait, then the picture: the SDK's own retries do that."""
    with served.full(times=2):
        made = served.client.with_options(max_retries=3).images.generate(model="fake", prompt="a red fox", size="64x64")
    assert made.data is not None and len(made.data) == 1


def test_the_same_idempotency_key_gives_the_same_picture_once(served: Served) -> None:
    before = served.pictures()
    headers = {"Idempotency-Key": f"key-{time.time_ns()}"}
    first, second = (served.client.images.generate(model="fake", prompt="a red fox", size="64x64", extra_headers=headers) for _ in range(2))
    assert first.data is not None and second.data is not None and first.data[0].b64_json == second.data[0].b64_json
    assert served.pictures() == before + 1
    with pytest.raises(openai.UnprocessableEntityError):
        served.client.images.generate(model="fake", prompt="another", size="64x64", extra_headers=headers)


def test_a_client_that_goes_stops_the_work(served: Served) -> None:
    before = served.pictures()
    with pytest.raises(openai.APITimeoutError):
        served.client.with_options(timeout=0.6, max_retries=0).images.generate(
            model="fake", prompt="slow", size="64x64", extra_body={"steps": 20, "engine_options": {"pause": 0.2}}
        )
    served.settle(lambda: served.running() == 0, 5)
    assert served.pictures() == before


@pytest.mark.parametrize("size", ["1024x1024", "1536x1024", "1024x1536", "1792x1024"])
def test_sizes_of_the_original_are_drawn_by_the_bundled_model(served: Served, size: str) -> None:
    made = served.client.images.generate(model="pocket", prompt="a red apple", size=size, extra_body={"steps": 1, "seed": 3})
    assert made.data is not None and made.size == size
    assert "{}x{}".format(*image_of(made.data[0].b64_json).size) == size
    told = [text for text in made.model_extra["remarks"] if "the nearest shape of this model" in text]  # type: ignore[index]
    assert bool(told) == (size != "1024x1024") and all(size in text for text in told)


def test_a_shape_far_from_all_is_refused(served: Served) -> None:
    with pytest.raises(openai.BadRequestError, match="aspect that this model was not trained on"):
        served.client.images.generate(model="pocket", prompt="a red apple", size="2048x256")
