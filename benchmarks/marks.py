"""Pages of the docs whose tables commands write, between two marks."""

from pathlib import Path

from scenetok_jax.io import write_text
from scenetok_jax.types import InputError


def replace(page: Path, name: str, text: str) -> None:
  """Puts text between a page's lines of <!-- BEGIN name --> and END.

  InputError where the page lacks them: it stays as it is.
  """
  begin, end = (f"<!-- {word} {name} -->" for word in ("BEGIN", "END"))
  old = page.read_text("utf-8")
  if begin not in old or end not in old:
    raise InputError(f"{page}: lacks {begin} and {end}")
  before, _, rest = old.partition(begin)
  after = rest.partition(end)[2]
  write_text(page, f"{before}{begin}\n{text}\n{end}{after}")
