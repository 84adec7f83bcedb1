from pathlib import Path

import pytest

from benchmarks import marks
from scenetok_jax.types import InputError


def test_what_stands_between_the_marks_of_a_name_is_replaced(tmp_path):
  page = tmp_path / "page.md"
  begin, end = "<!-- BEGIN A TABLE -->", "<!-- END A TABLE -->"
  page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
  marks.replace(page, "A TABLE", "| new |")
  marks.replace(page, "A TABLE", "| newer |")
  assert page.read_text() == f"before\n{begin}\n| newer |\n{end}\nafter\n"


@pytest.mark.parametrize("name", ["TABLE", "B"])
def test_a_page_without_both_marks_is_left_as_it_is(tmp_path, name):
  page = tmp_path / "page.md"
  page.write_text("<!-- BEGIN A TABLE -->\n<!-- BEGIN B -->\n")
  with pytest.raises(InputError, match="lacks"):
    marks.replace(page, name, "table")
  assert page.read_text() == "<!-- BEGIN A TABLE -->\n<!-- BEGIN B -->\n"


@pytest.mark.parametrize(
  ("page", "name"),
  [
    ("performance.md", "AOT TABLE"),
    ("performance.md", "AOT TABLE OF GPUS"),
    ("performance_rendering.md", "AOT RENDER TABLE"),
    ("performance_gpu.md", "GPU REPORT"),
    ("training_recipes.md", "RECIPES"),
    ("evaluation_scores.md", "METRIC VERSIONS"),
  ],
)
def test_the_docs_have_the_marks_that_benchmarks_look_for(tmp_path, page, name):
  docs = Path(__file__).parents[2] / "docs"
  copy = tmp_path / page
  copy.write_bytes((docs / page).read_bytes())
  marks.replace(copy, name, "| new |")
  assert "| new |" in copy.read_text()
