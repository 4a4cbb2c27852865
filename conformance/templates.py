"""Makes conformance/templates.tsv: what Python says of other people's chat templates.

Run by hand, with Jinja2 3.1 at hand and the corpora in DATA; nothing else of the project needs Python:

    python3 conformance/templates.py DATA > conformance/templates.tsv

A row is a template (a file, or a line of one), a column a conversation of template_conversations.json (and those of the corpus minja), a cell
the FNV-1a hash of what Jinja2 makes of both when set up as transformers sets it up, or `raises`.
"""

import json
import pathlib
import sys
from datetime import datetime

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime(2026, 3, 4, 5, 6, 7)


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("through"), [], [], body).set_lineno(line)

    def through(self, caller):
        return caller()


def environment():
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )

    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = NOW.strftime
    return made


def fnv(text):
    hashed = 0xCBF29CE484222325
    for byte in text.encode():
        hashed = ((hashed ^ byte) * 0x100000001B3) % 2**64
    return f"{hashed:016x}"


def cell(source, context):
    given = {"tools": None, "documents": None, **context}
    try:
        return fnv(environment().from_string(source).render(**given))
    except Exception:
        return "raises"


def main():
    data = pathlib.Path(sys.argv[1]) / "chat_templates"
    here = pathlib.Path(__file__).parent
    columns = [(c["name"], c["input"]) for c in json.loads((here / "template_conversations.json").read_text())]
    for name in ["simple", "system", "tool_use"]:
        columns.append(("minja " + name, json.loads((data / "minja" / f"{name}.json").read_text())))
    print("# What Jinja2 makes of each template with each conversation; see templates.py.")
    print("# template", *(name for name, _ in columns), sep="\t")
    for path in sorted(data.glob("**/*.jinja")):
        cells = (cell(path.read_text(), context) for _, context in columns)
        print(path.relative_to(data), *cells, sep="\t")
    lines = "ollama-gotmpl/testdata/templates.jsonl"
    for number, line in enumerate((data / lines).read_text().splitlines()):
        for source in json.loads(line).values():
            print(f"{lines}:{number}", *(cell(source, context) for _, context in columns), sep="\t")


main()
