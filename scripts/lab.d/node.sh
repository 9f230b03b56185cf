# Storage nodes: boot, power, ssh.
# shellcheck shell=bash disable=SC2154

boot_limit_s=600

make_known_hosts() {
    local number type
    for number in $(seq "$1"); do
        for type in ed25519 ecdsa; do
            printf '%s %s\n' "$(node_address "$number")" \
                "$(cut -d' ' -f1,2 "$(image_keys)/ssh_host_${type}_key.pub")"
        done
    done >"$state/known_hosts"
}

node_ssh() {
    local number=$1
    shift
    ip netns exec hecate-m1 ssh -q -i "$(image_keys)/id_ed25519" -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no \
        -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=6 "root@$(node_address "$number")" "$@"
}

# "pid starttime" of the node's first process, so that another process with the same number is never taken for it.
process_start() { awk '{ sub(/^.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null; }

node_running() {
    local pid start
    [ -f "$state/node$1.pid" ] || return 1
    read -r pid start <"$state/node$1.pid"
    [ "$(process_start "$pid")" = "$start" ]
}

# Kills the whole process group: the kernel's helpers would survive the first process and keep the disks open.
node_kill() {
    local pid start
    read -r pid start <"$1"
    rm -f "$1"
    [ "$(process_start "$pid")" = "$start" ] || return 0
    kill -9 -- "-$pid" 2>/dev/null || true
    while kill -0 -- "-$pid" 2>/dev/null; do
        sleep 0.05
    done
}

node_start() {
    local number=$1 disk disk_words=() pid cow
    cow=$state/node$number.cow
    for disk in $(seq "$(setting disks)"); do
        [ -f "$state/node$number-disk$disk" ] || truncate -s 20G "$state/node$number-disk$disk"
        disk_words+=("ubd$disk=$state/node$number-disk$disk")
    done
    mkdir -p "$state/uml"
    TMPDIR=/dev/shm setsid ip netns exec "$bridge_namespace" env LD_PRELOAD="$(shim_file)" linux.uml "umid=hecate-$number-$$-$RANDOM" \
        "uml_dir=$state/uml/" "mem=$node_memory" "ubd0=$cow,$(image_file)" "${disk_words[@]}" root=/dev/ubda rw quiet \
        "node=$number" "address=$(node_address "$number")" \
        "vec0:transport=tap,ifname=p-$number,depth=128,gro=1" con=null con0=fd:0,fd:1 \
        </dev/null >"$state/node$number.console" 2>&1 &
    pid=$!
    printf '%s %s\n' "$pid" "$(process_start "$pid")" >"$state/node$number.pid"
    disown
}

node_wait() {
    local number=$1 deadline
    deadline=$(($(date +%s) + boot_limit_s))
    until node_ssh "$number" -o BatchMode=yes -T 'systemctl is-active -q glusterd && gluster pool list >/dev/null' \
        </dev/null >/dev/null 2>&1; do
        node_running "$number" || die "node $number died; its console: $state/node$number.console"
        [ "$(date +%s)" -lt "$deadline" ] || die "node $number did not come up; its console: $state/node$number.console"
        sleep 0.3
    done
    say "node $number answers"
}
