"""`scenetok data-bench`: what it counts is what is read."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from data_pipelines.loading import benchmark, loader, usage
from data_pipelines.loading.examples import open_examples
from data_pipelines.storage import builders
from scenetok_jax import console
from scenetok_jax.cli import data_bench
from tests.data_pipelines import clips

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
  folder = tmp_path_factory.mktemp("frames")
  builders.build(folder, clips.plan(scenes=3, frames=12, size=64))
  return folder


def _run(capsys, *argv):
  code = console.run(data_bench.main, [str(a) for a in argv], "data-bench")
  captured = capsys.readouterr()
  return code, captured.out, captured.err


def test_speed_bytes_and_processor_time_are_told(
  frames, tmp_path, capsys, monkeypatch
):
  monkeypatch.chdir(ROOT)
  file = tmp_path / "bench.json"
  code, out, err = _run(
    capsys,
    "--config=configs/rooms.py:smoke",
    f"--config.data.path={frames}",
    "--seconds=0.5",
    "--samples=4",
    f"--json={file}",
  )
  assert code == 0, err
  result = json.loads(file.read_text())
  assert result["samples"] % result["batch_size"] == 0
  assert result["samples_per_second"] == pytest.approx(
    result["samples"] / result["seconds"]
  )
  assert 0 < result["cpu_share"] <= 1.2  # clocks of two kinds
  assert result["cores"] >= 1
  assert "samples/s" in out and "MB a sample" in out
  # 5 views or so of less than 64 kB each, and not all of a 12-frame scene.
  assert 0 < result["megabytes_per_sample"] < 0.5


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="no /proc")
def test_a_sample_reads_its_records_and_little_else(frames):
  config = clips.data_config(frames, image_size=64, cache=False)
  examples = open_examples(config)
  found = benchmark.megabytes_per_sample(examples, 20)
  folder = Path(frames) / "train"
  records = sum(f.stat().st_size for f in folder.glob("*.array_record-*"))
  frame = records / examples.reader.dataset.frames / 1e6
  views = config.num_context + config.num_targets
  # ArrayRecord reads ahead by up to 32 kB a record.
  assert views * frame * 0.5 < found < views * (frame + 0.04) + 0.01


def test_processor_time_of_workers_counts(frames):
  before = usage.cpu_seconds()
  end = time.process_time() + 0.2
  while time.process_time() < end:
    np.sort(np.random.default_rng(0).random(10_000))
  own = usage.cpu_seconds() - before
  assert 0.15 < own < 1.0
  config = clips.data_config(frames, image_size=64, workers=1)
  before = usage.cpu_seconds(), time.process_time()
  iterator = loader.train_iterator(config, seed=0)
  next(iterator)
  spent = usage.cpu_seconds() - before[0]
  iterator.close()
  # Starting a worker process takes more than this process spends.
  assert spent > time.process_time() - before[1] + 0.2


def test_bad_usage_is_one_line(frames, capsys, monkeypatch):
  monkeypatch.chdir(ROOT)
  config = "--config=configs/rooms.py:smoke"
  code, _, err = _run(capsys, config, "--config.data.path=nowhere/at/all")
  assert code == 2 and "scenetok prepare" in err and err.count("\n") == 1
  code, _, err = _run(capsys, config, "--seconds=0")
  assert code == 2 and "--seconds" in err
