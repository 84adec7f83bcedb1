"""Videos of encoded scenes, with equal noise for every comparison."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from einops import reduce

from scenetok_jax import console
from scenetok_jax.analyses.novel_views import NovelViews
from scenetok_jax.analyses.options import FrameOptions, SceneOptions
from scenetok_jax.evaluation.evaluator import EvaluationOptions
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.inference import changes
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import to_unit
from scenetok_jax.sampling.encode import encode_program
from scenetok_jax.sampling.slices import Progress
from scenetok_jax.sampling.video import VideoProgram, render_video, video_plan
from scenetok_jax.types import Array, Cameras, Views


@dataclasses.dataclass(frozen=True)
class EncodedScenes:
  """tokens [B N C] relative to references [B 4 4]."""

  tokens: Array
  references: np.ndarray


def encode(
  scenetok: SceneTok, context: Sequence[Views], seed: int
) -> EncodedScenes:
  """Encodes the context views [V] of each scene.

  The reference is the middle context view (release, test mode).
  """
  stacked: Views = jax.tree.map(lambda *a: np.stack(a), *context)
  extrinsics = np.asarray(stacked.cameras.extrinsics)
  reference = extrinsics[:, extrinsics.shape[1] // 2]
  _, token_key = jax.random.split(jax.random.key(seed))
  deterministic = scenetok.config.sampling.deterministic
  tokens = encode_program(scenetok.model)(
    scenetok.params, stacked, reference, None if deterministic else token_key
  )
  return EncodedScenes(tokens, reference)


@dataclasses.dataclass(frozen=True)
class VideoSampler:
  """Renders with equal noise whatever the tokens: levels compare in pairs.

  batch: scenes rendered together. samples: videos of each scene. key: of the
  noise.
  """

  scenetok: SceneTok
  program: VideoProgram
  batch: int
  samples: int
  key: Array

  @classmethod
  def of(cls, scenetok: SceneTok, options: FrameOptions) -> "VideoSampler":
    """Samples as the model's configuration says, with what options change."""
    render = changes.render_options(scenetok, options)
    noise_key, _ = jax.random.split(jax.random.key(options.seed))
    return cls(
      scenetok,
      VideoProgram(scenetok.model, render),
      options.batch,
      options.samples,
      noise_key,
    )

  def progress(
    self, label: str, views: NovelViews, calls: int = 1
  ) -> console.Progress:
    """Progress over the steps of `calls` calls for the same scenes."""
    batches = -(-len(views.scenes) // self.batch)
    frames = views.frames.shape[1]
    plan = video_plan(self.scenetok.model, self.program.options, frames)
    return console.Progress(label, calls * batches * plan.steps, "step")

  def __call__(
    self,
    encoded: EncodedScenes,
    cameras: Sequence[Cameras],
    report: Callable[[int], None] = lambda steps: None,
  ) -> np.ndarray:
    """Encoded scenes and absolute cameras [T] -> uint8 [B S T H W 3]."""
    relative = [
      relative_to(own, reference)
      for own, reference in zip(cameras, encoded.references, strict=True)
    ]
    path = jax.tree.map(lambda *a: np.stack(a), *relative)
    count = len(encoded.tokens)
    videos = []
    for start in range(0, count, self.batch):
      # The last batch is filled up, so that it needs no other compilation.
      rows = np.arange(start, start + self.batch) % count
      part = render_video(
        self.program,
        self.scenetok.params,
        jnp.asarray(encoded.tokens)[rows],
        jax.tree.map(lambda a, rows=rows: jnp.asarray(a[rows]), path),
        jax.random.fold_in(self.key, start),
        samples=self.samples,
        progress=_steps(report),
      )
      videos.append(part[: count - start])
    return np.concatenate(videos)


def _steps(report: Callable[[int], None]) -> Progress:
  """Of one video, reported as so many more steps."""
  last = 0

  def progress(done: int, total: int) -> None:
    nonlocal last
    report(done - last)
    last = done

  return progress


def sample_variance(videos: np.ndarray) -> np.ndarray:
  """uint8 [B S T H W 3] -> unbiased variance over samples [B T H W].

  Of images in [0, 1], averaged over the three channels; of at least two
  samples.
  """
  variance = to_unit(videos).var(axis=1, ddof=1)
  return reduce(variance, "b t h w c -> b t h w", "mean")


def evaluation_options(
  scenetok: SceneTok, options: SceneOptions
) -> EvaluationOptions:
  """How evaluation renders: the model's own way, with what options change."""
  return dataclasses.replace(
    EvaluationOptions.of(scenetok.config, options.seed),
    render=changes.render_options(scenetok, options),
    batch=options.batch,
  )
