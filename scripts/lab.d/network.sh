# The lab's network: a bridge in a namespace of its own, a tap for each storage node, a veth pair for each host.
# shellcheck shell=bash disable=SC2154

node_address() { printf '%s.%s' "$subnet" "$((10 + $1))"; }

in_bridge() { ip netns exec "$bridge_namespace" "$@"; }

# host_up NAME ADDRESS: a namespace hecate-NAME on the bridge
host_up() {
    ip netns add "hecate-$1"
    ip link add "hlab-$1" netns "hecate-$1" type veth peer name "p-$1" netns "$bridge_namespace"
    ip netns exec "hecate-$1" ip link set "hlab-$1" name eth0
    ip netns exec "hecate-$1" ip addr add "$2/24" dev eth0
    ip netns exec "hecate-$1" ip link set eth0 up
    ip netns exec "hecate-$1" ip link set lo up
    in_bridge ip link set "p-$1" master br0
    in_bridge ip link set "p-$1" up
}

network_up() {
    local nodes=$1 managers=$2 number
    ip netns add "$bridge_namespace"
    in_bridge ip link set lo up
    in_bridge ip link add br0 type bridge forward_delay 0
    in_bridge ip link set br0 up
    for number in $(seq "$nodes"); do
        in_bridge ip tuntap add "p-$number" mode tap
        in_bridge ip link set "p-$number" master br0
        in_bridge ip link set "p-$number" up
    done
    for number in $(seq "$managers"); do
        host_up "m$number" "$subnet.$number"
    done
    host_up c1 "$subnet.101"
}

# What still runs in the hosts (daemons, mounts of volumes) ends with them.
network_down() {
    local name pid
    for name in $(ip netns list 2>/dev/null | sed -n 's/^\(hecate-\(lab\|m[1-9]\|c1\)\)\( .*\)\{0,1\}$/\1/p'); do
        for pid in $(ip netns pids "$name"); do
            kill -9 "$pid" 2>/dev/null || true
        done
        ip netns del "$name"
    done
}

link_set() {
    in_bridge ip link set "p-$1" "$2" || die "no host $1"
    say "link of $1 is $2"
}

# What cut and heal have set, not what the carrier says.
link_state() {
    if in_bridge ip link show "p-$1" | grep -q '[<,]UP[,>]'; then echo up; else echo cut; fi
}
