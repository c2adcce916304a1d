//! A build, from when its request is queued to its end: what each thing that happens to it makes of what is known, and
//! what is then to be said on GitHub. All times are in milliseconds since 1970.
//!
//! Every step may come twice, late, or not at all: so each says what is known after it, or that it changes nothing.

use serde::Serialize;

use crate::json::fields::{Fields, FromJson, Json, Want, Wanted, Wrong, cut, quote, read};
use crate::message::build::State;
use crate::time::length;
use crate::url::scheme_and_host;

/// The longest description that GitHub takes of a status, in characters
/// (<https://docs.github.com/en/rest/deployments/statuses?apiVersion=2022-11-28#create-a-deployment-status>).
pub const LONGEST_DESCRIPTION: usize = 140;

/// The longest URL that is taken, in bytes: what browsers and servers can be relied on to take.
const LONGEST_URL: usize = 2_000;

/// What is said on GitHub of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its state.
    pub state: State,
    /// The same in words.
    pub description: String,
    /// Where its log is.
    pub log_url: Option<String>,
    /// Where what was built is.
    pub environment_url: Option<String>,
}

/// A build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The build request's id.
    pub id: String,
    /// What is known of it, and said of it last.
    pub status: Status,
    /// Whether a report has ended it; what the gate itself ends, a report still changes.
    pub is_ended_by_report: bool,
    /// When the gate queued it, or the operator redrove it.
    pub queued_at: u64,
    /// When the build service took it.
    pub handed_over_at: Option<u64>,
    /// When the build service reported last.
    pub reported_at: Option<u64>,
    /// Since when it is in its state.
    pub since: u64,
    /// How often it was posted.
    pub attempts: u32,
    /// When it was posted last.
    pub attempted_at: Option<u64>,
    /// What the build service answered last, or why there was no answer.
    pub answer: Option<String>,
    /// What is to be said on GitHub yet, in this order.
    pub unsaid: Vec<Status>,
}

/// What the build service reports of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The build request's id.
    pub build: String,
    /// What is reported: that it is being built, or what it came to.
    pub status: Status,
}

/// How long a build may be silent, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long it may be queued: as long as the gate tries to hand it over.
    pub queued: u64,
    /// How long it may be in progress without a report.
    pub in_progress: u64,
    /// Whether the build service has ever reported anything.
    pub origin_reports: bool,
}

impl Patience {
    /// How long a build may be queued that was handed over: a build service that never reports is not waited for longer
    /// than one that has begun.
    pub fn handed_over(self) -> u64 {
        if self.origin_reports { self.queued } else { self.queued.min(self.in_progress) }
    }
}

impl Build {
    /// A build whose request is on the queue.
    pub fn queued(id: &str, now: u64) -> Self {
        let status = Status {
            state: State::Queued,
            description: usual(State::Queued).to_owned(),
            log_url: None,
            environment_url: None,
        };
        Self {
            id: id.to_owned(),
            unsaid: vec![status.clone()],
            status,
            is_ended_by_report: false,
            queued_at: now,
            handed_over_at: None,
            reported_at: None,
            since: now,
            attempts: 0,
            attempted_at: None,
            answer: None,
        }
    }

    /// Its request lies on the queue anew: nothing of what was known counts any more.
    #[must_use]
    pub fn redriven(self, now: u64) -> Self {
        let anew = Self::queued(&self.id, now);
        let mut unsaid = self.unsaid;
        unsaid.extend(anew.unsaid);
        Self { unsaid, ..anew }
    }

    /// Its request is about to be posted: a build that the gate gave up is queued again.
    pub fn begun_again(self, now: u64) -> Option<Self> {
        let is_given_up = self.status.state == State::Error
            && !self.is_ended_by_report
            && self.handed_over_at.is_none();
        is_given_up.then(|| self.redriven(now))
    }

    /// The build service was asked to take it, `attempts` times by now, and has answered this.
    pub fn tried(self, attempts: u32, answer: String, now: u64) -> Option<Self> {
        // One that was held lies on the queue anew, which counts from the beginning.
        let attempts = if attempts > self.attempts { attempts } else { self.attempts + 1 };
        let (attempted_at, answer) = (Some(now), Some(answer));
        self.handed_over_at.is_none().then_some(Self { attempts, attempted_at, answer, ..self })
    }

    /// The build service has taken it.
    pub fn handed_over(self, attempts: u32, answer: String, now: u64) -> Option<Self> {
        Some(Self { handed_over_at: Some(now), ..self.tried(attempts, answer, now)? })
    }

    /// It is kept as a dead letter, for this reason.
    pub fn given_up(self, attempts: u32, answer: String, why: &str, now: u64) -> Option<Self> {
        // One that has been reported of is at the build service, whatever became of its answer; and that one is given up is
        // said once.
        let is_given_up = self.status.state == State::Error;
        if self.reported_at.is_some() || is_given_up {
            return self.tried(attempts, answer, now);
        }
        let given_up = self.tried(attempts, answer, now)?;
        Some(given_up.ended(State::Error, format!("not built: {why}"), now))
    }

    /// The build service reports of it.
    pub fn reported(self, report: &Report, now: u64) -> Reported {
        if self.is_ended_by_report {
            return Reported::Late { state: self.status.state };
        }
        // What is not said anew still is where it was.
        let before = self.status.clone();
        let status = Status {
            log_url: report.status.log_url.clone().or(before.log_url),
            environment_url: report.status.environment_url.clone().or(before.environment_url),
            ..report.status.clone()
        };
        let is_ended_by_report = status.state != State::InProgress;
        let touched = Self { reported_at: Some(now), is_ended_by_report, ..self };
        if touched.status == status && !is_ended_by_report {
            return Reported::Again(Box::new(touched));
        }
        Reported::Used(Box::new(touched.with(status, now)))
    }

    /// Nothing has been heard of it: gives its end, where it has been silent for too long.
    pub fn silent(self, patience: Patience, now: u64) -> Option<Self> {
        let age = now.saturating_sub(self.queued_at);
        let (state, description) = match (self.status.state, self.handed_over_at) {
            (State::Queued, None) if age > patience.queued => {
                let within = length(patience.queued);
                (
                    State::Error,
                    format!("not built: the build service did not take it within {within}"),
                )
            }
            (State::Queued, Some(_)) if age > patience.handed_over() => {
                if patience.origin_reports {
                    let within = length(patience.queued);
                    (
                        State::Error,
                        format!(
                            "the build service took it, and within {within} of its being queued reported nothing"
                        ),
                    )
                } else {
                    (State::Inactive, usual(State::Inactive).to_owned())
                }
            }
            (State::InProgress, _) => {
                let heard = self.reported_at.unwrap_or(self.since);
                let silent = now.saturating_sub(heard) > patience.in_progress;
                let within = length(patience.in_progress);
                silent.then(|| {
                    (
                        State::Error,
                        format!("the build service began it and went silent for {within}"),
                    )
                })?
            }
            _ => return None,
        };
        Some(self.ended(state, description, now))
    }

    /// That this was said on GitHub, or cannot be.
    #[must_use]
    pub fn said(mut self, status: &Status) -> Self {
        if self.unsaid.first() == Some(status) {
            self.unsaid.remove(0);
        }
        self
    }

    fn ended(self, state: State, description: String, now: u64) -> Self {
        let status = Status { state, description: short(&description), ..self.status.clone() };
        self.with(status, now)
    }

    /// With another status, which is to be said after what is unsaid yet: in place of the last of that, where it is the
    /// same state, for only the newest words of it matter.
    fn with(mut self, status: Status, now: u64) -> Self {
        if status.state != self.status.state {
            self.since = now;
        }
        if self.unsaid.last().is_some_and(|last| last.state == status.state) {
            self.unsaid.pop();
        }
        self.unsaid.push(status.clone());
        Self { status, ..self }
    }
}

/// What is said of a state where nothing else is known to say.
fn usual(state: State) -> &'static str {
    match state {
        State::Queued => "queued for the build service",
        State::InProgress => "being built",
        State::Success => "built",
        State::Failure => "the build failed",
        State::Error => "the build service met with an error",
        State::Inactive => "handed over; this build service does not report",
    }
}

/// Whether a character is passed on to GitHub: no control character, and none of those that UTF-8 writes with four bytes, such
/// as emoji, which it refuses in a commit status
/// ("description doesn't accept 4-byte Unicode": <https://github.com/ouzi-dev/commit-status-updater/issues/526>).
fn is_taken(c: char) -> bool {
    c.len_utf8() < 4 && (!c.is_control() || c.is_whitespace())
}

/// What a report comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Reported {
    /// The build as it is known then.
    Used(Box<Build>),
    /// The same was said before: all that is new is that the build has been heard of.
    Again(Box<Build>),
    /// A report has ended the build already.
    Late {
        /// What it came to.
        state: State,
    },
}

/// A description that GitHub takes.
fn short(text: &str) -> String {
    match text.chars().count() {
        0..=LONGEST_DESCRIPTION => text.to_owned(),
        _ => cut(text, LONGEST_DESCRIPTION - 1),
    }
}

const STATUS: Wanted = &[
    ("state", Want::Scalar),
    ("description", Want::Scalar),
    ("log_url", Want::Scalar),
    ("environment_url", Want::Scalar),
];

impl Status {
    /// The same without the build service's words and links, where there are any: what GitHub does not take of those must not
    /// keep a state from being said. None where it is like that already.
    pub fn plain(&self) -> Option<Self> {
        let description = usual(self.state).to_owned();
        let plain = Self { state: self.state, description, log_url: None, environment_url: None };
        (plain != *self).then_some(plain)
    }

    /// Reads those that [`Build::unsaid`] was written with. Errors with what is wrong.
    pub fn list(json: &str) -> Result<Vec<Self>, String> {
        const LIST: Want = Want::List(&Want::Object(STATUS));
        let list = Vec::<Self>::from_json(read(json.as_bytes(), LIST)?);
        list.map_err(|wrong| wrong.to_string())
    }

    fn from_fields(fields: &mut Fields) -> Result<Self, String> {
        let word: String = fields.take("state")?;
        let state = State::from_word(&word);
        let description: Option<String> = fields.take("description")?;
        Ok(Self {
            state: state.ok_or_else(|| not_reported(&word))?,
            description: description.unwrap_or_default(),
            log_url: fields.take("log_url")?,
            environment_url: fields.take("environment_url")?,
        })
    }
}

impl<'a> FromJson<'a> for Status {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        Ok(Self::from_fields(&mut Fields::of(json)?)?)
    }
}

impl Report {
    /// Reads a report's body. Errors with what is wrong with it, in words.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        const WANTED: Wanted = &[
            ("build", Want::Scalar),
            ("state", Want::Scalar),
            ("description", Want::Scalar),
            ("log_url", Want::Scalar),
            ("environment_url", Want::Scalar),
        ];
        let mut fields = Fields::read(body, Want::Object(WANTED))?;
        let build = fields.take("build")?;
        let Status { state, description, log_url, environment_url } =
            Status::from_fields(&mut fields)?;
        if matches!(state, State::Queued | State::Inactive) {
            return Err(not_reported(state.as_str()));
        }
        let description: String = description.chars().filter(|c| is_taken(*c)).collect();
        let words = description.split_whitespace().collect::<Vec<_>>().join(" ");
        let description = if words.is_empty() { usual(state) } else { &words };
        let description = short(description);
        let log_url = link("log_url", log_url)?;
        let environment_url = link("environment_url", environment_url)?;
        Ok(Self { build, status: Status { state, description, log_url, environment_url } })
    }
}

/// What is wrong with a state that no build service reports.
fn not_reported(word: &str) -> String {
    let word = quote(word);
    format!("`state` is `{word}`; a build service reports in_progress, success, failure or error")
}

/// Checks a link that GitHub's pages will show. One that is empty is none.
fn link(name: &str, url: Option<String>) -> Result<Option<String>, String> {
    let Some(url) = url.filter(|url| !url.is_empty()) else { return Ok(None) };
    let scheme = scheme_and_host(&url).map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        _ if url.len() > LONGEST_URL => Err(format!("`{name}` is longer than {LONGEST_URL} bytes")),
        Some("http" | "https") if has_credentials(&url) => {
            Err(format!("`{name}` has a user name or a password in it, and GitHub would show that"))
        }
        Some("http" | "https") => Ok(Some(url)),
        _ => Err(format!("`{name}` is no http or https URL")),
    }
}

/// Whether an absolute URL has a user name in front of its host (RFC 3986, section 3.2.1).
fn has_credentials(url: &str) -> bool {
    let authority = url.split("//").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000;
    const PATIENCE: Patience =
        Patience { queued: 90 * HOUR, in_progress: 6 * HOUR, origin_reports: true };
    const SILENT_ORIGIN: Patience = Patience { origin_reports: false, ..PATIENCE };

    fn report(state: State, description: &str) -> Report {
        let status = Status {
            state,
            description: description.to_owned(),
            log_url: None,
            environment_url: None,
        };
        Report { build: "deployment:o/n:1".into(), status }
    }

    fn queued() -> Build {
        Build::queued("deployment:o/n:1", 0)
    }

    fn taken() -> Build {
        queued().handed_over(1, "202".into(), 1).unwrap()
    }

    fn used(build: Build, state: State) -> Build {
        match build.reported(&report(state, state.as_str()), 10) {
            Reported::Used(build) => *build,
            other => panic!("{other:?}"),
        }
    }

    fn unsaid(build: &Build) -> Vec<State> {
        build.unsaid.iter().map(|status| status.state).collect()
    }

    #[test]
    fn a_build_is_said_to_be_queued_in_progress_and_done_in_this_order() {
        let done = used(used(taken(), State::InProgress), State::Success);
        assert_eq!(unsaid(&done), [State::Queued, State::InProgress, State::Success]);
        let first = done.unsaid[0].clone();
        let second = done.said(&first);
        assert_eq!(unsaid(&second), [State::InProgress, State::Success]);
        // Said twice, it takes nothing of what follows away.
        assert_eq!(second.clone().said(&first), second);
    }

    /// What each report makes of each state.
    #[test]
    fn nothing_goes_backwards_and_what_the_gate_ended_still_can_be_reported() {
        use State::{Error, Failure, InProgress, Success};
        let given_up = queued().given_up(9, "500".into(), "it answered 500", 5).unwrap();
        let silent = used(taken(), InProgress).silent(PATIENCE, 7 * HOUR).unwrap();
        let inactive = taken().silent(SILENT_ORIGIN, 7 * HOUR).unwrap();
        for build in [queued(), taken(), given_up, silent, inactive] {
            for state in [InProgress, Success, Failure, Error] {
                let ended = used(build.clone(), state);
                assert_eq!((ended.status.state, ended.reported_at), (state, Some(10)));
                for next in [InProgress, Success, Failure, Error] {
                    let reported = ended.clone().reported(&report(next, next.as_str()), 11);
                    match (state, next) {
                        (InProgress, InProgress) => {
                            let again = Build { reported_at: Some(11), ..ended.clone() };
                            assert_eq!(reported, Reported::Again(Box::new(again)));
                        }
                        (InProgress, next) => {
                            let Reported::Used(build) = reported else { panic!("{reported:?}") };
                            assert_eq!(build.status.state, next);
                        }
                        (state, _) => assert_eq!(reported, Reported::Late { state }),
                    }
                }
            }
        }
    }

    #[test]
    fn of_what_is_in_progress_the_newest_words_are_said_and_a_log_stays_where_it_was() {
        let mut begun = report(State::InProgress, "layer 1 of 9");
        begun.status.log_url = Some("https://builds.example/1".into());
        let Reported::Used(build) = taken().reported(&begun, 10) else { panic!() };
        let Reported::Used(build) = build.reported(&report(State::InProgress, "layer 2"), 11)
        else {
            panic!()
        };
        assert_eq!(unsaid(&build), [State::Queued, State::InProgress]);
        assert_eq!((build.unsaid[1].description.as_str(), build.since), ("layer 2", 10));
        assert_eq!(build.status.log_url.as_deref(), Some("https://builds.example/1"));
    }

    #[test]
    fn what_was_taken_is_not_changed_by_the_same_request_once_more() {
        for build in [taken(), used(taken(), State::Success), used(queued(), State::InProgress)] {
            assert_eq!(build.clone().begun_again(20), None);
            // One that was reported of keeps what the build service answered, and nothing is said of it.
            let given_up = build.clone().given_up(2, "410".into(), "it answered 410", 20);
            match build.handed_over_at {
                Some(_) => assert_eq!(given_up, None),
                None => assert_eq!(given_up, build.tried(2, "410".into(), 20)),
            }
        }
        // That it is given up is said once.
        let once = queued().given_up(2, "410".into(), "it answered 410", 20).unwrap();
        let twice = once.clone().given_up(3, "410".into(), "it answered 410", 30).unwrap();
        assert_eq!((twice.unsaid, twice.since), (once.unsaid, once.since));
        assert_eq!(taken().handed_over(2, "202".into(), 20), None);
        assert_eq!(taken().tried(2, "500".into(), 20), None);
    }

    #[test]
    fn a_dead_letter_is_an_error_and_a_redrive_or_a_new_request_opens_it_anew() {
        let words = "it answered 500 ".repeat(20);
        let given_up = queued().given_up(9, "500".into(), &words, 5).unwrap();
        assert_eq!(unsaid(&given_up), [State::Queued, State::Error]);
        assert_eq!(given_up.status.description.chars().count(), LONGEST_DESCRIPTION);
        assert_eq!((given_up.attempts, given_up.answer.as_deref()), (9, Some("500")));
        let again = given_up.clone().begun_again(20).unwrap();
        assert_eq!(unsaid(&again), [State::Queued, State::Error, State::Queued]);
        assert_eq!((again.queued_at, again.attempts), (20, 0));
        let redriven = used(taken(), State::Failure).redriven(20);
        assert_eq!(used(redriven, State::Success).status.state, State::Success);
    }

    #[test]
    fn whatever_is_silent_for_too_long_ends() {
        let begun = used(taken(), State::InProgress);
        let error = |words: &str| Some((State::Error, words.to_owned()));
        let inactive =
            Some((State::Inactive, "handed over; this build service does not report".to_owned()));
        for (build, patience, now, end) in [
            (queued(), PATIENCE, 90 * HOUR, None),
            (
                queued(),
                PATIENCE,
                90 * HOUR + 1,
                error("not built: the build service did not take it within 90 hours"),
            ),
            (queued(), SILENT_ORIGIN, 7 * HOUR, None),
            (taken(), PATIENCE, 90 * HOUR, None),
            (
                taken(),
                PATIENCE,
                90 * HOUR + 1,
                error(
                    "the build service took it, and within 90 hours of its being queued reported nothing",
                ),
            ),
            (taken(), SILENT_ORIGIN, 6 * HOUR, None),
            (taken(), SILENT_ORIGIN, 6 * HOUR + 1, inactive),
            (begun.clone(), PATIENCE, 6 * HOUR + 10, None),
            (
                begun.clone(),
                PATIENCE,
                6 * HOUR + 11,
                error("the build service began it and went silent for 6 hours"),
            ),
            (used(begun, State::Failure), PATIENCE, 1_000 * HOUR, None),
        ] {
            let silent = build.clone().silent(patience, now);
            let silent = silent.map(|build| (build.status.state, build.status.description));
            assert_eq!(silent, end, "{build:?} at {now}");
        }
    }

    #[test]
    fn a_report_is_read_or_says_what_is_wrong() {
        let full = r#"{"build":"b","state":"in_progress","description":" layer\n3 of 9 ",
            "log_url":"https://builds.example/42","environment_url":"HTTP://images.example/","more":1}"#;
        let status = Status {
            state: State::InProgress,
            description: "layer 3 of 9".into(),
            log_url: Some("https://builds.example/42".into()),
            environment_url: Some("HTTP://images.example/".into()),
        };
        assert_eq!(Report::parse(full.as_bytes()), Ok(Report { build: "b".into(), status }));
        for (state, words) in [
            ("in_progress", "being built"),
            ("success", "built"),
            ("failure", "the build failed"),
            ("error", "the build service met with an error"),
        ] {
            let body =
                format!(r#"{{"build":"b","state":"{state}","log_url":"","description":null}}"#);
            let status = Report::parse(body.as_bytes()).unwrap().status;
            assert_eq!((status.description.as_str(), status.log_url), (words, None));
        }
        for (body, problem) in [
            ("", "EOF"),
            ("[]", "expected a JSON object, found an array"),
            (r#"{"state":"success"}"#, "`build`"),
            (r#"{"build":"b"}"#, "`state`"),
            (
                r#"{"build":"b","state":"done"}"#,
                "`state` is `done`; a build service reports in_progress, success, failure or error",
            ),
            (r#"{"build":"b","state":"queued"}"#, "a build service reports in_progress, success"),
            (r#"{"build":"b","state":"inactive"}"#, "a build service reports in_progress, success"),
            (r#"{"build":7,"state":"success"}"#, "`build`"),
            (
                r#"{"build":"b","state":"success","log_url":"javascript:alert(1)"}"#,
                "`log_url` is no http or https URL",
            ),
            (
                r#"{"build":"b","state":"success","environment_url":"images.example"}"#,
                "`environment_url` is no http or https URL",
            ),
            (
                r#"{"build":"b","state":"success","log_url":"https://user:secret@a.example/1@2"}"#,
                "`log_url` has a user name or a password in it",
            ),
        ] {
            let error = Report::parse(body.as_bytes()).unwrap_err();
            assert!(error.contains(problem), "{body}: {error}");
        }
        let long = format!(
            r#"{{"build":"b","state":"success","description":"{}","log_url":"https://a/{}"}}"#,
            "ü".repeat(200),
            "x".repeat(2_000)
        );
        assert_eq!(
            Report::parse(long.as_bytes()).unwrap_err(),
            "`log_url` is longer than 2000 bytes"
        );
        let emoji = r#"{"build":"b","state":"success","description":"🚀 layer 1 🎉 ✓"}"#;
        assert_eq!(Report::parse(emoji.as_bytes()).unwrap().status.description, "layer 1 ✓");
        let long = long.replace("log_url", "other");
        let description = Report::parse(long.as_bytes()).unwrap().status.description;
        assert_eq!(description.chars().count(), LONGEST_DESCRIPTION);
    }

    #[test]
    fn what_is_unsaid_is_read_as_it_was_written() {
        let mut build = used(taken(), State::InProgress);
        build.unsaid[1].log_url = Some("https://builds.example/\"ö".into());
        let json = serde_json::to_string(&build.unsaid).unwrap();
        assert_eq!(Status::list(&json), Ok(build.unsaid));
        assert!(Status::list("nonsense").is_err());
    }

    proptest! {
        /// Whatever happens, in whatever order: little is unsaid, and it ends with what is known.
        #[test]
        fn what_is_unsaid_ends_with_what_is_known_and_stays_short(steps in prop::collection::vec(0_u8..8, 0..60)) {
            let mut build = queued();
            for (at, step) in (1_u64..).zip(&steps) {
                let now = at * 8 * HOUR;
                let before = build.clone();
                let next = match step {
                    0 => before.begun_again(now),
                    1 => before.handed_over(1, "202".into(), now),
                    2 => before.given_up(1, "500".into(), "it answered 500", now),
                    3 => before.silent(PATIENCE, now),
                    4 => before.silent(SILENT_ORIGIN, now),
                    step => {
                        let state = [State::InProgress, State::Success, State::Error][usize::from(*step) - 5];
                        match before.reported(&report(state, &at.to_string()), now) {
                            Reported::Used(build) | Reported::Again(build) => Some(*build),
                            Reported::Late { .. } => None,
                        }
                    }
                };
                build = next.unwrap_or(build);
                prop_assert_eq!(build.unsaid.last(), Some(&build.status));
                let states = unsaid(&build);
                prop_assert!(states.windows(2).all(|pair| pair[0] != pair[1]), "{:?}", states);
            }
        }

        #[test]
        fn no_report_panics(body: Vec<u8>) {
            let _ = Report::parse(&body);
        }
    }
}
