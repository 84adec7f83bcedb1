"""Cases of metrics without a network: images, poses, Frechet distances."""

import re

import numpy as np
from einops import rearrange

from scenetok_jax.metrics.frechet import Statistics, distance, statistics
from scenetok_jax.metrics.image import psnr, ssim, ssim_map, ssim_per_channel
from scenetok_jax.metrics.pose import (
  PairErrors,
  accuracy,
  auc,
  pair_errors,
  pool,
  translation_error,
)
from scenetok_jax.parity.case import Arrays, Case

_ROWS = "features_1"


def psnr_ssim(case: Case) -> Arrays:
  """Per image, per channel, per pixel, and means over a batch."""
  given = case.inputs
  found: Arrays = {}
  for name in sorted(n for n in given if n.startswith("gt_")):
    i = name.removeprefix("gt_")
    truth, images = (
      rearrange(given[f"{kind}_{i}"], "b c h w -> b h w c")
      for kind in ("gt", "pred")
    )
    decibels, similarity = psnr(images, truth), ssim(images, truth)
    found |= {
      f"psnr_{i}": np.mean(decibels),
      f"ssim_{i}": np.mean(similarity),
      f"mse_{i}": np.mean((images - truth) ** 2),
      f"psnr_per_image_{i}": decibels,
      f"ssim_per_image_{i}": similarity,
      f"ssim_per_channel_{i}": ssim_per_channel(images, truth),
      f"ssim_map_full_gt{i}_c0": ssim_map(images, truth)[0, ..., 0],
    }
    if i == "0":
      found["psnr_identical"] = np.mean(psnr(truth, truth))
      found["ssim_identical"] = np.mean(ssim(truth, truth))
  return found


def pose_accuracy(case: Case) -> Arrays:
  """Errors of frame pairs, and what is summed up of them."""
  given = case.inputs
  found: Arrays = {}
  sets: dict[str, PairErrors] = {}
  for name in given:
    if name.endswith("_gt_c2w"):
      path = name.removesuffix("_gt_c2w")
      sets[path] = pair_errors(given[f"{path}_pred_c2w"], given[name])
      found[f"{path}_r_deg"] = sets[path].rotation
      found[f"{path}_t_deg"] = sets[path].translation
  sets["all_pairs"] = pool(sets.values())
  if "hist_edge_r" in given:
    sets["hist_edge"] = PairErrors(given["hist_edge_r"], given["hist_edge_t"])
  if "vec_gt" in given:
    found["vec_t_deg"] = translation_error(given["vec_pred"], given["vec_gt"])
  for name in case.outputs:
    asked = re.fullmatch(r"(.*)_(RAcc|TAcc|AUC)@(\d+)(_posediff.*)?", name)
    if asked:
      path, score, threshold, variant = asked.groups()
      found[name] = _score(sets[path], score, int(threshold), bool(variant))
  return found


def _score(
  errors: PairErrors, score: str, threshold: int, equal_bins: bool
) -> float:
  if score == "RAcc":
    return accuracy(errors.rotation, threshold)
  if score == "TAcc":
    return accuracy(errors.translation, threshold)
  return (auc_equal_bins if equal_bins else auc)(errors, threshold)


def auc_equal_bins(errors: PairErrors, threshold: int = 30) -> float:
  """PoseDiffusion's other AUC: threshold + 1 equal bins; not the published."""
  worst = np.maximum(errors.rotation, errors.translation)
  counts, _ = np.histogram(worst, bins=threshold + 1, range=(0, threshold))
  return float(np.mean(np.cumsum(counts / len(worst))))


def frechet_distance(case: Case) -> Arrays:
  """Distances of Gaussians and of feature rows, whatever the method."""
  given = case.inputs
  values = {"features": _distance_of_rows(given)} if _ROWS in given else {}
  for name in given:
    if name.endswith("_mu1"):
      pair = name.removesuffix("_mu1")
      values[pair] = distance(
        *(
          _gaussian(given[f"{pair}_mu{i}"], given[f"{pair}_sigma{i}"])
          for i in (1, 2)
        )
      )
  return {
    name: value
    for pair, value in values.items()
    for name in case.outputs
    if name.startswith(f"{pair}_")
  }


def _gaussian(mean: np.ndarray, covariance: np.ndarray) -> Statistics:
  """Statistics with this mean [D] and covariance [D D], as of two samples."""
  values, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
  # Eigenvalues that are rounding go.
  keep = values > values[-1] * len(values) * np.finfo(np.float64).eps
  factor = np.sqrt(values[keep])[:, None] * vectors[:, keep].T
  return Statistics(2, np.asarray(mean, np.float64), factor)


def _distance_of_rows(given: Arrays) -> float:
  return distance(*(statistics(given[f"features_{i}"]) for i in (1, 2)))
