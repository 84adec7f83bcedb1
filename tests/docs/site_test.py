"""The site has every page, says what every name is, and builds strictly."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.docs.commands import ROOT

DOCS = ROOT / "docs"
HOOKS = [str(DOCS / "hooks.py"), str(DOCS / "notebook_pages.py")]
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.py"))
_SPEC = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
hooks = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(hooks)


def _pages(nav):
  for entry in nav:
    if isinstance(entry, str):
      yield entry
    else:
      (below,) = entry.values()
      yield from [below] if isinstance(below, str) else _pages(below)


def test_the_navigation_has_every_page_once():
  nav = list(_pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
  there = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")]
  there += [f"notebooks/{path.stem}.md" for path in NOTEBOOKS]
  assert sorted(nav) == sorted(there)


def test_every_public_name_of_the_reference_says_what_it_is():
  names = hooks.referenced()
  assert "scenetok_jax.inference.scenetok.SceneTok" in names
  assert [told for name in names for told in hooks.undocumented(name)] == []


def test_what_pages_fetch_from_elsewhere_is_found(tmp_path):
  (tmp_path / "page.html").write_text(
    '<a href="https://a.org">read</a><img src="https://b.org/c.png">'
    '<link href="//fonts.org/d.css"><pre class="mermaid">x</pre>'
  )
  (tmp_path / "style.css").write_text('@import "https://e.org/f.css";')
  assert hooks.fetched_elsewhere(tmp_path) == [
    "page.html: https://b.org/c.png",
    "page.html: //fonts.org/d.css",
    "page.html: mermaid, which the theme takes from a server",
    "style.css: https://e.org/f.css",
  ]


def _build(docs, site, folder):
  config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
  config |= {"docs_dir": str(docs), "hooks": HOOKS}
  python = config["plugins"][1]["mkdocstrings"]["handlers"]["python"]
  python["paths"] = [str(ROOT)]
  (folder / "mkdocs.yml").write_text(yaml.safe_dump(config, sort_keys=False))
  return subprocess.run(
    [sys.executable, "-m", "mkdocs", "build", "--strict",
     f"--config-file={folder}/mkdocs.yml", f"--site-dir={site}"],
    env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    capture_output=True, text=True,
  )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
  "addition, told",
  [
    ("", ""),
    ("[no page](nowhere.md)", "nowhere.md"),
    ("[no heading](data.md#nowhere)", "data.md#nowhere"),
    ("![](https://example.org/a.png)", "https://example.org/a.png"),
  ],
)
def test_the_site_builds_strictly(tmp_path, addition, told):
  pytest.importorskip("mkdocstrings")
  pytest.importorskip("material")
  pytest.importorskip("nbclient")
  docs, site = tmp_path / "docs", tmp_path / "site"
  shutil.copytree(DOCS, docs)
  with (docs / "index.md").open("a") as page:
    page.write(f"\n{addition}\n")
  done = _build(docs, site, tmp_path)
  assert bool(done.returncode) == bool(addition), done.stderr
  assert told in done.stderr + done.stdout
  if not addition:
    page = (site / "api/index.html").read_text()
    assert 'id="scenetok_jax.inference.scenetok.SceneTok.render"' in page
