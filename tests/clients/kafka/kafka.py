"""Kafka's own programs, started one by one; what they print, and what must be true of it."""
import json
import os
import subprocess
import tempfile
import time

BROKER = os.environ["BROKER"]
WORK = os.environ.get("CLIENTS_WORK") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "potok", "clients")
CLASSPATH = os.path.join(WORK, "java") + ":" + os.path.join(os.environ["PEER"], "lib", "*")
# small machines: little heap, the quick compiler, no log lines between the results
JAVA = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=" + os.environ.get("JAVA_LOG", "OFF"), "-cp", CLASSPATH]
SECONDS_MAX = 120
STAMP = str(int(time.time() * 1000))


class Failed(Exception):
    pass


def check(what, wanted, seen):
    if wanted != seen:
        raise Failed(f"{what}: wanted {str(wanted)[:600]}, got {str(seen)[:600]}")
    print("ok:", what, flush=True)


def java(name, *args, text=None, fails=False):
    """Runs a main class to its end; its output. `fails`: it must end with an error, which is returned too."""
    done = subprocess.run([*JAVA, name, *map(str, args)], input=text, capture_output=True, text=True, timeout=SECONDS_MAX)
    if bool(done.returncode) != fails:
        raise Failed(f"{name} {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout + (done.stderr if fails else "")


def tool(name, *args, **how):
    return java("org.apache.kafka.tools." + name, "--bootstrap-server", BROKER, *args, **how)


class Running:
    """A program that goes on in the background; its output is a file that is read again and again."""

    def __init__(self, name, *args):
        self.output = tempfile.NamedTemporaryFile("w+", suffix=".out")
        self.process = subprocess.Popen([*JAVA, name, *map(str, args)], stdout=self.output, stderr=subprocess.STDOUT, text=True)

    def lines(self):
        with open(self.output.name) as file:
            return file.read().splitlines()

    def events(self):
        """The JSON objects of its lines; the last one may be half written."""
        found = []
        for line in self.lines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return [event for event in found if isinstance(event, dict)]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait(SECONDS_MAX)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


def until(what, done, programs=(), seconds=SECONDS_MAX):
    """Waits until `done` says yes; else says what the programs printed last."""
    end = time.time() + seconds
    while not done():
        if time.time() > end:
            raise Failed(f"{what}: not within {seconds} s\n" + "\n".join(line for p in programs for line in p.lines()[-15:]))
        time.sleep(0.1)
    print("ok:", what, flush=True)
