"""HiDream as an engine: released loops within 2e-5, diffusers as the live reference, whole folders, LoRA, and clear refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hidream_tiny import CONFIG, FIXTURES, fixtures, make_folder, needs_fixtures, parity_model, random_model, released, words
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from sayso.engines import registry
from sayso.engines.hidream import engine, instructions, loop, placing, schedules, sizes, variants, weights
from sayso.engines.hidream.encoders import Words
from sayso.engines.hidream.schedules import Schedule
from sayso.errors import BadInput, BadWeights, CannotDo, SaysoError, Unknown
from sayso.models import flow, sparse_names
from sayso.models.sparse_dit import SparseDiT, SparseSpec
from sayso.types import Ability, Ask, Drew, Event, Message, Picture, Preview, Said, Step, Text


def near(found: Tensor, expected: Tensor, tolerance: float = 2e-5) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("hidream") / "model")


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Callable[..., engine.HiDreamEngine]:
    """An engine over the tiny folder, each kind loaded once."""
    made: dict[str, engine.HiDreamEngine] = {}

    def get(variant: str) -> engine.HiDreamEngine:
        if variant not in made:
            made[variant] = engine.load(folder, "cpu", variant=variant, dtype="float32")
        return made[variant]

    return get


def ask(text: str = "a red fox", picture: np.ndarray | None = None, **rest: Any) -> Ask:
    parts = (Text(text),) if picture is None else (Picture(picture), Text(text))
    return Ask((Message("user", parts),), **rest)


def noise_picture(width: int = 96, height: int = 96) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)


def drew(events: Iterator[Event]) -> list[np.ndarray]:
    return [event.picture.pixels for event in events if isinstance(event, Drew)]


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


def steps_of(velocity: flow.StepVelocity, f: dict[str, Tensor], case: str, plan: Schedule, sampler: str) -> Tensor:
    return torch.stack([z for z, _ in loop.sample(velocity, f[f"{case}.init_latent"], plan, sampler, lambda i: f[f"{case}.noise"][i])])


@needs_fixtures
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
        near(states, f[f"{name}.steps"][: len(states)])
        near(states[-1], f[f"{name}.final"])
        assert sizes.drawn(case["req"][1], case["req"][0], 128**2) == (case["used"][1], case["used"][0])


@needs_fixtures
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

        def edit(name: str = name, case: Any = case, plan: Schedule = plan, source: Tensor = source, wears: Any = wears) -> flow.StepVelocity:
            wardrobe.wear(wears)
            return loop.editing(model.step, model, words(f, name), words(f, name, "neg_"), source, plan, case["guidance_scale"],
                                case["image_guidance_scale"], case["clip_cfg_norm"], case["max_seq"])

        def polish(name: str = name, case: Any = case, plan: Schedule = plan, size: tuple[int, int] = size, target: Words = target
                   ) -> flow.StepVelocity:
            wardrobe.wear(())
            return loop.drawing(model.step, model, target, words(f, name, "neg_"), plan, size, case["guidance_scale"], case["max_seq"])

        assert int(case["steps"] * (1 - case["refine_strength"])) == case["expected_switch"]
        velocity = loop.in_turn(edit, polish, case["expected_switch"])
        near(steps_of(velocity, f, name, plan, "unipc"), f[f"{name}.steps"])
    wardrobe.wear(())
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


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
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0), transformer=transformer,
        text_encoder_4=LlamaForCausalLM.from_pretrained(folder / "llama"), tokenizer_4=AutoTokenizer.from_pretrained(folder / "llama"), **pieces)
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
        "clip_l": (CLIPTextModelWithProjection(CLIPTextConfig(**clip, hidden_act="quick_gelu", projection_dim=16)), encoders._clip, "text_embeds",
                   "clip_l."),
        "clip_g": (CLIPTextModelWithProjection(CLIPTextConfig(**clip, hidden_act="gelu", projection_dim=20)), encoders._clip, "text_embeds",
                   "clip_g."),
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
def test_drawing_from_a_folder(loaded: Callable[..., engine.HiDreamEngine], variant: str) -> None:
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
def test_editing_from_a_folder(loaded: Callable[..., engine.HiDreamEngine], variant: str) -> None:
    """The picture comes back at its own size; the source, the instruction and the polish all matter."""
    made = loaded(variant)
    source = noise_picture(160, 120)
    edited = drew(made.respond(ask("make it blue", source, steps=4)))[0]
    assert edited.shape == (120, 160, 4) and made.abilities == {Ability.EDIT}
    for other in (ask("make it red", source, steps=4), ask("make it blue", 255 - source // 2, steps=4),
                  ask("make it blue", source, steps=4, options={"refine": 0}), ask("make it blue", source, steps=4, options={"clip": "false"}),
                  ask("make it blue", source, steps=4, options={"picture_guidance": 9})):
        assert (drew(made.respond(other))[0] != edited).any()
    square = made.variant.square
    assert made.max_tokens == (72 if square else 128)


def test_options_change_what_they_say(loaded: Callable[..., engine.HiDreamEngine]) -> None:
    full, dev = loaded("hidream-i1-full"), loaded("hidream-i1-dev")
    plain = drew(full.respond(ask(width=128, height=128, steps=3)))[0]
    for options in ({"negative": "blue"}, {"sigmas": "diffusers"}, {"sigmas": "legacy"}):
        assert (drew(full.respond(ask(width=128, height=128, steps=3, options=options)))[0] != plain).any()
    assert np.array_equal(drew(full.respond(ask(width=128, height=128, steps=3, options={"exact": True, "sigmas": "official"})))[0], plain)
    whole, short = (drew(dev.respond(ask(width=64, height=64, steps=3, options={"exact": "true", "as_released": flag})))[0] for flag in (False, True))
    assert (whole != short).any() and whole.shape == (64, 64, 4)


def test_closing_between_steps_stops_the_work(loaded: Callable[..., engine.HiDreamEngine]) -> None:
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
def test_what_cannot_be_is_refused_before_any_work(loaded: Callable[..., engine.HiDreamEngine], variant: str, wrong: Ask, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        loaded(variant).respond(wrong)


def test_long_prompts_are_said_to_be_cut(loaded: Callable[..., engine.HiDreamEngine]) -> None:
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


# Weights


def write(path: Path, tensors: dict[str, Tensor]) -> Path:
    save_file(tensors, path)
    return path


def transformer(folder: Path) -> dict[str, Tensor]:
    return {name: t for file in sorted((folder / "transformer").glob("*.safetensors")) for name, t in load_file(file).items()}


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model.", "diffusion_model.", "transformer."])
def test_single_files_of_other_tools(folder: Path, tmp_path: Path, prefix: str) -> None:
    """A bare file with the description beside it, named outright or lying in a folder with the other parts."""
    tensors = transformer(folder)
    shutil.copy(folder / "transformer" / "config.json", tmp_path)
    path = write(tmp_path / "one.safetensors", {prefix + name: t for name, t in tensors.items()})
    model = weights.load_transformer(path, torch.device("cpu"), torch.float32)
    assert all(torch.equal(released(model)[name], t) for name, t in tensors.items())
    made = engine.load(path, "cpu", variant="hidream-i1-dev", components=folder, dtype="float32")
    assert len(drew(made.respond(ask(steps=1, width=128, height=128)))) == 1


def changed(tensors: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    name = "double_stream_blocks.0.block.attn1.to_q.weight"
    if how == "missing":
        return {key: t for key, t in tensors.items() if key != name}
    if how == "extra":
        return {**tensors, "double_stream_blocks.9.block.attn1.to_q.weight": torch.zeros(2, 2)}
    if how == "shape":
        return {**tensors, name: torch.zeros(3, 3)}
    return {**tensors, name: torch.zeros(tensors[name].shape, dtype=torch.int64)}


@pytest.mark.parametrize(("how", "says"), [("missing", "lacks double_stream"), ("extra", "unknown tensor double_stream_blocks.9"),
                                           ("shape", "has shape"), ("type", "stored as I64"), ("cut", "should have"), ("noise", "damaged"),
                                           ("pickle", "pickles can carry code"), ("nothing", "no safetensors file"), ("config", "does not describe")])
def test_bad_weights_are_refused_in_a_sentence(folder: Path, tmp_path: Path, how: str, says: str) -> None:
    bad = tmp_path / "model"
    shutil.copytree(folder, bad)
    inside = bad / "transformer"
    for file in inside.glob("*.safetensors"):
        file.unlink()
    if how in ("missing", "extra", "shape", "type"):
        write(inside / "model.safetensors", changed(transformer(folder), how))
    elif how == "pickle":
        (inside / "model.bin").write_bytes(b"\x80\x04")
    elif how != "nothing":
        whole = write(inside / "model.safetensors", transformer(folder))
        if how == "cut":
            whole.write_bytes(whole.read_bytes()[:-100])
        elif how == "noise":
            whole.write_bytes(b"\xff" * 200)
        else:
            (inside / "config.json").write_text(json.dumps({**CONFIG, "axes_dims_rope": [8, 4, 2]}))
    with pytest.raises(BadWeights, match=says) as error:
        engine.load(bad, "cpu", dtype="float32")
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


@pytest.mark.parametrize(("gone", "says"), [("llama", "accept it at meta-llama"), ("text_encoder", "is missing"), ("tokenizer_3", "is missing"),
                                            ("vae", "is missing"), ("transformer", "holds no transformer")])
def test_missing_parts_are_named(folder: Path, tmp_path: Path, gone: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAYSO_LLAMA", raising=False)
    shutil.copytree(folder, tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / gone)
    with pytest.raises(BadWeights, match=says):
        engine.load(tmp_path / "model", "cpu", dtype="float32")


def test_llama_may_lie_elsewhere(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(folder, tmp_path / "model")
    shutil.move(tmp_path / "model" / "llama", tmp_path / "reader")
    monkeypatch.setenv("SAYSO_LLAMA", str(tmp_path / "reader"))
    assert engine.load(tmp_path / "model", "cpu", dtype="float32").name == "hidream-i1-full"


def test_incomplete_readers_are_not_filled_with_noise(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    file = tmp_path / "model" / "text_encoder_3" / "model.safetensors"
    save_file({name: t for name, t in load_file(file).items() if "DenseReluDense.wo" not in name}, file, metadata={"format": "pt"})
    with pytest.raises(BadWeights, match="incomplete"):
        engine.load(tmp_path / "model", "cpu", dtype="float32")


# LoRA

TARGETS = {"double_stream_blocks.0.block.attn1.to_k_t": (32, 32), "single_stream_blocks.0.block.ff_i.experts.2.w3": (256, 32),
           "final_layer.linear": (64, 32)}


def lora_file(path: Path, style: str) -> Path:
    """One small LoRA in the naming of one tool."""
    torch.manual_seed(5)
    ends = {"peft": (".lora_A.default.weight", ".lora_B.default.weight"), "comfy": (".lora_A.weight", ".lora_B.weight"),
            "kohya": (".lora_down.weight", ".lora_up.weight")}[style]
    tensors: dict[str, Tensor] = {}
    for module, (out, inner) in TARGETS.items():
        key = {"peft": module, "comfy": f"diffusion_model.{module}", "kohya": "lora_unet_" + module.replace(".", "_")}[style]
        tensors[key + ends[0]], tensors[key + ends[1]] = torch.randn(3, inner) / 5, torch.randn(out, 3) / 5
        if style == "kohya":
            tensors[key + ".alpha"] = torch.tensor(3.0)
    return write(path, tensors)


@pytest.mark.parametrize("style", ["peft", "comfy", "kohya"])
def test_loras_of_every_naming(tmp_path: Path, style: str) -> None:
    model = random_model(SparseSpec.from_config(CONFIG))
    before = {name: t.clone() for name, t in released(model).items()}
    path = lora_file(tmp_path / "lora.safetensors", style)
    wardrobe = weights.Wardrobe(model, torch.device("cpu"))
    wardrobe.wear(((path, 0.5),))
    down, up = (t for name, t in sorted(load_file(path).items()) if "final" in name and "alpha" not in name)
    near(released(model)["final_layer.linear.weight"], before["final_layer.linear.weight"] + 0.5 * up @ down, 1e-6)
    assert {name.removesuffix(".weight") for name, t in released(model).items() if not torch.equal(t, before[name])} == set(TARGETS)
    wardrobe.wear(())
    assert all(torch.equal(t, before[name]) for name, t in released(model).items())


def test_a_lora_is_of_one_request(loaded: Callable[..., engine.HiDreamEngine], tmp_path: Path) -> None:
    """Worn for one request, gone in the next; strength counts; two add up."""
    made, path = loaded("hidream-i1-dev"), lora_file(tmp_path / "l.safetensors", "comfy")
    def run(**options: Any) -> np.ndarray:
        return drew(made.respond(ask(width=128, height=128, steps=2, options=options)))[0]

    plain, with_it = run(), run(loras=str(path))
    assert (plain != with_it).any() and np.array_equal(run(), plain)
    assert np.array_equal(run(loras=f"{path}:0.0"), plain)
    assert np.abs(run(loras=f"{path}:0.5,{path}:0.5").astype(int) - with_it).max() <= 1


def test_a_lora_of_another_model_is_refused(loaded: Callable[..., engine.HiDreamEngine], tmp_path: Path) -> None:
    for tensors, says in (({"unet.mid.lora_A.weight": torch.zeros(1, 2)}, "does not have"), ({"noise": torch.zeros(1)}, "does not have"),
                          ({"final_layer.linear.lora_A.weight": torch.zeros(1, 32)}, "one half"),
                          ({"final_layer.linear.lora_A.weight": torch.zeros(1, 3), "final_layer.linear.lora_B.weight": torch.zeros(64, 1)}, "by")):
        path = write(tmp_path / f"{len(says)}{len(tensors)}.safetensors", tensors)
        with pytest.raises(BadWeights, match=says):
            loaded("hidream-i1-dev").respond(ask(options={"loras": [str(path)]}))


def test_e1_is_i1_with_its_lora_until_the_polish(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / "lora").mkdir()
    lora_file(tmp_path / "model" / "lora" / "HiDream-E1-Full.safetensors", "peft")
    made = engine.load(tmp_path / "model", "cpu", variant="hidream-e1", dtype="float32")
    worn: list[bool] = []
    inner, made.step = made.step, lambda *given: worn.append(bool(made.wardrobe.worn)) or inner(*given)  # type: ignore[func-returns-value]
    refine, made.refining_step = made.refining_step, lambda *given: worn.append(bool(made.wardrobe.worn)) or refine(*given)  # type: ignore[func-returns-value]
    drew(made.respond(ask("make it blue", noise_picture(), steps=10)))
    assert worn == [True] * 7 + [False] * 3


# Places and bits


def test_what_fits_where() -> None:
    assert placing.choose(140.0) == placing.Placing(None, "none")
    assert placing.choose(50.0) == placing.Placing(None, "text")
    assert placing.choose(40.0, fp8=True).bits == "fp8" and placing.choose(32.0).bits == "int8"
    assert placing.choose(25.0) == placing.Placing("int4", "text")
    assert placing.choose(20.0, exact=True) == placing.Placing(None, "blocks")
    for kind in (None, "fp8", "int8", "int4"):
        amounts = [placing.gigabytes(placing.Placing(kind, offload)) for offload in placing.OFFLOADS]
        assert amounts == sorted(amounts, reverse=True)


@pytest.mark.parametrize("offload", ["text", "blocks"])
def test_offload_changes_nothing(folder: Path, loaded: Callable[..., engine.HiDreamEngine], offload: str) -> None:
    made = engine.load(folder, "cpu", variant="hidream-i1-full", dtype="float32", offload=offload)
    expected = drew(loaded("hidream-i1-full").respond(ask(width=128, height=128, steps=2)))[0]
    assert all(reader.model is None for reader in made.parts.encoders.readers)
    assert np.array_equal(drew(made.respond(ask(width=128, height=128, steps=2)))[0], expected)
    assert all(reader.model is None for reader in made.parts.encoders.readers)


@torch.no_grad()
def test_visiting_blocks_go_home() -> None:
    model = random_model(SparseSpec.from_config(CONFIG))
    visitors = placing.Visitors((*model.double_blocks, *model.single_blocks), torch.device("cpu"))
    homes = [[host.data_ptr() for _, host in held] for held in visitors.home]
    away: list[bool] = []
    model.single_blocks[0].experts.register_forward_hook(lambda m, a, out: away.append(
        next(model.single_blocks[0].parameters()).data_ptr() != homes[1][0]))
    x = Words(torch.randn(1, 3, 24), torch.randn(2, 1, 3, 32), torch.randn(1, 36))
    model(torch.randn(1, 16, 4, 4), torch.tensor([3.0]), *x, 64)
    assert away == [True] and visitors.arrived == {}
    assert [[t.data_ptr() for t, _ in held] for held in visitors.home] == homes


@pytest.mark.parametrize(("bits", "off"), [("int8", 4.0), ("fp8", 12.0), ("int4", 30.0)])
def test_fewer_bits_draw_nearly_the_same(folder: Path, loaded: Callable[..., engine.HiDreamEngine], bits: str, off: float) -> None:
    made = engine.load(folder, "cpu", variant="hidream-i1-dev", dtype="float32", bits=bits)
    exact, low = (drew(one.respond(ask(width=128, height=128, steps=2)))[0].astype(float) for one in (loaded("hidream-i1-dev"), made))
    assert 0 < np.abs(exact - low).mean() < off
    assert not isinstance(made.parts.model.double_blocks[0].experts.gate, engine.lowbits.LowBits)
    with pytest.raises(CannotDo, match="few bits"):
        made.respond(ask(options={"loras": [str(next((folder / "transformer").glob("*.safetensors")))]}))


@pytest.mark.parametrize(("given", "says"), [({"bits": "int3"}, "int3"), ({"offload": "disk"}, "disk"), ({"dtype": "float16"}, "float16"),
                                             ({"variant": "hidream-i1-ful"}, "hidream-i1-full")])
def test_unknown_settings_are_refused(folder: Path, given: dict[str, Any], says: str) -> None:
    with pytest.raises(SaysoError, match=says):
        engine.load(folder, "cpu", **given)


def test_the_table_of_engines_knows_them(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sayso pull` and the command line find them by name; a folder at their place makes them ready."""
    monkeypatch.setenv("SAYSO_MODELS", str(tmp_path))
    row = registry.info("hidream-i1-dev")
    assert "not at" in (row.missing() or "") and registry.info("hidream-e1.1").abilities == {Ability.EDIT}
    (tmp_path / "hidream-i1-dev").symlink_to(folder)
    assert row.missing() is None and row.load("cpu").name == "hidream-i1-dev"
    assert all(download.patterns for variant in variants.VARIANTS.values() for download in variants.downloads(variant))
    with pytest.raises(Unknown):
        variants.named("hidream-i2")


def test_names_of_this_model_only() -> None:
    spec = SparseSpec.from_config(CONFIG)
    names = list(sparse_names.slots(spec))
    assert sparse_names.bare(["model.diffusion_model." + name for name in names]) == {"model.diffusion_model." + n: n for n in names}
    assert sparse_names.bare(["x", "y"]) == {"x": "x", "y": "y"}
    assert isinstance(weights.empty(replace(spec, single=2, llama_layers=(0, 1, 1)), torch.device("cpu"), torch.bfloat16), SparseDiT)
