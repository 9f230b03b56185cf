# Functions of scripts/demo. Sourced; uses its variables root, work, mock, keep.
# shellcheck shell=bash disable=SC2154

admin_key=admin-secret
virtual_ip=198.18.0.100
killed='' # the member that does not run
phases=() phase_times=() phase_start='' lab_started='' cluster_started='' ok=''

say() { printf '   %s\n' "$*"; }
die() {
    printf 'demo: error: %s\n' "$*" >&2
    exit 1
}
now() { date +%s.%N; }

phase_end() {
    if [ -n "$phase_start" ]; then
        phase_times+=("$(awk -v a="$phase_start" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }')")
    fi
    phase_start=
}
phase() {
    phase_end
    phases+=("$1")
    phase_start=$(now)
    printf '\n== %s\n' "$1"
}
summary() {
    local i
    printf '\n== summary\n'
    for i in "${!phases[@]}"; do
        printf '   %-45s %8s s\n' "${phases[$i]}" "${phase_times[$i]}"
    done
}

finish() {
    local status=$?
    if [ -n "$keep" ] && [ -n "$cluster_started" ]; then
        printf '\nleft running: export HECATE_CLUSTER_DIR=%s; scripts/cluster status%s\n' "$HECATE_CLUSTER_DIR" \
            "${lab_started:+; scripts/lab status}"
        printf 'end it with: scripts/cluster down%s; rm -r %s\n' "${lab_started:+; scripts/lab down}" "$work"
    else
        if [ -n "$cluster_started" ]; then
            [ -n "$ok" ] || tail -n 20 "$HECATE_CLUSTER_DIR"/member-*.log >&2 || true
            scripts/cluster down || status=1
        fi
        [ -z "$lab_started" ] || scripts/lab down || status=1
        rm -rf "$work"
    fi
    if [ -n "$ok" ] && [ "$status" -eq 0 ]; then
        printf '\ndemo: all went as it should\n'
    else
        printf '\ndemo: FAILED\n' >&2
        exit "$((status ? status : 1))"
    fi
}

# A heketi.json as its users have it, with the virtual address; scripts/cluster adds the rest of the section "cluster".
write_config() {
    if [ -n "$mock" ]; then
        # Slow bricks, so that the leader can be killed while they are made.
        cat <<'JSON'
{
  "port": "8080",
  "jwt": {"admin": {"key": "admin-secret"}, "user": {"key": "user-secret"}},
  "glusterfs": {
    "executor": "mock",
    "mock": {"faults": "[{\"step\": \"brick-create\", \"delay_ms\": 1500}]"}
  }
}
JSON
    else
        cat <<JSON
{
  "_port_comment": "Heketi Server Port Number",
  "port": "8080",
  "_use_auth": "Enable JWT authorization. Please enable for deployment",
  "use_auth": true,
  "jwt": {"_admin": "Admin has access to all APIs", "admin": {"key": "admin-secret"}, "user": {"key": "user-secret"}},
  "glusterfs": {
    "executor": "ssh",
    "sshexec": {
      "keyfile": "$HECATE_LAB_KEY_RSA", "user": "root", "port": "22", "fstab": "/etc/fstab",
      "known_hosts": "$HECATE_LAB_KNOWN_HOSTS"
    },
    "db": "/var/lib/heketi/heketi.db",
    "loglevel": "info"
  },
  "cluster": {"virtual_ips": ["$virtual_ip%eth0"]}
}
JSON
    fi
}

write_mock_topology() {
    cat <<'JSON'
{"clusters": [{"nodes": [
  {"node": {"hostnames": {"manage": ["192.0.2.11"], "storage": ["192.0.2.11"]}, "zone": 1}, "devices": ["/dev/sdb"]},
  {"node": {"hostnames": {"manage": ["192.0.2.12"], "storage": ["192.0.2.12"]}, "zone": 2}, "devices": ["/dev/sdb"]},
  {"node": {"hostnames": {"manage": ["192.0.2.13"], "storage": ["192.0.2.13"]}, "zone": 3}, "devices": ["/dev/sdb"]}
]}]}
JSON
}

# The client knows one address, which is the leader's whoever that is. Pretended members are on loopback, where there is none:
# there a member that is alive is asked, and passes on to the leader.
reach() {
    if [ -n "$mock" ]; then "$@"; else ip netns exec hecate-c1 "$@"; fi
}
server_url() {
    local number
    if [ -z "$mock" ]; then
        echo "http://$virtual_ip:8080"
        return
    fi
    for number in 1 2 3; do
        [ "$number" = "$killed" ] || {
            sed -n "s/^member $number \([^ ]*\) .*/\1/p" "$work/members"
            return
        }
    done
}
hecate() { reach build/release/hecate --server "$(server_url)" --user admin --secret "$admin_key" "$@"; }

leader_id() {
    reach curl -s -m 5 "$(server_url)/cluster/status" | sed -n 's/.*"leader":{"id":\([0-9]*\).*/\1/p'
}

# Prints how long it takes until an answer comes that needs the leader, in seconds.
time_to_answer() {
    local start deadline
    start=$(now)
    deadline=$(($(date +%s) + 60))
    until request GET /clusters '' --connect-timeout 1 -f -o /dev/null; do
        [ "$(date +%s)" -lt "$deadline" ] || die 'nobody answers any more'
    done
    awk -v a="$start" -v b="$(now)" 'BEGIN { printf "%.2f", b - a }'
}

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# Heketi's token: HS256 over claims that name the method and path.
token() {
    local time claims signed
    time=$(date +%s)
    claims="{\"iss\":\"admin\",\"iat\":$time,\"exp\":$((time + 300)),\"qsh\":\"$(printf '%s&%s' "$1" "$2" |
        openssl dgst -sha256 -r | cut -d' ' -f1)\"}"
    signed="$(printf '{"alg":"HS256","typ":"JWT"}' | base64url).$(printf '%s' "$claims" | base64url)"
    printf '%s.%s' "$signed" "$(printf '%s' "$signed" | openssl dgst -sha256 -hmac "$admin_key" -binary | base64url)"
}

# request METHOD PATH [BODY] [curl options...]: prints the body
request() {
    local method=$1 path=$2 body=${3-}
    shift 2
    [ $# -eq 0 ] || shift
    reach curl -s -m 30 -X "$method" -H "Authorization: bearer $(token "$method" "${path%%\?*}")" ${body:+-d "$body"} "$@" \
        "$(server_url)$path"
}

# accept METHOD PATH BODY: prints the queue path of the 202
accept() {
    local answer
    answer=$(request "$1" "$2" "$3" -D - -o "$work/body")
    case $answer in
    *' 202 '*) printf '%s\n' "$answer" | tr -d '\r' | sed -n 's/^[Ll]ocation: *//p' ;;
    *) die "$1 $2 was refused: $(printf '%s' "$answer" | head -n 1) $(cat "$work/body")" ;;
    esac
}

create_volume() {
    accept POST /volumes "{\"size\":1,\"name\":\"$1\",\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3}}}"
}

# wait_job QUEUE SECONDS: prints where the finished job points, or the error
wait_job() {
    local answer deadline
    deadline=$(($(date +%s) + $2))
    while [ "$(date +%s)" -lt "$deadline" ]; do
        answer=$(request GET "$1" '' -D - -o "$work/body" || true)
        case $answer in
        *' 303 '*)
            printf '%s\n' "$answer" | tr -d '\r' | sed -n 's/^[Ll]ocation: *//p'
            return 0
            ;;
        *' 204 '*) return 0 ;;
        *' 500 '* | *' 404 '*)
            cat "$work/body"
            return 1
            ;;
        esac
        sleep 0.2
    done
    echo "no end within $2 s"
    return 1
}

# wait_for_bricks QUEUE: until a brick-create step of this operation runs.
wait_for_bricks() {
    local deadline
    deadline=$(($(date +%s) + 30))
    until request GET "/operations/pending/${1##*/}?steps=true" | grep -q '"step":"brick-create"[^}]*"state":"running"'; do
        [ "$(date +%s)" -lt "$deadline" ] || die 'no brick is being made'
    done
}

# ---- real nodes ----

mount_and_touch() {
    local name=$1 target=$2 host
    host=$HECATE_LAB_NODE1
    scripts/lab run c1 mkdir -p "$target"
    scripts/lab run c1 mount -t glusterfs "$host:/$name" "$target"
    scripts/lab run c1 touch "$target/touched-in-$name"
    say "mounted $name on the client and touched a file; on the bricks:"
    local number
    for number in 1 2 3; do
        scripts/lab run "$number" sh -c "'ls -l /var/lib/heketi/mounts/*/*/brick/touched-in-$name'" |
            sed "s/^/   node $number: /" || die "the file is not on the brick of node $number"
    done
}

# What is on the nodes: volumes, LVs, mounts, fstab lines, brick directories.
node_inventory() {
    local number
    for number in 1 2 3; do
        scripts/lab run "$number" sh -c "'
            gluster --mode=script volume list 2>&1 | grep -v \"No volumes\" | sed \"s/^/volume /\"
            lvs --noheadings -o vg_name,lv_name 2>/dev/null | sed \"s/^ */lv /\" | sort
            awk \"\\\$2 ~ /heketi/ {print \\\"mount\\\", \\\$2}\" /proc/self/mounts | sort
            awk \"\\\$2 ~ /heketi/ {print \\\"fstab\\\", \\\$2}\" /etc/fstab | sort
            find /var/lib/heketi/mounts -mindepth 2 -maxdepth 2 2>/dev/null | sed \"s/^/directory /\" | sort'" |
            sed "s/^/node $number: /"
    done
}

# Every LV, mount and fstab line on the nodes belongs to a brick of the database, and every brick has its own.
compare_nodes() {
    local kind
    node_inventory >"$work/inventory"
    {
        request GET "$volume_one"
        request GET "$volume_two"
    } | grep -o 'brick_[0-9a-f]\{32\}' | sort -u >"$work/bricks-database"
    for kind in lv mount fstab directory; do
        grep " $kind " "$work/inventory" | grep -o 'brick_[0-9a-f]\{32\}' | sort -u >"$work/bricks-$kind"
        diff "$work/bricks-database" "$work/bricks-$kind" >&2 || die "bricks by $kind differ from the database"
    done
    say 'LVs, mounts, fstab lines and directories on the nodes equal the database'
}
