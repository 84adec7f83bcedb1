"""A trained model: opened from the folder that holds it, ready to be used."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from scenetok_jax.convert.compact import PARAMS_FILE, save_compact
from scenetok_jax.geometry import origins
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.geometry.scale import rescaled, scaled
from scenetok_jax.inference import changes
from scenetok_jax.inference.changes import GenerationChanges, SamplingChanges
from scenetok_jax.inference.given_views import (
  check_cameras,
  fit_views,
  pick_views,
)
from scenetok_jax.inference.identity import Origin, identity
from scenetok_jax.inference.rescaling import scene_factor
from scenetok_jax.inference.start_condition import (
  start_condition,
  start_program,
)
from scenetok_jax.inference.stored import read_model
from scenetok_jax.io import write_json
from scenetok_jax.model import Model
from scenetok_jax.outputs import whole
from scenetok_jax.parallel.mesh import sampling_mesh
from scenetok_jax.parallel.rules import place_params
from scenetok_jax.sampling import generate
from scenetok_jax.sampling.encode import encode_program
from scenetok_jax.sampling.generate import anchor_indices
from scenetok_jax.sampling.paths import PathOptions, motion, through_scene
from scenetok_jax.sampling.scene_file import (
  Scene,
  check_numbers,
  check_scene,
  codec_digest,
)
from scenetok_jax.sampling.slices import Progress, silent
from scenetok_jax.sampling.video import VideoProgram, render_video
from scenetok_jax.sampling.views import ViewOptions
from scenetok_jax.types import Array, Cameras, InputError, check_known
from scenetok_jax.workdir.stored_config import CONFIG_FILE

Seed = int | jax.Array


@dataclasses.dataclass(frozen=True, eq=False)
class SceneTok:
  """A trained model: images to scenes, scenes to videos, photos to new scenes.

  Open one with `SceneTok.from_pretrained`. Everywhere below, images are uint8
  RGB, cameras are camera-to-world with OpenCV axes (x right, y down, z
  forward) in any frame of reference and any unit of length, and intrinsics
  are divided by the image's width and height. Bad input raises InputError,
  one line that says what is wrong and how to mend it. Programs are compiled at
  the first call and kept with the model; a call runs on all devices.

  config: the one that made it. model: the networks and codecs. params:
  {"tokenizer", "decoder"} and, where scenes can be generated, {"generator"}.
  step: of the checkpoint. origin: where the parameters were read from.
  programs: what has been compiled so far.
  """

  config: ConfigDict
  model: Model
  params: Any
  step: int
  origin: Origin | None = dataclasses.field(default=None, repr=False)
  programs: dict[Any, Any] = dataclasses.field(default_factory=dict, repr=False)

  @classmethod
  def from_pretrained(cls, path: str | os.PathLike) -> "SceneTok":
    """Opens the workdir of a training, a compact folder or hf://OWNER/NAME.

    A stage-2 workdir brings the stage-1 networks that it was trained on. A
    model of the hub, hf://OWNER/NAME[@REVISION], is fetched once.

    Raises:
      InputError: no configuration or checkpoint there.
    """
    return cls(*read_model(os.fspath(path)))

  def save_pretrained(
    self, folder: str | os.PathLike, storage: str = "int8"
  ) -> Path:
    """Writes a folder that `from_pretrained` and every --workdir read.

    It holds params.safetensors and config.json, and needs no other folder,
    for stage 2 neither. Codecs' weights are not part of it.

    storage: "int8", a quarter of the size: matrices with a scale per row,
    which is another model to scene files, so encode scenes again with it; or
    "float32", which is this model exactly.

    Raises:
      InputError: it holds a model already, or cannot be written.
    """
    folder = Path(folder)
    check_known(storage, ("int8", "float32"), "storage")
    exact = storage == "float32"
    with whole(folder, PARAMS_FILE, CONFIG_FILE) as aside:
      save_compact(aside / PARAMS_FILE, self.params, self.step, exact=exact)
      write_json(aside / CONFIG_FILE, self.config.to_dict())
    return folder

  @functools.cached_property
  def digest(self) -> str:
    """SHA-256 of the tokenizer and the renderer, as scene files carry it.

    That of a large model is kept in its folder, so that hashing is rare.
    """
    return identity(self.params, self.origin)

  def encode(
    self,
    images: Array | Sequence[Array],
    cameras: Cameras,
    *,
    views: int | None = None,
    context: Sequence[int] | None = None,
    rescale: bool | float = False,
    seed: Seed = 0,
    key: str = "scene",
  ) -> Scene:
    """Posed images of one place -> a scene.

    Args:
      images: uint8 [V H W 3], or V images [H W 3] of different sizes. They
        are scaled and cropped to the square that the model reads.
      cameras: of the images as they are: extrinsics [V 4 4], intrinsics
        [V 3 3] (fx and cx divided by the width, fy and cy by the height).
      views: how many are read at most; None: as many as in training
        (config.data.num_context). Of more images, views far from each other
        are chosen, the first of them being the first image. The model reads
        other numbers than it was trained with, with a loss of quality.
      context: numbers of the images that are read, instead of `views`.
      rescale: a factor for all positions, or True: the one that makes views as
        far apart as the median scene of the model's training; the networks
        know one scale. The scene keeps it, so that paths stay in the cameras'
        unit. A scene of another scale that is left so is told on stderr.
      seed: draws the tokens from their distribution, unless the model was
        configured to take its mean (config.sampling.deterministic).
      key: the scene's name.

    Returns:
      The scene. The middle one of the views that were read is its reference,
      and they are its context, through which paths are laid.

    Raises:
      InputError: images that are not uint8 RGB or smaller than the model
        reads; cameras that are not as many, not finite or not rigid.
    """
    cameras, origin = origins.own(cameras)
    given = fit_views(images, cameras, self.model.image_size)
    count = self.model.num_context if views is None else views
    given = pick_views(given, count, context)
    extrinsics = given.cameras.extrinsics
    reference = extrinsics[len(extrinsics) // 2]
    where = f"scene {key}"
    factor = scene_factor(self.config, extrinsics, rescale, where)
    token_key = None if self.config.sampling.deterministic else _split(seed)[1]
    program = self.program("encode", lambda: encode_program(self.model))
    seen = rescaled(given.cameras, factor)
    read = dataclasses.replace(given, cameras=seen)
    batch = jax.tree.map(lambda a: a[None], read)
    zero = scaled(reference, factor)[None]
    with self.placed(1) as model:
      tokens = program(model.params, batch, zero, token_key)
    scene = self._scene(key, tokens[0], reference, given.cameras)
    moved = tuple(origin.tolist())
    return dataclasses.replace(scene, origin=moved, scale=factor)

  def render(
    self,
    scene: Scene,
    path: Cameras | str = "context",
    *,
    steps: int | None = None,
    solver: str | None = None,
    guidance: float | None = None,
    interval: tuple[float, float] | None = None,
    frames: int | None = None,
    degrees: float | None = None,
    distance: float | None = None,
    seed: Seed = 0,
    progress: Progress = silent,
  ) -> np.ndarray:
    """A scene along a camera path -> a video.

    Args:
      scene: from `encode`, `generate` or `Scene.load`, of this model.
      path: cameras [T] in the coordinates that the views were given in, or the
        name of a path through the scene's context views: "context" straight
        from view to view, "spline" smoothly, "orbit" around what they look at,
        "dolly" ahead from the middle one, "lateral" beside them; or a JSON
        file of poses. The path must fill one window of the renderer.
      steps: denoising steps; None: the model's own number, here and below.
      solver: "euler", "heun" or "dpm2".
      guidance: classifier-free guidance scale; 1 is none.
      interval: (low, high) noise levels in [0, 1] between which it acts.
      frames: of a named path (48).
      degrees: turn of "orbit" (360).
      distance: length of "dolly" and "lateral" in the cameras' unit (a
        quarter of their extent).
      seed: of the noise; the same seed gives the same frames.
      progress: called with (steps done, steps in all).

    Returns:
      uint8 [T H W 3], square, H = W = model.image_size, one frame for each
      camera. Frames at the end that fill no latent of a video codec are
      dropped.

    Raises:
      InputError: a scene of another model, a path that is too short or not
        rigid, or numbers that make no sense.
    """
    return self.render_batch(
      [scene],
      path,
      sampling=SamplingChanges(steps, solver, guidance, interval),
      path_options=PathOptions(frames, degrees, distance),
      seed=seed,
      progress=progress,
    )[0, 0]

  def render_batch(
    self,
    scenes: Sequence[Scene],
    path: Cameras | str = "context",
    *,
    samples: int = 1,
    sampling: SamplingChanges | None = None,
    path_options: PathOptions | None = None,
    seed: Seed = 0,
    progress: Progress = silent,
    state: str | os.PathLike | None = None,
  ) -> np.ndarray:
    """`render` of B scenes, S samples of each, at once: uint8 [B S T H W 3].

    A named path is laid through each scene; samples differ in their noise.
    state: a file; an interrupted rendering is continued from it by the same
    call. Delete it when the video is safe.
    """
    if samples < 1 or not scenes:
      raise InputError(
        f"samples: {samples}, scenes: {len(scenes)} must be at least 1"
      )
    options = changes.render_options(self, sampling or SamplingChanges())
    along = path_options or PathOptions()
    relative = []
    for scene in scenes:
      check_scene(f"scene {scene.key}", scene, self.model, self.digest)
      origin = np.array(scene.origin)
      if isinstance(path, str):
        found = through_scene(path, None, scene.context, along, origin)
        cameras = found.seen(self.model.image_size, ViewOptions()).cameras
      else:
        cameras = origins.taken(path, origin)
      cameras = check_cameras(cameras, "path")
      # One by one: a scene's numbers do not depend on its company.
      cameras = rescaled(cameras, scene.scale)
      reference = scaled(scene.reference, scene.scale)
      relative.append(relative_to(cameras, reference))
    program = self.program(
      (options.solver, options.interval, options.guidance > 1),
      lambda: VideoProgram(self.model, options),
    )
    noise_key, _ = _split(seed)
    with self.placed(len(scenes) * samples) as model:
      return render_video(
        program,
        model.params,
        np.stack([scene.tokens for scene in scenes]),
        jax.tree.map(lambda *a: jnp.stack(a), *relative),
        noise_key,
        samples=samples,
        options=options,
        progress=progress,
        state=None if state is None else Path(state),
        identity=self.digest,
        names=[scene.key for scene in scenes],
      )

  def generate(
    self,
    images: Array | Sequence[Array],
    cameras: Cameras,
    anchors: Cameras | str = "forward",
    *,
    steps: int | None = None,
    solver: str | None = None,
    guidance: float | None = None,
    frames: int | None = None,
    degrees: float | None = None,
    distance: float | None = None,
    rescale: bool | float = False,
    seed: Seed = 0,
    progress: Progress = silent,
  ) -> Scene:
    """One to three posed images -> a new scene, to be rendered.

    Needs a stage-2 model. Arguments and errors are those of `encode` and
    `render`, but for:

    Args:
      anchors: where the new scene will be visited: cameras, of which as many
        as in training are taken at even distances; or a motion that starts at
        the first image: "forward", "look" or "orbit".
      steps, solver, guidance: of the tokens.
      degrees: turn of "look" (90) and "orbit" (60).
      distance: of "forward" and to the centre of "orbit" (1), in the cameras'
        unit.
      rescale: see `encode`; of the anchors.
      seed: of the tokens: another seed is another scene.

    Returns:
      The scene. The first image is its reference, the anchors are its
      context: `render(scene, "context")` goes from anchor to anchor.
    """
    return self.generate_batch(
      images,
      cameras,
      anchors,
      1,
      sampling=GenerationChanges(steps, solver, guidance),
      path_options=PathOptions(frames, degrees, distance),
      rescale=rescale,
      seed=seed,
      progress=progress,
    )[0]

  def generate_batch(
    self,
    images: Array | Sequence[Array],
    cameras: Cameras,
    anchors: Cameras | str = "forward",
    count: int = 4,
    *,
    sampling: GenerationChanges | None = None,
    path_options: PathOptions | None = None,
    rescale: bool | float = False,
    seed: Seed = 0,
    progress: Progress = silent,
  ) -> list[Scene]:
    """`generate` of `count` scenes at once, none of which is its scene."""
    options = changes.generate_options(self, sampling or GenerationChanges())
    cameras, origin = origins.own(cameras)
    given = fit_views(images, cameras, self.model.image_size)
    if count < 1:
      raise InputError(f"count: {count} must be at least 1")
    start = jax.tree.map(lambda a: a[0], given.cameras)
    if isinstance(anchors, str):
      along = path_options or PathOptions()
      path = motion(anchors, start.extrinsics, start.intrinsics, along).cameras
    else:
      path = origins.taken(anchors, origin)
    path = check_cameras(path, "anchors")
    stops = anchor_indices(len(path.extrinsics), self.config.generation.anchors)
    marks = jax.tree.map(lambda a: np.asarray(a)[stops], path)
    if isinstance(anchors, str) and rescale is False:
      rescale = 1.0  # a motion's length is the user's choice
    factor = scene_factor(self.config, marks.extrinsics, rescale, "anchors")
    program = self.program(
      ("tokens", options.solver, options.guidance != 1),
      lambda: generate.TokenProgram(self.model, options),
    )
    encode = self.program("conditions", lambda: start_program(self.model))
    token_key, _ = _split(seed)
    with self.placed(count) as model:
      tokens = generate.sample_tokens(
        program,
        model.params,
        start_condition(self.model, encode, given, marks, factor, count),
        generate.token_noise(self.model, token_key, count),
        options,
        progress,
      )
    scenes = [
      self._scene(f"scene_{index:02d}", values, start.extrinsics, marks)
      for index, values in enumerate(np.asarray(tokens))
    ]
    moved = tuple(origin.tolist())
    return [
      dataclasses.replace(scene, origin=moved, scale=factor) for scene in scenes
    ]

  def program(self, name: Any, make: Callable[[], Any]) -> Any:
    """What `make` gave when `name` was first asked for."""
    if name not in self.programs:
      self.programs[name] = make()
    return self.programs[name]

  @contextlib.contextmanager
  def placed(self, batch: int, *, local: bool = False) -> Iterator["SceneTok"]:
    """The model on the devices that share `batch` videos.

    local: on this process's devices alone; others do other scenes.
    """
    mesh = sampling_mesh(batch, jax.local_devices() if local else None)
    # By way of the host: they were restored as copies over all processes.
    params = place_params(
      jax.tree.map(np.asarray, self.params) if local else self.params, mesh
    )
    with jax.set_mesh(mesh):
      yield dataclasses.replace(self, params=params)

  def _scene(
    self, key: str, tokens: Array, reference: np.ndarray, context: Cameras
  ) -> Scene:
    codec = self.program(
      "codec digest", lambda: codec_digest(self.model.target_codec)
    )
    scene = Scene(
      key, np.asarray(tokens), reference, context, self.digest, codec
    )
    check_numbers(scene, f"scene {key}")
    return scene


def _split(seed: Seed) -> tuple[jax.Array, jax.Array]:
  """The two keys of a seed; a typed key stands for itself."""
  if isinstance(seed, jax.Array) and jnp.issubdtype(
    seed.dtype, jax.dtypes.prng_key
  ):
    return seed, seed
  # Beyond, two seeds would draw the same.
  if not 0 <= int(seed) < 2**32:
    raise InputError(f"seed: {int(seed)} is not from 0 to {2**32 - 1}")
  first, second = jax.random.split(jax.random.key(seed))
  return first, second
