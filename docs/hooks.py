"""What a built site must hold beside mkdocs' own checks; mkdocs calls this.

Nobody who reads a page fetches anything from elsewhere, and every public name
of the reference says what it is.
"""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_ELSEWHERE = re.compile(r"(?:https?:)?//")
_IN_STYLES = re.compile(
  r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)"""
)
_FETCHING = {"src", "srcset", "data", "poster"}


class _Fetched(HTMLParser):
  """Addresses that a browser fetches without being asked to."""

  def __init__(self) -> None:
    super().__init__()
    self.found: list[str] = []

  def handle_starttag(
    self, tag: str, attrs: list[tuple[str, str | None]]
  ) -> None:
    given = dict(attrs)
    names = _FETCHING | ({"href"} if tag in ("link", "use") else set())
    fetched = [given[name] or "" for name in names & given.keys()]
    self.found += [url for url in fetched if _ELSEWHERE.match(url)]
    if "mermaid" in (given.get("class") or "").split():
      self.found.append("mermaid, which the theme takes from a server")


def fetched_elsewhere(site: Path) -> list[str]:
  """`FILE: ADDRESS` of all that the pages of a site take from elsewhere."""
  told = []
  for path in sorted(site.rglob("*.html")):
    parser = _Fetched()
    parser.feed(path.read_text("utf-8"))
    told += [f"{path.relative_to(site)}: {url}" for url in parser.found]
  for path in sorted(site.rglob("*.css")):
    found = _IN_STYLES.findall(path.read_text("utf-8"))
    told += [f"{path.relative_to(site)}: {url}" for url in found]
  return told


def referenced() -> list[str]:
  """The dotted names that the pages of the reference document."""
  pages = [ROOT / "docs" / "api.md", *(ROOT / "docs" / "api").glob("*.md")]
  text = "\n".join(page.read_text("utf-8") for page in pages)
  return re.findall(r"^::: ([\w.]+)$", text, re.M)


def undocumented(name: str) -> list[str]:
  """Public names in a module, or in a class of one, that say nothing."""
  path = ROOT / name.replace(".", "/")
  if path.is_dir():
    path = path / "__init__"
  module, wanted = path.with_suffix(".py"), ""
  if not module.is_file():
    module, wanted = path.parent.with_suffix(".py"), path.name
  tree = ast.parse(module.read_text("utf-8"))
  own = [] if wanted or ast.get_docstring(tree) else [name]
  below = name.removesuffix(f".{wanted}") if wanted else name
  return own + [
    f"{below}.{found}"
    for found, docstring in _public(tree)
    if not docstring and (not wanted or found.split(".")[0] == wanted)
  ]


def _public(
  node: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, str | None]]:
  for child in node.body:
    if not isinstance(child, ast.FunctionDef | ast.ClassDef):
      continue
    if child.name.startswith("_"):
      continue
    yield prefix + child.name, ast.get_docstring(child)
    if isinstance(child, ast.ClassDef):
      yield from _public(child, f"{prefix}{child.name}.")


def on_post_build(config: Any) -> None:
  """Fails the build with one line for each fault."""
  from mkdocs.exceptions import Abort

  wrong = [
    f"fetched from elsewhere: {told}"
    for told in fetched_elsewhere(Path(config["site_dir"]))
  ]
  for name in referenced():
    wrong += [f"no docstring: {told}" for told in undocumented(name)]
  if wrong:
    raise Abort("\n".join(wrong))
