//! Makes the page that the gate shows at `/help` out of the owner's page of the docs.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

const PAGE: &str = "docs/answers.md";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PAGE}");
    let text = fs::read_to_string(PAGE)?;
    // The line that leads to the next page is for those who read the docs.
    let text =
        text.lines().filter(|line| !line.starts_with("Next: ")).collect::<Vec<_>>().join("\n");
    let mut body = String::new();
    html::push_html(
        &mut body,
        with_anchors(Parser::new_ext(&text, Options::ENABLE_TABLES)).into_iter(),
    );
    // Where the gate says whom to ask.
    let body = body.replacen("</h1>", "</h1>\n<!-- whom to ask -->", 1);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Why was my container not built?</title><style>\
         body{{font:1rem/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem}}\
         table{{border-collapse:collapse}}td,th{{border:1px solid #8888;padding:.2rem .5rem;text-align:left}}\
         code{{background:#8882}}:target{{background:#fd08}}@media(prefers-color-scheme:dark)\
         {{body{{background:#111;color:#ddd}}a{{color:#8bf}}}}</style></head><body>\n{body}</body></html>\n"
    );
    fs::write(Path::new(&env::var("OUT_DIR")?).join("help.html"), page)?;
    Ok(())
}

/// Gives each heading the anchor that GitHub gives it, and takes away the links to other pages, which the gate has not.
fn with_anchors<'a>(events: impl Iterator<Item = Event<'a>>) -> Vec<Event<'a>> {
    let mut kept: Vec<Event> = Vec::new();
    let (mut heading, mut in_link_away) = (None, false);
    for event in events {
        match &event {
            Event::Start(Tag::Heading { .. }) => heading = Some(kept.len()),
            Event::End(TagEnd::Heading(_)) => {
                if let Some(start) = heading.take() {
                    let text = kept.iter().skip(start).filter_map(|event| match event {
                        Event::Text(text) | Event::Code(text) => Some(&**text),
                        _ => None,
                    });
                    let anchor = anchor(&text.collect::<String>());
                    if let Some(Event::Start(Tag::Heading { id, .. })) = kept.get_mut(start) {
                        *id = Some(CowStr::from(anchor));
                    }
                }
            }
            Event::Start(Tag::Link { dest_url, .. }) if !dest_url.starts_with('#') => {
                in_link_away = true;
                continue;
            }
            Event::End(TagEnd::Link) if in_link_away => {
                in_link_away = false;
                continue;
            }
            _ => {}
        }
        kept.push(event);
    }
    kept
}

fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}
