"""How a step moves each tensor: by AdamW or by Muon."""

import dataclasses
import math
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from einops import rearrange

from scenetok_jax.parallel.rules import in_matrices, parted, path_name
from scenetok_jax.types import Array

MUON_BETA = 0.95
# Of the quintic step of Newton and Schulz (Jordan et al. 2024).
_QUINTIC, _STEPS = (3.4445, -4.7750, 2.0315), 5
_MATRIX = re.compile(
  r"(^|/)(blocks|last_block)/.*/(query|key|value|out|up|down)/kernel$"
)


class AdamState(NamedTuple):
  """Trees like the parameters.

  count: int32 [], the steps that each has taken; fewer than the run's where
  it was frozen or some steps did not use it. mu, nu: the moments; nu is a zero
  [] of a tensor that Muon updates, which needs one moment alone.
  """

  count: Any
  mu: Any
  nu: Any


@dataclasses.dataclass(frozen=True)
class Rule:
  """How each tensor takes a step: by AdamW, or by Muon where that serves.

  name: "muon" gives it the matrices of blocks, and AdamW the rest; "adamw"
  takes all.
  """

  name: str
  beta1: float
  beta2: float
  epsilon: float
  weight_decay: float

  def init(self, params: Any) -> AdamState:
    """The state before the first step."""

    def second(path: str, value: Array) -> Array:
      shape = () if self.muon(path) else value.shape
      return jnp.zeros(shape, value.dtype)

    return AdamState(
      jax.tree.map(lambda _: jnp.zeros((), jnp.int32), params),
      jax.tree.map(jnp.zeros_like, params),
      jax.tree.map(second, names(params), params),
    )

  def muon(self, path: str) -> bool:
    """Whether Muon updates a parameter.

    Not kernels of modulation, nor what is outside blocks.
    """
    return self.name == "muon" and _MATRIX.search(path) is not None

  def step(
    self, gradients: Any, state: AdamState, params: Any, lr: Array
  ) -> tuple[AdamState, Any]:
    """The state and the parameters after one step of every tensor."""

    def first(path: str, g: Array, mu: Array) -> Array:
      beta = MUON_BETA if self.muon(path) else self.beta1
      return optax.tree.update_moment(g, mu, beta, 1)

    def second(path: str, g: Array, nu: Array) -> Array:
      if self.muon(path):
        return nu
      return optax.tree.update_moment(g, nu, self.beta2, 2)

    def value(
      path: str, count: Array, mu: Array, nu: Array, g: Array, old: Array
    ) -> Array:
      steps = count.astype(jnp.float32)
      if self.muon(path):
        change = muon_change(path, steps, mu, g)
        return old * (1.0 - lr * self.weight_decay) - lr * change
      # 1 - beta^steps, of which optax's float32 powers lose digits.
      betas = (self.beta1, self.beta2)
      mu_weight, nu_weight = (-jnp.expm1(steps * math.log(b)) for b in betas)
      spread = jnp.sqrt(nu / nu_weight) + self.epsilon
      old = old * (1.0 - lr * self.weight_decay)
      return old - lr * (mu / mu_weight) / spread

    paths = names(params)
    mu = jax.tree.map(first, paths, gradients, state.mu)
    nu = jax.tree.map(second, paths, gradients, state.nu)
    count = jax.tree.map(optax.safe_increment, state.count)
    params = jax.tree.map(value, paths, count, mu, nu, gradients, params)
    return AdamState(count, mu, nu), params


def names(params: Any) -> Any:
  """The tree of the parameters' paths."""
  return jax.tree_util.tree_map_with_path(lambda p, _: path_name(p), params)


def muon_change(path: str, steps: Array, mu: Array, gradient: Array) -> Array:
  """What Muon takes off a kernel, times the rate (arXiv 2502.16982).

  Nesterov's momentum (optax's, with bias correction), orthogonalized, times
  0.2 sqrt(longer side): its root mean square is then that of AdamW's steps, so
  that both take one learning rate and decay. Replicas along data each do their
  layers; where their parts are none, they do all and keep their part. steps:
  float32 [].
  """
  log = math.log(MUON_BETA)
  now, ahead = -jnp.expm1(steps * log), -jnp.expm1((steps + 1.0) * log)
  momentum = MUON_BETA * mu / ahead + (1.0 - MUON_BETA) * gradient / now
  matrix = as_matrix(path, in_matrices({path: momentum})[path])
  scale = 0.2 * math.sqrt(max(matrix.shape[-2:]))
  change = from_matrix(path, scale * orthogonalized(matrix), mu.shape)
  return parted({path: change})[path]


def as_matrix(path: str, x: Array) -> Array:
  """A kernel as [... in out]: one matrix a layer of a stack [depth ...].

  Queries, keys and values [... D heads d] are [... D (heads d)], each its own
  matrix, also where the reference fuses the three; out [... heads d D] is
  [... (heads d) D]. An MLP's up and down, gates included, are as they are.
  """
  if re.search(r"(query|key|value)/kernel$", path):
    return rearrange(x, "... w h d -> ... w (h d)")
  if path.endswith("out/kernel"):
    return rearrange(x, "... h d w -> ... (h d) w")
  return x


def from_matrix(path: str, matrix: Array, shape: tuple[int, ...]) -> Array:
  """as_matrix undone: the kernel of that shape."""
  if re.search(r"(query|key|value)/kernel$", path):
    return rearrange(matrix, "... w (h d) -> ... w h d", h=shape[-2])
  if path.endswith("out/kernel"):
    return rearrange(matrix, "... (h d) w -> ... h d w", h=shape[-3])
  return matrix


def orthogonalized(x: Array) -> Array:
  """Matrices [... m n] with their singular vectors, and values near 1."""
  a, b, c = _QUINTIC
  # The smaller of the two Gram matrices.
  x = x.mT if (tall := x.shape[-2] > x.shape[-1]) else x
  x = x / (jnp.linalg.norm(x, axis=(-2, -1), keepdims=True) + 1e-8)

  def step(_: Any, x: Array) -> Array:
    gram = x @ x.mT
    return a * x + (b * gram + c * gram @ gram) @ x

  # A loop: a third less to compile than unrolled.
  x = jax.lax.fori_loop(0, _STEPS, step, x)
  return x.mT if tall else x
