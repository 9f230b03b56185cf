"""The figures of a run beside their budgets."""

import re

# Name of a figure -> (relation, limit, source). "architecture": the budgets the project was designed to.
BUDGETS = {
    "create, 64 clients / W": (">=", 0.2, "architecture"),
    "create, 64 clients, last tenth / first": (">=", 0.8, "architecture"),
    "GET /volumes/{id}, 32 connections": (">=", 5 * 3800, "architecture: 5 x Heketi"),
    "failover p50": ("<=", 0.2, "architecture"),
    "failover p99": ("<=", 0.35, "architecture"),
    "failover max": ("<=", 0.6, "architecture"),
    "queue ids lost": ("<=", 0, "architecture"),
    "list": ("<=", 1.0, "architecture"),
    "topology": ("<=", 1.0, "architecture"),
    "restart": ("<=", 1.0, "architecture"),
    "memory, largest member": ("<=", 64.0, "architecture"),
    "idle CPU, busiest member": ("<=", 1.0, "architecture"),
    "longest wait of another request": ("<=", 20.0, "architecture"),
}

# Figures of `scale`, whose names begin with the size: regular expression -> the same.
SCALE_BUDGETS = {
    "longest turn of ": ("<=", 50.0, "architecture"),
    "turns over 20 ms": ("<=", 0.1, "architecture: 20 ms at p99.9"),
    "changes of leadership": ("<=", 0, "architecture"),
    "memory more for ": ("<=", 64.0, "architecture"),
    "SIGTERM to ": ("<=", 2.0, "architecture"),
    "start to the first answer": ("<=", 5.0, "architecture"),
    "^10k: memory, largest member": ("<=", 64.0, "architecture"),
    "^100k: memory, largest member": ("<=", 300.0, "architecture"),
}

# The same of Heketi 10.4.1 (one process, its mock executor, two cores, W = 8,000/s), where it was measured.
HEKETI = {
    "create, 1 client": 38,
    "create, 8 clients": 84,
    "create, 64 clients": 73,
    "create, 1 client / W": 38 / 8000,
    "create, 8 clients / W": 84 / 8000,
    "create, 64 clients / W": 73 / 8000,
    "GET /volumes/{id}, 1 connection": 1700,
    "GET /volumes/{id}, 32 connections": 3800,
}


def budget_of(name):
    found = (budget for pattern, budget in SCALE_BUDGETS.items() if re.match(r"\d+k", name) and re.search(pattern, name))
    return BUDGETS.get(name) or next(found, (None, None, ""))


def number(value):
    if value is None:
        return ""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


class Table:
    def __init__(self, full_size):
        self.full_size = full_size
        self.rows = []

    def add(self, name, value, unit, note=""):
        relation, limit, source = budget_of(name)
        met = None
        if relation:
            met = value >= limit if relation == ">=" else value <= limit
        self.rows.append({"name": name, "value": value, "unit": unit, "relation": relation, "budget": limit,
                          "source": source, "met": met, "heketi": HEKETI.get(name), "note": note})

    def document(self):
        return {"full_size": self.full_size, "figures": self.rows}

    def show(self):
        head = ("what", "measured", "unit", "budget", "", "source", "Heketi", "x Heketi", "note")
        lines = [head]
        for row in self.rows:
            heketi = row["heketi"]
            lines.append((
                row["name"], number(row["value"]), row["unit"],
                f"{row['relation']} {number(row['budget'])}" if row["relation"] else "",
                {True: "ok", False: "MISSED", None: ""}[row["met"]], row["source"], number(heketi),
                f"{row['value'] / heketi:.1f}" if heketi else "", row["note"]))
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        for line in lines:
            print("  ".join(
                text.rjust(width) if column in (1, 6, 7) else text.ljust(width)
                for column, (text, width) in enumerate(zip(line, widths))).rstrip())
        if not self.full_size:
            print("(a small database: the budgets are for 10,000 volumes)")
