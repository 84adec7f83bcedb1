"""Scores during training: compiled once, and no reason to end."""

import logging

import jax
import pytest

from scenetok_jax.cli import prepare
from scenetok_jax.model import build
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import place_params
from scenetok_jax.train.experiment import make_task
from scenetok_jax.train.heldout_scores import make_evaluate
from scenetok_jax.workdir.config import load_config
from tests import networks


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
  """(evaluate, parameters) of a run on rooms of 17 frames."""
  data = tmp_path_factory.mktemp("rooms")
  prepare.main(
    ["--dataset=rooms", "--split=test", "--scenes=2", "--frames=17",
     "--workers=0", f"--out={data}"]
  )  # fmt: skip
  settings = [
    f"--config.data.path={data}", "--config.train.eval_every=1",
    "--config.train.eval_scenes=2",
  ]  # fmt: skip
  config = load_config("configs/rooms.py:smoke", settings)
  model = build(config)
  params = networks.drawn(make_task(config, model).init)
  return make_evaluate(config, model), params


def test_later_evaluations_compile_nothing_and_repeat(parts, caplog):
  evaluate, params = parts
  first = evaluate(params, 1)
  with jax.log_compiles(), caplog.at_level(logging.WARNING):
    again = evaluate(params, 2)
  assert not [r for r in caplog.records if "compilation of" in r.message]
  assert first == again and first["scenes"] == 2 and first["psnr"] > 0


def test_parameters_of_the_mesh_are_scored_as_whole_ones(parts):
  evaluate, params = parts
  mesh = make_mesh({"data": 2, "fsdp": 4})
  with jax.set_mesh(mesh):
    assert evaluate(place_params(params, mesh), 1) == evaluate(params, 1)


def test_scores_that_fail_are_told(parts, capfd):
  evaluate, params = parts
  assert evaluate({**params, "decoder": {}}, 7) is None
  assert (
    "step 7: no scores, training goes on: process 0:" in capfd.readouterr().err
  )
