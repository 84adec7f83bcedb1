"""Executed notebooks as pages of the site; mkdocs calls this when it builds.

Each runs from its first cell to its last, and the build fails where it does,
or where it shows no picture. What it showed is kept in .notebooks/ until its
text, or that of the package, changes.
"""

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.py"))
_KEPT = ROOT / ".notebooks"
_SECONDS = 900  # of a cell
_INLINE = "module://matplotlib_inline.backend_inline"
# A picture of another site, which a reader's browser would fetch.
_BADGE = re.compile(r"\[!\[([^\]]*)\]\([^)]*\)\]")


def on_files(files: Any, config: Any) -> Any:
  """Adds the pages and their pictures to those of docs/."""
  from mkdocs.exceptions import Abort
  from mkdocs.structure.files import File

  for notebook in NOTEBOOKS:
    try:
      folder = executed(notebook)
    except Exception as error:  # of whatever the notebook calls
      raise Abort(f"{notebook}: {error}") from error
    for path in sorted(folder.rglob("*.*")):
      name = f"notebooks/{path.relative_to(folder).as_posix()}"
      files.append(File.generated(config, name, content=path.read_bytes()))
  return files


def executed(notebook: Path) -> Path:
  """The folder of NAME.md and NAME/*.png; runs the notebook if need be."""
  folder = _KEPT / f"{notebook.stem}-{_key(notebook)}"
  if not folder.exists():
    text, pictures = run(notebook)
    new = Path(tempfile.mkdtemp(dir=_made(_KEPT)))
    (new / f"{notebook.stem}.md").write_text(text, "utf-8")
    for name, picture in pictures.items():
      _made((new / name).parent)
      (new / name).write_bytes(picture)
    new.rename(folder)
  return folder


def _key(notebook: Path) -> str:
  """A hash of the notebook and of all that it may call."""
  found = hashlib.sha256(notebook.read_bytes())
  for package in ("scenetok_jax", "data_pipelines"):
    for path in sorted((ROOT / package).rglob("*.py")):
      found.update(path.read_bytes())
  return found.hexdigest()[:16]


def run(notebook: Path) -> tuple[str, dict[str, bytes]]:
  """Markdown of a notebook with what it printed, and its pictures by name."""
  import jupytext
  from nbclient import NotebookClient
  from nbconvert import MarkdownExporter
  from traitlets.config import Config

  found = jupytext.read(notebook)
  # The package is here already.
  found.cells = [c for c in found.cells if not c.source.startswith("%pip")]
  scratch = tempfile.mkdtemp()
  sockets = {"transport": "ipc", "ip": f"{scratch}/kernel"}  # no ports
  try:
    NotebookClient(
      found,
      config=Config({"KernelManager": sockets}),
      timeout=_SECONDS,
      resources={"metadata": {"path": scratch}},
    ).execute(env=os.environ | {"MPLBACKEND": _INLINE})
  finally:
    shutil.rmtree(scratch)
  for cell in found.cells:
    if cell.cell_type == "code":  # without progress bars
      cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
  text, more = MarkdownExporter().from_notebook_node(
    found, {"output_files_dir": notebook.stem}
  )
  if not more["outputs"]:
    raise ValueError("it shows no picture")
  return _BADGE.sub(r"[\1]", text), more["outputs"]


def _made(folder: Path) -> Path:
  folder.mkdir(parents=True, exist_ok=True)
  return folder
