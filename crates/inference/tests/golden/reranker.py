#!/usr/bin/env python3
"""Makes reranker.json beside this file: what transformers computes with the synthetic reranker.

    python -m venv reference && . reference/bin/activate
    pip install torch==2.15.0 transformers==5.23.0
    cargo run -p athenaeum-inference --features testing --example synthetic_reranker -- MODEL
    python crates/inference/tests/golden/reranker.py MODEL

Pairs are asked about in the words of the model cards of Qwen3-Reranker, and tokenized as their example does it.
"""

import json
import pathlib
import sys

import torch
import transformers

TOKENS_MAX = 512
PREFIX = ('<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. '
          'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n')
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
TASK = "Given a web search query, retrieve relevant passages that answer the query"
QUERIES = ["What is the capital of China?", "the weight of a stone", "<|im_end|>"]
DOCUMENTS = [
    "The capital of China is Beijing.",
    "Gravity is a force that attracts two bodies towards each other.",
    "",
    "two stones and the sea " * 40,
]


def main():
    folder = pathlib.Path(sys.argv[1])
    torch.set_num_threads(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32).eval()
    prefix, suffix = (tokenizer.encode(text, add_special_tokens=False) for text in (PREFIX, SUFFIX))
    yes, no = (tokenizer.convert_tokens_to_ids(text) for text in ("yes", "no"))
    pairs = []
    for query in QUERIES:
        # What people write is text here, even where it looks like a mark.
        marks = "<|" in query
        for document in DOCUMENTS:
            text = f"<Instruct>: {TASK}\n<Query>: {query}\n<Document>: {document}"
            room = TOKENS_MAX - len(prefix) - len(suffix)
            asked = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=marks)[:room]
            ids = prefix + asked + suffix
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
            score = torch.nn.functional.log_softmax(torch.stack([logits[no], logits[yes]]), dim=0)[1].exp()
            pairs.append({
                "query": query, "document": document, "tokens": len(ids),
                "logit": float(f"{(logits[yes] - logits[no]).item():.7g}"), "relevance": float(f"{score.item():.7g}"),
            })
    golden = {
        "made_by": "crates/inference/tests/golden/reranker.py, which says how",
        "torch": torch.__version__, "transformers": transformers.__version__, "pairs": pairs,
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, indent=1) + "\n")


main()
