#!/bin/sh
# preStop hook of Filebeat: returns when Kafka has accepted everything on disk, or when time is up.
#   drain.sh EVENTS_FOLDER DATA_FOLDER SECONDS
# When Filebeat stops, it reads no further, and a native sidecar's preStop runs at the same moment
# as the server's. So wait until the server has left its mark, then until the offsets in Filebeat's
# registry equal the sizes of the files.
events=$1 data=$2 deadline=$(($(date +%s) + $3))
registry=$data/registry/filebeat
export LC_ALL=C

all_taken() {
    for file in "$events"/*.ndjson; do
        [ -s "$file" ] || continue
        size=$(wc -c <"$file")
        # A file's newest offset is in its last line in the log, which continues the checkpoint.
        # An offset that Filebeat has read back after a restart is a float: 1.700085e+06.
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
echo "drain.sh: time is up, and Kafka has not accepted every event on disk" >&2
exit 0
