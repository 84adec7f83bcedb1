"""Cases of the optimiser: learning rates, skipped and clipped steps."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from scenetok_jax.parity import modules
from scenetok_jax.parity.case import Arrays, Case
from scenetok_jax.parity.config_block import check_fields, check_values
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.types import InputError

_FIELDS = ("name", "lr", "scale_lr", "milestones", "scheduler")
_KWARGS = {
  "LinearLR": ("start_factor", "total_iters"),
  "MultiStepLR": ("milestones", "gamma"),
}


def optimizer(case: Case) -> Arrays:
  """Learning-rate curves, and parameters after each step."""
  config = case.config
  found: Arrays = {}
  for i, entry in enumerate(config.get("optimizers", ())):
    tool = settings(entry)
    found[f"lr_{i}"] = [tool.rate(jnp.int32(k)) for k in config["lr_steps"]]
  for i, run in enumerate(config.get("steps", ())):
    found |= {f"o{i}_{name}": x for name, x in _steps(case, run).items()}
  return found


def settings(entry: Any, **more: Any) -> Optimizer:
  """Fields of the optimiser from the release's block."""
  check_fields(entry, _FIELDS, "optimizer")
  for part in entry["scheduler"]:
    check_values(part, {"interval": "step", "frequency": 1}, "scheduler")
  parts = {part["name"]: part["kwargs"] for part in entry["scheduler"]}
  check_fields(parts, _KWARGS, "optimizer.scheduler")
  for name, kwargs in parts.items():
    check_fields(kwargs, _KWARGS[name], f"optimizer.scheduler.{name}")
  warmup = parts.get("LinearLR", {"total_iters": 0, "start_factor": 1.0})
  # Where the second schedule starts, which the release sets to the same.
  switch = entry.get("milestones") or [warmup["total_iters"]]
  if (
    entry.get("name", "AdamW") != "AdamW"
    or entry.get("scale_lr")
    or (len(parts) > 1 and list(switch) != [warmup["total_iters"]])
  ):
    raise InputError(
      "config: optimizer: only AdamW without scale_lr, whose milestones are"
      f" the warm-up's total_iters, is supported; not {entry}"
    )
  decay = parts.get("MultiStepLR", {"milestones": (), "gamma": 1.0})
  return Optimizer(
    learning_rate=entry["lr"],
    warmup_steps=warmup["total_iters"],
    warmup_start=warmup["start_factor"],
    milestones=tuple(decay["milestones"]),
    gamma=decay["gamma"],
    **more,
  )


def _steps(case: Case, run: Any) -> Arrays:
  names, given = case.config["names"], case.inputs
  tool = settings(
    run["optimizer"],
    skip="zero" if run["grad_norm_skip"] else "none",
    skip_threshold=run["threshold"],
    clip_norm=run["clip"] or 0.0,
  )
  update = modules.jit(tool.update)
  params = {name: jnp.asarray(given[f"init/{name}"]) for name in names}
  state = tool.init(params)
  found: Arrays = {}
  for k in range(run["n"]):
    gradients = {name: jnp.asarray(given[f"grad{k}/{name}"]) for name in names}
    new = update(gradients, state, params, jnp.int32(k))
    params, state = new.params, new.opt_state
    skipped = bool(new.metrics["skipped"])
    found |= {f"after{k}/{name}": params[name] for name in names}
    found[f"skipped_{k}"] = np.asarray(skipped)
    # Upstream clips after it has set skipped gradients to zero.
    norm = 0.0 if skipped else new.metrics["grad_norm"]
    found[f"total_norm_{k}"] = np.asarray(norm)
    found[f"lr_{k}"] = new.metrics["learning_rate"]
  return found
