"""Test-wide set-up: eight fake CPU devices, parsed flags, compiled programs."""

import os
from pathlib import Path

# Must precede the first import of jax, in this process and in its children.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "8"
# Trainings of equal configurations share what they compile, in this run and the
# next; `make clean` empties the folder.
os.environ.setdefault(
  "JAX_COMPILATION_CACHE_DIR",
  str(Path(__file__).parents[1] / ".pytest_cache" / "programs"),
)
os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(2**30))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
# Children import the package some seventy times: it is compiled once.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Shapes that differ in rank are a mistake more often than a wish.
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
# Tests compile more than they compute: the quickest compiler saves minutes.
os.environ.setdefault(
  "XLA_FLAGS",
  "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false",
)

import pytest
from absl import flags

from tests.buckets import bucket  # noqa: F401
from tests.goldens import told
from tests.hub_server import _hub_server, hub_server  # noqa: F401


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory, worker_id):
  """A folder that the processes of this run of tests share."""
  folder = tmp_path_factory.getbasetemp()
  return folder if worker_id == "master" else folder.parent


# Grain reads flags in its worker processes.
flags.FLAGS.mark_as_parsed()

_faults = {}  # test -> (its fault, whether it passed), of `make faults`


def pytest_collection_modifyitems(items):
  for item in items:
    for mark in item.iter_markers("faults"):
      _faults[item.nodeid] = (mark.args[0], None)


def pytest_runtest_logreport(report):
  if report.nodeid in _faults and (report.when == "call" or report.failed):
    fault, _ = _faults[report.nodeid]
    _faults[report.nodeid] = (fault, report.passed)


def pytest_terminal_summary(terminalreporter):
  """The reference cases; what each injected fault cost, if any ran."""
  terminalreporter.write_line(told())
  ran = {}
  for fault, passed in _faults.values():
    if passed is not None:
      ran[fault] = ran.get(fault, True) and passed
  if not ran or terminalreporter.config.option.markexpr != "faults":
    return
  terminalreporter.section("what was lost")
  for fault, passed in sorted(ran.items()):
    lost = "nothing" if passed else "SOMETHING: see the failed test above"
    terminalreporter.write_line(f"{fault}: {lost}")
