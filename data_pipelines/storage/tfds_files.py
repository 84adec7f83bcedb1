"""What TensorFlow Datasets wants: records' bytes and its metadata files."""

import os
from collections.abc import Sequence
from pathlib import Path

import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_info, example_serializer

from data_pipelines.storage import records

# A name that TFDS notes and nobody imports; older data have it too.
_MODULE = "data_pipelines.writer"
_VERSION = tfds.core.Version(f"{records.FORMAT_VERSION}.0.0")


class Serializer:
  """TFDS example -> the bytes of its record; the same in every process."""

  def __init__(self, features: tfds.features.FeaturesDict):
    self._features = features
    info = features.get_serialized_info()
    self._serializer = example_serializer.ExampleSerializer(info)

  def __call__(self, example: dict) -> bytes:
    encoded = self._features.encode_example(example)
    # Otherwise the order of the fields changes from process to process.
    return self._serializer.get_tf_example(encoded).SerializeToString(
      deterministic=True
    )


def write_dataset_info(
  directory: Path,
  split: str,
  shard_lengths: Sequence[int],
  num_bytes: int,
  *,
  name: str,
  features: tfds.features.FeaturesDict,
  description: str,
) -> None:
  """Writes TFDS's dataset_info.json and features.json of a split directory."""
  identity = dataset_info.DatasetIdentity(
    name=name,
    version=_VERSION,
    data_dir=os.fspath(directory),
    module_name=_MODULE,
  )
  info = tfds.core.DatasetInfo(
    builder=identity,
    description=description,
    features=features,
    disable_shuffling=True,
  )
  info.set_file_format("array_record")
  template = tfds.core.ShardedFileTemplate(
    dataset_name=name,
    data_dir=directory,
    split=split,
    filetype_suffix="array_record",
  )
  info.set_splits(
    tfds.core.splits.SplitDict(
      [
        tfds.core.SplitInfo(
          name=split,
          shard_lengths=list(shard_lengths),
          num_bytes=num_bytes,
          filename_template=template,
        )
      ]
    )
  )
  info.write_to_directory(directory)
