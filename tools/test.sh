#!/usr/bin/env bash
# Sets up, then builds and runs every test: the C kernels under sanitizers, the Swift tests, libcurricle with its examples.
# On ARM, under emulation: tools/test_arm.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
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
tools/test_mpi.sh .build/testing/release/curricle
tools/test_swift.sh .build/testing/release/curricle
Benchmarks/learning.py test
tools/test_python.sh --source .build/testing/release/curricle
# Every parser of ours on inputs made from the corpus: a short run of what tools/fuzz.sh does for as long as it is told to.
tools/fuzz.sh 20000
# A minute of faults in system calls, of the same campaign that tools/faults.sh runs whole.
tools/faults.sh .build/testing/release/curricle 60
