#!/usr/bin/env python3
"""Holds every Cargo.lock of the repository against RustSec's advisories.

    tools/check-advisories.py                 check; exit 1 when a version in a lock file has a known vulnerability
    tools/check-advisories.py --take FOLDER   write tools/advisories.tsv from a checkout of github.com/rustsec/advisory-db

The newest advisories come from GitHub. Where that cannot be reached, those of tools/advisories.tsv are used, and what
they cannot know is said: a check that was not made is never passed over in silence.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "tools/advisories.tsv"
DATABASE = "https://github.com/rustsec/advisory-db"
# A first clone of the newest commit takes some seconds; a machine without a way there must not wait for minutes.
CLONE_SECONDS_MAX = 60
# Kinds that are news, not holes: shown, and not failed on.
INFORMATIONAL = {"unmaintained", "unsound", "notice"}


def parse_version(text):
    """A key that sorts as semantic versions do; a build suffix does not count."""
    match = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?", text)
    if not match:
        raise ValueError(f"no version: {text!r}")
    numbers = tuple(int(part or 0) for part in match.groups()[:3])
    parts = match[4].split(".") if match[4] else []
    # a release comes after its pre-releases; numbers come before words
    return numbers, not parts, tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts)


def upper_bound(operator, text):
    """The first version that `^1.2.3` or `~1.2.3` no longer takes in."""
    given = [int(part) for part in re.split(r"[-+]", text)[0].split(".")]
    major, minor, patch = (given + [0, 0])[:3]
    if operator == "~":
        return (major, minor + 1, 0) if len(given) > 1 else (major + 1, 0, 0)
    if major or len(given) == 1:
        return (major + 1, 0, 0)
    return (0, minor + 1, 0) if minor or len(given) == 2 else (0, 0, patch + 1)


def satisfies(version, requirement):
    """Whether a version meets all parts of a requirement such as `>= 1.2, < 2`."""
    for part in requirement.split(","):
        operator, text = re.fullmatch(r"\s*(>=|<=|>|<|=|\^|~|)\s*(\S+)\s*", part).groups()
        bound = parse_version(text)
        meets = {
            ">=": version >= bound,
            "<=": version <= bound,
            ">": version > bound,
            "<": version < bound,
            "=": version == bound,
        }.get(operator)
        if meets is None:
            end = (upper_bound(operator or "^", text), False, ())
            meets = bound <= version < end
        if not meets:
            return False
    return True


def is_affected(version, patched, unaffected):
    key = parse_version(version)
    return not any(satisfies(key, requirement) for requirement in patched + unaffected)


def read_database(folder):
    """Every advisory that stands: (id, package, kind, patched, unaffected)."""
    for path in sorted(pathlib.Path(folder, "crates").glob("*/RUSTSEC-*.md")):
        front = tomllib.loads(path.read_text().split("```toml", 1)[1].split("\n```", 1)[0])
        advisory, versions = front["advisory"], front["versions"]
        if "withdrawn" in advisory:
            continue
        kind = advisory.get("informational", "vulnerability")
        yield advisory["id"], advisory["package"], kind, versions["patched"], versions.get("unaffected", [])


def read_snapshot():
    lines = SNAPSHOT.read_text().splitlines()
    taken = lines[0].removeprefix("# ")
    rows = []
    for line in lines[1:]:
        id, package, kind, patched, unaffected = line.split("\t")
        rows.append((id, package, kind, patched.split("|") if patched else [], unaffected.split("|") if unaffected else []))
    return taken, rows


def write_snapshot(folder):
    rows = list(read_database(folder))
    date = subprocess.run(["git", "-C", folder, "log", "-1", "--format=%cs"], capture_output=True, text=True, check=True).stdout.strip()
    lines = [f"# RustSec's advisories (CC0) as of {date}: id, package, kind, patched, unaffected"]
    lines += ["\t".join([id, package, kind, "|".join(patched), "|".join(unaffected)]) for id, package, kind, patched, unaffected in rows]
    SNAPSHOT.write_text("\n".join(lines) + "\n")
    print(f"{len(rows)} advisories of {date}")


def newest():
    """What GitHub has, or why it cannot be had."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["git", "clone", "--quiet", "--depth", "1", DATABASE, folder + "/db"]
        try:
            clone = subprocess.run(command, capture_output=True, text=True, timeout=CLONE_SECONDS_MAX, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return None, f"no answer within {CLONE_SECONDS_MAX} s"
        if clone.returncode != 0:
            return None, clone.stderr.strip().splitlines()[-1]
        return list(read_database(folder + "/db")), None


def locked_packages():
    """(name, version) -> the lock files that have it, of packages that come from a registry."""
    tracked = subprocess.run(["git", "ls-files", "*Cargo.lock"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    found = {}
    for lock in tracked:
        for package in tomllib.loads((ROOT / lock).read_text()).get("package", []):
            if "source" in package:
                found.setdefault((package["name"], package["version"]), []).append(lock)
    return found


def check_the_check():
    """The ranges of real advisories, so that a mistake here cannot pass for a clean bill."""
    tokio = ([">= 1.5.1, < 1.6.0", ">= 1.6.3, < 1.7.0", ">= 1.8.1"], ["< 0.3.0"])
    for version, affected in [("1.5.0", True), ("1.5.1", False), ("1.6.2", True), ("1.8.1", False), ("0.2.9", False), ("1.8.1-rc.1", True)]:
        assert is_affected(version, *tokio) == affected, version
    for version, requirement, met in [
        ("1.9.0", "^1.2", True), ("2.0.0", "^1.2", False), ("0.2.9", "^0.2.3", True), ("0.3.0", "^0.2.3", False),
        ("1.2.9", "~1.2.3", True), ("1.3.0", "~1.2.3", False), ("1.0.0", "=1.0.0", True), ("0.10.0", "> 0.9.9", True),
        ("1.0.0+build", "<= 1.0.0", True), ("1.0.0-alpha.10", "> 1.0.0-alpha.9", True),
    ]:
        assert satisfies(parse_version(version), requirement) == met, (version, requirement)


def check():
    check_the_check()
    advisories, reason = newest()
    if advisories is None:
        taken, advisories = read_snapshot()
        print(f"advisories: NOT CHECKED against the newest: {DATABASE}: {reason}")
        print(f"advisories: checking against the repository's copy instead, {taken}")
    packages = locked_packages()
    if not packages or not advisories:
        sys.exit("advisories: nothing to check, which cannot be")
    holes = 0
    for id, name, kind, patched, unaffected in advisories:
        for (package, version), locks in packages.items():
            if package == name and is_affected(version, patched, unaffected):
                holes += kind not in INFORMATIONAL
                print(f"advisories: {kind}: {package} {version}: https://rustsec.org/advisories/{id} ({', '.join(locks)})")
    print("advisories: NOT CHECKED: whether a version was yanked since it was locked")
    print(f"advisories: {len(packages)} packages, {len(advisories)} advisories, {holes} vulnerable")
    sys.exit(1 if holes else 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--take"] and len(sys.argv) == 3:
        write_snapshot(sys.argv[2])
    elif len(sys.argv) == 1:
        check()
    else:
        sys.exit(__doc__)
