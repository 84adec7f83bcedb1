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


PROGRAM = """
from scenetok_jax.parallel import runtime
runtime.initialize()
import jax, numpy as np
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import loader_shard, put_batch
for sizes in ({"data": 4}, {"data": 1, "fsdp": 2, "tensor": 2},
              {"data": 1, "tensor": 4}):
  mesh = make_mesh(sizes)
  index, count = loader_shard(mesh)
  rows = np.split(np.arange(4.0)[:, None], count)[index]
  batch = put_batch(rows, mesh)
  with jax.set_mesh(mesh):
    weights = np.arange(1.0, 5.0)[:, None]
    total = jax.jit(lambda x: (x * weights).sum())(batch)
  assert float(total) == 20.0, (sizes, index, count, total)
print("lead" if runtime.is_lead() else "follower", jax.device_count())
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


def test_platform_is_that_of_the_mesh_in_force():
  assert runtime.traced_for_cpu()
  mesh = jax.sharding.AbstractMesh(
    (4,),
    ("data",),
    abstract_device=jax.sharding.AbstractDevice("TPU v5p", 1, "tpu"),
  )
  with jax.sharding.use_abstract_mesh(mesh):
    assert not runtime.traced_for_cpu()
