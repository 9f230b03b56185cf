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

_hecate() {
    local current=${COMP_WORDS[COMP_CWORD]} word words=() i
    local global='--server --user --secret --json --insecure-tls --tls-cert --help'
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        -s | --server | --user | --secret | -C | --tls-cert) ((i++)) ;;
        -* | =) ;;
        *) words+=("$word") ;;
        esac
    done
    local own='' choices=''
    case "${words[*]}" in
    '') choices='cluster device help node status topology volume' own='--version' ;;
    help) choices='cluster device node status topology volume' ;;
    cluster | 'help cluster') choices='create delete info list' ;;
    device | 'help device') choices='add delete disable enable info' ;;
    node | 'help node') choices='add delete disable enable info list' ;;
    topology | 'help topology') choices='info load' ;;
    volume | 'help volume') choices='create delete info list' ;;
    'cluster create') own='--block --file' ;;
    'cluster info' | 'cluster delete') choices=$(_hecate_ids clusters) ;;
    'device add') own='--name --node --destroy-existing-data' ;;
    'device delete') own='--force-forget' ;;
    'node add') own='--zone --cluster --management-host-name --storage-host-name' ;;
    'node info' | 'node delete' | 'node enable' | 'node disable') choices=$(_hecate_ids nodes) ;;
    'volume create')
        own='--size --name --durability --replica --disperse-data --redundancy --gid --snapshot-factor --clusters
            --gluster-volume-options --block --persistent-volume --persistent-volume-file --persistent-volume-endpoint'
        ;;
    'volume info' | 'volume delete') choices=$(_hecate_ids volumes) ;;
    esac
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -C | --tls-cert | -j | --persistent-volume-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --durability)
        mapfile -t COMPREPLY < <(compgen -W 'none replicate disperse' -- "$current")
        return
        ;;
    esac
    if [[ $current == -* ]]; then
        choices="$own $global"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
}
complete -o default -F _hecate hecate
