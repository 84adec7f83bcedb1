"""Lone processes start alone; several find each other by the environment."""

import os
import socket
import subprocess
import sys

import jax
import pytest

from scenetok_jax.parallel import runtime
from scenetok_jax.types import InputError


def test_lone_process_is_the_lead(monkeypatch):
  monkeypatch.delenv("JAX_COORDINATOR_ADDRESS", raising=False)
  runtime.initialize()
  assert not jax.distributed.is_initialized()
  assert runtime.is_lead()


def test_incomplete_environment_is_refused(monkeypatch):
  monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "localhost:1")
  monkeypatch.delenv("JAX_NUM_PROCESSES", raising=False)
  with pytest.raises(InputError, match="JAX_NUM_PROCESSES"):
    runtime.initialize()


@pytest.mark.parametrize(
  ("variables", "joins"),
  [
    ({"TPU_ML_PLATFORM": "JAX"}, True),
    ({"TPU_ML_PLATFORM": "JAX", "TPU_SKIP_MDS_QUERY": "1"}, False),
    ({"TPU_ML_PLATFORM": "JAX", "JAX_PLATFORMS": "cpu"}, False),
    ({"TPU_WORKER_HOSTNAMES": "a,b"}, True),
    ({"TPU_WORKER_HOSTNAMES": "a", "MEGASCALE_NUM_SLICES": "2"}, True),
    ({"TPU_WORKER_HOSTNAMES": "a"}, False),
    ({"SLURM_STEP_NUM_TASKS": "4"}, True),
    ({}, False),
  ],
)
def test_hosts_of_a_cluster_join_each_other(monkeypatch, variables, joins):
  for name in (
    "JAX_COORDINATOR_ADDRESS", "JAX_PLATFORMS", "TPU_SKIP_MDS_QUERY",
    "TPU_WORKER_HOSTNAMES", "TPU_ML_PLATFORM", "SLURM_STEP_NUM_TASKS",
    "OMPI_COMM_WORLD_SIZE", "MEGASCALE_NUM_SLICES",
  ):  # fmt: skip
    monkeypatch.delenv(name, raising=False)
  for name, value in variables.items():
    monkeypatch.setenv(name, value)
  joined = []
  monkeypatch.setattr(
    jax.distributed, "initialize", lambda **how: joined.append(how)
  )
  runtime.initialize()
  assert len(joined) == joins


PROGRAM = """
from scenetok_jax.parallel import runtime
runtime.initialize()
import jax, numpy as np
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import loader_share, put_batch
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
# In one write: Gloo writes to the same pipe.
print(f"{'lead' if runtime.is_lead() else 'follower'} {jax.device_count()}")
"""


def test_two_processes_share_one_mesh_and_split_the_batch():
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    port = probe.getsockname()[1]
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
