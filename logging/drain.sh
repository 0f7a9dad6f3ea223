#!/bin/sh
# preStop of Filebeat: returns when everything on disk has been taken by Kafka, or time is up.
#   drain.sh EVENTS_FOLDER DATA_FOLDER SECONDS
# Filebeat's own stop does not read on, and a native sidecar's preStop runs at the same moment as
# the server's. So wait for the server's mark, then until the registry's offsets are the files' sizes.
events=$1 data=$2 deadline=$(($(date +%s) + $3))
registry=$data/registry/filebeat
export LC_ALL=C

all_taken() {
    for file in "$events"/*.ndjson; do
        [ -s "$file" ] || continue
        size=$(wc -c <"$file")
        # The newest word on a file is its last line in the log, which continues the checkpoint.
        # What Filebeat read back after a restart it writes as a float: 1.700085e+06.
        taken=$(cat "$registry"/[0-9]*.json "$registry"/log.json 2>/dev/null |
            sed 's/{"_key"/\n&/g' | grep -F "\"source\":\"$file\"" | tail -n 1 |
            sed -n 's/.*"cursor":{"offset":\([0-9.e+]*\)}.*/\1/p')
        [ "$(printf %.0f "${taken:-0}")" -eq "$((size))" ] || return 1
    done
}

while [ "$(date +%s)" -lt "$deadline" ]; do
    if [ -e "$events/.server-exited" ] && all_taken; then exit 0; fi
    sleep 0.2
done
echo "drain.sh: time is up with events on disk" >&2
exit 0
