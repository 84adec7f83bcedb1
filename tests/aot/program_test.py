"""Compiled programs cost what arithmetic says, loops and devices included."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from scenetok_jax.aot import program, report
from scenetok_jax.aot.chips import CHIPS
from scenetok_jax.aot.hlo import parse
from scenetok_jax.aot.hlo_cost import Collective, cost
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.train.flops import count_flops
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config

ROOT = Path(__file__).parents[2]
RE10K = "configs/scenetok_re10k.py:embedded"
DEPTH, WIDTH, ROWS, DEVICES = 5, 16, 8, 4


def scanned(x, w):
  return jnp.sum(jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, w)[0])


def test_loops_count_as_often_as_they_run_and_devices_share_the_work():
  mesh = make_mesh({"data": DEVICES}, jax.devices()[:DEVICES])
  place = (NamedSharding(mesh, P("data")), NamedSharding(mesh, P()))
  x = jax.ShapeDtypeStruct((ROWS, WIDTH), jnp.float32, sharding=place[0])
  w = jax.ShapeDtypeStruct(
    (DEPTH, WIDTH, WIDTH), jnp.float32, sharding=place[1]
  )
  gradient = jax.jit(jax.grad(scanned, argnums=(0, 1)), out_shardings=place)
  found = cost(parse(gradient.lower(x, w).compile().as_text()))
  # Forward, and two products backward, of each layer.
  products = 3 * DEPTH * 2 * ROWS * WIDTH**2
  assert found.flops == products / DEVICES
  assert found.flops * DEVICES == count_flops(gradient, x, w)
  assert found.unknown_loops == 0
  # The weights' gradients are summed, once or layer by layer.
  assert {c.kind for c in found.collectives} == {"all-reduce"}
  payload = sum(c.payload * n for c, n in found.collectives.items())
  assert payload >= 4 * DEPTH * WIDTH**2


def test_bytes_sent_are_those_of_rings():
  four = (0, 1, 2, 3)
  assert Collective("all-reduce", 100, four).sent == 150
  assert Collective("all-gather", 100, four).sent == 300
  assert Collective("reduce-scatter", 100, four).sent == 75
  assert Collective("collective-permute", 100, (0, 3)).sent == 100
  assert Collective("all-reduce", 100, (0,)).sent == 0
  assert Collective("all-reduce", 100).sent == 0


@pytest.mark.parametrize(
  ("chip", "torus", "links"),
  [
    ("v5p", (), 2),
    ("v5p", (2, 2, 4), 3),
    ("v5p", (4, 4, 4), 6),
    ("v5p", (4, 4, 8), 6),
    ("v5e", (4, 4), 2),
    ("v5e", (16, 16), 4),
    ("v6e", (8, 16), 3),
  ],
)
def test_only_dimensions_whose_ends_are_joined_send_both_ways(
  chip, torus, links
):
  assert CHIPS[chip].links(torus) == links


def test_dimensions_of_a_collective_are_those_of_libtpu():
  text = (ROOT / "tests/aot/programs/all_reduce.hlo").read_text()
  (found,) = cost(parse(text)).collectives
  assert found == Collective("all-reduce", 64, tuple(range(8)), (2, 4))


def test_what_crosses_slices_goes_over_the_network_of_the_hosts():
  text = (ROOT / "tests/aot/programs/two_slices.hlo").read_text()
  found = cost(parse(text))
  size = 16 * 128 * 2
  within = Collective("all-reduce", size, (0, 1, 2, 3))
  between = Collective("all-reduce", size, (1, 2), between_slices=True)
  assert set(found.collectives) == {within, between}
  chip = CHIPS["v5p"]
  assert chip.sending(between) == chip.network < chip.sending(within)
  assert report.collectives(found)["all-reduce, between slices"] == {
    "count": 1,
    "bytes": size,
  }
  # Read for the sum and for the host, written by both: four times, and the
  # counter of the transfer.
  assert found.bytes == 4 * size + 4


def step_flops(**decoder) -> int:
  config = load_config(RE10K, [])
  config.data.batch_size = 2
  config.decoder.update(decoder)
  # Of one example. Not on one device: a lone CPU's norms sum by products.
  return (
    program.train_program(config, make_mesh({}, jax.devices()[:2])).flops // 2
  )


@pytest.mark.slow
def test_a_published_block_costs_what_its_formula_says():
  width, length, tokens = 1024, 8 * 8 * 8, 512
  hidden = int(2 / 3 * 4 * width)
  layer = (
    2 * length * width * 6 * width  # modulation, per token
    + 4 * 2 * length * width**2  # self-attention's projections
    + 4 * length**2 * width
    + 2 * 2 * length * width**2  # cross-attention: query, out
    + 2 * 2 * tokens * width**2  # key, value
    + 4 * length * tokens * width
    + 2 * length * width * 3 * hidden  # SwiGLU
  )
  forward_and_backward = 3 * 2 * layer
  assert step_flops(depth=4) - step_flops(depth=2) == forward_and_backward


def test_a_batch_that_does_not_divide_is_refused():
  config = load_config("configs/rooms.py:smoke", [])
  config.data.batch_size = 12
  with pytest.raises(InputError, match="12 examples do not divide over 8"):
    program.train_program(config, make_mesh({"data": 8}))


@pytest.mark.parametrize(
  "config, made",
  [
    ("rooms:smoke", {"frames": 8 * 2 * 6}),
    ("rooms:generator,smoke", {"scenes": 16}),
  ],
)
def test_rendering_makes_a_batch_on_every_replica(config, made):
  config = load_config(config, ["--config.remat=none"])
  mesh = make_mesh({"data": 8}, jax.devices()[:8])
  found = program.render_program(config, mesh, batch=2)
  noise = jax.tree.leaves(found.arguments)[-1]
  assert found.made == made and noise.shape[0] == 8 * 2
  assert report.rates(made, 0.5) in (
    {"frames": 96, "frames_per_second": 192.0},
    {"scenes": 16, "scenes_per_minute": 1920.0},
  )
  assert None in report.rates(made, None).values()


def for_tpus(*command):
  """The output of a module that libtpu compiles for, in a process."""
  if importlib.util.find_spec("libtpu") is None:
    pytest.skip("libtpu, which compiles for TPUs, is not installed")
  # It does not know every flag of the CPU's compiler.
  environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
  return subprocess.run(
    [sys.executable, "-m", *command], cwd=ROOT, check=True, env=environment,
    capture_output=True, text=True,
  ).stdout  # fmt: skip


@pytest.mark.slow
def test_programs_for_tpus_cost_what_is_counted_by_hand():
  found = json.loads(for_tpus("tests.aot.twins"))
  depth, width, rows = 16, 2048, 256
  layer = 2 * width**2  # bytes, in bfloat16
  product = found["product"]
  assert product["bytes"] == layer + 2 * 2 * rows * width
  assert product["flops"] == 2 * rows * width**2
  scanned, unrolled = found["scanned"], found["unrolled"]
  # The weights are read in the forward and in the backward pass.
  assert scanned["bytes"] == pytest.approx(2 * depth * layer, rel=0.05)
  assert scanned["bytes"] == pytest.approx(unrolled["bytes"], rel=0.05)
  assert scanned["flops"] == unrolled["flops"] == 2 * depth * product["flops"]
  examples, length, heads, size = 2, 512, 4, 64
  attention = found["attention"]
  assert attention["flops"] == 4 * examples * heads * length**2 * size
  # Query, key, value and output, and some of them with heads first.
  arrays = attention["bytes"] / (2 * examples * length * heads * size)
  assert 4 <= arrays <= 8


@pytest.mark.slow
def test_a_step_compiled_for_a_slice_has_the_analytic_flops(tmp_path):
  out = tmp_path / "program.json"
  for_tpus(
    "scenetok_jax.cli.aot", "--topology=v5e:2x2",
    "--config=configs/rooms.py:smoke", f"--json={out}",
  )  # fmt: skip
  found = json.loads(out.read_text())
  assert found["fits"] and found["chips"] == 4
  assert found["dtype"] == "bfloat16" and found["attention"] == "splash"
  assert found["remat"] == "dots" and found["tried"][0]["accumulate"] == 1
  assert found["hbm_bytes_per_chip"] <= found["hbm_capacity_bytes"]
  assert found["flops_ratio"] == pytest.approx(1.0, rel=0.02)
  assert found["loops_of_unknown_length"] == 0
  assert found["collective_bytes_per_chip"] > 0


@pytest.mark.slow
def test_slices_send_their_gradients_over_the_network(tmp_path):
  out = tmp_path / "program.json"
  for_tpus(
    "scenetok_jax.cli.aot", "--topology=v5e:2x2", "--slices=2",
    "--config=configs/rooms.py:smoke", f"--json={out}",
  )  # fmt: skip
  found = json.loads(out.read_text())
  assert found["chips"] == 8 and found["mesh"]["data"] == 8
  between = sum(
    row["bytes"]
    for kind, row in found["collectives"].items()
    if kind.endswith(", between slices")
  )
  assert 0 < between <= found["collective_bytes_per_chip"]
  assert found["flops_ratio"] == pytest.approx(1.0, rel=0.02)


@pytest.mark.slow
def test_rendering_on_one_chip_finds_its_largest_batch(tmp_path):
  out = tmp_path / "program.json"
  told = for_tpus(
    "scenetok_jax.cli.aot", "--topology=v5e:1x1", "--what=render", "--search",
    "--tries=2", "--config=configs/rooms.py:smoke", f"--json={out}",
  )  # fmt: skip
  found = json.loads(out.read_text())
  assert found["chips"] == 1 and found["fits"] and found["batch"] > 1
  first, second = found["tried"]
  assert first["batch"] == 1
  assert second["hbm_bytes_per_chip"] > first["hbm_bytes_per_chip"]
  assert found["frames"] == 6 * found["batch"]
  seconds = found["estimated_step_seconds"]
  assert found["frames_per_second"] == pytest.approx(found["frames"] / seconds)
  assert f"{found['frames']} frames a call, not decoded" in told
  assert f"batches compiled: 1 fits, {found['batch']} fits" in told
