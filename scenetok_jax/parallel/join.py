"""Joins the processes of a job, or says in one line why it cannot."""

import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, NoReturn

import jax
from jax._src import clusters

from scenetok_jax.reading.shown import remark
from scenetok_jax.types import InputError, explained

# Launchers that JAX recognises, by the variable that holds the number of
# processes; of TPU slices there may be several of one host each.
_LAUNCHERS = (
  "SLURM_STEP_NUM_TASKS",
  "OMPI_COMM_WORLD_SIZE",
  "MEGASCALE_NUM_SLICES",
)
# JAX aborts then; train.hang says more, and sooner.
_HEARTBEAT_SECONDS = 300
_JOIN_SECONDS = 300.0  # JAX's own
_TOLD_SECONDS = 10.0  # between lines that say what is waited for
_OWN = "JAX_COORDINATOR_ADDRESS"


class Job(NamedTuple):
  """The coordinator, how many join it, which this is, its devices."""

  host: str
  port: int
  processes: int
  rank: int
  devices: Sequence[int] | None = None

  @property
  def address(self) -> str:
    """HOST:PORT."""
    return _address(self.host, self.port)


def initialize(seconds: float = _JOIN_SECONDS) -> None:
  """Joins the other processes of the job; does nothing for a lone process.

  Explicit: JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and
  JAX_PROCESS_ID. Otherwise SLURM, Open MPI and TPU slices are detected by
  JAX. Must run before the first use of a device.

  Process 0 listens at the coordinator's address, on all interfaces only where
  that is none of its own (a service's name). seconds: how long the processes
  wait for each other; then the process ends with status 2. InputError where the
  environment cannot be right, the port is taken, or process 0 does not answer.
  """
  if jax.distributed.is_initialized():
    return
  job = find_job()
  if job is None or job.processes == 1:
    return
  listens = None
  if job.rank == 0:
    listens = os.environ.get("JAX_COORDINATOR_BIND_ADDRESS") or _listens(job)
  else:
    _find_coordinator(job, seconds)
  with _deadline(job, seconds):
    jax.distributed.initialize(
      coordinator_address=job.address,
      num_processes=job.processes,
      process_id=job.rank,
      local_device_ids=job.devices,
      # It has been detected, or explicit variables win over the cluster.
      cluster_detection_method="deactivate",
      coordinator_bind_address=listens,
      # JAX would abort without a word.
      initialization_timeout=2 * round(seconds) + 60,
      heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
    )


def find_job() -> Job | None:
  """The job that the environment describes; None for a lone process."""
  if address := os.environ.get(_OWN):
    count, own = _integer("JAX_NUM_PROCESSES"), _integer("JAX_PROCESS_ID")
    return _checked(address, count, own)
  if _detected_processes() < 2 and not _on_tpu_vm():
    return None
  detect = clusters.ClusterEnv.auto_detect_unset_distributed_params
  remedy = f"set {_OWN}, JAX_NUM_PROCESSES and JAX_PROCESS_ID instead"
  problem = "environment: the processes of this cluster cannot be told"
  with explained(problem, remedy, Exception):
    found = detect(None, None, None, None, None, round(_JOIN_SECONDS))
  address, processes, rank, devices = found
  if address is None or processes is None or rank is None:
    raise InputError(f"{problem}: several are named, but no coordinator")
  return _checked(address, processes, rank)._replace(devices=devices)


def _checked(address: str, count: int, rank: int) -> Job:
  host, _, port = address.rpartition(":")
  if not host or not _is_number(port) or not 0 < int(port) < 2**16:
    raise InputError(
      f"environment: {_OWN}: {address[:200]!r} is no HOST:PORT with a port from"
      " 1 to 65535"
    )
  if count < 1:
    raise InputError("environment: JAX_NUM_PROCESSES: 0; set the number of all")
  if rank >= count:
    raise InputError(
      f"environment: JAX_PROCESS_ID: {rank}, but of {count} processes the last"
      f" is {count - 1}; JAX_NUM_PROCESSES is the number of all"
    )
  return Job(host.strip("[]"), int(port), count, rank)


def _listens(job: Job) -> str:
  """What process 0 binds; InputError for a port that somebody else has."""
  host = _resolve(job)[4][0]
  # A name of this machine that stands for itself alone (Debian's 127.0.1.1)
  # would keep the others out.
  alone = host.startswith("127.") and job.host not in ("localhost", host)
  for own in ([] if alone else [host]) + ["::", "0.0.0.0"]:
    family = socket.AF_INET6 if ":" in own else socket.AF_INET
    try:
      with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((own, job.port))
      return _address(own, job.port)
    except PermissionError as error:
      _refuse(job, error)
    except OSError as error:
      if error.errno == errno.EADDRINUSE:
        _refuse(job, error)
  return f"[::]:{job.port}"


def _refuse(job: Job, error: OSError) -> NoReturn:
  raise InputError(
    f"environment: {job.address}: process 0 cannot listen there"
    f" ({error.strerror}); choose another port for all processes"
  ) from error


def _find_coordinator(job: Job, seconds: float) -> None:
  """Waits until process 0 answers."""
  start = told = time.monotonic()
  while True:
    try:
      host, port = _resolve(job)[4][:2]
      socket.create_connection((str(host), int(port)), 2).close()
      return
    except (OSError, InputError) as error:
      problem = getattr(error, "strerror", None) or str(error)
    now = time.monotonic()
    if now - start > seconds:
      raise InputError(
        f"environment: process 0 does not answer at {job.address} after"
        f" {seconds:g} s ({problem}); start it, with the same address"
      )
    if now - told > _TOLD_SECONDS:
      remark(f"waiting for process 0 at {job.address}")
      told = now
    time.sleep(min(0.2, seconds))


def _resolve(job: Job) -> tuple:
  problem = f"environment: {job.host[:200]!r} is no host known here"
  with explained(problem, f"see {_OWN}", OSError, UnicodeError):
    kind = socket.SOCK_STREAM
    return socket.getaddrinfo(job.host, job.port, type=kind)[0]


@contextlib.contextmanager
def _deadline(job: Job, seconds: float) -> Iterator[None]:
  """Ends the process with one line where the others do not come."""

  def end() -> None:
    text = (
      f"scenetok: error: {job.processes} processes were to meet at"
      f" {job.address}, and not all came within {seconds:g} s; start all of"
      " them, each with its own JAX_PROCESS_ID"
    )
    remark(text)
    os._exit(2)

  timer = threading.Timer(seconds, end)
  timer.daemon = True
  timer.start()
  try:
    yield
  finally:
    timer.cancel()


def _address(host: str, port: int) -> str:
  return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_number(text: str) -> bool:
  return text.isascii() and text.isdecimal() and len(text) < 10


def _integer(name: str) -> int:
  text = os.environ.get(name, "")
  if not _is_number(text):
    raise InputError(
      f"environment: {name}: {text[:200]!r} is not a number; set it beside"
      f" {_OWN}, or unset both"
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
  counts = []
  for name in _LAUNCHERS:
    text = os.environ.get(name, "1")
    if not _is_number(text):
      raise InputError(
        f"environment: {name}: {text[:200]!r} is not a number; unset it where"
        " this process is alone"
      )
    counts.append(int(text))
  workers = os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",")
  return max([*counts, len(workers)])
