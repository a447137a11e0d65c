#!/bin/sh
# A training with a state each step, killed at random moments and resumed with other numbers of threads: the last bits are those of a run
# that nobody killed.
#   tools/kills.sh [CURRICLE] [KILLS]      (default: the released command, 1000)
set -eu
exec "$(dirname "$0")/faults.sh" "${1:-.build/release/curricle}" kills "${2:-1000}"
