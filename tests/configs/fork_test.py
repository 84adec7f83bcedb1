"""An experiment is one file: a fork of ours, from any folder, trains."""

import json

from scenetok_jax.cli import train
from tests.cli import workdirs

_FORK = '''"""Rooms with narrower tokens, as an experiment of one's own."""

from scenetok_jax.configs import rooms


def get_config(variant=""):
  config = rooms.get_config(variant)
  config.tokenizer.token_channels = 4
  return config
'''


def test_a_fork_trains_from_its_own_folder(tmp_path, monkeypatch):
  data = workdirs.rooms(tmp_path / "data", scenes=2, frames=24)
  (tmp_path / "mine.py").write_text(_FORK)
  monkeypatch.chdir(tmp_path)
  train.main(
    ["--config=mine.py:smoke", "--workdir=run", f"--config.data.path={data}",
     "--config.data.split=test", "--config.train.eval_every=0"]
  )  # fmt: skip
  rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
  assert [json.loads(row)["step"] for row in rows] == [1, 2]
  stored = json.loads((tmp_path / "run" / "config.json").read_text())
  assert stored["tokenizer"]["token_channels"] == 4
