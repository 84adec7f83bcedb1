"""What a run would refuse, found before it costs anything."""

import os
from typing import Any

import jax
from ml_collections import ConfigDict

from data_pipelines.identity import with_identity
from scenetok_jax.disk import check_writable
from scenetok_jax.io import is_url, locate
from scenetok_jax.model import Model, build
from scenetok_jax.parallel.mesh import LoaderShare, check_batch, mesh_shape
from scenetok_jax.train.auto import resolve
from scenetok_jax.train.experiment import make_task, open_data
from scenetok_jax.train.forecast import meshes, with_values
from scenetok_jax.train.gradients import Reduction
from scenetok_jax.train.heldout_scores import make_evaluate
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.overview import chosen
from scenetok_jax.train.profile import Profiler
from scenetok_jax.train.restore_or_init import start_item
from scenetok_jax.train.task import Task
from scenetok_jax.workdir.checkpoint import check_params
from scenetok_jax.workdir.lock import check_free, make_folder
from scenetok_jax.workdir.stored import complete_steps
from scenetok_jax.workdir.stored_config import CONFIG_FILE, compare_config


def dry_run(
  config: ConfigDict,
  workdir: str | os.PathLike[str],
  devices: int | None = None,
  *,
  read: bool = True,
) -> list[str]:
  """Checks what train would, on any machine, and compiles nothing.

  Nothing is left in the workdir. devices: that the run will have; default:
  those of this process. read: also reads a batch of the data, the weights of
  codecs and of stage 1, and the workdir, which another machine may not see.

  Returns what was found, in lines for people; InputError for whatever the run
  would end with before its first step.
  """
  count = len(jax.devices()) if devices is None else devices
  if devices is None:
    config = resolve(config, workdir if read else None)
  elif not any(config.mesh.values()):
    batch = config.data.batch_size // config.train.accumulate
    config = with_values(config, mesh=next(meshes(config, batch, count)))
  shape = mesh_shape(dict(config.mesh), count)
  check_batch(config.data.batch_size, config.train.accumulate, shape)
  Reduction.of(config, shape)
  Optimizer.of(config)
  Profiler(str(workdir), config.train.profile)
  model = build(config)
  axes = " ".join(f"{axis}={size}" for axis, size in shape.items())
  lines = [f"mesh {axes}, global batch {config.data.batch_size}"]
  if devices is None:
    lines.append(chosen(config))
  if not read:
    return lines
  lines.append(_workdir(config, workdir))
  task = make_task(config, model)
  lines.append(_data(config, workdir, model, task))
  params = jax.eval_shape(task.init, jax.random.key(0))
  if config.restore:
    start_item(config)
  if config.restore and not config.restore_partial:
    check_params(config.restore, params)
  size = sum(leaf.size for leaf in jax.tree.leaves(params))
  lines.append(f"{size / 1e6:.1f} M parameters to train")
  return lines


def _workdir(config: ConfigDict, workdir: str | os.PathLike[str]) -> str:
  folder = locate(workdir)
  if not folder.exists():
    # Its nearest parent must take it; nothing is made here.
    parents = [folder] if is_url(folder) else folder.absolute().parents
    parent = next(path for path in parents if is_url(path) or path.exists())
    check_writable(parent, "--workdir")
    return f"{folder}: a new run"
  make_folder(folder)  # refuses a file
  check_free(folder)
  check_writable(folder, "--workdir")
  changed = compare_config(folder, config.to_dict())
  steps = complete_steps(folder)
  if not steps:
    return f"{folder}: a new run"
  told = f"; since the last start {changed}" if changed else ""
  return f"{folder}: goes on from step {steps[-1]}{told}"


def _data(config: ConfigDict, workdir: Any, model: Model, task: Task) -> str:
  config = config.copy_and_resolve_references()
  config.data.workers = 0
  if not (locate(workdir) / CONFIG_FILE).exists():
    config.restore = None  # many bytes, and nothing to compare them with
  data = open_data(config, model, LoaderShare(0, 1, (0,)))
  try:
    with_identity(workdir, config, task.frozen, data.identity)
    next(data)
  finally:
    data.close()
  make_evaluate(config, model)
  return f"{config.data.get('latents') or config.data.path}: a batch was read"
