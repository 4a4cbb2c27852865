/// Returns what the names of an encoder's tensors begin with, if this is the name of its table of tokens.
pub(crate) fn prefix(name: &str) -> Option<&str> {
    TOKENS.iter().find_map(|tokens| name.strip_suffix(tokens))
}

/// Returns the names under which a checkpoint may hold the tensor that GGUF calls `name`, likeliest first.
pub(crate) fn candidates(name: &str, prefix: &str) -> Vec<String> {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let layer = stem.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
    let (table, part) = match layer {
        Some((_, part)) => (LAYER, part),
        None => (OUTSIDE, stem),
    };
    let theirs = table.iter().filter(|(ours, _)| *ours == part).flat_map(|(_, theirs)| theirs.iter());
    let stems = |theirs: &str| match layer {
        Some((layer, _)) => STACKS.iter().map(|stack| format!("{prefix}{stack}.{layer}.{theirs}")).collect(),
        None => vec![format!("{prefix}{theirs}"), theirs.to_owned()],
    };
    // Norms of the oldest checkpoints call their numbers by Greek letters.
    let endings = match ending {
        "weight" => ["weight", "gamma"],
        "bias" => ["bias", "beta"],
        other => [other, other],
    };
    let stems: Vec<String> = theirs.flat_map(|theirs| stems(theirs)).collect();
    endings.iter().flat_map(|ending| stems.iter().map(move |stem| format!("{stem}.{ending}"))).collect()
}

type Names = &'static [(&'static str, &'static [&'static str])];

const TOKENS: &[&str] = &["embeddings.word_embeddings.weight", "embeddings.tok_embeddings.weight"];

/// What a layer's number follows.
const STACKS: &[&str] = &["encoder.layer", "encoder.layers", "layers", "transformer.layer"];

const OUTSIDE: Names = &[
    ("token_embd", &["embeddings.word_embeddings", "embeddings.tok_embeddings"]),
    ("position_embd", &["embeddings.position_embeddings"]),
    ("token_types", &["embeddings.token_type_embeddings"]),
    ("token_embd_norm", &["embeddings.LayerNorm", "embeddings.norm", "emb_ln"]),
    ("position_ranges", &["encoder.relative_attention_bias"]),
    ("output_norm", &["final_norm"]),
    ("cls", &["classifier.dense", "pre_classifier", "head.dense", "pooler.dense"]),
    ("cls.norm", &["head.norm"]),
    ("cls.output", &["classifier.out_proj", "classifier"]),
    ("token_output", &["linear"]),
];

const LAYER: Names = &[
    ("attn_norm", &["attn_norm"]),
    ("attn_q", &["attention.self.query", "attention.q_lin", "attention.attn.q", "self_attn.q_proj"]),
    ("attn_k", &["attention.self.key", "attention.k_lin", "attention.attn.k", "self_attn.k_proj"]),
    ("attn_v", &["attention.self.value", "attention.v_lin", "attention.attn.v", "self_attn.v_proj"]),
    ("attn_qkv", &["attn.Wqkv", "attention.qkv_proj"]),
    ("attn_q_norm", &["attention.self.layer_norm_q"]),
    ("attn_k_norm", &["attention.self.layer_norm_k"]),
    (
        "attn_output",
        &[
            "attention.output.dense",
            "attention.out_lin",
            "attention.attn.o",
            "attn.out_proj",
            "attn.Wo",
            "attention.o_proj",
            "self_attn.o_proj",
        ],
    ),
    (
        "attn_output_norm",
        &[
            "attention.output.LayerNorm",
            "sa_layer_norm",
            "attention.LayerNorm",
            "norm1",
            "attn_ln",
            "post_attention_layernorm",
        ],
    ),
    ("ffn_norm", &["mlp_norm"]),
    ("ffn_gate", &["mlp.fc12", "mlp.gate_proj"]),
    (
        "ffn_up",
        &[
            "intermediate.dense",
            "ffn.lin1",
            "mlp.fc11",
            "mlp.Wi",
            "mlp.gated_layers",
            "mlp.up_gate_proj",
            "mlp.up_proj",
        ],
    ),
    ("ffn_down", &["output.dense", "ffn.lin2", "mlp.fc2", "mlp.Wo", "mlp.wo", "mlp.down_proj"]),
    (
        "layer_output_norm",
        &["output.LayerNorm", "output_layer_norm", "norm2", "mlp.layernorm", "mlp_ln", "post_mlp_layernorm"],
    ),
];
