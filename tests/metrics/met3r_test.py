"""The adapter of MEt3R, with a module of the package's interface.

Its weights are seeded: a small network gives features and, as DUSt3R does,
points of both images in the first one's camera. The features are projected
there, and where both land their cosine tells how alike they are.
"""

import importlib.util
import sys
import types

import numpy as np
import pytest

from scenetok_jax.metrics import met3r
from scenetok_jax.metrics.loading import missing
from scenetok_jax.metrics.metric import Video
from scenetok_jax.types import Cameras

torch = pytest.importorskip("torch", reason="pip install -e '.[convert]'")
SIZE = 32


def make_network(img_size=256, use_norm=True, **options):
  """What the package's class is: a torch module of images [B 2 3 H W]."""
  assert use_norm and not options  # all else as the package has it
  torch.manual_seed(0)

  class Network(torch.nn.Module):
    def __init__(self):
      super().__init__()
      self.features = torch.nn.Conv2d(3, 8, 5, padding=2)
      self.depth = torch.nn.Conv2d(3, 1, 5, padding=2)
      self.motion = torch.nn.Parameter(torch.tensor([0.05, 0.0, 0.0]))

    def points(self, image, moved):
      """Image [B 3 H W] -> points [B 3 H W] in the first camera."""
      depth = 2 + 0.1 * torch.tanh(self.depth(image))
      axis = (torch.arange(img_size) + 0.5) / img_size - 0.5
      y, x = torch.meshgrid(axis, axis, indexing="ij")
      rays = torch.stack([x, y, torch.ones_like(x)])[None]
      return rays * depth + moved * self.motion[:, None, None]

    def forward(self, images, return_overlap_mask=False):
      assert images.shape[1:] == (2, 3, img_size, img_size)
      assert images.min() >= -1 and images.max() <= 1 and images.min() < 0
      shown = []
      for view in (0, 1):
        points = self.points(images[:, view], view)
        plane = 2 * points[:, :2] / points[:, 2:]
        grid = plane.permute(0, 2, 3, 1)
        shown.append(
          torch.nn.functional.grid_sample(
            self.features(images[:, view]), grid, align_corners=False
          )
        )
      alike = torch.cosine_similarity(*shown, dim=1)
      mask = (shown[0].abs().sum(1) > 0) & (shown[1].abs().sum(1) > 0)
      score = 1 - (alike * mask).sum((1, 2)) / mask.sum((1, 2))
      return (score, mask) if return_overlap_mask else (score,)

  return Network()


@pytest.fixture
def package(monkeypatch):
  module = types.ModuleType("met3r")
  module.__spec__ = types.SimpleNamespace(name="met3r")
  module.MEt3R = make_network
  monkeypatch.setitem(sys.modules, "met3r", module)
  met3r._network.cache_clear()
  yield module
  met3r._network.cache_clear()


def video(frames: int) -> Video:
  rng = np.random.default_rng(0)
  low = rng.integers(0, 255, (frames, 4, 4, 3), dtype=np.uint8)
  images = low.repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
  poses = np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1))
  return Video(images, Cameras(poses, poses[:, :3, :3]))


def test_every_pair_of_neighbours_has_its_score(package):
  assert missing("met3r") is None
  clip = video(7)
  found = met3r.met3r_score(clip)
  assert found.shape == (6,) and (found > 0.02).all()
  # Batches of pairs change nothing; each pair is judged by itself.
  two = Video(clip.images[4:6], clip.cameras)
  assert met3r.met3r_score(two) == pytest.approx(found[4:5], rel=1e-5)


def test_a_repeated_frame_is_more_consistent_than_another(package):
  clip = video(2)
  still = Video(np.repeat(clip.images[:1], 2, axis=0), clip.cameras)
  assert met3r.met3r_score(still)[0] < 0.5 * met3r.met3r_score(clip)[0]


def test_what_to_install_is_told(monkeypatch):
  monkeypatch.delitem(sys.modules, "met3r", raising=False)
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  assert "pip install git+https" in missing("met3r")
