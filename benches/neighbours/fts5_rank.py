"""Draws a query mix from an archive and times SQLite's own FTS5 ranking on it.

    python3 fts5_rank.py ARCHIVE.db OUT.json [--per-class 20] [--seed 1] [--index INDEX.db]

The queries are words and phrases that stand in the archive, sorted into classes by how many messages hold them.
OUT.json gets, for each query: its class, the text to type, the FTS5 expression, the milliseconds of
`ORDER BY rank LIMIT 20`, and the ids and scores of its 20 best. `cargo xtask bench search` reads it.

The archive's own FTS5 table keeps no positions (detail=none), which makes SQLite's ranking slower than need be. So
that the neighbour is seen at its best, a table with positions and without content is made in INDEX.db first.
Standard library only.
"""

import argparse, json, random, re, sqlite3, time

WORD = re.compile(r"[a-z][a-z0-9]{1,30}")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("archive")
    arguments.add_argument("out")
    arguments.add_argument("--per-class", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--index", help="where to keep the FTS5 table; beside OUT.json by default")
    arguments.add_argument("--no-timing", action="store_true", help="only draw the queries")
    options = arguments.parse_args()
    db = connect(options.archive, options.index or options.out.removesuffix(".json") + ".fts5.db")
    dice = random.Random(options.seed)
    queries = list(draw(db, dice, options.per_class))
    for query in queries:
        query["hits"] = []
        if not options.no_timing:
            rank(db, query)
    with open(options.out, "w") as out:
        json.dump(queries, out)
    report(queries)


def connect(archive, index):
    db = sqlite3.connect(index)
    for pragma in ("mmap_size=8589934592", "cache_size=-65536", "journal_mode=OFF", "synchronous=OFF"):
        db.execute(f"PRAGMA {pragma}")
    db.execute("ATTACH ? AS archive", (archive,))
    if not db.execute("SELECT 1 FROM main.sqlite_master WHERE name = 'best_fts'").fetchone():
        db.execute("CREATE VIRTUAL TABLE main.best_fts USING fts5(content, content='', "
                   "tokenize='porter unicode61 remove_diacritics 2')")
        db.execute("INSERT INTO main.best_fts(rowid, content) SELECT id, content FROM archive.messages")
        db.execute("INSERT INTO main.best_fts(best_fts) VALUES ('optimize')")
        db.commit()
    return db


def draw(db, dice, count):
    last = db.execute("SELECT max(id) FROM archive.messages").fetchone()[0]
    total = db.execute("SELECT count(*) FROM archive.messages").fetchone()[0]
    texts = []
    while len(texts) < 400:
        row = db.execute("SELECT content FROM archive.messages WHERE id >= ? LIMIT 1", (dice.randrange(last),)).fetchone()
        words = WORD.findall(row[0].lower())
        if len(words) > 12:
            texts.append(words)
    frequency = {}

    def df(word):
        if word not in frequency:
            frequency[word] = db.execute(
                "SELECT count(*) FROM best_fts WHERE best_fts MATCH ?", (f'"{word}"',)
            ).fetchone()[0]
        return frequency[word]

    classes = {"rare": [], "mid": [], "high": [], "common": []}
    for _ in range(60 * count):
        word = dice.choice(dice.choice(texts))
        share = df(word) / total
        name = "common" if share > 0.1 else "high" if share > 0.01 else "mid" if share > 0.001 else "rare"
        if word not in classes[name] and len(classes[name]) < 3 * count:
            classes[name].append(word)
    pick = lambda name: dice.choice(classes[name])
    both = lambda a, b: (f"{a} {b}", f'"{a}" AND "{b}"')

    def plain(name, text, match, filters=None):
        return {"class": name, "text": text, "match": match, "filters": filters or {}}

    for name, words in classes.items():
        for word in words[:count]:
            yield plain(name, word, f'"{word}"')
    pairs = [("rare+common", "rare", "common"), ("mid+common", "mid", "common"), ("and-mid", "mid", "mid"),
             ("and-high", "high", "high"), ("and-common", "common", "common")]
    for name, left, right in pairs:
        for _ in range(count):
            yield plain(name, *both(pick(left), pick(right)))
    for _ in range(count):
        words = dice.choice(texts)
        at = dice.randrange(len(words) - 3)
        phrase = " ".join(words[at:at + 3])
        yield plain("phrase3", f'"{phrase}"', f'"{phrase}"')
    for _ in range(count):
        phrase = f'{pick("common")} {pick("common")}'
        yield plain("phrase-common", f'"{phrase}"', f'"{phrase}"')
    for _ in range(count):
        prefix = pick("mid")[:4]
        yield plain("prefix", f"{prefix}*", f'"{prefix}"*')
    for _ in range(count):
        prefix = pick("common")[:2]
        yield plain("prefix-2", f"{prefix}*", f'"{prefix}"*')
    for _ in range(count):
        words = list(dict.fromkeys(dice.choice(texts)[:9]))
        yield plain("question-or", " OR ".join(words), " OR ".join(f'"{w}"' for w in words))
    models = [row[0] for row in db.execute("SELECT DISTINCT model FROM archive.conversations WHERE model IS NOT NULL LIMIT 5")]
    low, high = db.execute("SELECT min(created_at), max(created_at) FROM archive.messages").fetchone()
    for name in ["mid", "high", "common"]:
        for _ in range(count):
            word = pick(name)
            start = low + (high - low) * dice.random() * 0.8
            filters = {"model": dice.choice(models), "after": int(start), "before": int(start + (high - low) / 9)}
            yield plain(f"{name}, filtered", word, f'"{word}"', filters)


def rank(db, query):
    filters, values, join = "", [], ""
    if query["filters"]:
        join = ("JOIN archive.messages m ON m.id = f.rowid "
                "JOIN archive.conversations c ON c.id = m.conversation_id")
        # A question belongs to the model that it was put to.
        filters = "AND coalesce(m.model, c.model) = ? AND m.created_at BETWEEN ? AND ?"
        values = [query["filters"][key] for key in ("model", "after", "before")]
    sql = f"SELECT f.rowid, f.rank FROM best_fts f {join} WHERE best_fts MATCH ? {filters} ORDER BY f.rank LIMIT 20"
    start = time.perf_counter()
    try:
        query["hits"] = [[row, -score] for row, score in db.execute(sql, [query["match"], *values])]
        query["ms"] = (time.perf_counter() - start) * 1000
    except sqlite3.OperationalError as error:
        query["error"] = str(error)


def report(queries):
    by_class = {}
    for query in queries:
        by_class.setdefault(query["class"], []).append(query.get("ms"))
    for name, times in by_class.items():
        times = sorted(t for t in times if t is not None)
        if times:
            print(f"{name:18} {len(times):3} queries  p50 {times[len(times) // 2]:9.2f} ms  max {times[-1]:9.2f} ms")


if __name__ == "__main__":
    main()
