#!/bin/bash
# preload.sh ROOT ARCHIVES: import docker-archives into the containerd below ROOT.
# Runs in mount and process namespaces of its own, so that nothing of it is left.
set -euo pipefail
R=$1
mount --bind "$R" "$R"
mount -t proc proc "$R/proc"
mount -t tmpfs tmpfs "$R/run"
mount -t tmpfs tmpfs "$R/tmp"
mount --rbind /dev "$R/dev"
mkdir "$R/tmp/images"
mount --bind "$2" "$R/tmp/images"
chroot "$R" containerd >/dev/null 2>&1 &
for _ in $(seq 100); do
  chroot "$R" ctr version >/dev/null 2>&1 && break
  sleep 0.1
done
for file in "$R"/tmp/images/*.tar; do
  chroot "$R" ctr -n k8s.io images import --all-platforms --digests "/tmp/images/${file##*/}"
done
kill %1
wait %1 || true
