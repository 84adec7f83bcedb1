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

from scenetok_jax.aot.chips import environment
from scenetok_jax.aot.gpus import GPUS

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "launch"
EXPECTED = Path(__file__).parent / "expected"
TRAIN = {
  "CONFIG": "configs/scenetok_re10k.py",
  "WORKDIR": "/shared/runs/re10k",
  "DATA": "/shared/re10k",
  "OVERRIDES": "--config.mesh.fsdp=4\n  --config.remat=full",
}
CLOUD = TRAIN | {"PROJECT": "lab", "ZONE": "us-east5-a", "TYPE": "v5p-32"}
ON_BUCKET = CLOUD | {"BUCKET": "b", "WORKDIR": "/mnt/bucket/runs/re10k"}
CASES = {
  "local": (
    "local.sh",
    ["2", "train", "--config=configs/rooms.py:smoke", "--workdir=/tmp/a b"],
    {"PYTHON": "python3"},
  ),
  "slurm": ("slurm.sbatch", [], TRAIN | {"NODES": "2", "PARTITION": "gpu"}),
  "slurm_container": ("slurm.sbatch", [], TRAIN | {"CONTAINER": "a.sqsh"}),
  "tpu_queued": ("tpu_queued.sh", [], ON_BUCKET | {"SPOT": "1"}),
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
SETTINGS = {
  "PATH": os.environ["PATH"],
  "HOME": "/home/user",
  "PYTHON": sys.executable,
  "PYTHONPATH": str(ROOT),
}


def dry_run(name: str) -> str:
  """Standard output of a launcher, with this repository's path as REPO."""
  script, arguments, settings = CASES[name]
  # One with the check that it runs; the others' check would find the same.
  python = sys.executable if name == "slurm" else "/bin/true"
  found = subprocess.run(
    ["bash", str(LAUNCH / script), *arguments, "--dry-run"],
    env=SETTINGS | {"PYTHON": python} | settings,
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert found.returncode == 0, found.stderr
  shown = found.stdout.replace(python, "PYTHON")
  return shown.replace(str(ROOT), "REPO")


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
    env=SETTINGS | settings | {"PATH": path, "PYTHON": "/bin/true"},
    check=True,
    capture_output=True,
  )
  assert not (tmp_path / "called").exists()
  assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("script", ["slurm.sbatch", "tpu_queued.sh", "xpk.sh"])
def test_help_is_the_header(script):
  found = subprocess.run(
    ["bash", str(LAUNCH / script), "--help"],
    env=SETTINGS, capture_output=True, text=True, check=True,
  ).stdout  # fmt: skip
  assert "OVERRIDES" in found and "set -e" not in found and "#" not in found


@pytest.mark.parametrize(
  "name, changed, told",
  [
    ("slurm", {"CONFIG": "configs/no.py"}, "configs/no.py: no such config"),
    (
      "slurm",
      {"OVERRIDES": "--config.mesh.fdsp=2"},
      "did you mean --config.me",
    ),
    (
      "slurm",
      {"NODES": "8", "OVERRIDES": "--config.mesh.data=7"},
      "32 devices",
    ),
    ("slurm", {"WORKDIR": "runs/a"}, "WORKDIR: runs/a: give an absolute path"),
    ("xpk", {"TYPE": "v5p-"}, "TYPE: 'v5p-' has no size"),
    ("tpu_queued", {"BUCKET": "gs://b"}, "BUCKET: gs://b: give the bare name"),
    (
      "tpu_queued",
      {"WORKDIR": "/r"},
      "with BUCKET it must lie below /mnt/buck",
    ),
    ("tpu_queued", {"TYPE": "v9-8"}, "TYPE: 'v9-8' is unknown; set RUNTIME"),
  ],
)
def test_mistakes_are_found_before_anything_costs(name, changed, told):
  script, arguments, settings = CASES[name]
  found = subprocess.run(
    ["bash", str(LAUNCH / script), *arguments, "--dry-run"],
    env=SETTINGS | settings | changed,
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert found.returncode == 2 and told in found.stderr
  assert found.stderr.count("\n") == 1


def variable_of(script: str, name: str) -> str:
  """What an environment file exports."""
  line = f'source {LAUNCH / script}; printf %s "${name}"'
  return subprocess.run(
    ["bash", "-euc", line.replace(f"${name}", f"${{{name}}}")],
    env=SETTINGS, check=True, capture_output=True, text=True,
  ).stdout  # fmt: skip


def test_aot_compiles_with_the_flags_of_runs():
  flags = variable_of("env_tpu.sh", "LIBTPU_INIT_ARGS").split()
  assert len(flags) >= 8 and all(flag.startswith("--xla") for flag in flags)
  for mine in ("", "--xla_mine=1 ", " ".join(flags)):
    found = environment({"LIBTPU_INIT_ARGS": mine, "TPU_MIN_LOG_LEVEL": "0"})
    # Once, also where env_tpu.sh was sourced before.
    assert found["LIBTPU_INIT_ARGS"].split() == [
      *(flag for flag in mine.split() if flag not in flags), *flags
    ]  # fmt: skip
    assert found["TPU_MIN_LOG_LEVEL"] == "0" and "TPU_SKIP_MDS_QUERY" in found


def test_aot_gives_gpus_the_memory_and_flags_of_runs():
  share = float(variable_of("env_gpu.sh", "XLA_PYTHON_CLIENT_MEM_FRACTION"))
  gpu = GPUS["h100"]
  assert gpu.hbm == int(share * gpu.memory)
  (options,) = gpu.efforts()
  flags = variable_of("env_gpu.sh", "XLA_FLAGS").split()
  assert len(flags) >= 8
  for flag in flags:
    name, _, value = flag.removeprefix("--").partition("=")
    assert str(options[name]).lower() == value


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
    "from scenetok_jax.aot.chips import CHIPS, topology_devices\n"
    "print(len(topology_devices(CHIPS['v5e'], 'v5e:2x2')))"
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
