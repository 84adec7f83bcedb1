"""GPU clusters: names, links, what a program for them costs."""

import math
from pathlib import Path

import pytest

from scenetok_jax.aot import gpus, groups
from scenetok_jax.aot.gpus import GPUS
from scenetok_jax.aot.hlo import parse
from scenetok_jax.aot.hlo_cost import Collective, cost
from scenetok_jax.aot.topology import parse_topology, topology_devices
from scenetok_jax.ops.compute import Compute
from scenetok_jax.train.flops import PEAKS
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config

PROGRAMS = Path(__file__).parent / "programs"
ROWS, WIDTH, LAYERS = 256, 64, 6
EXAMPLES, QUERIES, KEYS, HEADS, SIZE = 2, 128, 32, 8, 64


def test_calls_of_cublas_and_cudnn_cost_what_arithmetic_says():
  found = cost(parse((PROGRAMS / "gpu_calls.hlo").read_text()))
  product = 2 * ROWS * WIDTH**2
  attention = 2 * EXAMPLES * HEADS * QUERIES * KEYS * SIZE
  assert found.flops == LAYERS * product + (2 + 5) * attention
  assert found.unknown_loops == 0
  assert found.kernels == {
    "__cublas$gemm": LAYERS,
    "__cudnn$fmhaSoftmax": 1,
    "__cudnn$fmhaSoftmaxBackward": 1,
  }
  # In bfloat16; room to work in counts as none.
  query, key = (2 * EXAMPLES * n * HEADS * SIZE for n in (QUERIES, KEYS))
  statistics = 4 * EXAMPLES * HEADS * QUERIES
  forward = 2 * query + 2 * key + statistics
  backward = (3 + 1) * query + (2 + 2) * key + statistics
  layer = 2 * (2 * ROWS * WIDTH + WIDTH**2)
  assert found.bytes == LAYERS * layer + forward + backward


@pytest.mark.parametrize(
  "text, devices",
  [
    ("replica_groups={{0,2},{1,3}}", (0, 2)),
    ("replica_groups=[2,4]<=[8]", (0, 1, 2, 3)),
    ("replica_groups=[4,2]<=[2,4]T(1,0)", (0, 4)),
    ("replica_groups=mesh['a'=4,'b'=2] {'a'}", (0, 2, 4, 6)),
    ("replica_groups=mesh['a'=4,'b'=2] {'b'}", (0, 1)),
    ("replica_groups=mesh['a'=4,'b'=2] {'a','b'}", tuple(range(8))),
    ("replica_groups=mesh['a'=8] {'a':(2)4}", (0, 1, 2, 3)),
    ("replica_groups=mesh['a'=8] {'a':(1)2}", (0, 4)),
    ("source_target_pairs={{0,1},{1,2},{2,0}}", (2, 0)),
    ("to_apply=%add", ()),
  ],
)
def test_groups_are_read_however_they_are_written(text, devices):
  assert groups.members(f", channel_id=1, {text}, x=1") == devices


def test_what_leaves_a_node_takes_its_adapters():
  gpu, _ = parse_topology("h100:4x8")
  node, all_, one_each = range(8), range(32), range(0, 32, 8)

  def speed(members, kind="all-reduce"):
    return gpu.sending(Collective(kind, 1, tuple(members)))

  assert speed(node) == gpu.nvlink
  assert speed(all_) == 8 * gpu.network < gpu.nvlink
  assert speed(one_each) == gpu.network
  assert speed(all_, "all-to-all") == gpu.network
  assert speed((31, 0), "collective-permute") == gpu.network


def test_names_of_clusters():
  gpu, name = parse_topology("a100-80:3x4")
  assert (gpu.name, gpu.node, name) == ("a100-80", 4, "a100-80:3x4")
  assert parse_topology("v5p-128")[1] == "v5p:4x4x4"
  for wrong in ("h100:4x9", "h100:0x8", "h100:1x0"):
    with pytest.raises(InputError, match="NODESxGPUS with 1 to 8 GPUs a node"):
      parse_topology(wrong)
  for wrong in ("h101:1x8", "h100", "h100:8", "h100:1x2x4", "v5p:4"):
    with pytest.raises(InputError, match="GPU:NODESxGPUS with one of a100"):
      parse_topology(wrong)


@pytest.mark.parametrize(
  ("name", "wrong"), [("h100:1x8", "h100:2x8"), ("v4:2x2x1", "not been publ")]
)
def test_slices_are_of_tpus_whose_network_is_known(name, wrong):
  with pytest.raises(InputError, match=f"^--slices: .*{wrong}"):
    topology_devices(*parse_topology(name), slices=2)


@pytest.mark.parametrize("name", GPUS)
def test_every_gpu_is_described_as_a_run_would_find_it(name, monkeypatch):
  monkeypatch.setattr(gpus, "_version", lambda names: ["9", "1", "2"])
  gpu = GPUS[name]
  assert gpu.kind in PEAKS and gpu.kind in gpu.description
  text = gpus.target_text(gpu)
  assert text.count("{") == text.count("}") and gpu.description in text
  config = load_config("configs/scenetok_re10k.py", [])
  found = Compute.of(config, lambda: gpu)
  assert (found.dtype, found.attention) == ("bfloat16", "cudnn")
  config.dtype = "float32"  # cuDNN's has none for it
  assert Compute.of(config, lambda: gpu).attention == "xla"


def test_without_its_compiler_a_cluster_is_one_line(monkeypatch):
  monkeypatch.setattr(gpus, "PLUGINS", ("no_such_plugin",))
  with pytest.raises(InputError, match=r"not installed; .*'\.\[aot-gpu\]'"):
    topology_devices(*parse_topology("h100:1x8"))


def test_flags_given_to_a_run_are_left_to_it():
  ours = dict(gpus._options(""))
  assert ours["xla_gpu_enable_latency_hiding_scheduler"] is True
  name = "xla_gpu_all_reduce_combine_threshold_bytes"
  assert math.log2(int(ours[name])) == 27
  assert name not in dict(gpus._options(f"--{name}=1"))
