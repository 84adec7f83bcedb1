"""Scenes in, one prepared split out: parallel, resumable, never overwriting."""

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from data_pipelines.storage import parts, records, writer
from data_pipelines.storage.encoding import encode
from data_pipelines.storage.recipes import (
  Recipe,
  SceneLoader,
  SplitPlan,
  unique,
)
from scenetok_jax.console import Progress
from scenetok_jax.disk import remove_leftovers
from scenetok_jax.io import atomic_path, kept, storage_reason, write_json
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.shown import inline
from scenetok_jax.types import InputError

REPORT = "report.json"
PICTURE = "cameras.png"  # of estimated poses, beside the records and in OUT
_FIELDS = {"seen", "kept", "dropped", "splits"}  # of a report


def build(out: str | os.PathLike, plan: SplitPlan, workers: int = 0) -> dict:
  """Writes OUT/<split> and OUT/report.json, returns the split's report.

  The split appears in one rename when it is complete. A killed run leaves
  its finished parts in OUT/.<split>.partial-*; the same command goes on from
  there. An equal split that exists is kept ("already prepared"); a different
  one is never overwritten.

  Args:
    out: folder of all splits of this data.
    plan: what to write.
    workers: processes that read, encode and write; 0 works in this one.

  Returns:
    {seen, kept, dropped: [{scene, reason}], warnings, frames, already}.
  """
  if workers < 0:
    raise InputError(f"--workers={workers}: at least 0, which works in here")
  out = Path(out)
  stored_report(out)
  recipe = plan.recipe
  final = out / recipe.split
  if final.exists():
    report = existing(final, recipe.describe())
    tidy(out, recipe.split)
    return {**report, "already": True}
  if not plan.scenes:
    raise InputError(f"{out}: nothing to prepare: the source holds no scene")
  partial = out / f".{recipe.split}.partial-{plan.digest()}"
  with _groundwork(out, plan) as plan, parts.storing(out, partial):
    try:
      report = _write(partial, plan, workers)
      publish(partial / recipe.split, final)
    except InputError as error:
      if not storage_reason(error):  # another attempt would end the same way
        shutil.rmtree(partial)
      raise
  with kept(out):
    tidy(out, recipe.split)
  return {**report, "already": False}


@contextlib.contextmanager
def _groundwork(out: Path, plan: SplitPlan) -> Iterator[SplitPlan]:
  """Does what comes first; its folder stays for the body, and after a kill."""
  if plan.groundwork is None:
    yield plan
    return
  folder = out / f".{plan.recipe.split}.partial-{plan.groundwork.name}"
  with parts.storing(out, folder):
    yield plan.groundwork.run(folder)


def publish(directory: Path, final: Path) -> None:
  """Renames a finished split into place, without what killed runs left."""
  for path in (directory, *directory.rglob("*")):
    if path.is_dir():
      remove_leftovers(path)
  try:
    directory.rename(final)
  except OSError as error:
    if storage_reason(error):
      raise
    raise InputError(
      f"{final}: appeared meanwhile; choose another --out or remove it"
    ) from None


def _write(root: Path, plan: SplitPlan, workers: int) -> dict:
  """Writes all parts and joins them in root/<split>; returns the report."""
  recipe = plan.recipe
  scenes, repeated = unique(plan.scenes)
  cuts = parts.ranges(len(scenes), plan.group)
  found: dict[int, dict] = {}
  with _progress(recipe, len(scenes)) as progress:

    def done(number: int) -> None:
      found[number] = writer.read_part(parts.folder(root, number))
      if progress:
        kept = sum(part["scenes"] for part in found.values())
        dropped = sum(len(part["dropped"]) for part in found.values())
        note = f"{kept} kept, {dropped} dropped"
        progress.update(len(cuts[number]), note)

    def task(number: int) -> Callable[[Path], None]:
      chosen = [scenes[i] for i in cuts[number]]
      return functools.partial(_write_part, chosen, recipe)

    parts.run(root, range(len(cuts)), task, workers, done)
  reports = [found[i] for i in range(len(cuts))]
  report = merge_reports(reports, [*plan.dropped, *repeated])
  report |= plan.report
  folders = [parts.folder(root, i) for i in range(len(cuts))]
  info = {"recipe": recipe.describe(), "report": report}
  writer.merge(folders, root / recipe.split, recipe.split, info)
  for name, text in plan.files:
    data = text.encode() if isinstance(text, str) else text
    (root / recipe.split / name).write_bytes(data)
  return report


def _write_part(
  scenes: Sequence[SceneLoader], recipe: Recipe, directory: Path
) -> None:
  """Writes the good scenes of a part and reports the others."""
  dropped, warnings = [], []
  part = writer.PartWriter(directory)
  try:
    for scene in scenes:
      result = encode(scene, recipe)
      if isinstance(result, InputError):
        if recipe.strict:
          raise result
        dropped.append({"scene": scene.key, "reason": str(result)})
        continue
      part.add(result)
      warnings += [f"{scene.key}: {text}" for text in result.warnings]
  except BaseException:
    part.abandon()
    raise
  part.close({"dropped": dropped, "warnings": warnings})


def merge_reports(
  reports: Sequence[dict], dropped: Sequence[dict] = (), where: str = ""
) -> dict:
  """The report of a split from those of its parts.

  Args:
    reports: of the parts.
    dropped: scenes that no part was asked for.
    where: before a message, as "FOLDER: ".

  Raises:
    InputError: no scene was kept.
  """
  dropped = [*dropped, *(d for report in reports for d in report["dropped"])]
  kept = sum(report["scenes"] for report in reports)
  if not kept:
    raise InputError(
      f"{where}all {len(dropped)} scenes were dropped; the first,"
      f" {dropped[0]['scene']}: {dropped[0]['reason']}"
    )
  return {
    "seen": kept + len(dropped),
    "kept": kept,
    "dropped": dropped,
    "warnings": [w for report in reports for w in report.get("warnings", ())],
    "frames": sum(report["frames"] for report in reports),
  }


def _progress(
  recipe: Recipe, scenes: int
) -> contextlib.AbstractContextManager[Progress | None]:
  """Progress over scenes; none for a single one, whose error stands alone."""
  if recipe.strict:
    return contextlib.nullcontext()
  return Progress(f"{recipe.dataset}/{recipe.split}", scenes, "scene")


def existing(final: Path, recipe: dict) -> dict:
  """Report of an equal split that exists; InputError when it differs."""
  file = final / records.PREPARED
  try:
    info = records.read_prepared(file)
    before = info["recipe"]
  except (InputError, KeyError):
    raise InputError(
      f"{final}: exists but is not a prepared split; choose another --out or"
      " remove it"
    ) from None
  for field, value in recipe.items():
    if before.get(field) != value:
      raise InputError(
        f"{file}: {_difference(field, before.get(field), value)}; nothing was"
        " overwritten: choose another --out or remove this split"
      )
  return info["report"]


def _difference(field: str, before, now) -> str:
  if isinstance(before, dict) and isinstance(now, dict):
    for name in [*now, *before]:
      if before.get(name) != now.get(name):
        return _difference(f"{field}.{name}", before.get(name), now.get(name))
  return f"{field}: prepared with {before!r}, now asked for {now!r}"


def _merged_report(out: Path) -> dict:
  """Report over all finished splits, and each by name under `splits`."""
  each = {}
  for split in records.splits(out):
    info = records.read_prepared(out / split / records.PREPARED)
    each[split] = info["report"]
  return {
    "seen": sum(report["seen"] for report in each.values()),
    "kept": sum(report["kept"] for report in each.values()),
    "dropped": [item for report in each.values() for item in report["dropped"]],
    "splits": each,
  }


def tidy(out: Path, split: str) -> None:
  """Removes unfinished work of a finished split; brings the report up to date.

  Also after a run that was killed between its last two lines.
  """
  for path in out.glob(f".{split}.partial-*"):
    with contextlib.suppress(InputError, OSError), parts.lock(path):
      shutil.rmtree(path)
  remove_leftovers(out, Path(REPORT).stem)
  _show(out, split)
  report = _merged_report(out)
  if stored_report(out) != report:
    write_json(out / REPORT, report, indent=1)


def _show(out: Path, split: str) -> None:
  """Puts a split's picture of its cameras into OUT; a stranger's stays."""
  made = [f.read_bytes() for f in out.glob(f"*/{PICTURE}") if f.is_file()]
  own, shown = out / split / PICTURE, out / PICTURE
  if own.is_file() and (not shown.exists() or shown.read_bytes() in made):
    with atomic_path(shown) as temporary:
      temporary.write_bytes(own.read_bytes())


def stored_report(out: Path) -> dict | None:
  """OUT/report.json, None where there is none.

  InputError: it is not of this kind, so the user's, and must stay.
  """
  file = out / REPORT
  if not file.exists() and not file.is_symlink():
    return None
  remedy = "choose another --out, or move it away"
  found = read_json(file, remedy)
  if found.keys() != _FIELDS:
    raise InputError(
      f"{file}: --out: exists, and no earlier run wrote it; {remedy}"
    )
  return found


def summary(out: str | os.PathLike, split: str, report: dict) -> str:
  """The report as a few readable lines."""
  state = "already prepared" if report["already"] else "prepared"
  lines = [
    f"{out}/{split}: {state}: {report['kept']} of {report['seen']} scenes,"
    f" {report['frames']} frames"
  ]
  lines += dropped_lines(report["dropped"])
  lines += [f"  note: {inline(text, 1000)}" for text in report["warnings"]]
  return "\n".join(lines)


def dropped_lines(dropped: Sequence[dict]) -> list[str]:
  """Scenes that are left out, and why, of a report."""
  return [
    f"  dropped {inline(d['scene'])}: {inline(d['reason'], 1000)}"
    for d in dropped
  ]
