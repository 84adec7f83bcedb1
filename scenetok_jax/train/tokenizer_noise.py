"""Every random number of a stage-1 step, drawn before its loss."""

from typing import Any

import flax.struct
import jax
from ml_collections import ConfigDict

from scenetok_jax.flow.timesteps import sample_intervals, sample_noise_levels
from scenetok_jax.types import Array


@flax.struct.dataclass
class StepNoise:
  """Every random number of a stage-1 step; A is clips of all scenes, B n."""

  reference: Array  # [B] int, the context view that poses are relative to
  unconditional: Array  # [] bool, trains the null token on the whole batch
  posterior: Array  # [B N C] standard normal
  levels: Array  # [A L] in [0, 1]
  target: Array  # [A L h w C] standard normal
  starts: Array | None = None  # [A L] below levels, of average velocities


def sample_noise(
  config: ConfigDict, key: Array, seen: Any, target: Array, tokens: Any
) -> StepNoise:
  """The noise for (B, V) views, target latents [A L h w C], tokens (N, C)."""
  keys = jax.random.split(key, 5)
  batch, views = seen
  clips, latents = target.shape[:2]
  return StepNoise(
    reference=jax.random.randint(keys[0], (batch,), 0, views),
    unconditional=jax.random.bernoulli(
      keys[1], config.train.unconditional_probability
    ),
    posterior=jax.random.normal(keys[2], (batch, *tokens)),
    **_levels(config, keys[3], clips, latents),
    target=jax.random.normal(keys[4], target.shape),
  )


def _levels(
  config: ConfigDict, key: Array, batch: int, latents: int
) -> dict[str, Array]:
  """`levels` and, with config.mean_flow, `starts` of a StepNoise."""
  mean_flow = config.get("mean_flow")
  if mean_flow is None:
    return {"levels": sample_noise_levels(key, batch, latents, **config.flow)}
  found = sample_intervals(
    key, batch, latents, equal=mean_flow.equal, **config.flow
  )
  return {"levels": found.t, "starts": found.start}
