# Sourced: `compilers` are those that a script was given, or Swift's clang and the oldest that are promised, which are set up.
compilers=("$@")
if [ "${#compilers[@]}" = 0 ]; then
    tools/setup.sh clang-14 gcc-12
    compilers=(clang clang-14 gcc-12)
fi
