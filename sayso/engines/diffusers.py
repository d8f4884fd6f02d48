"""Any pipeline of the diffusers library on disk as an engine: FLUX, SD 3, Qwen-Image, Wan and whatever comes after them.

What it can do is read from the signature of its call, and from those of the pipelines that share its parts: one folder for drawing
often edits and fills masks as well. Frames of a clip are the pictures of one ask: as many as its count says.

A pipeline runs in a thread of its own. Its step callback tells how far it is and hands out previews, and stops it when nobody listens.
"""

from __future__ import annotations

import inspect
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sayso.engines.hidream.encoders import quietly
from sayso.engines.hidream.variants import no_libraries
from sayso.errors import BadInput, BadWeights, CannotDo, SaysoError, Unknown
from sayso.types import Ability, Ask, Drew, Event, Failed, Picture, Preview, Said, Step, Text

PREVIEWS = 4  # parts of the steps after which the picture so far is shown
REFERENCES = ("input_images", "images", "reference_images")  # parameters that take several pictures
TAKES_SEVERAL = ("QwenImageEditPlusPipeline", "Flux2Pipeline")  # whose `image` is a list of references, not a batch
OURS = {  # parameters that come from the ask itself
    "prompt", "image", "mask_image", "height", "width", "num_frames", "num_inference_steps", "num_images_per_prompt",
    "num_videos_per_prompt", "generator", "output_type", "return_dict", "callback_on_step_end", "callback_on_step_end_tensor_inputs",
    "negative_prompt", *REFERENCES,
}
SEEDS = 2**63


class _Stopped(Exception):
    """Nobody listens any more."""


@dataclass(frozen=True)
class Skill:
    """What a pipeline's call takes. `guidance`: the parameter that guidance goes to; `several`: the one for several pictures;
    `settings`: further parameters with their defaults, of kinds that can be written as text."""

    takes: frozenset[str]
    needs_picture: bool
    guidance: str | None
    several: str | None
    settings: Mapping[str, Any]

    @property
    def abilities(self) -> frozenset[Ability]:
        out = set()
        if "mask_image" in self.takes:
            out.add(Ability.MASK)
        elif "image" in self.takes:
            out.add(Ability.EDIT)
        if not self.needs_picture and "mask_image" not in self.takes:
            out.add(Ability.DRAW)
        if self.several:
            out.add(Ability.REFERENCES)
        if "num_frames" in self.takes:
            out.add(Ability.VIDEO)
        return frozenset(out)


def skill(kind: type[Any]) -> Skill:
    """Read from the signature of a pipeline class's call. Raises CannotDo for one that is not driven by a prompt."""
    parameters = {name: p for name, p in inspect.signature(kind.__call__).parameters.items() if name != "self"}
    if "prompt" not in parameters:
        raise CannotDo(f"{kind.__name__} takes no prompt; only pipelines that draw, edit or animate by words can be used")
    picture = parameters.get("image")
    several = next((name for name in REFERENCES if name in parameters), "image" if picture and kind.__name__ in TAKES_SEVERAL else None)
    needs = picture is not None and (picture.default is inspect.Parameter.empty or "strength" in parameters or "mask_image" in parameters
                                     or "Edit" in kind.__name__)
    scale = parameters.get("guidance_scale")
    wants_true = "true_cfg_scale" in parameters and (scale is None or scale.default is None)
    settings = {name: p.default for name, p in parameters.items()
                if name not in OURS and isinstance(p.default, (bool, int, float, str)) and not name.startswith("_")}
    return Skill(frozenset(parameters), needs, "true_cfg_scale" if wants_true else "guidance_scale" if scale else None, several, settings)


def setting(name: str, value: object, default: object) -> object:
    """A value, perhaps given as text, of the kind of its default. Raises BadInput."""
    if isinstance(default, bool):
        if str(value).lower() in ("true", "false", "yes", "no", "1", "0"):
            return str(value).lower() in ("true", "yes", "1")
        raise BadInput(f'the option {name} is "{value}"; write true or false')
    if isinstance(default, str):
        return str(value)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise BadInput(f'the option {name} is "{value}"; it must be a number, for example {default}') from None
    whole = isinstance(default, int)
    if not np.isfinite(number) or whole and number != int(number):
        raise BadInput(f'the option {name} is "{value}"; it must be a {"whole " if whole else ""}number, for example {default}')
    return int(number) if whole else number


def pixels_of(image: np.ndarray) -> np.ndarray:
    """float [H, W, 1, 3 or 4] in 0..1 → uint8 [H, W, 4]."""
    out = (np.clip(np.nan_to_num(image), 0, 1) * 255).round().astype(np.uint8)
    if out.shape[2] == 1:
        out = out.repeat(3, axis=2)
    return out if out.shape[2] == 4 else np.dstack((out, np.full(out.shape[:2], 255, dtype=np.uint8)))


def on_white(picture: Picture) -> Image.Image:
    image = Image.fromarray(picture.pixels, "RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


class DiffusersEngine:
    """`pipelines`: the loaded one first, then those that share its parts; each ask goes to the first that can answer it."""

    def __init__(self, pipelines: list[Any], device: torch.device, sha: str, name: str = "diffusers"):
        self.pipelines, self.device, self.sha, self.name = pipelines, device, sha, name
        self.skills = [skill(type(pipeline)) for pipeline in pipelines]
        self.abilities = frozenset[Ability]().union(*(one.abilities for one in self.skills))

    def respond(self, ask: Ask) -> Iterator[Event]:
        """Raises CannotDo, BadInput or Unknown before any work."""
        prompt, pictures = self._parts(ask)
        index = self._chosen(ask, pictures)
        given = self._arguments(ask, prompt, pictures, index)
        return self._events(ask, index, given)

    def _parts(self, ask: Ask) -> tuple[str, list[Picture]]:
        if ask.want == "text":
            raise CannotDo(f'the engine "{self.name}" makes pictures and does not answer in text; ask for a picture')
        for what, given in (("think before it draws", ask.think), ("set a background; say it in the prompt", ask.background),
                            ("take a style by name; say it in the prompt", ask.style)):
            if given:
                raise CannotDo(f'the engine "{self.name}" cannot {what}')
        users = [message for message in ask.messages if message.role == "user"]
        if len(users) > 1:
            raise CannotDo(f'the engine "{self.name}" reads one prompt; say all of it in one message')
        prompt = " ".join(part.text for message in users for part in message.parts if isinstance(part, Text)).strip()
        if not prompt:
            raise BadInput("the prompt is empty; say what to draw or change")
        return prompt, [part for message in ask.messages for part in message.parts if isinstance(part, Picture)]

    def _chosen(self, ask: Ask, pictures: list[Picture]) -> int:
        """The first pipeline that takes what is given."""
        wanted = Ability.MASK if ask.mask is not None else Ability.EDIT if pictures else Ability.DRAW
        if ask.mask is not None and len(pictures) != 1:
            raise BadInput("a mask says where one picture may change; name exactly one picture with it")
        for index, one in enumerate(self.skills):
            if wanted in one.abilities and (len(pictures) < 2 or one.several):
                return index
        can = ", ".join(sorted(ability.value for ability in self.abilities)) or "nothing"
        if len(pictures) > 1:
            raise CannotDo(f"{self._title()} takes one picture at a time and was given {len(pictures)}; name one")
        raise CannotDo(f"{self._title()} has no ability to {wanted.value}; it can: {can}")

    def _title(self) -> str:
        return type(self.pipelines[0]).__name__

    def _arguments(self, ask: Ask, prompt: str, pictures: list[Picture], index: int) -> dict[str, Any]:
        """Everything for the call but seed and callback."""
        one, pipeline = self.skills[index], self.pipelines[index]
        given: dict[str, Any] = {"prompt": prompt}
        for name, value, low, high in (("count", ask.count, 1, 10_000), ("steps", ask.steps, 1, 1000), ("guidance", ask.guidance, 0, 100),
                                       ("seed", ask.seed, 0, SEEDS - 1)):
            if value is not None and not low <= value <= high:
                raise BadInput(f"{name} is {value}; it must be from {low} to {high}")
        if pictures:
            images = [on_white(picture) for picture in pictures]
            given[one.several or "image"] = images if one.several else images[0]
        if ask.mask is not None:
            given["mask_image"] = Image.fromarray(np.where(ask.mask, 255, 0).astype(np.uint8), "L")
        given |= self._size(ask, pictures, one, pipeline)
        for word, parameter, number in (("guidance", one.guidance, ask.guidance), ("steps", "num_inference_steps", ask.steps)):
            if number is not None:
                if parameter not in one.takes:
                    raise CannotDo(f"{type(pipeline).__name__} has no setting for {word}; leave it out")
                given[str(parameter)] = number
        for name, option in ask.options.items():
            if name == "negative" and "negative_prompt" in one.takes:
                given["negative_prompt"] = str(option)
            elif name in one.settings:
                given[name] = setting(name, option, one.settings[name])
            else:
                known = [*one.settings, *(["negative"] if "negative_prompt" in one.takes else [])]
                raise Unknown(f"option of {type(pipeline).__name__}", name, known)
        return given

    def _size(self, ask: Ask, pictures: list[Picture], one: Skill, pipeline: Any) -> dict[str, int]:
        """height and width where the call takes them. Raises BadInput for sides that the pipeline would round."""
        if ask.width is None and ask.height is None:
            return {}
        if not {"height", "width"} <= one.takes:
            raise CannotDo(f"{type(pipeline).__name__} takes the size from the picture; leave the size out")
        width, height = ask.width or ask.height or 0, ask.height or ask.width or 0
        unit = int(getattr(pipeline, "vae_scale_factor", 8)) * (2 if getattr(pipeline, "transformer", None) is not None else 1)
        if min(width, height) < unit or width % unit or height % unit:
            near = [max(unit, round(side / unit) * unit) for side in (width, height)]
            raise BadInput(f"size {width}x{height} cannot be drawn, sides are multiples of {unit}; the nearest is {near[0]}x{near[1]}")
        return {"width": width, "height": height}

    def _events(self, ask: Ask, index: int, given: dict[str, Any]) -> Iterator[Event]:
        clip = "num_frames" in self.skills[index].takes
        runs = 1 if clip else ask.count
        for run in range(runs):
            seed = (ask.seed + run) % SEEDS
            arguments = given | ({"num_frames": frames_for(self.pipelines[index], ask.count)} if clip else {})
            for event in self._run(index, arguments, seed, run, runs):
                if not isinstance(event, np.ndarray):
                    yield event
                    continue
                origin: dict[str, object] = {"engine": self.name, "pipeline": self._title(), "weights": self.sha, "seed": seed}
                for place, image in enumerate(event[: ask.count]):
                    yield Drew(run + place, Picture(pixels_of(image), origin | ({"frame": place} if clip else {})), seed)

    def _run(self, index: int, arguments: dict[str, Any], seed: int, run: int, runs: int) -> Iterator[Any]:
        """Events of one call, then its pictures [n, H, W, ·]."""
        news: queue.Queue[Any] = queue.Queue()
        stop = threading.Event()
        pipeline = self.pipelines[index]

        def listen(self_: Any, step: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if stop.is_set():
                raise _Stopped
            total = int(getattr(pipeline, "num_timesteps", 0)) or step + 1
            news.put(Step(run * total + min(step + 1, total), runs * total))
            due = step + 1 < total and (step + 1) * PREVIEWS % total < PREVIEWS
            if due and (shown := preview(pipeline, tensors.get("latents"), arguments)) is not None:
                news.put(Preview(run, Picture(shown)))
            return tensors

        def work() -> None:
            try:
                generator = torch.Generator().manual_seed(seed)
                call = {**arguments, "generator": generator, "output_type": "np", "return_dict": True}
                if "callback_on_step_end" in self.skills[index].takes:
                    call["callback_on_step_end"] = listen
                with torch.no_grad(), quietly():
                    out = pipeline(**call)
                news.put(first_of(out))
                flagged = getattr(out, "nsfw_content_detected", None)
                news.put(Said("the pipeline's own checker blacked the picture out") if flagged and any(flagged) else None)
            except _Stopped:
                news.put(None)
            except BaseException as error:  # noqa: BLE001 — it is told where the pictures are awaited
                news.put(error)

        thread = threading.Thread(target=work, name="pipeline", daemon=True)
        thread.start()
        try:
            while (new := news.get()) is not None:
                if isinstance(new, BaseException):
                    yield from _told(new)
                    return
                yield new
        finally:
            stop.set()
            thread.join()


def _told(error: BaseException) -> Iterator[Event]:
    """A complaint of the pipeline about its input as our error, memory and programming errors as they are."""
    if isinstance(error, (ValueError, TypeError)) and not isinstance(error, SaysoError):
        yield Failed(" ".join(str(error).split())[:300])
        return
    raise error


def frames_for(pipeline: Any, count: int) -> int:
    """The least number of frames that the pipeline can make and that is not below `count`."""
    pace = int(getattr(pipeline, "vae_scale_factor_temporal", 1) or 1)
    return -(-(count - 1) // pace) * pace + 1


def first_of(out: Any) -> np.ndarray:
    """The pictures of a result: images [n, H, W, ·], or the frames of its one clip."""
    if hasattr(out, "frames"):
        return np.asarray(out.frames[0])
    return np.asarray(out.images)


@torch.no_grad()
def preview(pipeline: Any, latents: Any, arguments: Mapping[str, Any]) -> np.ndarray | None:
    """The picture so far, uint8 [H, W, 4], where the latents are those of an ordinary autoencoder; else None."""
    vae = getattr(pipeline, "vae", None)
    if vae is None or not isinstance(latents, torch.Tensor):
        return None
    try:
        z = latents[:1]
        if z.dim() == 3:
            side = int(getattr(pipeline, "default_sample_size", 128)) * int(pipeline.vae_scale_factor)
            height, width = (int(arguments.get(name) or side) for name in ("height", "width"))
            z = pipeline._unpack_latents(z, height, width, pipeline.vae_scale_factor)
        if z.dim() != 4:
            return None
        z = z / vae.config.scaling_factor + (getattr(vae.config, "shift_factor", None) or 0.0)
        x = vae.decode(z.to(vae.dtype), return_dict=False)[0][0].float()
        return pixels_of(((x + 1) / 2).permute(1, 2, 0).cpu().numpy())
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):
        return None


def _siblings(pipeline: Any) -> list[Any]:
    """Pipelines of other tasks over the same parts."""
    from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting, AutoPipelineForText2Image

    out: list[Any] = []
    for auto in (AutoPipelineForText2Image, AutoPipelineForImage2Image, AutoPipelineForInpainting):
        try:
            other = auto.from_pipe(pipeline)
        except (ValueError, TypeError, AttributeError):  # there is none for this task
            continue
        if type(other) not in map(type, (pipeline, *out)):
            out.append(other)
    return out


def _folder(where: Path) -> Path:
    """A folder on disk, or the snapshot of a repository (owner/name) in the hub's cache. Raises BadWeights."""
    if (where / "model_index.json").is_file():
        return where
    if not where.exists() and len(where.parts) == 2:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            return Path(snapshot_download(where.as_posix(), local_files_only=True))
        except LocalEntryNotFoundError:
            raise BadWeights(f"{where.as_posix()} is not in the hub's cache; fetch it, or name a folder") from None
    raise BadWeights(f"{where} has no model_index.json; name the folder of a whole pipeline")


def wrap(pipeline: Any, device: torch.device, sha: str = "") -> DiffusersEngine:
    """The engine over a pipeline that is loaded already. Raises CannotDo when it is not driven by a prompt."""
    pipelines = [pipeline, *_siblings(pipeline)]
    for one in pipelines:
        one.set_progress_bar_config(disable=True)
    usable = [pipelines[0], *(one for one in pipelines[1:] if "prompt" in inspect.signature(type(one).__call__).parameters)]
    return DiffusersEngine(usable, device, sha)


def load(folder: Path, device: str | None = None, *, dtype: str | None = None, offload: str = "none",
         tell: Callable[[str], Any] = lambda words: None) -> DiffusersEngine:
    """The engine from a pipeline's folder, or from its name in the hub's cache; nothing is fetched and no code is run from there.

    `dtype`: float32, float16 or bfloat16. `offload`: none, model (one part on the graphics card at a time) or layers.
    Raises BadWeights, BadInput or CannotDo.
    """
    if absent := no_libraries():
        raise CannotDo(f'the engine "diffusers" cannot be loaded: {absent}')
    from diffusers import DiffusionPipeline

    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if chosen.startswith("cuda") and not torch.cuda.is_available():
        raise CannotDo(f"there is no GPU for --device {chosen}; use cpu")
    if offload not in ("none", "model", "layers"):
        raise BadInput(f'offload "{offload}" is unknown; choose none, model or layers')
    if offload != "none" and chosen == "cpu":
        raise CannotDo(f'offload "{offload}" moves parts between a graphics card and the host, and the device is cpu; leave it out')
    kinds = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    kind = kinds.get(dtype or ("float32" if chosen == "cpu" else "bfloat16"))
    if kind is None:
        raise BadInput(f'dtype "{dtype}" is unknown; choose {", ".join(kinds)}')
    where = _folder(folder)
    tell(where.name)
    try:
        with quietly():
            pipeline = DiffusionPipeline.from_pretrained(where, dtype=kind, use_safetensors=True, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError) as error:
        raise BadWeights(f"{where} cannot be loaded ({' '.join(str(error).split())[:200]}); fetch its files again") from error
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=chosen)
    elif offload == "layers":
        pipeline.enable_sequential_cpu_offload(device=chosen)
    else:
        pipeline.to(chosen)
    return wrap(pipeline, torch.device(chosen), _named(where))


def open_engine(device: str | None, weights: Path, options: Mapping[str, object]) -> DiffusersEngine:
    """As `load`, from options as a person writes them."""
    for name in options:
        if name not in ("dtype", "offload"):
            raise Unknown('load option of the engine "diffusers"', name, ("dtype", "offload"))
    text = {name: str(value) for name, value in options.items()}
    return load(weights, device, dtype=text.get("dtype"), offload=text.get("offload", "none"))


def _named(folder: Path) -> str:
    """SHA-256 over the names and sizes of the weights' files and the pipeline's description."""
    import hashlib

    h = hashlib.sha256((folder / "model_index.json").read_bytes())
    for file in sorted(folder.rglob("*.safetensors")):
        h.update(f"{file.relative_to(folder).as_posix()} {file.stat().st_size}\n".encode())
    return h.hexdigest()
