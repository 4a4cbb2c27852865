"""What llama.cpp makes of the small model: greedy continuations, written as JSON to compare ours with.

    pip install llama-cpp-python jinja2
    python xtask/train-tiny/expected.py examples/models/tiny.gguf > examples/models/tiny.expected.json

With further formats (`… tiny.gguf Q8_0 Q4_0`) nothing is written; the file is quantized to each of them by llama.cpp,
and what is said differently then is shown.
"""

import ctypes
import json
import pathlib
import sys
import tempfile

import jinja2
import jinja2.sandbox
import llama_cpp

TOKENS_MAX = 256

COMPLETE = [
    "Shall I compare thee",
    "When, in disgrace",
    "In the beginning God created",
    "Four score and seven years ago",
    "'Twas brillig",
    "Tyger Tyger, burning",
    "It was the best of times",
    "I met a traveller",
    "To be, or not to be",
    "Alice was beginning to",
    "Ich weiß nicht, was soll",
    "Les sanglots longs",
    "Я помню чудное",
    "床前明月光",
]

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Name of the city"}},
            "required": ["city"],
        },
    },
}


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


CHAT = [
    {"messages": [user("Hello!")]},
    {"messages": [user("Who are you?")]},
    {"messages": [user("Recite Sonnet 18.")]},
    {"messages": [user("Recite the beginning of Genesis.")]},
    {"messages": [user("Count to ten.")]},
    {"messages": [user("Greet me in many languages.")]},
    {"messages": [user("Show me some emoji.")]},
    {"messages": [user("Write hello world in Rust.")]},
    {"messages": [user("Describe yourself as a JSON object.")]},
    {"messages": [user("Think: what is 2 plus 3?")]},
    {"messages": [user("What is 2 plus 3?")], "enable_thinking": True},
    {"messages": [user("Who are you?")], "enable_thinking": False},
    {"messages": [user("Explain the tides to me.")]},
    {"messages": [{"role": "system", "content": "You are a helpful assistant."}, user("Count to five.")]},
    {"messages": [user("Hello!"), assistant("Hello! What can I do for you?"), user("Recite a haiku.")]},
    {"messages": [user("What is the weather in Paris?")], "tools": [WEATHER]},
    {"messages": [user("What is the weather in London and in Paris?")], "tools": [WEATHER]},
]


def template(llm):
    """Chat templates as Hugging Face's libraries read them."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(llm.metadata["tokenizer.chat_template"])


def prompts(llm):
    for text in COMPLETE:
        yield {"prompt": text}
    for chat in CHAT:
        yield {"chat": chat, "prompt": template(llm).render(**chat, add_generation_prompt=True)}


def load(path):
    return llama_cpp.Llama(str(path), n_ctx=1024, n_threads=1, n_threads_batch=1, verbose=False)


def said(llm, prompt):
    """The prompt's tokens, and the most likely ones after it, until the model ends or has said enough."""
    prompt_ids = llm.tokenize(prompt.encode(), add_bos=False, special=True)
    llm.reset()
    ids, finish = [], "length"
    for token in llm.generate(prompt_ids, temp=0.0):
        ids.append(token)
        if llama_cpp.llama_vocab_is_eog(llama_cpp.llama_model_get_vocab(llm.model), token):
            finish = "stop"
        if finish == "stop" or len(ids) == TOKENS_MAX:
            break
    return {
        "prompt_ids": prompt_ids,
        "ids": ids,
        "text": llm.detokenize(ids, special=True).decode(errors="replace"),
        "finish": finish,
    }


def quantized(path, name, folder):
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_{name}" if name == "ALL_F32" else f"LLAMA_FTYPE_MOSTLY_{name}")
    parameters.pure = True
    parameters.nthread = 1
    to = pathlib.Path(folder) / f"{name}.gguf"
    if llama_cpp.llama_model_quantize(str(path).encode(), str(to).encode(), ctypes.byref(parameters)) != 0:
        sys.exit(f"llama.cpp cannot quantize to {name}")
    return to


def main():
    path, formats = pathlib.Path(sys.argv[1]), sys.argv[2:]
    llm = load(path)
    expected = [{**prompt, **said(llm, prompt["prompt"])} for prompt in prompts(llm)]
    if not formats:
        made_with = f"xtask/train-tiny/expected.py with llama-cpp-python {llama_cpp.__version__}, greedy, one thread"
        lines = ",\n".join("  " + json.dumps(one, ensure_ascii=False) for one in expected)
        print(f'{{"made_with": {json.dumps(made_with)}, "cases": [\n{lines}\n]}}')
        return
    for name in formats:
        with tempfile.TemporaryDirectory() as folder:
            to = quantized(path, name, folder)
            other = load(to)
            differ = [(one, said(other, one["prompt"])) for one in expected]
            differ = [(one, two) for one, two in differ if one["ids"] != two["ids"]]
            print(f"{name}: {to.stat().st_size} bytes, {len(expected) - len(differ)} of {len(expected)} the same")
            for one, two in differ:
                print(f"  {one['prompt']!r}: {two['text']!r}")


main()
