"""Damaged checkpoints: told, put aside, and passed over by all processes."""

import os
import shutil
import sys

import jax
import numpy as np
import pytest

from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.types import InputError
from scenetok_jax.workdir import checkpoint
from scenetok_jax.workdir.stored import complete_steps
from tests.workdir.checkpoint_test import launch_processes


def draw(seed, mesh=None):
  """Arrays too large to be stored inside an index."""
  place = jax.sharding.NamedSharding(
    mesh or make_mesh(), jax.sharding.PartitionSpec("fsdp")
  )
  make = jax.jit(
    lambda key: {"params": {"kernel": jax.random.normal(key, (64, 1 << 10))}},
    out_shardings=place,
  )
  return make(jax.random.key(seed))


def target(mesh=None):
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
    draw(0, mesh),
  )


def fill(workdir, steps=(1, 2, 3), mesh=None):
  with checkpoint.Checkpointer(workdir, every=1, keep=9) as saver:
    for step in steps:
      assert saver.save(step, draw(step, mesh), {"next": step}, {"seed": 0})
    saver.wait()


def resume(workdir, mesh=None):
  with checkpoint.Checkpointer(workdir, every=1, keep=9) as saver:
    return saver.restore(target(mesh))


def assert_is(found, step):
  state, data = found
  assert data == {"next": step}
  jax.tree.map(np.testing.assert_array_equal, state, draw(step))


def files(folder, pattern):
  found = sorted(p for p in folder.glob(pattern) if p.is_file())
  assert found
  return found


def cut(folder, pattern, share=0.5):
  for path in files(folder, pattern):
    os.truncate(path, int(path.stat().st_size * share))


def flip(folder, pattern):
  for path in files(folder, pattern):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


ARRAYS = "state/ocdbt.process_*/d/*"
DAMAGE = {
  "cut arrays": lambda step: cut(step, ARRAYS),
  "empty arrays": lambda step: cut(step, ARRAYS, 0),
  "no arrays": lambda step: [p.unlink() for p in files(step, ARRAYS)],
  # In the arrays themselves, which have no checksum, none is found.
  "a flipped bit in the index": lambda step: flip(step, "state/d/*"),
  "no index of arrays": lambda step: shutil.rmtree(step / "state" / "d"),
  "an empty manifest": lambda step: cut(step, "state/manifest.ocdbt", 0),
  "no manifest": lambda step: (step / "state" / "manifest.ocdbt").unlink(),
  "empty metadata": lambda step: cut(step, "state/_METADATA", 0),
  "garbled metadata": lambda step: cut(step, "state/_METADATA"),
  "no metadata": lambda step: (step / "state" / "_METADATA").unlink(),
  "no state": lambda step: shutil.rmtree(step / "state"),
  "empty data": lambda step: cut(step, "data/metadata", 0),
  "no data": lambda step: shutil.rmtree(step / "data"),
  "nothing in it": lambda step: [shutil.rmtree(step), step.mkdir()],
}
KINDS = [
  pytest.param(kind, marks=pytest.mark.faults(f"a checkpoint with {kind}"))
  for kind in DAMAGE
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  workdir = tmp_path_factory.mktemp("whole")
  fill(workdir)
  return workdir


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_checkpoint_is_put_aside_for_the_one_before(
  whole, tmp_path, capfd, kind
):
  workdir = tmp_path / "run"
  shutil.copytree(whole, workdir)
  folder = workdir / "checkpoints"
  DAMAGE[kind](folder / "3")
  left = sorted(p.relative_to(folder / "3") for p in (folder / "3").rglob("*"))
  assert_is(resume(workdir), 2)
  (line,) = [x for x in capfd.readouterr().err.splitlines() if "damaged" in x]
  assert line.startswith(f"{folder}/3: damaged (")
  assert line.endswith("; it is now 3.damaged; going on from step 2")
  aside = folder / "3.damaged"
  assert sorted(p.relative_to(aside) for p in aside.rglob("*")) == left
  assert complete_steps(workdir) == [1, 2]


def test_a_step_put_aside_is_saved_again_and_may_be_damaged_again(
  whole, tmp_path
):
  workdir = tmp_path / "run"
  shutil.copytree(whole, workdir)
  folder = workdir / "checkpoints"
  for _ in range(2):
    DAMAGE["empty data"](folder / "3")
    assert_is(resume(workdir), 2)
    fill(workdir, [3])
  assert_is(resume(workdir), 3)
  assert {p.name for p in folder.iterdir()} == {
    "1", "2", "3", "3.damaged", "3.damaged1",
  }  # fmt: skip


@pytest.mark.faults("two damaged checkpoints")
def test_several_damaged_checkpoints_are_told_one_by_one(
  whole, tmp_path, capfd
):
  workdir = tmp_path / "run"
  shutil.copytree(whole, workdir)
  DAMAGE["cut arrays"](workdir / "checkpoints" / "3")
  DAMAGE["empty data"](workdir / "checkpoints" / "2")
  assert_is(resume(workdir), 1)
  lines = [x for x in capfd.readouterr().err.splitlines() if "damaged" in x]
  assert len(lines) == 2 and all("going on from step 1" in x for x in lines)


@pytest.mark.faults("every checkpoint damaged")
def test_where_all_are_damaged_nothing_is_touched(whole, tmp_path):
  workdir = tmp_path / "run"
  shutil.copytree(whole, workdir)
  folder = workdir / "checkpoints"
  for step, kind in enumerate(("no metadata", "empty data", "no arrays"), 1):
    DAMAGE[kind](folder / str(step))
  before = sorted(folder.rglob("*"))
  for _ in range(2):
    with pytest.raises(InputError, match="none was changed") as caught:
      resume(workdir)
    message = str(caught.value)
    assert "\n" not in message
    assert all(f"{folder}/{step}: damaged (" in message for step in (1, 2, 3))
    assert sorted(folder.rglob("*")) == before


def test_another_models_checkpoint_is_not_damaged(whole, tmp_path):
  workdir = tmp_path / "run"
  shutil.copytree(whole, workdir)
  other = {"params": {"kernel": jax.ShapeDtypeStruct((3,), np.float32)}}
  with (
    checkpoint.Checkpointer(workdir, every=1) as saver,
    pytest.raises(InputError, match=r"params/kernel is \[64, 1024\], the"),
  ):
    saver.restore(jax.tree.map(lambda x: x.update(sharding=None), other))
  assert complete_steps(workdir) == [1, 2, 3]


@pytest.mark.faults("parameters of a damaged checkpoint asked for")
@pytest.mark.parametrize("kind", ["cut arrays", "empty metadata"])
def test_parameters_of_a_damaged_checkpoint_name_a_sound_one(
  whole, tmp_path, kind
):
  workdir = tmp_path / "run"
  shutil.copytree(whole, workdir)
  folder = workdir / "checkpoints"
  DAMAGE[kind](folder / "3")
  with pytest.raises(InputError) as caught:
    checkpoint.restore_params(workdir)
  message = str(caught.value)
  assert message.startswith(f"{folder}/3: damaged (") and "\n" not in message
  assert f"to use step 2, which is sound, move 3 out of {folder}" in message
  assert complete_steps(workdir) == [1, 2, 3]
  (folder / "3").rename(tmp_path / "3")
  params = checkpoint.restore_params(workdir)
  jax.tree.map(np.testing.assert_array_equal, params, draw(2)["params"])


HALVES = """
import sys
sys.path[:0] = {path!r}
from scenetok_jax.parallel import join
join.initialize()
from tests.workdir.stored_test import *
mesh = make_mesh({{"data": 1, "fsdp": 4}})
if {fills}:
  fill({folder!r}, mesh=mesh)
else:
  state, data = resume({folder!r}, mesh)
  assert data == {{"next": 2}}, data
  right = jax.tree.leaves(draw(2, mesh))
  for mine, right in zip(jax.tree.leaves(state), right):
    for a, b in zip(mine.addressable_shards, right.addressable_shards):
      np.testing.assert_array_equal(a.data, b.data)
"""


@pytest.mark.slow
@pytest.mark.faults("a checkpoint that one process alone cannot read")
def test_processes_agree_on_a_step_that_only_one_cannot_read(tmp_path):
  for fills in (True, False):
    code = HALVES.format(path=sys.path, folder=str(tmp_path), fills=fills)
    for child, errors in launch_processes(code, 2):
      assert child.returncode == 0, errors[-2000:]
    folder = tmp_path / "checkpoints"
    if fills:
      # What the second process wrote, and alone reads.
      cut(folder / "3", "state/ocdbt.process_1/d/*")
  assert complete_steps(tmp_path) == [1, 2]
  assert (folder / "3.damaged").is_dir()
