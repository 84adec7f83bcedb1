"""benchmarks/recipes.py: what it trains, and the table of its runs."""

import json

import pytest

from benchmarks import recipes
from scenetok_jax.workdir.config import load_config


def _finished(runs, name, *rows):
  """A run with these lines of eval.jsonl, and one that was cut off."""
  for folder, done in ((name, True), (f"{name}9", False)):
    (runs / folder).mkdir(parents=True)
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (runs / folder / "eval.jsonl").write_text(lines)
    if done:
      (runs / folder / "finished.json").write_text("{}")


def _scores(psnr):
  return {"psnr": psnr, "one_step_psnr": psnr + 1, "conditioning_gap_db": 2.0}


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_is_a_configuration_unlike_the_plain_one(name):
  recipe = recipes.RECIPES[name]
  found, plain = (
    load_config(r.config, [f"--config.{field}" for field in r.fields]).to_dict()
    for r in (recipe, recipes.RECIPES["adamw"])
  )
  assert (found == plain) == (name == "adamw")


def test_the_table_has_finished_runs_and_the_spread_of_seeds(tmp_path):
  _finished(tmp_path, "adamw-0", _scores(10.0), _scores(18.0))
  _finished(tmp_path, "muon-0", _scores(18.0))
  _finished(tmp_path, "muon-1", _scores(19.0))
  (tmp_path / "costs.json").write_text('{"muon": 0.268}')
  assert recipes.table(tmp_path).splitlines()[2:] == [
    "| AdamW, as the configuration is | 1,200 |  | 1 | 18.00 | 19.00 | 2.00 |",
    "| Muon, rate 1e-3 | 1,200 | 0.27 | 2 | 18.50 (18.00 to 19.00) |"
    " 19.50 (19.00 to 20.00) | 2.00 (2.00 to 2.00) |",
  ]


def test_a_finished_run_is_not_made_again(tmp_path, monkeypatch):
  _finished(tmp_path, "muon-0", _scores(18.0))
  monkeypatch.setattr(
    recipes.subprocess, "run", lambda *_, **__: pytest.fail("trained again")
  )
  recipe = recipes.RECIPES["muon"]
  recipes.trained("data", tmp_path / "muon-0", recipe, 0)


def test_costs_are_medians_of_the_logged_steps(tmp_path, monkeypatch):
  lines = [{"step": k, "step_seconds": s} for k, s in ((20, 9.0), (40, 0.2))]
  workdir = tmp_path / "cost-muon"
  workdir.mkdir()
  lines.append({"step": 60, "step_seconds": 0.3})
  (workdir / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
  commands = []
  monkeypatch.setattr(
    recipes.subprocess, "run", lambda command, **_: commands.append(command)
  )
  assert recipes.seconds("data/rooms", tmp_path, "muon") == 0.3
  (command,) = commands
  assert "--config.optimizer.name=muon" in command
  assert "--config.train.total_steps=121" in command
