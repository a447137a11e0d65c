#!/bin/sh
# Two hosts on this machine, each with a network, a name and shared memory of its own, joined by one cable: what an MPI job over a network is tried on.
#   tools/two_hosts.sh up [RATE]             RATE as tc has it: 100mbit, 1gbit, 10gbit; without one as fast as the kernel is
#   tools/two_hosts.sh rate RATE             another rate
#   tools/two_hosts.sh run KIND COMMAND…     one rank of COMMAND on each, by mpirun of KIND: openmpi or mpich
#   tools/two_hosts.sh cut                   pulls the cable
#   tools/two_hosts.sh down
# Needs root (CAP_NET_ADMIN) and iproute2.
set -eu
state=/run/curricle-hosts

limit() { # limit RATE
    for host in 1 2; do
        ip netns exec "curricle$host" tc qdisc replace dev "cable$host" root tbf rate "$1" burst 256kb latency 20ms
    done
}

case ${1:-} in
up)
    mkdir -p "$state"
    for host in 1 2; do
        ip netns add "curricle$host"
        mkdir -p "/etc/netns/curricle$host"
        printf '127.0.0.1 localhost\n10.9.0.1 curricle1\n10.9.0.2 curricle2\n' >"/etc/netns/curricle$host/hosts"
    done
    ip link add cable1 netns curricle1 type veth peer name cable2 netns curricle2
    for host in 1 2; do
        ip netns exec "curricle$host" ip address add "10.9.0.$host/24" dev "cable$host"
        ip netns exec "curricle$host" ip link set "cable$host" up
        ip netns exec "curricle$host" ip link set lo up
    done
    # Until both ends have come up.
    for _ in $(seq 100); do
        [ "$(ip netns exec curricle1 cat /sys/class/net/cable1/operstate /sys/class/net/lo/carrier)" != "up
1" ] || [ "$(ip netns exec curricle2 cat /sys/class/net/cable2/operstate)" != up ] || break
        sleep 0.05
    done
    cat >"$state/host" <<'HOST'
#!/bin/sh
# A command on one of the hosts.
host=$1
shift
exec ip netns exec "$host" unshare --uts --mount --ipc sh -c 'hostname "$0"; mount -t tmpfs tmpfs /dev/shm; exec "$@"' "$host" "$@"
HOST
    cat >"$state/shell" <<'SHELL'
#!/bin/sh
# What a launcher takes for ssh.
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
exec /run/curricle-hosts/host "$host" sh -c "$*"
SHELL
    chmod +x "$state/host" "$state/shell"
    [ -z "${2:-}" ] || limit "$2"
    ;;
rate) limit "$2" ;;
run)
    kind=$2
    shift 2
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    if [ "$kind" = openmpi ]; then
        exec "$state/host" curricle1 mpirun.openmpi --host curricle1:1,curricle2:1 --bind-to none --mca plm_rsh_agent "$state/shell" "$@"
    fi
    exec "$state/host" curricle1 mpirun.mpich -hosts curricle1:1,curricle2:1 -launcher rsh -launcher-exec "$state/shell" "$@"
    ;;
cut) ip netns exec curricle2 ip link set cable2 down ;;
down)
    for host in 1 2; do
        ip netns pids "curricle$host" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
        ip netns delete "curricle$host" 2>/dev/null || true
        rm -rf "/etc/netns/curricle$host"
    done
    rm -rf "$state"
    ;;
*) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
