"""What is known of NVIDIA GPUs and their clusters: memory, links, devices."""

import importlib.metadata
import importlib.util
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scenetok_jax.aot.hlo_cost import Collective
from scenetok_jax.train.flops import PEAKS
from scenetok_jax.types import InputError, explained

PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin")
_CUDNN = ("nvidia-cudnn-cu12", "nvidia-cudnn-cu13")
_COMPILER = ("nvidia-cuda-nvcc-cu12", "nvidia-cuda-nvcc")
_TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_FLAGS = (
  Path(__file__).with_name("gpu_flags.txt").read_text("utf-8").splitlines()
)
# A run times its own kernels for products against cuBLAS's, on the device; an
# untimed choice would be a poor one of the former.
_UNTIMED = {"xla_gpu_enable_triton_gemm": False}
_INSTALL = "it compiles on any machine: pip install -e '.[aot-gpu]'"
# XLA's description of a GPU, in protobuf's text format.
_TARGET = """
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  threads_per_core_limit: 2048
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  shared_memory_per_block: 49152
  shared_memory_per_core: {gpu.shared_memory}
  shared_memory_per_block_optin: {gpu.shared_memory_block}
  core_count: {gpu.cores}
  fpus_per_core: {gpu.units}
  l2_cache_size: {gpu.cache}
  clock_rate_ghz: {gpu.clock}
  device_memory_size: {gpu.memory}
  memory_bandwidth: {gpu.bandwidth:.0f}
  cuda_compute_capability {{ major: {major} minor: {minor} }}
}}
platform_name: "CUDA"
dnn_version_info {{ major: {dnn[0]} minor: {dnn[1]} patch: {dnn[2]} }}
runtime_version {{ major: {cuda[0]} minor: {cuda[1]} patch: {cuda[2]} }}
device_description_str: "{gpu.description}"
"""


class Gpu(NamedTuple):
  """One GPU; gpus.toml holds the units. node: GPUs of a node."""

  name: str
  kind: str
  description: str
  compute_capability: str
  cores: int
  units: int
  shared_memory: int
  shared_memory_block: int
  cache: int
  clock: float
  memory: int
  bandwidth: float
  nvlink: float
  network: float
  node: int = _TABLES["node"]

  @property
  def platform(self) -> str:
    """As JAX calls it."""
    return "gpu"

  @property
  def links_text(self) -> str:
    """What `sending` assumes, in words."""
    return (
      "collectives within a node over NVLink, others over as many network"
      " adapters as the group has GPUs in a node"
    )

  @property
  def hbm(self) -> int:
    """Bytes that a run may use."""
    return int(_TABLES["share"] * self.memory)

  @property
  def flops(self) -> float:
    """Peak FLOP/s in bfloat16."""
    return PEAKS[self.kind][0]

  def sending(self, collective: Collective) -> float:
    """Bytes/s that a GPU sends in a collective.

    Rings of a group leave each node by all of the group's adapters there, so
    that each of its GPUs sends at the speed of all, NVLink's at most. What
    goes from one to one takes that GPU's.
    """
    nodes = Counter(member // self.node for member in collective.members)
    if len(nodes) < 2:
      return self.nvlink
    if collective.kind in ("all-to-all", "collective-permute"):
      return self.network
    return min(self.nvlink, min(nodes.values()) * self.network)

  def efforts(self) -> list[dict[str, Any]]:
    """Compiler options to try: those of runs, which need no second try."""
    return [_UNTIMED | dict(_options(os.environ.get("XLA_FLAGS", "")))]


GPUS = {name: Gpu(name, **row) for name, row in _TABLES["chips"].items()}


def parse_cluster(name: str) -> Gpu | None:
  """'h100:4x8' -> the GPU, its node set; None for what names no GPU."""
  match = re.fullmatch(r"([\w-]+):(\d+)x(\d+)", name)
  if match is None or match[1] not in GPUS:
    return None
  most = GPUS[match[1]].node
  if not (int(match[2]) and 1 <= int(match[3]) <= most):
    raise InputError(
      f"--topology: {name!r}: give NODESxGPUS with 1 to {most} GPUs a node,"
      f" such as {match[1]}:4x{most}"
    )
  return GPUS[match[1]]._replace(node=int(match[3]))


def cluster_devices(gpu: Gpu, name: str) -> list[Any]:
  """The devices of a cluster, described by XLA for GPUs, if it is installed.

  gpu, name: of parse_cluster. They are those of one process a node.
  """
  if not any(map(importlib.util.find_spec, PLUGINS)):
    raise InputError(f"--topology: XLA for GPUs is not installed; {_INSTALL}")
  target = target_text(gpu)
  os.environ.update({**_TABLES["environment"], **os.environ})
  from jax.experimental import topologies

  nodes = name.partition(":")[2].partition("x")[0]
  with explained(f"--topology: {name!r}: XLA refuses it", _INSTALL, Exception):
    found = topologies.get_topology_desc(
      platform="cuda",
      topology_name=gpu.name,
      target_config=target,
      topology=f"1x{nodes}x{gpu.node}",
    )
    return list(found.devices)


def target_text(gpu: Gpu) -> str:
  """A GPU with the installed compiler and cuDNN, as XLA is told of them."""
  major, minor = gpu.compute_capability.split(".")
  return _TARGET.format(
    gpu=gpu, major=major, minor=minor, dnn=_version(_CUDNN),
    cuda=_version(_COMPILER),
  )  # fmt: skip


def _version(names: Sequence[str]) -> list[str]:
  """major, minor, patch of the first of these packages that is installed."""
  for name in names:
    try:
      return importlib.metadata.version(name).split(".")[:3]
    except importlib.metadata.PackageNotFoundError:
      continue
  raise InputError(f"--topology: {names[0]} is not installed; {_INSTALL}")


def _options(given: str) -> Iterator[tuple[str, Any]]:
  """The compiler's flags as options, but those given in XLA_FLAGS."""
  named = {flag.partition("=")[0] for flag in given.split()}
  for line in _FLAGS:
    flag, _, value = line.partition("=")
    if flag.startswith("--") and flag not in named:
      yield flag.removeprefix("--"), {"true": True}.get(value, value)
