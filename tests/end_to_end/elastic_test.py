"""A run goes on, on fewer devices, with recomputation and moved data."""

import shutil

import jax
import numpy as np
import pytest

from scenetok_jax.sampling.digest import digest
from scenetok_jax.train import experiment, loop
from scenetok_jax.workdir.checkpoint import Checkpointer
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.stored_config import load_stored_config
from tests.end_to_end import runs

STEPS, STOP = 4, 2


class Life:
  """One start of a run in this process, on some of its devices.

  start: its first state. saved: states by step. batches: hashes of what each
  step saw, and of some that were read ahead.
  """

  def __init__(self, monkeypatch, workdir, data, devices, **changed):
    self.start, self.saved, batches = None, {}, []
    everything, put_batch = jax.devices(), loop.put_batch
    begin, save = loop.restore_or_init, Checkpointer.save

    def seen(batch, mesh):
      assert mesh.size == devices
      batches.append(digest(batch))
      return put_batch(batch, mesh)

    def started(*args):
      state = begin(*args)
      self.start = jax.tree.map(np.asarray, state)
      return state

    def saving(checkpointer, step, state, *args, **kwargs):
      self.saved[step] = jax.tree.map(np.asarray, state)
      return save(checkpointer, step, state, *args, **kwargs)

    flags = runs.flags("tokenizer", workdir, data, STEPS, None)[2:]
    flags += [f"--config.{name}={value}" for name, value in changed.items()]
    with monkeypatch.context() as patch:
      patch.setattr(jax, "devices", lambda *_: everything[:devices])
      patch.setattr(loop, "put_batch", seen)
      patch.setattr(loop, "restore_or_init", started)
      patch.setattr(Checkpointer, "save", saving)
      config = load_config("configs/rooms.py:smoke", flags)
      experiment.run(config, str(workdir))
    self.batches = batches


@pytest.mark.slow
@pytest.mark.faults("half of the devices gone, the data moved")
def test_half_the_devices_and_remat_go_on_with_the_same_stream(
  tmp_path, monkeypatch, capsys
):
  data, cut = runs.rooms(tmp_path / "data"), tmp_path / "cut"
  before = Life(monkeypatch, tmp_path / "whole", data, 8)
  # As a kill after step STOP leaves it.
  shutil.copytree(tmp_path / "whole", cut)
  shutil.rmtree(cut / "checkpoints" / str(STEPS))
  moved = data.rename(tmp_path / "elsewhere")
  capsys.readouterr()
  after = Life(monkeypatch, cut, moved, 4, remat="full")
  told = capsys.readouterr().err
  # The saved state bit for bit, then the same batches, then nearly the same.
  jax.tree.map(np.testing.assert_array_equal, after.start, before.saved[STOP])
  assert after.batches[: STEPS - STOP] == before.batches[STOP:STEPS]
  assert len(set(before.batches[:STEPS])) == STEPS
  runs.assert_close(cut, tmp_path / "whole", STEPS, 1e-4)
  for part in (str(moved), "since the last start", "remat was none, is full"):
    assert part in told
  assert load_stored_config(cut)["remat"] == "full"
