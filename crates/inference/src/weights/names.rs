pub(super) mod encoder;

/// Returns the names under which a checkpoint of Hugging Face's may hold the tensor that GGUF calls `name`, likeliest
/// first. `sandwich`: layers have a norm behind each part as well as before it, which moves one name.
pub(super) fn candidates(name: &str, sandwich: bool) -> Vec<String> {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    match stem.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
        Some((layer, part)) => {
            prefixed(theirs(part, sandwich), |theirs| format!("layers.{layer}.{theirs}.{ending}"))
        }
        None => {
            prefixed(OUTSIDE.iter().filter(|(ours, _)| *ours == stem), |theirs| format!("{theirs}.{ending}"))
        }
    }
}

/// Returns the names of one expert's matrix, where checkpoints hold each on its own.
pub(super) fn expert_candidates(name: &str, expert: usize) -> Vec<String> {
    let stem = name.strip_suffix(".weight").unwrap_or(name);
    let Some((layer, part)) = stem.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) else {
        return Vec::new();
    };
    prefixed(EXPERT.iter().filter(|(ours, _)| *ours == part), |theirs| {
        format!("layers.{layer}.{}.weight", theirs.replace('@', &expert.to_string()))
    })
}

/// Checkpoints of the bare model leave out the leading `model.`; those of models that also see put more before it.
fn prefixed<'a>(
    entries: impl Iterator<Item = &'a (&'a str, &'a [&'a str])>,
    inner: impl Fn(&str) -> String,
) -> Vec<String> {
    let inner: Vec<String> =
        entries.flat_map(|(_, theirs)| theirs.iter()).map(|theirs| inner(theirs)).collect();
    let outer = ["model.", "", "language_model.model.", "model.language_model.", "language_model."];
    inner.iter().flat_map(|inner| outer.iter().map(move |outer| format!("{outer}{inner}"))).collect()
}

fn theirs(
    part: &str,
    sandwich: bool,
) -> impl Iterator<Item = &'static (&'static str, &'static [&'static str])> {
    let norms = if sandwich { SANDWICH } else { BEFORE };
    LAYER.iter().chain(norms).filter(move |(ours, _)| *ours == part)
}

type Names = &'static [(&'static str, &'static [&'static str])];

const OUTSIDE: Names = &[
    ("token_embd", &["embed_tokens"]),
    ("output_norm", &["norm"]),
    ("output", &["lm_head"]),
    ("token_output", &["linear"]),
];

const LAYER: Names = &[
    ("attn_norm", &["input_layernorm"]),
    ("attn_q", &["self_attn.q_proj"]),
    ("attn_k", &["self_attn.k_proj"]),
    ("attn_v", &["self_attn.v_proj"]),
    ("attn_qkv", &["self_attn.qkv_proj"]),
    ("attn_output", &["self_attn.o_proj"]),
    ("attn_q_norm", &["self_attn.q_norm"]),
    ("attn_k_norm", &["self_attn.k_norm"]),
    ("ffn_gate", &["mlp.gate_proj"]),
    ("ffn_up", &["mlp.up_proj"]),
    ("ffn_gate_up", &["mlp.gate_up_proj"]),
    ("ffn_down", &["mlp.down_proj"]),
    ("ffn_gate_inp", &["mlp.gate", "block_sparse_moe.gate", "block_sparse_moe.router.layer"]),
    ("ffn_gate_up_exps", &["block_sparse_moe.input_linear"]),
    ("ffn_down_exps", &["block_sparse_moe.output_linear"]),
    ("ffn_gate_inp_shexp", &["mlp.shared_expert_gate"]),
    ("ffn_gate_shexp", &["mlp.shared_expert.gate_proj"]),
    ("ffn_up_shexp", &["mlp.shared_expert.up_proj"]),
    ("ffn_gate_up_shexp", &["shared_mlp.input_linear"]),
    ("ffn_down_shexp", &["mlp.shared_expert.down_proj", "shared_mlp.output_linear"]),
];

/// Norms of layers that have them before attention and before the feed-forward part only.
const BEFORE: Names = &[("ffn_norm", &["post_attention_layernorm"])];

/// Norms of layers that have them behind both parts.
const SANDWICH: Names = &[
    ("post_attention_norm", &["post_attention_layernorm"]),
    ("ffn_norm", &["pre_feedforward_layernorm"]),
    ("post_ffw_norm", &["post_feedforward_layernorm"]),
];

/// `@` stands for the expert's number.
const EXPERT: Names = &[
    ("ffn_gate_exps", &["mlp.experts.@.gate_proj", "block_sparse_moe.experts.@.w1"]),
    ("ffn_up_exps", &["mlp.experts.@.up_proj", "block_sparse_moe.experts.@.w3"]),
    ("ffn_down_exps", &["mlp.experts.@.down_proj", "block_sparse_moe.experts.@.w2"]),
];
