"""`scenetok tables`: markdown, LaTeX and a page that needs no other file."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from scenetok_jax import console
from scenetok_jax.cli import tables
from scenetok_jax.evaluation.html import PICTURE_WIDTH, ranking
from scenetok_jax.media import write_png
from tests.evaluation.tables_test import result


@pytest.fixture
def measured(tmp_path):
  """A result with contact sheets, as evaluate --out leaves them."""
  pictures = {}
  for number in range(5):
    name = f"sheets/s{number}.png"
    sheet = np.full((20, 1400, 3), 40 * number, np.uint8)
    write_png(tmp_path / name, sheet)
    pictures[f"s{number}"] = name
  scenes = {f"s{i}": {"psnr": 20.0 + (i - 2) ** 2} for i in range(5)}
  found = result(
    tmp_path, "measured", per_scene=scenes, pictures=pictures,
    missing_metrics={"lpips": 'from "here" & <there>'},
  )  # fmt: skip
  return found.path


def test_every_form_is_written(measured, tmp_path, capsys):
  files = {name: tmp_path / f"t.{name}" for name in ("md", "tex", "html")}
  arguments = [
    str(measured), f"--markdown={files['md']}", f"--latex={files['tex']}",
    f"--html={files['html']}", f"--json={tmp_path / 't.json'}", "--worst=2",
  ]  # fmt: skip
  assert not tables.main(arguments)
  printed = capsys.readouterr().out
  assert "| 12 views | PSNR (dB) | 23.99 | 23.50 |" in printed
  assert files["md"].read_text() in printed
  assert r"\toprule" in files["tex"].read_text()
  (table,) = json.loads((tmp_path / "t.json").read_text())["tables"]
  psnr = next(x for x in table["lines"] if x["measure"] == "psnr")
  assert psnr["difference"] == pytest.approx(-0.49)


def test_the_page_holds_plots_and_the_worst_scenes(measured, tmp_path):
  file = tmp_path / "t.html"
  tables.main([str(measured), f"--html={file}", "--worst=2"])
  page = file.read_text()
  # Nothing is loaded from anywhere.
  assert "http" not in page and 'src="data:' in page
  assert set(re.findall(r'src="(.{15})', page)) == {"data:image/png;"}
  images = [
    Image.open(io.BytesIO(base64.b64decode(data)))
    for data in re.findall(r'base64,([^"]+)"', page)
  ]
  # Two plots and two contact sheets, shrunk.
  assert len(images) == 4
  assert [image.width for image in images[2:]] == [PICTURE_WIDTH] * 2
  captions = re.findall("<figcaption>(.*?)</figcaption>", page)
  assert captions[2:] == ["s2: psnr 20.000", "s1: psnr 21.000"]
  assert "from &#34;here&#34; &amp; &lt;there&gt;" in page


def test_the_worst_lpips_is_the_largest():
  scenes = {"a": {"lpips": 0.1}, "b": {"lpips": 0.4}, "c": {}}
  assert ranking(scenes, "lpips") == [("b", 0.4), ("a", 0.1)]


def test_mixed_checkpoints_are_refused(tmp_path, capsys):
  paths = [
    str(result(tmp_path, "one").path),
    str(result(tmp_path, "two", "re10k_c5_64", checkpoint="c").path),
  ]
  assert console.run(tables.main, paths) == 2
  message = capsys.readouterr().err
  assert "evaluate again with one checkpoint" in message
  assert message.count("\n") == 1
  assert not tables.main([*paths, "--compare"])


def test_a_sheet_that_is_gone_is_named(measured, tmp_path, capsys):
  (tmp_path / "sheets" / "s2.png").unlink()
  arguments = [str(measured), f"--html={tmp_path / 't.html'}"]
  assert console.run(tables.main, arguments) == 2
  assert "s2.png: pictures: cannot be read" in capsys.readouterr().err
  assert not (tmp_path / "t.html").exists()


@pytest.mark.parametrize("name", ["/etc/x.png", "../x.png", "out/x.png", "\0"])
def test_pictures_stay_below_their_result(name, measured, tmp_path, capsys):
  (tmp_path.parent / "x.png").write_bytes(b"")
  (tmp_path / "out").symlink_to(tmp_path.parent)
  found = json.loads(measured.read_text())
  found["pictures"]["s2"] = name
  measured.write_text(json.dumps(found))
  arguments = [str(measured), f"--html={tmp_path / 't.html'}"]
  assert console.run(tables.main, arguments) == 2
  told = capsys.readouterr().err
  assert "pictures" in told and told.count("\n") == 1
  assert "cannot be read" not in told and not (tmp_path / "t.html").exists()
