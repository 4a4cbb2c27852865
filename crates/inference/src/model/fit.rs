use super::Summary;

/// Whether a model has room in memory, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Whether it has.
    pub verdict: FitVerdict,
    /// Bytes that its weights take.
    pub weights_bytes: u64,
    /// Bytes that keys and values of `context_tokens` take, in half precision; 0 where the model does not tell enough.
    pub cache_bytes: u64,
    /// Tokens that were reckoned with.
    pub context_tokens: u64,
    /// Bytes that models may take.
    pub budget_bytes: u64,
}

/// Whether a model has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitVerdict {
    /// With room to spare.
    Yes,
    /// Just so: a longer context or a second model has none.
    Tight,
    /// No.
    No,
}

impl Summary {
    /// Reckons whether the model and a conversation of 4096 tokens have room in `budget_bytes` of memory.
    pub fn fit(&self, budget_bytes: u64) -> Fit {
        let context_tokens = self.context_tokens.unwrap_or(CONTEXT_TOKENS).min(CONTEXT_TOKENS);
        let cache_bytes = self.cache_bytes_per_token().unwrap_or(0).saturating_mul(context_tokens);
        let needed = self.bytes.saturating_add(cache_bytes);
        let verdict = match needed {
            _ if needed > budget_bytes => FitVerdict::No,
            // A fifth is left for a longer context, the text being worked on, and others.
            _ if needed > budget_bytes - budget_bytes / 5 => FitVerdict::Tight,
            _ => FitVerdict::Yes,
        };
        Fit { verdict, weights_bytes: self.bytes, cache_bytes, context_tokens, budget_bytes }
    }

    /// Keys and values × layers × heads × numbers in each × 2 bytes.
    fn cache_bytes_per_token(&self) -> Option<u64> {
        let heads = self.heads.filter(|heads| *heads > 0)?;
        let head_size = self.embedding_size? / heads;
        let kv_heads = self.kv_heads.unwrap_or(heads);
        [self.layers?, kv_heads, head_size, 2].into_iter().try_fold(2_u64, u64::checked_mul)
    }
}

impl FitVerdict {
    /// Returns its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Tight => "tight",
            Self::No => "no",
        }
    }
}

/// A conversation of some length.
const CONTEXT_TOKENS: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Format;

    #[test]
    fn what_is_needed_is_weights_and_cache() {
        // Llama 3.2 1B: 16 layers, 8 heads of 64 for keys and values: 32 KiB a token.
        let summary = Summary {
            name: None,
            format: Format::Gguf,
            architecture: None,
            parameters: 0,
            tensors: 0,
            quantization: None,
            context_tokens: Some(131_072),
            embedding_size: Some(2048),
            layers: Some(16),
            heads: Some(32),
            kv_heads: Some(8),
            vocabulary: None,
            tokenizer: None,
            chat_template: None,
            licence: None,
            files: 1,
            bytes: 800 << 20,
        };
        let fit = summary.fit(4 << 30);
        assert_eq!((fit.cache_bytes, fit.context_tokens, fit.verdict), (128 << 20, 4096, FitVerdict::Yes));
        assert_eq!(summary.fit(1000 << 20).verdict, FitVerdict::Tight);
        assert_eq!(summary.fit(900 << 20).verdict, FitVerdict::No);
        let untold = Summary { layers: Some(u64::MAX), ..summary };
        assert_eq!(untold.fit(1 << 30).cache_bytes, 0, "numbers that make no sense are no reason to say no");
    }
}
