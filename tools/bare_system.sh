# To be sourced: makes a Debian system that has nothing but the base (debootstrap) in $root, gone when the shell ends, and `inside COMMAND …`,
# which runs there. As root, with a Debian mirror: the one given, or the one that this machine's packages come from.
#   . tools/bare_system.sh [MIRROR]
"$(dirname "${BASH_SOURCE[0]}")/setup.sh" debootstrap ca-certificates >&2
# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
root=$(mktemp -d)
# What is mounted there stays whole, whatever happens.
trap 'for place in "$root/proc" "$root/swift"; do ! mountpoint -q "$place" || umount "$place" || umount --lazy "$place"; done
    rm -rf --one-file-system "$root" "$root".*' EXIT
debootstrap --variant=minbase "$codename" "$root" \
    "${1:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | head -n 1)}" > "$root.log" 2>&1 || {
    tail -n 20 "$root.log"
    exit 1
}
cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/this-machine.crt"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C PIP_CERT=/etc/this-machine.crt REQUESTS_CA_BUNDLE=/etc/this-machine.crt "$@"; }
inside apt-get update -q > "$root.log" 2>&1
