"""`scenetok make-index`: the authors' format, seeded, nothing left out."""

import hashlib
import json

import pytest

from data_pipelines.storage.records import Dataset
from data_pipelines.views.evaluation import read_index
from scenetok_jax import console
from scenetok_jax.cli import make_index
from tests.cli import workdirs


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  return workdirs.rooms(tmp_path_factory.mktemp("rooms"), 3, 10)


def test_it_writes_what_evaluate_reads(data, tmp_path, capsys):
  out, told = tmp_path / "mine.json", tmp_path / "told.json"
  arguments = [f"--data={data}", "--context=3", "--targets=8"]
  assert not make_index.main([*arguments, f"--out={out}", f"--json={told}"])
  index = read_index(out)
  assert sorted(index.scenes) == sorted(
    r.key for r in Dataset(data, "test").scenes
  )
  for context, target in index.scenes.values():
    assert len(context) == 3 and target == list(range(8))
  report = json.loads(told.read_text())
  digest = hashlib.sha256(out.read_bytes()).hexdigest()
  assert report["index_sha256"] == index.sha256 == digest
  assert digest in capsys.readouterr().out
  assert report["scenes"] == 3 and report["left_out"] == {}
  again = tmp_path / "again.json"
  make_index.main([*arguments, f"--out={again}"])
  assert again.read_bytes() == out.read_bytes()


def test_clips_that_are_too_short_are_named_and_refused(data, tmp_path, capsys):
  arguments = [
    f"--data={data}", "--context=2", "--gap", "20", "30",
    f"--out={tmp_path / 'x.json'}", "--allow-short",
  ]  # fmt: skip
  assert console.run(make_index.main, arguments) == 2
  message = capsys.readouterr().err
  assert "none of its 3 scenes serves" in message
  assert "smaller gap" in message
  assert not (tmp_path / "x.json").exists()


def test_an_unknown_split_is_refused(data, tmp_path, capsys):
  arguments = [
    f"--data={data}", "--context=2", "--split=train",
    f"--out={tmp_path / 'x.json'}",
  ]  # fmt: skip
  assert console.run(make_index.main, arguments) == 2
  assert "data.split: 'train' is not there" in capsys.readouterr().err
