"""The example of docs/python.md runs as it stands."""

import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]


def test_the_example_runs_as_it_stands(tmp_path, monkeypatch):
  page = (ROOT / "docs" / "python.md").read_text()
  (example,) = re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
  assert example.count("\n") <= 12
  (tmp_path / "checkpoints").symlink_to(ROOT / "checkpoints")
  monkeypatch.chdir(tmp_path)
  names = {}
  exec(compile(example, "docs/python.md", "exec"), names)
  assert (tmp_path / "room.tok").is_file()
  assert names["video"].dtype == np.uint8
  assert names["video"].shape == (48, 64, 64, 3)
