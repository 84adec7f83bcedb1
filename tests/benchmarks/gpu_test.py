"""The report of a GPU: every row, its time, and its place in the docs."""

import json
import time

import pytest

from benchmarks import gpu, gpu_page
from scenetok_jax import console

MEASURED = {
  "device": "NVIDIA H100 80GB HBM3",
  "date": "2026-01-02",
  "jax": "0.10.2",
  "rows": {
    "stage1-xla": {
      "title": "train step, stage 1, xla",
      "batch": 32, "remat": "full", "attention": "xla", "seconds": 0.25,
      "examples_per_second": 128.0, "flop_utilisation": 0.4,
      "compile_seconds": 21.0, "peak_bytes": 60 << 30,
    },
    "stage1-cudnn": {"title": "cudnn", "refused": "no | of it"},
    "rooms": {
      "title": "rooms", "steps": 900, "loss_first": 2.0, "loss_last": 0.5,
      "seconds": 0.01,
      "examples_per_second": 2400.0, "flop_utilisation": 0.05,
      "compile_seconds": 9.0, "peak_bytes": None,
    },
  },
}  # fmt: skip


def test_the_table_says_what_was_measured_and_what_was_refused():
  lines = gpu_page.table(MEASURED).splitlines()
  assert lines[0] == (
    "Measured on NVIDIA H100 80GB HBM3, 2026-01-02, jax 0.10.2."
  )
  table = [line for line in lines if line.startswith("|")]
  assert len({line.count("|") for line in table}) == 1
  assert table[2] == (
    "| train step, stage 1, xla | 32 | full | xla | 0.25 s | 128 examples/s"
    " | 40.0% | 60.00 GiB | 21 s |"
  )
  assert "| refused: no / of it |" in table[3]
  assert "2,400 examples/s; loss 2 to 0.5 in 900 steps" in table[4]


def test_time_is_kept_for_later_rows(monkeypatch):
  given = {}

  def child(name, smoke, seconds):
    given[name] = seconds
    return {"refused": "here"}

  monkeypatch.setattr(gpu, "run_child", child)
  found = gpu.measure_all(smoke=True, seconds=350)
  assert [*given] == [*found] == [*gpu.ROWS]
  needs = {name: row.needs for name, row in gpu.ROWS.items()}
  assert sum(needs.values()) == 350 == gpu.SECONDS
  first = 350 - 0.75 * (350 - needs["stage1-xla"])
  assert given["stage1-xla"] == pytest.approx(first, rel=0.01)
  # The last may take all that is left.
  assert given["rooms"] == pytest.approx(350, rel=0.01)


def test_a_row_that_takes_too_long_is_ended():
  start = time.monotonic()
  found = gpu.run_child("generate", smoke=True, seconds=0.2)
  assert found == {"refused": "not done within 0 s"}
  assert time.monotonic() - start < 30


@pytest.mark.parametrize(
  "errors, why",
  [
    ("W0101 slow\nscenetok gpu benchmark: error: no GPU\nbye\n", "no GPU"),
    (
      "Traceback:\n  raise\njax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Out"
      " of memory\nBufferAssignment:\n",
      "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory",
    ),
    ("Segmentation fault\n", ""),
  ],
)
def test_one_line_says_why_a_row_failed(errors, why):
  assert gpu.reason(errors) == why


def test_smoke_sizes_are_not_for_the_docs(capsys):
  assert console.run(gpu.main, ["--smoke", "--docs=docs/index.md"]) == 2
  assert "--smoke: its sizes" in capsys.readouterr().err


@pytest.mark.slow
def test_every_row_runs_small_on_a_cpu(tmp_path):
  out = tmp_path / "gpu.json"
  # Much more than it needs: the machine may be busy.
  assert not gpu.main(["--smoke", "--seconds=3000", f"--json={out}"])
  found = json.loads(out.read_text())
  assert found["device"] == "cpu" and [*found["rows"]] == [*gpu.ROWS]
  lines = gpu_page.table(found).splitlines()
  assert len({line.count("|") for line in lines[2:]}) == 1
  for name, row in found["rows"].items():
    if name.endswith("cudnn"):
      assert [*row] == ["title", "refused"]
      assert "cudnn has no float32" in row["refused"]
      continue
    assert row["seconds"] > 0 and 0 < row["flop_utilisation"] <= 1, name
  rows = found["rows"]
  assert rows["stage1-xla"]["batch"] == rows["stage2-xla"]["batch"] == 2
  assert rows["render-192"]["frames_per_second"] > 0
  assert rows["generate"]["scenes_per_minute"] > 0
  assert rows["rooms"]["steps"] == 2
