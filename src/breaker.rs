//! The circuit breaker before the origin. While the origin takes nothing, or has asked for a pause, nobody asks it; then one
//! request is posted as a probe, and what becomes of that decides for all of them. (The pattern is Nygard's, in "Release It!";
//! <https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker> tells it.)

use serde::{Deserialize, Serialize};

/// How many builds must have failed one after the other: one that the origin cannot cope with keeps no other back.
const FAILURES: usize = 5;

/// The first pause, in seconds; each further one is twice as long, up to the longest, unless the origin asks for more.
const FIRST_PAUSE: u64 = 10;
const LONGEST_PAUSE: u64 = 60;

/// The longest pause that the origin can ask for, in seconds.
const LONGEST_ASKED: u64 = 3_600;

/// How long after its end a pause is still part of the same trouble, in milliseconds.
const SAME_TROUBLE: u64 = 2 * 60_000;

/// For how long at a time requests that were held are let go of, in milliseconds: the cron trigger comes each minute.
const AHEAD: u64 = 60_000;

/// The breaker, as the ledger keeps it for the whole gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Whether the origin is asked by nobody, or by a probe alone.
    open: bool,
    /// Until when nobody asks it, or since when all do, in milliseconds since 1970.
    until: u64,
    /// How long the last pause was, in seconds.
    pause: u64,
    /// Until when requests that were held have been let go of, in milliseconds since 1970.
    let_go_until: u64,
}

/// Whether the origin is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// By everybody.
    Closed,
    /// By nobody until then, in milliseconds since 1970.
    Open {
        /// That time.
        until: u64,
    },
    /// By whoever is the first.
    HalfOpen,
}

impl Breaker {
    /// Reads what the ledger keeps; what cannot be read keeps nobody from asking.
    pub fn from_text(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// What the ledger is to keep.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether the origin is asked at a time, in milliseconds since 1970.
    pub fn state(&self, now: u64) -> State {
        match self.open {
            false => State::Closed,
            true if now < self.until => State::Open { until: self.until },
            true => State::HalfOpen,
        }
    }

    /// The origin takes nothing: nobody asks it for a while, or for as many seconds as it has asked for.
    #[must_use]
    pub fn tripped(&self, now: u64, asked: Option<u64>) -> Self {
        let again = self.pause > 0 && now < self.until.saturating_add(SAME_TROUBLE);
        let pause = match asked {
            Some(asked) => asked.clamp(1, LONGEST_ASKED),
            None if again => self.pause.saturating_mul(2).min(LONGEST_PAUSE),
            None => FIRST_PAUSE,
        };
        Self { open: true, until: now.saturating_add(pause * 1_000), pause, ..self.clone() }
    }

    /// One asks, for so many milliseconds at most, and nobody else meanwhile.
    #[must_use]
    pub fn probed(&self, now: u64, milliseconds: u64) -> Self {
        Self { open: true, until: now.saturating_add(milliseconds), ..self.clone() }
    }

    /// The origin is well.
    #[must_use]
    pub fn closed(&self, now: u64) -> Self {
        Self { open: false, until: now, ..self.clone() }
    }

    /// How many of `waiting` requests are let go of now, where so many may go in a minute; and the breaker that knows it.
    pub fn letting_go(&self, now: u64, waiting: u64, per_minute: u64) -> (u64, Self) {
        match self.state(now) {
            State::Open { .. } => (0, self.clone()),
            // It is a probe.
            State::HalfOpen => (waiting.min(1), self.clone()),
            State::Closed => {
                let per_minute = per_minute.max(1);
                let from = self.next_place(now);
                let room = (now.saturating_add(AHEAD) - from).saturating_mul(per_minute) / 60_000;
                let count = room.min(waiting);
                let let_go_until = from.saturating_add(count.saturating_mul(60_000) / per_minute);
                (count, Self { let_go_until, ..self.clone() })
            }
        }
    }

    /// When the next one goes out that is let go of now: after those before it.
    fn next_place(&self, now: u64) -> u64 {
        self.let_go_until.clamp(now, now.saturating_add(AHEAD))
    }

    /// In how many seconds each of so many goes out that are let go of now: one after the other, and after those before.
    pub fn delays(&self, now: u64, count: u64, per_minute: u64) -> impl Iterator<Item = u32> {
        let from = match self.state(now) {
            State::Closed => self.next_place(now) - now,
            State::Open { .. } | State::HalfOpen => 0,
        };
        let each = move |number: u64| {
            from.saturating_add(number.saturating_mul(60_000) / per_minute.max(1))
        };
        (0..count).map(move |number| (each(number) / 1_000).min(AHEAD / 1_000) as u32)
    }
}

/// The builds that this isolate could not hand over since it last could.
#[derive(Debug, Default)]
pub struct Failures(Vec<String>);

impl Failures {
    /// The origin has taken a build, or refused it for good: it is there.
    pub fn none(&mut self) {
        self.0.clear();
    }

    /// One could not be handed over: says whether that is one too many.
    pub fn one(&mut self, build: &str) -> bool {
        if !self.0.iter().any(|failed| failed == build) {
            self.0.push(build.to_owned());
        }
        let is_enough = self.0.len() >= FAILURES;
        if is_enough {
            self.0.clear();
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_378_320_000;

    fn pause(breaker: &Breaker) -> u64 {
        breaker.pause
    }

    #[test]
    fn nobody_asks_during_a_pause_and_then_one_does() {
        let closed = Breaker::default();
        assert_eq!(closed.state(NOW), State::Closed);
        let open = closed.tripped(NOW, None);
        let until = NOW + 10_000;
        assert_eq!(open.state(NOW), State::Open { until });
        assert_eq!(open.state(until - 1), State::Open { until });
        assert_eq!(open.state(until), State::HalfOpen);
        let probed = open.probed(until, 35_000);
        assert_eq!(probed.state(until), State::Open { until: until + 35_000 });
        // Should the probe never come back, another one is sent.
        assert_eq!(probed.state(until + 35_000), State::HalfOpen);
        assert_eq!(probed.closed(until + 1).state(until + 1), State::Closed);
    }

    #[test]
    fn pauses_double_to_a_minute_and_are_as_long_as_the_origin_asks() {
        let mut breaker = Breaker::default();
        let mut now = NOW;
        for expected in [10, 20, 40, 60, 60] {
            breaker = breaker.tripped(now, None);
            assert_eq!(pause(&breaker), expected);
            now += 1_000 * expected;
        }
        for (asked, expected) in [(0, 1), (1, 1), (300, 300), (3_601, 3_600), (u64::MAX, 3_600)] {
            assert_eq!(pause(&breaker.tripped(now, Some(asked))), expected);
        }
        // What was well for a while is a new trouble.
        let well = breaker.closed(now);
        assert_eq!(pause(&well.tripped(now + 60_000, None)), 60);
        assert_eq!(pause(&well.tripped(now + 120_000, None)), 10);
        assert_eq!(pause(&Breaker::default().tripped(NOW, Some(7)).tripped(NOW, None)), 14);
    }

    #[test]
    fn five_builds_that_fail_one_after_the_other_are_too_many_and_one_that_fails_often_is_not() {
        let mut failures = Failures::default();
        for _ in 0..100 {
            assert!(!failures.one("the same"));
        }
        assert_eq!([1, 2, 3, 4].map(|n| failures.one(&n.to_string())), [false, false, false, true]);
        assert_eq!([1, 2, 3, 4].map(|n| failures.one(&n.to_string())), [false; 4]);
        failures.none();
        assert_eq!([5, 6, 7, 8].map(|n| failures.one(&n.to_string())), [false; 4]);
        assert!(failures.one("9"));
    }

    #[test]
    fn what_is_kept_is_read_again_and_nonsense_keeps_nobody_from_asking() {
        let breaker = Breaker::default().tripped(NOW, Some(90));
        assert_eq!(Breaker::from_text(Some(&breaker.to_text())), breaker);
        for text in [None, Some(""), Some("{}"), Some("[]"), Some(r#"{"open":1}"#)] {
            assert_eq!(Breaker::from_text(text).state(NOW), State::Closed, "{text:?}");
        }
    }

    #[test]
    fn what_was_held_goes_out_evenly_and_no_faster_than_was_said() {
        let closed = Breaker::default();
        let delays = |breaker: &Breaker, count| breaker.delays(NOW, count, 120).collect::<Vec<_>>();
        // Whoever asks first lets a minute's worth go.
        let (count, after) = closed.letting_go(NOW, 1_000, 120);
        assert_eq!((count, delays(&closed, 5)), (120, vec![0, 0, 1, 1, 2]));
        assert_eq!(after.letting_go(NOW, 1_000, 120).0, 0);
        // Half a minute later there is room for the other half.
        let (count, later) = after.letting_go(NOW + 30_000, 1_000, 120);
        assert_eq!(count, 60);
        assert_eq!(after.delays(NOW + 30_000, 2, 120).collect::<Vec<_>>(), [30, 30]);
        assert_eq!(later.letting_go(NOW + 30_000, 1_000, 120).0, 0);
        assert_eq!(later.letting_go(NOW + 300_000, 1_000, 120).0, 120);
        // Few take few places.
        let (count, after) = closed.letting_go(NOW, 3, 120);
        assert_eq!((count, after.letting_go(NOW, 1_000, 120).0), (3, 117));
        // Of one that is open none goes, and then one to see whether the origin is well.
        let open = closed.tripped(NOW, Some(9));
        assert_eq!(open.letting_go(NOW, 1_000, 120), (0, open.clone()));
        assert_eq!(open.letting_go(NOW + 9_000, 1_000, 120), (1, open.clone()));
        assert_eq!(open.letting_go(NOW + 9_000, 0, 120).0, 0);
        assert_eq!(closed.letting_go(NOW, 10, 0).0, 1);
    }
}
