"""pytest plugin: runs the tests of llama.cpp's server against ours, with models that lie here.

ATHENAEUM_MODELS is the folder that `cargo run -p athenaeum-inference --example synthetic` writes, with what
`synthetic_reranker` writes in `reranker`; ATHENAEUM_TINY is
examples/models/tiny.gguf, and LLAMA_SERVER_BIN_PATH is what the tests start. `cargo xtask conformance` sets them.
"""

import os

import pytest
import utils

MODELS = os.environ["ATHENAEUM_MODELS"]
# Most tests want a vocabulary of SentencePiece's kind that begins texts with <s>.
USUAL = os.path.join(MODELS, "llama.F16.gguf")
OTHERS = {
    # So sure of nothing that ten tokens are left after the sampling.
    "test_n_probs_post_sampling": os.path.join(MODELS, "gemma.F16.gguf"),
    # Texts that are too long in tokens of single letters.
    "test_embedding_multiple_with_fa": os.environ["ATHENAEUM_TINY"],
    "test_metrics_timings_on_prompt_progress": os.environ["ATHENAEUM_TINY"],
    "test_anthropic_tool_use_basic": os.environ["ATHENAEUM_TINY"],
    "test_completion_without_tool_call_fast": os.environ["ATHENAEUM_TINY"],
    # Its ranks mean nothing: only how many of them are told.
    "test_rerank_top_n": os.path.join(MODELS, "reranker"),
    "test_rerank_tei_top_n": os.path.join(MODELS, "reranker"),
}
running = ""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    global running
    running = getattr(item, "originalname", item.name)


def with_local_model(make):
    """A preset that names a file instead of something to download; a router has none."""

    def preset():
        server = make()
        if make.__name__ != "router":
            server.model_hf_repo = server.model_hf_file = None
            server.model_file = OTHERS.get(running, USUAL)
            server.offline = True
            if server.server_embeddings and server.pooling is None:
                server.pooling = "mean"
        return server

    return staticmethod(preset)


for name, make in list(vars(utils.ServerPreset).items()):
    if isinstance(make, staticmethod) and name != "load_all":
        setattr(utils.ServerPreset, name, with_local_model(make.__func__))
utils.ServerPreset.load_all = staticmethod(lambda: None)
