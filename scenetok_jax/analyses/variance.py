"""Maps of where samples differ, and whether samples err there."""

import dataclasses

import numpy as np

from scenetok_jax.analyses.findings import Findings, Tell, verdict
from scenetok_jax.analyses.novel_views import NovelViews, novel_views
from scenetok_jax.analyses.options import SampleOptions
from scenetok_jax.analyses.sampler import VideoSampler, encode, sample_variance
from scenetok_jax.analyses.trends import rank_correlation
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import colorize, contact_sheet
from scenetok_jax.reading.schema import Few
from scenetok_jax.reading.shown import say
from scenetok_jax.types import option

_SHOWN = 8


@dataclasses.dataclass(frozen=True)
class VarianceOptions(SampleOptions):
  """More samples than where levels are compared."""

  samples: Few = option(8, "videos of each scene")


def run(
  scenetok: SceneTok, options: VarianceOptions, tell: Tell = say
) -> Findings:
  """Deviation and error of every pixel, and their rank correlation."""
  videos = options.batch * options.samples
  with scenetok.placed(videos) as scenetok:
    views = novel_views(scenetok, options)
    encoded = encode(scenetok, views.context, options.seed)
    sampler = VideoSampler.of(scenetok, options)
    with sampler.progress("samples", views) as progress:
      samples = sampler(encoded, views.cameras, progress.update)
  deviation = np.sqrt(sample_variance(samples))
  error = errors(samples, views.truth)
  found = rank_correlation(deviation.ravel(), error.ravel())
  own = {
    key: rank_correlation(deviation[i].ravel(), error[i].ravel()).rho
    for i, key in enumerate(views.keys)
  }
  holds = found.rho > 0 and min(own.values()) > 0
  tell(
    f"variance {np.mean(deviation**2):.6f}, mean deviation"
    f" {deviation.mean():.4f}, mean error {error.mean():.4f}"
  )
  tell(
    verdict(
      "samples err where they differ",
      holds,
      f"Spearman {found.rho:+.3f} over {found.pairs} pixels;"
      f" {min(own.values()):+.3f} to {max(own.values()):+.3f} within a scene",
    )
  )
  return Findings(
    "variance",
    {
      "variance": np.mean(deviation**2),
      "deviation": deviation.mean(),
      "error": error.mean(),
      "holds": holds,
      "correlation": dataclasses.asdict(found),
      "per_scene": own,
      "checkpoint_step": scenetok.step,
      "frames": views.frames,
    },
    pictures={
      f"variance_{key}.png": _sheet(views, i, samples, deviation, error)
      for i, key in enumerate(views.keys)
    },
  )


def errors(videos: np.ndarray, truth: np.ndarray) -> np.ndarray:
  """Absolute error of the samples' mean: [B S T H W 3] -> [B T H W]."""
  mean = videos.astype(np.float32).mean(axis=1)
  return np.abs(mean - truth).mean(axis=-1) / 255.0


def _sheet(
  views: NovelViews,
  scene: int,
  videos: np.ndarray,
  deviation: np.ndarray,
  error: np.ndarray,
) -> np.ndarray:
  samples = videos.shape[1]
  top = float(max(deviation[scene].max(), 1e-6))
  rows = [
    (f"{views.keys[scene]}: truth", views.truth[scene]),
    *((f"sample {i}", videos[scene, i]) for i in range(min(samples, 3))),
    (
      f"deviation of {samples} samples, up to {top:.2f}",
      colorize(deviation[scene], high=top),
    ),
    ("error of their mean", colorize(error[scene], high=0.5)),
  ]
  return contact_sheet(rows, columns=_SHOWN)
