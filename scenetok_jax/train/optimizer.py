"""The optimiser: the release's schedules, skip rules, freezing and order."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from scenetok_jax.parallel.rules import path_name
from scenetok_jax.train.gradients import (
  all_finite,
  mean_tensor_norm,
  tensor_norms,
)
from scenetok_jax.train.moments import AdamState, Rule
from scenetok_jax.types import Array, InputError, check_known

CHOICES = {
  "name": ("adamw", "muon"),
  "schedule": ("steps", "cosine", "wsd", "constant"),
  "skip": ("zero", "freeze", "none"),
}


class Update(NamedTuple):
  """Result of one optimiser step; metrics are float32 or bool scalars.

  metrics: learning_rate, grad_norm (before skipping and clipping),
    mean_tensor_norm, grads_finite, skipped.
  """

  params: Any
  opt_state: AdamState
  metrics: dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Optimizer:
  """Everything that decides an optimiser step, and the step itself.

  name: "adamw"; "muon" for the matrices of blocks, the rest by AdamW (ours).
  schedule, after a linear warm-up: "steps" multiplies by gamma at each
    milestone; "cosine" falls to zero at decay_steps; "wsd" stays, and falls
    there over the last decay_share of them (ours); "constant".
  skip: "zero" turns all gradients to zero when one is not finite or the mean
    over parameter tensors of the L2 norms exceeds skip_threshold (AdamW still
    steps: moments decay, weight decay applies; release, stage 1); "freeze"
    changes nothing when one is not finite (release, stage 2); "none".
  frozen: (path prefix, first step) of sub-trees that are left exactly as they
    are from that step on; a negative step means never.
  """

  name: str = "adamw"
  learning_rate: float = 1e-4  # the peak
  schedule: str = "steps"
  warmup_steps: int = 2000
  warmup_start: float = 5e-4  # of the peak
  milestones: tuple[int, ...] = ()  # steps after the warm-up
  gamma: float = 0.4
  decay_steps: int = 0  # counted from step 0
  decay_share: float = 0.2  # of decay_steps
  beta1: float = 0.9
  beta2: float = 0.999
  epsilon: float = 1e-8
  weight_decay: float = 0.01
  clip_norm: float = 0.0  # largest global L2 norm, 0: no clipping
  skip: str = "none"
  skip_threshold: float = 1.0
  frozen: tuple[tuple[str, int], ...] = ()
  ema_decay: float = 0.0  # of the parameters' moving average, 0: none
  ema_std: float = 0.0  # of an average that grows with the run, instead

  @classmethod
  def of(cls, config: ConfigDict) -> Self:
    """The settings of a training configuration; unset ones are defaults."""
    fields = {k: v for k, v in config.optimizer.items() if v is not None}
    fields["milestones"] = tuple(fields["milestones"])
    if config.stage == "tokenizer":
      fields["frozen"] = (("tokenizer", config.train.freeze_after),)
    return cls(**fields)

  def __post_init__(self) -> None:
    for field, choices in CHOICES.items():
      check_known(getattr(self, field), choices, f"optimizer.{field}")
    if self.ema_decay and self.ema_std:
      raise InputError(
        "optimizer.ema_std: one average is kept; set optimizer.ema_decay=0"
      )
    falls = self.schedule in ("cosine", "wsd")
    if falls and self.decay_steps <= self.warmup_steps:
      raise InputError(
        f"optimizer.decay_steps: {self.decay_steps} is not after the warm-up"
        f" of {self.warmup_steps} steps; set it to the total number of steps"
      )
    if self.schedule == "wsd" and self._decay_start < self.warmup_steps:
      raise InputError(
        f"optimizer.decay_share: {self.decay_share} of {self.decay_steps} steps"
        f" begin within the warm-up of {self.warmup_steps}; lower it"
      )

  @property
  def _decay_start(self) -> float:
    return self.decay_steps * (1.0 - self.decay_share)

  def rate(self, step: Array) -> Array:
    """The learning rate of optimiser step k (int []), float32 []."""
    step = jnp.asarray(step)
    ramp = step.astype(jnp.float32) / max(self.warmup_steps, 1)
    warm = self.warmup_start + (1.0 - self.warmup_start) * ramp
    since = step - self.warmup_steps
    decay = jnp.ones((), jnp.float32)
    if self.schedule == "steps":
      passed = sum((since >= m).astype(jnp.float32) for m in self.milestones)
      decay = jnp.power(self.gamma, jnp.asarray(passed, jnp.float32))
    elif self.schedule == "cosine":
      span = self.decay_steps - self.warmup_steps
      done = jnp.clip(since.astype(jnp.float32) / span, 0.0, 1.0)
      decay = 0.5 * (1.0 + jnp.cos(jnp.pi * done))
    elif self.schedule == "wsd":
      start = self._decay_start
      done = (step.astype(jnp.float32) - start) / (self.decay_steps - start)
      decay = 1.0 - jnp.sqrt(jnp.clip(done, 0.0, 1.0))
    return self.learning_rate * jnp.where(since < 0, warm, decay)

  @property
  def _rule(self) -> Rule:
    moments = (self.beta1, self.beta2, self.epsilon)
    return Rule(self.name, *moments, self.weight_decay)

  def init(self, params: Any) -> AdamState:
    """The state before the first step."""
    return self._rule.init(params)

  def update(
    self,
    gradients: Any,
    opt_state: AdamState,
    params: Any,
    step: Array,
    unused: Mapping[str, Array] | None = None,
  ) -> Update:
    """One step: gradients after skipping and clipping, through the rule.

    step: int32, the count of finished optimiser steps. unused maps path
    prefixes to bool [] for sub-trees that this step's loss did not use: they
    are left alone and left out of the norms, as PyTorch leaves parameters
    without a gradient.

    Order (release): skip rule, clip by global norm, rule. Bias correction
    counts each parameter's own steps, as PyTorch does.
    """
    rules = [(p, step >= first) for p, first in self.frozen if first >= 0]
    idle = _idle([*rules, *(unused or {}).items()], params)
    gradients = jax.tree.map(_zero_if, idle, gradients)
    norms = tensor_norms(gradients)
    norm = jnp.linalg.norm(jnp.concatenate(list(norms.values())))
    mean_norm = mean_tensor_norm(norms, idle)
    finite = all_finite(gradients)
    skipped = jnp.zeros((), bool) if self.skip == "none" else ~finite
    if self.skip == "zero":
      skipped |= mean_norm > self.skip_threshold
    # A skipped step must not let NaN reach the moments.
    gradients = jax.tree.map(lambda g: _zero_if(skipped, g), gradients)
    if self.clip_norm > 0:
      # The 1e-6 is torch.nn.utils.clip_grad_norm_'s.
      kept_norm = jnp.where(skipped, 0.0, norm) + 1e-6
      scale = jnp.minimum(1.0, self.clip_norm / kept_norm)
      gradients = jax.tree.map(lambda g: g * scale, gradients)
    lr = self.rate(step)
    hold = skipped if self.skip == "freeze" else jnp.zeros((), bool)

    moved, values = self._rule.step(gradients, opt_state, params, lr)

    def take(new: Any, old: Any) -> Any:
      return jax.tree.map(
        lambda idle, *pair: jnp.where(idle | hold, *pair), idle, old, new
      )

    opt_state = AdamState(*map(take, moved, opt_state))
    params = take(values, params)
    metrics = {
      "learning_rate": lr,
      "grad_norm": norm,
      "mean_tensor_norm": mean_norm,
      "grads_finite": finite,
      "skipped": skipped,
    }
    return Update(params, opt_state, metrics)


def _idle(rules: Sequence[tuple[str, Array]], params: Any) -> Any:
  """Tree of bool []: parameters that a step must not touch."""
  used = set()

  def flag(path: Any, _: Array) -> Array:
    name, result = path_name(path), jnp.zeros((), bool)
    for prefix, condition in rules:
      if name == prefix or name.startswith(prefix + "/"):
        used.add(prefix)
        result = result | condition
    return result

  tree = jax.tree_util.tree_map_with_path(flag, params)
  for prefix, _ in rules:
    if prefix not in used:
      raise InputError(
        f"optimizer.frozen: no parameter lies below {prefix!r}; the top-level"
        f" names are {sorted(params)}"
      )
  return tree


def _zero_if(flag: Array, x: Array) -> Array:
  return jnp.where(flag, jnp.zeros_like(x), x)
