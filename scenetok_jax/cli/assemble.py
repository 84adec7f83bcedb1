"""Builds the pieces of a run from its configuration: task, data, evaluation."""

import dataclasses
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from data_pipelines import latents, loader, records
from scenetok_jax.cli import evaluation_plan
from scenetok_jax.evaluation.batches import EvaluationScene
from scenetok_jax.evaluation.evaluator import EvaluationOptions, predict
from scenetok_jax.evaluation.scores import average, score
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import loader_share
from scenetok_jax.sampling.render import RenderOptions
from scenetok_jax.sampling.system import System, build
from scenetok_jax.train.checkpoint import latest_step, restore_params
from scenetok_jax.train.generator_task import generator_task
from scenetok_jax.train.task import Task
from scenetok_jax.train.tokenizer_task import tokenizer_task
from scenetok_jax.train.workdir import flatten, load_config
from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class Run:
  """A finished or running training, opened for inference.

  config: the one that made the workdir. params: {"tokenizer", "decoder"} and,
  for a stage-2 workdir, {"generator"}.
  """

  config: ConfigDict
  system: System
  params: Any
  step: int


def load_run(workdir: str) -> Run:
  """Opens a workdir; stage 2 brings the stage-1 networks it was trained on.

  Raises:
    InputError: no configuration or checkpoint there.
  """
  config = ConfigDict(load_config(workdir))
  step = latest_step(workdir)
  params = restore_params(workdir, item="ema")
  if config.stage == "generator":
    params = {**restore_params(config.tokenizer_from, item="ema"), **params}
  return Run(config, build(config), params, step)


def make_task(config: ConfigDict, system: System) -> Task:
  """The stage that a configuration trains.

  Raises:
    InputError: stage 2 without a stage-1 workdir, or with another's networks.
  """
  if config.stage == "tokenizer":
    return tokenizer_task(system, config)
  if not config.tokenizer_from:
    raise InputError(
      "config.tokenizer_from: stage 2 needs a stage-1 workdir; set"
      " --config.tokenizer_from=WORKDIR"
    )
  _check_same_networks(config)
  params = restore_params(config.tokenizer_from, item="ema")
  return generator_task(system, config, params["tokenizer"])


def _check_same_networks(config: ConfigDict) -> None:
  """Stage 2 must describe the networks and codecs that stage 1 trained."""
  here, there = config.to_dict(), load_config(config.tokenizer_from)
  for section in ("tokenizer", "decoder", "codecs"):
    ours, theirs = flatten(_plain(here[section])), flatten(there[section])
    for name in sorted(ours.keys() | theirs.keys()):
      if ours.get(name) != theirs.get(name):
        raise InputError(
          f"config.{section}.{name}: {ours.get(name)} here,"
          f" {theirs.get(name)} in {config.tokenizer_from}; use the stage-1"
          " config's value"
        )


def _plain(value: Any) -> Any:
  """Tuples as lists, as the stored JSON has them."""
  if isinstance(value, dict):
    return {key: _plain(item) for key, item in value.items()}
  return list(value) if isinstance(value, tuple) else value


def open_data(config: ConfigDict, system: System) -> loader.TrainIterator:
  """The training stream of a configuration, at its start."""
  if not config.data.path and not config.data.get("latents"):
    raise InputError(
      "config.data.path: not set; give prepared data by"
      " --config.data.path=DIR (see scenetok prepare)"
    )
  if "target_path" in config.data and not config.data.target_path:
    raise InputError(
      "config.data.target_path: not set; give prepared data whose frames are"
      " the targets by --config.data.target_path=DIR (docs/analyses.md)"
    )
  # Processes that differ along tensor or sequence alone read the same share.
  share = loader_share(make_mesh(dict(config.mesh)))
  return loader.train_iterator(
    config.data,
    seed=config.seed,
    codecs=lambda: codec_identities(config, system),
    process_index=share.number,
    process_count=share.total,
    parts=share.parts,
  )


def codec_identities(config: ConfigDict, system: System) -> dict[str, dict]:
  """What latents for a configuration must have been made with, by part."""
  codecs = {"context": system.context_codec, "target": system.target_codec}
  return {
    part: latents.identity(codec, config.codecs[part].to_dict())
    for part, codec in codecs.items()
  }


def evaluation_scenes(
  path: str, split: str, num_context: int, limit: int | None = None
) -> list[EvaluationScene]:
  """Scenes of a prepared split, read; see evaluation_plan.heldout."""
  plan = evaluation_plan.heldout(path, split, num_context, limit)
  return [source.load() for source in plan.sources]


def evaluation_split(path: str) -> str:
  """The test split, or else train, of which held-out frames are scored."""
  return "test" if "test" in records.splits(path) else "train"


def evaluation_options(config: ConfigDict, seed: int = 0) -> EvaluationOptions:
  """How a run's own configuration renders."""
  return EvaluationOptions(
    render=RenderOptions.of(config.sampling),
    deterministic=config.sampling.deterministic,
    seed=seed,
  )


def make_evaluate(
  config: ConfigDict, system: System
) -> Callable[[Any, int], dict[str, float]] | None:
  """Scores a few held-out scenes during training.

  None for stage 2, and where data.latents are all the data there is: scores
  need frames.
  """
  wanted = config.train.eval_every > 0 and config.train.eval_scenes > 0
  path = config.data.path
  if config.stage != "tokenizer" or not wanted or not path:
    return None
  scenes = evaluation_scenes(
    path,
    evaluation_split(path),
    config.data.num_context,
    config.train.eval_scenes,
  )
  options = evaluation_options(config)

  def evaluate(params: Any, step: int) -> dict[str, float]:
    del step
    predictions = predict(system, params, scenes, options)
    return average([score(prediction) for prediction in predictions])

  return evaluate
