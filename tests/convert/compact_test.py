"""Compact parameter files: what rounding costs, and what is refused."""

import numpy as np
import pytest

from scenetok_jax.convert import compact
from scenetok_jax.convert.compact import (
  PARAMS_FILE,
  load_compact,
  quantize,
  save_compact,
)
from scenetok_jax.types import InputError
from scenetok_jax.workdir.checkpoint import latest_step, restore_params


def make_params() -> dict:
  rng = np.random.default_rng(0)
  return {
    "decoder": {
      "up": {
        "kernel": rng.normal(size=(64, 256)).astype(np.float32),
        "bias": rng.normal(size=256).astype(np.float32),
      }
    }
  }


def test_rounding_error_is_half_a_step_of_each_row():
  values = np.random.default_rng(1).normal(size=(3, 5, 64)).astype(np.float32)
  codes, scale = quantize(values)
  step = scale.astype(np.float32)
  # float16 scales may round down, so that the largest value is clipped.
  assert np.all(np.abs(codes * step - values) <= 0.6 * step)


def test_rows_of_zeros_stay_zero():
  codes, _ = quantize(np.zeros((2, 8), np.float32))
  assert not codes.any()


@pytest.mark.parametrize(("version", "told"), [(99, "99"), (True, "True")])
def test_another_version_is_refused(tmp_path, monkeypatch, version, told):
  path = tmp_path / PARAMS_FILE
  with monkeypatch.context() as patch:
    patch.setattr(compact, "_VERSION", version)
    save_compact(path, make_params(), 7)
  with pytest.raises(InputError, match=rf"version: {told}, this program reads"):
    load_compact(path)


def test_small_arrays_survive_exactly_and_large_ones_to_one_percent(tmp_path):
  params = make_params()
  save_compact(tmp_path / PARAMS_FILE, params, 7)
  loaded, step = load_compact(tmp_path / PARAMS_FILE)
  want, have = params["decoder"]["up"], loaded["decoder"]["up"]
  assert step == 7
  np.testing.assert_array_equal(have["bias"], want["bias"])
  error = np.linalg.norm(have["kernel"] - want["kernel"])
  assert error < 0.01 * np.linalg.norm(want["kernel"])


def test_a_compact_folder_is_read_as_a_workdir(tmp_path):
  save_compact(tmp_path / PARAMS_FILE, make_params(), 7)
  params = restore_params(tmp_path)
  assert latest_step(tmp_path) == 7
  assert params["decoder"]["up"]["kernel"].shape == (64, 256)


def test_a_truncated_file_is_refused_with_its_name(tmp_path):
  path = tmp_path / PARAMS_FILE
  save_compact(path, make_params(), 7)
  path.write_bytes(path.read_bytes()[:1000])
  with pytest.raises(InputError, match=r"params\.safetensors: not a parameter"):
    load_compact(path)


def test_a_missing_file_is_refused_with_its_name(tmp_path):
  with pytest.raises(InputError, match=r"absent\.safetensors: not found"):
    load_compact(tmp_path / "absent.safetensors")
