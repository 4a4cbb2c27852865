use std::{borrow::Cow, fmt, str::FromStr};

/// The service or program that a conversation was held with: a short lower-case name.
///
/// Open, not an enum: an external parser may bring a provider of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Provider(Cow<'static, str>);

macro_rules! known {
    ($($constant:ident = $name:literal, $title:literal;)*) => {
        impl Provider {
            $(#[doc = concat!($title, ".")] pub const $constant: Self = Self(Cow::Borrowed($name));)*

            /// Every provider that this version has a parser for.
            pub const KNOWN: &'static [Self] = &[$(Self::$constant),*];

            /// Returns the name that people know it by; for an unknown provider, the name itself.
            pub fn title(&self) -> &str {
                match self.as_str() {
                    $($name => $title,)*
                    other => other,
                }
            }
        }
    };
}

known! {
    CHATGPT = "chatgpt", "ChatGPT";
    CLAUDE = "claude", "Claude";
    GEMINI = "gemini", "Gemini";
    AISTUDIO = "aistudio", "AI Studio";
    GROK = "grok", "Grok";
    DEEPSEEK = "deepseek", "DeepSeek";
    LECHAT = "lechat", "Le Chat";
    COPILOT = "copilot", "Copilot";
    PERPLEXITY = "perplexity", "Perplexity";
    OPENWEBUI = "openwebui", "Open WebUI";
    LIBRECHAT = "librechat", "LibreChat";
    CHATBOTUI = "chatbotui", "Chatbot UI";
    LMSTUDIO = "lmstudio", "LM Studio";
    JAN = "jan", "Jan";
    ZED = "zed", "Zed";
    SHAREGPT = "sharegpt", "ShareGPT";
    OPENASSISTANT = "openassistant", "OpenAssistant";
    LLM = "llm", "llm";
    CLAUDE_CODE = "claude-code", "Claude Code";
    CODEX = "codex", "Codex";
    OPENCODE = "opencode", "OpenCode";
    GEMINI_CLI = "gemini-cli", "Gemini CLI";
    CURSOR = "cursor", "Cursor";
    ANTIGRAVITY = "antigravity", "Antigravity";
    HERMES = "hermes", "Hermes";
}

impl Provider {
    /// Returns the stable name that files, wires and queries use.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that cannot name a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidProvider(String);

impl fmt::Display for InvalidProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' cannot name a provider: use 1 to 32 of a-z, 0-9, '-', '_', '.'", self.0)
    }
}

impl std::error::Error for InvalidProvider {}

impl FromStr for Provider {
    type Err = InvalidProvider;

    /// Reads a provider's name in any letter case; the other names that people use for the known ones
    /// (`openai`, `anthropic`, `google`, `xai`) are understood.
    fn from_str(text: &str) -> Result<Self, InvalidProvider> {
        let name = text.to_ascii_lowercase();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > 32 || !name.bytes().all(allowed) {
            return Err(InvalidProvider(text.chars().take(64).collect()));
        }
        let name = match name.as_str() {
            "openai" => "chatgpt",
            "anthropic" => "claude",
            "google" => "gemini",
            "xai" => "grok",
            "mistral" => "lechat",
            other => other,
        };
        let known = Self::KNOWN.iter().find(|known| known.as_str() == name).cloned();
        Ok(known.unwrap_or_else(|| Self(Cow::Owned(name.to_owned()))))
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_lead_to_the_known_name() {
        assert_eq!("OpenAI".parse(), Ok(Provider::CHATGPT));
        assert_eq!("xai".parse(), Ok(Provider::GROK));
        assert_eq!("my-notes".parse::<Provider>().unwrap().as_str(), "my-notes");
        assert!("../x".parse::<Provider>().is_err());
        assert!("".parse::<Provider>().is_err());
    }

    #[test]
    fn known_names_are_valid_and_distinct() {
        for (i, known) in Provider::KNOWN.iter().enumerate() {
            assert_eq!(known.as_str().parse().as_ref(), Ok(known));
            assert!(!Provider::KNOWN[..i].contains(known));
        }
    }
}
