#!/bin/sh
# The library as two files, curricle.c and curricle.h, to be compiled with a program of one's own. They hold the kernels for one CPU, the one that
# the compiler is told to compile for (-march=…, -mcpu=…): no choice is made at run time.
# Usage: tools/amalgamate.sh [FOLDER]     default .build/amalgamation
set -eu
cd "$(dirname "$0")/.."
folder=${1:-.build/amalgamation}
mkdir -p "$folder"
cp CSupport/include/curricle.h "$folder/curricle.h"
awk '
# Writes a file, other files in the place of their #include: headers once, .inc files each time. What is for training alone is left out.
function emit(path,    line, part, name, directory, skipped) {
    directory = path
    sub(/[^\/]*$/, "", directory)
    while ((getline line < path) > 0) {
        if (skipped) { # inside of #ifndef CURRICLE_INFERENCE_ONLY
            if (line ~ /^#if/) skipped++
            else if (line ~ /^#endif/) skipped--
            continue
        }
        if (line == "#ifndef CURRICLE_INFERENCE_ONLY") { skipped = 1; continue }
        if (line ~ /^#define _POSIX_C_SOURCE/) continue # stands above all
        if (line ~ /^#include "/) {
            split(line, part, "\"")
            name = found(directory, part[2])
            if (name ~ /include\/curricle.h$/) { if (!seen[name]++) print "#include \"curricle.h\"" }
            else if (name ~ /\.inc$/ || !seen[name]++) emit(name)
            continue
        }
        print line
    }
    close(path)
}
# Where a file lies that another one includes.
function found(directory, name,    place, line, i, from) {
    split(directory " CSupport/ CSupport/include/", from, " ")
    for (i = 1; i <= 3; i++) {
        place = from[i] name
        while (sub(/[^\/]+\/\.\.\//, "", place)) { }
        if ((getline line < place) >= 0) { close(place); return place }
    }
    print "amalgamate.sh: there is no " name > "/dev/stderr"
    exit 1
}
# An ISA: its name and tiles, as its file defines them.
function choose(isa,    path, line) {
    path = "CSupport/isa_" isa ".c"
    while ((getline line < path) > 0) if (line ~ /^#/ && line !~ /^#include/) print line
    close(path)
}
BEGIN {
    print "// Curricle'"'"'s feature extractor in one file: curricle.h is its interface. Made by tools/amalgamate.sh; to be changed where it was made from."
    print "#define _POSIX_C_SOURCE 199309L // clock_gettime"
    print "#pragma GCC diagnostic ignored \"-Wunused-function\""
    print "#define CURRICLE_INFERENCE_ONLY"
    print "#define INTERNAL static"
    emit("CSupport/kernels/call.h")
    emit("CSupport/simd/vector.h")
    print "\n// The CPU that is compiled for."
    print "#if defined(__x86_64__) && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)"
    print "#define CURRICLE_WITHOUT_BASELINE\n#define CURRICLE_WITHOUT_AVX2"
    choose("avx512")
    print "#elif defined(__x86_64__) && defined(__AVX2__) && defined(__FMA__)"
    print "#define CURRICLE_WITHOUT_BASELINE\n#define CURRICLE_WITHOUT_AVX512"
    choose("avx2")
    print "#elif defined(__aarch64__)\n#define CURRICLE_WITHOUT_BASELINE"
    choose("neon")
    print "#else\n#define CURRICLE_WITHOUT_AVX2\n#define CURRICLE_WITHOUT_AVX512"
    choose("baseline")
    print "#endif"
    emit("CSupport/kernels/all.inc")
    count = split("dispatch team execute calibrate checksum program_check curricle resample resize_rows resize_crop", source, " ")
    for (i = 1; i <= count; i++) emit("CSupport/" source[i] ".c")
}' > "$folder/curricle.c"
