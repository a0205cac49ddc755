#!/usr/bin/env python3
"""Validates real frames and documented ones against docs/protocol.schema.json.

usage: protocol_schema.py UNIT_WIRE [SOURCE_DIR]

UNIT_WIRE is the unit test binary of src/wire; it writes one server frame of each kind.
"""
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema

CLIENT_TYPES = {"auth", "subscribe", "unsubscribe", "publish", "history", "ack", "ping"}
# Every one of these has to be seen, or the check has lost its input.
SERVER_KINDS = {"welcome", "message", "live", "reset", "epoch", "expiring", "unsubscribed",
                "ok_plain", "ok_subscribe", "ok_publish", "ok_history", "error"}


def encoded_frames(binary):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "frames"
        subprocess.run([binary, "--gtest_filter=ServerFrames.*", "--gtest_brief=1"], check=True,
                       env={**os.environ, "PGHERALD_FRAMES_OUT": str(out)},
                       stdout=subprocess.DEVNULL)
        return out.read_text(encoding="utf-8").splitlines()


def documented_frames(page):
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


class Schema:
    def __init__(self, schema):
        jsonschema.Draft202012Validator.check_schema(schema)
        self.schema = schema

    def matches(self, name, frame):
        part = {**self.schema, "oneOf": [{"$ref": f"#/$defs/{name}"}]}
        return jsonschema.Draft202012Validator(part).is_valid(frame)

    def problem(self, frame, kind):
        """What is wrong with `frame`, or nothing."""
        if self.matches(kind, frame):
            return None
        return f"no {kind} by the schema: {json.dumps(frame)}"


def check(schema, encoded, documented):
    problems, kinds, types = [], set(), set()
    for frame in encoded:
        problems.append(schema.problem(frame, "server_frame"))
        kinds |= {kind for kind in SERVER_KINDS if schema.matches(kind, frame)}
        # A server frame is strict: with one key more it must not pass.
        more = {**copy.deepcopy(frame), "unheard_of": 1}
        if schema.matches("server_frame", more):
            problems.append(f"the schema takes an unknown key in: {json.dumps(more)}")
    for frame in documented:
        client = frame.get("type") in CLIENT_TYPES
        problems.append(schema.problem(frame, "client_frame" if client else "server_frame"))
        types.add(frame.get("type"))
        if client and not schema.matches("client_frame", {**frame, "unheard_of": 1}):
            problems.append(f"the schema refuses an unknown key in: {json.dumps(frame)}")
    problems += [f"no frame of kind {kind} was written" for kind in sorted(SERVER_KINDS - kinds)]
    problems += [f"protocol.md has no example of {name}" for name in sorted(CLIENT_TYPES - types)]
    return [problem for problem in problems if problem]


def main():
    binary = sys.argv[1]
    source = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parents[2])
    docs = source / "docs"
    schema = Schema(json.loads((docs / "protocol.schema.json").read_text(encoding="utf-8")))
    encoded = [json.loads(line) for line in encoded_frames(binary)]
    documented = [json.loads(text) for text in documented_frames(docs / "protocol.md")]
    problems = check(schema, encoded, documented)
    print("\n".join(problems) or
          f"{len(encoded)} encoded and {len(documented)} documented frames match the schema")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
