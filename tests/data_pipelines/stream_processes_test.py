"""One global batch sequence, whatever reads it: real processes, real kills."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data_pipelines.loading import loader
from data_pipelines.storage import builders
from tests.data_pipelines import clips, read_stream

ROOT = Path(__file__).parents[2]
_BATCHES = 8
_SIZE = read_stream.CHANGES["batch_size"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
  path = tmp_path_factory.mktemp("prepared")
  builders.build(path, clips.plan(scenes=5))
  return path


@pytest.fixture(scope="module")
def expected(prepared):
  """Row hashes of the first batches, read without workers in this process."""
  config = clips.data_config(prepared, **read_stream.CHANGES)
  iterator = loader.train_iterator(config, seed=read_stream.SEED)
  rows = [read_stream.row_hashes(next(iterator)) for _ in range(_BATCHES)]
  iterator.close()
  assert len({row for batch in rows for row in batch}) == _BATCHES * _SIZE
  return rows


def _start(path, count, workers, start=0, batches=_BATCHES):
  """`count` processes of one job, each with `workers` of its own."""
  command = [sys.executable, "-m", "tests.data_pipelines.read_stream"]
  return [
    subprocess.Popen(
      [*command, *map(str, (path, index, count, workers, start, batches))],
      cwd=ROOT,
      stdout=subprocess.PIPE,
      text=True,
      start_new_session=True,  # its workers die with it
    )
    for index in range(count)
  ]


def _lines(process, batches):
  return [json.loads(process.stdout.readline()) for _ in range(batches)]


def _global(jobs, batches):
  """The hosts' blocks of each batch, one after the other, and the states."""
  found = [_lines(process, batches) for process in jobs]
  together = list(zip(*found, strict=True))
  rows = [[row for line in b for row in line["rows"]] for b in together]
  states = [{line["global_next_index"] for line in b} for b in together]
  return rows, states


@pytest.mark.parametrize(
  "count, workers", [(1, 2), (1, 3), (2, 0), (2, 2), (2, 3)]
)
def test_processes_and_workers_do_not_change_the_batches(
  prepared, expected, count, workers
):
  jobs = _start(prepared, count, workers)
  rows, states = _global(jobs, _BATCHES)
  assert [job.wait() for job in jobs] == [0] * count
  assert rows == expected
  assert states == [{_SIZE * (i + 1)} for i in range(_BATCHES)]


@pytest.mark.parametrize("then", [(1, 0), (2, 3)])
def test_a_killed_job_goes_on_where_it_was(prepared, expected, then):
  done = random.randint(1, _BATCHES - 2)
  print(f"killed after {done} batches")
  jobs = _start(prepared, 2, 2, batches=10_000)
  rows, states = _global(jobs, done)
  for job in jobs:
    os.killpg(job.pid, signal.SIGKILL)
  assert [job.wait() for job in jobs] == [-signal.SIGKILL] * 2
  assert rows == expected[:done]
  (start,) = states[-1]
  jobs = _start(prepared, *then, start, _BATCHES - done)
  rows, _ = _global(jobs, _BATCHES - done)
  assert [job.wait() for job in jobs] == [0] * then[0]
  assert rows == expected[done:]
