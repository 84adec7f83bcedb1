"""Lone processes start alone; several find each other by the environment."""

import os
import re
import socket
import subprocess
import sys

import jax
import pytest

from scenetok_jax.parallel import join, runtime
from scenetok_jax.types import InputError

VARIABLES = (
  "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID",
  "JAX_PLATFORMS", "TPU_SKIP_MDS_QUERY", "TPU_WORKER_HOSTNAMES",
  "TPU_ML_PLATFORM", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE",
  "MEGASCALE_NUM_SLICES", "SLURM_JOB_ID", "SLURM_STEP_NODELIST",
  "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID",
)  # fmt: skip


@pytest.fixture(autouse=True)
def lone(monkeypatch):
  for name in VARIABLES:
    monkeypatch.delenv(name, raising=False)


def explicit(address="localhost:1", count="2", rank="1"):
  names = ("ADDRESS", "NUM_PROCESSES", "PROCESS_ID")
  names = ("JAX_COORDINATOR_ADDRESS", *(f"JAX_{name}" for name in names[1:]))
  return dict(zip(names, (address, count, rank), strict=True))


def free_port():
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    return probe.getsockname()[1]


def test_lone_process_is_the_lead():
  join.initialize()
  assert not jax.distributed.is_initialized()
  assert runtime.is_lead()


@pytest.mark.parametrize(
  ("variables", "words"),
  [
    (explicit(count=""), "JAX_NUM_PROCESSES: ''"),
    (explicit(count="0", rank="0"), "JAX_NUM_PROCESSES: 0"),
    (explicit(count="-2"), "JAX_NUM_PROCESSES: '-2'"),
    (explicit(count="2\u00b2"), "is not a number"),
    (explicit(rank="7"), "JAX_PROCESS_ID: 7"),
    (explicit(rank="2"), "JAX_PROCESS_ID: 2"),
    (explicit(rank="one"), "JAX_PROCESS_ID: 'one'"),
    (explicit("localhost"), "no HOST:PORT"),
    (explicit("localhost:99999"), "port from 1 to 65535"),
    (explicit("localhost:0"), "port from 1 to 65535"),
    (explicit("localhost:x"), "no HOST:PORT"),
    (explicit(":123"), "no HOST:PORT"),
    ({"SLURM_STEP_NUM_TASKS": "abc"}, "SLURM_STEP_NUM_TASKS: 'abc'"),
    ({"OMPI_COMM_WORLD_SIZE": ""}, "OMPI_COMM_WORLD_SIZE: ''"),
    ({"SLURM_STEP_NUM_TASKS": "4"}, "no coordinator"),
    (
      {
        "SLURM_STEP_NUM_TASKS": "4", "SLURM_JOB_ID": "x", "SLURM_NTASKS": "4",
        "SLURM_STEP_NODELIST": "a", "SLURM_PROCID": "0", "SLURM_LOCALID": "0",
      },
      "cannot be told",
    ),
  ],
)  # fmt: skip
def test_an_environment_that_cannot_be_right_is_one_line(
  monkeypatch, variables, words
):
  for name, value in variables.items():
    monkeypatch.setenv(name, value)
  with pytest.raises(InputError, match=re.escape(words)):
    join.initialize()


def test_an_explicit_job_is_found(monkeypatch):
  for name, value in explicit("[::1]:7000", "3", "2").items():
    monkeypatch.setenv(name, value)
  job = join.find_job()
  assert job == ("::1", 7000, 3, 2, None) and job.address == "[::1]:7000"


def test_a_slurm_job_is_found(monkeypatch):
  for name, value in {
    "SLURM_STEP_NUM_TASKS": "4", "SLURM_JOB_ID": "5", "SLURM_NTASKS": "4",
    "SLURM_STEP_NODELIST": "n[01-02]", "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
  }.items():  # fmt: skip
    monkeypatch.setenv(name, value)
  job = join.find_job()
  assert (job.host, job.processes, job.rank) == ("n01", 4, 3)


@pytest.mark.parametrize(
  ("variables", "joins"),
  [
    ({"TPU_ML_PLATFORM": "JAX"}, True),
    ({"TPU_ML_PLATFORM": "JAX", "TPU_SKIP_MDS_QUERY": "1"}, False),
    ({"TPU_ML_PLATFORM": "JAX", "JAX_PLATFORMS": "cpu"}, False),
    ({"TPU_WORKER_HOSTNAMES": "a,b"}, True),
    ({"TPU_WORKER_HOSTNAMES": "a", "MEGASCALE_NUM_SLICES": "2"}, True),
    ({"TPU_WORKER_HOSTNAMES": "a"}, False),
    ({}, False),
  ],
)
def test_hosts_of_a_cluster_are_asked_for_each_other(
  monkeypatch, variables, joins
):
  for name, value in variables.items():
    monkeypatch.setenv(name, value)
  asked = ("a:1", 2, 1, None)
  monkeypatch.setattr(
    join.clusters.ClusterEnv,
    "auto_detect_unset_distributed_params",
    lambda *_: asked,
  )
  assert join.find_job() == (join.Job("a", 1, 2, 1) if joins else None)


def start(variables, seconds):
  """A child that joins; its status and errors."""
  program = (
    f"from scenetok_jax.parallel import join\njoin.initialize({seconds})"
  )
  return subprocess.Popen(
    [sys.executable, "-c", program], env=os.environ | variables,
    stderr=subprocess.PIPE, text=True,
  )  # fmt: skip


def test_a_peer_that_never_comes_is_told_before_jax_aborts():
  child = start(explicit(f"localhost:{free_port()}", rank="0"), 1.5)
  _, errors = child.communicate(timeout=60)
  assert child.returncode == 2
  assert "not all came within 1.5 s" in errors.splitlines()[-1]


def test_a_coordinator_that_does_not_answer_is_told(monkeypatch):
  for name, value in explicit(f"localhost:{free_port()}").items():
    monkeypatch.setenv(name, value)
  with pytest.raises(InputError, match="process 0 does not answer"):
    join.initialize(0.3)


def test_a_host_that_nobody_knows_is_told(monkeypatch):
  for name, value in explicit("nowhere.invalid:7000").items():
    monkeypatch.setenv(name, value)
  with pytest.raises(InputError, match=r"'nowhere\.invalid' is no host"):
    join.initialize(0.3)


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_a_port_that_is_taken_is_refused(monkeypatch, host):
  with socket.socket() as other:
    other.bind((host, 0))
    other.listen()
    port = other.getsockname()[1]
    for name, value in explicit(f"127.0.0.1:{port}", rank="0").items():
      monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="choose another port"):
      join.initialize()


def test_the_coordinator_listens_where_it_is_asked_for(monkeypatch):
  heard = []
  monkeypatch.setattr(
    jax.distributed,
    "initialize",
    lambda **how: heard.append(how["coordinator_bind_address"]),
  )
  port = free_port()
  for host in ("127.0.0.1", "192.0.2.1"):  # the second is no address of ours
    for name, value in explicit(f"{host}:{port}", rank="0").items():
      monkeypatch.setenv(name, value)
    join.initialize()
  monkeypatch.setenv("JAX_COORDINATOR_BIND_ADDRESS", "10.0.0.1:5")
  join.initialize()
  assert heard == [f"127.0.0.1:{port}", f"[::]:{port}", "10.0.0.1:5"]


PROGRAM = """
from scenetok_jax.parallel import join, runtime
join.initialize()
import jax, numpy as np
from scenetok_jax.parallel.mesh import loader_share, make_mesh
from scenetok_jax.parallel.rules import put_batch
a, b, c, d = jax.devices()
for sizes, devices in (
  ({"data": 4}, [a, b, c, d]), ({"data": 4}, [a, c, b, d]),
  ({"data": 4}, [a, c, d, b]), ({"data": 1, "tensor": 4}, [a, b, c, d]),
  ({"data": 1, "fsdp": 2, "tensor": 2}, [a, b, c, d]),
):
  mesh = make_mesh(sizes, devices)
  share = loader_share(mesh)
  ways = share.total * len(share.parts)
  rows = np.arange(4.0).reshape(ways, -1)[list(share.parts)].reshape(-1, 1)
  batch = put_batch(rows, mesh)
  with jax.set_mesh(mesh):
    weights = np.arange(1.0, 5.0)[:, None]
    total = jax.jit(lambda x: (x * weights).sum())(batch)
  assert float(total) == 20.0, (sizes, devices, share, total)
assert runtime.processes_here() == 2
# In one write: Gloo writes to the same pipe.
print(f"{'lead' if runtime.is_lead() else 'follower'} {jax.device_count()}")
"""


def test_two_processes_share_one_mesh_and_split_the_batch():
  port = free_port()
  children = [
    subprocess.Popen(
      [sys.executable, "-c", PROGRAM],
      env=os.environ
      | {
        "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
        "JAX_NUM_PROCESSES": "2",
        "JAX_PROCESS_ID": str(rank),
        "JAX_NUM_CPU_DEVICES": "2",
      },
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for rank in range(2)
  ]
  results = [child.communicate(timeout=120) for child in children]
  for child, (_, errors) in zip(children, results, strict=True):
    assert child.returncode == 0, errors[-2000:]
  assert "lead 4" in results[0][0] and "follower 4" in results[1][0]
