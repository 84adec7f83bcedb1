"""A published step compiled for GPU clusters that are not there."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scenetok_jax.aot.gpus import PLUGINS

ROOT = Path(__file__).parents[2]
GIB = 1 << 30
RE10K = "configs/scenetok_re10k.py"


def compiled(topology, out, *arguments):
  """The report of scenetok aot, in a process: XLA reads variables once."""
  if not any(map(importlib.util.find_spec, PLUGINS)):
    pytest.skip("XLA for GPUs is not installed (pip install -e '.[aot-gpu]')")
  environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
  subprocess.run(
    [
      sys.executable, "-m", "scenetok_jax.cli.aot", f"--topology={topology}",
      f"--config={RE10K}", f"--json={out}", *arguments,
    ],
    cwd=ROOT, check=True, env=environment, capture_output=True, text=True,
  )  # fmt: skip
  return json.loads(out.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
  "topology, mesh, most",
  [("h100:1x8", "data=8", 40), ("h100:4x8", "data=4,fsdp=8", 8)],
)
def test_a_published_step_fits_a_gpu_cluster(topology, mesh, most, tmp_path):
  found = compiled(
    topology, tmp_path / "report.json", f"--mesh={mesh}", "--config.remat=dots"
  )
  assert (found["dtype"], found["attention"]) == ("bfloat16", "cudnn")
  assert found["fits"] and found["hbm_bytes_per_chip"] < most * GIB
  # What attention returns is kept: it runs forward once.
  forward = found["kernels"]["__cudnn$fmhaSoftmax"]
  assert forward == found["kernels"]["__cudnn$fmhaSoftmaxBackward"] > 0
  assert found["flops_ratio"] == pytest.approx(1.0, rel=0.02)
  assert found["loops_of_unknown_length"] == 0
  # Gradients in bfloat16 or float32 are reduced, parameters gathered.
  kinds = set(found["collectives"])
  assert kinds & {"all-reduce", "reduce-scatter"} and "all-gather" in kinds
  assert found["collective_bytes_per_chip"] > found["memory"]["params"]
  assert 0 < found["estimated_utilisation"] < 0.6
