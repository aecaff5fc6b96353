//! Markdown that an author wrote: as HTML, and made harmless as Markdown.
//!
//! In both forms HTML is text, headings sink below the section that they stand in, and links lead only where a reader may
//! want to follow (`https:`, `http:`, `mailto:`, places within the page or beside it).

use maud::{Markup, PreEscaped};
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

const OPTIONS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH).union(Options::ENABLE_TASKLISTS);

/// The schemes of links that are kept.
const SCHEMES: &[&str] = &["https", "http", "mailto"];

/// `text` as HTML. `above` is the level of the last heading before it, and becomes that of the last one in it: no level is
/// skipped on the way down, however the author counted.
pub(super) fn render(text: &str, above: &mut u8) -> Markup {
    let base = *above;
    let (mut heading, mut dropped) = (base, false);
    let mut events = Vec::new();
    for event in Parser::new_ext(text, OPTIONS) {
        match event {
            Event::Html(raw) | Event::InlineHtml(raw) => events.push(Event::Text(raw)),
            Event::Start(Tag::HtmlBlock) => events.push(Event::Start(Tag::Paragraph)),
            Event::End(TagEnd::HtmlBlock) => events.push(Event::End(TagEnd::Paragraph)),
            Event::Start(Tag::Heading { level, .. }) => {
                heading = sunken(level, base).min(heading + 1);
                events.push(Event::Start(Tag::Heading {
                    level: level_of(heading),
                    id: None,
                    classes: Vec::new(),
                    attrs: Vec::new(),
                }));
            }
            Event::End(TagEnd::Heading(_)) => events.push(Event::End(TagEnd::Heading(level_of(heading)))),
            Event::Start(Tag::Link { ref dest_url, .. }) if !leads_well(dest_url) => dropped = true,
            Event::End(TagEnd::Link) if dropped => dropped = false,
            Event::Start(Tag::Table(_)) => events.extend([open_scroll(), event]),
            Event::End(TagEnd::Table) => events.extend([event, Event::Html(CowStr::Borrowed("</div>\n"))]),
            other => events.push(other),
        }
    }
    *above = heading;
    let mut page = String::new();
    html::push_html(&mut page, events.into_iter());
    PreEscaped(page)
}

/// A wide table moves by itself, not the page with it.
fn open_scroll() -> Event<'static> {
    Event::Html(CowStr::Borrowed("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table\">"))
}

/// The author's level, so many levels down.
fn sunken(level: HeadingLevel, base: u8) -> u8 {
    (base + level as u8).min(6)
}

fn level_of(level: u8) -> HeadingLevel {
    HeadingLevel::try_from(usize::from(level)).unwrap_or(HeadingLevel::H6)
}

/// Whether an address is one of [`SCHEMES`], or has no scheme.
fn leads_well(address: &str) -> bool {
    // Browsers skip blanks and control characters on their way to the colon.
    let bare: String = address.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    match bare.split_once(':') {
        Some((scheme, _)) if !scheme.contains(['/', '?', '#']) => {
            SCHEMES.contains(&scheme.to_ascii_lowercase().as_str())
        }
        _ => true,
    }
}

/// The address of the first picture in `text` that would not be inside the page.
pub(super) fn outside_picture(text: &str) -> Option<String> {
    Parser::new_ext(text, OPTIONS).find_map(|event| match event {
        Event::Start(Tag::Image { dest_url, .. }) if !dest_url.starts_with("data:image/") => {
            Some(dest_url.into_string())
        }
        _ => None,
    })
}

/// `text` as Markdown below a heading of level `base`: what would be HTML is escaped, and headings that begin with `#` sink.
pub(super) fn neutral(text: &str, base: u8) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (event, span) in Parser::new_ext(text, OPTIONS).into_offset_iter() {
        if span.start < done {
            continue;
        }
        match event {
            Event::Html(_) | Event::InlineHtml(_) => {
                out.push_str(&text[done..span.start]);
                out.push_str(&text[span.clone()].replace('<', "&lt;"));
                done = span.end;
            }
            Event::Start(Tag::Heading { level, .. }) if text[span.start..].starts_with('#') => {
                out.push_str(&text[done..span.start]);
                let added = sunken(level, base) - level as u8;
                out.push_str(&"#".repeat(usize::from(added)));
                done = span.start;
            }
            _ => {}
        }
    }
    out + &text[done..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> String {
        render(text, &mut 2).into_string()
    }

    #[test]
    fn html_in_markdown_is_text() {
        assert_eq!(html("a <b onclick=x>b</b>"), "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n");
        let block = html("<script>\nalert(1)\n</script>\n\nafter");
        assert!(!block.contains("<script") && block.contains("&lt;script&gt;") && block.contains("<p>after</p>"));
        assert_eq!(html("<!-- a -->"), "<p>&lt;!-- a --&gt;</p>\n");
    }

    #[test]
    fn neutral_markdown_holds_no_html_and_means_the_same() {
        for text in [
            "a <b>b</b> `<i>`",
            "<script>\nalert(1)\n</script>\n\nafter",
            "<https://example.org> 1 < 2",
            "|a|\n|-|\n|<b>|",
        ] {
            let neutral = neutral(text, 0);
            let raw = |event: &Event<'_>| matches!(event, Event::Html(_) | Event::InlineHtml(_));
            assert!(!Parser::new_ext(&neutral, OPTIONS).any(|event| raw(&event)), "{neutral}");
            let words = |text: &str| -> Vec<String> {
                let page = html(text).replace("<p>", "").replace("</p>", "");
                page.split_whitespace().map(str::to_owned).collect()
            };
            assert_eq!(words(&neutral), words(text));
        }
        assert_eq!(neutral("# One\n\n## Two\n\nx # y", 2), "### One\n\n#### Two\n\nx # y");
    }

    #[test]
    fn headings_sink_below_their_section_and_skip_no_level() {
        let mut above = 2;
        let page = render("# One\n\n### Three\n\n# One again", &mut above).into_string();
        assert_eq!(page.matches("<h3>").count(), 2, "{page}");
        assert!(page.contains("<h4>Three</h4>"), "{page}");
        assert_eq!(above, 3);
    }

    #[test]
    fn links_that_run_something_are_text() {
        assert_eq!(html("[a](https://example.org)"), "<p><a href=\"https://example.org\">a</a></p>\n");
        assert_eq!(html("[a](b/c:d)"), "<p><a href=\"b/c:d\">a</a></p>\n");
        for bad in
            ["[a](javascript:alert(1))", "[a](JaVaScRiPt:alert(1))", "[a](data:text/html,x)", "[a](&#1;javascript:x)"]
        {
            assert_eq!(html(bad), "<p>a</p>\n", "{bad}");
        }
    }

    #[test]
    fn a_picture_outside_the_page_is_found() {
        assert_eq!(outside_picture("x ![a](https://example.org/a.png)").as_deref(), Some("https://example.org/a.png"));
        assert_eq!(outside_picture("![a](a.png)").as_deref(), Some("a.png"));
        assert_eq!(outside_picture("![a](data:image/png;base64,AAAA) `![b](c)`"), None);
    }

    #[test]
    fn a_table_scrolls_by_itself() {
        let page = html("|a|b|\n|--|-:|\n|1|2|");
        assert!(page.starts_with("<div class=\"scroll\"") && page.trim_end().ends_with("</table>\n</div>"), "{page}");
    }
}
