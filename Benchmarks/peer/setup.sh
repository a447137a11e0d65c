#!/bin/sh
# Make the virtual environment of the PyTorch peer.
#
# usage: setup.sh [--no-inference] [FOLDER]
#
# FOLDER is .venv beside this script unless given. --no-inference leaves out ONNX Runtime and OpenVINO.
# PYTHON names the interpreter (python3).
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
folder=
inference=1
for argument in "$@"; do
    case $argument in
        --no-inference) inference=0 ;;
        -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
        -*) echo "setup.sh: unknown option $argument" >&2; exit 2 ;;
        *) [ -z "$folder" ] || { echo "setup.sh: more than one folder" >&2; exit 2; }; folder=$argument ;;
    esac
done
folder=${folder:-$here/.venv}

[ -x "$folder/bin/python" ] || "${PYTHON:-python3}" -m venv "$folder"
if [ "$inference" = 1 ]; then
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
else
    sed '/^# The inference peers/,$d' "$here/requirements.txt" |
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r /dev/stdin
fi
(cd "$here" && "$folder/bin/python" -c '
import importlib.util, torch
import clmae
found = [name for name in ("onnxruntime", "openvino") if importlib.util.find_spec(name)]
print("torch", torch.__version__, *found)')
echo "$folder/bin/python"
