"""A step that reuses takes what the blocks added, and a file says which do."""

import dataclasses
import functools
import json

import numpy as np
import pytest

from scenetok_jax.analyses.step_caching import residual_ratios
from scenetok_jax.inference.changes import SamplingChanges, render_options
from scenetok_jax.sampling import step_cache, velocity
from scenetok_jax.sampling.video import VideoProgram, begin
from scenetok_jax.types import InputError
from tests import networks
from tests.sampling.models import tiny, tiny_config, tokens
from tests.sampling.video_test import FRAMES, KEY, OPTIONS

STEPS = OPTIONS.steps
GUIDED = dataclasses.replace(OPTIONS, guidance=2.0)


@functools.cache
def program(guidance):
  options = dataclasses.replace(OPTIONS, guidance=guidance)
  return VideoProgram(tiny()[0], options)


@functools.cache
def last_state(options, steps=None):
  (model, params), compiled = tiny(), program(options.guidance)
  paths = networks.cameras(3, 2, FRAMES)
  begun = begin(compiled, params, tokens(model, 2), paths, KEY, 1, options)
  return begun.run(begun.state, 0, begun.plan.steps if steps is None else steps)


@pytest.mark.parametrize("options", [OPTIONS, GUIDED], ids=["plain", "guided"])
def test_a_cache_that_is_never_used_changes_nothing(options):
  kept = dataclasses.replace(options, reuse=(False,) * STEPS)
  found, want = last_state(kept), last_state(options)
  np.testing.assert_allclose(found.x, want.x, atol=2e-5)
  assert want.residual is None and np.abs(found.residual).max() > 0


@pytest.mark.parametrize("guided", [False, True])
def test_what_the_blocks_added_replaces_them(guided):
  model, params = tiny()
  cache = velocity.token_kv_cache(model, params, tokens(model, 1), guided)
  paths = networks.cameras(3, 1, OPTIONS.window)
  shape = (1, OPTIONS.window, *model.latent_shape(model.target_codec))
  x, other = networks.normals(1, *shape), networks.normals(2, *shape)
  t = 0.5 * np.ones((1, OPTIONS.window), np.float32)
  fixed = (model, params)
  run = networks.quick_jit(
    lambda x, t, residual: velocity.velocity_and_residual(
      *fixed, x, t, paths, cache, 2.0, residual=residual
    )
  )
  flow, added = run(x, t, None)
  again, same = run(x, t, added)
  np.testing.assert_allclose(again, flow, atol=2e-5)
  np.testing.assert_array_equal(same, added)
  plain = velocity.predict_velocity(*fixed, x, t, paths, cache, 2.0)
  np.testing.assert_allclose(flow, plain, atol=2e-5)
  # Input, level and last layer of the new step count.
  assert np.abs(run(other, t, added)[0] - flow).max() > 1e-3
  assert np.abs(run(x, t / 2, added)[0] - flow).max() > 1e-3


def test_reused_steps_leave_the_residual_of_the_computed_one():
  reuse = (False, True, False)
  options = dataclasses.replace(OPTIONS, reuse=reuse)
  first, second = (last_state(options, steps) for steps in (1, 2))
  np.testing.assert_array_equal(second.residual, first.residual)
  assert np.abs(second.x - first.x).max() > 0
  whole = last_state(options)
  assert np.isfinite(whole.x).all()
  assert np.abs(whole.x - last_state(OPTIONS).x).max() > 1e-4


def test_ratios_are_of_the_steps_of_one_window():
  model, params = tiny()
  paths = networks.cameras(3, 2, FRAMES)
  given = (program(1.0), params, tokens(model, 2), paths, KEY, OPTIONS)
  ratios = residual_ratios(*given)
  assert ratios.shape == (STEPS,) and ratios[0] == 1 and (ratios > 0).all()


@pytest.fixture
def file(tmp_path):
  path = tmp_path / "cache.json"
  step_cache.save(path, OPTIONS, np.array([False, True, False]))
  return path


def test_a_file_is_of_its_settings(file):
  assert step_cache.load(file, OPTIONS) == (False, True, False)
  for change, told in (
    ({"steps": 5}, "steps: of 3, but this rendering has 5; give --steps=3"),
    ({"guidance": 2.0}, "guidance: of 1.0, but"),
    ({"solver": "dpm2"}, "solver: of euler, but"),
  ):
    with pytest.raises(InputError, match=told):
      step_cache.load(file, dataclasses.replace(OPTIONS, **change))


@pytest.mark.parametrize(
  ("field", "value", "told"),
  [
    ("reuse", [True, False, False], "reuse: needs 3 entries, the first false"),
    ("reuse", [False], "reuse: needs 3 entries"),
    ("reuse", [0, 1, 0], "reuse"),
    ("steps", "3", "steps"),
  ],
)
def test_a_damaged_file_is_told(file, field, value, told):
  file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
  with pytest.raises(InputError, match=told):
    step_cache.load(file, OPTIONS)


@pytest.mark.parametrize(
  ("change", "told"),
  [
    ({"sampler": "pyramid"}, "the sampler pyramid has latents at many levels"),
    ({"solver": "heun"}, "the solver heun looks twice"),
    ({"interval": (0.1, 0.5), "guidance": 2.0}, "at some levels only"),
  ],
)
def test_what_cannot_reuse_is_refused(change, told):
  net = tiny()[0].decoder
  step_cache.check(OPTIONS, net, "--cache")
  with pytest.raises(InputError, match=told):
    step_cache.check(dataclasses.replace(OPTIONS, **change), net, "--cache")


def test_render_options_read_the_file(file):
  model, params = tiny()

  class Opened:
    pass

  opened = Opened()
  opened.model, opened.params = model, params
  opened.config = tiny_config()
  options = render_options(opened, SamplingChanges(cache=str(file)))
  assert options.reuse == (False, True, False)
