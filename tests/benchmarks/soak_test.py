"""The soak's samples, trends and verdicts."""

import json
import os
from pathlib import Path

import pytest

from benchmarks import soak
from scenetok_jax.types import InputError


def samples(grow, count=20):
  """own_bytes of 1000 at step 0; a start that is larger is left out."""
  return [
    {
      "step": 10.0 * i,
      "resident_bytes": 5000.0,
      "own_bytes": 1000.0 * (5 if i == 1 else 1) + grow * 10 * i,
      "handles": 30.0 + i % 2,
      "threads": 12.0,
    }
    for i in range(count)
  ]


def test_a_trend_is_of_the_last_four_fifths():
  found = soak.trend(samples(2.0), "own_bytes")
  assert found["slope"] == pytest.approx(2.0)
  # 19 samples of 10 steps: from step 40 to step 190.
  assert found["start"] == pytest.approx(1080.0)
  assert found["growth"] == pytest.approx(300 / 1080)
  assert soak.trend(samples(0.0), "own_bytes")["growth"] < 1e-9


def test_a_verdict_tells_growth_from_noise():
  grown = soak.trend(samples(2.0), "own_bytes")
  assert "+27.78 % over the last 80 %: NOT FLAT" in soak.verdict(
    "own_bytes", grown
  )
  noisy = soak.trend(samples(2.0), "handles")
  assert soak.verdict("handles", noisy).endswith(": flat")
  assert soak.verdict("threads", soak.trend(samples(2.0), "threads")) == (
    "threads: 12.0, +0.000 per 10,000 steps, +0.00 % over the last 80 %: flat"
  )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_samples_say_what_to_do(count):
  with pytest.raises(InputError, match=r"--steps: .*--seconds"):
    soak.trend(samples(0.0, count), "threads")


def test_this_process_is_seen_and_an_ended_one_is_not(tmp_path):
  process = Path(f"/proc/{os.getpid()}")
  before = soak.look(process)
  with (tmp_path / "open").open("w"):
    during = soak.look(process)
  assert during["handles"] == before["handles"] + 1
  assert before["threads"] >= 1
  assert before["resident_bytes"] > before["own_bytes"] > 2**20
  assert soak.look(tmp_path / "gone") is None


def test_the_last_whole_row_tells_the_step(tmp_path):
  file = tmp_path / "metrics.jsonl"
  assert soak.last_step(file) == 0
  rows = [json.dumps({"step": i, "loss": 0.5}) for i in range(1, 400)]
  file.write_text("\n".join(rows) + '\n{"step": 400, "lo')
  assert soak.last_step(file) == 399
  file.write_text("")
  assert soak.last_step(file) == 0


def test_the_picture_is_drawn(tmp_path):
  soak.draw(samples(1.0), tmp_path / "soak.png")
  assert (tmp_path / "soak.png").read_bytes()[:4] == b"\x89PNG"


def test_a_run_that_is_there_is_not_mixed_with_another(tmp_path):
  (tmp_path / "run").mkdir()
  with pytest.raises(InputError, match="run is there already"):
    soak.main(["--out", str(tmp_path)])
