"""Makes tests/goldens of the reference cases in ../shared/goldens.

  python -m tests.make_goldens

Takes whole cases, or the part of a case that its outputs allow: fewer runs,
images, or outputs. Every number stays as it was stored.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.goldens import SMALL, shared_dir

Arrays = dict[str, np.ndarray]
Prune = Callable[[dict, Arrays, Arrays], tuple[dict, Arrays, Arrays]]

LARGE = 2048  # bytes of a full gradient that is left out: its norm stays
# Files that a case reads beside its arrays.
FILES = ("*.safetensors", "*.pth", "*.pt", "*.txt", "weights_manifest.json")
EVERY = 4  # of how many sampler runs one is kept


def without(*parts: str) -> Prune:
  """Leaves out outputs whose name has one of the parts."""

  def prune(config, inputs, outputs):
    kept = {
      name: x
      for name, x in outputs.items()
      if not any(part in name for part in parts)
    }
    return config, inputs, kept

  return prune


def few_gradients(config, inputs, outputs):
  """Norms of all gradients, small gradients, no sums of known arrays."""
  kept = {
    name: x
    for name, x in outputs.items()
    if ("grad/" not in name or x.nbytes <= LARGE)
    and not name.endswith("noisy_latents")
  }
  return config, inputs, kept


def few_runs(config, inputs, outputs):
  """One of EVERY runs, and all that never end."""
  runs = [
    run
    for i, run in enumerate(config["runs"])
    if i % EVERY == 0 or run["status"] != "ok"
  ]
  prefixes = tuple(run["prefix"] for run in runs)
  kept = {n: x for n, x in outputs.items() if n.startswith(prefixes)}
  return config | {"runs": runs}, inputs, kept


def second_set(config, inputs, outputs):
  """The smaller one of two sets of images."""
  return (
    config,
    {name: x for name, x in inputs.items() if name.endswith("_1")},
    {name: x for name, x in outputs.items() if name.endswith("_1")},
  )


def first_images(config, inputs, outputs):
  """One pair of images of every set; the sets' mean goes."""
  kept = {name: x[:1] for name, x in outputs.items() if x.ndim}
  return config, {name: x[:1] for name, x in inputs.items()}, kept


CASES: dict[str, Prune] = {
  "checkpoint_formats": without(),
  "crop": without(),
  "dataset_dl3dv_small_images": without("_dtype"),
  "dataset_latent": without("_dtype"),
  "dataset_latent_baseline": without("_dtype"),
  "frechet_distance": without(),
  "geometry": without(),
  "lpips_vgg": first_images,
  "optimizer": without(),
  "pose_accuracy": without(),
  "psnr_ssim": second_set,
  "rays": without("_xy", "_intrinsics_after_call"),
  "rays_wan_other_t": without("_xy", "_intrinsics_after_call", "_lvsm"),
  "rectified_flow": without(),
  "rectified_flow_mu_sigma": without(),
  "render_pipeline": without("mid_", "x_before"),
  "samplers": few_runs,
  "train_stage1": few_gradients,
  "train_stage2": few_gradients,
  "view_samplers": without(),
  "wan_clip_lengths": without("rec_", "mu_", "dec_"),
  "view_samplers_cond": without(),
  "view_samplers_edges": without(),
}


def main() -> None:
  source = shared_dir() / "goldens"
  for old in SMALL.glob("*/config.json"):
    shutil.rmtree(old.parent)
  for name, prune in CASES.items():
    copy(source / name, SMALL / name, prune)
  total = sum(p.stat().st_size for p in SMALL.rglob("*") if p.is_file())
  print(f"{len(CASES)} cases, {total:,} bytes")


def copy(source: Path, target: Path, prune: Prune) -> None:
  target.mkdir()
  config = json.loads((source / "config.json").read_text())
  arrays = [load(source / f"{side}.npz") for side in ("inputs", "outputs")]
  config, inputs, outputs = prune(config, *arrays)
  (target / "config.json").write_text(json.dumps(config) + "\n")
  for side, kept in (("inputs", inputs), ("outputs", outputs)):
    if kept:
      np.savez_compressed(target / f"{side}.npz", **kept)
  others = [path for pattern in FILES for path in source.glob(pattern)]
  others += source.glob("e*.json")  # an evaluation index
  others += source.glob("expected.npz")
  for path in others:
    shutil.copyfile(path, target / path.name)
  if (source / "data").is_dir():
    shutil.copytree(
      source / "data", target / "data", copy_function=shutil.copyfile
    )


def load(path: Path) -> Arrays:
  if not path.is_file():
    return {}
  with np.load(path, allow_pickle=False) as file:
    return dict(file)


if __name__ == "__main__":
  main()
