//! How the byte-level tokenizers that GGUF names cut text into words before they join bytes.
//!
//! Names and what they stand for are llama.cpp's (`src/llama-vocab.cpp`, as of late 2026). Where llama.cpp writes an
//! expression otherwise than the model's own `tokenizer.json` has it, because its engine knows no Unicode letter
//! case, the model's own stands here.

use super::split::{Cut, Keep};

/// What a name stands for.
pub(super) struct Pre {
    /// One after another; each cuts what the ones before it have left.
    cuts: &'static [Rule],
    /// A word that is a token is that token, however its bytes would be joined.
    pub(super) ignore_merges: bool,
    /// Whether text begins with BOS where the file does not say.
    pub(super) adds_bos: bool,
    /// Characters are joined, not bytes, and a space is `▁`.
    pub(super) characters: bool,
    /// A word of line feeds that is a token is that token.
    pub(super) line_feeds: bool,
}

enum Rule {
    Expression(&'static str),
    /// Groups of three digits (of this class), counted from the right; `true` only before what is no part of a word.
    DigitGroups(&'static str, bool),
    /// Words without the spaces between them.
    Words,
}

use Rule::{DigitGroups, Expression, Words};

const CONTRACTION: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
pub(super) const GPT2_WORDS: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const GPT2: Rule = Expression(GPT2_WORDS);
const LLAMA3: Rule = Expression(
    r"CONTRACTION|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const QWEN2: Rule = Expression(
    r"CONTRACTION|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const QWEN35: Rule = Expression(
    r"CONTRACTION|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const GPT_4O: Rule = Expression(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+CONTRACTION?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*CONTRACTION?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const YOUTU: Rule = Expression(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+CONTRACTION?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*CONTRACTION?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const TEKKEN: Rule = Expression(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const KIMI: Rule = Expression(
    r"\p{Han}+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+CONTRACTION?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*CONTRACTION?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const DEEPSEEK3_WORDS: Rule = Expression(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
);
const SPARK_WORDS: Rule = Expression(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"##,
);
const CJK: Rule = Expression(r"[一-龥぀-ゟ゠-ヿ]+");
const DEEPSEEK_CJK: Rule = Expression(r"[一-龥ࠀ-一가-\x{D7FF}]+");
/// Letters that have a case, but for those that its list of ranges leaves out.
const DEEPSEEK_LETTERS: Rule = Expression(
    r"\s?[\p{Lu}\p{Ll}\p{Lt}&&[^\x{560}-\x{588}\x{10C7}-\x{10FF}\x{1C80}-\x{1C8F}\x{2CF2}-\x{2D2D}\x{A790}-\x{A7FA}\x{AB30}-\x{AB68}\x{10570}-\x{105BC}\x{10D50}-\x{10D8F}\x{16E40}-\x{1DFFF}]]+",
);
const DIGIT: Rule = Expression(r"\p{N}");
const DIGITS: Rule = Expression(r"\p{N}+");
const THREE_DIGITS: Rule = Expression("[0-9][0-9][0-9]");
const UP_TO_THREE_DIGITS: Rule = Expression(r"\p{N}{1,3}");
const NO_PUNCTUATION: Rule = Expression(" ?[^(\\s|.,!?…。，、।۔،)]+");
const LINES: Rule = Expression(r"[^\n]+|\n+");

const PLAIN: Pre =
    Pre { cuts: &[GPT2], ignore_merges: false, adds_bos: false, characters: false, line_feeds: false };

/// Returns what the name of `tokenizer.ggml.pre` stands for.
pub(super) fn named(name: &str) -> Option<Pre> {
    Some(match name {
        "gpt-2" | "phi-2" | "jina-es" | "jina-de" | "gigachat" | "jina-v2-es" | "jina-v2-de" | "a.x-4.0"
        | "mellum" | "modern-bert" | "jina-v1-en" | "jina-v2-code" | "roberta-bpe" | "mpt" | "olmo"
        | "jais" | "trillion" | "granite-docling" | "exaone4" => PLAIN,
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2"
        | "jina-v5-nano" => Pre { cuts: &[LLAMA3], ignore_merges: true, adds_bos: true, ..PLAIN },
        "dbrx" | "smaug-bpe" | "chatglm-bpe" | "glm4" => Pre { cuts: &[LLAMA3], ..PLAIN },
        "qwen2" | "deepseek-r1-qwen" | "kormo" | "f2llmv2" | "stablelm2" | "hunyuan" | "solar-open"
        | "megrez" | "grok-2" => Pre { cuts: &[QWEN2], ..PLAIN },
        "qwen35" => Pre { cuts: &[QWEN35], ..PLAIN },
        "default" => Pre { cuts: &[Expression(r"[\p{P}$+<=>^~|]+"), GPT2, DIGITS, THREE_DIGITS], ..PLAIN },
        "falcon" => Pre { cuts: &[Expression(r"[\p{P}$+<=>^~|`]+"), GPT2, THREE_DIGITS], ..PLAIN },
        "starcoder" | "refact" | "command-r" | "smollm" | "codeshell" | "exaone" | "minerva-7b"
        | "mellum2" => Pre { cuts: &[DIGIT, GPT2], ..PLAIN },
        "deepseek-llm" => Pre {
            cuts: &[
                Expression(r"[\r\n]"),
                DEEPSEEK_LETTERS,
                Expression(r"\s?[!-/:-~！-／：-～‘-‟、-。]+"),
                Expression(r"\s+$"),
                DEEPSEEK_CJK,
                DIGITS,
            ],
            ..PLAIN
        },
        "deepseek-coder" => Pre {
            cuts: &[
                Expression(r"[\r\n]"),
                Expression(r"\s?\p{L}+"),
                Expression(r"\s?\p{P}+"),
                DEEPSEEK_CJK,
                DIGIT,
            ],
            ..PLAIN
        },
        "deepseek-v3" | "hunyuan-dense" | "joyai-llm" | "hy_v4" => {
            Pre { cuts: &[UP_TO_THREE_DIGITS, CJK, DEEPSEEK3_WORDS], ..PLAIN }
        }
        "spark2_5" => Pre { cuts: &[UP_TO_THREE_DIGITS, CJK, SPARK_WORDS, DIGIT], ..PLAIN },
        "youtu" => Pre {
            cuts: &[
                Expression(r"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+"),
                YOUTU,
            ],
            ignore_merges: true,
            ..PLAIN
        },
        "poro-chat" | "bloom" | "gpt3-finnish" => Pre { cuts: &[NO_PUNCTUATION], ..PLAIN },
        "viking" => Pre { cuts: &[NO_PUNCTUATION, DIGIT], ..PLAIN },
        "tekken" => Pre { cuts: &[TEKKEN], ignore_merges: true, adds_bos: true, ..PLAIN },
        "chameleon" => Pre {
            cuts: &[
                Expression("<sentinel:[0-9]+>"),
                Expression("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"),
                Expression("([\\t\\n]|    |  )"),
                DIGIT,
                Expression(r"[\p{P}!-/:-@\[-`{-~]"),
                GPT2,
            ],
            adds_bos: true,
            ..PLAIN
        },
        "gpt-4o" | "llama4" | "kanana2" | "talkie" | "minimax-m2" => Pre { cuts: &[GPT_4O], ..PLAIN },
        "granite-embed-multi-97m" => Pre { cuts: &[GPT_4O], ignore_merges: true, ..PLAIN },
        "tiny_aya" | "cohere2moe" => Pre { cuts: &[DigitGroups(r"\d", true), GPT_4O], ..PLAIN },
        "kimi-k2" => Pre { cuts: &[KIMI], ..PLAIN },
        "superbpe" => Pre { cuts: &[DIGITS, DigitGroups(r"\d", false)], ..PLAIN },
        "bailingmoe" | "bailingmoe2" | "llada-moe" => Pre {
            cuts: &[Expression(
                r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
            )],
            ..PLAIN
        },
        "seed-coder" => Pre {
            cuts: &[Expression(
                r"CONTRACTION|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+",
            )],
            ..PLAIN
        },
        "ufakzeka" => Pre {
            cuts: &[Expression(
                r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            )],
            ..PLAIN
        },
        "afmoe" => Pre {
            cuts: &[
                DIGITS,
                DigitGroups(r"\p{N}", false),
                Expression(
                    "[一-鿿㐀-䶿豈-\u{FAFF}぀-ゟ゠-ヿ･-ﾟ⼀-⿟\u{E00}-\u{E7F}\u{E80}-\u{EFF}\u{1780}-\u{17FF}\u{1000}-\u{109F}\u{AA60}-\u{AA7F}\u{A9E0}-\u{A9FF}가-\u{D7AF}ᄀ-ᇿ]+",
                ),
                DEEPSEEK3_WORDS,
            ],
            ..PLAIN
        },
        "laguna" => Pre { cuts: &[LINES, QWEN2], ..PLAIN },
        "exaone-moe" => Pre {
            cuts: &[Expression(
                r"CONTRACTION|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
            )],
            ..PLAIN
        },
        "minicpm5" => Pre {
            cuts: &[
                UP_TO_THREE_DIGITS,
                Expression(
                    r"CONTRACTION|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
                ),
            ],
            ignore_merges: true,
            ..PLAIN
        },
        "jais-2" => Pre {
            cuts: &[Expression(
                r"CONTRACTION|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}",
            )],
            ..PLAIN
        },
        "gemma4" | "granite-embed-multi-311m" => {
            Pre { cuts: &[LINES], characters: true, line_feeds: true, ..PLAIN }
        }
        "sarvam-moe" => Pre { cuts: &[LINES], characters: true, ..PLAIN },
        "whitespace" => Pre { cuts: &[Words], ..PLAIN },
        _ => return None,
    })
}

impl Pre {
    /// Builds what cuts the text.
    pub(super) fn cuts(&self) -> Result<Vec<Cut>, super::pattern::Error> {
        let cut = |rule: &Rule| match rule {
            Expression(source) => {
                Cut::pattern(&source.replace("CONTRACTION", CONTRACTION), Keep::Apart).map(Some)
            }
            DigitGroups(digit, unless_before_word) => Ok(Cut::digit_groups(digit, *unless_before_word)),
            Words => Cut::pattern(r"\s+", Keep::Not).map(Some),
        };
        self.cuts.iter().filter_map(|rule| cut(rule).transpose()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::split::cut;

    /// Words are separated by `|`.
    fn check(names: &[&str], text: &str, expected: &str) {
        for name in names {
            let cuts = named(name).unwrap().cuts().map_err(|error| format!("{name}: {error}")).unwrap();
            let mut words: Vec<String> = Vec::new();
            cut(text, &cuts, true, &mut |word| words.push(word.to_owned()));
            assert_eq!(words.join("|"), expected, "{name}");
        }
    }

    const TEXT: &str = "I'VE 12345 éÉa  x~!\n\n";

    #[test]
    fn each_name_cuts_as_its_models_do() {
        let gpt2 =
            ["gpt-2", "phi-2", "mpt", "olmo", "jais", "modern-bert", "roberta-bpe", "exaone4", "trillion"];
        check(&gpt2, TEXT, "I|'|VE| 12345| éÉa| | x|~!|\n\n");
        let llama3 = ["llama3", "llama-bpe", "pixtral", "dbrx", "smaug-bpe", "glm4", "chatglm-bpe", "jais-2"];
        check(&llama3, TEXT, "I|'VE| |123|45| éÉa| | x|~!\n\n");
        check(
            &["qwen2", "stablelm2", "hunyuan", "megrez", "grok-2", "qwen35"],
            TEXT,
            "I|'VE| |1|2|3|4|5| éÉa| | x|~!\n\n",
        );
        check(&["bailingmoe"], "I'VE 12 x~!\n", "I|'VE| |1|2| x|~!\n");
        check(&["laguna"], "I'VE 12 x~!\n", "I|'VE| |1|2| x|~!|\n");
        check(&["falcon"], TEXT, "I|'|VE| |123|45| éÉa| | x|~!|\n\n");
        check(&["default"], TEXT, "I|'|VE| |123|45| éÉa| | x|~!|\n\n");
        check(
            &["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"],
            TEXT,
            "I|'|VE| |1|2|3|4|5| éÉa| | x|~!|\n\n",
        );
        check(&["deepseek-llm"], "A 12 b,一a\r\n ", "A| |12| b|,|一|a|\r|\n| ");
        check(&["deepseek-coder"], "A 12 b,一a\r\n ", "A| |1|2| b|,|一|a|\r|\n| ");
        check(&["deepseek-v3", "hunyuan-dense", "joyai-llm"], "a_b 1234 一ab!\n", "a|_b| |123|4| |一|ab|!\n");
        check(
            &["gpt-4o", "llama4", "granite-embed-multi-97m"],
            "camelCase ABC 1234 I'll a/\n",
            "camel|Case| ABC| |123|4| I'll| a|/\n",
        );
        check(&["tekken"], "camelCase I'll 12", "camel|Case| I|'ll| |1|2");
        check(&["tiny_aya", "superbpe"], "1234567", "1|234|567");
        check(&["kimi-k2"], "中文abc 1234", "中文|abc| |123|4");
        check(&["viking"], "a b, 12", "a| b|,| |1|2");
        check(&["poro-chat", "bloom", "gpt3-finnish"], "a b, 12", "a| b|,| 12");
        check(&["gemma4", "sarvam-moe"], "a b\n\nc", "a b|\n\n|c");
        check(&["whitespace"], " a  b ", "a|b");
        check(&["chameleon"], "IMGIMGABZ a  1.", "IMGIMGABZ| a|  |1|.");
        check(&["afmoe"], "a 1234中", "a| |1|234|中");
        check(&["seed-coder"], "a!\n\n", "a|!|\n\n");
        check(&["ufakzeka"], "I'VE", "I|'VE");
        check(&["exaone-moe"], "a b 12", "a b| |1|2");
        check(&["minicpm5"], "a 12345", "a| |123|45");
        check(&["youtu"], "가a 12", "가|a| |1|2");
        check(&["spark2_5"], "a!\n\n12", "a|!|\n|\n|1|2");
        assert!(named("unheard-of").is_none());
    }
}
