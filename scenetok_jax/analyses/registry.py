"""Every analysis by name."""

import dataclasses
import importlib
from typing import Any

from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class Analysis:
  """One analysis: a module with run(model, options, tell) -> Findings.

  options: name of the module's dataclass of options. workdir: what it reads,
  for help texts. several: its run takes (name, model) pairs instead of one
  model.
  """

  name: str
  summary: str
  options: str
  workdir: str = "a training run, or checkpoints/rooms"
  several: bool = False

  @property
  def module(self) -> Any:
    """Imported late: the list of analyses is there at once."""
    name = self.name.replace("-", "_")
    return importlib.import_module(f"scenetok_jax.analyses.{name}")

  @property
  def options_class(self) -> Any:
    """The dataclass of its flags."""
    return getattr(self.module, self.options)


_SEVERAL: dict[str, Any] = {"workdir": "one run, or several", "several": True}

ANALYSES = {
  analysis.name: analysis
  for analysis in (
    Analysis(
      "masking",
      "share of tokens removed -> variance of samples",
      "MaskingOptions",
    ),
    Analysis(
      "context-views",
      "number of context views -> variance of samples",
      "ContextViewsOptions",
    ),
    Analysis(
      "variance",
      "maps of where samples differ, and whether they err there",
      "VarianceOptions",
    ),
    Analysis(
      "tokens",
      "number of tokens -> quality, of one run or several",
      "TokensOptions",
      **_SEVERAL,
    ),
    Analysis(
      "lateral",
      "loss on paths beside the captured one, of one run or several",
      "LateralOptions",
      **_SEVERAL,
    ),
    Analysis(
      "depth",
      "depth rendered from tokens against the true depth",
      "DepthOptions",
      workdir="a run of configs/scenetok_depth.py",
    ),
    Analysis(
      "generation",
      "new scenes against wrong poses and no images",
      "GenerationOptions",
      workdir="a stage-2 run",
    ),
    Analysis(
      "quality-speed",
      "what solvers and step counts cost and bring",
      "QualitySpeedOptions",
    ),
  )
}


def get_analysis(name: str) -> Analysis:
  """InputError for a name that is not there."""
  if name not in ANALYSES:
    raise InputError(
      f"unknown kind {name!r}; choose one of {', '.join(ANALYSES)}"
    )
  return ANALYSES[name]
