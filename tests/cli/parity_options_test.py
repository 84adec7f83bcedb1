"""`scenetok parity` on options that no stored case has, and on unknown ones.

The cases are made by tests/reference_networks.py, NumPy written apart from the
package.
"""

import copy
import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

from scenetok_jax import console
from scenetok_jax.cli import parity
from scenetok_jax.flow.windows import schedule
from scenetok_jax.parity.case import read_case
from scenetok_jax.parity.fields import Fields, unread
from scenetok_jax.parity.run import run_case
from tests import reference_networks
from tests.goldens import SMALL
from tests.networks import cameras, normals

CAMERA = {
  "name": "ray",
  "input_shape": [8, 8],
  "normalize": False,
  "origin_first": False,
  "scale": [1.0, 1.0],
  "embedding": {"name": "lvsm", "patch_size": 2, "in_channels": 6},
}
KWARGS = {
  "hidden_size": 24,
  "depth": 2,
  "patch_size": 1,
  "num_heads": 2,
  "mlp_ratio": 4.0,
  "use_qknorm": True,
  "use_swiglu": True,
  "use_rmsnorm": True,
  "wo_shift": False,
}
COMPRESSOR = {
  "name": "mvae_compressor",
  "token_dim": 5,
  "num_scene_tokens": 6,
  "camera_conditioning": "adaLN",
  "scene_token_projection": "kl",
  "input_shape": [4, 4],
  "init_large": True,
  "causal_self_atten": False,
  "camera": CAMERA,
  "kwargs": KWARGS | {"use_rope_2d": True, "use_rope_3d": False},
}
FLOW_KWARGS = KWARGS | {"frequency_embedding_size": 16}
DENOISER = {
  "name": "lightningdit",
  "num_target_split": 1,
  "camera_conditioning": "adaLN",
  "input_shape": [4, 4],
  "causal_attention": False,
  "camera": CAMERA,
  "kwargs": FLOW_KWARGS | {"in_channels": 3, "use_rope_3d": True},
}
SCENE_GENERATOR = {
  "name": "lightningdit",
  "camera_conditioning": "adaLN",
  "camera_type": "avg_raymap",
  "scale_factor": 0.1,
  "input_shape": [4, 4],
  "camera": CAMERA,
  "kwargs": FLOW_KWARGS | {"in_channels": 4},
}
PATCHES = {
  "name": "patch_embed",
  "patch_size": 2,
  "bias": True,
  "flatten": True,
  "dropout_prob": 0.1,
}
PLAIN = {"use_rmsnorm": False, "use_swiglu": False}


def edited(block, more):
  """A copy of a block; nested fields are named with dots."""
  block = copy.deepcopy(block)
  for path, value in more.items():
    *folders, name = path.split(".")
    node = block
    for folder in folders:
      node = node[folder]
    node[name] = node[name] | value if path == "kwargs" else value
  return block


def views(seed, count, name=""):
  drawn = cameras(seed, 1, count)
  return {
    f"{name}extrinsics": drawn.extrinsics,
    f"{name}intrinsics": drawn.intrinsics,
  }


def compressor(more, size=(4, 4)):
  config = {
    "case": "compressor",
    "compressor": edited(COMPRESSOR, more),
    "in_channels": 3,
    "num_context_views_at_construction": 3,
  }
  inputs = {
    "view": normals(1, 1, 2, 3, *size),
    "posterior_noise": normals(2, 1, 6, 5),
    **views(3, 2),
  }
  return config, inputs, "run0_"


def denoiser(more, latents=3, frames=3, t=1, order=1, wan=False, built=4):
  config = {
    "case": "denoiser",
    "denoiser": edited(DENOISER, more),
    "cond_dim": 5,
    "num_scene_tokens": 6,
    "num_target_latents_at_construction": built,
    "temporal_downsample_at_construction": order,
    "temporal_downsample_at_call": t,
    "using_wan": wan,
  }
  side = config["denoiser"]["input_shape"][0]
  inputs = {
    "latents": normals(1, 1, latents, 3, side, side),
    "timestep": 999 * np.random.default_rng(0).random((1, latents), np.float32),
    "tokens": normals(2, 1, 6, 5),
    **views(3, frames),
  }
  return config, inputs, "run0_"


def scene_generator(more):
  config = {
    "case": "scene_generator",
    "scene_generator": edited(SCENE_GENERATOR, more),
  }
  inputs = {
    "state": normals(1, 1, 6, 5),
    "timestep": np.full((1, 6), 321.5, np.float32),
    "cond_latents": normals(2, 1, 2, 4, 4, 4),
    "cond_mask": np.array([[True, False]]),
    **views(3, 2, "cond_"),
    **views(5, 3, "anchor_"),
  }
  return config, inputs, ""


CASES = {
  "compressor add, simple, norm_before_proj, layer norms, GELU": compressor(
    {
      "camera_conditioning": "add",
      "scene_token_projection": "simple",
      "norm_before_proj": True,
      "kwargs": PLAIN | {"use_rope_2d": False},
    }
  ),
  "compressor concat, scene norm, causal tokens": compressor(
    {
      "camera_conditioning": "concat",
      "use_scene_norm": True,
      "causal_self_atten": True,
      "camera.input_shape": [4, 4],
      "camera.embedding": None,
      "kwargs": {"patch_size": 2, "use_qknorm": False},
    }
  ),
  "compressor patch_embed, 3-D rotation, no shifts, oblong": compressor(
    {
      "camera.embedding": PATCHES,
      "camera.input_shape": [8, 12],
      "camera.name": "plucker",
      "camera.origin_first": True,
      "camera.scale": [0.5, 2.0],
      "kwargs": {"use_rope_2d": False, "use_rope_3d": True, "wo_shift": True},
    },
    size=(4, 6),
  ),
  "denoiser layer norms, no shifts, causal, split, t 2": denoiser(
    {
      "num_target_split": 2,
      "causal_attention": True,
      "camera.embedding.in_channels": 12,
      "kwargs": PLAIN | {"wo_shift": True},
    },
    latents=4,
    frames=8,
    t=2,
    order=2,
  ),
  "denoiser single Wan chunk, patch_embed, no q/k norm": denoiser(
    {
      "camera.embedding": PATCHES | {"in_channels": 24, "dropout_prob": 0.0},
      "kwargs": {"use_qknorm": False, "use_rope_3d": False},
    },
    latents=5,
    frames=17,
    t=4,
    order=1,
    wan=True,
    built=10,
  ),
  "denoiser patch 2, one frame per latent, head size 18": denoiser(
    {"input_shape": [8, 8], "kwargs": {"patch_size": 2, "hidden_size": 36}}
  ),
  "scene_generator flatten, layer norms, GELU": scene_generator(
    {"camera_type": "flatten", "camera.embedding": PATCHES, "kwargs": PLAIN}
  ),
  "scene_generator lvsm, patch 2, no shifts": scene_generator(
    {
      "camera.embedding.patch_size": 4,
      "kwargs": {"patch_size": 2, "wo_shift": True, "use_qknorm": False},
    }
  ),
}


def write(folder, config, inputs, prefix):
  """Makes a case folder with one run."""
  folder.mkdir()
  kind = config["case"]
  w = reference_networks.Weights(0, f"{kind}.")
  outputs = getattr(reference_networks, kind)(w, config, inputs)
  runs = [{"prefix": "run0_", "condition": "tokens", "mid": False}]
  (folder / "config.json").write_text(json.dumps(config | {"runs": runs}))
  save_file(w.tensors, folder / "weights.safetensors")
  named = {f"{prefix}{name}": x for name, x in inputs.items()}
  if kind == "scene_generator":
    named["run0_cond_mask"] = named.pop("cond_mask")
  np.savez(folder / "inputs.npz", **named)
  np.savez(
    folder / "outputs.npz",
    **{f"run0_{n}": x.astype(np.float32) for n, x in outputs.items()},
  )
  return folder


@pytest.mark.parametrize("name", CASES)
def test_an_option_equals_its_formulas(name, tmp_path):
  rows = run_case(read_case(write(tmp_path / "case", *CASES[name])))
  assert len(rows) == (6 if "run0_kl" in [row.name for row in rows] else 1)
  assert not [f"{r.name}: {r.relative:.2g} {r.note}" for r in rows if not r.ok]


def test_pyramid_sampling_equals_its_formulas(tmp_path):
  latents, steps, size = 4, 2, 2
  config, inputs, _ = denoiser({}, latents, frames=latents, built=size)
  sampler = {"name": "pyramid", "clean_targets": 0, "uncertainty_scale": 2}
  run = {
    "sampler": sampler,
    "concurrency": size,
    "num_inference_steps": steps,
    "cfg_scale": 1.0,
    "weighting": "shifted",
    "timestep_shift": 4.0,
    "autoencoder": None,
    "scaling_factor": 1.0,
  }
  plan = schedule("pyramid", latents, steps, size, 0, uncertainty_scale=2)
  levels = 4 * plan.levels / (1 + 3 * plan.levels)
  assert len(set(plan.starts)) == latents - size + 1
  w = reference_networks.Weights(0, "denoiser.")
  x = inputs["latents"].astype(np.float64)
  for now, then, mask in zip(levels, levels[1:], plan.mask, strict=False):
    window = {
      "latents": x[:, mask],
      "timestep": np.maximum(1000 * now[mask] - 1, 0)[None],
      "tokens": inputs["tokens"],
      "extrinsics": inputs["extrinsics"][:, mask],
      "intrinsics": inputs["intrinsics"][:, mask],
    }
    flow = reference_networks.denoiser(w, config, window)["pred"]
    move = (then - now)[mask]
    x[:, mask] += move[None, :, None, None, None] * flow
  config |= {"case": "sampling", "runs": [run | {"prefix": "run0_"}]}
  (tmp_path / "config.json").write_text(json.dumps(config))
  save_file(w.tensors, tmp_path / "weights.safetensors")
  given = dict(inputs)
  given["x_T"] = given.pop("latents")
  np.savez(tmp_path / "inputs.npz", **given)
  np.savez(
    tmp_path / "outputs.npz",
    run0_final=x.astype(np.float32),
    run0_scheduling_matrix=levels,
  )
  rows = run_case(read_case(tmp_path))
  assert len(rows) == 2 and all(row.ok for row in rows), rows


@pytest.mark.parametrize(
  ("make", "more", "told"),
  [
    (compressor, {"kwargs": {"use_rope_4d": True}}, "kwargs.use_rope_4d: True"),
    (compressor, {"wobble": 3}, "compressor.wobble: 3"),
    (compressor, {"camera.embedding.name": "nerf"}, "'nerf'"),
    (compressor, {"camera_conditioning": "film"}, "'film'"),
    (compressor, {"kwargs": {"use_rope_3d": True}}, "beside use_rope_2d"),
    (denoiser, {"kwargs": {"learn_sigma": True}}, "learn_sigma: True"),
    (denoiser, {"kwargs": {"use_rope": True}}, "use_rope: True"),
    (denoiser, {"camera_conditioning": "add"}, "'add'"),
    (denoiser, {"camera.embedding.in_channels": 24}, "in_channels: 24"),
    (denoiser, {"camera.name": "fisheye"}, "'fisheye'"),
    (scene_generator, {"camera_type": "tree"}, "camera_type: 'tree'"),
  ],
)
def test_an_unknown_option_is_an_error(make, more, told, tmp_path, capsys):
  base, inputs, prefix = make({})
  folder = write(tmp_path / "case", base, inputs, prefix)
  config = make(more)[0] | {"runs": [{"prefix": "run0_"}]}
  (folder / "config.json").write_text(json.dumps(config))
  assert console.run(parity.main, ["--quiet", str(folder)], "parity") == 2
  error = capsys.readouterr().err.strip()
  assert told in error and "\n" not in error


def test_a_field_that_nothing_reads_is_an_error(tmp_path, capsys):
  folder = tmp_path / "case"
  shutil.copytree(SMALL / "rays", folder)
  assert console.run(parity.main, ["--quiet", str(folder)], "parity") == 0
  assert not capsys.readouterr().err
  file = folder / "config.json"
  config = json.loads(file.read_text()) | {"moon": "full"}
  config["runs"][0] |= {"wobble": 3, "off": False}
  file.write_text(json.dumps(config))
  report = tmp_path / "report.json"
  argv = ["--quiet", str(folder), f"--json={report}"]
  assert console.run(parity.main, argv, "parity") == 2
  error = capsys.readouterr().err
  assert "config.json: nothing reads runs[0].wobble, moon;" in error


def test_only_what_is_asked_for_counts_as_read():
  config = Fields({"a": 1, "b": [{"c": 2, "d": 0}], "e": {"f": 3}, "note": "x"})
  assert list(unread(config)) == ["a", "b", "e"]
  assert config["a"] and config.get("e") and config["b"]
  assert list(unread(config)) == ["b[0].c", "e.f"]
  assert {**config["b"][0]} and dict(config["e"].items())
  assert list(unread(config)) == []


def test_an_option_that_is_off_is_no_error(tmp_path):
  made = compressor({"kwargs": {"use_rope_4d": False}, "wobble": None})
  folder = write(tmp_path / "case", *made)
  assert all(row.ok for row in run_case(read_case(folder)))
