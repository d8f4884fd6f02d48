"""HiDream as an engine: released loops within 2e-5, diffusers as the live reference, whole folders, LoRA, and clear refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hidream_tiny import (
    CONFIG,
    FIXTURES,
    Loaded,
    ask,
    drew,
    fixtures,
    fixtures_speeds,
    make_folder,
    near,
    needs_fixtures,
    noise_picture,
    parity_model,
    random_model,
    released,
    same_loop,
    words,
)
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from sayso.engines.hidream import engine, instructions, loop, placing, schedules, sizes, variants, weights
from sayso.engines.hidream.encoders import Words, joined
from sayso.engines.hidream.schedules import Schedule
from sayso.errors import BadInput, CannotDo
from sayso.models import flow, sparse_dit, sparse_plain
from sayso.models.sparse_dit import HIDREAM, SparseSpec
from sayso.types import Ability, Ask, Drew, Event, Picture, Preview, Said, Step


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("hidream") / "model")


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Loaded:
    return Loaded(folder)


# Schedules and solvers


@needs_fixtures
def test_solvers_follow_the_released_traces() -> None:
    f, cases = fixtures("schedulers")
    tables = {"official_full": schedules.official, "diffusers042_full": schedules.diffusers, "diffusers_legacy_full": schedules.legacy}
    for name in cases:
        kind, _, count = name.rpartition("_")
        if name == "official_flash_customsigmas_4":
            times = tuple(f[f"{name}.sigmas"].tolist())
            plan = schedules.unfinished(Schedule(times, tuple(1000 * t for t in times[:-1])))
        elif kind in tables:
            plan = tables[kind](int(count), 3.0)
        else:
            plan = schedules.few(int(count), 6.0 if "dev" in kind else 3.0)
        if "custom" not in name:
            near(torch.tensor(plan.times), f[f"{name}.sigmas"], 2e-7)
            assert plan.timesteps == tuple(f[f"{name}.timesteps"].tolist())

        def velocity(z: Tensor, i: int, plan: Schedule = plan) -> Tensor:
            return 0.6 * z + f["W"] * torch.cos(torch.tensor(plan.timesteps[i]) / 200) + 0.25 * torch.tanh(2 * z)

        states = [z for z, _ in loop.sample(velocity, f["x0"], plan, "unipc" if kind in tables else "renoise", lambda i: f["noise"][i])]
        if f"{name}.x" not in f:
            near(states[-1], f[f"{name}.final"], 5e-6)
        elif kind in tables:
            near(torch.stack(states), f[f"{name}.x"][1:], 5e-6)
        else:  # the released code returns what the last step was given
            done = len(states) - (plan.times[-1] == 0)
            near(torch.stack(states[:done]), f[f"{name}.x"][1 : 1 + done], 5e-6)
            near(f[f"{name}.x"][-1], f[f"{name}.x"][-2], 0.0)


@given(st.integers(1, 60))
def test_tables_are_those_of_diffusers(steps: int) -> None:
    from diffusers import FlowMatchLCMScheduler, UniPCMultistepScheduler

    theirs = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    theirs.set_timesteps(steps)
    plan = schedules.diffusers(steps, 3.0)
    near(torch.tensor(plan.times), theirs.sigmas, 1e-6)
    assert list(plan.timesteps) == theirs.timesteps.tolist()
    few = FlowMatchLCMScheduler(shift=6.0)
    few.set_timesteps(steps)
    near(torch.tensor(schedules.few(steps, 6.0).times), few.sigmas, 1e-6)
    assert all(a > b for a, b in zip(plan.times[:-1], plan.times[1:], strict=True))


@given(st.integers(1, 30), st.integers(0, 1000))
def test_unipc_is_that_of_diffusers(steps: int, seed: int) -> None:
    from diffusers import UniPCMultistepScheduler

    torch.manual_seed(seed)
    z, slope = torch.randn(2, 3), torch.randn(2, 3)
    theirs = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    theirs.set_timesteps(steps)
    plan, x = schedules.diffusers(steps, 3.0), z
    for (mine, _), t in zip(flow.unipc(lambda z, i: torch.tanh(z) * slope, z, plan.times), theirs.timesteps, strict=True):
        x = theirs.step(torch.tanh(x) * slope, t, x, return_dict=False)[0]
        near(mine, x, 1e-4)


# Loops


@pytest.fixture
def as_fixtures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse_dit, "speeds", fixtures_speeds)


def steps_of(velocity: flow.StepVelocity, f: dict[str, Tensor], case: str, plan: Schedule, sampler: str) -> Tensor:
    return torch.stack([z for z, _ in loop.sample(velocity, f[f"{case}.init_latent"], plan, sampler, lambda i: f[f"{case}.noise"][i])])


@needs_fixtures
@pytest.mark.usefixtures("as_fixtures")
@torch.no_grad()
def test_the_released_loops_of_i1() -> None:
    model, (f, cases) = parity_model(), fixtures("pipelines_i1")
    for name, case in cases.items():
        full, official = name.startswith("full"), case["impl"] == "official"
        if full:
            plan = (schedules.official if official else schedules.diffusers)(case["steps"], 3.0)
        else:
            plan = schedules.few(case["steps"], 6.0 if name.startswith("dev") else 3.0)
            plan = schedules.unfinished(plan) if official else plan
        size = f[f"{name}.init_latent"].shape[2:]
        negative = words(f, name, "neg_") if full else None
        velocity = loop.drawing(loop.Recorded(model.step), model, words(f, name), negative, plan, (size[0], size[1]), case["cfg"], 64)
        states = steps_of(velocity, f, name, plan, "unipc" if full else "renoise")
        same_loop(states, f[f"{name}.steps"][: len(states)])
        same_loop(states[-1], f[f"{name}.final"])
        assert sizes.drawn(case["req"][1], case["req"][0], 128**2) == (case["used"][1], case["used"][0])


@needs_fixtures
@pytest.mark.usefixtures("as_fixtures")
@torch.no_grad()
def test_the_released_loops_of_e1() -> None:
    """With the LoRA of E1 put on and off, the refine stage with and without a description, clipped and plain guidance."""
    model, (f, cases) = parity_model(), fixtures("pipelines_e1")
    before = {name: p.clone() for name, p in model.named_parameters()}
    wardrobe, lora = weights.Wardrobe(model, torch.device("cpu")), ((FIXTURES / "tiny_e1_lora_bf16.safetensors", 1.0),)
    for name, case in cases.items():
        plan, source = schedules.diffusers(case["steps"], 3.0), f[f"{name}.image_latents"]
        size, wears = (source.shape[2], source.shape[3]), lora if name in ("e1_full_lora_refine", "e11_readme_nonsq") else ()
        target = words(f, name, "target_") if f"{name}.target_t5" in f else words(f, name)

        def edit(
            name: str = name, case: Any = case, plan: Schedule = plan, source: Tensor = source, wears: Any = wears
        ) -> flow.StepVelocity:
            wardrobe.wear(wears)
            return loop.editing(model.step, model, words(f, name), words(f, name, "neg_"), source, plan, case["guidance_scale"],
                                case["image_guidance_scale"], case["clip_cfg_norm"], case["max_seq"])

        def polish(name: str = name, case: Any = case, plan: Schedule = plan, size: tuple[int, int] = size, target: Words = target
                   ) -> flow.StepVelocity:
            wardrobe.wear(())
            return loop.drawing(model.step, model, target, words(f, name, "neg_"), plan, size, case["guidance_scale"], case["max_seq"])

        assert int(case["steps"] * (1 - case["refine_strength"])) == case["expected_switch"]
        velocity = loop.in_turn(edit, polish, case["expected_switch"])
        same_loop(steps_of(velocity, f, name, plan, "unipc"), f[f"{name}.steps"], 1.4e-5 if name == "e1_sq_clip" else 0.0)
    wardrobe.wear(())
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


@needs_fixtures
@pytest.mark.usefixtures("as_fixtures")
@torch.no_grad()
def test_the_tightest_loop_in_float64() -> None:
    """Rounding in the transformer counts twenty times in `e1_sq_clip` (guidance 5 for the words, 4 for the picture). In float64 ours and
    diffusers' transformers agree to 4e-14 there; from that, diffusers' float32 and the fixture are 1.4e-5 away, and ours may be 2e-5."""
    name, (f, cases) = "e1_sq_clip", fixtures("pipelines_e1")
    case, model, source = cases[name], parity_model(), f[f"{name}.image_latents"]
    plan, told, untold = schedules.diffusers(case["steps"], 3.0), words(f, name), words(f, name, "neg_")
    guidance = case["guidance_scale"], case["image_guidance_scale"], True
    fast = loop.editing(model.step, model, told, untold, source, plan, *guidance, case["max_seq"])
    exact, rows = parity_model().double(), joined(told, untold, told)
    sources = torch.cat((torch.zeros_like(source), source, source))

    def slow(z: Tensor, i: int) -> Tensor:
        doubled = torch.cat((torch.cat((z, z, z)), sources), dim=-1).double()
        v = sparse_plain.velocity(exact, doubled, torch.full((3,), plan.timesteps[i]), *(t.double() for t in rows), case["max_seq"])
        return loop.guided_edit(v.chunk(2, dim=-1)[0], *guidance)

    ours, truth = steps_of(fast, f, name, plan, "unipc"), steps_of(slow, f, name, plan, "unipc")
    same_loop(ours, truth)
    same_loop(truth, f[f"{name}.steps"])


@torch.no_grad()
def test_guidance_of_edits_by_hand() -> None:
    first, second, told = torch.randn(3, 1, 4, 2, 2).unbind(0)
    rows = torch.cat((first, second, told))
    near(loop.guided_edit(rows, 3.0, 2.0, False), first + 2 * (second - first) + 3 * (told - second), 1e-6)
    pushed = second + 3 * (told - second)
    for y in range(2):
        for x in range(2):
            scale = min(1.0, float(told[0, :, y, x].norm() / pushed[0, :, y, x].norm()))
            pushed[0, :, y, x] *= scale
    near(loop.guided_edit(rows, 3.0, 2.0, True), first + 2 * (pushed - first), 1e-5)


@torch.no_grad()
def test_the_whole_pipeline_is_that_of_diffusers(folder: Path) -> None:
    """Prompts through four readers, guidance, schedule and loop, on a picture that is not square: same latents, same picture."""
    from diffusers import AutoencoderKL, HiDreamImagePipeline, HiDreamImageTransformer2DModel, UniPCMultistepScheduler
    from transformers import AutoTokenizer, CLIPTextModelWithProjection, LlamaForCausalLM, T5EncoderModel

    ours = engine.load(folder, "cpu", variant="hidream-i1-full", dtype="float32")
    transformer = HiDreamImageTransformer2DModel(**CONFIG).eval()
    transformer.load_state_dict(released(ours.parts.model))
    parts = {"text_encoder": CLIPTextModelWithProjection, "text_encoder_2": CLIPTextModelWithProjection, "text_encoder_3": T5EncoderModel,
             "tokenizer": AutoTokenizer, "tokenizer_2": AutoTokenizer, "tokenizer_3": AutoTokenizer, "vae": AutoencoderKL}
    pieces = {name: kind.from_pretrained(folder / name) for name, kind in parts.items()}
    theirs = HiDreamImagePipeline(
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
        transformer=transformer,
        text_encoder_4=LlamaForCausalLM.from_pretrained(folder / "llama"),
        tokenizer_4=AutoTokenizer.from_pretrained(folder / "llama"),
        **pieces,
    )
    theirs.set_progress_bar_config(disable=True)
    theirs.default_sample_size = 16
    noise = torch.randn(1, 16, 12, 20)
    expected = theirs("a red fox", negative_prompt="blue", height=96, width=160, num_inference_steps=4, guidance_scale=5.0, latents=noise,
                      max_sequence_length=20, output_type="latent").images
    for reader in ours.parts.encoders.readers:
        reader.tokens = 20
    read = ours.parts.encoders.read(["a red fox", "blue"])
    plan = schedules.diffusers(4, 3.0)
    velocity = loop.drawing(ours.step, ours.parts.model, read.rows(0, 1), read.rows(1, 2), plan, (12, 20), 5.0, 64)
    *_, (z, _) = loop.sample(velocity, noise, plan, "unipc", lambda i: noise)
    near(z, expected, 1e-4)
    near(ours.parts.autoencoder.decode(z), pieces["vae"].decode(z / 0.3611 + 0.1159).sample, 1e-4)


@needs_fixtures
@torch.no_grad()
def test_readers_and_autoencoder_by_the_released_numbers(tmp_path: Path) -> None:
    """The four towers as we call them, from their ids on, and the decoder."""
    from diffusers import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection, LlamaConfig, LlamaModel, T5Config, T5EncoderModel

    from sayso.engines.hidream import encoders

    f, _ = fixtures("text_encoders")
    described = json.loads((FIXTURES / "tiny_text_encoders_config.json").read_text())
    stored = {name: t.float() for name, t in load_file(FIXTURES / "tiny_text_encoders_bf16.safetensors").items()}
    clip = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64,
            "max_position_embeddings": 20, "eos_token_id": 2}
    models = {
        "llama": (LlamaModel(LlamaConfig(**described["llama"])), encoders._llama, "stack", "llama.model."),
        "t5": (T5EncoderModel(T5Config(**described["t5"])), encoders._t5, "out", "t5."),
        "clip_l": (
            CLIPTextModelWithProjection(CLIPTextConfig(**clip, hidden_act="quick_gelu", projection_dim=16)),
            encoders._clip,
            "text_embeds",
            "clip_l.",
        ),
        "clip_g": (
            CLIPTextModelWithProjection(CLIPTextConfig(**clip, hidden_act="gelu", projection_dim=20)),
            encoders._clip,
            "text_embeds",
            "clip_g.",
        ),
    }
    for name, (model, read, wanted, prefix) in models.items():
        state = {key.removeprefix(prefix): t for key, t in stored.items() if key.startswith(prefix)}
        assert not model.load_state_dict(state, strict=False).missing_keys
        mask = f.get(f"{name}.attention_mask", torch.ones_like(f[f"{name}.input_ids"]))
        near(read(model.eval(), f[f"{name}.input_ids"], mask), f[f"{name}.{wanted}"], 1e-5)
    vae = AutoencoderKL(**json.loads((FIXTURES / "tiny_vae_config.json").read_text()))
    vae.load_state_dict({name: t.float() for name, t in load_file(FIXTURES / "tiny_vae_bf16.safetensors").items()})
    vae.save_pretrained(tmp_path)
    coder = encoders.Autoencoder(tmp_path, torch.device("cpu"), torch.float32)
    e1, _ = fixtures("pipelines_e1")
    near(coder.decode(e1["vae.latent"]), e1["vae.decoded"], 1e-4)
    near(coder.encode(e1["e1_sq_clip.image"] * 2 - 1), e1["e1_sq_clip.image_latents"], 1e-4)


# Engines


@pytest.mark.parametrize("variant", ["hidream-i1-full", "hidream-i1-dev", "hidream-i1-fast"])
def test_drawing_from_a_folder(loaded: Loaded, variant: str) -> None:
    """Events in order, previews between, the asked size; same seed, same picture; a batch is its single pictures."""
    made = loaded(variant)
    events = list(made.respond(ask(width=150, height=90, steps=5, count=2, seed=3)))
    assert [event.index for event in events if isinstance(event, Step)] == list(range(1, 11)) and isinstance(events[0], Said)
    assert {event.index for event in events if isinstance(event, Preview)} == {0, 1} and isinstance(events[-1], Drew)
    pictures = drew(iter(events))
    assert [p.shape for p in pictures] == [(90, 150, 4)] * 2 and (pictures[0] != pictures[1]).any()
    assert np.array_equal(drew(made.respond(ask(width=150, height=90, steps=5, seed=4)))[0], pictures[1])
    assert next(e for e in events if isinstance(e, Drew)).picture.origin == {
        "engine": variant, "weights": made.sha, "seed": 3, "steps": 5, "guidance": variants.named(variant).guidance}
    assert made.abilities == {Ability.DRAW}


@pytest.mark.parametrize("variant", ["hidream-e1", "hidream-e1.1"])
def test_editing_from_a_folder(loaded: Loaded, variant: str) -> None:
    """The picture comes back at its own size; the source, the instruction and the polish all matter."""
    made = loaded(variant)
    source = noise_picture(160, 120)
    edited = drew(made.respond(ask("make it blue", source, steps=4)))[0]
    assert edited.shape == (120, 160, 4) and made.abilities == {Ability.EDIT}
    for other in (
        ask("make it red", source, steps=4),
        ask("make it blue", 255 - source // 2, steps=4),
        ask("make it blue", source, steps=4, options={"refine": 0}),
        ask("make it blue", source, steps=4, options={"clip": "false"}),
        ask("make it blue", source, steps=4, options={"picture_guidance": 9}),
    ):
        assert (drew(made.respond(other))[0] != edited).any()
    square = made.variant.square
    assert made.max_tokens == (72 if square else 128)


def test_options_change_what_they_say(loaded: Loaded) -> None:
    full, dev = loaded("hidream-i1-full"), loaded("hidream-i1-dev")
    plain = drew(full.respond(ask(width=128, height=128, steps=3)))[0]
    for options in ({"negative": "blue"}, {"sigmas": "diffusers"}, {"sigmas": "legacy"}):
        assert (drew(full.respond(ask(width=128, height=128, steps=3, options=options)))[0] != plain).any()
    assert np.array_equal(drew(full.respond(ask(width=128, height=128, steps=3, options={"exact": True, "sigmas": "official"})))[0], plain)
    whole, short = (
        drew(dev.respond(ask(width=64, height=64, steps=3, options={"exact": "true", "as_released": flag})))[0] for flag in (False, True)
    )
    assert (whole != short).any() and whole.shape == (64, 64, 4)


def test_closing_between_steps_stops_the_work(loaded: Loaded) -> None:
    made, calls = loaded("hidream-i1-dev"), []
    inner, made.step = made.step, lambda *given: calls.append(1) or inner(*given)  # type: ignore[func-returns-value]
    try:
        events = iter(made.respond(ask(steps=10)))
        while not isinstance(next(events), Step):
            pass
        events.close()  # type: ignore[attr-defined]
    finally:
        made.step = inner
    assert len(calls) == 1


@pytest.mark.parametrize(("variant", "wrong", "says"), [
    ("hidream-i1-full", ask(""), "the prompt is empty"),
    ("hidream-i1-full", ask(picture=noise_picture()), "draws from words alone"),
    ("hidream-e1.1", ask(), "exactly one picture"),
    ("hidream-i1-full", ask(want="text"), "does not answer in text"),
    ("hidream-i1-full", ask(think=True), "think"),
    ("hidream-i1-full", ask(mask=np.ones((4, 4), dtype=bool)), "mask"),
    ("hidream-i1-full", ask(background="transparent"), "background"),
    ("hidream-i1-full", ask(style="flat"), "style"),
    ("hidream-i1-full", ask(width=32, height=32), "sides are 64 to 4096"),
    ("hidream-i1-full", ask(width=1000, height=100), "too oblong"),
    ("hidream-i1-full", ask(width=100, height=96, options={"exact": True}), "the nearest is 96x96"),
    ("hidream-i1-full", ask(width=256, height=128, options={"exact": True}), "takes 64"),
    ("hidream-i1-full", ask(options={"sigma": "official"}), 'did you mean "sigmas"'),
    ("hidream-i1-full", ask(options={"sigmas": "offical"}), 'did you mean "official"'),
    ("hidream-i1-full", ask(options={"exact": "perhaps"}), "true or false"),
    ("hidream-i1-full", ask(options={"loras": "nothing.safetensors"}), "no LoRA"),
    ("hidream-i1-full", ask(options={"refine": 0.5}), "unknown option"),
    ("hidream-i1-dev", ask(options={"negative": "fog"}), "guidance above 1"),
    ("hidream-i1-dev", ask(options={"as_released": True}, steps=1), "at least 2 steps"),
    ("hidream-i1-full", ask(steps=0), "steps is 0"),
    ("hidream-e1.1", ask(picture=noise_picture(), options={"refine": 2}), "from 0 to 1"),
    ("hidream-e1.1", ask(picture=noise_picture(), width=96, height=192), "another shape"),
])
def test_what_cannot_be_is_refused_before_any_work(
    loaded: Loaded, variant: str, wrong: Ask, says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        loaded(variant).respond(wrong)


@torch.no_grad()
def test_blocks_are_compiled_once_for_all_layers_and_for_many_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three graphs a size, however many layers: a double block, a single one, and the last, whose text is not wanted."""
    counted = CompileCounter()
    plain = torch.compile
    monkeypatch.setattr(torch, "compile", lambda *given, **more: plain(*given, backend=counted, **more))
    monkeypatch.setattr(loop, "_compiled_blocks", loop._compiled_blocks.__wrapped__)
    model = random_model(replace(SparseSpec.from_config(CONFIG), double=2, single=3, llama_layers=(0, 1, 1, 0, 1))).to(torch.bfloat16)
    step = loop.compiled(model)
    told = Words(torch.randn(1, 3, 24), torch.randn(2, 1, 3, 32), torch.randn(1, 36))
    for side in range(2, 12):  # more sizes than the compiler keeps unasked
        ready = loop.prepare(model, told, schedules.diffusers(1, 3.0), (2 * side, 2 * side), 64, None)
        z = torch.randn(1, 16, 2 * side, 2 * side)
        found, expected = (loop.predicted(one, model, ready, z, 0) for one in (step, model.step))
        assert (found - expected).norm() < 0.03 * expected.norm()
        assert counted.frame_count == 3 * (side - 1)


@pytest.mark.parametrize(("more", "says"), [({"offload": "blocks"}, "one place"), ({"dtype": "float32"}, "bfloat16")])
def test_what_cannot_be_compiled_is_refused(folder: Path, more: dict[str, str], says: str) -> None:
    with pytest.raises(CannotDo, match=says):
        engine.load(folder, "cpu", compiled=True, **{"dtype": "bfloat16", **more})  # type: ignore[arg-type]


def test_steps_are_compiled_unasked_where_that_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    here, card, resident, tiny = torch.device("cpu"), torch.device("cuda"), placing.Placing(None, "none"), SparseSpec.from_config(CONFIG)
    monkeypatch.setenv("CXX", "sh")
    assert engine._compiles(None, here, resident, torch.bfloat16, HIDREAM) and engine._compiles(None, card, resident, torch.bfloat16, tiny)
    assert not engine._compiles(None, here, resident, torch.bfloat16, tiny) and engine._compiles(True, here, resident, torch.bfloat16, tiny)
    assert not engine._compiles(None, here, resident, torch.float32, HIDREAM)
    monkeypatch.setenv("CXX", "nothing-of-that-name")
    assert not engine._compiles(None, here, resident, torch.bfloat16, HIDREAM)
    with pytest.raises(CannotDo, match="nothing-of-that-name"):
        engine._compiles(True, here, resident, torch.bfloat16, HIDREAM)


def test_long_prompts_are_said_to_be_cut(loaded: Loaded) -> None:
    events = list(loaded("hidream-i1-dev").respond(ask("fox " * 200, steps=1, width=128, height=128)))
    assert isinstance(events[0], Said) and "reads 128" in events[0].text


class Describer:
    """Stands in for an engine that sees pictures."""

    name, abilities = "describer", frozenset({Ability.ASK})

    def __init__(self, answer: str):
        self.answer, self.asked = answer, ""

    def respond(self, ask: Ask) -> Iterator[Event]:
        self.asked = str(ask.messages[0].parts[1])
        yield Said(self.answer)


def test_instructions() -> None:
    worded = instructions.worded
    assert worded("make it  blue.", None, True).edit == "Editing Instruction: make it blue. Target Image Description: make it blue"
    assert worded("make it blue", "a blue fox", True) == instructions.Instruction(
        "Editing Instruction: make it blue. Target Image Description: a blue fox", "a blue fox")
    ready = "Editing Instruction: make it blue. Target Image Description: a blue thing"
    assert worded(ready, None, True) == instructions.Instruction(ready, "a blue thing")
    assert worded("make it blue", None, False) == instructions.Instruction("make it blue", "make it blue")
    assert worded("make it blue", "a blue fox", False).target == "a blue fox"
    good, bad = Describer("a fox\nmake it blue.\na blue fox"), Describer("I cannot do that.")
    picture = Picture(noise_picture())
    assert engine.described(good, picture, "blue!") == "Editing Instruction: make it blue. Target Image Description: a blue fox"
    assert "The wish: blue!" in good.asked and engine.described(bad, picture, "blue!") is None


@needs_fixtures
def test_sizes_are_the_released_ones() -> None:
    table = json.loads((FIXTURES / "resolutions.json").read_text())
    for row in table["i1"]:
        assert sizes.drawn(row["req_w"], row["req_h"]) == (row["w"], row["h"])
    for row in table["e11"]:
        assert sizes.edited(row["in_w"], row["in_h"]) == (row["w"], row["h"])
        assert sizes.for_editing(np.zeros((row["in_h"] // 4, row["in_w"] // 4, 3), dtype=np.uint8), None, 256**2).shape[1::-1] == \
            sizes.edited(row["in_w"] // 4, row["in_h"] // 4, 256**2)
