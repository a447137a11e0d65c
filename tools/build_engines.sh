#!/bin/sh
# Builds what several ranks need beside the command, one engine for each implementation of MPI that is installed (tools/setup.sh --mpi installs both).
#   tools/build_engines.sh [FOLDER]     default .build/release, where the command looks for them beside itself
set -eu
cd "$(dirname "$0")/.."
folder=${1:-.build/release}
mkdir -p "$folder"
built=""
for kind in openmpi mpich; do
    command -v "mpicc.$kind" >/dev/null || continue
    # MPICH marks an ignored array of statuses by an address that gcc takes for an array of none.
    "mpicc.$kind" -std=c17 -Wno-stringop-overflow -O2 -Wall -Wextra -Werror -shared -fPIC -ISources/CRanks/include MPI/engine.c -lpthread -o "$folder/libcurricle-$kind.so"
    built="$built $kind"
done
[ -n "$built" ] || { echo "there is neither mpicc.openmpi nor mpicc.mpich: tools/setup.sh --mpi installs them" >&2; exit 2; }
echo "engines in $folder:$built"
