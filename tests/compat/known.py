"""known.json: the recordings that are replayed, and the steps in them that may differ, with the reason."""

import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
README = os.path.join(HERE, "README.md")
TABLE_HEAD = "| what | why it differs |\n"


def load():
    with open(os.path.join(HERE, "known.json"), encoding="utf-8") as file:
        return json.load(file)


def call(line):
    """What the patterns of known.json are held against: METHOD PATH, or the words of a command line."""
    if "control" in line:
        return "control " + " ".join(map(str, line["control"].values()))
    return "hecate " + " ".join(line["argv"]) if "argv" in line else f"{line['method']} {line['path']}"


def explain(rules, name, line):
    """The reason why this step may differ, or None."""
    for rule in rules["rules"]:
        if line["step"] in rule.get("steps", {}).get(name, []):
            return rule["why"]
        if "call" in rule and name in rule.get("files", [name]) and re.fullmatch(rule["call"], call(line)):
            return rule["why"]
    return None


def table(rules):
    """Every rule of known.json, as README.md shows them."""
    rows = [TABLE_HEAD.strip(), "|---|---|"]
    for rule in rules["rules"]:
        places = [f"{name}: {', '.join(map(str, steps))}" for name, steps in rule.get("steps", {}).items()]
        if "call" in rule:
            places.append((", ".join(rule["files"]) + ": " if "files" in rule else "")
                          + "`" + rule["call"].replace("|", "\\|") + "`")
        rows.append(f"| {'; '.join(places)} | {rule['why']} |")
    return "\n".join(rows) + "\n"


def write_table(rules):
    with open(README, encoding="utf-8") as file:
        text = file.read()
    with open(README, "w", encoding="utf-8") as file:
        file.write(text[:text.index(TABLE_HEAD)] + table(rules))
