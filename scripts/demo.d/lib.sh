# Functions of scripts/demo. Sourced; uses its variables root, work, mock, keep.
# shellcheck shell=bash disable=SC2154

admin_key=admin-secret
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

# A heketi.json as its users have it; scripts/cluster adds the section "cluster".
write_config() {
    if [ -n "$mock" ]; then
        # Slow bricks, so that the leader can be killed while they are made.
        cat <<'JSON'
{
  "port": "8080",
  "jwt": {"admin": {"key": "admin-secret"}, "user": {"key": "user-secret"}},
  "glusterfs": {
    "executor": "mock",
    "mock": {"faults": "[{\"step\": \"brick-create\", \"delay_ms\": 400}]"}
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
  }
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

# On the host that can reach the members.
reach() {
    if [ -n "$mock" ]; then "$@"; else ip netns exec hecate-m1 "$@"; fi
}
member_url() { sed -n "s/^member $1 \([^ ]*\) .*/\1/p" "$work/members"; }
all_urls() { sed -n 's/^member [0-9]* \([^ ]*\) .*/\1/p' "$work/members" | paste -sd,; }
hecate() { reach build/release/hecate --server "$(all_urls)" --user admin --secret "$admin_key" "$@"; }

leader_id() {
    reach curl -s -m 5 "$(member_url "$1")/cluster/status" | sed -n 's/.*"leader":{"id":\([0-9]*\).*/\1/p'
}
other_member() {
    local number
    for number in 1 2 3; do
        [ "$number" = "$1" ] || {
            echo "$number"
            return
        }
    done
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

# request MEMBER METHOD PATH [BODY] [curl options...]: prints the body
request() {
    local member=$1 method=$2 path=$3 body=${4-}
    shift 3
    [ $# -eq 0 ] || shift
    reach curl -s -m 30 -X "$method" -H "Authorization: bearer $(token "$method" "$path")" ${body:+-d "$body"} "$@" \
        "$(member_url "$member")$path"
}

# accept MEMBER METHOD PATH BODY: prints the queue path of the 202
accept() {
    local answer
    answer=$(request "$1" "$2" "$3" "$4" -D - -o "$work/body")
    case $answer in
    *' 202 '*) printf '%s\n' "$answer" | tr -d '\r' | sed -n 's/^[Ll]ocation: *//p' ;;
    *) die "$2 $3 was refused: $(printf '%s' "$answer" | head -n 1) $(cat "$work/body")" ;;
    esac
}

create_volume() {
    accept "$1" POST /volumes "{\"size\":1,\"name\":\"$2\",\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3}}}"
}

# wait_job MEMBER QUEUE SECONDS: prints where the finished job points, or the error
wait_job() {
    local answer deadline
    deadline=$(($(date +%s) + $3))
    while [ "$(date +%s)" -lt "$deadline" ]; do
        answer=$(request "$1" GET "$2" '' -D - -o "$work/body" || true)
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
    echo "no end within $3 s"
    return 1
}

# Until the leader says that a brick-create step runs.
wait_for_bricks() {
    local deadline
    deadline=$(($(date +%s) + 30))
    until reach curl -s -m 5 "$(member_url "$1")/cluster/status" | grep -q '"step":"brick-create"[^}]*"state":"running"'; do
        [ "$(date +%s)" -lt "$deadline" ] || die 'no brick is being made'
    done
}

# ---- real nodes ----

mount_and_touch() {
    local name=$1 target=$2 host
    host=$HECATE_LAB_NODE1
    scripts/lab run c1 mkdir -p "$target"
    scripts/lab run c1 mount -t glusterfs "$host:/$name" "$target"
    scripts/lab run c1 touch "$target/touched-in-a-pod"
    say "mounted $name on the client and touched a file; on the bricks:"
    local number
    for number in 1 2 3; do
        scripts/lab run "$number" sh -c "'ls -l /var/lib/heketi/mounts/*/*/brick/touched-in-a-pod'" |
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
        request "$1" GET "$volume_one"
        request "$1" GET "$volume_two"
    } | grep -o 'brick_[0-9a-f]\{32\}' | sort -u >"$work/bricks-database"
    for kind in lv mount fstab directory; do
        grep " $kind " "$work/inventory" | grep -o 'brick_[0-9a-f]\{32\}' | sort -u >"$work/bricks-$kind"
        diff "$work/bricks-database" "$work/bricks-$kind" >&2 || die "bricks by $kind differ from the database"
    done
    say 'LVs, mounts, fstab lines and directories on the nodes equal the database'
}
