"""Single views of a scene, at once: for whoever moves a camera."""

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import repeat

from scenetok_jax.decoder.dit import CameraTokens
from scenetok_jax.flow.solvers import SolverState, get_solver
from scenetok_jax.geometry import origins
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.geometry.scale import rescaled, scaled
from scenetok_jax.inference import changes
from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.inference.given_views import check_cameras
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.parallel.mesh import sampling_mesh
from scenetok_jax.parallel.rules import place_params
from scenetok_jax.sampling import render, slices
from scenetok_jax.sampling import window as windows
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.scene_file import Scene, check_scene
from scenetok_jax.sampling.velocity import embed_path
from scenetok_jax.sampling.video import VideoProgram
from scenetok_jax.types import Array, Cameras, InputError

Pause = Callable[[], None]  # called between steps; what it raises ends a view


def never() -> None:
  """A Pause that does nothing."""


@dataclasses.dataclass(frozen=True)
class LiveView:
  """image: uint8 [H W 3]. milliseconds: of each stage, by its name."""

  image: np.ndarray
  milliseconds: Mapping[str, float]


@dataclasses.dataclass(frozen=True, eq=False)
class LiveScene:
  """A scene that was opened; caches: what its tokens decide, by guidance."""

  scene: Scene
  caches: dict[bool, Any] = dataclasses.field(default_factory=dict, repr=False)


class LiveRenderer:
  """Answers one camera at a time with programs of one shape.

  A view is a clip of the fewest latents that the codec allows (one of an image
  codec, one of the Video DC-AE, a chunk of five of Wan), all of them at the
  asked camera; its middle frame is shown. The networks were trained on longer
  clips of a moving camera, so that `SceneTok.render` is better, and makes
  videos that hang together: on the rooms 0.3 dB with one step, 0.1 dB with 15.
  Every camera, scene, seed, number of steps up to 512 and guidance above 1
  shares a compilation. Not to be called by two threads at a time.
  """

  def __init__(self, scenetok: SceneTok):
    self.scenetok = scenetok
    self._mesh = sampling_mesh(1)
    networks = {"decoder": scenetok.params["decoder"]}
    self._params = place_params(networks, self._mesh)
    self.latents = scenetok.model.target_codec.grouping.unit_latents
    self._path = jax.jit(functools.partial(_embedded, scenetok.model))
    self._warm = set[Any]()
    # Of the last schedule and seed alone: users change them rarely.
    self._table = functools.lru_cache(4)(self._make_table)
    self._noise = functools.lru_cache(16)(self._make_noise)

  def open(self, scene: Scene) -> LiveScene:
    """The scene, to be rendered often; InputError for another model's."""
    model = self.scenetok.model
    check_scene(f"scene {scene.key}", scene, model, self.scenetok.digest)
    return LiveScene(scene)

  def ready(self, sampling: SamplingChanges) -> bool:
    """Whether such sampling has been compiled."""
    return self._program(sampling)[0] in self._warm

  def warm(self, sampling: SamplingChanges | None = None) -> None:
    """Compiles all that `render` calls with such sampling."""
    model = self.scenetok.model
    camera = Cameras(np.eye(4)[None], np.diag([1.0, 1.0, 1.0])[None])
    camera.intrinsics[:, :2, 2] = 0.5
    tokens = np.zeros(model.token_shape, np.float32)
    pose = np.eye(4, dtype=np.float32)
    self.render(
      LiveScene(Scene("blank", tokens, pose, camera, "", "")),
      camera,
      dataclasses.replace(sampling or SamplingChanges(), steps=1),
    )
    self._warm.add(self._program(sampling or SamplingChanges())[0])

  def _program(self, sampling: SamplingChanges) -> tuple[Any, RenderOptions]:
    """What decides which program a view needs, and all of its options."""
    options = changes.render_options(self.scenetok, sampling)
    # Latents of one view go down together.
    options = dataclasses.replace(
      options, sampler="full_sequence", window=self.latents, overlap=0
    )
    return (options.solver, options.interval, options.guidance > 1), options

  def render(
    self,
    live: LiveScene,
    camera: Cameras,
    sampling: SamplingChanges | None = None,
    *,
    seed: int = 0,
    pause: Pause = never,
  ) -> LiveView:
    """A scene from one camera.

    Args:
      live: from `open`.
      camera: one [1], in the coordinates that the scene's views were given in.
      sampling: None keeps the model's own; steps=1 is the fastest. Windows
        and their order do not apply.
      seed: of the noise.
      pause: called between two steps.

    Raises:
      InputError: a camera that is none, numbers that make no sense, or a view
        that is not finite.
    """
    clock = _Clock()
    name, options = self._program(sampling or SamplingChanges())
    taken = check_cameras(
      origins.taken(camera, np.array(live.scene.origin)), "camera"
    )
    if len(taken.extrinsics) != 1:
      raise InputError(f"camera: {len(taken.extrinsics)} cameras, not one")
    program: VideoProgram = self.scenetok.program(
      name, lambda: VideoProgram(self.scenetok.model, options)
    )
    with jax.set_mesh(self._mesh):
      return self._render(program, live, taken, options, seed, pause, clock)

  def _render(
    self,
    program: VideoProgram,
    live: LiveScene,
    camera: Cameras,
    options: RenderOptions,
    seed: int,
    pause: Pause,
    clock: "_Clock",
  ) -> LiveView:
    guided = options.guidance > 1
    if guided not in live.caches:
      tokens = jnp.asarray(live.scene.tokens)[None]
      live.caches[guided] = program.cache(self._params, tokens)
    unit = live.scene.scale
    reference = scaled(live.scene.reference, unit)
    path = self._path(self._params, rescaled(camera, unit), reference)
    clock.stage("camera", path)
    table, noise = self._table(options), self._noise(seed)
    state: SolverState = get_solver(options.solver).start(noise)
    for step in range(options.steps):
      if step:
        pause()
      state = program.run(
        self._params, live.caches[guided], path, table,
        jnp.float32(options.guidance), state, step, step + 1,
        size=self.latents,
      )  # fmt: skip
      jax.block_until_ready(state)
    clock.stage("steps", state)
    codec = self.scenetok.model.target_codec
    parts = list(program.decode(codec.params, state.x, [live.scene.key]))
    frames = np.concatenate(parts, axis=1)[0]
    clock.stage("decode", frames)
    return LiveView(frames[len(frames) // 2], clock.milliseconds)

  def _make_table(self, options: RenderOptions) -> windows.WindowStep:
    plan = render.render_schedule(options, self.latents)
    model = self.scenetok.model
    return slices.pad_rows(windows.window_steps(model, plan, options.solver))

  def _make_noise(self, seed: int) -> Array:
    key, _ = jax.random.split(jax.random.key(seed))
    return render.video_noise(self.scenetok.model, key, 1, self.latents)


def _embedded(
  model: Any, params: Any, camera: Cameras, reference: Array
) -> CameraTokens:
  """One camera [1] -> what the renderer reads of a clip that stands still."""
  codec = model.target_codec
  frames = codec.frames(codec.grouping.unit_latents)
  still = jax.tree.map(
    lambda a: repeat(a, "1 ... -> 1 t ...", t=frames),
    relative_to(camera, reference),
  )
  return embed_path(model, params, still)


class _Clock:
  """Milliseconds from stage to stage."""

  def __init__(self) -> None:
    self.milliseconds: dict[str, float] = {}
    self._last = time.perf_counter()

  def stage(self, name: str, result: Any) -> None:
    """Ends a stage when its result is there."""
    jax.block_until_ready(result)
    now = time.perf_counter()
    self.milliseconds[name] = 1000 * (now - self._last)
    self._last = now
