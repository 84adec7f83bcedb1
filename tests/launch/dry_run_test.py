"""Launchers print what they would run, and the shell checker likes them.

`python tests/launch/dry_run_test.py` rewrites the expected output.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "launch"
EXPECTED = Path(__file__).parent / "expected"
TRAIN = {
  "CONFIG": "configs/scenetok_re10k.py",
  "WORKDIR": "/shared/runs/re10k",
  "DATA": "/shared/re10k",
  "OVERRIDES": "--config.mesh.fsdp=4 --config.remat=full",
}
CLOUD = TRAIN | {"PROJECT": "lab", "ZONE": "us-east5-a", "TYPE": "v5p-32"}
CASES = {
  "local": (
    "local.sh",
    ["2", "train", "--config=configs/rooms.py:smoke", "--workdir=/tmp/a b"],
    {"PYTHON": "python3"},
  ),
  "slurm": ("slurm.sbatch", [], TRAIN | {"NODES": "2", "PARTITION": "gpu"}),
  "slurm_container": ("slurm.sbatch", [], TRAIN | {"CONTAINER": "a.sqsh"}),
  "tpu_queued": ("tpu_queued.sh", [], CLOUD | {"BUCKET": "b", "SPOT": "1"}),
  "xpk": (
    "xpk.sh",
    [],
    CLOUD | {"CLUSTER": "c", "IMAGE": "gcr.io/lab/scenetok", "SLICES": "2"},
  ),
  "reproduce": (
    "reproduce.sh",
    [],
    {"RAW": "/raw/re10k", "OUT": "/shared/re10k", "CODECS": "/shared/codecs"},
  ),
}
SETTINGS = {"PATH": os.environ["PATH"], "HOME": "/home/user"}


def dry_run(name: str) -> str:
  """Standard output of a launcher, with this repository's path as REPO."""
  script, arguments, settings = CASES[name]
  found = subprocess.run(
    ["bash", str(LAUNCH / script), *arguments, "--dry-run"],
    env=SETTINGS | settings,
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert found.returncode == 0, found.stderr
  return found.stdout.replace(str(ROOT), "REPO")


@pytest.mark.parametrize("name", CASES)
def test_dry_run_prints_what_would_run(name):
  assert dry_run(name) == (EXPECTED / f"{name}.txt").read_text()


@pytest.mark.parametrize(
  "script, settings, named",
  [
    ("slurm.sbatch", {}, "CONFIG"),
    ("slurm.sbatch", {"CONFIG": "c.py"}, "WORKDIR"),
    ("tpu_queued.sh", TRAIN, "PROJECT"),
    ("xpk.sh", CLOUD, "CLUSTER"),
    ("reproduce.sh", {}, "RAW"),
  ],
)
def test_a_missing_setting_is_named(script, settings, named):
  found = subprocess.run(
    ["bash", str(LAUNCH / script), "--dry-run"],
    env=SETTINGS | settings,
    capture_output=True,
    text=True,
  )
  assert found.returncode == 2
  assert found.stderr.startswith(f"{script}: error: set {named}: ")
  assert found.stderr.count("\n") == 1


def test_nothing_is_run_by_a_dry_run(tmp_path):
  """Tools that would be called fail here, and WORKDIR is not made."""
  settings = TRAIN | {"WORKDIR": str(tmp_path / "run")}
  for tool in ("sbatch", "srun", "mkdir"):
    fake = tmp_path / tool
    fake.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\nexit 1\n")
    fake.chmod(0o755)
  path = f"{tmp_path}:{SETTINGS['PATH']}"
  subprocess.run(
    ["bash", str(LAUNCH / "slurm.sbatch"), "--dry-run"],
    env=SETTINGS | settings | {"PATH": path},
    check=True,
    capture_output=True,
  )
  assert not (tmp_path / "called").exists()
  assert not (tmp_path / "run").exists()


def test_a_slice_without_its_bucket_is_not_trained_on(tmp_path):
  calls = tmp_path / "calls"
  gcloud = tmp_path / "gcloud"
  gcloud.write_text(
    "#!/usr/bin/env bash\n"
    f'echo "$*" >> {calls}\n'
    'case "$*" in\n'
    "  *describe*) echo ACTIVE ;;\n"
    "  *gcsfuse*) exit 1 ;;\n"
    "esac\n"
  )
  gcloud.chmod(0o755)
  path = f"{tmp_path}:{SETTINGS['PATH']}"
  found = subprocess.run(
    ["bash", str(LAUNCH / "tpu_queued.sh")],
    env=SETTINGS | CLOUD | {"BUCKET": "b", "SOURCE": "x", "PATH": path},
    capture_output=True,
    text=True,
    timeout=60,
  )
  assert found.returncode == 1
  assert "failed on a healthy slice" in found.stderr
  assert "scenetok train" not in calls.read_text()


def variable_of(script: str, name: str) -> str:
  """What an environment file exports."""
  line = f'source {LAUNCH / script}; printf %s "${name}"'
  return subprocess.run(
    ["bash", "-euc", line.replace(f"${name}", f"${{{name}}}")],
    env=SETTINGS, check=True, capture_output=True, text=True,
  ).stdout  # fmt: skip


def test_xla_knows_the_gpu_flags():
  flags = variable_of("env_gpu.sh", "XLA_FLAGS")
  program = "import jax; print(jax.jit(lambda x: x + 1)(1))"
  for text, known in ((flags, True), (flags + " --xla_gpu_no_such=1", False)):
    found = subprocess.run(
      [sys.executable, "-c", program],
      env=SETTINGS | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": text},
      capture_output=True,
      text=True,
    )
    assert (found.returncode == 0) is known, found.stderr[-2000:]


@pytest.mark.skipif(
  importlib.util.find_spec("libtpu") is None,
  reason="libtpu is not installed (pip install -e '.[tpu]')",
)
def test_libtpu_knows_the_tpu_flags():
  flags = variable_of("env_tpu.sh", "LIBTPU_INIT_ARGS")
  program = (
    "from scenetok_jax.aot.chips import topology_devices\n"
    "print(len(topology_devices('v5e:2x2')))"
  )
  for text, known in ((flags, True), (flags + " --xla_tpu_no_such=1", False)):
    found = subprocess.run(
      [sys.executable, "-c", program],
      env=SETTINGS | {"LIBTPU_INIT_ARGS": text},
      cwd=ROOT,
      capture_output=True,
      text=True,
    )
    assert (found.returncode == 0) is known, found.stderr[-2000:]


def test_shell_scripts_are_clean():
  checker = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}")
  checker = checker or shutil.which("shellcheck")
  assert checker is not None, "shellcheck: not found; pip install -e '.[dev]'"
  scripts = [*sorted(LAUNCH.glob("*.sh")), LAUNCH / "slurm.sbatch"]
  found = subprocess.run(
    [checker, "--external-sources", *map(str, scripts)],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert found.returncode == 0, found.stdout


if __name__ == "__main__":
  for case in CASES:
    (EXPECTED / f"{case}.txt").write_text(dry_run(case))
