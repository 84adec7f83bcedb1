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
declare -A running=()  # process id -> rank
stop_all() {
  ((${#running[@]} == 0)) || kill -"$1" "${!running[@]}" 2> /dev/null || true
}
# What the scheduler sends to the launcher, the processes must get.
terminated=0
trap 'terminated=1; stop_all TERM' TERM INT

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
    running[$!]=$rank
  fi
done

# Looks at them ten times a second: `wait -n` loses those that end together.
status=0
left=$((${GRACE:-30} * 10))
while ((${#running[@]} > 0)); do
  for pid in "${!running[@]}"; do
    ! kill -0 "$pid" 2> /dev/null || continue
    code=0
    wait "$pid" || code=$?
    rank=${running[$pid]}
    unset "running[$pid]"
    ((code != 0 && status == 0)) || continue
    status=$code
    how="with status $code"
    ((code <= 128)) || how="by signal $((code - 128))"
    if ((terminated == 0)); then
      echo "launch/local.sh: process $rank of $count ended $how;" \
        "stopping the others. The same command resumes the run." >&2
      stop_all TERM
    fi
  done
  if ((terminated == 1 || status != 0)); then
    # GRACE seconds after the first failure or signal, kills what is left.
    ((left-- > 0)) || stop_all KILL
  fi
  sleep 0.1
done
exit "$status"
