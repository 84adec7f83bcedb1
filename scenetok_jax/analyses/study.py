"""What the analyses share: scenes, chosen frames, rendered samples."""

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data_pipelines.storage import records
from data_pipelines.views.evaluation import evaluation_split
from scenetok_jax.evaluation.evaluator import (
  EvaluationOptions,
)
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.inference import rendering, scenes
from scenetok_jax.inference.scenes import OpenScene
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import check_writable, write_json
from scenetok_jax.metrics.image import psnr
from scenetok_jax.sampling.encode import encode_program
from scenetok_jax.sampling.render import RenderOptions
from scenetok_jax.sampling.video import (
  VideoProgram,
  render_video,
  video_plan,
  video_program,
)
from scenetok_jax.types import Array, Cameras, InputError, Views


def add_options(
  add: Callable[..., Any], *, samples: int | None = None, frames: int = 12
) -> None:
  """Options of every analysis that renders prepared scenes."""
  add("--data", help="prepared data (default: what the run trained on)")
  add("--split", help="default: test, else train")
  add("--scenes", type=int, default=16, help="the first so many scenes")
  add("--frames", type=int, default=frames, help="frames rendered of each")
  add("--batch", type=int, default=4, help="scenes rendered together")
  if samples:
    add("--samples", type=int, default=samples, help="videos of each scene")
  rendering.add_options(add)
  add("--seed", type=int, default=0, help="of noise, masks and tokens")
  add("--out", required=True, metavar="DIR", help="folder to write")
  add("--json", metavar="FILE", help="write the result here too")


def check_options(args: argparse.Namespace) -> Path:
  """The output folder, made; InputError on counts that make no sense."""
  for name in ("scenes", "frames", "batch", "samples"):
    value = getattr(args, name, None)
    if value is not None and value < 1:
      raise InputError(f"--{name}: {value} must be at least 1")
  if getattr(args, "samples", 2) < 2:  # told before anything is rendered
    raise InputError("--samples: 1 sample has no variance; give at least 2")
  out = Path(args.out)
  check_writable(out)
  return out


def write(
  out: Path, kind: str, result: dict[str, Any], args: argparse.Namespace
) -> None:
  """OUT/KIND.json, and --json; tells where."""
  result = {"kind": kind, "arguments": vars(args), **result}
  write_json(out / f"{kind}.json", result)
  if args.json:
    write_json(args.json, result)
  print(f"{out}: {', '.join(sorted(path.name for path in out.glob('*.*')))}")


def open_scenes(
  scenetok: SceneTok, args: argparse.Namespace
) -> list[OpenScene]:
  """The first --scenes scenes of the data."""
  path = args.data or scenetok.config.data.path
  if not path:
    raise InputError("--data: not set; give a folder made by scenetok prepare")
  split = args.split or evaluation_split(path)
  count = min(args.scenes, len(records.Dataset(path, split)))
  return [
    scenes.open_prepared(scenetok, path, split, str(i)) for i in range(count)
  ]


def chosen(
  scenetok: SceneTok, candidates: np.ndarray, wanted: int
) -> np.ndarray:
  """About `wanted` of the candidate frame numbers, sorted, whole latents.

  Evenly spread where a latent is a frame; else the first, which follow each
  other.
  """
  codec = scenetok.model.target_codec
  count = min(wanted, len(candidates))
  if codec.grouping.unit_frames > 1:
    return candidates[: codec.frames(codec.latents(count))]
  places = np.linspace(0, len(candidates) - 1, count)
  return candidates[np.unique(places.astype(int))]


@dataclasses.dataclass(frozen=True)
class Study:
  """Scenes with the frames to render of each.

  frames: [B T] frame numbers. truth: uint8 [B T H W 3].
  """

  scenetok: SceneTok
  scenes: list[OpenScene]
  frames: np.ndarray
  truth: np.ndarray

  @property
  def cameras(self) -> list[Cameras]:
    """Absolute cameras [T] of each scene."""
    return [
      scenes.cameras_of(scene.take(frames))
      for scene, frames in zip(self.scenes, self.frames, strict=True)
    ]


def make_study(
  scenetok: SceneTok,
  opened: list[OpenScene],
  wanted: int,
  candidates: Sequence[np.ndarray] | None = None,
) -> Study:
  """Novel frames (or those of `candidates`) of scenes, as many of each."""
  if candidates is None:
    candidates = [scene.novel for scene in opened]
  least = min(wanted, *(len(numbers) for numbers in candidates))
  if least < 1:
    raise InputError("--frames: a scene has no frame but its context views")
  frames = np.stack([chosen(scenetok, c, least) for c in candidates])
  truth = [
    np.asarray(scene.take(numbers).images)
    for scene, numbers in zip(opened, frames, strict=True)
  ]
  return Study(scenetok, opened, frames, np.stack(truth))


def encode(
  scenetok: SceneTok, context: Sequence[Views], key: Array
) -> tuple[Array, np.ndarray]:
  """Context views [V] of each scene -> tokens [B N C], references [B 4 4].

  The reference is the middle context view (release, test mode).
  """
  stacked: Views = jax.tree.map(lambda *a: np.stack(a), *context)
  extrinsics = np.asarray(stacked.cameras.extrinsics)
  reference = extrinsics[:, extrinsics.shape[1] // 2]
  deterministic = scenetok.config.sampling.deterministic
  tokens = encode_program(scenetok.model)(
    scenetok.params, stacked, reference, None if deterministic else key
  )
  return tokens, reference


def encode_all(study: Study, key: Array) -> tuple[Array, np.ndarray]:
  """encode for the scenes' own context views."""
  return encode(study.scenetok, [s.context_views for s in study.scenes], key)


@dataclasses.dataclass(frozen=True)
class Renderer:
  """Renders with equal noise whatever the tokens: levels compare in pairs."""

  scenetok: SceneTok
  program: VideoProgram
  options: RenderOptions
  batch: int
  samples: int
  key: Array

  def steps(self, frames: int) -> int:
    """Steps of one call for one batch, for progress."""
    return video_plan(self.scenetok.model, self.options, frames).steps

  def __call__(
    self,
    tokens: Array,
    references: np.ndarray,
    cameras: Sequence[Cameras],
    report: Callable[[int], None] = lambda steps: None,
  ) -> np.ndarray:
    """tokens [B N C], references [B 4 4], cameras [T] each.

    Returns uint8 [B S T H W 3].
    """
    relative = [
      relative_to(own, reference)
      for own, reference in zip(cameras, references, strict=True)
    ]
    path = jax.tree.map(lambda *a: np.stack(a), *relative)
    videos = []
    for start in range(0, len(tokens), self.batch):
      # The last batch is filled up, so that it needs no other compilation.
      rows = np.arange(start, start + self.batch) % len(tokens)
      part = render_video(
        self.program,
        self.scenetok.params,
        jnp.asarray(tokens)[rows],
        jax.tree.map(lambda a, rows=rows: jnp.asarray(a[rows]), path),
        jax.random.fold_in(self.key, start),
        samples=self.samples,
        report=report,
      )
      videos.append(part[: len(tokens) - start])
    return np.concatenate(videos)


def make_renderer(
  scenetok: SceneTok,
  options: RenderOptions,
  args: argparse.Namespace,
  key: Array,
) -> Renderer:
  """A Renderer as add_options' --batch and --samples (where there) ask."""
  program = video_program(scenetok.model, options)
  samples = getattr(args, "samples", 1)
  return Renderer(scenetok, program, options, args.batch, samples, key)


def evaluation_options(
  scenetok: SceneTok, args: argparse.Namespace
) -> EvaluationOptions:
  """The run's own, with what add_options' options change."""
  return dataclasses.replace(
    EvaluationOptions.of(scenetok.config, args.seed),
    render=rendering.render_options(scenetok, args),
    batch=args.batch,
  )


def batches(count: int, size: int) -> int:
  """Calls that render `count` scenes."""
  return -(-count // size)


def psnr_to(videos: np.ndarray, truth: np.ndarray) -> np.ndarray:
  """uint8 [B S T H W 3], [B T H W 3] -> mean PSNR of each scene [B]."""
  unit = jnp.asarray(videos, jnp.float32) / 255.0
  true = jnp.asarray(truth, jnp.float32)[:, None] / 255.0
  return np.asarray(psnr(unit, jnp.broadcast_to(true, unit.shape))).mean(
    axis=(1, 2)
  )
