use super::{
    Recipe,
    random::Random,
    recipes::{HeadNorm, Norms},
};

/// A tensor of a model, as both kinds of files have it.
pub(super) struct Tensor {
    /// Its name in GGUF.
    pub(super) name: String,
    /// Seeds its numbers.
    pub(super) seed: String,
    /// Where Hugging Face's checkpoints have it.
    pub(super) place: Place,
    /// Rows first; before them, if it has three dimensions, experts.
    pub(super) shape: Vec<usize>,
    kind: Kind,
    /// Heads whose rows GGUF files have in another order, neighbours for halves.
    pub(super) reordered_heads: Option<usize>,
    /// What GGUF files add to the numbers.
    pub(super) added: f32,
    /// What embeddings are before the first layer, for what is made of them.
    embeddings: Vec<f32>,
}

/// Where checkpoints have a tensor.
pub(super) enum Place {
    /// Under this name.
    Whole(String),
    /// Under this name, with one more dimension, of one.
    Row(String),
    /// Each expert's under a name of its own, `@` being its number.
    PerExpert(String),
    /// Under this name, behind the tensors before it of the same name.
    Stacked(String),
}

#[derive(Clone, Copy)]
enum Kind {
    /// Deviation of the numbers, times the root of a row's length.
    Matrix(f64),
    /// The same, but kept in F32.
    Router(f64),
    /// Each token's row lies near the embeddings of two others: of those it may follow.
    Output,
    /// The weights of a norm: from half of a mean, a power of two, to one and a half of it.
    Norm(f32),
    /// Whole numbers from minus this to this, divided by 64.
    Vector(i64),
}

/// Lists the tensors of a model.
pub(super) fn of(recipe: &Recipe) -> Vec<Tensor> {
    let mut list = List { recipe, layer: None, tensors: Vec::new() };
    let (width, vocabulary) = (recipe.width, super::TOKENS);
    // Where logits come from the embeddings, those are small against what layers add, or each token would be its own
    // successor; the last norm makes up for it. Elsewhere they weigh as much as it, and have a mean square of one.
    let (spread, norm) = match recipe.tied {
        true if recipe.embedding_scale > 1.0 => (0.125, 32.0),
        true => (1.0, 4.0),
        false => (16.0 / recipe.embedding_scale, 1.0),
    };
    list.matrix("token_embd", "embed_tokens", &[vocabulary, width], spread);
    for layer in 0..recipe.layers {
        list.layer = Some(layer);
        attention(&mut list);
        match recipe.experts {
            Some(_) => experts(&mut list),
            None => feed_forward(&mut list),
        }
    }
    list.layer = None;
    if recipe.norms != Norms::Plain {
        list.norm("output_norm", "norm", width, norm * recipe.logits_scaling as f32);
    }
    if !recipe.tied {
        list.matrix("output", "lm_head", &[vocabulary, width], 1.0);
        let scale = recipe.embedding_scale as f32;
        let embeddings = list.tensors[0].numbers().iter().map(|number| number * scale).collect();
        list.last(|tensor| (tensor.kind, tensor.embeddings) = (Kind::Output, embeddings));
    }
    list.tensors
}

fn attention(list: &mut List<'_>) {
    let recipe = list.recipe;
    let (width, head) = (recipe.width, recipe.head_size);
    let (queries, keys) = (recipe.heads * head, recipe.kv_heads * head);
    if matches!(recipe.norms, Norms::Before | Norms::Around) {
        list.norm("attn_norm", "input_layernorm", width, 1.0);
    }
    if recipe.fused {
        list.matrix("attn_qkv", "self_attn.qkv_proj", &[queries + 2 * keys, width], 1.0);
    } else {
        list.matrix("attn_q", "self_attn.q_proj", &[queries, width], 1.0);
        list.reorder(recipe.heads);
        list.matrix("attn_k", "self_attn.k_proj", &[keys, width], 1.0);
        list.reorder(recipe.kv_heads);
        list.matrix("attn_v", "self_attn.v_proj", &[keys, width], 1.0);
    }
    if recipe.qkv_bias {
        list.vector("attn_q.bias", "self_attn.q_proj.bias", queries, 32);
        list.vector("attn_k.bias", "self_attn.k_proj.bias", keys, 32);
        list.vector("attn_v.bias", "self_attn.v_proj.bias", keys, 32);
    }
    let norms = match recipe.head_norm {
        HeadNorm::None => None,
        HeadNorm::PerHead => Some((head, head)),
        HeadNorm::AllHeads => Some((queries, keys)),
    };
    if let Some((query, key)) = norms {
        list.norm("attn_q_norm", "self_attn.q_norm", query, 1.0);
        list.norm("attn_k_norm", "self_attn.k_norm", key, 1.0);
    }
    list.matrix("attn_output", "self_attn.o_proj", &[width, queries], 1.0);
    if matches!(recipe.norms, Norms::Around | Norms::Behind) {
        list.norm("post_attention_norm", "post_attention_layernorm", width, 1.0);
    }
    match recipe.norms {
        Norms::Before => list.norm("ffn_norm", "post_attention_layernorm", width, 1.0),
        Norms::Around => list.norm("ffn_norm", "pre_feedforward_layernorm", width, 1.0),
        Norms::Behind | Norms::Plain => {}
    }
}

fn feed_forward(list: &mut List<'_>) {
    let recipe = list.recipe;
    let (width, inner) = (recipe.width, recipe.feed_forward);
    if recipe.fused {
        list.matrix("ffn_up", "mlp.gate_up_proj", &[2 * inner, width], 1.0);
    } else {
        list.matrix("ffn_gate", "mlp.gate_proj", &[inner, width], 1.0);
        list.matrix("ffn_up", "mlp.up_proj", &[inner, width], 1.0);
    }
    list.matrix("ffn_down", "mlp.down_proj", &[width, inner], 1.5);
    if matches!(recipe.norms, Norms::Around | Norms::Behind) {
        list.norm("post_ffw_norm", "post_feedforward_layernorm", width, 1.0);
    }
}

fn experts(list: &mut List<'_>) {
    let recipe = list.recipe;
    let Some(experts) = &recipe.experts else { return };
    let (width, inner, count) = (recipe.width, experts.size, experts.count);
    list.matrix("ffn_gate_inp", experts.router, &[count, width], 4.0);
    list.last(|tensor| tensor.kind = Kind::Router(4.0));
    for (part, name, shape, spread) in [
        ("ffn_gate_exps", experts.gate, [count, inner, width], 1.0),
        ("ffn_up_exps", experts.up, [count, inner, width], 1.0),
        ("ffn_down_exps", experts.down, [count, width, inner], 1.5),
    ] {
        list.matrix(part, name, &shape, spread);
        list.last(|tensor| match &tensor.place {
            Place::Whole(name) if name.contains('@') => tensor.place = Place::PerExpert(name.clone()),
            _ => tensor.stacked(),
        });
    }
    let inner = experts.shared_size;
    if inner > 0 && experts.shared_open {
        for name in ["ffn_gate_shexp", "ffn_up_shexp"] {
            list.matrix(name, "shared_mlp.input_linear", &[inner, width], 1.0);
            list.last(Tensor::stacked);
        }
        list.matrix("ffn_down_shexp", "shared_mlp.output_linear", &[width, inner], 1.5);
    } else if inner > 0 {
        list.vector("ffn_gate_inp_shexp.weight", "mlp.shared_expert_gate.weight", width, 16);
        list.last(|tensor| {
            let Place::Whole(name) = &tensor.place else { return };
            tensor.place = Place::Row(name.clone());
        });
        list.matrix("ffn_gate_shexp", "mlp.shared_expert.gate_proj", &[inner, width], 1.0);
        list.matrix("ffn_up_shexp", "mlp.shared_expert.up_proj", &[inner, width], 1.0);
        list.matrix("ffn_down_shexp", "mlp.shared_expert.down_proj", &[width, inner], 1.5);
    }
}

struct List<'a> {
    recipe: &'a Recipe,
    layer: Option<usize>,
    tensors: Vec<Tensor>,
}

impl List<'_> {
    fn matrix(&mut self, name: &str, theirs: &str, shape: &[usize], spread: f64) {
        self.push(format!("{name}.weight"), format!("{theirs}.weight"), shape, Kind::Matrix(spread));
    }

    /// Adds the weights of a norm; checkpoints of Gemma's hold them less one.
    fn norm(&mut self, name: &str, theirs: &str, size: usize, mean: f32) {
        let added = if self.recipe.norm_less_one { 1.0 } else { 0.0 };
        self.push(format!("{name}.weight"), format!("{theirs}.weight"), &[size], Kind::Norm(mean));
        self.last(|tensor| tensor.added = added);
    }

    fn vector(&mut self, name: &str, theirs: &str, size: usize, limit: i64) {
        self.push(name.to_owned(), theirs.to_owned(), &[size], Kind::Vector(limit));
    }

    fn push(&mut self, name: String, theirs: String, shape: &[usize], kind: Kind) {
        let (name, theirs) = match self.layer {
            Some(layer) => (format!("blk.{layer}.{name}"), format!("model.layers.{layer}.{theirs}")),
            None if theirs.starts_with("lm_head") => (name, theirs),
            None => (name, format!("model.{theirs}")),
        };
        let seed = format!("{}/{name}", self.recipe.name);
        let place = Place::Whole(theirs);
        self.tensors.push(Tensor {
            name,
            seed,
            place,
            shape: shape.to_vec(),
            kind,
            reordered_heads: None,
            added: 0.0,
            embeddings: Vec::new(),
        });
    }

    fn reorder(&mut self, heads: usize) {
        let reordered_heads = self.recipe.reordered.then_some(heads);
        self.last(|tensor| tensor.reordered_heads = reordered_heads);
    }

    fn last(&mut self, change: impl FnOnce(&mut Tensor)) {
        if let Some(tensor) = self.tensors.last_mut() {
            change(tensor);
        }
    }
}

impl Tensor {
    /// Whether it is stored in the model's format, and not in F32 always.
    pub(super) fn is_matrix(&self) -> bool {
        matches!(self.kind, Kind::Matrix(_) | Kind::Output)
    }

    fn stacked(&mut self) {
        if let Place::Whole(name) = &self.place {
            self.place = Place::Stacked(name.clone());
        }
    }

    /// Whether it turns tokens into numbers, or numbers into tokens.
    pub(super) fn is_end(&self) -> bool {
        self.name == "token_embd.weight" || self.name == "output.weight"
    }

    /// Whether mixed formats store it with more bits.
    pub(super) fn matters_more(&self) -> bool {
        self.name.contains("attn_v") || self.name.contains("ffn_down")
    }

    /// Returns how long its rows are.
    pub(super) fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Returns the deviation that its numbers should have.
    pub(super) fn deviation(&self) -> f64 {
        match self.kind {
            Kind::Matrix(spread) | Kind::Router(spread) => spread / (self.columns() as f64).sqrt(),
            Kind::Output => 1.0 / (self.columns() as f64).sqrt(),
            Kind::Norm(mean) => f64::from(mean) / 4.0,
            Kind::Vector(limit) => limit as f64 / 128.0,
        }
    }

    /// Returns its numbers as checkpoints have them: whole numbers of at most seven bits times a power of two, which
    /// differs by block of 32.
    pub(super) fn numbers(&self) -> Vec<f32> {
        let mut random = Random::named(&self.seed);
        let count = self.shape.iter().product();
        if let Kind::Output = self.kind {
            return self.output(&mut random);
        }
        let mut numbers = Vec::with_capacity(count);
        match self.kind {
            Kind::Norm(mean) => {
                let number = || mean * (1.0 + random.within(32) as f32 / 64.0) - self.added;
                numbers.extend(std::iter::repeat_with(number).take(count));
            }
            Kind::Vector(limit) => numbers.extend((0..count).map(|_| random.within(limit) as f32 / 64.0)),
            Kind::Matrix(_) | Kind::Router(_) | Kind::Output => {}
        }
        while numbers.len() < count {
            let step = step(self.deviation(), &mut random);
            let block = (count - numbers.len()).min(32);
            numbers.extend((0..block).map(|_| random.within(127) as f32 * step));
        }
        numbers
    }

    /// Returns rows that lie near the embeddings of two tokens, so that either of two tokens is likely to follow, by
    /// what came before, and no other.
    fn output(&self, random: &mut Random) -> Vec<f32> {
        let columns = self.columns();
        let rows = self.shape[0];
        let predecessor =
            |row: usize, times: usize| (0..rows).find(|token| (token * times + 7) % rows == row);
        let embedding =
            |token: Option<usize>| self.embeddings.iter().skip(token.unwrap_or(0) * columns).take(columns);
        let mut numbers = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            let pairs = embedding(predecessor(row, 5)).zip(embedding(predecessor(row, 7)));
            numbers.extend(pairs.map(|(first, second)| {
                let sum = (first + second) * 32.0 + random.within(32) as f32;
                sum.round().clamp(-127.0, 127.0) / 512.0
            }));
        }
        numbers
    }

    /// Returns its numbers as GGUF files have them.
    pub(super) fn gguf_numbers(&self) -> Vec<f32> {
        let numbers = self.numbers();
        let Some(heads) = self.reordered_heads else {
            return numbers.into_iter().map(|number| number + self.added).collect();
        };
        let columns = self.columns();
        let rows = numbers.len() / columns;
        let half = rows / heads / 2;
        // Row 2i of a head is row i of its first half, and row 2i + 1 is row i of its second.
        let source = |row: usize| {
            let (head, within) = (row / (2 * half), row % (2 * half));
            head * 2 * half + (within % 2) * half + within / 2
        };
        (0..rows).flat_map(|row| &numbers[source(row) * columns..][..columns]).copied().collect()
    }
}

/// Returns a power of two by which whole numbers of `-127..=127`, whose deviation is 73.6, are to be multiplied: the
/// largest one below a deviation, or its double.
fn step(deviation: f64, random: &mut Random) -> f32 {
    let mut step = 1.0;
    while f64::from(step) * 73.6 > deviation {
        step /= 2.0;
    }
    step * if random.below(2) == 0 { 1.0 } else { 2.0 }
}
