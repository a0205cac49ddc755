#!/usr/bin/env python3
"""Fails when a room of src/ includes a room that isn't below it, or a third party not its own.

The floors are ARCHITECTURE.md's; rooms of one floor never include each other.
"""
import pathlib
import re
import sys
import tempfile

FLOORS = {
    "base": 0, "json": 0,
    "core": 1, "wire": 1, "auth": 1, "config": 1, "telemetry": 1,
    "pg": 2, "ws": 2,
    "app": 3,
    "": 4,  # main.cpp
}
# wire and auth read JSON through json, which itself stands on base.
SAME_FLOOR = {("json", "base")}
THIRD_PARTY = {
    r"boost/asio": {"pg", "ws", "app"},
    r"boost/beast": {"ws"},
    r"libpq|postgres_ext": {"pg"},
    r"rapidjson": {"json"},
    r"toml": {"config"},
    r"CLI": {"config"},
    r"openssl": {"auth", "ws"},
    r"spdlog|fmt": {"telemetry"},
    r"prometheus": {"telemetry"},
    r"systemd": {"app"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def violations(src):
    found = []
    for path in sorted(src.rglob("*.?pp")):
        parts = path.relative_to(src).parts
        room = parts[0] if len(parts) > 1 else ""
        if room == "" and path.name in ("boost.cpp", "asio_pch.hpp", "std_pch.hpp"):
            continue
        if room not in FLOORS:
            found.append(f"{path}: '{room}' is no room; name its floor in {__file__}")
            continue
        for bracket, target in INCLUDE.findall(path.read_text(encoding="utf-8")):
            other = target.split("/")[0]
            if bracket == '"' and other in FLOORS and other != room:
                allowed = FLOORS[other] < FLOORS[room] or (room, other) in SAME_FLOOR
                if not allowed:
                    found.append(f"{path}: {room or 'main'} must not include {target}")
            if bracket == "<":
                for pattern, rooms in THIRD_PARTY.items():
                    if re.match(rf"({pattern})\b", target) and room not in rooms:
                        found.append(f"{path}: {target} belongs to {'/'.join(sorted(rooms))} only")
    return found


def self_test():
    """Each kind of wrong include must be found, and a right one must not."""
    cases = {
        ("core/a.hpp", '#include "pg/x.hpp"'): True,
        ("pg/a.cpp", '#include "ws/x.hpp"'): True,
        ("base/a.hpp", '#include "core/x.hpp"'): True,
        ("core/b.hpp", "#include <boost/asio/post.hpp>"): True,
        ("wire/b.cpp", "#include <rapidjson/reader.h>"): True,
        ("attic/b.cpp", ""): True,
        ("app/c.cpp", '#include "pg/x.hpp"'): False,
        ("pg/c.cpp", "#include <libpq-fe.h>"): False,
        ("main.cpp", '#include "app/x.hpp"'): False,
    }
    for (name, text), wrong in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            if bool(violations(pathlib.Path(folder))) != wrong:
                print(f"self-test: {name} with {text!r} should {'' if wrong else 'not '}fail")
                return 1
    return 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    found = violations(pathlib.Path(sys.argv[1]))
    print("\n".join(found) or "every include points downward")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
