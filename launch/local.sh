#!/usr/bin/env bash
# Starts N real processes on this machine, joined by jax.distributed (CPU,
# Gloo): the same program as on a pod, for tests and laptops.
#
#   launch/local.sh 4 train --config=configs/rooms.py:smoke --workdir=/tmp/run \
#     --config.data.path=data/rooms
#
# Settings:
#   DEVICES  pretended devices per process (default 2)
#   PORT     port of the coordinator (default: a free one)
#   PYTHON   interpreter (default: .venv/bin/python of this repository)
#   GRACE    seconds that the ranks get to save once one has failed or somebody
#            has asked for the end (default 30)
#   DRY_RUN  1 is the same as --dry-run: print the commands only
#
# Ends with 0 when all processes do. When one fails or hangs the others end and
# its number and status are printed. Ctrl-C, SIGTERM and SIGHUP, to this process
# or to its group, ask all of them to save and end; a second Ctrl-C ends them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/lib.sh
source "$here/lib.sh"

arguments=()
for word in "$@"; do
  if [[ "$word" == --dry-run ]]; then DRY_RUN=1; else arguments+=("$word"); fi
done
count=${arguments[0]:-}
if ! [[ "$count" =~ ^[1-9][0-9]*$ ]] || ((${#arguments[@]} < 2)); then
  echo "usage: launch/local.sh N VERB ARGUMENTS... (such as: 4 train ...)" >&2
  exit 2
fi
verb=${arguments[1]}

if [[ -z "${PYTHON:-}" ]]; then
  PYTHON=$here/../.venv/bin/python
  [[ -x "$PYTHON" ]] || PYTHON=python3
fi
free_port='import socket; s = socket.socket(); s.bind(("localhost", 0))
print(s.getsockname()[1])'
if [[ -z "${PORT:-}" ]]; then
  if [[ "$DRY_RUN" == 1 ]]; then PORT=FREE; else PORT=$("$PYTHON" -c "$free_port"); fi
fi
# shellcheck source=launch/env_cpu.sh
source "$here/env_cpu.sh"

# One line instead of one from each rank.
if [[ "$verb" == train && "$DRY_RUN" != 1 ]]; then
  JAX_PLATFORMS=cpu "$PYTHON" -m scenetok_jax.cli.train "${arguments[@]:2}" \
    --dry-run "--devices=$((count * ${DEVICES:-2}))" > /dev/null
fi

command=("$PYTHON" -m "scenetok_jax.cli.$verb" "${arguments[@]:2}")
if [[ "$DRY_RUN" == 1 ]]; then
  for ((rank = 0; rank < count; rank++)); do
    show env JAX_PLATFORMS=cpu "JAX_NUM_CPU_DEVICES=${DEVICES:-2}" \
      "JAX_COORDINATOR_ADDRESS=localhost:$PORT" "JAX_NUM_PROCESSES=$count" \
      "JAX_PROCESS_ID=$rank" "${command[@]}"
  done
  exit 0
fi
exec python3 "$here/ranks.py" "$count" "${DEVICES:-2}" "$PORT" \
  "${GRACE:-30}" "${command[@]}"
