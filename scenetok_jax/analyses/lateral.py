"""How much PSNR is lost on paths beside the captured one?

The same scenes are read twice: as captured, and with cameras moved sideways
(`scenetok prepare --dataset=rooms --aside=METRES`, or another camera pass in
the same coordinates under the same scene names). Tokens come from the first
alone. With several workdirs their losses are compared scene by scene.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from data_pipelines.storage import records
from data_pipelines.views.evaluation import evaluation_split
from scenetok_jax import console
from scenetok_jax.analyses import plots, study
from scenetok_jax.analyses.study import Study
from scenetok_jax.evaluation.baselines import nearest_view
from scenetok_jax.evaluation.bootstrap import Interval, mean_interval
from scenetok_jax.inference import placement, rendering, scenes
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import contact_sheet, write_png
from scenetok_jax.types import Cameras, InputError, Views

KIND = "lateral"
_SHOWN = 6


@dataclasses.dataclass(frozen=True)
class Beside:
  """The same frames from beside: truth [B T H W 3], cameras [T] each.

  distance: mean distance of the cameras from the captured ones.
  """

  truth: np.ndarray
  cameras: list[Cameras]
  distance: float


@dataclasses.dataclass(frozen=True)
class Losses:
  """PSNR per scene [B] on the path and beside it; a copying baseline's too."""

  on: np.ndarray
  off: np.ndarray
  nearest_on: np.ndarray
  nearest_off: np.ndarray
  keys: list[str]

  @property
  def lost(self) -> dict[str, float]:
    """Decibels lost beside the path, by scene."""
    return dict(zip(self.keys, (self.on - self.off).tolist(), strict=True))


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/lateral.json, lateral.png and a contact sheet per workdir."""
  args = _parser().parse_args(argv)
  out = study.check_options(args)
  found = {workdir: _losses(workdir, args) for workdir in args.workdir}
  intervals = {name: mean_interval(loss.lost) for name, loss in found.items()}
  rows: dict[str, dict[str, Any]] = {}
  for name, loss in found.items():
    interval = intervals[name]
    nearest = float(np.mean(loss.nearest_on - loss.nearest_off))
    rows[name] = {
      "on_path_psnr": loss.on.mean(),
      "beside_psnr": loss.off.mean(),
      "lost_db": interval.value,
      "interval": [interval.low, interval.high],
      "nearest_view_lost_db": nearest,
      "per_scene_lost_db": loss.lost,
    }
    print(
      f"{name}: {loss.on.mean():.3f} dB on the path, {loss.off.mean():.3f} dB"
      f" beside it: {interval.value:+.3f} dB lost"
      f" (95 %: {interval.low:+.3f} to {interval.high:+.3f}); the nearest"
      f" view loses {nearest:+.3f}"
    )
  comparisons = _compare(found)
  plots.bars(
    out / f"{KIND}.png", "PSNR lost beside the path, dB", _bars(intervals)
  )
  study.write(out, KIND, {"runs": rows, "comparisons": comparisons}, args)
  return 0


def _bars(intervals: dict[str, Interval]) -> dict[str, Any]:
  return {
    "95 % intervals over scenes": {
      name.rstrip("/").split("/")[-1]: (i.value, i.low, i.high)
      for name, i in intervals.items()
    }
  }


def _compare(found: dict[str, Losses]) -> list[dict[str, Any]]:
  """Does the first workdir lose less than each other one?"""
  first, *others = found
  rows = []
  for other in others:
    ours, theirs = found[first].lost, found[other].lost
    gaps = {key: theirs[key] - ours[key] for key in ours}
    gap = mean_interval(gaps)
    holds = gap.low > 0
    print(
      f"finding: {first} loses less than {other}:"
      f" {'holds' if holds else 'DOES NOT HOLD'} ({gap.value:+.3f} dB, 95 %:"
      f" {gap.low:+.3f} to {gap.high:+.3f} over {gap.scenes} scenes)"
    )
    rows.append(
      {
        "first": first,
        "other": other,
        "gap_db": gap.value,
        "interval": [gap.low, gap.high],
        "holds": holds,
      }
    )
  return rows


def _losses(workdir: str, args: argparse.Namespace) -> Losses:
  scenetok = SceneTok.from_pretrained(workdir)
  options = rendering.render_options(scenetok, args)
  with placement.on_devices(scenetok, args.batch) as scenetok:
    opened = study.open_scenes(scenetok, args)
    chosen = study.make_study(scenetok, opened, args.frames)
    beside = read_beside(chosen, args.beside, args.split)
    noise_key, token_key = jax.random.split(jax.random.key(args.seed))
    tokens, references = study.encode_all(chosen, token_key)
    renderer = study.make_renderer(scenetok, options, args, noise_key)
    calls = 2 * study.batches(len(opened), args.batch)
    total = calls * renderer.steps(chosen.frames.shape[1])
    with console.Progress(workdir, total, "step") as progress:
      on, off = (
        renderer(tokens, references, cameras, progress.update)
        for cameras in (chosen.cameras, beside.cameras)
      )
  print(f"{workdir}: cameras {beside.distance:.3f} scene units beside the path")
  _write_sheet(args.out, workdir, chosen, beside, on, off)
  return Losses(
    study.psnr_to(on, chosen.truth),
    study.psnr_to(off, beside.truth),
    _nearest(chosen, chosen.cameras, chosen.truth),
    _nearest(chosen, beside.cameras, beside.truth),
    [scene.key for scene in opened],
  )


def read_beside(chosen: Study, path: str, split: str | None) -> Beside:
  """The same frame numbers of the same scenes in other prepared data.

  Raises:
    InputError: a scene or frame that is not there, or frames of another size.
  """
  dataset = records.Dataset(path, split or evaluation_split(path))
  rows = {row.key: row for row in dataset.scenes}
  truth, cameras, shifts = [], [], []
  for scene, frames, own in zip(
    chosen.scenes, chosen.frames, chosen.cameras, strict=True
  ):
    row = rows.get(scene.key)
    if row is None or row.frames <= frames.max():
      raise InputError(
        f"{dataset.directory}: scene {scene.key}: not there, or shorter than"
        f" {frames.max() + 1} frames; prepare the same scenes and frames"
      )
    images, posed = dataset.read_frames(row, frames)
    if images.shape[1:] != chosen.truth.shape[2:]:
      raise InputError(
        f"{dataset.directory}: frames of {images.shape[1]} pixels, those on"
        f" the path have {chosen.truth.shape[2]}; prepare both with one --size"
      )
    truth.append(images)
    cameras.append(
      scenes.cameras_of(dataclasses.replace(scene.clip, cameras=posed))
    )
    moved = posed.extrinsics[:, :3, 3] - own.extrinsics[:, :3, 3]
    shifts.append(np.linalg.norm(moved, axis=-1).mean())
  return Beside(np.stack(truth), cameras, float(np.mean(shifts)))


def _nearest(
  chosen: Study, cameras: Sequence[Cameras], truth: np.ndarray
) -> np.ndarray:
  """PSNR of copied context views, per scene [B]."""
  copies = [
    nearest_view(scene.context_views, Views(cameras=own))
    for scene, own in zip(chosen.scenes, cameras, strict=True)
  ]
  return study.psnr_to(np.stack(copies)[:, None], truth)


def _write_sheet(
  out: str,
  workdir: str,
  chosen: Study,
  beside: Beside,
  on: np.ndarray,
  off: np.ndarray,
) -> None:
  places = np.linspace(0, chosen.frames.shape[1] - 1, _SHOWN)
  shown = np.unique(places.astype(int))
  rows = []
  for i, scene in enumerate(chosen.scenes[:2]):
    rows += [
      (f"{scene.key}: on the path, truth", chosen.truth[i][shown]),
      ("rendered", on[i, 0][shown]),
      ("beside it, truth", beside.truth[i][shown]),
      ("rendered", off[i, 0][shown]),
    ]
  name = workdir.rstrip("/").split("/")[-1]
  write_png(f"{out}/lateral_{name}.png", contact_sheet(rows))


def _parser() -> console.Parser:
  parser = console.parser(f"analyze {KIND}", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, nargs="+", help="one run, or several")
  add(
    "--beside",
    required=True,
    metavar="DATA",
    help="prepared data with the same scenes from beside",
  )
  study.add_options(add, frames=24)
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
