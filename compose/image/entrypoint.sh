#!/bin/sh
# Writes server.properties from KAFKA_* variables (KAFKA_LOG_DIRS -> log.dirs), formats the storage when it is new, and
# becomes the Kafka server.
set -eu
config=/tmp/server.properties
export KAFKA_LOG_DIRS="${KAFKA_LOG_DIRS:-/var/lib/kafka/data}"
env | awk -F= '/^KAFKA_/ && !/^KAFKA_HEAP_OPTS=/ {
  name = tolower(substr($1, 7)); gsub(/_/, ".", name)
  print name "=" substr($0, length($1) + 2)
}' >"$config"
run() { exec java ${KAFKA_HEAP_OPTS:--Xms256m -Xmx768m} -Dlog4j2.configurationFile=/opt/kafka/log4j2.properties -cp '/opt/kafka/lib/*' "$@"; }
(run kafka.tools.StorageTool format --ignore-formatted -t "${CLUSTER_ID:?CLUSTER_ID must be set}" -c "$config")
run kafka.Kafka "$config"
