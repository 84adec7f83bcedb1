"""The adapter of every kind of case."""

import dataclasses
import importlib
from collections.abc import Callable, Mapping

from scenetok_jax.parity.case import Arrays, Case, Tolerance
from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class Kind:
  """How a kind of case is run.

  module, function: the adapter, Case -> arrays named as the outputs are.
  wanted: name of a function of the same module, Case -> the arrays to compare
  with; None for outputs.npz.
  tolerances: name of a function, Case -> Tolerance by output name; others
  have what the case suggests, or case.FORWARD.
  """

  module: str
  function: str
  wanted: str | None = None
  tolerances: str | None = None

  def _get(self, name: str) -> Callable:
    package = "scenetok_jax.parity"
    return getattr(importlib.import_module(f"{package}.{self.module}"), name)

  def run(self, case: Case) -> Arrays:
    return self._get(self.function)(case)

  def reference(self, case: Case) -> Arrays:
    return self._get(self.wanted)(case) if self.wanted else case.outputs

  def rules(self, case: Case) -> Mapping[str, Tolerance]:
    return self._get(self.tolerances)(case) if self.tolerances else {}


KINDS = {
  "compressor": Kind("networks", "compressor"),
  "denoiser": Kind("networks", "denoiser"),
  "scene_generator": Kind("networks", "scene_generator"),
  "rays": Kind("geometry", "rays", wanted="rays_wanted"),
  "geometry": Kind("geometry", "geometry"),
  "rectified_flow": Kind("flow", "rectified_flow"),
  "samplers": Kind("flow", "samplers", wanted="samplers_wanted"),
  "sampling": Kind("sampling", "sampling"),
  "scene_sampling": Kind("sampling", "scene_sampling"),
  "render_pipeline": Kind("sampling", "render_pipeline"),
  "train_stage1": Kind(
    "training", "stage1", wanted="wanted", tolerances="stage1_rules"
  ),
  "train_stage2": Kind(
    "training", "stage2", wanted="wanted", tolerances="stage2_rules"
  ),
  "optimizer": Kind("optimizer", "optimizer"),
  "crop": Kind("data", "crop"),
  "view_samplers": Kind("data", "view_samplers"),
  "dataset_re10k": Kind("datasets", "re10k", wanted="wanted"),
  "dataset_dl3dv": Kind("datasets", "dl3dv", wanted="wanted"),
  "dataset_latent": Kind("datasets", "latent", wanted="wanted"),
  "checkpoint_formats": Kind("checkpoints", "formats", wanted="formats_wanted"),
  "checkpoint_nonstrict_load": Kind("checkpoints", "nonstrict_load"),
  "va_vae": Kind("codecs", "va_vae"),
  "video_dc_ae": Kind("codecs", "video_dc_ae"),
  "wan_vae": Kind("codecs", "wan_vae"),
  "lpips": Kind("metric_networks", "lpips"),
  "fid": Kind("metric_networks", "fid"),
  "fvd": Kind("metric_networks", "fvd"),
  "frechet_distance": Kind("metrics", "frechet_distance"),
  "pose_accuracy": Kind("metrics", "pose_accuracy"),
  "psnr_ssim": Kind("metrics", "psnr_ssim"),
}


def kind_of(case: Case) -> Kind:
  """The adapter of a case; InputError for an unknown kind."""
  if case.kind not in KINDS:
    raise InputError(
      f"{case.path}: config.json: case: {case.kind!r} is of no known kind; use"
      f" one of {', '.join(sorted(KINDS))}"
    )
  return KINDS[case.kind]
