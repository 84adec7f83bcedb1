"""How much PSNR is lost on paths beside the captured one?

The same scenes are read twice: as captured, and with cameras moved sideways
(`scenetok prepare --dataset=rooms --aside=METRES`, or another camera pass in
the same coordinates under the same scene names). Tokens come from the first
alone. With several models their losses are compared scene by scene.
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from data_pipelines.storage import records
from data_pipelines.views.evaluation import evaluation_split
from scenetok_jax.analyses import plots
from scenetok_jax.analyses.findings import Findings, Tell, bar, ends, verdict
from scenetok_jax.analyses.novel_views import (
  NovelViews,
  as_float32,
  novel_views,
  scene_psnr,
)
from scenetok_jax.analyses.options import FrameOptions
from scenetok_jax.analyses.sampler import VideoSampler, encode
from scenetok_jax.evaluation.bootstrap import mean_interval
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import contact_sheet
from scenetok_jax.reading.schema import Few
from scenetok_jax.reading.shown import say
from scenetok_jax.types import Cameras, InputError, option

_SHOWN = 6


@dataclasses.dataclass(frozen=True)
class LateralOptions(FrameOptions):
  """beside: prepared data; frames: of each scene, both ways."""

  beside: str = option(
    None,
    "prepared data with the same scenes from beside",
    required=True,
    metavar="DATA",
  )
  frames: Few = option(24, "frames rendered of each")


@dataclasses.dataclass(frozen=True)
class LateralViews:
  """The same frames from beside: truth [B T H W 3], cameras [T] each.

  distance: mean distance of the cameras from the captured ones.
  """

  truth: np.ndarray
  cameras: list[Cameras]
  distance: float


@dataclasses.dataclass(frozen=True)
class Losses:
  """PSNR per scene [B] on the path and beside it; a copying baseline's too.

  sheet: frames of both, uint8 [H W 3].
  """

  on: np.ndarray
  off: np.ndarray
  nearest_on: np.ndarray
  nearest_off: np.ndarray
  lost: dict[str, float]
  sheet: np.ndarray


def run(
  models: Iterable[tuple[str, SceneTok]],
  options: LateralOptions,
  tell: Tell = say,
) -> Findings:
  """PSNR on the path and beside it of named models.

  models: may be a generator, which opens one model at a time.
  """
  found: dict[str, Losses] = {}
  for name, scenetok in models:
    found[name] = _losses(name, scenetok, options, tell)
    del scenetok  # before the next one is opened
  intervals = {name: mean_interval(loss.lost) for name, loss in found.items()}
  rows: dict[str, dict[str, Any]] = {}
  for name, loss in found.items():
    interval = intervals[name]
    nearest = float(np.mean(loss.nearest_on - loss.nearest_off))
    rows[name] = {
      "on_path_psnr": loss.on.mean(),
      "beside_psnr": loss.off.mean(),
      "lost_db": interval.value,
      "interval": ends(interval),
      "nearest_view_lost_db": nearest,
      "per_scene_lost_db": loss.lost,
    }
    tell(
      f"{name}: {loss.on.mean():.3f} dB on the path, {loss.off.mean():.3f} dB"
      f" beside it: {interval.value:+.3f} dB lost"
      f" (95 %: {interval.low:+.3f} to {interval.high:+.3f}); the nearest"
      f" view loses {nearest:+.3f}"
    )
  bars = {PurePath(name).name: bar(i) for name, i in intervals.items()}
  return Findings(
    "lateral",
    {"runs": rows, "comparisons": _compare(found, tell)},
    plots={
      "lateral.png": functools.partial(
        plots.bars,
        label=plots.metric_label("psnr", " lost beside the path"),
        groups={"95 % intervals over scenes": bars},
      )
    },
    pictures={
      f"lateral_{PurePath(name).name}.png": loss.sheet
      for name, loss in found.items()
    },
  )


def _compare(found: dict[str, Losses], tell: Tell) -> list[dict[str, Any]]:
  """Does the first model lose less than each other one?"""
  first, *others = found
  rows = []
  for other in others:
    ours, theirs = found[first].lost, found[other].lost
    gap = mean_interval({key: theirs[key] - ours[key] for key in ours})
    holds = gap.low > 0
    tell(
      verdict(
        f"{first} loses less than {other}",
        holds,
        f"{gap.value:+.3f} dB, 95 %: {gap.low:+.3f} to {gap.high:+.3f} over"
        f" {gap.scenes} scenes",
      )
    )
    rows.append(
      {
        "first": first,
        "other": other,
        "gap_db": gap.value,
        "interval": ends(gap),
        "holds": holds,
      }
    )
  return rows


def _losses(
  name: str, scenetok: SceneTok, options: LateralOptions, tell: Tell
) -> Losses:
  with scenetok.placed(options.batch) as scenetok:
    views = novel_views(scenetok, options)
    lateral = read_lateral(views, options.beside, options.split)
    encoded = encode(scenetok, views.context, options.seed)
    sampler = VideoSampler.of(scenetok, options)
    with sampler.progress(name, views, calls=2) as progress:
      on, off = (
        sampler(encoded, cameras, progress.update)
        for cameras in (views.cameras, lateral.cameras)
      )
  tell(f"{name}: cameras {lateral.distance:.3f} scene units beside the path")
  on_path = scene_psnr(on, views.truth)
  beside = scene_psnr(off, lateral.truth)
  return Losses(
    on_path,
    beside,
    _nearest(views, views.cameras, views.truth),
    _nearest(views, lateral.cameras, lateral.truth),
    lost=views.by_scene(on_path - beside),
    sheet=_sheet(views, lateral, on, off),
  )


def _nearest(
  views: NovelViews, cameras: Sequence[Cameras], truth: np.ndarray
) -> np.ndarray:
  """PSNR of copied context views, per scene [B]."""
  return scene_psnr(views.nearest_views(cameras)[:, None], truth)


def read_lateral(
  views: NovelViews, path: str, split: str | None
) -> LateralViews:
  """The same frame numbers of the same scenes in other prepared data.

  Raises:
    InputError: a scene or frame that is not there, or frames of another size.
  """
  dataset = records.Dataset(path, split or evaluation_split(path))
  rows = {row.key: row for row in dataset.scenes}
  truth, cameras, shifts = [], [], []
  for scene, frames, own in zip(
    views.scenes, views.frames, views.cameras, strict=True
  ):
    row = rows.get(scene.key)
    if row is None or row.frames <= frames.max():
      raise InputError(
        f"{dataset.directory}: scene {scene.key}: not there, or shorter than"
        f" {frames.max() + 1} frames; prepare the same scenes and frames"
      )
    images, posed = dataset.read_frames(row, frames)
    if images.shape[1:] != views.truth.shape[2:]:
      raise InputError(
        f"{dataset.directory}: frames of {images.shape[1]} pixels, those on"
        f" the path have {views.truth.shape[2]}; prepare both with one --size"
      )
    truth.append(images)
    cameras.append(as_float32(posed))
    moved = posed.extrinsics[:, :3, 3] - own.extrinsics[:, :3, 3]
    shifts.append(np.linalg.norm(moved, axis=-1).mean())
  return LateralViews(np.stack(truth), cameras, float(np.mean(shifts)))


def _sheet(
  views: NovelViews, lateral: LateralViews, on: np.ndarray, off: np.ndarray
) -> np.ndarray:
  """The first two scenes, both ways."""
  rows = []
  for i, key in enumerate(views.keys[:2]):
    rows += [
      (f"{key}: on the path, truth", views.truth[i]),
      ("rendered", on[i, 0]),
      ("beside it, truth", lateral.truth[i]),
      ("rendered", off[i, 0]),
    ]
  return contact_sheet(rows, columns=_SHOWN)
