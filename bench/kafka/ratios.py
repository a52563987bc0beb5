#!/usr/bin/env python3
"""Two brokers' figures side by side: FILE has lines `broker TAB section TAB group TAB name TAB value`."""
import sys

rows = {}
for line in open(sys.argv[1]):
    broker, section, group, name, value = line.rstrip("\n").split("\t")
    rows.setdefault((section, group, name), {})[broker] = float(value)

print(f"{'':<62} {'kafka':>12} {'potok':>12} {'potok/kafka':>12}")
for (section, group, name), of in rows.items():
    kafka, potok = of.get("kafka"), of.get("potok")
    show = lambda value: "-" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.3f}"
    ratio = f"{potok / kafka:.2f} x" if kafka and potok is not None else "-"
    print(f"{section + ': ' + group + ', ' + name:<62} {show(kafka):>12} {show(potok):>12} {ratio:>12}")
