#!/usr/bin/env python3
"""Turns plain chat logs into Athenaeum's import format.

    athenaeum import --parser examples/parsers/irc_log.py PATH

PATH is a log or a folder of logs. A log has lines such as

    [2024-05-17 08:30:12] <ada> How long does the dough rise?
    [2024-05-17 08:30:40] <bot> About an hour.

and a line without a time goes on with the message above it. Names that end in "bot" are the
assistant. Only the standard library is used; the format is in docs/formats/import-jsonl.md.
"""

import json
import re
import sys
from pathlib import Path

LINE = re.compile(r"^\[(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})\] <([^>]+)> ?(.*)$")


def read_log(path):
    messages = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        match = LINE.match(line)
        if match:
            day, time, name, text = match.groups()
            messages.append({
                "role": "assistant" if name.endswith("bot") else "user",
                "author": name,
                "created_at": f"{day}T{time}Z",
                "text": text,
            })
        elif messages:
            messages[-1]["text"] += "\n" + line
        elif line.strip():
            print(f"{path}: not a chat log: {line[:60]!r}", file=sys.stderr)
            return None
    if not messages:
        return None
    return {
        "athenaeum": 1,
        "provider": "irc",
        "id": path.stem,
        "title": path.stem,
        "created_at": messages[0]["created_at"],
        "updated_at": messages[-1]["created_at"],
        "messages": messages,
    }


def main():
    source = Path(sys.argv[-1])
    paths = sorted(source.glob("**/*.log")) if source.is_dir() else [source]
    found = 0
    for path in paths:
        conversation = read_log(path)
        if conversation:
            found += 1
            print(json.dumps(conversation, ensure_ascii=False))
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
