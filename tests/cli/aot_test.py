"""A search says what fits, or what was tried."""

import json

import jax
import pytest

from scenetok_jax import console
from scenetok_jax.aot import compilation
from scenetok_jax.cli import aot
from scenetok_jax.train import forecast
from scenetok_jax.workdir.config import load_config

ARGUMENTS = ["--config=configs/rooms.py:smoke", "--topology=v5e:2x4"]


@pytest.fixture
def forecasts(monkeypatch):
  """Candidates of 9, 8, ... bytes, none of which the compiler finds to fit."""
  compiled = []

  def candidates(config, devices):
    for size in range(9, 3, -1):
      yield forecast.Candidate({"data": 8, "fsdp": 1}, "dots", 1, float(size))

  def compile_one(config, **_):
    compiled.append(config)
    return {"fits": False, "hbm_bytes_per_chip": 1 << 40}

  monkeypatch.setattr(
    compilation, "topology_devices", lambda chip, grid, slices: jax.devices()
  )
  monkeypatch.setattr(forecast, "candidates", candidates)
  monkeypatch.setattr(compilation, "_compile", compile_one)
  return compiled


def test_the_last_try_goes_to_the_smallest(forecasts, tmp_path, capsys):
  out = tmp_path / "aot.json"
  arguments = [*ARGUMENTS, "--tries=3", f"--json={out}"]
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
  monkeypatch.setattr(forecast, "candidates", lambda *_: iter(()))
  assert console.run(aot.main, ARGUMENTS) == 2
  assert not forecasts
  assert "by the forecast not even the smallest" in capsys.readouterr().err


FULL, FSDP = "--config.remat=full", "--config.mesh.fsdp=4"


@pytest.mark.parametrize(
  "words, options, compiled",
  [
    ([FULL, FSDP], {}, [("full", 0, 4)]),
    ([FULL], {"mesh": "data=2,fsdp=4"}, [("full", 2, 4)]),
    ([FSDP], {"tries": 2}, 2 * [("dots", 0, 4)]),
    ([FULL, FSDP], {"search": True, "tries": 1}, [("dots", 8, 1)]),
    ([], {"what": "render"}, [("none", 0, 0)]),
  ],
)
def test_what_is_said_is_compiled_as_it_is(forecasts, words, options, compiled):
  compilation.compile_for_slice(
    load_config("rooms:smoke", words),
    compilation.AotOptions("v5e:2x4", **options),
  )
  found = [(c.remat, c.mesh.data, c.mesh.fsdp) for c in forecasts]
  assert found == compiled


def test_a_batch_that_a_said_mesh_does_not_divide_is_refused(forecasts, capsys):
  words = ["--mesh=data=8", "--config.data.batch_size=12"]
  assert console.run(aot.main, [*ARGUMENTS, *words]) == 2 and not forecasts
  assert "12 examples do not divide over 8" in capsys.readouterr().err


def test_a_batch_of_windows_is_no_training_step(forecasts, capsys):
  assert console.run(aot.main, [*ARGUMENTS, "--batch=2"]) == 2
  assert not forecasts
  assert "--batch: of --what=render alone" in capsys.readouterr().err


def test_rendering_where_nothing_fits_says_so(forecasts, capsys):
  words = ["--what=render", "--search", "--batch=2"]
  assert console.run(aot.main, [*ARGUMENTS, *words]) == 2
  assert "not even 2 at once fit" in capsys.readouterr().err
