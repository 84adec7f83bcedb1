"""The loop: resume, SIGTERM, bad batches, unused parameters, averages."""

import dataclasses
import gc
import json
import os
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from einops import einsum, rearrange
from ml_collections import ConfigDict

from scenetok_jax.configs import common
from scenetok_jax.train import loop
from scenetok_jax.train import state as train_state
from scenetok_jax.train.loggers import read_rows
from scenetok_jax.train.loop import train
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.step import make_step
from scenetok_jax.train.task import StepLoss, Task
from scenetok_jax.types import Cameras, InputError, SceneBatch, Views
from scenetok_jax.workdir import fields
from scenetok_jax.workdir.checkpoint import Checkpointer

STEPS = 6


def small_config(**optimizer) -> ConfigDict:
  config = fields.plain(common.base("tokenizer"))
  config.data.batch_size = 8
  config.optimizer.update(
    {
      "learning_rate": 1e-2,
      "schedule": "constant",
      "warmup_steps": 0,
      "ema_decay": 0.5,
      **optimizer,
    }
  )
  config.train.update(
    {"total_steps": STEPS, "checkpoint_every": 100, "log_every": 1}
  )
  config.train.eval_every = 0
  return config


class Stream:
  """Batches that are functions of their number; `bad` ones hold a NaN.

  Before batch `stop`, the process gets a SIGTERM, as from a scheduler.
  """

  identity = "batches by their number"

  def __init__(self, bad: tuple[int, ...] = (), stop: int | None = None):
    self._next, self._bad, self._stop = 0, bad, stop

  def __next__(self) -> SceneBatch:
    number, self._next = self._next, self._next + 1
    if number == self._stop:
      self._stop = None
      os.kill(os.getpid(), signal.SIGTERM)
    images = np.random.default_rng(number).normal(size=(8, 2, 4, 4, 3))
    if number in self._bad:
      images[3, 0, 1, 2, 0] = np.nan
    poses, matrices = np.eye(4, dtype="f"), np.eye(3, dtype="f")
    cameras = Cameras(
      np.broadcast_to(poses, (8, 2, 4, 4)),
      np.broadcast_to(matrices, (8, 2, 3, 3)),
    )
    views = Views(cameras, images.astype(np.float32))
    return SceneBatch(context=views, target=views)

  def get_state(self) -> dict[str, int]:
    return {"next": self._next}

  def set_state(self, state: dict[str, int]) -> None:
    self._next = state["next"]


def init(key):
  def kernel(key, *shape):
    return {"kernel": 0.3 * jax.random.normal(key, shape)}

  keys = jax.random.split(key, 3)
  return {
    "tokenizer": {"up": kernel(keys[0], 48, 16)},
    "decoder": {
      "down": kernel(keys[1], 16, 48),
      "null_tokens": 1.0 + jax.random.uniform(keys[2], (1, 16)),
    },
  }


def loss(params, frozen, batch, key, step):
  """A linear autoencoder of images; the null token is never used."""
  del frozen, step
  x = rearrange(batch.context.images, "b v h w c -> b v (h w c)")
  noise = jax.random.normal(key, x.shape)
  hidden = einsum(
    x + 0.1 * noise, params["tokenizer"]["up"]["kernel"], "b v i, i d -> b v d"
  )
  out = einsum(
    hidden, params["decoder"]["down"]["kernel"], "b v d, d i -> b v i"
  )
  error = jnp.mean(jnp.square(out - x), axis=(1, 2))
  unused = {"decoder/null_tokens": jnp.array(True)}
  return StepLoss(error, {"flow_loss": error}, unused)


TASK = Task(init=init, loss=loss, frozen={})


def rows(workdir):
  lines = (workdir / "metrics.jsonl").read_text().splitlines()
  return [json.loads(line) for line in lines]


def losses(workdir):
  return {row["step"]: row["loss"] for row in rows(workdir)}


def assert_same(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.faults("SIGTERM")
def test_sigterm_saves_and_the_next_start_goes_on_bit_for_bit(tmp_path):
  config = small_config()
  whole = train(config, tmp_path / "whole", TASK, Stream)
  # The stream reads two batches ahead of the steps to learn their shapes.
  stopped = train(config, tmp_path / "cut", TASK, lambda: Stream(stop=3))
  assert int(stopped.step) < STEPS
  assert losses(tmp_path / "cut").keys() == set(range(1, stopped.step + 1))
  folder = tmp_path / "cut" / "checkpoints" / str(int(stopped.step))
  assert folder.is_dir()
  ended = train(config, tmp_path / "cut", TASK, Stream)
  assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
  assert len(losses(tmp_path / "whole")) == STEPS
  assert_same(ended.params, whole.params)
  assert_same(ended.opt_state, whole.opt_state)
  assert_same(ended.ema, whole.ema)


@pytest.mark.slow
def test_a_resumed_state_is_donated_like_a_fresh_one(tmp_path, monkeypatch):
  jit_step, seen = loop.jit_step, []

  def watched(*args):
    jitted = jit_step(*args)

    def call(state, *rest):
      memory = jitted.lower(state, *rest).compile().memory_analysis()
      size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
      out = jitted(state, *rest)
      gone = [leaf.is_deleted() for leaf in jax.tree.leaves(state)]
      peak = memory.temp_size_in_bytes + memory.argument_size_in_bytes
      seen.append((gone, size, memory.alias_size_in_bytes, peak, live()))
      return out

    return call

  def live():
    gc.collect()
    return sum(array.nbytes for array in jax.live_arrays()) - before

  monkeypatch.setattr(loop, "jit_step", watched)
  first = []
  for stream in (lambda: Stream(stop=3), Stream):
    gc.collect()
    before = sum(array.nbytes for array in jax.live_arrays())
    train(small_config(), tmp_path, TASK, stream)
    first.append(seen[0])
    seen.clear()
  fresh, resumed = first
  assert all(fresh[0]) and fresh[1] > 0
  assert resumed == fresh


def test_a_last_save_that_failed_is_made_again(tmp_path, monkeypatch):
  saved, save, done = [], Checkpointer.save, [False, False, True]

  def saving(self, step, *args, **kwargs):
    saved.append(step)
    return save(self, step, *args, **kwargs)

  monkeypatch.setattr(Checkpointer, "save", saving)
  monkeypatch.setattr(Checkpointer, "wait", lambda self: done.pop(0))
  train(small_config(), tmp_path, TASK, Stream)
  assert saved == [STEPS] * 3 and not done


def test_a_checkpoint_with_one_count_of_steps_for_all_goes_on(tmp_path):
  config = small_config()
  whole = train(config, tmp_path / "whole", TASK, Stream)
  stopped = train(config, tmp_path / "cut", TASK, lambda: Stream(stop=3))
  # As checkpoints were made before each parameter had its own count.
  step = int(stopped.step)
  shutil.rmtree(tmp_path / "cut" / "checkpoints" / str(step))
  moments = stopped.opt_state._replace(count=stopped.step)
  old = dataclasses.replace(stopped, opt_state=moments)
  with Checkpointer(tmp_path / "cut", every=100) as saver:
    saver.save(step, old, {"next": step}, config.to_dict(), force=True)
    saver.wait()
  ended = train(config, tmp_path / "cut", TASK, Stream)
  assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
  assert_same(ended.params, whole.params)
  counts = ended.opt_state.count
  assert counts["tokenizer"]["up"]["kernel"] == STEPS
  assert counts["decoder"]["null_tokens"] == step


def test_a_stopped_run_saves_first_and_evaluates_at_its_next_start(tmp_path):
  config = small_config()
  config.train.eval_every = 1
  scored = []

  def evaluate(params, step):
    scored.append(step)
    return {"psnr": float(step)}

  stopped = train(config, tmp_path, TASK, lambda: Stream(stop=3), evaluate)
  last = int(stopped.step)
  assert last < STEPS and scored == list(range(1, last))
  train(config, tmp_path, TASK, Stream, evaluate)
  assert scored == list(range(1, STEPS + 1))
  text = (tmp_path / "eval.jsonl").read_text()
  assert [json.loads(x)["step"] for x in text.splitlines()] == scored


def test_a_step_is_saved_before_its_scores_which_may_fail(
  tmp_path, monkeypatch
):
  config = small_config()
  config.train.update({"eval_every": 2, "checkpoint_every": 2})
  order, save = [], Checkpointer.save

  def saving(self, step, *args, **kwargs):
    order.append(("save", step))
    return save(self, step, *args, **kwargs)

  def evaluate(params, step):
    order.append(("score", step))
    return None if step == 2 else {"psnr": float(step)}

  monkeypatch.setattr(Checkpointer, "save", saving)
  state = train(config, tmp_path, TASK, Stream, evaluate)
  assert int(state.step) == STEPS
  assert order == [(do, n) for n in (2, 4, 6) for do in ("save", "score")]
  rows = read_rows(tmp_path / "eval.jsonl")
  assert [row["step"] for row in rows] == [4, 6]


def test_a_batch_that_does_not_divide_into_micro_batches_is_refused(tmp_path):
  config = small_config()
  config.train.accumulate = 3
  with pytest.raises(InputError, match=r"8 examples do not divide .* times 3"):
    train(config, tmp_path, TASK, Stream)


def test_the_average_differs_from_the_parameters_and_starts_as_restored(
  tmp_path, capsys
):
  first = train(small_config(), tmp_path / "a", TASK, Stream)
  kernel = first.ema["decoder"]["down"]["kernel"]
  assert not np.array_equal(kernel, first.params["decoder"]["down"]["kernel"])
  config = small_config(learning_rate=0.0)
  config.restore = str(tmp_path / "a")
  second = train(config, tmp_path / "b", TASK, Stream)
  assert_same(second.params, first.params)
  assert_same(second.ema, first.params)
  told = f"{tmp_path / 'a'}: its moving averages are not taken;"
  assert capsys.readouterr().err.count(told) == 1
  with config.unlocked():
    config.restore_ema = True
  third = train(config, tmp_path / "c", TASK, Stream)
  assert_same(third.params, first.ema)
  assert "averages" not in capsys.readouterr().err


def test_every_loss_is_watched(tmp_path, monkeypatch):
  seen = []

  class Watch:
    def see(self, step, loss):
      seen.append((step, loss))

  monkeypatch.setattr(loop, "LossWatch", Watch)
  train(small_config(), tmp_path, TASK, Stream)
  assert [step for step, _ in seen] == list(range(1, STEPS + 1))
  assert all(np.isfinite(loss) for _, loss in seen)


def test_averages_that_are_not_there_are_refused(tmp_path):
  plain = small_config()
  plain.optimizer.ema_decay = 0.0
  train(plain, tmp_path / "a", TASK, Stream)
  config = small_config()
  with config.unlocked():
    config.restore, config.restore_ema = str(tmp_path / "a"), True
  with pytest.raises(InputError, match="restore_ema: no moving averages"):
    train(config, tmp_path / "b", TASK, Stream)


@pytest.mark.faults("a batch with a NaN")
@pytest.mark.parametrize("rule", ["freeze", "zero"])
def test_a_bad_batch_follows_the_skip_rule(tmp_path, rule):
  config = small_config(skip=rule, skip_threshold=1e9)
  state = train(config, tmp_path, TASK, lambda: Stream(bad=(2,)))
  found = rows(tmp_path)
  assert [row["skipped"] for row in found] == [i == 2 for i in range(STEPS)]
  assert not found[2]["grads_finite"]
  # JSON has no NaN: it is written as the word that float() reads.
  assert np.isnan(float(found[2]["loss"]))
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(state))
  count = STEPS - 1 if rule == "freeze" else STEPS
  counts = state.opt_state.count
  assert counts["tokenizer"]["up"]["kernel"] == count
  assert counts["decoder"]["null_tokens"] == 0  # no step uses it
  assert int(state.step) == STEPS


def test_a_parameter_that_no_step_uses_is_left_alone(tmp_path):
  config = small_config(weight_decay=0.5)
  config.train.total_steps = 2
  state = train(config, tmp_path, TASK, Stream)
  init_key, _ = jax.random.split(jax.random.key(config.seed))
  fresh = jax.jit(init)(init_key)
  np.testing.assert_array_equal(
    state.params["decoder"]["null_tokens"], fresh["decoder"]["null_tokens"]
  )
  moments = state.opt_state.mu["decoder"]["null_tokens"]
  assert not np.asarray(moments).any()
  assert not np.array_equal(
    state.params["decoder"]["down"]["kernel"],
    fresh["decoder"]["down"]["kernel"],
  )


def test_a_parameter_is_used_if_one_micro_batch_uses_it():
  optimizer = Optimizer(learning_rate=0.1, schedule="constant", warmup_steps=0)

  def half(params, frozen, batch, key, step):
    del frozen, key, step
    out = jnp.mean(jnp.square(batch - params["a"][None]), axis=1)
    return StepLoss(out, {}, {"b": batch[0, 0] < 0})

  params = {"a": jnp.ones(2), "b": jnp.ones(2)}
  step = jax.jit(make_step(Task(init, half, {}), optimizer, 2))
  changed = []
  for batch in (
    jnp.array([[1.0, 2.0], [1.0, 2.0]]),  # both use b
    jnp.array([[-1.0, 2.0], [1.0, 2.0]]),  # one does
    jnp.array([[-1.0, 2.0], [-1.0, 2.0]]),  # none does
  ):
    state = train_state.TrainState(
      jnp.int32(0), params, optimizer.init(params), None
    )
    new, _ = step(state, {}, batch, jax.random.key(0))
    # b has no gradient of its own: only weight decay moves it.
    changed.append(not np.array_equal(new.params["b"], params["b"]))
  assert changed == [True, True, False]


def test_a_batch_that_the_mesh_does_not_divide_leaves_no_config(tmp_path):
  config = small_config()
  config.mesh = {"data": 1, "fsdp": 1, "tensor": 1, "sequence": 1}
  with pytest.raises(InputError, match="8 devices"):
    train(config, tmp_path, TASK, Stream)
  assert not (tmp_path / "config.json").exists()


def test_stage_one_freezes_its_tokenizer_as_configured():
  config = small_config()
  config.train.freeze_after = 7
  assert Optimizer.of(config).frozen == (("tokenizer", 7),)


def test_a_batch_that_stays_on_the_host_is_refused(tmp_path, monkeypatch):
  monkeypatch.setattr(loop, "put_batch", lambda batch, mesh: batch)
  with pytest.raises(jax.errors.JaxRuntimeError, match="host-to-device"):
    train(small_config(), tmp_path, TASK, Stream)
