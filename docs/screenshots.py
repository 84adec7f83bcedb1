"""Takes the pictures of docs/viewer.md: `python docs/screenshots.py --data=D`.

Needs Chromium, or CHROMIUM=PROGRAM, and the extra [viewer].
"""

import argparse
import io
import sys
import time
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
_SIZE = 1200, 760
_COLORS = 256  # a screenshot of flat panels needs no more


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--workdir", default="checkpoints/rooms")
  parser.add_argument("--data", required=True, help="prepared data")
  parser.add_argument("--scene", default="0")
  parser.add_argument("--out", default=str(ROOT / "docs/images/viewer.png"))
  args = parser.parse_args()
  sys.path.insert(0, str(ROOT))
  from benchmarks import pages

  flags = [f"--{n}={getattr(args, n)}" for n in ("workdir", "data", "scene")]
  with pages.served(*flags) as viewer, pages.browser(_SIZE) as browser:
    tab = browser.open(viewer.url)
    tab.says("15 steps")
    tab.js(
      "document.querySelector('.mantine-Notification-closeButton').click()"
    )
    # A step back: a frustum that is too near is hidden.
    tab.call(
      "Input.dispatchMouseEvent", type="mouseWheel",
      x=400, y=350, deltaX=0, deltaY=140,
    )  # fmt: skip
    _drag(tab)
    tab.click("Add keyframe")
    # The last view is at rest, and decoded.
    tab.wait("performance.now() - pictures.at(-1) > 4000")
    picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
  picture.quantize(_COLORS).save(args.out, optimize=True)
  print(args.out)


def _drag(tab) -> None:
  """Turns the camera a little."""
  tab.pointer("mousePressed", 400, 350)
  for step in range(1, 11):
    tab.pointer("mouseMoved", 400 + 2 * step, 350)
    time.sleep(0.05)
  tab.pointer("mouseReleased", 420, 350)


if __name__ == "__main__":
  main()
