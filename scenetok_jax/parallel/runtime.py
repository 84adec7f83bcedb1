"""A run that may span several processes: its start, bytes between them."""

import os

import jax
import numpy as np
from jax.experimental import multihost_utils

from scenetok_jax.types import InputError

# Launchers that jax.distributed recognises, by the variable that holds the
# number of processes; of TPU slices there may be several of one host each.
_LAUNCHERS = (
  "SLURM_STEP_NUM_TASKS",
  "OMPI_COMM_WORLD_SIZE",
  "MEGASCALE_NUM_SLICES",
)
# JAX aborts then; train.hang says more, and sooner.
_HEARTBEAT_SECONDS = 300


def initialize() -> None:
  """Joins the other processes of the job; does nothing for a lone process.

  Explicit: JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and
  JAX_PROCESS_ID. Otherwise SLURM, Open MPI and TPU slices are detected by
  jax.distributed itself. Must run before the first use of a device.
  """
  if jax.distributed.is_initialized():
    return
  if os.environ.get("JAX_COORDINATOR_ADDRESS"):
    count = _integer("JAX_NUM_PROCESSES")
    if count > 1:
      # Explicit variables win over whatever cluster the job runs in.
      jax.distributed.initialize(
        coordinator_address=os.environ["JAX_COORDINATOR_ADDRESS"],
        num_processes=count,
        process_id=_integer("JAX_PROCESS_ID"),
        cluster_detection_method="deactivate",
        heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
      )
  elif _detected_processes() > 1 or _on_tpu_vm():
    jax.distributed.initialize(heartbeat_timeout_seconds=_HEARTBEAT_SECONDS)


def is_lead() -> bool:
  """True in the one process that writes logs, reports and configs."""
  return jax.process_index() == 0


def gather_bytes(data: bytes) -> list[bytes]:
  """What each process gave, in their order; every process must call it.

  Exact: arrays sent as they are would be rounded to float32 on the way.
  """
  if jax.process_count() == 1:
    return [data]
  sent = np.frombuffer(data, np.uint8)
  counts = multihost_utils.process_allgather(
    np.array([len(sent)], np.int32)
  ).ravel()
  padded = np.pad(sent, (0, max(counts.max(), 1) - len(sent)))
  rows = np.asarray(multihost_utils.process_allgather(padded))
  return [row[:n].tobytes() for row, n in zip(rows, counts, strict=True)]


def quick_compile_options(platform: str) -> dict[str, int]:
  """compiler_options for functions that run once, such as an init.

  On CPU, LLVM spends about 1.5 s on each random draw at the default level
  and a fifth of that at level 1. A level in XLA_FLAGS wins.
  """
  name = "xla_backend_optimization_level"
  quick = platform == "cpu" and name not in os.environ.get("XLA_FLAGS", "")
  return {name: 1} if quick else {}


def _integer(name: str) -> int:
  text = os.environ.get(name, "")
  if not text.isdigit():
    raise InputError(
      f"environment: {name}: {text!r} is not a number; set it beside"
      " JAX_COORDINATOR_ADDRESS, or unset both"
    )
  return int(text)


def _on_tpu_vm() -> bool:
  """Whether this is a Cloud TPU VM; its metadata server knows the others.

  Importing jax has set the first variable where it found chips and libtpu,
  and the second where it found none.
  """
  wanted = os.environ.get("JAX_PLATFORMS") or "tpu"
  return (
    "tpu" in wanted.split(",")
    and "TPU_ML_PLATFORM" in os.environ
    and "TPU_SKIP_MDS_QUERY" not in os.environ
  )


def _detected_processes() -> int:
  counts = [int(os.environ.get(name, "1")) for name in _LAUNCHERS]
  workers = os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",")
  return max([*counts, len(workers)])
