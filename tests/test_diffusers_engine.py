"""Any diffusers pipeline as an engine: abilities from signatures, tiny random pipelines of three families, cancelling, refusals."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sayso.engines import diffusers as engine
from sayso.errors import BadInput, BadWeights, CannotDo, SaysoError
from sayso.types import Ability, Ask, Drew, Event, Failed, Message, Picture, Preview, Step, Text

SIDE = 32


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word: i for i, word in enumerate("<s> </s> <pad> a fox red blue <unk>".split())}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
                                   model_max_length=12)


def clip(width: int = 16, projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(vocab_size=8, hidden_size=width, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
                            max_position_embeddings=12, bos_token_id=0, eos_token_id=1, pad_token_id=2, projection_dim=width)
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def autoencoder(shift: float | None) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(block_out_channels=(4, 4), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
                         latent_channels=4, norm_num_groups=2, sample_size=SIDE, shift_factor=shift)


def stable_diffusion() -> Any:
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(4, 8),
        layers_per_block=1,
        sample_size=SIDE // 2,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=2,
    )
    return StableDiffusionPipeline(
        vae=autoencoder(None),
        text_encoder=clip(),
        tokenizer=tokenizer(),
        unet=unet,
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def flux() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=8,
                                         num_attention_heads=2, joint_attention_dim=16, pooled_projection_dim=16, axes_dims_rope=(4, 2, 2))
    t5 = T5EncoderModel(T5Config(vocab_size=8, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2))
    return FluxPipeline(scheduler=FlowMatchEulerDiscreteScheduler(), vae=autoencoder(0.1), text_encoder=clip(), tokenizer=tokenizer(),
                        text_encoder_2=t5, tokenizer_2=tokenizer(), transformer=transformer)


def wan() -> Any:
    from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(0)
    vae = AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True])
    transformer = WanTransformer3DModel(patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16,
                                        text_dim=16, freq_dim=64, ffn_dim=32, num_layers=1, cross_attn_norm=True,
                                        qk_norm="rms_norm_across_heads", rope_max_seq_len=32)
    t5 = T5EncoderModel(T5Config(vocab_size=8, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2))
    return WanPipeline(
        transformer=transformer,
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder=t5,
        tokenizer=tokenizer(),
        transformer_2=None,
    )


@pytest.fixture(scope="module")
def sd() -> engine.DiffusersEngine:
    return engine.wrap(stable_diffusion(), torch.device("cpu"))


def ask(text: str = "a red fox", *pictures: np.ndarray, **rest: Any) -> Ask:
    return Ask((Message("user", (*map(Picture, pictures), Text(text))),), **rest)


def noise(side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 4), dtype=np.uint8)


def drew(events: Iterator[Event]) -> list[np.ndarray]:
    return [event.picture.pixels for event in events if isinstance(event, Drew)]


@pytest.mark.parametrize(("name", "abilities", "guidance"), [
    ("FluxPipeline", {"draw"}, "guidance_scale"), ("StableDiffusion3Pipeline", {"draw"}, "guidance_scale"),
    ("QwenImagePipeline", {"draw"}, "true_cfg_scale"), ("FluxImg2ImgPipeline", {"edit"}, "guidance_scale"),
    ("FluxInpaintPipeline", {"mask"}, "guidance_scale"), ("FluxKontextPipeline", {"draw", "edit"}, "guidance_scale"),
    ("QwenImageEditPlusPipeline", {"edit", "references"}, "true_cfg_scale"), ("WanPipeline", {"draw", "video"}, "guidance_scale"),
    ("WanImageToVideoPipeline", {"edit", "video"}, "guidance_scale"), ("HiDreamImagePipeline", {"draw"}, "guidance_scale"),
    ("StableDiffusionXLInpaintPipeline", {"mask"}, "guidance_scale")])
def test_abilities_are_read_from_signatures(name: str, abilities: set[str], guidance: str) -> None:
    import diffusers

    found = engine.skill(getattr(diffusers, name))
    assert {ability.value for ability in found.abilities} == abilities and found.guidance == guidance


def test_one_folder_draws_edits_and_fills(sd: engine.DiffusersEngine) -> None:
    """Steps in order, previews between, seeds that count; a picture and a mask go to the pipelines that take them."""
    assert sd.abilities == {Ability.DRAW, Ability.EDIT, Ability.MASK}
    events = list(sd.respond(ask(steps=5, count=2, seed=7, guidance=3.0)))
    assert [event.index for event in events if isinstance(event, Step)] == list(range(1, 11))
    assert {event.index for event in events if isinstance(event, Preview)} == {0, 1} and all(
        event.picture.pixels.shape == (SIDE, SIDE, 4) for event in events if isinstance(event, Preview))
    pictures = drew(iter(events))
    assert (pictures[0] != pictures[1]).any() and [event.seed for event in events if isinstance(event, Drew)] == [7, 8]
    assert np.array_equal(drew(sd.respond(ask(steps=5, seed=8, guidance=3.0)))[0], pictures[1])
    assert (drew(sd.respond(ask(steps=5, seed=8, guidance=9.0)))[0] != pictures[1]).any()
    edited = drew(sd.respond(ask("a blue fox", noise(), steps=5, options={"strength": "0.5"})))[0]
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[:, :16] = True
    filled = drew(sd.respond(ask("a blue fox", noise(), steps=5, mask=mask)))[0]
    assert edited.shape == filled.shape == (SIDE, SIDE, 4) and (edited != filled).any()


def test_flux_with_its_packed_latents(tmp_path: Path) -> None:
    """From disk, in another shape, with a preview of packed latents."""
    flux().save_pretrained(tmp_path / "flux")
    made = engine.load(tmp_path / "flux", "cpu")
    assert {Ability.DRAW, Ability.EDIT, Ability.MASK} <= made.abilities and len(made.sha) == 64
    events = list(made.respond(ask(width=48, height=32, steps=4, options={"max_sequence_length": 8})))
    assert drew(iter(events))[0].shape == (32, 48, 4)
    assert [event.picture.pixels.shape for event in events if isinstance(event, Preview)] == [(32, 48, 4)] * 3


def test_a_clip_is_as_many_pictures_as_were_asked_for() -> None:
    made = engine.wrap(wan(), torch.device("cpu"))
    assert made.abilities == {Ability.DRAW, Ability.VIDEO}
    assert [engine.frames_for(made.pipelines[0], count) for count in (1, 2, 5, 6)] == [1, 5, 5, 9]
    events = list(made.respond(ask(width=16, height=16, steps=2, count=6, options={"max_sequence_length": 8, "negative": "blue"})))
    frames = [event for event in events if isinstance(event, Drew)]
    assert [event.index for event in frames] == list(range(6)) and [event.picture.origin["frame"] for event in frames] == list(range(6))
    assert {event.seed for event in frames} == {0} and frames[0].picture.pixels.shape == (16, 16, 4)


def test_closing_stops_the_pipeline(sd: engine.DiffusersEngine) -> None:
    """Within a step of it, and its thread is gone."""
    done: list[int] = []
    unet = sd.pipelines[0].unet
    hook = unet.register_forward_hook(lambda module, given, out: done.append(1))
    events = sd.respond(ask(steps=200))
    assert isinstance(next(iter(events)), Step)
    events.close()  # type: ignore[attr-defined]
    hook.remove()
    assert len(done) < 100 and not [thread for thread in threading.enumerate() if thread.name == "pipeline"]


def test_a_complaint_of_the_pipeline_is_an_event(sd: engine.DiffusersEngine) -> None:
    events = list(sd.respond(ask("a fox", noise(), steps=5, options={"strength": 3.0})))
    assert len(events) == 1 and isinstance(events[0], Failed) and "strength" in events[0].reason


def test_an_error_inside_reaches_the_caller(sd: engine.DiffusersEngine) -> None:
    def broken(*given: Any) -> None:
        raise MemoryError("full")

    hook = sd.pipelines[0].unet.register_forward_pre_hook(broken)
    with pytest.raises(MemoryError):
        list(sd.respond(ask(steps=2)))
    hook.remove()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (ask(""), "the prompt is empty"),
        (ask(want="text"), "does not answer"),
        (ask(think=True), "think"),
        (ask(background="red"), "background"),
        (ask(style="flat"), "style"),
        (ask("a", noise(), noise()), "one picture at a time"),
        (ask(mask=np.ones((4, 4), dtype=bool)), "exactly one picture"),
        (ask(width=33, height=32), "the nearest is 32x32"),
        (ask(steps=0), "steps is 0"),
        (ask(options={"strenght": 1}), "unknown option"),
        (ask(options={"clip_skip": 1}), "unknown option"),
        (ask("a", noise(), options={"strength": "much"}), "must be a number"),
        (ask("a", noise(), width=32, height=32), "takes the size from the picture"),
        (ask(options={"eta": "nan"}), "must be a number"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(sd: engine.DiffusersEngine, wrong: Ask, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        sd.respond(wrong)


def test_settings_are_of_the_kind_of_their_defaults() -> None:
    assert [engine.setting("x", "3", 1), engine.setting("x", 0.5, 1.0), engine.setting("x", "no", True), engine.setting("x", "a", "b")] == [
        3,
        0.5,
        False,
        "a",
    ]
    for value, default in (("2.5", 1), ("perhaps", True), ("a", 1.0), (None, 1.0)):
        with pytest.raises(BadInput):
            engine.setting("x", value, default)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"folder": "nothing"}, "no model_index.json"),
        ({"device": "cuda"}, "no GPU"),
        ({"dtype": "int8"}, "int8"),
        ({"offload": "disk"}, "disk"),
        ({"offload": "model"}, "device is cpu"),
        ({"folder": "someone/nothing"}, "not in the hub's cache"),
    ],
)
def test_what_cannot_be_loaded_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], says: str) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    rest = {"device": "cpu", **given}
    with pytest.raises(SaysoError, match=says):
        engine.load(Path(str(rest.pop("folder", "x"))), **rest)


def test_damaged_pipelines_are_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline", "vae": ["diffusers", "AutoencoderKL"]}')
    with pytest.raises(BadWeights, match="cannot be loaded") as error:
        engine.load(tmp_path, "cpu")
    assert "\n" not in str(error.value)


def test_pipelines_without_a_prompt_are_refused() -> None:
    from diffusers import DDPMPipeline

    assert "prompt" not in inspect.signature(DDPMPipeline.__call__).parameters
    with pytest.raises(CannotDo, match="takes no prompt"):
        engine.skill(DDPMPipeline)
