"""A training run as a configuration describes it: task, data, evaluation."""

from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from data_pipelines.identity import with_identity
from data_pipelines.latents.identity import codec_identities
from data_pipelines.loading import loader
from scenetok_jax.io import locate, to_plain, write_json
from scenetok_jax.model import Model, build
from scenetok_jax.parallel.join import initialize
from scenetok_jax.parallel.mesh import LoaderShare, loader_share, make_mesh
from scenetok_jax.parallel.runtime import is_lead, processes_here
from scenetok_jax.train.activity import Activity
from scenetok_jax.train.auto import resolve
from scenetok_jax.train.curves import draw_curves
from scenetok_jax.train.device_batches import DataIterator
from scenetok_jax.train.generator_task import generator_task
from scenetok_jax.train.hang import HangWatch
from scenetok_jax.train.heldout_scores import make_evaluate
from scenetok_jax.train.lives import LifeLog
from scenetok_jax.train.loop import train
from scenetok_jax.train.memory import memory_advice
from scenetok_jax.train.state import TrainState
from scenetok_jax.train.task import Task
from scenetok_jax.train.tokenizer_task import tokenizer_task
from scenetok_jax.types import InputError
from scenetok_jax.workdir import stored_config
from scenetok_jax.workdir.checkpoint import restore_params
from scenetok_jax.workdir.fields import check_paths
from scenetok_jax.workdir.ranges import check_numbers

DROPPED_FILE = "dropped.json"  # scenes of the data that the run leaves out
FINISHED_FILE = "finished.json"  # in the workdir of a run that did all steps


def run(config: ConfigDict, workdir: str) -> TrainState:
  """Trains stage 1 (tokenizer and renderer) or stage 2 (SceneGen).

    config = load_config("configs/rooms.py:smoke")  # scenetok_jax.workdir
    state = run(config, "runs/rooms")

  Joins the other processes of the job first, where there are any.

  config: of a file of configs/; data.path must be set; what is "auto" becomes
  what suits the devices (train/auto.py). workdir: checkpoints, metrics and
  config.json; resumed where it exists. Returns the final state, after
  train.total_steps steps (then finished.json is in the workdir) or after the
  one at which a signal asked for the end. Raises InputError where the
  configuration, its data or the workdir cannot be used, and with advice where
  the devices have too little memory.
  """
  with Activity() as activity:
    initialize()
    check_paths(config)
    check_numbers(config)
    with HangWatch(config.train.hang_timeout, activity):
      config = resolve(config, workdir)
      with memory_advice(config):
        return _run(config, workdir, activity)


def _run(config: ConfigDict, workdir: str, activity: Activity) -> TrainState:
  model = build(config)
  task = make_task(config, model)
  evaluate = make_evaluate(config, model, activity)

  def stream() -> loader.TrainIterator:
    opened = open_data(config, model)
    if is_lead():
      opened.tell(locate(workdir) / DROPPED_FILE)
    return opened

  def describe(data: DataIterator) -> dict[str, Any]:
    known = task.frozen, data.identity, data.scale
    return with_identity(workdir, config, *known)

  def keep_life(check_lease: Callable[[], None]) -> LifeLog:
    return LifeLog(workdir, config.train.total_steps, activity, check_lease)

  state = train(
    config, workdir, task, stream, evaluate, describe, activity, keep_life,
    draw_curves,
  )  # fmt: skip
  if is_lead():
    finished = locate(workdir) / FINISHED_FILE
    finished.unlink(missing_ok=True)
    if is_finished(config, state):
      write_json(finished, {"step": int(state.step)}, sync=True)
  return state


def is_finished(config: ConfigDict, state: TrainState) -> bool:
  """Whether a run has done all its steps, or was asked to end before."""
  return int(state.step) >= config.train.total_steps


def make_task(config: ConfigDict, model: Model) -> Task:
  """The stage that a configuration trains.

  InputError for stage 2 without a stage-1 workdir, or with other networks.
  """
  if config.stage == "tokenizer":
    return tokenizer_task(model, config)
  if not config.tokenizer_from:
    raise InputError(
      "config.tokenizer_from: stage 2 needs a stage-1 workdir; set"
      " --config.tokenizer_from=WORKDIR"
    )
  # Stage 2 must describe the networks and codecs that stage 1 trained.
  stored = stored_config.load_stored_config(config.tokenizer_from)
  for section in ("tokenizer", "decoder", "codecs"):
    ours = stored_config.flatten(to_plain(config[section].to_dict()))
    if not isinstance(stored.get(section), dict):
      raise InputError(
        f"{config.tokenizer_from}: config.json: {section}: missing; give a"
        " stage-1 workdir"
      )
    theirs = stored_config.flatten(stored[section])
    for name in sorted(ours.keys() | theirs.keys()):
      same = ours.get(name) == theirs.get(name)
      if not same and not stored_config.is_free(f"{section}.{name}"):
        raise InputError(
          f"config.{section}.{name}: {ours.get(name)} here,"
          f" {theirs.get(name)} in {config.tokenizer_from}; use the stage-1"
          " config's value"
        )
  params = restore_params(config.tokenizer_from, item="ema")
  return generator_task(model, config, params["tokenizer"])


def open_data(
  config: ConfigDict, model: Model, share: LoaderShare | None = None
) -> loader.TrainIterator:
  """The training stream of a configuration, at its start.

  share: of the global batches; default: this process's on the run's mesh.
  """
  if not config.data.path and not config.data.get("latents"):
    raise InputError(
      "config.data.path: not set; give prepared data by"
      " --config.data.path=DIR (see scenetok prepare)"
    )
  if "target_path" in config.data and not config.data.target_path:
    raise InputError(
      "config.data.target_path: not set; give prepared data whose frames are"
      " the targets by --config.data.target_path=DIR"
      " (docs/analyses_geometry.md)"
    )
  # A share that was given is read by a lone process.
  processes = processes_here() if share is None else 1
  # Processes that differ along tensor or sequence alone read the same share.
  share = share or loader_share(make_mesh(dict(config.mesh)))
  return loader.train_iterator(
    loader.with_workers(config.data, processes),
    seed=config.seed,
    codecs=lambda: codec_identities(config, model),
    process_index=share.number,
    process_count=share.total,
    parts=share.parts,
  )
