"""Chunks: faults that fetching again does not mend are told as they are."""

import pytest

from data_pipelines.sources import re10k_chunks
from scenetok_jax.types import InputError
from tests.data_pipelines import chunks


def test_a_key_that_is_a_number_is_named(tmp_path):
  chunks.save(tmp_path / "a.torch", [{**chunks.scene("x"), "key": 123}])
  with pytest.raises(InputError, match="scene 0: `key` is 123, not a string"):
    re10k_chunks.read_chunk(tmp_path / "a.torch")


def test_columns_of_a_larger_tensor_need_contiguous(tmp_path):
  torch = pytest.importorskip("torch", reason="torch files: extra [convert]")
  made = chunks.scene("x", frames=3)
  rows = torch.zeros(3, 20)[:, :18]
  images = [torch.from_numpy(image.copy()) for image in made["images"]]
  scene = {"key": "x", "cameras": rows, "images": images}
  torch.save([scene], tmp_path / "a")
  with pytest.raises(InputError, match=r"contiguous; save .*\.contiguous\(\)"):
    re10k_chunks.load_scene(tmp_path / "a", "x")
