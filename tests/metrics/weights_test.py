"""Metric weights: sizes as published, strict, absent ones are named."""

import csv
import math

import jax
import numpy as np
import pytest
import safetensors.numpy

from scenetok_jax.convert.engine import manifest
from scenetok_jax.metrics import loading, weights
from scenetok_jax.metrics.loading import in_batches
from scenetok_jax.metrics.registry import get_network, networks, published
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.types import InputError
from tests.goldens import shared_dir
from tests.metrics.seeded import random_tensors

_STORED = ("running_mean", "running_var")
_TABLES = {
  "lpips_vgg": "vgg16_features",
  "fid_inception": "inception_v3_fid",
  "fvd_i3d": "i3d_rgb_imagenet",
}


@pytest.fixture(scope="module")
def shapes():
  return {n: network.shapes() for n, network in networks().items()}


@pytest.fixture(scope="module")
def vgg(shapes):
  table = get_network("lpips_vgg").table()
  return random_tensors(table, shapes["lpips_vgg"])


@pytest.mark.parametrize("name", networks())
def test_sizes_are_the_published_ones(shapes, name):
  entry = get_network(name)
  found = manifest(entry.table(), shapes[name])
  assert len(found) == entry.tensors
  counted = [e.shape for n, e in found.items() if not n.endswith(_STORED)]
  assert sum(map(math.prod, counted)) == entry.parameters


@pytest.mark.parametrize("name", networks())
def test_names_and_shapes_equal_the_specification(shapes, name):
  path = shared_dir() / "spec" / "spec_tables" / f"{_TABLES[name]}.tsv"
  if not path.exists():
    pytest.skip(f"no specification table at {path}")
  with path.open() as file:
    rows = {
      row["name"]: tuple(int(n) for n in (row["shape"] or "").split(",") if n)
      for row in csv.DictReader(file, delimiter="\t")
    }
  table = get_network(name).table()
  found = manifest(table, shapes[name])
  heads = {n for n in found if n.startswith("lin")}
  ours = {n: e.shape for n, e in found.items() if n not in heads}
  counters = rows.keys() - ours.keys()
  assert counters <= table.buffers.keys()
  assert {n: rows[n] for n in ours} == ours
  assert len(heads) == (5 if name == "lpips_vgg" else 0)


def test_a_converted_folder_equals_the_published_files(tmp_path, vgg):
  heads = {n: t for n, t in vgg.items() if n.startswith("lin")}
  rest = {n: t for n, t in vgg.items() if n not in heads}
  # torchvision's file has a classifier, which is left out.
  rest["classifier.6.bias"] = np.zeros(1000, np.float32)
  published = tmp_path / "published"
  published.mkdir()
  for tensors, file in ((rest, "vgg16-397923af"), (heads, "vgg")):
    safetensors.numpy.save_file(tensors, published / f"{file}.safetensors")
  first = loading.load_metric("lpips", published)
  assert "vgg16-397923af" in first.source
  folder = tmp_path / "weights" / "lpips_vgg"
  weights.save_network("lpips_vgg", first.params, folder, source="here")
  again = loading.load_metric("lpips", tmp_path / "weights")
  assert again.sha256 == first.sha256 and again.source == str(folder)
  np.testing.assert_array_equal(
    again.params["vgg"]["conv3"]["bias"], vgg["features.7.bias"]
  )
  with pytest.raises(InputError, match="exists"):
    weights.save_network("lpips_vgg", first.params, folder)
  with pytest.raises(InputError, match=r"features\.0\.\w+.*another of the"):
    file = published / "vgg16-397923af.safetensors"
    weights.import_network("lpips_vgg", [file, file])


def test_wrong_files_are_named(tmp_path, vgg, shapes):
  def attempt(changes, drop=()):
    tensors = {n: t for n, t in {**vgg, **changes}.items() if n not in drop}
    weights.import_tensors("lpips_vgg", tensors, "f.pth")

  with pytest.raises(InputError, match=r"f\.pth.*1 missing \(features\.5\.b"):
    attempt({}, drop=("features.5.bias",))
  with pytest.raises(InputError, match=r"of another shape.*features\.0\.weig"):
    attempt({"features.0.weight": vgg["features.2.weight"]})
  with pytest.raises(InputError, match=r"of unknown name \(fc\.bias"):
    attempt({"fc.bias": np.zeros(3, np.float32)})
  with pytest.raises(InputError, match=r"not finite \(features\.2\.bias"):
    attempt({"features.2.bias": np.full(64, np.nan, np.float32)})
  with pytest.raises(InputError, match="472 missing"):
    weights.import_tensors("fid_inception", vgg, "vgg16-397923af.pth")
  cut = tmp_path / "rgb_imagenet.safetensors"
  cut.write_bytes(b"\x00" * 8 + b"{")
  with pytest.raises(InputError, match="rgb_imagenet"):
    loading.load_metric("fvd", tmp_path)


def test_absent_weights_are_named_with_their_source(tmp_path):
  for name in ("fid", "fvd"):
    reason = loading.missing(name, tmp_path)
    entry = published(name)
    assert entry.files[0][0] in reason and "github.com" in reason
    with pytest.raises(InputError, match="get it from"):
      loading.load_metric(name, tmp_path)
    assert "no weights folder" in loading.missing(name)
  with pytest.raises(InputError, match="evaluation networks: 'fid' is not one"):
    weights.import_network("fid", [])
  with pytest.raises(InputError, match="'lpips_vgg' is not one of psnr"):
    loading.load_metric("lpips_vgg")
  with pytest.raises(InputError, match="not a folder"):
    loading.missing("fid", tmp_path / "none")


@pytest.mark.parametrize("count", [1, 4, 7])
def test_batches_do_not_change_rows(count):
  x = np.arange(count * 3, dtype=np.float32)
  x = x.reshape(count, 3)
  out = in_batches(lambda scale, a, b: scale * a - b[:, :1], 2.0, [x, x], 4)
  np.testing.assert_array_equal(out, 2 * x - x[:, :1])


def test_a_caller_may_be_inside_a_mesh_of_more_devices():
  """Four rows at a time use four of the eight devices."""
  double = jax.jit(lambda scale, x: scale * x)
  x = np.arange(6, dtype=np.float32)
  with jax.set_mesh(make_mesh()):
    out = in_batches(double, np.float32(2), [x], 4)
  np.testing.assert_array_equal(out, 2 * x)


def test_batches_refuse_unequal_or_no_rows():
  with pytest.raises(ValueError, match="give equal"):
    in_batches(lambda p, a, b: a, {}, [np.zeros(2), np.zeros(3)], 4)
  with pytest.raises(ValueError, match="give equal"):
    in_batches(lambda p, a: a, {}, [np.zeros((0, 3))], 4)
