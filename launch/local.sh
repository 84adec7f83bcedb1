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
#   GRACE    seconds that the others get to save after one has failed, and
#            after SIGTERM (default 30)
#   DRY_RUN  1 is the same as --dry-run: print the commands only
#
# Ends with 0 when all processes do. When one fails the others are stopped and
# its number and status are printed.
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

command=("$PYTHON" -m "scenetok_jax.cli.$verb" "${arguments[@]:2}")
pids=()
for ((rank = 0; rank < count; rank++)); do
  settings=(
    JAX_PLATFORMS=cpu
    "JAX_NUM_CPU_DEVICES=${DEVICES:-2}"
    "JAX_COORDINATOR_ADDRESS=localhost:$PORT"
    "JAX_NUM_PROCESSES=$count"
    "JAX_PROCESS_ID=$rank"
  )
  if [[ "$DRY_RUN" == 1 ]]; then
    show env "${settings[@]}" "${command[@]}"
  else
    env "${settings[@]}" "${command[@]}" \
      > >(sed -u "s/^/[$rank] /") 2> >(sed -u "s/^/[$rank] /" >&2) &
    pids+=($!)
  fi
done
[[ "$DRY_RUN" == 0 ]] || exit 0

stop_all() {
  kill -"$1" "${pids[@]}" 2> /dev/null || true
}
# What the scheduler sends to the launcher, the processes must get.
terminated=0
trap 'terminated=1; stop_all TERM' TERM INT

# Waits for GRACE seconds, then kills what is left.
reap() {
  local left=$((${GRACE:-30} * 10))
  while ((left-- > 0)) && kill -0 "${pids[@]}" 2> /dev/null; do sleep 0.1; done
  for pid in "${pids[@]}"; do kill -KILL "$pid" 2> /dev/null || true; done
}

status=0
for ((ended = 0; ended < count; )); do
  code=0
  pid=""
  wait -n -p pid "${pids[@]}" || code=$?
  # A trapped signal interrupts wait without a process having ended.
  [[ -n "${pid:-}" ]] || continue
  ended=$((ended + 1))
  if ((code != 0 && status == 0)); then
    status=$code
    for rank in "${!pids[@]}"; do
      if [[ "${pids[rank]}" == "$pid" ]] && ((terminated == 0)); then
        how="with status $code"
        ((code > 128)) && how="by signal $((code - 128))"
        echo "launch/local.sh: process $rank of $count ended $how;" \
          "stopping the others. The same command resumes the run." >&2
      fi
    done
    stop_all TERM
    reap
  fi
done
exit "$status"
