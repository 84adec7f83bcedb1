"""Exported files hold what was imported, tensor for tensor."""

import numpy as np
import pytest
from safetensors import safe_open

from scenetok_jax.convert.engine import Table, file_buffers, with_buffers
from scenetok_jax.convert.export import export
from scenetok_jax.convert.load import load_params
from scenetok_jax.convert.reader import read_tensors, select
from scenetok_jax.decoder import dit_table
from scenetok_jax.decoder.dit import RayConditionedDiT
from scenetok_jax.generator import scenegen_table
from scenetok_jax.generator.scenegen import SceneGen
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.parity import reference_config
from scenetok_jax.tokenizer import perceiver_table
from scenetok_jax.tokenizer.perceiver import Perceiver
from scenetok_jax.types import InputError
from tests import networks
from tests.goldens import load_case

PARAMS = {"head": {"kernel": networks.normals(0, 3, 2), "bias": np.ones(2)}}
RENAMES = (("head", "out"),)
TABLE = Table(RENAMES, prefix="net.")


def cameras(views):
  return networks.abstract_cameras(1, views)


def tokenizer():
  """(case, rename table, abstract parameters), in the released style."""
  case = load_case("compressor_kl_released_style")
  net = with_fields(
    Perceiver(), **reference_config.tokenizer_fields(case.config)
  )
  inputs = (networks.abstract(1, 3, 8, 8, 8), cameras(3))
  return case, perceiver_table.table(net), abstract(net, *inputs)


def decoder():
  case = load_case("denoiser_videodc")
  fields = reference_config.decoder_fields(case.config, null_token=True)
  net = with_fields(RayConditionedDiT(), **fields)
  inputs = (
    networks.abstract(1, 4, 4, 4, 8),
    networks.abstract(1, 4),
    cameras(16),
    networks.abstract(1, 12, 8),
  )
  return case, dit_table.table(net), abstract(net, *inputs)


def generator():
  case = load_case("scenegen_released_style")
  net = with_fields(
    SceneGen(), **reference_config.generator_fields(case.config)
  )
  inputs = (
    networks.abstract(1, 12, 8),
    networks.abstract(1, 12),
    networks.abstract(1, 3, 4, 4, 8),
    cameras(3),
    cameras(5),
  )
  return case, scenegen_table.table(net), abstract(net, *inputs)


def abstract(net, *inputs):
  """Abstract parameters of a module called with abstract inputs."""
  import jax

  return jax.eval_shape(net.init, jax.random.key(0), *inputs)["params"]


@pytest.mark.parametrize("network", [tokenizer, decoder, generator])
@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_a_released_file_comes_back_exactly(tmp_path, network, suffix):
  if suffix == ".ckpt":
    pytest.importorskip("torch")
  case, table, params = network()
  source = case.path / "weights.safetensors"
  tensors = select(read_tensors(source), table.prefix)
  kept = with_buffers(table, file_buffers(tensors, table))
  path = tmp_path / f"x{suffix}"
  export(path, [(kept, load_params(source, table, params))])
  again, expected = read_tensors(path), read_tensors(source)
  assert set(again) == set(expected)
  for name, tensor in expected.items():
    np.testing.assert_array_equal(again[name], tensor, err_msg=name)
    assert again[name].dtype == tensor.dtype


@pytest.mark.parametrize("network", [tokenizer, generator])
def test_buffers_made_anew_differ_by_rounding_only(network):
  case, table, _ = network()
  tensors = select(
    read_tensors(case.path / "weights.safetensors"), table.prefix
  )
  for name, make in table.buffers.items():
    np.testing.assert_allclose(make(), tensors[name], atol=1.2e-7, rtol=0)


def test_several_networks_share_a_file(tmp_path):
  path = tmp_path / "x.safetensors"
  other = Table(RENAMES, prefix="other.")
  export(path, [(TABLE, PARAMS), (other, PARAMS)], step=7)
  networks.assert_same(load_params(path, other, PARAMS), PARAMS, 0)
  with safe_open(path, "np") as file:
    assert file.metadata()["step"] == "7"
    assert sorted(file.keys()) == [
      "net.out.bias",
      "net.out.weight",
      "other.out.bias",
      "other.out.weight",
    ]


def test_a_lightning_file_records_the_step(tmp_path):
  torch = pytest.importorskip("torch")
  export(tmp_path / "x.ckpt", [(TABLE, PARAMS)], step=7)
  payload = torch.load(tmp_path / "x.ckpt", weights_only=True)
  assert payload["global_step"] == 7
  assert payload["state_dict"]["net.out.weight"].shape == (2, 3)


def test_an_unknown_suffix_is_refused(tmp_path):
  with pytest.raises(InputError, match=r"not one of \.safetensors, \.ckpt"):
    export(tmp_path / "x.bin", [(TABLE, PARAMS)])


def test_a_failed_export_leaves_no_file(tmp_path):
  table = Table((("kernel|bias", "one"),))
  with pytest.raises(ValueError, match="are both"):
    export(tmp_path / "x.safetensors", [(table, PARAMS)])
  assert list(tmp_path.iterdir()) == []
