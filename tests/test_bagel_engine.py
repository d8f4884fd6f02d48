"""BAGEL's parity fixtures through the engine's front door: asks in, pictures and answers out, within 1e-4 in float32.

The fixtures were computed with the official modules; they lie outside the repository, and without them these tests are skipped.
A picture's bytes may differ by one, where a value is cut off at the other side of a whole number.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bagel_tiny
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from sayso.engines.bagel import load
from sayso.engines.bagel.engine import BagelEngine, seeded
from sayso.engines.bagel.glue import Resize
from sayso.engines.bagel.pictures import on_white, resized, values
from sayso.engines.bagel.sampling import on
from sayso.engines.bagel.settings import settled
from sayso.engines.bagel.writing import Draft, write
from sayso.models import flow
from sayso.models.codecs.vae import from_tokens, to_bytes, to_tokens
from sayso.models.guidance import Guidance, Renorm, combine
from sayso.types import Ask, Drew, Event, Message, Part, Picture, Said, Text, Thought

FIXTURES = bagel_tiny.parity() or Path("nowhere")
pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="BAGEL's parity fixtures lie outside the repository")


def tensors(name: str) -> dict[str, Tensor]:
    return load_file(FIXTURES / f"{name}.safetensors")


def info(name: str) -> dict[str, Any]:
    with safe_open(FIXTURES / f"{name}.safetensors", "pt") as file:
        return dict(json.loads(file.metadata()["info"]))


def words(ids: Tensor) -> Text:
    return Text(" ".join(str(i) for i in ids.tolist()))


def shown(pixels: Tensor) -> Picture:
    return Picture(np.concatenate((pixels.numpy(), np.full((*pixels.shape[:2], 1), 255, np.uint8)), axis=2))


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture's checkpoint as a person would have it, with what the release fixes in code written down."""
    where, tiny, think = tmp_path_factory.mktemp("bagel"), json.loads((FIXTURES / "tiny_config.json").read_text()), tensors("k_think")
    for name in ("model.safetensors", "ae.safetensors", "llm_config.json", "vit_config.json"):
        os.symlink(FIXTURES / name, where / name)
    sizes = {ours: {"largest": tiny[theirs]["max"], "smallest": tiny[theirs]["min"], "stride": tiny[theirs]["stride"],
                    "area": tiny[theirs]["max_pixels"]} for ours, theirs in (("latent", "vae_transform"), ("vision", "vit_transform"))}
    glue = {"tokenizer": "ids", "marks": [290, 291], "picture_marks": [292, 293], **sizes,
            "draw_first": words(think["gen_system_prompt"]).text, "answer_first": words(think["vlm_system_prompt"]).text}
    (where / "sayso.json").write_text(json.dumps({"bagel": glue}))
    return where


@pytest.fixture
def engine(folder: Path) -> BagelEngine:
    return load.load("cpu", folder, {"dtype": "float32"})


def options(settings: dict[str, Any]) -> dict[str, object]:
    return {"as_released": True, "previews": 0, "picture_guidance": settings["cfg_img_scale"], "renorm": settings["cfg_renorm_type"],
            "renorm_floor": settings["cfg_renorm_min"], "interval": tuple(settings["cfg_interval"]), "shift": settings["timestep_shift"]}


class Steps:
    """What the sampler showed: state and velocity of each step, and the raw velocity of each branch by its role."""

    def __init__(self, engine: BagelEngine):
        self.z: list[Tensor] = []
        self.v: list[Tensor] = []
        self.t: list[float] = []
        self.branches: dict[str, list[Tensor]] = {"whole": [], "wordless": [], "pictureless": []}
        engine.watch_steps = self.see

    def see(self, index: int, t: float, roles: Any, found: Any, z: Tensor, v: Tensor) -> None:
        self.z.append(z)
        self.v.append(v)
        self.t.append(t)
        for name, rows in self.branches.items():
            branch = getattr(roles[0], name)
            if branch in found:
                rows.append(found[branch])

    def final(self) -> Tensor:
        return self.z[-1] - self.t[-1] * self.v[-1]


def same_picture(events: list[Event], expected: Tensor) -> None:
    pixels = next(e.picture.pixels for e in events if isinstance(e, Drew))[..., :3]
    assert int(np.abs(pixels.astype(int) - expected.numpy().astype(int)).max()) <= 1


def draws(*noises: Tensor) -> Callable[[int], Callable[[tuple[int, ...]], Tensor]]:
    """A source that gives these noises, each by its number of axes."""
    return lambda seed: lambda shape: next(noise for noise in noises if noise.dim() == len(shape))


def follow(engine: BagelEngine, parts: tuple[Part, ...], settings: dict[str, Any], **more: Any) -> tuple[list[Event], Steps]:
    steps = Steps(engine)
    more["options"] = {**options(settings), **more.pop("options", {})}
    ask = Ask((Message("user", parts),), steps=settings["num_timesteps"], guidance=settings["cfg_text_scale"], **more)
    return list(engine.respond(ask)), steps


def agrees(steps: Steps, f: dict[str, Tensor], name: str) -> None:
    close(steps.final(), f[f"{name}.final"])
    close(torch.stack(steps.v), f[f"{name}.v"])
    close(torch.stack(steps.z), f[f"{name}.x"])
    close(torch.tensor(steps.t), f[f"{name}.t"])
    for role, theirs in (("whole", "v_cond"), ("wordless", "v_cfg_text"), ("pictureless", "v_cfg_img")):
        if f"{name}.{theirs}" not in f or not steps.branches[role]:
            continue
        on = f[f"{name}.branch_on"][:, 0 if role == "wordless" else 1] if role != "whole" else torch.ones(len(steps.v), dtype=torch.bool)
        rows = steps.branches[role]
        rows = [row for row, was in zip(rows, on.tolist(), strict=True) if was] if len(rows) == len(on) else rows
        close(torch.stack(rows), f[f"{name}.{theirs}"])


NAMES_C = ["nocfg", "global", "channel", "text_channel", "global_img1.5", "text_channel_img1.5", "global_interval0.6",
           "global_interval_hi0.8", "global_min0.7", "channel_min1", "img_only", "shift1_n6"]


@pytest.mark.parametrize("name", NAMES_C)
def test_drawing(engine: BagelEngine, name: str) -> None:
    f, settings = tensors("c_t2i"), info("c_t2i")[name]
    engine.draws = draws(f["init_noise"])
    height, width = settings["hw"]
    events, steps = follow(engine, (words(f["prompt"]),), settings, width=width, height=height)
    agrees(steps, f, name)
    same_picture(events, f[f"{name}.image_uint8"])


@pytest.mark.parametrize("renorm", ["global", "channel"])
def test_a_mixed_batch_as_released(engine: BagelEngine, renorm: str) -> None:
    """Two requests of other prompts and sizes in one go; the global length is one over both."""
    f = tensors("c_t2i")
    noises = f["batch.init_noise"].split([24, 15])
    engine.draws = lambda seed: lambda shape: noises[seed]
    steps = Steps(engine)
    asks = [Ask((Message("user", (words(f[prompt]),)),), width=w, height=h, seed=n, steps=5, guidance=4.0,
                options={"as_released": True, "picture_guidance": 1.0, "renorm": renorm, "previews": 0})
            for n, (prompt, h, w) in enumerate((("prompt", 64, 96), ("batch.prompt_2", 80, 48)))]
    events = list(engine.respond_together(asks))
    assert sorted(n for n, e in events if isinstance(e, Drew)) == [0, 1]
    close(steps.final(), torch.cat((f[f"batch.{renorm}.final_1"], f[f"batch.{renorm}.final_2"])))


@pytest.mark.parametrize("name", ["text_channel", "global", "channel", "text_only", "nocfg", "interval0.6", "driver"])
def test_editing(engine: BagelEngine, name: str) -> None:
    f, settings = tensors("d_edit"), info("d_edit")[name]
    engine.draws = seeded if name == "driver" else draws(f["posterior_noise"], f["init_noise"])
    events, steps = follow(engine, (shown(f["image_uint8"]), words(f["prompt"])), settings, seed=settings.get("seed", 0))
    if name == "driver":
        close(steps.final(), f["driver.final"])
        close(steps.z[0], f["driver.init_noise"])
    else:
        agrees(steps, f, name)
    same_picture(events, f[f"{name}.image_uint8"])


def test_what_an_edit_reads(engine: BagelEngine) -> None:
    """Rows and caches of the three context blocks. Our cache of a latent block has both marks before the patches."""
    f = tensors("d_edit")
    engine.draws = draws(f["posterior_noise"], f["init_noise"])
    read: dict[str, Any] = {}
    engine.watch_reading = lambda what, piece, out: read.setdefault(piece.kind, out)
    follow(engine, (shown(f["image_uint8"]), words(f["prompt"])), info("d_edit")["text_channel"])
    latent, eyes, text = read["latent"], read["vision"], read["text"]
    close(torch.cat((latent.understand[0, :1], latent.draw[0], latent.understand[0, 1:])), f["vae_block_final_hidden"])
    close(eyes.understand[0], f["vit_block_final_hidden"])
    close(text.understand[0], f["text_final_hidden"])
    order = torch.tensor([0, *range(2, 37), 1, *range(37, 97)])
    for side, expected in enumerate((f["k_context"], f["v_context"])):
        close(torch.stack([pair[side][0].transpose(0, 1)[order] for pair in text.cache.layers]), expected)
    close(engine.coder.moments(f["vae_pixel_values"][None]), f["vae_moments"])
    close(engine.model.time(torch.zeros(1), torch.float32), f["clean_time_embedding"])


def test_the_autoencoder(engine: BagelEngine) -> None:
    f, coder = tensors("e_vae"), engine.coder
    close(coder.moments(f["pixel_values"]), f["moments"])
    close(coder.encode(f["pixel_values"], f["posterior_noise"]), f["latent"])
    close(coder.encode(f["pixel_values"], None), f["latent_mode"])
    close(coder.encode(f["padded_pixel_values"], f["padded_posterior_noise"]), f["padded_latent"])
    close(coder.decode(f["latent"]), f["decoded"])
    assert torch.equal(to_tokens(f["random_latent"], 2)[0], f["random_latent_tokens"])
    assert torch.equal(from_tokens(f["random_latent_tokens"][None], 2, 3, 4), f["random_latent"])
    close(coder.decode(f["random_latent"]), f["random_decoded"])
    made = to_bytes(coder.decode(f["random_latent"]), rounded=False)[0]
    assert int((made.int() - f["random_image_uint8"].int()).abs().max()) <= 1


@pytest.mark.parametrize("name", ["two_images", "two_images_adjacent", "image_last"])
def test_interleaved(engine: BagelEngine, name: str) -> None:
    f, settings = tensors("f_interleaved"), info("f_interleaved")[name]
    one, two, first, second = shown(f["image_1_uint8"]), shown(f["image_2_uint8"]), words(f["text_1"]), words(f["text_2"])
    orders: dict[str, tuple[Part, ...]] = {"two_images": (one, first, two, second), "two_images_adjacent": (one, two, second),
                                           "image_last": (first, one)}
    parts = orders[name]
    events, steps = follow(engine, parts, settings, seed=settings["seed"])
    close(steps.z[0], f[f"{name}.init_noise"])
    agrees(steps, f, name)
    same_picture(events, f[f"{name}.image_uint8"])


def answered(engine: BagelEngine, ask: Ask) -> tuple[list[Event], Tensor]:
    logits: list[Tensor] = []
    engine.watch_logits = lambda n, row: logits.append(row.clone())
    events = list(engine.respond(ask))
    engine.watch_logits = None
    return events, torch.stack(logits)


ANSWERS = [("a_text_prefill", "greedy_ids", "greedy_step_logits", 10, False),
           ("b_understanding", "greedy_ids", "greedy_step_logits", 12, False),
           ("b_understanding", "driver_greedy_ids", "driver_step_logits", 12, True),
           ("f_interleaved", "understand_two.text_ids", "understand_two.step_logits", 9, True)]


@pytest.mark.parametrize(("file", "ids", "logits", "limit", "released"), ANSWERS)
def test_answering(engine: BagelEngine, file: str, ids: str, logits: str, limit: int, released: bool) -> None:
    f = tensors(file)
    parts: dict[str, tuple[Part, ...]] = {}
    if file == "a_text_prefill":
        parts[file] = (words(f["prompt_1"]), words(f["prompt_2"]))
    elif file == "b_understanding":
        parts[file] = (shown(f["image_uint8"]), words(f["question"]))
    else:
        parts[file] = (shown(f["image_1_uint8"]), words(f["text_1"]), shown(f["image_2_uint8"]), words(f["text_2"]))
    ask = Ask((Message("user", parts[file]),), want="text", options={"answer_pieces": limit, "as_released": released})
    events, found = answered(engine, ask)
    assert events == [Said(" ".join(str(i) for i in f[ids][1:].tolist()))]
    close(found, f[logits])


def test_two_texts_at_once(engine: BagelEngine) -> None:
    """The official packed pair: other contexts, other lengths, one pass for both."""
    f = tensors("a_text_prefill")
    third = f["batch_ids_round1"].split(f["batch_lens_round1"].tolist())[1][1:-1]
    asks = [Ask((Message("user", (words(a), words(b))),), want="text", options={"answer_pieces": 6})
            for a, b in ((f["prompt_1"], third), (third, f["prompt_2"]))]
    rows: dict[int, list[Tensor]] = {0: [], 1: []}
    engine.watch_logits = lambda n, row: rows[n].append(row.clone())
    said = {n: event.text for n, event in engine.respond_together(asks) if isinstance(event, Said)}
    assert [said[n].split() for n in (0, 1)] == [[str(i) for i in f["batch_greedy_ids"][1:, n].tolist()] for n in (0, 1)]
    close(torch.stack([torch.stack(rows[n]) for n in (0, 1)], dim=1), f["batch_greedy_step_logits"])


def test_an_answer_stops_at_its_end_mark(engine: BagelEngine) -> None:
    f = tensors("a_text_prefill")
    out = engine.model.read(torch.cat((f["input_ids_1"], f["input_ids_2"]))[None], None, None, torch.zeros(1), torch.float32)
    said = [piece for _, piece in write(engine.model, [Draft(out.cache, 19, 10, 0.0, 0)], 290, int(f["stop_token"]), torch.float32)]
    assert said == f["stopped_ids"][1:].tolist()


@pytest.mark.parametrize("name", ["think_t2i", "think_edit", "think_understand"])
def test_thinking(engine: BagelEngine, name: str) -> None:
    f, settings = tensors("k_think"), info("k_think")[name]
    parts: tuple[Part, ...] = (words(f["prompt"]),) if name == "think_t2i" else (shown(f["image_uint8"]), words(f["prompt"]))
    logits: list[Tensor] = []
    engine.watch_logits = lambda n, row: logits.append(row.clone())
    expected = " ".join(str(i) for i in f[f"{name}.text_ids"][1:].tolist())
    if name == "think_understand":
        events = list(engine.respond(Ask((Message("user", parts),), "text", think=True, options={"as_released": True, "answer_pieces": 9})))
        assert events == [Said(expected)]
    else:
        size = {"width": 80, "height": 64} if name == "think_t2i" else {}
        events, steps = follow(engine, parts, settings, seed=settings["seed"], think=True, options={"think_pieces": 8}, **size)
        assert "".join(e.text for e in events if isinstance(e, Thought)) == expected
        agrees(steps, f, name)
        same_picture(events, f[f"{name}.image_uint8"])
    close(torch.stack(logits), f[f"{name}.step_logits"])


@pytest.mark.parametrize("name", ["plain", "taylor"])
def test_foreseen_steps(engine: BagelEngine, name: str) -> None:
    f, settings = tensors("j_taylorseer"), info("j_taylorseer")[name]
    engine.draws = draws(f["init_noise"])
    for _ in range(2):  # a second request meets nothing left over from the first
        events, steps = follow(engine, (words(f["prompt"]),), settings, width=96, height=64,
                               options={"reuse": "taylor" if name == "taylor" else "none"})
        agrees(steps, f, name)
        same_picture(events, f[f"{name}.image_uint8"])
    if name == "taylor":
        full = [s for key in ("schedule_cond", "schedule_cfg_text") for s in settings[key]].count("full")
        assert engine.whole_passes == full


@pytest.mark.parametrize("name", [key for key in (tensors("g_timesteps") if FIXTURES.is_dir() else {})])
def test_times_and_intervals(name: str) -> None:
    grid, what = name.split(".cfg_on_")[0].removesuffix(".t").removesuffix(".unit_velocity_x"), tensors("g_timesteps")[name]
    count, shift = grid.split("_shift")
    times = flow.time_grid(int(count[1:]) - 1, float(shift))
    if "cfg_on" in name:
        settings = settled(False, None, None, {"interval": name.split("cfg_on_")[1].replace("_", "-")})
        assert [on(settings, t) for t in times[:-1].tolist()] == what.tolist()
    elif name.endswith(".t"):
        close(times[:-1], what)
    else:
        x = [0.0]
        for now, then in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
            x.append(x[-1] - (now - then))
        close(torch.tensor(x), what) if len(what) == len(x) else close(torch.tensor(x[1:]), what)


def test_resizing_and_values() -> None:
    f, settings = tensors("h_transforms"), info("h_transforms")
    rules = {"vae_1024_512_16": Resize(1024, 512, 16), "vit_980_224_14": Resize(980, 224, 14), "vit_980_378_14": Resize(980, 378, 14),
             "vit_518_224_14": Resize(518, 224, 14), "vlm_980_378_14_2007040": Resize(980, 378, 14, 2007040)}
    sizes = f["input_wh"].tolist()
    for name, rule in rules.items():
        assert [list(rule.size(w, h))[::-1] for w, h in sizes] == f[f"{name}.out_hw"].tolist(), name
    four = [list(rules["vlm_980_378_14_2007040"].size(w, h, 4))[::-1] for w, h in sizes]
    assert four == f["vlm_980_378_14_2007040.out_hw_imgnum4"].tolist()
    twice = [rules["vae_1024_512_16"].size(*rules["vae_1024_512_16"].size(w, h)) for w, h in sizes]
    assert [[h, w] for w, h in twice] == f["vae_1024_512_16.applied_twice_out_hw"].tolist()
    for name in ("pixels", "pixels_down"):
        for kind in ("vae", "vit"):
            small = resized(on_white(shown(f[f"{name}.image_uint8"])), Resize(*settings[f"tiny_{kind}"]))
            assert np.array_equal(np.asarray(small), f[f"{name}.{kind}_resized_uint8"].numpy())
            close(values(small)[0], f[f"{name}.{kind}_values"])
    assert np.array_equal(np.asarray(on_white(Picture(f["rgba.image_uint8"].numpy()))), f["rgba.rgb_uint8"].numpy())


def test_guidance_formulas() -> None:
    f = tensors("i_primitives")
    cases = [name for name in f if name.startswith("cfg.") and "_text" in name and "_min" in name]
    assert len(cases) == 18
    for name in cases:
        renorm, rest = name.removeprefix("cfg.").rsplit("_text", 1)
        text, rest = rest.split("_img")
        image, floor = rest.split("_min")
        how = Guidance(float(text), float(image), Renorm(renorm), float(floor), released=True)
        close(combine(f["cfg.v_cond"], f["cfg.v_text"], f["cfg.v_img"], how), f[name])


def test_time_rows(engine: BagelEngine) -> None:
    f = tensors("i_primitives")
    close(engine.model.time(f["time_input"], torch.float32), f["time_embedding"])
    close(engine.model.time(torch.zeros(1), torch.float32), f["time_embedding_int0"])
    assert torch.equal(to_tokens(f["latent_patchify_in"][None], 2)[0], f["latent_patchify_out"])
