//! How much GitHub may still be asked, as its answers say it.

/// How often what was seen is given to be kept, in seconds, where much is left.
const KEPT_EVERY: u64 = 60;

/// What is left of the requests of an hour
/// (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api?apiVersion=2022-11-28#checking-the-status-of-your-rate-limit>).
/// Times are in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many requests are left.
    pub remaining: u64,
    /// How many there are in an hour.
    pub of: u64,
    /// When there are as many again.
    pub resets_at: u64,
    /// When this was said.
    pub seen_at: u64,
}

impl Limit {
    /// Reads it from an answer's headers; none where they do not have it, or count anything but the usual requests.
    pub fn of(header: impl Fn(&'static str) -> Option<String>, now: u64) -> Option<Self> {
        let number = |name| header(name)?.trim().parse().ok();
        header("x-ratelimit-resource").is_none_or(|of| of == "core").then_some(())?;
        Some(Self {
            remaining: number("x-ratelimit-remaining")?,
            of: number("x-ratelimit-limit")?,
            resets_at: number("x-ratelimit-reset")?,
            seen_at: now,
        })
    }

    /// Whether less than a tenth is left.
    pub fn is_low(&self) -> bool {
        self.remaining < self.of / 10
    }

    /// Whether there are as many again by now.
    pub fn is_over(&self, now: u64) -> bool {
        self.resets_at <= now
    }

    /// The text that [`Limit::from_text`] reads.
    pub fn to_text(self) -> String {
        let Self { remaining, of, resets_at, seen_at } = self;
        format!("{remaining} {of} {resets_at} {seen_at}")
    }

    /// Reads what [`Limit::to_text`] has written.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        Some(Self { remaining: next()?, of: next()?, resets_at: next()?, seen_at: next()? })
    }
}

/// What was seen since something was given to be kept last.
#[derive(Debug, Default)]
pub struct Seen {
    least: Option<Limit>,
    given_at: u64,
}

impl Seen {
    /// Sees what an answer says. Each installation of an App has a limit of its own: it is the one that has the least left
    /// that an operator has to know of.
    pub fn see(&mut self, limit: Limit) {
        if self
            .least
            .is_none_or(|least| limit.remaining <= least.remaining || least.is_over(limit.seen_at))
        {
            self.least = Some(limit);
        }
    }

    /// Gives what is to be kept, if it is time for that.
    pub fn take(&mut self, now: u64) -> Option<Limit> {
        let least = self.least?;
        if !least.is_low() && now < self.given_at + KEPT_EVERY {
            return None;
        }
        self.given_at = now;
        self.least.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { remaining: 4_000, of: 5_000, resets_at: 3_600, seen_at: 7 };

    #[test]
    fn it_is_read_from_the_headers_of_an_answer_and_as_it_was_written() {
        let headers = |remaining: &'static str, resource: &'static str| {
            move |name: &'static str| {
                let value = match name {
                    "x-ratelimit-remaining" => remaining,
                    "x-ratelimit-limit" => "5000",
                    "x-ratelimit-reset" => "3600",
                    "x-ratelimit-resource" => resource,
                    _ => return None,
                };
                Some(value.to_owned())
            }
        };
        assert_eq!(Limit::of(headers("4000", "core"), 7), Some(LIMIT));
        assert_eq!(Limit::of(headers("4000", "search"), 7), None);
        assert_eq!(Limit::of(headers("-1", "core"), 7), None);
        assert_eq!(Limit::of(|_| None, 7), None);
        assert_eq!(Limit::from_text(&LIMIT.to_text()), Some(LIMIT));
        for text in ["", "1 2 3", "1 2 3 x"] {
            assert_eq!(Limit::from_text(text), None);
        }
    }

    #[test]
    fn the_least_is_given_once_a_minute_and_at_once_where_it_is_low() {
        let mut seen = Seen::default();
        assert_eq!(seen.take(60), None);
        for remaining in [4_000, 3_999, 4_500] {
            seen.see(Limit { remaining, ..LIMIT });
        }
        assert_eq!(seen.take(60), Some(Limit { remaining: 3_999, ..LIMIT }));
        seen.see(LIMIT);
        assert_eq!(seen.take(119), None);
        assert_eq!(seen.take(120), Some(LIMIT));
        let low = Limit { remaining: 499, ..LIMIT };
        seen.see(low);
        assert_eq!(seen.take(121), Some(low));
        // When the hour is over, the least is no longer what it was.
        seen.see(Limit { remaining: 600, ..LIMIT });
        let anew = Limit { remaining: 4_999, seen_at: 3_600, resets_at: 7_200, ..LIMIT };
        seen.see(anew);
        assert_eq!(seen.take(3_600), Some(anew));
    }
}
