"""The same splits made by TFDS's Beam path, for data of many machines.

A Beam runner reads and encodes scenes wherever it likes; TFDS's writer sorts
the frames by number and writes the ArrayRecord shards. The index is written
beside it in parts, like that of a local run. The source and OUT must be
reachable by all workers.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from data_pipelines.storage import builders, index_files, parts, records, writer
from data_pipelines.storage.encoding import encode
from data_pipelines.storage.recipes import (
  Recipe,
  SceneLoader,
  SplitPlan,
  unique,
)
from scenetok_jax.io import storage_reason, write_json
from scenetok_jax.types import InputError

try:
  import apache_beam as beam
  from apache_beam.options.pipeline_options import PipelineOptions
except ImportError as error:
  raise InputError(
    "--beam: Apache Beam is not installed; run `pip install"
    " 'scenetok_jax[beam]'`"
  ) from error

# Frame i of scene n has key n * _STRIDE + i: TFDS sorts records by key.
_STRIDE = 1 << 20


class PosedFrames(tfds.core.GeneratorBasedBuilder):
  """TFDS builder of one split; its examples are a Beam collection."""

  VERSION = tfds.core.Version(f"{records.FORMAT_VERSION}.0.0")
  name = records.NAME

  def __init__(self, plan: SplitPlan, root: Path):
    self._plan = plan
    self._root = root
    super().__init__(data_dir=os.fspath(root / "tfds"))

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      description=writer.DESCRIPTION,
      features=writer.features(),
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager: Any, pipeline: Any) -> dict:
    del dl_manager
    recipe = self._plan.recipe
    scenes, _ = unique(self._plan.scenes)
    encoded = (
      pipeline
      | "Scenes" >> beam.Create(list(enumerate(scenes)))
      | "Spread" >> beam.Reshuffle()
      | "Encode" >> beam.Map(_encode, recipe)
    )
    size = len(parts.ranges(len(scenes))[0])
    _ = (
      encoded
      | "Parts" >> beam.Map(lambda item: (item[0] // size, item))
      | "Group" >> beam.GroupByKey()
      | "Index" >> beam.Map(_write_index, os.fspath(self._root))
    )
    return {recipe.split: encoded | "Frames" >> beam.FlatMap(_examples)}

  def _generate_examples(self) -> Iterator:
    raise AssertionError("examples are made in _split_generators")


def build(
  out: str | os.PathLike, plan: SplitPlan, options: Sequence[str] = ()
) -> dict:
  """Writes OUT/<split> and OUT/report.json like builders.build.

  Args:
    out: folder of all splits of this data.
    plan: what to write.
    options: Beam pipeline options, such as "--runner=DirectRunner".

  Returns:
    {seen, kept, dropped: [{scene, reason}], warnings, frames, already}.

  Raises:
    InputError: scenes that share work, or files beside the records.
  """
  if plan.group > 1 or plan.files or plan.groundwork:
    raise InputError(
      f"--beam: {plan.recipe.dataset} scenes are made by --workers only"
    )
  out = Path(out)
  builders.stored_report(out)
  recipe = plan.recipe
  final = out / recipe.split
  if final.exists() or not plan.scenes:
    return builders.build(out, plan)
  partial = out / f".{recipe.split}.partial-beam-{plan.digest()}"
  with parts.storing(out, partial):
    try:
      report = _write(partial, plan, options)
      builders.publish(partial / recipe.split, final)
    except Exception as error:
      if isinstance(error, InputError) or storage_reason(error):
        shutil.rmtree(partial)
      raise
  builders.tidy(out, recipe.split)
  return {**report, "already": False}


def _write(root: Path, plan: SplitPlan, options: Sequence[str]) -> dict:
  recipe = plan.recipe
  for path in root.iterdir():  # a Beam run starts anew
    shutil.rmtree(path)
  builder = PosedFrames(plan, root)
  try:
    builder.download_and_prepare(
      file_format="array_record",
      download_config=tfds.download.DownloadConfig(
        beam_options=PipelineOptions(list(options)),
        compute_stats=tfds.download.ComputeStatsMode.SKIP,
      ),
    )
  except Exception:
    # Beam and TFDS wrap errors; where no scene was kept, say that instead.
    if len(_folders(root)) == len(parts.ranges(len(unique(plan.scenes)[0]))):
      builders.merge_reports(_reports(root), _dropped(plan))
    raise
  report = builders.merge_reports(_reports(root), _dropped(plan))
  directory = root / recipe.split
  Path(builder.data_dir).rename(directory)
  info = {"recipe": recipe.describe(), "report": report}
  counts = [{"first": part["frames"]} for part in _reports(root)]
  index_files.join(_folders(root), directory, counts, info)
  return report


def _encode(
  item: tuple[int, SceneLoader], recipe: Recipe
) -> tuple[int, Any, str]:
  number, scene = item
  return number, encode(scene, recipe), scene.key


def _examples(
  item: tuple[int, Any, str],
) -> Iterator[tuple[int, dict[str, Any]]]:
  number, scene, _ = item
  if isinstance(scene, InputError):
    return
  features = writer.features()
  for frame, example in enumerate(writer.examples(scene)):
    yield number * _STRIDE + frame, features.encode_example(example)


def _write_index(item: tuple[int, Iterable], root: str) -> None:
  """Writes the index rows of the scenes of one part."""
  number, scenes = item
  final = parts.folder(Path(root), number)
  partial = final.with_suffix(".tmp")
  shutil.rmtree(partial, ignore_errors=True)
  partial.mkdir(parents=True)
  index = index_files.IndexWriter(partial)
  dropped, warnings = [], []
  for _, scene, key in sorted(scenes, key=lambda item: item[0]):
    if isinstance(scene, InputError):
      dropped.append({"scene": key, "reason": str(scene)})
      continue
    writer.index_scene(index, scene)
    warnings += [f"{key}: {text}" for text in scene.warnings]
  index.close()
  counts = {"scenes": index.rows, "frames": index.frames, "bytes": 0}
  report = {**counts, "dropped": dropped, "warnings": warnings}
  write_json(partial / writer.PART, report, indent=1)
  shutil.rmtree(final, ignore_errors=True)  # a repeated attempt
  partial.rename(final)


def _dropped(plan: SplitPlan) -> list[dict]:
  """Scenes that are not even tried."""
  return [*plan.dropped, *unique(plan.scenes)[1]]


def _folders(root: Path) -> list[Path]:
  return sorted(p for p in root.glob("part-*") if not p.suffix)


def _reports(root: Path) -> list[dict]:
  return [writer.read_part(path) for path in _folders(root)]
