//! The lexical facts of each language, as data.

/// How one language is read.
#[derive(Debug, PartialEq)]
pub(crate) struct Language {
    /// The name to show.
    pub(crate) title: &'static str,
    /// The names after a code fence, lower case.
    names: &'static [&'static str],
    pub(crate) grammar: Grammar,
}

/// What kind of text it is.
#[derive(Debug, PartialEq)]
pub(crate) enum Grammar {
    /// Words, strings and comments in any order.
    Words(Words),
    /// Tags, attributes and entities.
    Markup,
    /// Lines that begin with `+`, `-`, `@`.
    Diff,
}

/// Lexical facts of a language of words.
#[derive(Debug, PartialEq)]
pub(crate) struct Words {
    pub(crate) line_comments: &'static [&'static str],
    pub(crate) block_comments: &'static [(&'static str, &'static str)],
    /// Opening and closing delimiter; the longest first.
    pub(crate) strings: &'static [Quote],
    /// Space-separated.
    pub(crate) keywords: &'static str,
    /// Space-separated.
    pub(crate) types: &'static str,
    pub(crate) ignore_case: bool,
    /// Words that begin with a capital are types.
    pub(crate) capitals_are_types: bool,
    /// Characters beside letters, digits and `_` that may stand inside a word.
    pub(crate) word_extra: &'static str,
    /// What begins an annotation, a preprocessor line or a variable.
    pub(crate) meta: &'static str,
}

/// A kind of string.
#[derive(Debug, PartialEq)]
pub(crate) struct Quote {
    pub(crate) open: &'static str,
    pub(crate) close: &'static str,
    /// A backslash takes the next character with it.
    pub(crate) escapes: bool,
    /// May go on over the end of the line.
    pub(crate) many_lines: bool,
}

/// Finds a language by the word after a code fence, in any letter case. `None` for one that has no table.
pub(crate) fn find(name: &str) -> Option<&'static Language> {
    let end = name.find([' ', ',', '{', '\t', ':']).unwrap_or(name.len());
    let name = name[..end].trim_start_matches("language-").to_ascii_lowercase();
    LANGUAGES.iter().find(|language| language.names.contains(&name.as_str()))
}

const fn quote(open: &'static str, close: &'static str, escapes: bool, many_lines: bool) -> Quote {
    Quote { open, close, escapes, many_lines }
}

const DOUBLE: Quote = quote("\"", "\"", true, false);
const SINGLE: Quote = quote("'", "'", true, false);
const TEMPLATE: Quote = quote("`", "`", true, true);
const DOUBLE_LINES: Quote = quote("\"", "\"", true, true);
const SINGLE_RAW: Quote = quote("'", "'", false, true);
const TRIPLE_DOUBLE: Quote = quote("\"\"\"", "\"\"\"", true, true);
const TRIPLE_SINGLE: Quote = quote("'''", "'''", true, true);
const CHARACTER: Quote = SINGLE;

const SLASHES: &[&str] = &["//"];
const HASH: &[&str] = &["#"];
const STARS: &[(&str, &str)] = &[("/*", "*/")];

const BASE: Words = Words {
    line_comments: SLASHES,
    block_comments: STARS,
    strings: &[DOUBLE, SINGLE],
    keywords: "",
    types: "",
    ignore_case: false,
    capitals_are_types: true,
    word_extra: "",
    meta: "",
};

macro_rules! words {
    ($title:literal, [$($name:literal),*], { $($field:ident: $value:expr),* $(,)? }) => {
        Language {
            title: $title,
            names: &[$($name),*],
            grammar: Grammar::Words(Words { $($field: $value,)* ..BASE }),
        }
    };
}

static LANGUAGES: &[Language] = &[
    words!("Rust", ["rust", "rs"], {
        strings: &[quote("r##\"", "\"##", false, true), quote("r#\"", "\"#", false, true), quote("r\"", "\"", false, true), DOUBLE_LINES],
        keywords: "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type union unsafe use where while",
        types: "bool char f32 f64 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize",
        meta: "#",
    }),
    words!("Python", ["python", "py", "python3", "ipython", "pycon"], {
        line_comments: HASH, block_comments: &[],
        strings: &[TRIPLE_DOUBLE, TRIPLE_SINGLE, DOUBLE, SINGLE],
        keywords: "and as assert async await break class continue def del elif else except False finally for from global if import in is lambda match case None nonlocal not or pass raise return True try while with yield self",
        types: "bool bytes dict float frozenset int list object set str tuple type",
        meta: "@",
    }),
    words!("JavaScript", ["javascript", "js", "jsx", "mjs", "node"], {
        strings: &[TEMPLATE, DOUBLE, SINGLE],
        keywords: "async await break case catch class const continue debugger default delete do else export extends false finally for from function get if import in instanceof let new null of return set static super switch this throw true try typeof undefined var void while with yield",
        word_extra: "$", meta: "@",
    }),
    words!("TypeScript", ["typescript", "ts", "tsx"], {
        strings: &[TEMPLATE, DOUBLE, SINGLE],
        keywords: "abstract as async await break case catch class const continue declare default delete do else enum export extends false finally for from function get if implements import in infer instanceof interface is keyof let namespace new null of private protected public readonly return satisfies set static super switch this throw true try type typeof undefined var void while yield",
        types: "any bigint boolean never number object string symbol unknown",
        word_extra: "$", meta: "@",
    }),
    words!("Java", ["java"], {
        strings: &[TRIPLE_DOUBLE, DOUBLE, CHARACTER],
        keywords: "abstract assert break case catch class const continue default do else enum extends false final finally for goto if implements import instanceof interface native new null package permits private protected public record return sealed static strictfp super switch synchronized this throw throws transient true try var void volatile while yield",
        types: "boolean byte char double float int long short", meta: "@",
    }),
    words!("Kotlin", ["kotlin", "kt", "kts"], {
        strings: &[TRIPLE_DOUBLE, DOUBLE, CHARACTER],
        keywords: "abstract as break by catch class companion const constructor continue data do else enum external false final finally for fun if import in infix init inline inner interface internal is lateinit null object open operator out override package private protected public reified return sealed super suspend tailrec this throw true try typealias val var vararg when where while",
        meta: "@",
    }),
    words!("Swift", ["swift"], {
        strings: &[TRIPLE_DOUBLE, DOUBLE],
        keywords: "actor as associatedtype async await break case catch class continue convenience default defer deinit do else enum extension fallthrough false fileprivate final for func guard if import in indirect init inout internal is lazy let mutating nil open operator override private protocol public repeat required return self Self some static struct subscript super switch throw throws true try typealias unowned var weak where while",
        meta: "@#",
    }),
    words!("Scala", ["scala", "sbt"], {
        strings: &[TRIPLE_DOUBLE, DOUBLE, CHARACTER],
        keywords: "abstract case catch class def do else enum export extends extension false final finally for given if implicit import inline lazy match new null object override package private protected return sealed super then this throw trait true try type using val var while with yield",
        meta: "@",
    }),
    words!("C", ["c", "h"], {
        strings: &[DOUBLE, CHARACTER],
        keywords: "auto break case const continue default do else enum extern for goto if inline register restrict return sizeof static struct switch typedef union volatile while NULL true false",
        types: "bool char double float int long short signed size_t ssize_t unsigned void int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t FILE",
        capitals_are_types: false, meta: "#",
    }),
    words!("C++", ["cpp", "c++", "cc", "cxx", "hpp", "cuda", "cu", "arduino", "ino"], {
        strings: &[quote("R\"(", ")\"", false, true), DOUBLE, CHARACTER],
        keywords: "alignas alignof and auto break case catch class co_await co_return co_yield concept const constexpr consteval const_cast continue decltype default delete do dynamic_cast else enum explicit export extern false final for friend goto if inline mutable namespace new noexcept not nullptr operator or override private protected public reinterpret_cast requires return sizeof static static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename union using virtual volatile while",
        types: "bool char char8_t char16_t char32_t double float int long short signed size_t unsigned void wchar_t string vector map set int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t",
        capitals_are_types: false, meta: "#",
    }),
    words!("C#", ["csharp", "cs", "c#"], {
        strings: &[TRIPLE_DOUBLE, quote("@\"", "\"", false, true), DOUBLE, CHARACTER],
        keywords: "abstract as async await base break case catch checked class const continue default delegate do else enum event explicit extern false finally fixed for foreach get goto if implicit in init interface internal is lock namespace new null operator out override params private protected public readonly record ref required return sealed set sizeof static struct switch this throw true try typeof unchecked unsafe using value var virtual void volatile when where while with yield",
        types: "bool byte char decimal double dynamic float int long nint object sbyte short string uint ulong ushort",
        meta: "#",
    }),
    words!("Go", ["go", "golang"], {
        strings: &[quote("`", "`", false, true), DOUBLE, CHARACTER],
        keywords: "break case chan const continue default defer else fallthrough false for func go goto if import interface iota map nil package range return select struct switch true type var",
        types: "any bool byte comparable complex64 complex128 error float32 float64 int int8 int16 int32 int64 rune string uint uint8 uint16 uint32 uint64 uintptr",
        capitals_are_types: false,
    }),
    words!("Zig", ["zig"], {
        block_comments: &[], strings: &[DOUBLE, CHARACTER],
        keywords: "align and anytype asm break catch comptime const continue defer else enum errdefer error export extern false fn for if inline null opaque or orelse packed pub return struct switch test true try undefined union unreachable usingnamespace var volatile while",
        types: "bool f16 f32 f64 i8 i16 i32 i64 isize u8 u16 u32 u64 usize void type noreturn", meta: "@",
    }),
    words!("Dart", ["dart"], {
        strings: &[TRIPLE_DOUBLE, TRIPLE_SINGLE, DOUBLE, SINGLE],
        keywords: "abstract as assert async await break case catch class const continue covariant default deferred do dynamic else enum export extends extension external factory false final finally for get hide if implements import in interface is late library mixin new null on operator part required rethrow return set show static super switch sync this throw true try typedef var void while with yield",
        types: "bool double int num", meta: "@",
    }),
    words!("Ruby", ["ruby", "rb", "erb"], {
        line_comments: HASH, block_comments: &[("=begin", "=end")], strings: &[DOUBLE_LINES, quote("'", "'", true, true)],
        keywords: "alias and begin break case class def defined? do else elsif end ensure false for if in module next nil not or redo rescue retry return self super then true undef unless until when while yield require require_relative attr_accessor attr_reader attr_writer private public protected",
        word_extra: "?!", meta: "@:$",
    }),
    words!("PHP", ["php"], {
        line_comments: &["//", "#"], strings: &[DOUBLE_LINES, quote("'", "'", true, true)],
        keywords: "abstract and array as break callable case catch class clone const continue declare default do echo else elseif empty enum extends false final finally fn for foreach function global goto if implements include include_once instanceof insteadof interface isset list match namespace new null or print private protected public readonly require require_once return static switch this throw trait true try unset use var while xor yield",
        types: "bool float int iterable mixed never object string void", meta: "$",
    }),
    words!("Lua", ["lua"], {
        line_comments: &["--"], block_comments: &[("--[[", "]]")], strings: &[quote("[[", "]]", false, true), DOUBLE, SINGLE],
        keywords: "and break do else elseif end false for function goto if in local nil not or repeat return then true until while self",
        capitals_are_types: false,
    }),
    words!("R", ["r", "rlang"], {
        line_comments: HASH, block_comments: &[], strings: &[DOUBLE_LINES, quote("'", "'", true, true)],
        keywords: "break else FALSE for function if in Inf library NA NaN next NULL repeat require return TRUE while",
        capitals_are_types: false, word_extra: ".",
    }),
    words!("Julia", ["julia", "jl"], {
        line_comments: HASH, block_comments: &[("#=", "=#")], strings: &[TRIPLE_DOUBLE, DOUBLE_LINES],
        keywords: "abstract baremodule begin break catch const continue do else elseif end export false finally for function global if import in let local macro module mutable nothing quote return struct true try using where while",
        word_extra: "!", meta: "@",
    }),
    words!("Haskell", ["haskell", "hs"], {
        line_comments: &["--"], block_comments: &[("{-", "-}")], strings: &[DOUBLE],
        keywords: "as case class data default deriving do else foreign forall hiding if import in infix infixl infixr instance let module newtype of qualified then type where",
        word_extra: "'",
    }),
    words!("OCaml", ["ocaml", "ml", "fsharp", "fs", "f#"], {
        line_comments: &["//"], block_comments: &[("(*", "*)")], strings: &[DOUBLE_LINES],
        keywords: "and as assert begin class do done downto else end exception external false for fun function functor if in include inherit let match method module mutable new object of open or rec sig struct then to true try type val virtual when while with",
        types: "bool char float int list option string unit", word_extra: "'",
    }),
    words!("Elixir", ["elixir", "ex", "exs", "erlang", "erl"], {
        line_comments: &["#", "%"], block_comments: &[], strings: &[TRIPLE_DOUBLE, DOUBLE_LINES, SINGLE],
        keywords: "after and case catch cond def defimpl defmacro defmodule defp defprotocol defstruct do else end false fn for if import in nil not or quote raise receive rescue require true try unless unquote use when with",
        word_extra: "?!", meta: "@:",
    }),
    words!("Clojure", ["clojure", "clj", "lisp", "scheme", "elisp", "racket"], {
        line_comments: &[";"], block_comments: &[], strings: &[DOUBLE_LINES],
        keywords: "and case cond def define defmacro defn defun do else fn for if import in lambda let let* loop nil ns or quote recur require set! setq t true false unless use when while",
        word_extra: "-*?!+/<>=", meta: ":", capitals_are_types: false,
    }),
    words!("SQL", ["sql", "sqlite", "postgresql", "postgres", "psql", "mysql", "plsql", "tsql"], {
        line_comments: &["--"], strings: &[SINGLE_RAW, quote("\"", "\"", false, true), quote("`", "`", false, false)],
        keywords: "add all alter and any as asc begin between by cascade case check column commit conflict constraint create cross database default delete desc distinct do drop else end except exists explain false for foreign from full function group having if ilike in index inner insert intersect into is join key lateral left like limit materialized natural not null offset on or order outer over partition pragma primary recursive references replace returning right rollback select set table then transaction trigger true union unique update using values view virtual when where window with",
        types: "bigint blob boolean char date decimal double float int integer json jsonb numeric real serial smallint text time timestamp timestamptz uuid varchar",
        ignore_case: true, capitals_are_types: false,
    }),
    words!("Shell", ["bash", "sh", "shell", "zsh", "console", "shell-session", "terminal", "fish", "ksh"], {
        line_comments: HASH, block_comments: &[], strings: &[DOUBLE_LINES, SINGLE_RAW, TEMPLATE],
        keywords: "case do done elif else esac exit export fi for function if in local readonly return select set shift source then unset until while alias cd echo sudo",
        capitals_are_types: false, word_extra: "-", meta: "$",
    }),
    words!("PowerShell", ["powershell", "ps1", "pwsh"], {
        line_comments: HASH, block_comments: &[("<#", "#>")], strings: &[DOUBLE_LINES, SINGLE_RAW],
        keywords: "begin break catch class continue data do dynamicparam else elseif end exit filter finally for foreach from function if in param process return switch throw trap try until using while",
        ignore_case: true, capitals_are_types: false, word_extra: "-", meta: "$",
    }),
    words!("Batch", ["bat", "batch", "cmd"], {
        line_comments: &["::", "rem ", "REM "], block_comments: &[], strings: &[DOUBLE],
        keywords: "call cd choice cls copy del do echo else endlocal errorlevel exist exit for goto if in mkdir move not off on pause ren set setlocal shift start type",
        ignore_case: true, capitals_are_types: false, meta: "%",
    }),
    words!("JSON", ["json", "json5", "jsonc", "jsonl", "ndjson"], {
        strings: &[DOUBLE, SINGLE], keywords: "true false null", capitals_are_types: false,
    }),
    words!("YAML", ["yaml", "yml"], {
        line_comments: HASH, block_comments: &[], strings: &[DOUBLE_LINES, SINGLE_RAW],
        keywords: "true false null yes no on off", capitals_are_types: false, word_extra: "-", meta: "&*",
    }),
    words!("TOML", ["toml", "ini", "cfg", "conf", "properties", "env", "dotenv", "systemd"], {
        line_comments: &["#", ";"], block_comments: &[], strings: &[TRIPLE_DOUBLE, TRIPLE_SINGLE, DOUBLE, quote("'", "'", false, false)],
        keywords: "true false", capitals_are_types: false, word_extra: "-",
    }),
    words!("CSS", ["css", "scss", "sass", "less"], {
        strings: &[DOUBLE, SINGLE],
        keywords: "important inherit initial unset revert auto none block flex grid inline absolute relative fixed sticky from to",
        capitals_are_types: false, word_extra: "-", meta: "@$",
    }),
    words!("Dockerfile", ["dockerfile", "docker", "containerfile"], {
        line_comments: HASH, block_comments: &[], strings: &[DOUBLE, SINGLE],
        keywords: "ADD ARG AS CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR",
        capitals_are_types: false, word_extra: "-", meta: "$",
    }),
    words!("Makefile", ["makefile", "make", "mk", "cmake"], {
        line_comments: HASH, block_comments: &[], strings: &[DOUBLE, SINGLE],
        keywords: "define else endef endif export if ifdef ifeq ifndef ifneq include override PHONY set function foreach endfunction add_executable target_link_libraries project",
        capitals_are_types: false, word_extra: "-", meta: "$",
    }),
    words!("Terraform", ["terraform", "tf", "hcl", "nix"], {
        line_comments: &["#", "//"], strings: &[quote("''", "''", false, true), DOUBLE_LINES],
        keywords: "data else false for if in inherit let locals module null output provider resource terraform then true variable with rec import",
        types: "any bool list map number object set string", capitals_are_types: false, word_extra: "-",
    }),
    words!("GraphQL", ["graphql", "gql", "proto", "protobuf"], {
        line_comments: &["#", "//"], strings: &[TRIPLE_DOUBLE, DOUBLE],
        keywords: "directive enum extend fragment implements import input interface message mutation on oneof option optional package query repeated reserved returns rpc scalar schema service subscription syntax true false type union",
        types: "bool bytes double float int32 int64 string uint32 uint64", meta: "@$",
    }),
    words!("TeX", ["latex", "tex"], {
        line_comments: &["%"], block_comments: &[], strings: &[],
        capitals_are_types: false, meta: "\\",
    }),
    words!("MATLAB", ["matlab", "octave"], {
        line_comments: &["%", "#"], block_comments: &[("%{", "%}")], strings: &[DOUBLE],
        keywords: "break case catch classdef continue else elseif end for function global if otherwise parfor persistent return switch try while true false",
        capitals_are_types: false,
    }),
    words!("Assembly", ["asm", "assembly", "nasm", "x86asm", "armasm"], {
        line_comments: &[";", "#"], strings: &[DOUBLE, SINGLE],
        keywords: "add and call cmp dec div idiv imul inc int ja jb je jg jge jl jle jmp jne jnz jz lea loop mov movzx mul neg nop not or pop push ret section global shl shr sub syscall test xor",
        types: "rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 eax ebx ecx edx esi edi esp ebp byte word dword qword db dw dd dq",
        ignore_case: true, capitals_are_types: false, meta: "%.",
    }),
    Language {
        title: "HTML",
        names: &["html", "htm", "xhtml", "xml", "svg", "vue", "svelte", "rss", "plist", "xaml"],
        grammar: Grammar::Markup,
    },
    Language { title: "Diff", names: &["diff", "patch", "udiff"], grammar: Grammar::Diff },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, title: Option<&str>) {
        assert_eq!(find(name).map(|language| language.title), title);
    }

    #[test]
    fn names_after_a_fence() {
        check("rust", Some("Rust"));
        check("Rust,ignore", Some("Rust"));
        check("PY", Some("Python"));
        check("js {1,3}", Some("JavaScript"));
        check("language-sql", Some("SQL"));
        check("", None);
        check("klingon", None);
        check("漢字", None);
    }

    #[test]
    fn no_name_means_two_languages() {
        for (i, language) in LANGUAGES.iter().enumerate() {
            for name in language.names {
                let earlier = LANGUAGES[..i].iter().any(|other| other.names.contains(name));
                assert!(!earlier, "{name} is taken");
                assert_eq!(*name, name.to_ascii_lowercase());
            }
        }
    }
}
