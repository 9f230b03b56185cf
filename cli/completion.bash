# shellcheck shell=bash
# Completion of hecate for bash: commands, flags, and ids where the server tells them.

_hecate_ids() {
    # $1: clusters, nodes or volumes; quiet and short when no server answers
    local flags=() i
    for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --server | --user | --secret)
            # bash splits --server=URL at the equals sign
            if [[ ${COMP_WORDS[i + 1]} == = ]]; then
                flags+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 2]-}")
            else
                flags+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]-}")
            fi
            ;;
        esac
    done
    case $1 in
    clusters) timeout 3 "${COMP_WORDS[0]}" "${flags[@]}" cluster list 2>/dev/null | sed -n 's/^Id:\([0-9a-f]*\).*/\1/p' ;;
    nodes) timeout 3 "${COMP_WORDS[0]}" "${flags[@]}" node list 2>/dev/null | sed -n 's/^Id:\([0-9a-f]*\).*/\1/p' ;;
    volumes)
        timeout 3 "${COMP_WORDS[0]}" "${flags[@]}" volume list --json 2>/dev/null | grep -o '[0-9a-f]\{32\}'
        ;;
    esac
}

# What may follow the words of a command: further words, or its own flags in $own.
_hecate_words() {
    local groups='blockvolume brick cluster db device help leader loglevel member node server'
    groups+=' setup-openshift-heketi-storage status topology upgrade volume'
    case $1 in
    '') choices=$groups own='--version' ;;
    help) choices=${groups/help /} ;;
    blockvolume) choices='create delete expand info list' ;;
    brick) choices='evict' ;;
    cluster) choices='create delete info list setflags' ;;
    db) choices='backup check dump import' ;;
    device) choices='add delete disable enable info remove replace resync rmtags settags' ;;
    leader) choices='transfer' ;;
    loglevel) choices='get set' ;;
    member) choices='add list promote remove renew replace' ;;
    node) choices='add delete disable enable info list remove replace rmtags settags' ;;
    server) choices='mode operations state' ;;
    'server mode') choices='get set' ;;
    'server operations') choices='cleanup info list' ;;
    'server state') choices='examine' ;;
    'server state examine') choices='gluster' ;;
    topology) choices='info load' ;;
    upgrade) choices='finalize hold status' ;;
    volume) choices='clone create delete endpoint expand info list set-block-hosting-restriction unclaimed' ;;
    'volume endpoint') choices='patch' ;;
    'volume set-block-hosting-restriction') choices='locked unlocked' ;;
    'blockvolume create') own='--size --name --ha --auth --clusters' ;;
    'blockvolume expand') own='--new-size --blockvolume' ;;
    'brick evict' | 'device remove') own='--expert-option-disable-heal-check' ;;
    'cluster create') own='--block --file' ;;
    'cluster setflags') choices=$(_hecate_ids clusters) own='--block --file' ;;
    'cluster info' | 'cluster delete') choices=$(_hecate_ids clusters) ;;
    'device add') own='--name --node --destroy-existing-data' ;;
    'device delete') own='--force-forget' ;;
    'node delete') choices=$(_hecate_ids nodes) own='--force-forget' ;;
    'device replace') own='--name --destroy-existing-data --lost-data' ;;
    'node replace')
        choices=$(_hecate_ids nodes)
        own='--management-host-name --device --destroy-existing-data --lost-data'
        ;;
    'device resync') own='--cluster' ;;
    'device settags') own='--exact' ;;
    'device rmtags') own='--all' ;;
    'loglevel set') choices='none critical error warning info debug' ;;
    'node add') own='--zone --cluster --management-host-name --storage-host-name' ;;
    'member add') own='--peer --api --standby' ;;
    'member replace') own='--peer --api' ;;
    'node settags') choices=$(_hecate_ids nodes) own='--exact' ;;
    'node rmtags') choices=$(_hecate_ids nodes) own='--all' ;;
    node\ *) choices=$(_hecate_ids nodes) ;;
    'server mode set') choices='normal read-only local-client' ;;
    setup-openshift-heketi-storage)
        own='--listfile --image --durability --replica --gluster-volume-options --append-volume-options --node-selector'
        ;;
    'topology info') own='--template' ;;
    'volume create')
        own='--size --name --durability --replica --disperse-data --redundancy --gid --snapshot-factor --clusters
            --gluster-volume-options --block --oldest-client --dry-run
            --persistent-volume --persistent-volume-file --persistent-volume-endpoint'
        ;;
    'volume expand') choices=$(_hecate_ids volumes) own='--expand-size --volume' ;;
    'volume clone') choices=$(_hecate_ids volumes) own='--name' ;;
    'volume delete') choices=$(_hecate_ids volumes) own='--heketi-database' ;;
    'volume info' | 'volume endpoint patch' | 'volume set-block-hosting-restriction '*)
        choices=$(_hecate_ids volumes)
        ;;
    esac
}

_hecate() {
    local current=${COMP_WORDS[COMP_CWORD]} word words=() i own='' choices=''
    local global='--server --user --secret --json --insecure-tls --tls-cert --help'
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        -s | --server | --user | --secret | -C | --tls-cert) ((i++)) ;;
        -* | =) ;;
        *) words+=("$word") ;;
        esac
    done
    if [[ ${words[0]-} == help && ${#words[@]} -gt 1 ]]; then
        words=("${words[@]:1}")
    fi
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -C | --tls-cert | -j | --persistent-volume-file | --listfile)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --durability) choices='none replicate disperse' ;;
    *) _hecate_words "${words[*]-}" ;;
    esac
    if [[ $current == -* ]]; then
        choices="$own $global"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
}
complete -o default -F _hecate hecate heketi-cli
