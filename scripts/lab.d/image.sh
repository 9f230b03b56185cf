# The root image of the storage nodes: Debian's packages, a little configuration, one ext4 file. Built once, cached.
# shellcheck shell=bash disable=SC2154

image_packages=systemd-sysv,udev,dbus,glusterfs-server,glusterfs-client,glusterfs-cli,lvm2,thin-provisioning-tools,xfsprogs
image_packages=$image_packages,openssh-server,kmod,iproute2,procps,attr,psmisc

install_packages() {
    local package lacking=()
    for package in gcc libc6-dev user-mode-linux mmdebstrap e2fsprogs iproute2 openssh-client glusterfs-client procps; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || lacking+=("$package")
    done
    [ ${#lacking[@]} -gt 0 ] || return 0
    say "installing ${lacking[*]}"
    apt-get -q update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${lacking[@]}" >/dev/null
}

# The package source that this machine itself uses.
package_mirror() {
    # shellcheck disable=SC2016 # the words in $() are apt's
    apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
        awk -v code="$1" '$2 == code && $3 == "main" { print $1; exit }'
}

image_key() { sha256sum <"$lab_root/lab.d/image.sh" | cut -c1-16; }

# The shim that lets user-mode Linux run on processors with AMX; what it is about: xstate.c.
shim_file() { printf '%s/xstate-%s.so' "$cache" "$(sha256sum <"$lab_root/lab.d/xstate.c" | cut -c1-16)"; }

build_shim() {
    [ -f "$(shim_file)" ] || {
        gcc -O2 -shared -fPIC -o "$cache/new.so" "$lab_root/lab.d/xstate.c"
        mv "$cache/new.so" "$(shim_file)"
    }
}

# Keys belong to the cached image: host keys and authorized keys are in it, private keys beside it.
image_keys() { printf '%s/keys-%s' "$cache" "$(image_key)"; }

make_keys() {
    local keys=$1 type
    rm -rf "$keys"
    mkdir -p "$keys"
    chmod 700 "$keys"
    # As ssh-keygen made keys when Heketi was young: RSA, in PEM.
    ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -C lab -f "$keys/id_rsa"
    for type in ed25519 ecdsa; do
        ssh-keygen -q -t "$type" -N '' -C lab -f "$keys/id_$type"
        ssh-keygen -q -t "$type" -N '' -C node -f "$keys/ssh_host_${type}_key"
    done
}

image_file() { printf '%s/root-%s.img' "$cache" "$(image_key)"; }

build_image() {
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    if [ ! -f "$(image_file)" ]; then
        make_image
    fi
    build_shim
    exec 9>&-
}

make_image() {
    local tree=$cache/tree.$$ mirror modules
    # shellcheck disable=SC2064
    trap "rm -rf '$tree' '$cache/new.img'" EXIT
    mirror=$(package_mirror bookworm)
    [ -n "$mirror" ] || die 'no apt source for bookworm main is configured on this machine'
    say 'building the root image (once): packages'
    mmdebstrap --quiet --variant=minbase --include="$image_packages" bookworm "$tree" "$mirror" ||
        die 'mmdebstrap failed'
    say 'building the root image (once): configuration'
    modules=$(echo /usr/lib/uml/modules/*)
    mkdir -p "$tree/lib/modules"
    cp -a "$modules" "$tree/lib/modules/"
    chroot "$tree" depmod "$(basename "$modules")"
    configure_image "$tree"
    rm -rf "$cache"/root-*.img "$cache"/keys-* "$cache/new.img"
    make_keys "$(image_keys)"
    cp "$(image_keys)"/ssh_host_* "$tree/etc/ssh/"
    cat "$(image_keys)"/id_*.pub >"$tree/root/.ssh/authorized_keys"
    chmod 600 "$tree/root/.ssh/authorized_keys"
    mke2fs -q -t ext4 -d "$tree" -L root "$cache/new.img" 2500M
    mv "$cache/new.img" "$(image_file)"
    rm -rf "$tree"
    trap - EXIT
}

configure_image() {
    local tree=$1 unit
    printf 'dm-thin-pool\ndm-snapshot\nfuse\n' >"$tree/etc/modules-load.d/lab.conf"
    # LVM does not know user-mode Linux' block devices unless told.
    sed -i 's/^devices {$/devices {\n\ttypes = [ "ubd", 16 ]/' "$tree/etc/lvm/lvm.conf"
    grep -q '"ubd", 16' "$tree/etc/lvm/lvm.conf" || die 'lvm.conf of the image has no section devices'
    # A node must stay reachable when a brick's device does not appear at boot: its mounts are not local-fs.target's.
    mkdir -p "$tree/etc/systemd/system/local-fs.target.d"
    printf '[Unit]\nOnFailure=\n' >"$tree/etc/systemd/system/local-fs.target.d/lab.conf"
    printf 'LABEL=root / ext4 defaults 0 0\n' >"$tree/etc/fstab"
    # Gluster's self-heal and rebalance processes ask "localhost" for their configuration, and end when there is no such name.
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$tree/etc/hosts"
    cat >"$tree/usr/local/sbin/lab-setup" <<'SETUP'
#!/bin/sh
# Takes number and address of this node from the kernel's command line.
for word in $(cat /proc/cmdline); do
    case $word in
    node=*) node=${word#node=} ;;
    address=*) address=${word#address=} ;;
    esac
done
hostname "node$node"
echo "node$node" >/etc/hostname
ip addr add "$address/24" dev vec0
ip link set vec0 up
ip link set lo up
[ -s /etc/machine-id ] || systemd-machine-id-setup
SETUP
    chmod 755 "$tree/usr/local/sbin/lab-setup"
    cat >"$tree/etc/systemd/system/lab-setup.service" <<'UNIT'
[Unit]
Description=Name and address of this node
DefaultDependencies=no
After=systemd-remount-fs.service systemd-udev-settle.service
Before=network-pre.target network.target glusterd.service ssh.service
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-setup

[Install]
WantedBy=sysinit.target
UNIT
    for unit in lab-setup.service glusterd.service ssh.service; do
        chroot "$tree" systemctl -q enable "$unit"
    done
    for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
        fstrim.timer systemd-timesyncd.service systemd-networkd.service glustereventsd.service getty@tty1.service \
        systemd-logind.service systemd-pstore.service getty-static.service xfs_scrub_all.timer; do
        chroot "$tree" systemctl -q mask "$unit" 2>/dev/null || true # not every unit is installed
    done
    mkdir -p "$tree/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=8M\n' >"$tree/etc/systemd/journald.conf.d/lab.conf"
    printf 'UseDNS no\nPermitRootLogin prohibit-password\nMaxStartups 100\nUsePAM no\n' \
        >"$tree/etc/ssh/sshd_config.d/lab.conf"
    rm -f "$tree"/etc/ssh/ssh_host_*
    : >"$tree/etc/machine-id"
    rm -f "$tree/var/lib/glusterd/glusterd.info"
    mkdir -p "$tree/root/.ssh"
    chmod 700 "$tree/root/.ssh"
}
