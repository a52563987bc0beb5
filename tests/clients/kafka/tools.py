#!/usr/bin/env python3
"""Kafka's own tools: the compatibility test, the verifiable clients over both group protocols, the commands, the console."""
import re

from kafka import BROKER, STAMP, Failed, Running, check, java, tool, until

COUNT = 2000


def compatibility():
    yes = ["--offsets-for-times-supported", "--cluster-id-supported", "--create-topics-supported", "--describe-acls-supported",
           "--describe-configs-supported", "--idempotent-producer-supported"]
    topics("--delete", "--if-exists", "--topic", "newtopic")  # it makes one of this name
    answer = tool("ClientCompatibilityTest", "--topic", "compat-" + STAMP, "--num-cluster-nodes", 1,
                  "--expect-record-too-large-exception", "False", *[word for flag in yes for word in (flag, "True")])
    check("ClientCompatibilityTest", True, "SUCCESS" in answer)


def topics(*args, **how):
    return tool("TopicCommand", *args, **how)


def topic_commands(topic):
    topics("--create", "--topic", topic, "--partitions", 2, "--config", "cleanup.policy=compact")
    check("topics: there is one already", True, "already exists" in topics("--create", "--topic", topic, fails=True))
    topics("--create", "--topic", topic, "--if-not-exists")
    topics("--alter", "--topic", topic, "--partitions", 3)
    check("topics: listed", True, topic in topics("--list").split())
    shown = topics("--describe", "--topic", topic)
    check("topics: described", [("3", "1")], re.findall(r"PartitionCount: (\d+)\s+ReplicationFactor: (\d+)", shown))
    check("topics: partitions have a leader that is in sync", 3, len(re.findall(r"Leader: 0\s+Replicas: 0\s+Isr: 0", shown)))
    check("topics: none under-replicated", "", topics("--describe", "--under-replicated-partitions").strip())
    check("topics: fewer partitions are refused", True, "would not be an increase" in topics("--alter", "--topic", topic, "--partitions", 1, fails=True))


def configs(*args, **how):
    return java("kafka.admin.ConfigCommand", "--bootstrap-server", BROKER, "--entity-type", "topics", *args, **how)


def config_commands(topic):
    configs("--entity-name", topic, "--alter", "--add-config", "retention.ms=3600000,max.message.bytes=2000000")
    shown = configs("--entity-name", topic, "--describe")
    check("configs: altered", True, "retention.ms=3600000" in shown and "max.message.bytes=2000000" in shown and "cleanup.policy=compact" in shown)
    configs("--entity-name", topic, "--alter", "--delete-config", "retention.ms")
    check("configs: back to the default", False, "retention.ms=3600000" in configs("--entity-name", topic, "--describe"))
    every = configs("--entity-name", topic, "--describe", "--all")
    names = ["cleanup.policy", "compression.type", "min.insync.replicas", "segment.bytes", "unclean.leader.election.enable", "message.timestamp.type"]
    check("configs: all are listed, with sources", [], [n for n in names if not re.search(rf"{re.escape(n)}=\S* sensitive=false synonyms=", every)])
    refused = configs("--entity-name", topic, "--alter", "--add-config", "retention.ms=soon", fails=True)
    check("configs: nonsense is refused", True, "InvalidConfiguration" in refused)
    broker = java("kafka.admin.ConfigCommand", "--bootstrap-server", BROKER, "--entity-type", "brokers", "--entity-name", 0, "--describe", "--all")
    check("configs: the broker's", True, "advertised.listeners=" in broker)


def verifiable(protocol):
    """A producer of counted values, two consumers of which one leaves, and the group's command beside them."""
    topic = group = f"verifiable-{protocol}-{STAMP}"
    topics("--create", "--topic", topic, "--partitions", 4)
    consumer = ["org.apache.kafka.tools.VerifiableConsumer", "--bootstrap-server", BROKER, "--topic", topic, "--group-id", group,
                "--group-protocol", protocol, "--verbose"]
    with Running(*consumer) as first, Running(*consumer) as second:
        sent = Running("org.apache.kafka.tools.VerifiableProducer", "--bootstrap-server", BROKER, "--topic", topic, "--max-messages", COUNT,
                       "--throughput", 500, "--repeating-keys", 100)
        with sent:
            until(f"{protocol}: all acknowledged", lambda: sent.process.poll() is not None, [sent])
        acked = [int(e["value"]) for e in sent.events() if e["name"] == "producer_send_success"]
        check(f"{protocol}: producer", list(range(COUNT)), sorted(acked))
        until(f"{protocol}: both members read all", lambda: len(values(first) + values(second)) >= COUNT, [first, second])
        check(f"{protocol}: each value once", list(range(COUNT)), sorted(values(first) + values(second)))
        until(f"{protocol}: both own partitions", lambda: owned(first) and owned(second) and len(owned(first) | owned(second)) == 4, [first, second])
        check(f"{protocol}: partitions shared by nobody", set(), owned(first) & owned(second))
        until(f"{protocol}: everything committed", lambda: committed(first, second) == COUNT, [first, second])
        shown = groups("--describe", "--group", group)
        rows = [line.split() for line in shown.splitlines() if line.startswith(group)]
        check(f"{protocol}: the command sees four partitions without lag", ["0"] * 4, [row[5] for row in rows])
        state = groups("--describe", "--group", group, "--state")
        check(f"{protocol}: state", True, " Stable " in state + " ")
        check(f"{protocol}: members", 2, groups("--describe", "--group", group, "--members").count("/127.0.0.1"))
        second.stop()
        until(f"{protocol}: the first takes over", lambda: len(owned(first)) == 4, [first, second])
        check(f"{protocol}: offsets of a group at work are not reset", True,
              "Assignments can only be reset if the group" in groups("--group", group, "--topic", topic, "--reset-offsets", "--to-earliest", "--execute"))
        first.stop()
    groups("--group", group, "--topic", topic, "--reset-offsets", "--to-earliest", "--execute")
    rows = [line.split() for line in groups("--describe", "--group", group).splitlines() if line.startswith(group)]
    check(f"{protocol}: offsets were reset", (["0"] * 4, COUNT), ([row[3] for row in rows], sum(int(row[5]) for row in rows)))
    check(f"{protocol}: listed", True, group in groups("--list").split())
    check(f"{protocol}: deleted", True, "successful" in groups("--delete", "--group", group))


def values(consumer):
    return [int(e["value"]) for e in consumer.events() if e["name"] == "record_data"]


def owned(consumer):
    mine = set()
    for event in consumer.events():
        parts = {p["partition"] for p in event.get("partitions", []) if isinstance(p, dict)}
        mine = mine | parts if event["name"] == "partitions_assigned" else mine - parts if event["name"] == "partitions_revoked" else mine
    return mine


def committed(*consumers):
    offsets = {}
    for consumer in consumers:
        for event in consumer.events():
            if event["name"] == "offsets_committed" and event["success"]:
                for o in event["offsets"]:
                    offsets[o["partition"]] = max(offsets.get(o["partition"], 0), o["offset"])
    return sum(offsets.values())


def groups(*args, **how):
    return java("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--bootstrap-server", BROKER, *args, **how)


def console(topic):
    topics("--create", "--topic", topic, "--partitions", 1)
    lines = [f"k{i}:v{i}" for i in range(20)]
    tool("ConsoleProducer", "--topic", topic, "--reader-property", "parse.key=true", "--reader-property", "key.separator=:",
         "--compression-codec", "zstd", text="\n".join(lines) + "\n")
    read = java("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", BROKER, "--topic", topic, "--from-beginning",
                "--max-messages", 20, "--formatter-property", "print.key=true", "--formatter-property", "key.separator=:")
    check("console: produced and consumed", lines, read.splitlines())
    check("offsets by GetOffsetShell", [f"{topic}:0:20"], tool("GetOffsetShell", "--topic", topic, "--time", "latest").split())
    newest = tool("GetOffsetShell", "--topic", topic, "--time", "max-timestamp").strip()  # many records share the newest time
    check("offsets of the newest time", True, newest in {f"{topic}:0:{i}" for i in range(20)})


def cluster():
    check("cluster: an id", True, bool(re.search(r"Cluster ID: \S+", java("org.apache.kafka.tools.ClusterTool", "cluster-id", "--bootstrap-server", BROKER))))
    versions = java("org.apache.kafka.tools.BrokerApiVersionsCommand", "--bootstrap-server", BROKER)
    check("versions: every API a Java client wants is usable", [], [line.strip() for line in versions.splitlines() if "UNSUPPORTED" in line and
          line.strip().startswith(("Produce(", "Fetch(", "ListOffsets(", "Metadata(", "JoinGroup(", "InitProducerId(", "ConsumerGroupHeartbeat("))])
    check("log dirs", True, '"error":null' in tool("LogDirsCommand", "--describe"))
    check("features", True, "transaction.version" in tool("FeatureCommand", "describe"))
    check("transactions listed", True, "TransactionalId" in tool("TransactionsCommand", "list"))


def main():
    compatibility()
    topic_commands("tools-" + STAMP)
    config_commands("tools-" + STAMP)
    topics("--delete", "--topic", "tools-" + STAMP)
    check("topics: deleted", False, "tools-" + STAMP in topics("--list").split())
    console("console-" + STAMP)
    cluster()
    for protocol in ("classic", "consumer"):
        verifiable(protocol)


try:
    main()
except Failed as failure:
    raise SystemExit(f"FAILED {failure}")
