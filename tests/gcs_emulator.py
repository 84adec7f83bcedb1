"""The emulator of Google Cloud Storage, with the conditions that it lacks.

  python tests/gcs_emulator.py PORT

TensorStore writes an object only if its generation is the one that it read, as
the real service allows: ifGenerationMatch, ifGenerationNotMatch and the header
x-goog-generation.
"""

import sys
from http import HTTPStatus

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects

_download, _insert = objects.download, objects.insert


def _generation(storage, bucket, name):
  try:
    return storage.get_file_obj(bucket, name)["generation"]
  except NotFound:
    return "0"


def download(request, response, storage, *args, **kwargs):
  names = request.params["bucket_name"], request.params["object_id"]
  now = _generation(storage, *names)
  if now != "0" and request.query.get("ifGenerationNotMatch") == [now]:
    response.status = HTTPStatus.NOT_MODIFIED
    return
  if now != "0":
    response["x-goog-generation"] = now
  _download(request, response, storage, *args, **kwargs)


def insert(request, response, storage, *args, **kwargs):
  wanted, name = (request.query.get(k) for k in ("ifGenerationMatch", "name"))
  if wanted and name:
    bucket = request.params["bucket_name"]
    if _generation(storage, bucket, name[0]) != wanted[0]:
      response.status = HTTPStatus.PRECONDITION_FAILED
      return
  _insert(request, response, storage, *args, **kwargs)


objects.download, objects.insert = download, insert

if __name__ == "__main__":
  # Late: the server keeps the handlers that it finds.
  from gcp_storage_emulator.server import create_server

  server = create_server("localhost", int(sys.argv[1]), True, "bucket")
  server.run()
