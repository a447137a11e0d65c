#!/usr/bin/env bash
# Installs, uses and removes the Debian packages in a system that has nothing else (debootstrap). As root, with a Debian mirror.
#   tools/test_deb.sh FOLDER_OF_PACKAGES [MIRROR]
set -euo pipefail
packages=$(realpath "$1")
"$(dirname "$0")/setup.sh" lintian >&2
lintian --fail-on error,warning "$packages"/*.deb
# shellcheck source=tools/bare_system.sh
. "$(dirname "$0")/bare_system.sh" "${2:-}"
cp -r "$packages" "$root/packages"
inside sh -c 'find / -xdev -path /proc -prune -o -type f -print | grep -v -E "^/(var|tmp|packages|root)/" | sort' > "$root.before"
inside sh -c 'apt-get install -y -q --no-install-recommends /packages/curricle_*.deb /packages/libcurricle1_*.deb /packages/libcurricle-dev_*.deb' >> "$root.log" 2>&1 || { tail -n 20 "$root.log"; exit 1; }
inside curricle --version
inside sh -c 'cd /tmp && head -c 3072 /dev/urandom > noise && curricle plan --model tiny-p16 --batch-size 4 --skip-timing | head -n 3'
# A picture of two lines of zeros, by hand: no decoder is needed to have one.
inside sh -c 'printf "\000\000\010\003\000\000\000\020\000\000\000\010\000\000\000\010" > /tmp/train-images-idx3-ubyte && head -c 1024 /dev/urandom >> /tmp/train-images-idx3-ubyte
    cd /tmp && curricle pretrain --data train-images-idx3-ubyte --output run --image-size 8 --patch-size 2 --channels 1 --embed-dim 16 --depth 1 --num-heads 2 \
        --decoder-embed-dim 16 --decoder-depth 1 --decoder-num-heads 2 --batch-size 8 --epochs 2 --augment none 2>/dev/null && curricle compile --weights run/model.safetensors -o e.curricle | head -n 2'
inside test -s /usr/share/man/man1/curricle-pretrain.1.gz
inside test -s /usr/include/curricle.h
inside sh -c 'apt-get purge -y -q curricle libcurricle1 libcurricle-dev && apt-get autoremove --purge -y -q' >> "$root.log" 2>&1
inside sh -c 'find / -xdev -path /proc -prune -o -type f -print | grep -v -E "^/(var|tmp|packages|root)/" | sort' > "$root.after"
left=$(comm -13 "$root.before" "$root.after" | grep -i curricle || true)
rm -f "$root.before" "$root.after" "$root.log"
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
echo "the packages install, work and go again on $codename"
