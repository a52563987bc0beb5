"""records.txt for the Python clients: the records to send, and the lines that a reader must see."""
import os
import pathlib
import sys
import time

BROKER = os.environ.get("BROKER", "127.0.0.1:9092")
REPEAT = 20
FILE = pathlib.Path(os.environ.get("RECORDS", pathlib.Path(__file__).parent.parent / "records.txt"))


def unhex(text):
    return None if text == "-" else b"" if text == "." else bytes.fromhex(text)


def tohex(data):
    return "-" if data is None else data.hex() or "."


def tags(name):
    return os.environ.get(name, "").split(",")


def rows():
    """The rows of records.txt, without the tags named in SKIP."""
    found = [line.split() for line in FILE.read_text().splitlines() if line[0] != "#"]
    return [row for row in found if row[0] not in tags("SKIP")] * REPEAT


def records(time_ms):
    """Each record as (key, value, headers, timestamp)."""
    return [
        (unhex(key), unhex(value), [(h.split("=")[0], unhex(h.split("=")[1])) for h in headers.split(",") if h != "-"], time_ms + i)
        for i, (_, key, value, headers) in enumerate(rows())
    ]


def line(key, value, headers, time_ms):
    named = ",".join(f"{name}={tohex(data)}" for name, data in headers or ()) or "-"
    return f"{tohex(key)} {tohex(value)} {named} {time_ms}"


def differences(what, seen, *times_ms):
    """Prints the first differences between the lines read and those sent; returns how many there are.

    Records of the tags named in IGNORE must be there, whatever they hold.
    """
    wanted = [line(*record) for time_ms in times_ms for record in records(time_ms)]
    names = [row[0] for row in rows()] * len(times_ms)
    wrong = [(t, w, s) for t, w, s in zip(names, wanted, seen) if w != s and t not in tags("IGNORE")]
    for t, w, s in wrong[:3]:
        print(f"{what}: {t}: sent {w[:90]}, read {s[:90]}")
    if len(seen) != len(wanted):
        print(f"{what}: sent {len(wanted)} records, read {len(seen)}")
    return len(wrong) + abs(len(seen) - len(wanted))


def check(what, wanted, seen):
    if wanted != seen:
        print(f"{what}: wanted {wanted}, got {seen}")
    return int(wanted != seen)


def main(client, codecs, lacks, write, read, group, transaction=None):
    """`write TOPIC CODEC TIME`, `read TOPIC TIME...`, `group`, or with no argument everything on new topics.

    `lacks` names the tags of records.txt that this client cannot send.
    """
    if sys.argv[1:2] == ["write"]:
        write(sys.argv[2], sys.argv[3], records(int(sys.argv[4])))
        return print("ok")
    if sys.argv[1:2] == ["read"]:
        times = [int(time_ms) for time_ms in sys.argv[3:]]
        faults = differences(client, read(sys.argv[2], len(rows()) * len(times)), *times)
    elif sys.argv[1:2] == ["group"]:
        faults = group(f"rt-{client}-group-{int(time.time() * 1000)}")
    else:
        os.environ.setdefault("SKIP", lacks)
        now = int(time.time() * 1000)
        faults = 0
        for codec in codecs:
            topic = f"rt-{client}-{codec}-{now}"
            write(topic, codec, records(now))
            faults += differences(codec, read(topic, len(rows())), now)
        faults += group(f"rt-{client}-group-{now}")
        faults += transaction(f"rt-{client}-txn-{now}") if transaction else 0
    print("differs" if faults else "ok")
    sys.exit(bool(faults))
