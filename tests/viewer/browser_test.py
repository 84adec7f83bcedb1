"""The page in a real browser, on the shipped checkpoint and a room."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenetok_jax.media import read_video
from tests.cli import workdirs
from tests.docs.commands import ROOT

pages = pytest.importorskip("benchmarks.pages", reason="viser is missing")

pytestmark = [
  pytest.mark.slow,
  pytest.mark.skipif(
    pages.browser_path() is None,
    reason="no browser: set CHROMIUM=PROGRAM, or install chromium",
  ),
]
_MILLISECONDS = 300  # from the pointer to the picture
_MOVES = 500
_MEGABYTES = 48  # by which a process may grow in so many moves
_X, _Y = 300, 350


@pytest.fixture(scope="module")
def served(tmp_path_factory):
  data = workdirs.rooms(tmp_path_factory.mktemp("browser") / "rooms", 1, 12)
  rooms = ROOT / "checkpoints" / "rooms"
  # As a user has it, and not with the compiler of the tests.
  with pytest.MonkeyPatch.context() as patch:
    patch.delenv("XLA_FLAGS", raising=False)
    patch.setenv("JAX_NUM_CPU_DEVICES", "1")
    with pages.served(f"--workdir={rooms}", f"--data={data}") as found:
      yield found


@pytest.fixture(scope="module")
def browser():
  with pages.browser() as found:
    yield found


@pytest.fixture(scope="module")
def tab(served, browser):
  found = browser.open(served.url)
  found.says("15 steps")
  return found


def answered(tab, x):
  """Milliseconds from a moved pointer to the next picture."""
  count = tab.js("pictures.length")
  tab.pointer("mouseMoved", x, _Y)
  tab.wait(f"pictures.length > {count}", 30)
  return tab.js(f"pictures[{count}] - moved")


def dragged(tab, moves, before=lambda tab: None):
  """Milliseconds of each of so many moves, there and back again."""
  tab.pointer("mousePressed", _X, _Y)
  spent = []
  for index in range(moves):
    before(tab)
    spent.append(answered(tab, _X + 2 + index % 40))
  tab.pointer("mouseReleased", _X + 2, _Y)
  return spent


def shown(tab):
  """The middle of the page."""
  image = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
  return np.asarray(image, int)[200:500, 300:700]


def rested(tab):
  """Waits until no picture comes any more."""
  tab.wait("performance.now() - pictures.at(-1) > 2000")


def memory(pid):
  """Megabytes of a process."""
  text = Path(f"/proc/{pid}/status").read_text()
  (line,) = (s for s in text.splitlines() if s.startswith("VmRSS"))
  return int(line.split()[1]) / 1024


def test_a_moved_camera_changes_the_picture_in_time(tab):
  rested(tab)
  before = shown(tab)
  # From rest, so that no picture is the answer to an earlier move.
  spent = dragged(tab, 15, rested)
  print(f"pointer to picture: {np.percentile(spent, (10, 50, 90)).round()} ms")
  assert np.median(spent) < _MILLISECONDS
  rested(tab)
  assert np.abs(shown(tab) - before).mean() > 2


def test_a_recorded_path_becomes_a_video(tab, browser):
  tab.click("Add keyframe")
  dragged(tab, 8)
  tab.click("Add keyframe")
  tab.click("Render mp4")
  tab.says("rendering 11 frames: ")
  tab.click("Download mp4")
  file = pages.until(lambda: list(browser.downloads.glob("*.mp4")))[0]
  frames = read_video(file)
  assert frames.shape == (11, 256, 256, 3)
  assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1


def test_two_windows_move_at_once(tab, served, browser):
  other = browser.open(served.url)
  other.says("15 steps")
  rested(tab)
  before = shown(tab), shown(other)
  counts = [t.js("pictures.length") for t in (tab, other)]
  for t in (tab, other):
    t.pointer("mousePressed", _X, _Y)
  for step in range(20):
    tab.pointer("mouseMoved", _X + 4 * step, _Y)
    other.pointer("mouseMoved", _X, _Y + 3 * step)
  for t, count in zip((tab, other), counts, strict=True):
    t.pointer("mouseReleased", _X, _Y)
    t.wait(f"pictures.length > {count + 1}")
  rested(tab)
  rested(other)
  after = shown(tab), shown(other)
  for one, two in zip(before, after, strict=True):
    assert np.abs(one - two).mean() > 2
  assert np.abs(after[0] - after[1]).mean() > 2
  other.call("Page.close")


def test_memory_stays_as_it_is_over_many_moves(tab, served):
  dragged(tab, 60)
  before = memory(served.pid)
  dragged(tab, _MOVES)
  assert memory(served.pid) - before < _MEGABYTES
