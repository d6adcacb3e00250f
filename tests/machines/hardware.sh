#!/bin/sh
# What EC2's hardware shows to a machine, with loop devices for its volumes.
#   hardware.sh boot                   the machine's first program: the system follows
#   hardware.sh attach DEVICE=VOLUME   in the running machine
# What is attached when the machine boots is in a file, a line DEVICE=VOLUME each: nothing can be added to the arguments of a
# machine that reboots.
set -eu
attached=/etc/attached-volumes

# A disk of EC2 tells its volume's id as its serial number, and Amazon's as its model; a loop device tells neither.
show() {
    name=${1%%=*}
    real=$(readlink -f "/sys/devices/virtual/block/$name")
    rm -f "/run/block/$name"
    mkdir -p "/run/block/$name/device" /etc/udev/rules.d
    ln -sf "$real"/* "/run/block/$name/"
    mknod -m 660 "/dev/$name" b "$(cut -d: -f1 "$real/dev")" "$(cut -d: -f2 "$real/dev")"
    printf '%s\n' "${1#*=}" | tr -d - >"/run/block/$name/device/serial"
    cat >>/etc/udev/rules.d/40-ebs.rules <<EOF
KERNEL=="$name", ENV{ID_MODEL}="Amazon_Elastic_Block_Store", ENV{ID_MODEL_ENC}="Amazon\x20Elastic\x20Block\x20Store"
EOF
}

boot() {
    mkdir /run/block
    for disk in /sys/block/*; do
        ln -s "$(readlink -f "$disk")" /run/block/
    done
    rm -f /etc/udev/rules.d/40-ebs.rules
    while read -r volume; do
        show "$volume"
    done <$attached
    mount --bind /run/block /sys/block
    # systemd-nspawn shows an id of its own for each boot, but not to a service that has a /proc of its own, which would
    # then find nothing of this boot in the journal.
    umount /proc/sys/kernel/random/boot_id
    # systemd listens for disks only if udev seems to run already when it starts, unless /dev is the kernel's own.
    mkdir -p /run/udev
    : >/run/udev/control
    exec /sbin/init
}

attach() {
    show "$1"
    udevadm control --reload
    echo add >"$real/uevent"
}

"$@"
