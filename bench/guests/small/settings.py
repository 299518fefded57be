import copy
import json
from string import Template

DEFAULTS = {
    "server": {"host": "localhost", "port": 8080, "tls": {"enabled": False, "versions": ["1.2", "1.3"]}},
    "logging": {"level": "info", "handlers": ["console"]},
    "features": {"search": True, "beta": False},
}
OVERRIDES = """
# comments are dropped
[server]
host = "0.0.0.0"
port = 443
tls.enabled = true
[logging]
level = "debug"
handlers = ["console", "file"]
[features]
beta = true
limit = 2.5
"""
MAIL = "Dear $name,\nyour server ${host}:$port is $state. It costs $$5 a month.\n$missing"


def parse(text):
    found, section = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        if line.startswith("[") and line.endswith("]"):
            section = found.setdefault(line[1:-1], {})
            continue
        key, separator, value = line.partition("=")
        if not separator or section is None:
            raise ValueError(f"line {number}: {line!r}")
        place = section
        *path, last = key.strip().split(".")
        for part in path:
            place = place.setdefault(part, {})
        place[last] = json.loads(value)
    return found


def merge(base, over):
    merged = copy.deepcopy(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def differences(old, new, path=""):
    for key in sorted({*old, *new}):
        here = f"{path}.{key}".lstrip(".")
        if key not in old:
            yield f"+ {here} = {new[key]!r}"
        elif isinstance(old[key], dict):
            yield from differences(old[key], new[key], here)
        elif old[key] != new[key]:
            yield f"~ {here}: {old[key]!r} -> {new[key]!r}"


settings = merge(DEFAULTS, parse(OVERRIDES))
print("\n".join(differences(DEFAULTS, settings)))
print(json.dumps(settings, sort_keys=True))
print(DEFAULTS["server"]["port"], settings["server"]["tls"])
state = "up" if settings["server"]["tls"]["enabled"] else "down"
print(
    Template(MAIL).safe_substitute(
        name="Ada", **{key: settings["server"][key] for key in ("host", "port")}, state=state
    )
)
try:
    parse("[a]\nb = 1\nnonsense")
except ValueError as error:
    print("refused:", error)
