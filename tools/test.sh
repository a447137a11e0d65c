#!/usr/bin/env bash
# Sets up, then builds and runs every test: the C kernels under sanitizers, the Swift tests, libcurricle with its examples.
# On ARM, under emulation: tools/test_arm.sh.
#   tools/test.sh [--long] [OPTIONS OF swift test]
# --long: besides, each example alone and by a version's tag, wheel and notebook, the library's documentation, every option under mpirun.
set -euo pipefail
cd "$(dirname "$0")/.."
long=""
if [ "${1:-}" = --long ]; then
    long=--long
    shift
fi
tools/setup.sh
tools/test_c.sh
tools/test_compilers.sh
# A build of its own: tests look into the modules (-enable-testing), the released command does not have to.
swift build -c release -Xswiftc -enable-testing --scratch-path .build/testing --build-tests
swift test -c release -Xswiftc -enable-testing --scratch-path .build/testing --skip-build "$@"
tools/test_library.sh .build/testing/release/curricle
tools/draw_targets.py --check
# Under mpirun, with both implementations.
tools/setup.sh --mpi
tools/build_engines.sh .build/testing/release
tools/test_mpi.sh .build/testing/release/curricle ${long:+--all}
tools/test_swift.sh .build/testing/release/curricle $long
Benchmarks/learning.py test
tools/test_python.sh --source .build/testing/release/curricle
if [ -n "$long" ]; then
    tools/test_python.sh
    tools/docs.sh "$(mktemp -d)/site"
fi
# Every parser of ours on inputs made from the corpus: a short run of what tools/fuzz.sh does for as long as it is told to.
tools/fuzz.sh 20000
# A minute of faults in system calls, of the same campaign that tools/faults.sh runs whole.
tools/faults.sh .build/testing/release/curricle 60
