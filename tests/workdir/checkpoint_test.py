"""Checkpoints are complete or invisible and restore onto any mesh."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.convert.compact import PARAMS_FILE, save_compact
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import place_params
from scenetok_jax.train import state as train_state
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.types import InputError
from scenetok_jax.workdir import checkpoint

MESH = {"data": 2, "fsdp": 2, "tensor": 2, "sequence": 1}
OPTIMIZER = Optimizer(ema_decay=0.9)


def init(key, width=16):
  return {
    "mlp": {"up": {"kernel": jax.random.normal(key, (8, width))}},
    "scene_tokens": jnp.ones((1, 4, 8)),
  }


def make_state(mesh, seed=0):
  return train_state.create(init, OPTIMIZER, jax.random.key(seed), mesh)


def target(mesh, width=16):
  return train_state.abstract(
    lambda key: init(key, width), OPTIMIZER, jax.random.key(0), mesh
  )


def assert_equal(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


def save(folder, state, step=1, **more):
  with checkpoint.Checkpointer(folder, every=1) as saver:
    assert saver.save(step, state, {"next": step}, {"seed": 0}, **more)
    saver.wait()


@pytest.mark.faults("another mesh")
@pytest.mark.parametrize("sizes", [MESH, {"data": 8}, {"data": 1, "fsdp": 8}])
def test_restores_onto_another_mesh(tmp_path, sizes):
  state = make_state(make_mesh(MESH))
  save(tmp_path, state)
  mesh = make_mesh(sizes)
  with checkpoint.Checkpointer(tmp_path, every=1) as saver:
    restored, data = saver.restore(target(mesh))
  assert data == {"next": 1}
  assert isinstance(restored, train_state.TrainState)
  assert_equal(restored, state)
  kernel = restored.params["mlp"]["up"]["kernel"]
  assert kernel.sharding == target(mesh).params["mlp"]["up"]["kernel"].sharding


def test_restored_state_steps_on(tmp_path):
  mesh = make_mesh(MESH)
  save(tmp_path, make_state(mesh))
  with checkpoint.Checkpointer(tmp_path, every=1) as saver:
    state, _ = saver.restore(target(mesh))
  step = jax.jit(
    lambda s: train_state.apply_gradients(s, s.params, OPTIMIZER)[0],
    donate_argnums=0,
  )
  assert int(step(state).step) == 1


def test_saves_at_the_interval_and_keeps_the_newest(tmp_path):
  state = make_state(make_mesh())
  with checkpoint.Checkpointer(tmp_path, every=2, keep=2) as saver:
    saved = [n for n in range(1, 8) if saver.save(n, state, {}, {})]
    saver.wait()
    assert saved[-2:] == [4, 6]
    assert saver.save(7, state, {}, {}, force=True)
    assert not saver.save(7, state, {}, {}, force=True)
    saver.wait()
    assert saver.latest_step() == 7
  steps = [p.name for p in (tmp_path / "checkpoints").iterdir() if p.is_dir()]
  assert sorted(steps) == ["6", "7"]


def test_state_may_be_donated_right_after_a_save(tmp_path):
  mesh = make_mesh(MESH)
  state = make_state(mesh)
  copy = jax.tree.map(np.array, state)
  destroy = jax.jit(
    lambda s: jax.tree.map(lambda x: x * 0 - 1, s), donate_argnums=0
  )
  with checkpoint.Checkpointer(tmp_path, every=1) as saver:
    saver.save(1, state, {}, {})
    jax.block_until_ready(destroy(state))
    saver.wait()
    restored, _ = saver.restore(target(mesh))
  assert_equal(restored, copy)


@pytest.mark.faults("a half-written checkpoint")
def test_half_written_checkpoint_is_invisible(tmp_path):
  state = make_state(make_mesh())
  save(tmp_path, state)
  folder = tmp_path / "checkpoints"
  half = folder / "2.orbax-checkpoint-tmp"
  (half / "state").mkdir(parents=True)
  (half / "state" / "manifest").write_text("cut")
  assert checkpoint.latest_step(tmp_path) == 1
  with checkpoint.Checkpointer(tmp_path, every=1) as saver:
    assert saver.latest_step() == 1
    assert saver.save(2, state, {}, {})
    saver.wait()
    assert saver.latest_step() == 2
  assert not half.exists()


KILLED = """
import sys
sys.path[:0] = {path!r}
from tests.workdir.checkpoint_test import *
state = jax.jit(lambda: {{"params": jnp.ones((64, 1 << 16))}})()
with checkpoint.Checkpointer({folder!r}, every=1, keep=3) as saver:
  print("ready", flush=True)
  for n in range(1, 10**6):
    saver.save(n, state, {{"next": n}}, {{}})
"""


@pytest.mark.faults("SIGKILL while saving")
def test_killed_while_saving_leaves_only_complete_checkpoints(tmp_path):
  code = KILLED.format(path=sys.path, folder=str(tmp_path))
  with subprocess.Popen(
    [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
  ) as child:
    for line in child.stdout:
      if "ready" in line:
        break
    time.sleep(1.3)
    os.kill(child.pid, signal.SIGKILL)
  step = checkpoint.latest_step(tmp_path)
  params = checkpoint.restore_params(tmp_path)
  assert params.shape == (64, 1 << 16) and bool((params == 1).all())
  with checkpoint.Checkpointer(tmp_path, every=1) as saver:
    assert saver.latest_step() == step
  names = [p.name for p in (tmp_path / "checkpoints").iterdir() if p.is_dir()]
  assert all(name.isdigit() for name in names)


def test_parameters_alone_restore_on_any_device_count(tmp_path):
  state = make_state(make_mesh(MESH))
  save(tmp_path, state)
  for mesh in (None, make_mesh(devices=jax.devices()[:1])):
    assert_equal(checkpoint.restore_params(tmp_path, mesh=mesh), state.params)
  ema = checkpoint.restore_params(tmp_path, item="ema", target=state.params)
  assert_equal(ema, state.ema)


def test_exported_parameters_come_back_in_float32(tmp_path):
  params = jax.tree.map(
    lambda x: x.astype(jnp.bfloat16), make_state(make_mesh()).params
  )
  checkpoint.save_params(tmp_path, params, {"seed": 0}, step=12)
  assert checkpoint.latest_step(tmp_path) == 12
  restored = checkpoint.restore_params(tmp_path, item="ema")
  assert restored["scene_tokens"].dtype == jnp.float32
  assert_equal(restored, params)


def test_errors_name_folder_and_parameter(tmp_path):
  with pytest.raises(InputError, match="no complete checkpoint"):
    checkpoint.restore_params(tmp_path)
  mesh = make_mesh()
  save(tmp_path, make_state(mesh))
  with checkpoint.Checkpointer(tmp_path, every=1) as saver:
    message = r"up/kernel is \[8, 16\], the model's \[8, 32\]"
    with pytest.raises(InputError, match=message):
      saver.restore(target(mesh, width=32))
  with pytest.raises(InputError, match=r"1 missing \(\S*other"):
    checkpoint.restore_params(tmp_path, target={"other": jnp.ones(3)})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_parameters_that_are_not_finite_are_refused(tmp_path, value):
  params = {"a": np.ones((9, 8), np.float32), "b": np.ones(3, np.float32)}
  params["a"][8, 7] = value
  told = r"1 of 2 parameters are not finite \(a among them\)"
  mesh = make_mesh()
  placed = place_params(params, mesh)
  checkpoint.save_params(tmp_path / "run", placed, {})
  save_compact(tmp_path / PARAMS_FILE, params, 1)
  for folder in (tmp_path / "run", tmp_path):
    with pytest.raises(InputError, match=told) as caught:
      checkpoint.restore_params(folder)
    assert str(folder) in str(caught.value)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
  (tmp_path / "checkpoints").write_text("a file")
  with pytest.raises(InputError, match="cannot be made"):
    checkpoint.Checkpointer(tmp_path, every=1)


@contextlib.contextmanager
def full_disk():
  """Files may not grow over 100 kB."""
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def names(folder):
  return sorted(p.name for p in (folder / "checkpoints").iterdir())


def large_state():
  draw = jax.jit(lambda key: {"params": jax.random.bits(key, (64, 1 << 14))})
  return draw(jax.random.key(0))


@pytest.mark.faults("a failed save")
def test_a_failed_save_is_told_and_followed_by_another(tmp_path, capfd):
  state = large_state()
  with checkpoint.Checkpointer(tmp_path, every=20, keep=1) as saver:
    for step in range(1, 71):
      with full_disk() if 40 <= step < 44 else contextlib.nullcontext():
        saver.save(step, state, {}, {})
        while step in (20, 40, 42) and saver._manager.is_saving_in_progress():
          time.sleep(0.01)
      # Found and tried again after a tenth of the interval, twice in vain.
      assert saver.latest_step() == (
        20 if 20 <= step < 40 else 40 if step < 42 else 42 if step < 44
        else 44 if step < 60 else 60
      ) or step < 20  # fmt: skip
    saver.wait()
  assert names(tmp_path) == ["60"]
  lines = [
    x for x in capfd.readouterr().err.splitlines() if "could not be" in x
  ]
  assert len(lines) == 2 and all("complete one is 20" in x for x in lines)
  assert "(1 of 3 failed)" in lines[0] and "(2 of 3 failed)" in lines[1]


@pytest.mark.faults("a disk that stays full")
def test_a_run_ends_after_three_failed_saves_in_a_row(tmp_path, monkeypatch):
  monkeypatch.setattr(checkpoint, "PAUSE", 0)
  state = large_state()
  with checkpoint.Checkpointer(tmp_path, every=1) as saver:
    saver.save(1, state, {}, {})
    assert saver.wait()
    with full_disk():
      for _ in range(2):
        assert saver.save(2, state, {}, {}, force=True)
        assert not saver.wait()
        assert names(tmp_path) == ["1"]
      saver.save(2, state, {}, {}, force=True)
      with pytest.raises(InputError, match=r"could not .* complete one is 1$"):
        saver.wait()
    # A save that succeeds makes the count start anew.
    assert saver.save(3, state, {}, {}, force=True) and saver.wait()
  assert checkpoint.latest_step(tmp_path) == 3


def test_every_permanent_step_is_kept(tmp_path):
  state = make_state(make_mesh())
  with checkpoint.Checkpointer(
    tmp_path, every=2, keep=1, permanent_every=5
  ) as saver:
    for step in range(1, 13):
      saver.save(step, state, {}, {})
    saver.wait()
  assert names(tmp_path) == ["10", "12", "5"]
  with pytest.raises(InputError, match="permanent_every: 1, 1 and -1 must be"):
    checkpoint.Checkpointer(tmp_path, every=1, keep=1, permanent_every=-1)


PROCESS = """
import sys
sys.path[:0] = {path!r}
from scenetok_jax.parallel import join
join.initialize()
from tests.workdir.checkpoint_test import *
with checkpoint.Checkpointer({folder!r}, every=2) as saver:
  state = make_state(make_mesh({{"data": 1, "fsdp": 2, "tensor": 2}}))
  assert not saver.save(1, state, {{"next": 1}}, {{}})
  assert saver.save(2, state, {{"next": 2}}, {{}})
  saver.wait()
# As after a restart: the steps come from the lead.
with checkpoint.Checkpointer(
  {folder!r}, every=2, keep=1, permanent_every={permanent}
) as saver:
  for step in (4, 6, 8):
    assert saver.save(step, state, {{"next": step}}, {{}})
    saver.wait()
"""


@pytest.mark.faults("another process count")
@pytest.mark.parametrize(
  ("permanent", "kept"),
  [
    (0, ["8"]),
    pytest.param(4, ["4", "8"], marks=pytest.mark.slow),
    pytest.param(10**12, ["8"], marks=pytest.mark.slow),
  ],
)
def test_two_processes_go_on_and_one_restores(tmp_path, permanent, kept):
  code = PROCESS.format(
    path=sys.path, folder=str(tmp_path), permanent=permanent
  )
  children = launch_processes(code, 2)
  for child, errors in children:
    assert child.returncode == 0, errors[-2000:]
  mesh = make_mesh(MESH)
  with checkpoint.Checkpointer(tmp_path, every=1) as saver:
    restored, data = saver.restore(target(mesh))
  assert data == {"next": 8} and names(tmp_path) == kept
  assert_equal(restored, make_state(mesh))


REPLICAS = """
import sys
sys.path[:0] = {path!r}
listed = []
sys.addaudithook(lambda event, args: listed.append(event) if event in (
  "os.listdir", "os.scandir") and str(args[0]) == {folder!r} + "/checkpoints"
  else None)
from scenetok_jax.parallel import join
join.initialize()
import tensorstore
from tests.workdir.checkpoint_test import *

def bytes_read():
  found = tensorstore.experimental_collect_matching_metrics(
    "/tensorstore/kvstore/file/bytes_read")
  return sum(entry["value"] for metric in found for entry in metric["values"])

mesh = make_mesh({mesh})
def build(key):
  params = {{"a": {{"up": {{"kernel": jax.random.normal(key, (512, 512))}}}}}}
  params["b"] = {{"up": {{"kernel": jax.random.normal(key, (513, 257))}}}}
  params["scale"] = jnp.full(5, -0.0)
  return params
state = train_state.create(build, OPTIMIZER, jax.random.key(0), mesh)
wanted = train_state.abstract(build, OPTIMIZER, jax.random.key(0), mesh)
with checkpoint.Checkpointer({folder!r}, every=1) as saver:
  saver.save(1, state, {{"next": 1}}, {{}})
  saver.wait()
before, listed[:] = bytes_read(), []
with checkpoint.Checkpointer({folder!r}, every=1) as saver:
  restored, data = saver.restore(wanted)
read = bytes_read() - before
assert data == {{"next": 1}}
for new, old in zip(jax.tree.leaves(restored), jax.tree.leaves(state)):
  assert new.sharding == old.sharding
  for a, b in zip(new.addressable_shards, old.addressable_shards):
    assert a.device == b.device
    assert np.asarray(a.data).tobytes() == np.asarray(b.data).tobytes()
reader = jax.process_index() == 0
# Half of what divides, and of the rest all or nothing.
assert 900_000 < read < 2_100_000, read
assert (read > 1_500_000) == (reader or {everybody}), read
# Once for what was left half-written, once for the steps.
assert len(listed) == (2 if reader else 0), listed
"""


@pytest.mark.slow
@pytest.mark.parametrize(
  ("mesh", "everybody"),
  [
    ({"data": 2, "fsdp": 2}, False),
    # Two replicas on each process: Orbax's own option refuses this.
    ({"data": 4}, False),
    ({"data": 1, "tensor": 4}, True),
  ],
)
def test_one_replica_reads_and_all_have_the_same_bits(
  tmp_path, mesh, everybody
):
  code = REPLICAS.format(
    path=sys.path, folder=str(tmp_path), mesh=mesh, everybody=everybody
  )
  for child, errors in launch_processes(code, 2):
    assert child.returncode == 0, errors[-2000:]


FULL = """
import sys
sys.path[:0] = {path!r}
from scenetok_jax.parallel import join
join.initialize()
from tests.workdir.checkpoint_test import *
mesh = make_mesh({{"data": 1, "fsdp": 4}})
place = jax.NamedSharding(mesh, jax.P("fsdp"))
state = jax.jit(large_state, out_shardings=place)()
with checkpoint.Checkpointer({folder!r}, every=10) as saver:
  for step in range(1, 15):
    with full_disk() if step == 10 else contextlib.nullcontext():
      saver.save(step, state, {{"next": step}}, {{}})
      while step == 10 and saver._manager.is_saving_in_progress():
        time.sleep(0.01)
  saver.wait()
  assert saver.latest_step() == 11
"""


@pytest.mark.slow
@pytest.mark.faults("a save that fails in all of several processes")
def test_processes_save_again_together(tmp_path):
  code = FULL.format(path=sys.path, folder=str(tmp_path))
  told = 0
  for child, errors in launch_processes(code, 2):
    assert child.returncode == 0, errors[-2000:]
    told += errors.count("(1 of 3 failed)")
  assert told == 1 and names(tmp_path) == ["11"]


def launch_processes(code, count):
  """Runs code in `count` processes of two devices; (process, stderr) each."""
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    address = f"localhost:{probe.getsockname()[1]}"
  children = []
  for rank in range(count):
    variables = {
      "JAX_COORDINATOR_ADDRESS": address,
      "JAX_NUM_PROCESSES": str(count),
      "JAX_PROCESS_ID": str(rank),
      "JAX_NUM_CPU_DEVICES": "2",
    }
    children.append(
      subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | variables,
        stderr=subprocess.PIPE,
        text=True,
      )
    )
  return [(child, child.communicate(timeout=120)[1]) for child in children]
