"""The networks of a configuration as checkpoints of the release, and back."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict
from safetensors.numpy import save

from scenetok_jax.convert.engine import (
  Table,
  file_buffers,
  import_params,
  with_buffers,
)
from scenetok_jax.convert.export import export
from scenetok_jax.convert.fitting import Partial
from scenetok_jax.convert.load import take_partial
from scenetok_jax.convert.own_files import own_arrays, sealed
from scenetok_jax.convert.reader import Tensors, read_step, read_tensors, select
from scenetok_jax.decoder import dit_table
from scenetok_jax.generator import scenegen_table
from scenetok_jax.io import atomic_path, fetched, locate, to_plain, write_json
from scenetok_jax.model import Model, build, init_generator, init_stage1
from scenetok_jax.outputs import whole
from scenetok_jax.parallel.runtime import quick_compile_options
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.tokenizer import perceiver_table
from scenetok_jax.types import InputError
from scenetok_jax.workdir import checkpoint, fields, places, stored_config
from scenetok_jax.workdir.stored import FOLDER
from scenetok_jax.workdir.stored_model import stored_model

SOURCE_FILE = "converted_from.json"
BUFFERS_FILE = "release_buffers.safetensors"
PREFIXES = tuple(
  table.PREFIX for table in (perceiver_table, dit_table, scenegen_table)
)
NULL_TOKEN = f"{dit_table.PREFIX}null_tokens"


@dataclasses.dataclass(frozen=True)
class Imported:
  """What an import wrote: step, parameters, and what it did not take.

  partial: of each network, where asked. averages: tensors of moving averages.
  """

  step: int
  parameters: int
  partial: dict[str, Partial]
  averages: int


def tables(model: Model, stage: str) -> dict[str, Table]:
  """The rename table of each network that a stage trains, by its name."""
  if stage == "generator":
    return {"generator": scenegen_table.table(model.generator)}
  return {
    "tokenizer": perceiver_table.table(model.tokenizer),
    "decoder": dit_table.table(model.decoder),
  }


def import_checkpoint(
  config: ConfigDict,
  source: str | Path,
  out: str | Path,
  *,
  partial: bool,
  ema: bool = False,
) -> Imported:
  """Writes a folder that serves as a workdir, from a checkpoint.

  config: of the stage whose networks the file holds; a null token in the file
  is added to it. source: .ckpt, .pt, .pth or .safetensors with the release's
  names. partial: take what fits (convert.load.take_partial). ema: the moving
  averages that it holds. InputError where it is unreadable, not exactly of this
  configuration, or the folder holds a checkpoint already.
  """
  stored = Path(out) / stored_config.CONFIG_FILE
  if stored.exists():
    raise InputError(f"{stored}: exists; delete it or choose another --out")
  config = fields.plain(config)
  tensors = read_tensors(source, ema=ema)
  params, buffers, reports = _read(config, source, tensors, partial)
  averages = tensors.averages
  del tensors
  # The source is closed here: its pages count as memory while it is mapped.
  params = _on_device(params)
  step = read_step(source)
  folder = Path(out)
  names = (FOLDER, SOURCE_FILE, BUFFERS_FILE, stored_config.CONFIG_FILE)
  with whole(folder, *names) as aside:
    stored_config.store_config(aside, config.to_dict())
    checkpoint.save_params(aside, params, to_plain(config.to_dict()), step)
    write_json(aside / SOURCE_FILE, {"file": Path(source).name})
    if buffers:
      with atomic_path(aside / BUFFERS_FILE) as temporary:
        temporary.write_bytes(save(buffers, sealed(buffers, {})))
  count = sum(leaf.size for leaf in jax.tree.leaves(params))
  return Imported(step, count, reports, averages)


def _read(
  config: ConfigDict, source: str | Path, tensors: Tensors, partial: bool
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, Partial]]:
  """(parameters, buffers to keep, partial reports) by network."""
  strange = [name for name in tensors if not name.startswith(PREFIXES)]
  # A file without any prefix holds one bare network.
  if not partial and 0 < len(strange) < len(tensors):
    raise InputError(
      f"{source}: tensors: {len(strange)} of unknown name"
      f" ({'; '.join(strange)}); remove them, or import with --partial"
    )
  if config.stage == "tokenizer" and NULL_TOKEN in tensors:
    config.decoder.null_token = True
  model = build(config)
  fresh = initial(model, config, computed=partial)
  params: dict[str, Any] = {}
  reports: dict[str, Partial] = {}
  buffers: dict[str, np.ndarray] = {}
  for name, table in tables(model, config.stage).items():
    if partial:
      found = take_partial(tensors, table, fresh.pop(name), str(source))
      params[name] = found.params
      reports[name] = dataclasses.replace(found, params={})
    else:
      own = select(tensors, table.prefix)
      params[name] = import_params(own, table, fresh.pop(name), str(source))
    buffers |= file_buffers(select(tensors, table.prefix), table)
  return params, buffers, reports


def source_of(folder: str | Path) -> str | None:
  """The file that a workdir was converted from; None where it was trained."""
  try:
    return str(read_json(Path(folder) / SOURCE_FILE)["file"])
  except (OSError, ValueError, KeyError, TypeError):
    return None


def initial(
  model: Model, config: ConfigDict, *, computed: bool
) -> dict[str, Any]:
  """Fresh parameters; only their shapes unless computed."""

  def init(key: Any) -> dict[str, Any]:
    if config.stage == "generator":
      return init_generator(model, key, config.data.num_context)
    return init_stage1(model, key)

  key = jax.random.key(config.seed)
  if not computed:
    return jax.eval_shape(init, key)
  options = quick_compile_options(jax.default_backend())
  return jax.device_get(jax.jit(init, compiler_options=options)(key))


def _on_device(params: dict[str, Any]) -> dict[str, Any]:
  """Host arrays to JAX arrays, emptying the dict as it goes.

  Orbax copies host arrays before it writes them, twice; these it does not.
  """
  done = {}
  for name in list(params):
    leaves, tree = jax.tree.flatten(params.pop(name))
    for i, leaf in enumerate(leaves):
      leaves[i] = jax.block_until_ready(jax.device_put(leaf))
      del leaf
    done[name] = jax.tree.unflatten(tree, leaves)
  return done


def export_workdir(
  workdir: str | Path, out: str | Path, *, item: str = "ema"
) -> int:
  """Writes the networks that a workdir trained under the release's names.

  An imported checkpoint comes back tensor for tensor. workdir: a run, a
  converted checkpoint or a compact folder. out: .ckpt or .safetensors. item:
  "params", or "ema" for the average where there is one. Returns the step of
  the checkpoint; InputError without one, or for an unknown suffix.
  """
  workdir = places.workdir(workdir)
  config, model = stored_model(workdir)
  step = checkpoint.latest_step(workdir)
  params = checkpoint.restore_params(workdir, item=item)
  stored = _buffers(locate(workdir) / BUFFERS_FILE)
  networks = [
    (with_buffers(table, stored), params[name])
    for name, table in tables(model, config.stage).items()
  ]
  export(out, networks, step=step)
  return step


def _buffers(path: Path) -> dict[str, np.ndarray]:
  if not path.is_file():
    return {}
  how = "not a whole safetensors file", "convert the checkpoint again"
  with fetched(path) as file, own_arrays(file, *how) as (arrays, _):
    return arrays
