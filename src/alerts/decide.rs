//! What somebody is told of: each kind of trouble when it begins, now and then while there is more of it, and when it is over.

use serde::Serialize;

use crate::message::alert::{Kind, Said, Trouble};

/// How long nothing more is said of a kind after something was, in milliseconds: ten minutes.
const QUIET: u64 = 10 * 60 * 1_000;

/// What is posted.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// A sentence for a person, in the field that chat services show.
    pub text: String,
    /// The kind of trouble.
    pub kind: &'static str,
    /// `open`, or `over`.
    pub state: &'static str,
    /// How much of it there is.
    pub count: u64,
    /// When, by RFC 3339.
    pub at: String,
    /// Where it can be looked at, where the gate knows its own URL.
    pub url: Option<String>,
}

/// Decides whether somebody is to be told at a time, in milliseconds since 1970: gives what is then said.
pub fn decide(before: Said, trouble: &Trouble, now: u64) -> Option<Said> {
    let is_open = trouble.count > 0;
    let is_news = match (before.is_open, is_open) {
        (false, false) => false,
        (true, true) => trouble.newest > before.newest,
        (false, true) | (true, false) => true,
    };
    let is_quiet = now.saturating_sub(before.at) < QUIET;
    let newest = trouble.newest.max(before.newest);
    (is_news && !is_quiet).then_some(Said { is_open, newest, at: now })
}

/// What is posted of it. `gate` is the gate's own URL, where it knows that; `at` a time by RFC 3339.
pub fn alert(kind: Kind, said: Said, trouble: &Trouble, gate: Option<&str>, at: String) -> Alert {
    let (place, over) = match kind {
        Kind::DeadLetter => ("#/dead-letters?redriven=no", "no dead letter waits any more"),
        Kind::Origin => ("#/builds?state=queued", "the build service takes build requests again"),
        Kind::Webhook => ("#/", "no delivery that failed is missing any more"),
    };
    let url = gate.map(|gate| format!("{}/-/{place}", gate.trim_end_matches('/')));
    let what = if said.is_open { trouble.detail.as_str() } else { over };
    let link = url.as_ref().map(|url| format!(" {url}")).unwrap_or_default();
    Alert {
        text: format!("buildgate: {what}.{link}"),
        kind: kind.as_str(),
        state: if said.is_open { "open" } else { "over" },
        count: trouble.count,
        at,
        url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(count: u64, newest: u64) -> Trouble {
        Trouble { count, newest, detail: "3 dead letters wait".into() }
    }

    #[test]
    fn each_trouble_is_told_once_now_and_then_and_when_it_is_over() {
        let never = Said::default();
        let now = 100 * QUIET;
        assert_eq!(decide(never, &trouble(0, 0), now), None);
        let first = decide(never, &trouble(3, 7), now).unwrap();
        assert_eq!(first, Said { is_open: true, newest: 7, at: now });
        // The same trouble is old news, and new trouble waits for ten minutes.
        assert_eq!(decide(first, &trouble(3, 7), now + QUIET), None);
        assert_eq!(decide(first, &trouble(4, 8), now + QUIET - 1), None);
        let second = decide(first, &trouble(4, 8), now + QUIET).unwrap();
        assert_eq!(second, Said { is_open: true, newest: 8, at: now + QUIET });
        // Less of it is no news, and its end is.
        assert_eq!(decide(second, &trouble(1, 3), now + 3 * QUIET), None);
        assert_eq!(decide(second, &trouble(0, 0), now + QUIET + 1), None);
        let over = decide(second, &trouble(0, 0), now + 2 * QUIET).unwrap();
        assert_eq!(over, Said { is_open: false, newest: 8, at: now + 2 * QUIET });
        assert_eq!(decide(over, &trouble(0, 0), now + 9 * QUIET), None);
        // What comes back is trouble again.
        assert!(decide(over, &trouble(1, 2), now + 3 * QUIET).is_some_and(|said| said.is_open));
    }

    #[test]
    fn what_is_posted_is_a_sentence_with_a_link() {
        let (open, over) = (Said { is_open: true, ..Said::default() }, Said::default());
        let gate = Some("https://gate.example/");
        let told = alert(Kind::DeadLetter, open, &trouble(3, 7), gate, "now".into());
        assert_eq!(
            told.text,
            "buildgate: 3 dead letters wait. https://gate.example/-/#/dead-letters?redriven=no"
        );
        assert_eq!((told.kind, told.state, told.count), ("dead-letter", "open", 3));
        for kind in Kind::ALL {
            let told = alert(kind, over, &trouble(0, 0), None, "now".into());
            assert!(
                told.state == "over" && told.url.is_none() && told.text.ends_with('.'),
                "{told:?}"
            );
        }
    }
}
