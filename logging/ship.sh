#!/bin/sh
# Runs Filebeat, which reads passwords and certificates only when it starts, and starts it again
# when a mounted Secret has changed. Its registry stays, so it continues where it was.
#   ship.sh CONFIG MEMORY CREDENTIALS [FOLDER...]
# MEMORY is an empty folder in memory. CREDENTIALS has the files username and password, or is "-".
# The FOLDERs have certificates. No secret is ever an argument or a variable of a program.
config=$1 memory=$2 credentials=$3
shift 3
umask 077
export LC_ALL=C

# A file as a value of YAML, without the newline at its end. As base64, no character of a password
# means anything to YAML. Filebeat expands ${...} in every value, and makes one dollar of two.
value() {
    plain=$(sed 's/\$/$$/g' "$1") || return 1
    encoded=$(printf %s "$plain" | base64 | tr -d '\n')
    printf '!!binary "%s"\n' "$encoded"
}

# What Filebeat reads beside its configuration: the credentials, and digests of the certificates as
# comments, so that a change of either is a change of this text.
secrets() {
    if [ "$credentials" != - ]; then
        username=$(value "$credentials/username") && password=$(value "$credentials/password") ||
            return 1
        printf 'output.kafka.username: %s\noutput.kafka.password: %s\n' "$username" "$password"
    fi
    for folder in "$@"; do
        digests=$(sha256sum "$folder"/*) || return 1
        printf '%s\n' "$digests" | sed 's/^/# /'
    done
}

start() {
    printf '%s\n' "$read" >"$memory/secrets.yml"
    filebeat -e --strict.perms=false -c "$config" -c "$memory/secrets.yml" &
    filebeat=$!
}

# A signal interrupts `wait`, and not a `sleep` in the foreground.
pause() {
    sleep "$1" &
    wait $!
}

ended() { ! kill -0 "$filebeat" 2>/dev/null; }

# Sets status to Filebeat's own, also when a signal interrupts the waiting.
wait_for_end() {
    while
        wait "$filebeat"
        status=$?
        ! ended
    do :; done
}

stopping=
filebeat=
trap 'stopping=yes; [ -z "$filebeat" ] || kill -TERM "$filebeat" 2>/dev/null' TERM INT

read=$(secrets "$@") || exit 1
start
while [ -z "$stopping" ] && ! ended; do
    pause 2
    next=$(secrets "$@" 2>/dev/null) && [ "$next" != "$read" ] || continue
    # The kubelet replaces one Secret after the other, and files while they are read.
    pause 1
    [ "$next" = "$(secrets "$@" 2>/dev/null)" ] && [ -z "$stopping" ] || continue
    echo "ship.sh: a Secret has changed: starting Filebeat again" >&2
    kill -TERM "$filebeat"
    wait_for_end
    [ -z "$stopping" ] || exit "$status"
    read=$next
    start
done
wait_for_end
exit "$status"
