"""Copies a folder of a bucket or a slow mount to a local one, whole or not."""

import concurrent.futures
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from data_pipelines.storage.parts import storing
from scenetok_jax.types import InputError, explained

_PACKAGES = {"gs": "gcs", "s3": "s3"}  # scheme -> extra of this package
# They log with tracebacks what the error says in one line.
_SILENT = logging.NullHandler()
_SOURCE = ".source"  # in a folder that is being copied: where it comes from


class Staged(NamedTuple):
  """What stage found; did: "copied N files", or that all were there."""

  files: int
  size: int
  did: str


def stage(
  source: str,
  to: str | os.PathLike[str],
  workers: int = 16,
  progress: Callable[[int, int], object] = lambda done, total: None,
) -> Staged:
  """Copies all files below `source` into the folder `to`.

  Files are copied to TO.partial and renamed when they have the size that the
  source tells; the folder is renamed when all have. A later call goes on.

  Args:
    source: a folder, gs://BUCKET/NAME or s3://BUCKET/NAME.
    to: a folder on a file system, made here.
    workers: files that are copied at the same time.
    progress: called with (done, total) megabytes.

  Raises:
    InputError: the source is empty or cannot be read, the folder holds
      something else, or a file arrived with another size.
  """
  target = Path(to)
  files = _Source(source)
  total = sum(files.sizes.values())
  wanted = f"{source} has {len(files.sizes)} files of {total} bytes"
  if target.exists():
    if _sizes(target) == files.sizes:
      return Staged(len(files.sizes), total, "all were there")
    raise InputError(
      f"--to: {target}: exists and holds something else ({wanted}); choose"
      " another folder or delete it"
    )
  partial = target.with_name(target.name + ".partial")
  with storing(target, partial):
    note = partial / _SOURCE
    if not note.exists() and any(partial.iterdir()):
      raise InputError(
        f"{partial}: exists, and no earlier stage made it; choose another --to"
      )
    own = os.fsencode(source)  # names need not be UTF-8
    if note.exists() and note.read_bytes() != own:
      held = os.fsdecode(note.read_bytes())
      raise InputError(
        f"{partial}: holds a part of {held}; delete it or choose another --to"
      )
    note.write_bytes(own)
    here = _sizes(partial)
    missing = [n for n, size in files.sizes.items() if here.get(n) != size]
    done = total - sum(files.sizes[name] for name in missing)
    with concurrent.futures.ThreadPoolExecutor(max(workers, 1)) as pool:
      copies = {pool.submit(files.copy, n, partial): n for n in missing}
      try:
        for copy in concurrent.futures.as_completed(copies):
          copy.result()
          done += files.sizes[copies[copy]]
          progress(done // 10**6, max(total // 10**6, 1))
      except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    for stray in _sizes(partial).keys() - files.sizes.keys():
      (partial / stray).unlink()
    note.unlink()
    partial.rename(target)
  return Staged(len(files.sizes), total, f"copied {len(missing)} files")


class _Source:
  """The files below a folder of any file system that fsspec knows."""

  def __init__(self, source: str) -> None:
    import fsspec

    for logger in ("gcsfs", "s3fs"):
      logging.getLogger(logger).addHandler(_SILENT)
    scheme, _, url = source.partition("://")
    extra = _PACKAGES.get(scheme, "")
    if "://" in source and not (extra and url.strip("/")):
      raise InputError(
        f"--data: {source}: give a folder, gs://BUCKET/... or s3://BUCKET/..."
      )
    remedy = f"pip install -e '.[{extra}]'"
    with explained(f"{source}: cannot be opened", remedy, ImportError):
      self._system, root = fsspec.core.url_to_fs(source)
    remedy = "check the name and your access to it"
    with explained(f"--data: {source}: cannot be read", remedy, Exception):
      found: dict[str, Any] = self._system.find(root, detail=True)
    self._root = root.rstrip("/") + "/"
    # Some tools leave empty objects for folders.
    self.sizes = {
      name.removeprefix(self._root): int(info["size"])
      for name, info in found.items()
      if name.startswith(self._root) and not name.endswith("/")
    }
    if not self.sizes:
      raise InputError(f"--data: {source}: no files there; check the name")

  def copy(self, name: str, folder: Path) -> None:
    """Copies one file; it has its name only when it has its size."""
    final = folder / name
    part = final.with_name(final.name + ".part")
    remedy = "the same command goes on"
    with (
      contextlib.ExitStack() as stack,
      explained(f"{final}: cannot be copied", remedy, Exception),
    ):
      stack.callback(part.unlink, missing_ok=True)
      final.parent.mkdir(parents=True, exist_ok=True)
      self._system.get_file(self._root + name, str(part))
      size = part.stat().st_size
      if size != self.sizes[name]:
        raise InputError(
          f"{self._root}{name}: {size} bytes arrived of {self.sizes[name]};"
          f" {remedy}"
        )
      part.replace(final)


def _sizes(folder: Path) -> dict[str, int]:
  """{name below the folder: bytes} of its files but for _SOURCE."""
  return {
    path.relative_to(folder).as_posix(): path.stat().st_size
    for path in folder.rglob("*")
    if path.is_file() and path != folder / _SOURCE
  }
