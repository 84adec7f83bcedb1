"""Gradients are reduced over devices in the type and as often as asked."""

import re
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.aot.hlo import parse
from scenetok_jax.aot.hlo_cost import cost
from scenetok_jax.model import build
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import param_shardings, place_params, put_batch
from scenetok_jax.train import state as train_state
from scenetok_jax.train.dry_run import dry_run
from scenetok_jax.train.gradients import Reduction
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.shapes import stage_task
from scenetok_jax.train.step import make_step
from scenetok_jax.train.task import LossParts, StepLoss, Task
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.stored_config import is_free
from tests import networks

LAYERS, WIDTH, BATCH, PARTS = 3, 8, 32, 2
OPTIMIZER = Optimizer(
  learning_rate=0.1, schedule="constant", warmup_steps=0, skip_threshold=1e9
)
STAGES = ("rooms.py:smoke", "rooms.py:generator,smoke")


def layered(dtype, reduction, count=PARTS):
  """Mesh, jitted step and its arguments: a scan of layers, as in stack()."""

  def draw(frozen, batch, key):
    del frozen
    return batch + 0.1 * jax.random.normal(key, batch.shape), jnp.float32(0.5)

  def loss(params, frozen, drawn, step):
    del step
    x, share = drawn

    def layer(x, kernel):
      return jnp.tanh(x @ kernel.astype(dtype)), None

    out = jax.lax.scan(layer, x.astype(dtype), params["up"]["kernel"])[0]
    error = jnp.square(out.astype(jnp.float32) - x).mean(axis=1)
    return StepLoss(share * frozen * error, {"error": error})

  def init(key):
    return {"up": {"kernel": jax.random.normal(key, (LAYERS, WIDTH, WIDTH))}}

  parts, mesh = LossParts(draw, loss), make_mesh()
  task = Task(init, parts.whole, jnp.float32(2.0), parts)
  with jax.set_mesh(mesh):
    state = train_state.create(init, OPTIMIZER, jax.random.key(0), mesh)
    batch = np.random.default_rng(0).normal(size=(BATCH, WIDTH)).astype("f")
    step = jax.jit(
      make_step(task, OPTIMIZER, count, reduction),
      out_shardings=(param_shardings(state, mesh), None),
    )
    frozen = place_params(task.frozen, mesh)
    return mesh, step, (
      state, frozen, put_batch(batch, mesh), jax.random.key(1),
    )  # fmt: skip


@pytest.fixture
def compiles():
  """Nothing is kept for later runs: a program read back leaves no dump."""
  name = "jax_persistent_cache_min_compile_time_secs"
  before = getattr(jax.config, name)
  jax.config.update(name, 1e6)
  yield
  jax.config.update(name, before)


def reductions(reduction, folder):
  """Types of reduced weights; how often a step reduces some, and all of them.

  Of bfloat16 layers. Types are those of the partitioned program: a CPU widens
  bfloat16 later.
  """
  mesh, step, arguments = layered(jnp.bfloat16, reduction)
  with jax.set_mesh(mesh):
    compiled = step.lower(*arguments).compile(
      compiler_options={
        "xla_dump_to": str(folder),
        "xla_dump_hlo_pass_re": "spmd-partition.*",
      }
    )
  (file,) = folder.glob("*after_spmd-partitioning*")
  lines = re.findall(r"= (.*) all-reduce\(", file.read_text())
  types = Counter(re.findall(r"(\w+)\[[\d,]*8,8\]", " ".join(lines)))
  found = cost(parse(compiled.as_text())).collectives
  weights = LAYERS * WIDTH**2
  # A layer's weights or more, at the CPU's four bytes.
  often = sum(n for c, n in found.items() if c.payload >= 4 * WIDTH**2)
  sent = sum(n * c.payload for c, n in found.items())
  return set(types), often, round(sent / (4 * weights))


def test_the_compiler_reduces_every_micro_batch_in_the_compute_type(
  tmp_path, compiles
):
  types, often, sent = reductions(None, tmp_path)
  assert types == {"bf16"} and often >= PARTS and sent == PARTS


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("deferred", [False, True])
def test_weights_are_reduced_once_in_the_type_asked_for(
  tmp_path, compiles, dtype, deferred
):
  types, often, sent = reductions(Reduction(dtype, deferred), tmp_path)
  assert types == {{"float32": "f32", "bfloat16": "bf16"}[dtype]}
  assert often == sent == (1 if deferred else PARTS)


@pytest.mark.parametrize("count", [1, PARTS])
@pytest.mark.parametrize("deferred", [False, True])
def test_gradients_equal_those_that_the_compiler_reduces(count, deferred):
  found = []
  for reduction in (None, Reduction("float32", deferred)):
    mesh, step, arguments = layered(jnp.float32, reduction, count)
    with jax.set_mesh(mesh):
      state, metrics = step(*arguments)
      found.append(jax.device_get((state.opt_state.mu, metrics)))
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), *found
  )
  assert found[0][1]["grad_norm"] > 0.1


def stage(spec, *overrides):
  """(config, model, task) of a stage, its weights drawn."""
  config = load_config(f"configs/{spec}", list(overrides))
  config.train.accumulate = PARTS
  config.data.batch_size = 8
  model = build(config)
  return config, model, stage_task(config, model)


@pytest.mark.slow
@pytest.mark.parametrize("spec", STAGES)
def test_a_stage_steps_as_the_compiler_reduces(spec):
  config, model, task = stage(spec)
  mesh = make_mesh({"data": 4, "tensor": 2})
  optimizer = Optimizer.of(config)
  params = networks.drawn(task.init)
  frozen = networks.drawn(lambda key: task.frozen)
  found = []
  with jax.set_mesh(mesh):
    batch = networks.scenes(config, model, mesh)
    for reduction in (None, Reduction("float32", True)):
      state = place_params(train_state.at_start(params, optimizer), mesh)
      step = networks.quick_jit(make_step(task, optimizer, PARTS, reduction))
      state, metrics = step(state, frozen, batch, jax.random.key(0))
      found.append(jax.device_get((state.opt_state.mu, metrics)))
  (moments, metrics), (apart, apart_metrics) = found
  assert np.isfinite(metrics["loss"]) and metrics["grad_norm"] > 0
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5),
    apart_metrics,
    metrics,
  )
  networks.assert_same(apart, moments, 1e-4)


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"reduce_dtype": "float16"}, "reduce_dtype: 'float16' is no type"),
    ({"reduce_dtype": "float32", "mesh": "fsdp"}, "reduce_dtype: .*mesh.fsdp"),
    ({"defer_reduction": True, "mesh": "fsdp"}, "defer_reduction: .*mesh.fsdp"),
    (
      {"defer_reduction": True, "mesh": "sequence"},
      r"defer_reduction: .*mesh\.sequence=1",
    ),
  ],
)
def test_what_cannot_be_given_is_refused_before_a_run(
  tmp_path, fields, message
):
  fields = dict(fields)
  config = load_config("configs/rooms.py:smoke", [])
  if axis := fields.pop("mesh", None):
    config.mesh[axis] = 2
  config.train.update(fields)
  with pytest.raises(InputError, match=rf"^config\.train\.{message}"):
    dry_run(config, tmp_path / "run", devices=8, read=False)


def test_unset_fields_leave_it_to_the_compiler():
  config = load_config("configs/rooms.py:smoke", [])
  sizes = {"data": 2, "fsdp": 2, "tensor": 1, "sequence": 2}
  assert Reduction.of(config, sizes) is None
  config.train.defer_reduction = False
  assert Reduction.of(config, sizes) is None
  sizes |= {"fsdp": 1, "sequence": 1}
  config.train.defer_reduction, config.dtype = True, "bfloat16"
  assert Reduction.of(config, sizes) == Reduction("bfloat16", True)
  config.train.reduce_dtype = "float32"
  assert Reduction.of(config, sizes) == Reduction("float32", True)


def test_a_loss_in_one_part_cannot_be_taken_apart():
  task = Task(init=None, loss=None, frozen={})
  with pytest.raises(ValueError, match="parts"):
    make_step(task, OPTIMIZER, PARTS, Reduction("float32", True))


def test_a_run_may_go_on_with_another_reduction():
  assert is_free("train.reduce_dtype") and is_free("train.defer_reduction")
