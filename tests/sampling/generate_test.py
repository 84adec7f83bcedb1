"""Token sampling in slices equals the whole, and guidance acts."""

import dataclasses

import jax
import numpy as np

from scenetok_jax.sampling.generate import (
  SceneCondition,
  TokenProgram,
  anchor_indices,
  generate_tokens,
  sample_tokens,
  token_levels,
)
from scenetok_jax.sampling.options import GenerateOptions
from tests import networks
from tests.sampling.models import tiny, tiny_config, tokens

OPTIONS = GenerateOptions.of(tiny_config("generator").generation)
SEEDS = 2


def scene_condition(model):
  """Two scenes with one visible view and three anchors each."""
  views = model.num_conditions
  shape = (SEEDS, views, *model.latent_shape(model.context_codec))
  return SceneCondition(
    networks.normals(1, *shape),
    networks.cameras(2, SEEDS, views),
    networks.cameras(3, SEEDS, 3),
    np.tile(np.arange(views) < 1, (SEEDS, 1)),
  )


def test_slices_equal_one_scan():
  model, params = tiny("generator")
  condition, noise = scene_condition(model), tokens(model, SEEDS)
  run = networks.quick_jit(
    lambda params, noise, condition: generate_tokens(
      model, params, condition, noise, OPTIONS
    )
  )
  done = []
  with jax.default_matmul_precision("highest"):
    whole = run(params, noise, condition)
    sliced = sample_tokens(
      TokenProgram(model, OPTIONS), params, condition, noise, OPTIONS,
      lambda *told: done.append(told),
    )  # fmt: skip
  networks.assert_same({"x": np.asarray(sliced)}, {"x": np.asarray(whole)})
  assert done[0] == (0, OPTIONS.steps) and done[-1][0] == OPTIONS.steps


def test_guidance_and_solver_change_the_scene():
  model, params = tiny("generator")
  condition, noise = scene_condition(model), tokens(model, SEEDS)
  found = []
  for change in ({"guidance": 1.0}, {"guidance": 3.0}, {"solver": "heun"}):
    options = dataclasses.replace(OPTIONS, **change)
    program = TokenProgram(model, options)
    tokens_ = sample_tokens(program, params, condition, noise, options)
    found.append(np.asarray(tokens_))
  assert all(np.isfinite(x).all() for x in found)
  assert np.abs(found[0] - found[1]).max() > 1e-3
  assert np.abs(found[0] - found[2]).max() > 1e-4


def test_noise_levels_are_computed_without_a_device():
  levels = token_levels(OPTIONS)
  assert type(levels) is np.ndarray and levels.dtype == np.float32
  assert (levels[0], levels[-1], len(levels)) == (1, 0, OPTIONS.steps + 1)


def test_anchors_span_the_path():
  np.testing.assert_array_equal(anchor_indices(64, 3), [0, 31, 63])
