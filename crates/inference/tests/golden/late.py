#!/usr/bin/env python3
"""Makes late.json beside this file: what late interaction gives with the synthetic models, computed with transformers.

    python -m venv reference && . reference/bin/activate
    pip install torch==2.15.0 transformers==5.23.0
    cargo run -p athenaeum-inference --features testing --example synthetic_late -- MODELS
    python crates/inference/tests/golden/late.py MODELS

Follows the papers of ColBERT and ColBERTv2 and the settings beside each model. `pip install pylate==1.6.0` gives a second
opinion, which is compared with this one where it is installed.
"""

import json
import pathlib
import string
import sys

import safetensors.torch
import torch
import transformers

QUERIES = ["what is the moon?", "the tide of the sea, and how long", "", "bread " * 30]
DOCUMENTS = [
    "The moon and the tide.",
    "Bread, in the oven; long.",
    "a late train -- the cat is at rest ... in the sun!",
    "...",
    "",
    "wind and water " * 20,
]
TOKENS_MAX = 48


def read(folder, name):
    path = folder / name
    return json.loads(path.read_text()) if path.is_file() else {}


def settings(folder, tokenizer):
    if (folder / "modules.json").is_file():
        own = read(folder, "config_sentence_transformers.json")
        marks, count = (own["query_prefix"], own["document_prefix"]), own["query_length"]
        attends, words = own["attend_to_expansion_tokens"], own["skiplist_words"]
    else:
        own = read(folder, "artifact.metadata")
        marks, count = (own["query_token_id"], own["doc_token_id"]), own["query_maxlen"]
        attends, words = own["attend_to_mask_tokens"], list(string.punctuation)
        assert own["mask_punctuation"]
    return tokenizer.convert_tokens_to_ids(list(marks)), count, attends, tokenizer.convert_tokens_to_ids(words)


class Late:
    def __init__(self, folder):
        self.tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"), cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
            unk_token="[UNK]", pad_token="[PAD]")
        self.marks, self.count, self.attends, self.skipped = settings(folder, self.tokenizer)
        config = transformers.BertConfig.from_pretrained(folder)
        self.bert = transformers.BertModel(config, add_pooling_layer=False).eval()
        weights = safetensors.torch.load_file(folder / "model.safetensors")
        weights = {name.removeprefix("bert."): tensor for name, tensor in weights.items()}
        linear = weights.pop("linear.weight", None)
        if linear is None:
            linear = safetensors.torch.load_file(folder / "1_Dense" / "model.safetensors")["linear.weight"]
        self.linear = linear
        loaded = self.bert.load_state_dict(weights, strict=False)
        assert not loaded.unexpected_keys and all("position_ids" in key for key in loaded.missing_keys), loaded

    def ids(self, text, mark):
        tokens = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)[:TOKENS_MAX - 3]
        return [self.tokenizer.cls_token_id, mark, *tokens, self.tokenizer.sep_token_id]

    def vectors(self, ids, seen):
        mask = torch.tensor([[int(place < seen) for place in range(len(ids))]])
        with torch.no_grad():
            hidden = self.bert(input_ids=torch.tensor([ids]), attention_mask=mask).last_hidden_state[0]
        return torch.nn.functional.normalize(hidden @ self.linear.T, dim=-1)

    def query(self, text):
        ids = self.ids(text, self.marks[0])
        seen = len(ids)
        ids += [self.tokenizer.mask_token_id] * (self.count - len(ids))
        return self.vectors(ids, len(ids) if self.attends else seen)

    def document(self, text):
        ids = self.ids(text, self.marks[1])
        kept = [place for place, token in enumerate(ids) if token not in self.skipped]
        return self.vectors(ids, len(ids))[kept], len(ids)


def check(folder, scores):
    """Compares with PyLate, which cuts off queries and documents where we do not: those are left out."""
    try:
        from pylate import models, rank
    except ImportError:
        return "not installed"
    model = models.ColBERT(str(folder), device="cpu")
    (query,) = model.encode(QUERIES[:1], is_query=True)
    documents = model.encode(DOCUMENTS[:5], is_query=False)
    for ours, document in zip(scores, documents):
        theirs = (torch.tensor(query) @ torch.tensor(document).T).max(dim=1).values.sum().item()
        assert abs(ours["score"] - theirs) < 2e-4, (folder, ours, theirs)
    return "agrees"


def main():
    models = pathlib.Path(sys.argv[1])
    torch.set_num_threads(1)
    golden = {
        "made_by": "crates/inference/tests/golden/late.py, which says how",
        "torch": torch.__version__, "transformers": transformers.__version__,
    }
    for name in ["stanford", "pylate"]:
        late = Late(models / name)
        rows = []
        for query in QUERIES:
            vectors = late.query(query)
            for document in DOCUMENTS:
                compared, tokens = late.document(document)
                score = (vectors @ compared.T).max(dim=1).values.sum().item()
                rows.append({
                    "query": query, "document": document, "tokens": tokens, "query_tokens": len(vectors),
                    "score": float(f"{score:.7g}"),
                })
        print(name, "PyLate:", check(models / name, rows))
        golden[name] = rows
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, indent=1) + "\n")


main()
