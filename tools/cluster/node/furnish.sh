#!/bin/bash
# furnish.sh ROOT FILES: make a bare Debian a kind node, as kind's own Dockerfile does.
# FILES are kind's images/base/files.
set -euo pipefail
R=$1 K=$2 here=$(dirname "$0")
cp -r --no-preserve=mode,ownership "$K/etc/." "$R/etc/"
mkdir -p "$R"/kind/{bin,manifests} "$R/opt/cni" "$R/etc/cni/net.d" "$R/etc/kubernetes/manifests"
cp -r --no-preserve=mode,ownership "$K/kind/." "$R/kind/"
cp --no-preserve=mode "$K/usr/local/bin/entrypoint" "$R/usr/local/bin/"
chmod 755 "$R/usr/local/bin/entrypoint" "$R"/kind/bin/*.sh

# Nothing is started but what kind starts.
rm -f "$R"/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service \
  "$R"/lib/systemd/system/multi-user.target.wants/* "$R"/etc/systemd/system/*.wants/* \
  "$R"/lib/systemd/system/local-fs.target.wants/* \
  "$R"/lib/systemd/system/sockets.target.wants/*udev* \
  "$R"/lib/systemd/system/sockets.target.wants/*initctl* \
  "$R"/lib/systemd/system/basic.target.wants/*
echo ReadKMsg=no >>"$R/etc/systemd/journald.conf"
# For kubelet and containerd, as image_archive.py sets it for what runs in containers.
mkdir -p "$R/etc/systemd/system.conf.d"
printf '[Manager]\nDefaultEnvironment=GOGC=300\n' >"$R/etc/systemd/system.conf.d/gogc.conf"
ln -sf /usr/lib/systemd/systemd "$R/sbin/init"

# Debian's programs, where kind looks for them.
rm -f "$R/lib/systemd/system/containerd.service" "$R/etc/systemd/system/containerd-fuse-overlayfs.service"
sed -i s#/usr/local/bin/containerd#/usr/bin/containerd# "$R/etc/systemd/system/containerd.service"
ln -s /usr/lib/cni "$R/opt/cni/bin"
cp --no-preserve=mode "$here/lost-services.service" "$R/etc/systemd/system/"
chroot "$R" systemctl -q enable kubelet.service containerd.service undo-mount-hacks.service \
  lost-services.service
chroot "$R" systemctl -q mask systemd-binfmt.service

# The machine's settings are not the node's to change.
rm -f "$R"/usr/lib/sysctl.d/*.conf
sed -i "s#^  log_info 'making mounts shared'#  mount --bind /proc/sys/fs /proc/sys/fs; mount -o remount,bind,ro /proc/sys/fs\n&#" \
  "$R/usr/local/bin/entrypoint"
grep -q remount,bind,ro "$R/usr/local/bin/entrypoint"

# Without CAP_SYS_RESOURCE nothing can be made less killable, and no limit be raised.
sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/; s#pause:3.10"#pause:3.10.1"#' \
  "$R/etc/containerd/config.toml"
chroot "$R" ctr oci spec | chroot "$R" jq \
  '.hooks.createContainer = [{"path": "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
  >"$R/etc/containerd/cri-base.json"

rm -rf "$R"/var/cache/apt/* "$R"/var/lib/apt/lists/* "$R"/var/log/* "$R"/usr/share/{doc,man,locale,info}/* \
  "$R/etc/hostname" "$R/etc/resolv.conf"
