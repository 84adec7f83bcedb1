# shellcheck shell=bash
# Names of TPU slices; sourced by tpu_queued.sh and xpk.sh.

# chips TYPE: v4 and v5p count cores, two a chip; the others count chips.
chips() {
  local size=${1##*-}
  [[ "$size" =~ ^[1-9][0-9]*$ ]] || fail "TYPE: '$1' has no size"
  case "$1" in
    v4-* | v5p-*) echo $((size / 2)) ;;
    *) echo "$size" ;;
  esac
}

# runtime TYPE: the software version of its virtual machines.
runtime() {
  case "$1" in
    v6e-*) echo v2-alpha-tpuv6e ;;
    v5p-*) echo v2-alpha-tpuv5 ;;
    v5litepod-*) echo v2-alpha-tpuv5-lite ;;
    v4-*) echo tpu-ubuntu2204-base ;;
    *) fail "TYPE: '$1' is unknown; set RUNTIME too" ;;
  esac
}
