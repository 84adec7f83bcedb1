"""The forecast prefers what fits, and leaves alone what is said."""

import functools

import jax
import pytest

from scenetok_jax.train import forecast
from scenetok_jax.workdir.config import load_config

_measured = forecast.saved_bytes


@functools.cache
def saved(policy):
  """Of an example of rooms:smoke, traced once for all tests here."""
  return _measured(load_config("rooms:smoke"), policy)


@pytest.fixture(autouse=True)
def traced_once(monkeypatch):
  monkeypatch.setattr(forecast, "saved_bytes", lambda _, policy: saved(policy))


def candidates(*overrides, config="rooms:smoke"):
  return list(
    forecast.candidates(load_config(config, overrides), jax.devices()[:8])
  )


def test_what_fits_and_recomputes_least_comes_first():
  found = candidates()
  first = found[0]
  assert first.remat == "dots" and first.accumulate == 1
  assert first.mesh == {"data": 8, "fsdp": 1, "tensor": 1, "sequence": 1}
  assert {c.remat for c in found} == {"dots", "narrow", "full"}
  # Of one policy, sharded parameters need less.
  sizes = [c.forecast_bytes for c in found if c.remat == "dots"][:3]
  assert sizes == sorted(sizes, reverse=True) and sizes[0] > sizes[-1]
  assert forecast.fits(first, first.forecast_bytes / 0.89)
  assert not forecast.fits(first, first.forecast_bytes / 0.91)


def test_a_batch_smaller_than_the_slice_shares_examples():
  found = candidates("--config.data.batch_size=2", "--config.remat=full")
  sizes = found[0].mesh
  assert sizes["data"] == 2 and sizes["tensor"] * sizes["sequence"] == 4
  assert {c.remat for c in found} == {"full"}


def test_micro_batches_start_at_those_of_the_configuration():
  found = candidates(
    "--config.data.batch_size=16", "--config.train.accumulate=2"
  )
  assert found[0].accumulate == 2
  # 16 examples in 16 micro-batches: each is shared by all devices.
  assert {c.accumulate for c in found} == {2, 4, 8, 16}


@pytest.mark.parametrize("override", ["mesh.fsdp=4", "mesh.data=2"])
def test_a_mesh_of_the_configuration_is_the_only_one(override):
  words = [f"--config.{override}"]
  if override == "mesh.data=2":
    words.append("--config.mesh.tensor=4")
  found = candidates(*words)
  wanted = {"data": 2, "fsdp": 4, "tensor": 1, "sequence": 1}
  if override == "mesh.data=2":
    wanted |= {"fsdp": 1, "tensor": 4}
  assert all(c.mesh == wanted for c in found) and found


def test_a_candidate_changes_what_is_auto_alone():
  config = load_config(
    "rooms:smoke", ["--config.mesh.fsdp=-1", "--config.mesh.data=1"]
  )
  candidate = forecast.Candidate({"data": 1, "fsdp": 8}, "full", 4, 1.0)
  new = forecast.with_candidate(config, candidate)
  assert new.remat == "full" and new.train.accumulate == 4
  assert new.mesh.fsdp == -1 and config.remat == "auto"


def test_stored_bytes_grow_as_policies_keep_more():
  kept = [saved(policy) for policy in ("full", "narrow", "dots", "none")]
  assert kept == sorted(set(kept)) and kept[0] > 0
