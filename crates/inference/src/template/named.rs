//! Chat templates of well-known families, for models that bring none.

use super::{Error, Template};

impl Template {
    /// The built-in template of this name; names are those that llama.cpp takes for `--chat-template`, and a few more.
    ///
    /// `bos` is not written: the engine puts it before a prompt where the model's vocabulary asks for it.
    ///
    /// # Errors
    /// [`Error::Unknown`] with all names.
    pub fn named(name: &str, bos: &str, eos: &str) -> Result<Self, Error> {
        match NAMED.iter().find(|(known, ..)| *known == name) {
            Some((_, source)) => Self::new(source, bos, eos),
            None => Err(Error::Unknown {
                name: name.to_owned(),
                known: Self::names().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// The names of all built-in templates.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }
}

/// Merges system messages into the first turn of the user, as families without a system role do.
macro_rules! system_first {
    ($rest:literal) => {
        concat!(
            "{% set ns = namespace(system='') %}",
            "{% for m in messages %}{% if m.role == 'system' %}{% set ns.system = ns.system ~ m.content ~ '\n\n' %}{% endif %}{% endfor %}",
            "{% for m in messages if m.role != 'system' %}{% set text = m.content %}",
            "{% if m.role == 'user' %}{% set text = ns.system ~ text %}{% set ns.system = '' %}{% endif %}",
            $rest,
            "{% endfor %}"
        )
    };
}

/// `<begin>role<after>content<end>` for every message, and the beginning of an answer.
macro_rules! turns {
    ($before:literal, $after:literal, $content:literal, $end:literal, $answer:literal) => {
        concat!(
            "{% for m in messages %}",
            $before,
            "{{ m.role }}",
            $after,
            "{{ ",
            $content,
            " }}",
            $end,
            "{% endfor %}{% if add_generation_prompt %}",
            $answer,
            "{% endif %}"
        )
    };
}

/// Something else for each role.
macro_rules! roles {
    ($system:literal, $user:literal, $assistant:literal, $answer:literal) => {
        concat!(
            "{% for m in messages %}{% if m.role == 'system' %}",
            $system,
            "{% elif m.role == 'assistant' %}",
            $assistant,
            "{% else %}",
            $user,
            "{% endif %}{% endfor %}{% if add_generation_prompt %}",
            $answer,
            "{% endif %}"
        )
    };
}

const CHATML: &str = turns!(
    "<|im_start|>",
    "{{ '\n' }}",
    "m.content",
    "<|im_end|>{{ '\n' }}",
    "<|im_start|>assistant{{ '\n' }}"
);
const PHI3: &str = turns!("<|", "|>{{ '\n' }}", "m.content", "<|end|>{{ '\n' }}", "<|assistant|>{{ '\n' }}");
const MISTRAL_V7: &str = roles!(
    "[SYSTEM_PROMPT] {{ m.content }}[/SYSTEM_PROMPT]",
    "[INST] {{ m.content }}[/INST]",
    " {{ m.content }}</s>",
    ""
);
const VICUNA: &str = roles!(
    "{{ m.content }}{{ '\n\n' }}",
    "USER: {{ m.content }}{{ '\n' }}",
    "ASSISTANT: {{ m.content }}</s>{{ '\n' }}",
    "ASSISTANT:"
);
const LLAMA2_SYSTEM: &str = concat!(
    "{% set ns = namespace(system='') %}{% for m in messages %}",
    "{% if m.role == 'system' %}{% set ns.system = '<<SYS>>\n' ~ m.content ~ '\n<</SYS>>\n\n' %}",
    "{% elif m.role == 'assistant' %}{{ m.content }}</s>",
    "{% else %}{{ '<s>' if not loop.first and messages[loop.index0 - 1].role == 'assistant' }}[INST] {{ ns.system ~ m.content }} [/INST]",
    "{% set ns.system = '' %}{% endif %}{% endfor %}"
);
const LLAMA2_STRIPPED: &str = concat!(
    "{% set ns = namespace(system='') %}{% for m in messages %}",
    "{% if m.role == 'system' %}{% set ns.system = '<<SYS>>\n' ~ m.content | trim ~ '\n<</SYS>>\n\n' %}",
    "{% elif m.role == 'assistant' %}{{ m.content | trim }}</s>",
    "{% else %}{{ '<s>' if not loop.first and messages[loop.index0 - 1].role == 'assistant' }}[INST] {{ ns.system ~ m.content | trim }} [/INST]",
    "{% set ns.system = '' %}{% endif %}{% endfor %}"
);
const MISTRAL_V3: &str = system_first!(
    "{% if m.role == 'user' %}[INST] {{ text }}[/INST]{% else %} {{ text | trim }}</s>{% endif %}"
);

const NAMED: &[(&str, &str)] = &[
    ("chatml", CHATML),
    (
        "llama2",
        system_first!(
            "{% if m.role == 'user' %}[INST] {{ text }} [/INST]{% else %}{{ text }}</s>{% endif %}"
        ),
    ),
    ("llama2-sys", LLAMA2_SYSTEM),
    ("llama2-sys-bos", LLAMA2_SYSTEM),
    ("llama2-sys-strip", LLAMA2_STRIPPED),
    (
        "mistral-v1",
        system_first!(
            "{% if m.role == 'user' %} [INST] {{ text }} [/INST]{% else %} {{ text }}</s>{% endif %}"
        ),
    ),
    ("mistral-v3", MISTRAL_V3),
    ("mistral", MISTRAL_V3),
    (
        "mistral-v3-tekken",
        system_first!(
            "{% if m.role == 'user' %}[INST]{{ text }}[/INST]{% else %}{{ text | trim }}</s>{% endif %}"
        ),
    ),
    ("mistral-v7", MISTRAL_V7),
    (
        "mistral-v7-tekken",
        roles!(
            "[SYSTEM_PROMPT]{{ m.content }}[/SYSTEM_PROMPT]",
            "[INST]{{ m.content }}[/INST]",
            "{{ m.content }}</s>",
            ""
        ),
    ),
    ("phi3", PHI3),
    (
        "phi4",
        turns!("<|im_start|>", "<|im_sep|>", "m.content", "<|im_end|>", "<|im_start|>assistant<|im_sep|>"),
    ),
    ("falcon3", turns!("<|", "|>{{ '\n' }}", "m.content", "{{ '\n' }}", "<|assistant|>{{ '\n' }}")),
    (
        "zephyr",
        turns!("<|", "|>{{ '\n' }}", "m.content", "<|endoftext|>{{ '\n' }}", "<|assistant|>{{ '\n' }}"),
    ),
    (
        "monarch",
        concat!(
            "{% for m in messages %}{{ '' if loop.first else '<s>' }}{{ m.role }}{{ '\n' }}{{ m.content }}</s>{{ '\n' }}",
            "{% endfor %}{% if add_generation_prompt %}<s>assistant{{ '\n' }}{% endif %}"
        ),
    ),
    (
        "gemma",
        concat!(
            system_first!(
                "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}{{ '\n' }}{{ text | trim }}<end_of_turn>{{ '\n' }}"
            ),
            "{% if add_generation_prompt %}<start_of_turn>model{{ '\n' }}{% endif %}"
        ),
    ),
    (
        "orion",
        system_first!(
            "{% if m.role == 'user' %}Human: {{ text }}{{ '\n\n' }}Assistant: </s>{% else %}{{ text }}</s>{% endif %}"
        ),
    ),
    (
        "openchat",
        roles!(
            "{{ m.content }}<|end_of_turn|>",
            "GPT4 Correct User: {{ m.content }}<|end_of_turn|>",
            "GPT4 Correct Assistant: {{ m.content }}<|end_of_turn|>",
            "GPT4 Correct Assistant:"
        ),
    ),
    ("vicuna", VICUNA),
    (
        "vicuna-orca",
        roles!(
            "SYSTEM: {{ m.content }}{{ '\n' }}",
            "USER: {{ m.content }}{{ '\n' }}",
            "ASSISTANT: {{ m.content }}</s>{{ '\n' }}",
            "ASSISTANT:"
        ),
    ),
    (
        "alpaca",
        roles!(
            "{{ m.content }}{{ '\n\n' }}",
            "### Instruction:{{ '\n' }}{{ m.content }}{{ '\n\n' }}",
            "### Response:{{ '\n' }}{{ m.content }}{{ '\n\n' }}",
            "### Response:{{ '\n' }}"
        ),
    ),
    (
        "deepseek",
        roles!(
            "{{ m.content }}",
            "### Instruction:{{ '\n' }}{{ m.content }}{{ '\n' }}",
            "### Response:{{ '\n' }}{{ m.content }}{{ '\n' }}<|EOT|>{{ '\n' }}",
            "### Response:{{ '\n' }}"
        ),
    ),
    (
        "deepseek2",
        roles!(
            "{{ m.content }}{{ '\n\n' }}",
            "User: {{ m.content }}{{ '\n\n' }}",
            "Assistant: {{ m.content }}<｜end▁of▁sentence｜>",
            "Assistant:"
        ),
    ),
    (
        "deepseek3",
        roles!(
            "{{ m.content }}{{ '\n\n' }}",
            "<｜User｜>{{ m.content }}",
            "<｜Assistant｜>{{ m.content }}<｜end▁of▁sentence｜>",
            "<｜Assistant｜>"
        ),
    ),
    (
        "command-r",
        roles!(
            "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>{{ m.content | trim }}<|END_OF_TURN_TOKEN|>",
            "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{{ m.content | trim }}<|END_OF_TURN_TOKEN|>",
            "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{{ m.content | trim }}<|END_OF_TURN_TOKEN|>",
            "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
        ),
    ),
    (
        "llama3",
        turns!(
            "<|start_header_id|>",
            "<|end_header_id|>{{ '\n\n' }}",
            "m.content | trim",
            "<|eot_id|>",
            "<|start_header_id|>assistant<|end_header_id|>{{ '\n\n' }}"
        ),
    ),
    (
        "llama4",
        turns!(
            "<|header_start|>",
            "<|header_end|>{{ '\n\n' }}",
            "m.content | trim",
            "<|eot|>",
            "<|header_start|>assistant<|header_end|>{{ '\n\n' }}"
        ),
    ),
    ("chatglm3", concat!("[gMASK]sop", turns!("<|", "|>{{ '\n ' }}", "m.content", "", "<|assistant|>"))),
    (
        "chatglm4",
        concat!("[gMASK]<sop>", turns!("<|", "|>{{ '\n' }}", "m.content", "", "<|assistant|>{{ '\n' }}")),
    ),
    ("glmedge", turns!("<|", "|>{{ '\n' }}", "m.content", "", "<|assistant|>")),
    (
        "minicpm",
        roles!("{{ m.content | trim }}", "<用户>{{ m.content | trim }}<AI>", "{{ m.content | trim }}", ""),
    ),
    (
        "exaone3",
        roles!(
            "[|system|]{{ m.content | trim }}[|endofturn|]{{ '\n' }}",
            "[|user|]{{ m.content | trim }}{{ '\n' }}",
            "[|assistant|]{{ m.content | trim }}[|endofturn|]{{ '\n' }}",
            "[|assistant|]"
        ),
    ),
    (
        "rwkv-world",
        concat!(
            "{% for m in messages %}{{ m.role | capitalize }}: {{ m.content | trim }}{{ '\n\n' }}{% endfor %}",
            "{% if add_generation_prompt %}Assistant:{% endif %}"
        ),
    ),
    (
        "granite",
        turns!(
            "<|start_of_role|>",
            "<|end_of_role|>",
            "m.content",
            "<|end_of_text|>{{ '\n' }}",
            "<|start_of_role|>assistant<|end_of_role|>"
        ),
    ),
    (
        "gigachat",
        concat!(
            "<s>",
            roles!(
                "{{ m.content }}<|message_sep|>",
                "user<|role_sep|>{{ m.content }}<|message_sep|>available functions<|role_sep|>[]<|message_sep|>",
                "assistant<|role_sep|>{{ m.content }}<|message_sep|>",
                "assistant<|role_sep|>"
            )
        ),
    ),
    (
        "megrez",
        turns!(
            "<|role_start|>",
            "<|role_end|>",
            "m.content",
            "<|turn_end|>",
            "<|role_start|>assistant<|role_end|>"
        ),
    ),
    (
        "yandex",
        roles!(
            "{{ m.content }}{{ '\n\n' }}",
            " Пользователь: {{ m.content }}{{ '\n\n' }}",
            " Ассистент: {{ m.content }}{{ '\n\n' }}",
            " Ассистент:[SEP]"
        ),
    ),
    (
        "bailing",
        roles!(
            "<role>SYSTEM</role>{{ m.content }}",
            "<role>HUMAN</role>{{ m.content }}",
            "<role>ASSISTANT</role>{{ m.content }}",
            "<role>ASSISTANT</role>"
        ),
    ),
    (
        "smolvlm",
        concat!(
            "<|im_start|>",
            roles!(
                "{{ m.content }}{{ '\n\n' }}",
                "User: {{ m.content }}<end_of_utterance>{{ '\n' }}",
                "Assistant: {{ m.content }}<end_of_utterance>{{ '\n' }}",
                "Assistant:"
            )
        ),
    ),
    (
        "gpt-oss",
        concat!(
            "{% for m in messages %}<|start|>{{ m.role }}{{ '<|channel|>final' if m.role == 'assistant' }}<|message|>{{ m.content }}",
            "{{ '<|return|>' if m.role == 'assistant' and loop.last else '<|end|>' }}{% endfor %}",
            "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
        ),
    ),
    (
        "kimi-k2",
        roles!(
            "<|im_system|>system<|im_middle|>{{ m.content }}<|im_end|>",
            "<|im_user|>user<|im_middle|>{{ m.content }}<|im_end|>",
            "<|im_assistant|>assistant<|im_middle|>{{ m.content }}<|im_end|>",
            "<|im_assistant|>assistant<|im_middle|>"
        ),
    ),
    (
        "seed_oss",
        turns!(
            "<seed:bos>",
            "{{ '\n' }}",
            "m.content | trim if m.role == 'assistant' else m.content",
            "<seed:eos>",
            "<seed:bos>assistant{{ '\n' }}"
        ),
    ),
    (
        "grok-2",
        roles!(
            "System: {{ m.content | trim }}<|separator|>{{ '\n\n' }}",
            "Human: {{ m.content | trim }}<|separator|>{{ '\n\n' }}",
            "Assistant: {{ m.content }}<|separator|>{{ '\n\n' }}",
            "Assistant:"
        ),
    ),
];
