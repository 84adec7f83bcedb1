"""200 optimiser steps stay beside AdamW in float64, as PyTorch counts steps.

Unconditional steps use other parameters than conditional ones, and from
FREEZE on the tokenizer is frozen.
"""

import jax
import jax.numpy as jnp
import numpy as np
from einops import reduce

from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.state import at_start
from scenetok_jax.train.step import make_step
from scenetok_jax.train.task import StepLoss, Task

STEPS, FREEZE, ROWS, WIDTH = 200, 150, 32, 16
OPTIMIZER = Optimizer(
  learning_rate=1e-3,
  warmup_steps=20,
  schedule="constant",
  frozen=(("tokenizer", FREEZE),),
)


def draws():
  """Parameters by path, and each step's (inputs, targets, unconditional)."""
  random = np.random.default_rng(7)

  def normal(*shape):
    return random.normal(size=shape).astype(np.float32) / np.sqrt(shape[0])

  params = {
    "tokenizer": normal(WIDTH, WIDTH),
    "condition_embed": normal(WIDTH, WIDTH),
    "null_tokens": normal(1, WIDTH),
    "head": normal(WIDTH, WIDTH),
  }
  x = random.normal(size=(STEPS, ROWS, WIDTH)).astype(np.float32)
  return (
    params,
    x,
    np.tanh(x @ normal(WIDTH, WIDTH)),
    random.random(STEPS) < 0.2,
  )


def forward(np_or_jnp, params, x, unconditional):
  """(hidden, condition, output) of a two-layer network with a null token."""
  hidden = np_or_jnp.tanh(x @ params["tokenizer"])
  seen = hidden @ params["condition_embed"]
  null = np_or_jnp.broadcast_to(params["null_tokens"], seen.shape)
  active = np_or_jnp.tanh(np_or_jnp.where(unconditional, null, seen))
  return hidden, active, active @ params["head"]


def float64_losses():
  """Backpropagation and AdamW written out in NumPy."""
  params, *batches = draws()
  params = {name: value.astype(np.float64) for name, value in params.items()}
  state = {name: [0, 0.0, 0.0] for name in params}
  losses = []
  for k, (x, y, unconditional) in enumerate(zip(*batches, strict=True)):
    hidden, active, out = forward(
      np, params, x.astype(np.float64), unconditional
    )
    error = out - y
    losses.append(np.mean(error**2))
    g_out = 2 * error / error.size
    g_seen = (g_out @ params["head"].T) * (1 - active**2)
    grads = {"head": active.T @ g_out}
    if unconditional:
      grads["null_tokens"] = g_seen.sum(0, keepdims=True)
    else:
      grads["condition_embed"] = hidden.T @ g_seen
      if k < FREEZE:
        g_hidden = (g_seen @ params["condition_embed"].T) * (1 - hidden**2)
        grads["tokenizer"] = x.T @ g_hidden
    ramp = 5e-4 + (1 - 5e-4) * min(k / 20, 1)
    for name, g in grads.items():
      n, m, v = state[name]
      n, m, v = n + 1, 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
      state[name] = [n, m, v]
      params[name] *= 1 - 1e-3 * ramp * 0.01
      spread = np.sqrt(v / (1 - 0.999**n)) + 1e-8
      params[name] -= 1e-3 * ramp * m / (1 - 0.9**n) / spread
  return losses, {name: n for name, (n, _, _) in state.items()}


def test_losses_of_200_steps_equal_those_in_float64():
  def loss(params, frozen, batch, key, step):
    x, y, unconditional = batch
    error = forward(jnp, params, x, unconditional[0])[-1] - y
    unused = {
      "tokenizer": unconditional[0],
      "condition_embed": unconditional[0],
      "null_tokens": ~unconditional[0],
    }
    return StepLoss(reduce(error**2, "b d -> b", "mean"), {}, unused)

  params, *batches = draws()
  step = jax.jit(make_step(Task(init=None, loss=loss, frozen={}), OPTIMIZER))
  state = at_start(jax.tree.map(jnp.asarray, params), OPTIMIZER)
  found = []
  with jax.default_matmul_precision("highest"):
    for x, y, unconditional in zip(*batches, strict=True):
      flags = np.full(ROWS, unconditional)
      state, metrics = step(state, {}, (x, y, flags), jax.random.key(0))
      found.append(float(metrics["loss"]))
  expected, counts = float64_losses()
  assert expected[-1] < 0.9 * expected[0]
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  assert jax.tree.map(int, state.opt_state.count) == counts
  assert len(set(counts.values())) == 4
