"""The Responses interface and its neighbours, driven by the openai SDK against a running server."""

from __future__ import annotations

import base64
import time

import httpx2
import numpy as np
import openai
import pytest
from openai.types.responses import Response

from tests.server_kit import Served, picture, png
from tests.test_server_images import pixels_of

TOOL = {"type": "image_generation", "seed": 5}
IMAGE_EVENTS = [f"response.image_generation_call.{name}" for name in ("in_progress", "generating", "partial_image", "completed")]


def data_url(seed: int, width: int = 64, height: int = 64) -> str:
    return "data:image/png;base64," + base64.b64encode(png(picture(width, height, seed))).decode()


def drawn(response: Response) -> list[str]:
    return [item.id for item in response.output if item.type == "image_generation_call"]


def create(served: Served, words: object, **more: object) -> Response:
    return served.client.responses.create(model="gpt-5", input=words, tools=more.pop("tools", [TOOL]), **more)


def test_four_turns_by_previous_response(served: Served) -> None:
    said = ["draw a red fox", "make it blue", "give it a hat", "change it to night"]
    turns: list[Response] = []
    for words in said:
        turns.append(create(served, words, previous_response_id=turns[-1].id if turns else None))
    assert [turn.status for turn in turns] == ["completed"] * 4
    calls = [next(item for item in turn.output if item.type == "image_generation_call") for turn in turns]
    assert [call.action for call in calls] == ["generate", "edit", "edit", "edit"]
    assert len({call.result for call in calls}) == 4 and {call.size for call in calls} == {"256x256"}
    assert [turn.previous_response_id for turn in turns] == [None, *(turn.id for turn in turns[:3])]
    first = served.client.responses.retrieve(turns[0].id)
    assert first.output == turns[0].output and first.output_text.startswith("this is a test card")
    other = create(served, "in a boat instead", previous_response_id=turns[1].id)
    assert drawn(other) not in [drawn(turn) for turn in turns], "a branch from the middle"


def test_all_fields_of_the_tool(served: Served) -> None:
    tool = {
        **TOOL,
        "action": "generate",
        "background": "transparent",
        "complexity": "low",
        "model": "fake",
        "moderation": "low",
        "output_compression": 60,
        "output_format": "webp",
        "quality": "high",
        "size": "128x64",
        "steps": 3,
    }
    made = create(
        served,
        "a red fox",
        tools=[tool],
        tool_choice={"type": "image_generation"},
        metadata={"a": "b"},
        user="me",
        instructions="be brief",
        reasoning={"effort": "low", "summary": "auto"},
        max_tool_calls=1,
        parallel_tool_calls=False,
    )
    call = next(item for item in made.output if item.type == "image_generation_call")
    assert (call.size, call.quality, call.background, call.output_format) == ("128x64", "high", "transparent", "webp")
    assert (
        made.metadata == {"a": "b"} and made.instructions == "be brief" and made.max_tool_calls == 1 and made.parallel_tool_calls is False
    )
    assert made.tool_usage is not None and made.tool_usage.image_gen.output_tokens > 0 and made.usage is not None
    assert served.client.responses.retrieve(made.id) == made


def test_a_thought_is_told_as_a_summary(served: Served) -> None:
    made = create(served, "a red fox", reasoning={"effort": "high", "summary": "auto"})
    assert [item.type for item in made.output] == ["reasoning", "image_generation_call", "message"]
    again = create(served, [*(item.model_dump(exclude_none=True) for item in made.output), {"role": "user", "content": "make it blue"}])
    assert drawn(again)


def test_pictures_by_id_by_url_and_by_file(served: Served) -> None:
    first = create(served, "a red fox")
    by_id = create(served, [{"role": "user", "content": "make it blue"}, {"type": "image_generation_call", "id": drawn(first)[0]}])
    by_reference = create(served, [{"type": "item_reference", "id": drawn(first)[0]}, {"role": "user", "content": "make it blue"}])
    results = [
        pixels_of(next(item.result for item in made.output if item.type == "image_generation_call")) for made in (by_id, by_reference)
    ]
    assert np.array_equal(*results)
    file = served.client.files.create(file=("a.png", png(picture(96, 32, 3))), purpose="vision")
    for part in ({"file_id": file.id}, {"image_url": data_url(3, 96, 32)}):
        made = create(
            served, [{"role": "user", "content": [{"type": "input_text", "text": "make it blue"}, {"type": "input_image", **part}]}]
        )
        call = next(item for item in made.output if item.type == "image_generation_call")
        assert (call.action, call.size) == ("edit", "96x32")
    items = served.client.responses.input_items.list(made.id).data
    assert len(items) == 1 and items[0].type == "message" and items[0].content[1].file_id


def test_a_mask_of_the_tool(served: Served) -> None:
    mask = picture(64, 64, 1)
    mask[:32, :, 3] = 0
    url = "data:image/png;base64," + base64.b64encode(png(mask)).decode()
    made = create(
        served,
        [{"role": "user", "content": [{"type": "input_text", "text": "make it blue"}, {"type": "input_image", "image_url": data_url(3)}]}],
        tools=[{**TOOL, "action": "edit", "input_image_mask": {"image_url": url}}],
    )
    after = pixels_of(next(item.result for item in made.output if item.type == "image_generation_call"))
    assert (after[32:] == picture(64, 64, 3)[32:]).all() and not (after[:32] == picture(64, 64, 3)[:32]).all()


def test_words_alone(served: Served) -> None:
    made = served.client.responses.create(model="fake", input="how many pictures")
    assert [item.type for item in made.output] == ["message"] and made.output_text == "3 words; pictures: none"
    made = create(served, "how many pictures", tool_choice="none")
    assert made.output_text == "3 words; pictures: none"


def test_a_conversation_holds_the_turns(served: Served) -> None:
    conversation = served.client.conversations.create(
        metadata={"topic": "fox"}, items=[{"type": "message", "role": "user", "content": "hello"}]
    )
    first = create(served, "draw a red fox", conversation=conversation.id)
    second = create(served, "make it blue", conversation={"id": conversation.id})
    assert next(item.action for item in second.output if item.type == "image_generation_call") == "edit"
    kinds = [item.type for item in served.client.conversations.items.list(conversation.id, order="asc").data]
    assert kinds.count("image_generation_call") == 2 and kinds[0] == "message"
    call = served.client.conversations.items.retrieve(drawn(first)[0], conversation_id=conversation.id)
    assert call.id == drawn(first)[0]
    assert served.client.conversations.update(conversation.id, metadata={"topic": "car"}).metadata == {"topic": "car"}
    assert served.client.conversations.delete(conversation.id).deleted
    with pytest.raises(openai.NotFoundError):
        served.client.conversations.retrieve(conversation.id)


def test_a_stream_tells_everything_in_order(served: Served) -> None:
    events = list(served.client.responses.create(model="gpt-5", input="a red fox", tools=[{**TOOL, "partial_images": 2}], stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == "response.completed"
    assert [kind for kind in kinds if "image_generation_call" in kind] == [
        *IMAGE_EVENTS[:2],
        IMAGE_EVENTS[2],
        IMAGE_EVENTS[2],
        IMAGE_EVENTS[3],
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    done = next(event for event in events if event.type == "response.output_item.done")
    last = events[-1]
    assert done.item.type == "image_generation_call" and done.item.result and last.type == "response.completed"
    assert last.response == served.client.responses.retrieve(last.response.id)


def test_background_poll_stream_and_resume(served: Served) -> None:
    made = create(served, "a red fox", background=True, tools=[{**TOOL, "partial_images": 3}])
    assert made.status in ("queued", "in_progress") and made.background
    served.settle(lambda: served.client.responses.retrieve(made.id).status == "completed", 10)
    whole = list(served.client.responses.retrieve(made.id, stream=True))
    assert [event.sequence_number for event in whole] == list(range(len(whole))) and whole[1].type == "response.queued"
    rest = list(served.client.responses.retrieve(made.id, stream=True, starting_after=5))
    assert rest == whole[6:]


def test_cancel_stops_and_is_idempotent(served: Served) -> None:
    made = create(served, "slow", background=True, tools=[{**TOOL, "steps": 1000, "size": "1024x1024"}])
    gone = served.client.responses.cancel(made.id)
    assert gone.status == "cancelled" and served.client.responses.cancel(made.id).status == "cancelled"
    assert served.client.responses.retrieve(made.id).status == "cancelled"
    done = create(served, "a red fox")
    assert served.client.responses.cancel(done.id).status == "completed"


def test_delete_deletes(served: Served) -> None:
    made = create(served, "a red fox")
    before = served.pictures()
    served.client.responses.delete(made.id)
    assert served.pictures() == before - 1
    for call in (lambda: served.client.responses.retrieve(made.id), lambda: served.client.responses.delete(made.id)):
        with pytest.raises(openai.NotFoundError):
            call()


def test_what_is_not_stored_cannot_be_fetched(served: Served) -> None:
    made = create(served, "a red fox", store=False)
    assert drawn(made) and made.store is False
    with pytest.raises(openai.NotFoundError):
        served.client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError, match="not found"):
        create(served, "make it blue", previous_response_id=made.id)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"previous_response_id": "resp_" + "0" * 48}, "Previous response"),
        ({"temperature": 1}, "Unknown parameter: 'temperature'"),
        ({"background": True, "store": False}, "must be stored"),
        ({"tools": [{"type": "web_search"}]}, "image_generation"),
        ({"tools": [{**TOOL, "n": 2}]}, "Unknown parameter"),
        ({"tools": [{**TOOL, "output_format": "gif"}]}, "moving pictures"),
        ({"input": []}, "input"),
        ({"input": "  "}, "no words"),
        ({"input": [{"role": "assistant", "content": "hi"}]}, "no words"),
        ({"input": [{"type": "image_generation_call", "id": "ig_nothing"}, {"role": "user", "content": "x"}]}, "no picture 'ig_nothing'"),
        (
            {
                "input": [
                    {
                        "role": "user",
                        "content": [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "http://localhost/x"}],
                    }
                ]
            },
            "fetches none",
        ),
        (
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "x"}, {"type": "input_image", "file_id": "file-none"}]}
                ]
            },
            "file-none",
        ),
        ({"tools": [{**TOOL, "action": "edit"}]}, ""),
        ({"tool_choice": "required", "tools": []}, "tools is empty"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"stream_options": {"include_obfuscation": True}, "stream": True}, "include_obfuscation"),
        ({"model": "llama"}, "does not exist"),
        ({"conversation": "conv_none", "previous_response_id": "resp_" + "0" * 48}, "leave one of them out"),
        ({"truncation": "auto"}, "truncation"),
    ],
)
def test_what_cannot_be_obeyed_is_refused(served: Served, more: dict[str, object], said: str) -> None:
    body = {"model": "fake", "input": "a red fox", "tools": [TOOL], **more}
    before = served.pictures(), served.files()
    answer = httpx2.post(served.base + "/responses", json=body)
    assert answer.status_code in (400, 404), answer.text
    error = answer.json()["error"]
    assert said in error["message"] and error["type"] == "invalid_request_error" and len(error["message"]) > 15
    assert (served.pictures(), served.files()) == before


def test_chat_with_pictures_in_and_out(served: Served) -> None:
    messages = [
        {"role": "system", "content": "You draw."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "make it blue"},
                {"type": "image_url", "image_url": {"url": data_url(4), "detail": "auto"}},
            ],
        },
    ]
    made = served.client.chat.completions.create(model="gpt-4o", messages=messages, modalities=["text", "image"], seed=3)
    message = made.choices[0].message
    assert message.images[0]["image_url"]["url"].startswith("data:image/png;base64,") and made.usage.total_tokens > 0
    again = [*messages, message.model_dump(exclude_none=True), {"role": "user", "content": "now red"}]
    assert (
        served.client.chat.completions.create(model="gpt-4o", messages=again, n=2).choices[1].message.content.startswith("![picture](http")
    )
    linked = served.client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "a red fox"}])
    assert linked.choices[0].message.content is not None
    link = linked.choices[0].message.content.partition("![picture](")[2].rstrip(")")
    assert httpx2.get(link).headers["content-type"] == "image/png"


def test_chat_in_words_and_as_chunks(served: Served) -> None:
    said = served.client.chat.completions.create(
        model="fake", messages=[{"role": "user", "content": "how many pictures"}], modalities=["text"]
    )
    assert said.choices[0].message.content == "3 words; pictures: none"
    chunks = list(
        served.client.chat.completions.create(
            model="fake", messages=[{"role": "user", "content": "a red fox"}], stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "![picture](http" in text and chunks[-1].usage is not None and chunks[-2].choices[0].finish_reason == "stop"


def test_files(served: Served) -> None:
    sent = png(picture(40, 30, 1)) + b"<script>"
    file = served.client.files.create(
        file=("../../etc/pass\u0001wd.png", sent), purpose="vision", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert "/" not in file.filename and file.expires_at is not None and abs(file.expires_at - time.time() - 3600) < 60
    content = served.client.files.content(file.id).read()
    assert content != sent and b"script" not in content and content.startswith(b"\x89PNG")
    served.client.files.create(file=("b.png", png(picture(4, 4, 2))), purpose="user_data")
    ids = [one.id for one in served.client.files.list(purpose="vision")]
    assert file.id in ids and [one.id for one in served.client.files.list(limit=1).data] != []
    assert len(list(served.client.files.list(limit=1))) == len(list(served.client.files.list()))
    assert served.client.files.retrieve(file.id).bytes == len(content)
    assert served.client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        served.client.files.retrieve(file.id)
    with pytest.raises(openai.BadRequestError, match="purpose"):
        served.client.files.create(file=("a.jsonl", b"{}"), purpose="batch")


def test_models(served: Served) -> None:
    names = {model.id for model in served.client.models.list()}
    assert {"fake", "pocket", "gpt-image-2", "gpt-image-2.6-sunburst", "chatgpt-image-latest", "dall-e-3", "gpt-5"} <= names
    assert served.client.models.retrieve("gpt-image-2-2026-04-21").id == "gpt-image-2-2026-04-21"
    with pytest.raises(openai.NotFoundError):
        served.client.models.retrieve("llama")
