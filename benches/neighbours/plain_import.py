"""The importer that one would write first: read the whole export, one INSERT a message, FTS5 by trigger.

    python3 plain_import.py conversations.json OUT.db

Stands in for the Python version that the archive's design replaces. Standard library only.
"""

import json, resource, sqlite3, sys, time

SCHEMA = """
CREATE TABLE conversations (id INTEGER PRIMARY KEY, external_id TEXT UNIQUE, title TEXT, created_at REAL, raw_json TEXT);
CREATE TABLE messages (id INTEGER PRIMARY KEY, conversation_id INTEGER REFERENCES conversations(id), role TEXT,
    content TEXT, created_at REAL);
CREATE VIRTUAL TABLE messages_fts USING fts5(content, conversation_id UNINDEXED, role UNINDEXED, tokenize='porter');
CREATE TRIGGER messages_ai AFTER INSERT ON messages BEGIN
    INSERT INTO messages_fts(rowid, content, conversation_id, role) VALUES (new.id, new.content, new.conversation_id, new.role);
END;
"""


def main(source, target):
    db = sqlite3.connect(target)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + SCHEMA)
    count = 0
    with open(source) as file:
        for conversation in json.load(file):
            row = (conversation["id"], conversation["title"], conversation["create_time"], json.dumps(conversation))
            cursor = db.execute("INSERT INTO conversations (external_id, title, created_at, raw_json) VALUES (?, ?, ?, ?)", row)
            for node in conversation["mapping"].values():
                message = node["message"]
                if not message:
                    continue
                content = message["content"]
                text = content.get("text") or "\n".join(part for part in content.get("parts", []) if isinstance(part, str))
                db.execute("INSERT INTO messages (conversation_id, role, content, created_at) VALUES (?, ?, ?, ?)",
                           (cursor.lastrowid, message["author"]["role"], text, message["create_time"]))
                count += 1
    db.commit()
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"messages": count, "cpu_s": round(cpu, 2), "messages_per_cpu_s": round(count / cpu), "rss_mb": used.ru_maxrss // 1024}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
