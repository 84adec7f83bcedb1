"""Partial imports follow the release's rules and report what they skipped."""

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from scenetok_jax.convert.engine import Table, export_tensors
from scenetok_jax.convert.fitting import take_fitting
from scenetok_jax.convert.load import load_params, load_partial
from scenetok_jax.decoder import dit_table
from scenetok_jax.decoder.dit import RayConditionedDiT
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.parity import reference_config
from scenetok_jax.tokenizer import perceiver_table
from scenetok_jax.tokenizer.perceiver import Perceiver
from scenetok_jax.types import InputError
from tests import networks
from tests.goldens import load_case

TABLE = Table(
  (("tokens", "scene_tokens"), ("head", "out")),
  {"tokens": "1 n d -> n d"},
  prefix="net.",
)
PARAMS = {
  "tokens": np.zeros((4, 2), np.float32),
  "head": {
    "kernel": np.zeros((2, 3), np.float32),
    "bias": np.zeros(3, np.float32),
  },
}


def write(path, **tensors):
  save_file(
    {f"net.{n}": np.ascontiguousarray(t) for n, t in tensors.items()}, path
  )
  return path


def test_what_fits_is_taken_and_the_rest_reported(tmp_path):
  path = write(
    tmp_path / "x.safetensors",
    scene_tokens=np.ones((1, 3, 2), np.float32),
    extra=np.ones(1, np.float32),
    **{"out.weight": np.ones((5, 2), np.float32)},
  )
  partial = load_partial(path, TABLE, PARAMS)
  assert partial.rows == 3
  assert partial.mismatched == ("out.weight",)
  assert partial.missing == ("out.bias",)
  assert partial.ignored == ("extra",)
  np.testing.assert_array_equal(partial.params["tokens"].sum(1), [2, 2, 2, 0])
  np.testing.assert_array_equal(
    partial.params["head"]["kernel"], PARAMS["head"]["kernel"]
  )


def test_more_scene_tokens_than_the_model_has_are_refused(tmp_path):
  tokens = np.ones((1, 5, 2), np.float32)
  path = write(tmp_path / "x.safetensors", scene_tokens=tokens)
  with pytest.raises(InputError, match="num_tokens to at least 5"):
    load_partial(path, TABLE, PARAMS)


def test_a_file_of_another_network_is_refused(tmp_path):
  path = write(tmp_path / "x.safetensors", other=np.ones(1, np.float32))
  with pytest.raises(InputError, match="no parameter fits"):
    load_partial(path, TABLE, PARAMS)


def test_trees_follow_the_same_rules():
  initial = {
    "tokenizer": {"scene_tokens": np.zeros((4, 2), np.float32)},
    "decoder": {"a": np.zeros(3), "b": np.zeros(2), "new": np.zeros(1)},
  }
  stored = {
    "tokenizer": {"scene_tokens": np.ones((3, 2), np.float32)},
    "decoder": {"a": np.ones(3), "b": np.ones(5), "old": np.ones(1)},
  }
  partial = take_fitting(initial, stored, "run")
  assert partial.rows == 3
  assert partial.mismatched == ("decoder/b",)
  assert partial.missing == ("decoder/new",)
  assert partial.ignored == ("decoder/old",)
  tokens = partial.params["tokenizer"]["scene_tokens"]
  np.testing.assert_array_equal(tokens.sum(1), [2, 2, 2, 0])
  np.testing.assert_array_equal(partial.params["decoder"]["a"], 1)
  np.testing.assert_array_equal(partial.params["decoder"]["b"], 0)
  assert len(partial.lines()) == 4
  with pytest.raises(InputError, match="num_tokens to at least 4"):
    take_fitting(stored, initial, "run")
  with pytest.raises(InputError, match="no parameter fits"):
    take_fitting(initial, {"generator": np.ones(1)}, "run")


def test_names_without_the_prefix_are_of_the_only_network(tmp_path):
  path = tmp_path / "x.safetensors"
  save_file(
    {
      name.removeprefix("net."): np.ascontiguousarray(tensor)
      for name, tensor in export_tensors(PARAMS, TABLE)
    },
    path,
  )
  networks.assert_same(load_params(path, TABLE, PARAMS), PARAMS, 0)


def reference_networks(config):
  """(table, parameters before loading) of both networks of the case."""
  cameras = networks.abstract_cameras
  tokens, channels = config["num_scene_tokens"], config["cond_dim"]
  perceiver = with_fields(
    Perceiver(), **reference_config.tokenizer_fields(config)
  )
  rows, columns = config["compressor"]["input_shape"]
  views = networks.abstract(1, 2, rows, columns, config["in_channels"])
  latents = {"num_target_latents_at_construction": 2}
  fields = reference_config.decoder_fields(config | latents, null_token=True)
  dit = with_fields(RayConditionedDiT(), **fields)
  rows, columns = config["denoiser"]["input_shape"]
  depth = config["denoiser"]["kwargs"]["in_channels"]
  noisy = networks.abstract(1, 2, rows, columns, depth)
  return (
    (perceiver_table.table(perceiver), perceiver, (views, cameras(1, 2))),
    (
      dit_table.table(dit),
      dit,
      (
        noisy,
        networks.abstract(1, 2),
        cameras(1, 8),
        networks.abstract(1, tokens, channels),
      ),
    ),
  )


def test_equals_the_reference_state_after_a_partial_load():
  pytest.importorskip("torch")
  case = load_case("checkpoint_nonstrict_load")
  for table, net, inputs in reference_networks(case.config["model"]):
    params = jax.eval_shape(net.init, jax.random.key(0), *inputs)["params"]
    fresh = load_params(case.path / "weights.safetensors", table, params)
    partial = load_partial(case.path / "source.ckpt", table, fresh)
    for name, tensor in export_tensors(partial.params, table):
      if name.removeprefix(table.prefix) not in table.buffers:
        np.testing.assert_array_equal(
          tensor, case.outputs[f"after/{name}"], name
        )
