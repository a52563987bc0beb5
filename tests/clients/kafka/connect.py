#!/usr/bin/env python3
"""A Kafka Connect distributed worker, its three topics on the broker: a file source to a topic to a file sink, restarted in between."""
import json
import pathlib
import socket
import tempfile
import urllib.error
import urllib.request

from kafka import BROKER, STAMP, Failed, Running, check, tool, until

LINES = 2000
NAME = "connect-" + STAMP


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def settings(port):
    group = {"group.id": NAME, "config.storage.topic": NAME + "-configs", "offset.storage.topic": NAME + "-offsets", "status.storage.topic": NAME + "-status"}
    return {
        "bootstrap.servers": BROKER, **group, "listeners": f"http://127.0.0.1:{port}", "plugin.discovery": "service_load",
        "config.storage.replication.factor": 1, "offset.storage.replication.factor": 1, "status.storage.replication.factor": 1,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "offset.flush.interval.ms": 500, "exactly.once.source.support": "enabled",
    }


def ask(port, method, path, body=None):
    """The answer of the worker's own HTTP interface; None while it is not ready."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode() if body else None,
                                     {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "{}")
    except (urllib.error.URLError, OSError):
        return None


def is_running(port, connector):
    status = ask(port, "GET", f"/connectors/{connector}/status")
    return bool(status and status["tasks"] and all(task["state"] == "RUNNING" for task in status["tasks"]))


def count(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def write(path, numbers):
    with open(path, "a") as file:
        file.writelines(f"line {i}\n" for i in numbers)


def worker(folder, port):
    file = folder / "worker.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in settings(port).items()))
    return Running("org.apache.kafka.connect.cli.ConnectDistributed", file)


def run(folder):
    source, sink = folder / "in.txt", folder / "out.txt"
    write(source, range(LINES // 2))
    port = free_port()
    with worker(folder, port) as first:
        until("worker is up", lambda: ask(port, "GET", "/connectors") is not None, [first])
        common = {"tasks.max": "1", "topics": NAME, "topic": NAME}
        until("source accepted", lambda: ask(port, "PUT", "/connectors/in/config", common | {"connector.class": "FileStreamSource", "file": str(source)}), [first])
        until("sink accepted", lambda: ask(port, "PUT", "/connectors/out/config", common | {
            "connector.class": "FileStreamSink", "file": str(sink), "consumer.override.auto.offset.reset": "earliest"}), [first])
        until("both run", lambda: is_running(port, "in") and is_running(port, "out"), [first])
        until("first half arrived", lambda: count(sink) >= LINES // 2, [first])
        first.stop()
    write(source, range(LINES // 2, LINES))
    port = free_port()
    with worker(folder, port) as second:
        until("second half arrived at another worker", lambda: count(sink) >= LINES, [second])
        ask(port, "PUT", "/connectors/out/pause")
        until("sink paused", lambda: (ask(port, "GET", "/connectors/out/status") or {}).get("connector", {}).get("state") == "PAUSED", [second])
        until("sink deleted", lambda: ask(port, "DELETE", "/connectors/out") is not None, [second])
        second.stop()
    check("every line once and in order", [f"line {i}" for i in range(LINES)], sink.read_text().splitlines())
    policies = tool("TopicCommand", "--describe", "--topic", NAME + "-(configs|offsets|status)")
    check("the worker's topics are compacted", 3, policies.count("cleanup.policy=compact"))


try:
    with tempfile.TemporaryDirectory(prefix="potok-connect.") as made:
        run(pathlib.Path(made))
except Failed as failure:
    raise SystemExit(f"FAILED {failure}")
