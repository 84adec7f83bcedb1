"""A search says what fits, or what was tried."""

import json

import jax
import pytest

from scenetok_jax import console
from scenetok_jax.aot import compilation
from scenetok_jax.aot.search import Candidate
from scenetok_jax.cli import aot

ARGUMENTS = ["--config=configs/rooms.py:smoke", "--topology=v5e:2x4"]


@pytest.fixture
def forecasts(monkeypatch):
  """Candidates of 9, 8, ... bytes, none of which the compiler finds to fit."""
  compiled = []

  def candidates(config, devices, chip):
    for size in range(9, 3, -1):
      yield Candidate({"data": 8}, "dots", 1, float(size))

  def compile_one(config, devices, chip, options):
    compiled.append(options)
    return {"fits": False, "hbm_bytes_per_chip": 1 << 40}

  monkeypatch.setattr(
    compilation, "topology_devices", lambda grid: jax.devices()
  )
  monkeypatch.setattr(compilation.search, "candidates", candidates)
  monkeypatch.setattr(compilation, "_compile", compile_one)
  return compiled


def test_the_last_try_goes_to_the_smallest(forecasts, tmp_path, capsys):
  out = tmp_path / "aot.json"
  arguments = [*ARGUMENTS, "--search", "--tries=3", f"--json={out}"]
  assert console.run(aot.main, arguments) == 2
  found = json.loads(out.read_text())
  assert found["fits"] is False and len(forecasts) == 3
  assert [row["forecast_bytes"] for row in found["tried"]] == [9, 8, 4]
  errors = capsys.readouterr().err
  assert "nothing fits 8 v5e chips" in errors
  assert "3 candidates were compiled, the smallest among them" in errors


def test_without_a_candidate_nothing_is_compiled(
  forecasts, monkeypatch, tmp_path, capsys
):
  monkeypatch.setattr(compilation.search, "candidates", lambda *_: iter(()))
  assert console.run(aot.main, [*ARGUMENTS, "--search"]) == 2
  assert not forecasts
  assert "by the forecast not even remat=full" in capsys.readouterr().err
