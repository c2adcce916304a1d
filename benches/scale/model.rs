//! The model: what so many deliveries a second need, where that ends, and what it costs.

use crate::measure::Needs;

/// Which part of all deliveries has something built. (In one outage of a peer's, 270 of 7,000 mattered:
/// <https://github.com/oxidecomputer/buildomat/issues/109>.)
pub const BUILT: f64 = 0.1;

/// How many deliveries a second one isolate answers, which decides how many there are, and so how many messages the journal
/// needs: each isolate sends one a second.
const OF_AN_ISOLATE: f64 = 50.0;

/// What GitHub is told of a build: `queued`, `in_progress`, `success`. Each is a message on the queue `github`, a call of
/// GitHub's, three statements in the ledger, which change its row twice, and a line of the log.
const TOLD: f64 = 3.0;
const STATEMENTS_OF_ONE_TOLD: f64 = 3.0;
const ROWS_OF_ONE_TOLD: f64 = 2.0;

/// How often the origin reports of a build.
const REPORTED: f64 = 2.0;

/// Rows written for each row that is changed: an index that has an entry for it is another one
/// (<https://developers.cloudflare.com/d1/platform/pricing/#definitions>). The journal has three of them, and so have builds;
/// but what changes in a build is in one of them, at the most.
const WITH_INDEXES: f64 = 4.0;
const CHANGED_WITH_INDEXES: f64 = 2.0;

/// How long the journal is kept, in days, as it is shipped.
const DAYS: f64 = 30.0;
/// How long a build is kept after its end, in days.
const DAYS_OF_A_BUILD: f64 = 90.0;

const SECONDS_A_DAY: f64 = 86_400.0;
const SECONDS_A_MONTH: f64 = 30.0 * SECONDS_A_DAY;
const MILLION: f64 = 1e6;

/// What a database can hold, in bytes (<https://developers.cloudflare.com/d1/platform/limits/>).
const LARGEST_LEDGER: f64 = 10e9;
/// What all databases of an account can hold, in bytes (the same page).
const LARGEST_ACCOUNT: f64 = 1e12;
/// What a database does in a second: one statement after the other, of a millisecond each
/// (<https://developers.cloudflare.com/d1/platform/limits/#frequently-asked-questions>).
const STATEMENTS_A_SECOND: f64 = 1_000.0;
/// What a queue takes in a second (<https://developers.cloudflare.com/queues/platform/limits/>).
const MESSAGES_A_SECOND: f64 = 5_000.0;
/// How many connections all consumers of a queue keep to the origin: 250 batches, of six each.
const CONNECTIONS: f64 = 250.0 * 6.0;
/// How long the origin takes to answer, in seconds: an assumption.
const ORIGIN: f64 = 0.1;
/// How many calls an App may make in an hour for each account that it is installed on, at the least
/// (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>).
const CALLS_AN_HOUR: f64 = 5_000.0;

/// What the journal remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    All,
    NoIgnored,
    Off,
}

impl Journal {
    /// How many entries come of a delivery that is ignored, and of one that has something built.
    fn entries(self) -> (f64, f64) {
        match self {
            Self::All => (1.0, 1.0),
            Self::NoIgnored => (0.0, 1.0),
            Self::Off => (0.0, 0.0),
        }
    }
}

/// How the gate is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub name: &'static str,
    pub journal: Journal,
    /// Which part of the log's lines is kept.
    pub logs: f64,
}

/// As it is shipped.
pub const SHIPPED: Setup = Setup { name: "as shipped", journal: Journal::All, logs: 1.0 };

/// What so many deliveries a second need.
pub struct Load {
    /// Deliveries a second.
    pub rate: f64,
    /// Builds a second.
    pub builds: f64,
    /// Statements in the ledger a second, a batch of the journal counted as what it is.
    pub statements: f64,
    /// What the ledger comes to hold, in bytes.
    pub ledger: f64,
    /// How many gates that takes, each with a ledger of its own that holds no more than it can.
    pub gates: f64,
    /// Rows written a second.
    rows: f64,
    /// Events of the log that are kept, a second: <https://developers.cloudflare.com/workers/observability/logs/workers-logs/>.
    lines: f64,
    /// Messages on all queues a second.
    messages: f64,
    /// Requests, batches of the consumers among them, a second.
    requests: f64,
    /// CPU milliseconds a second.
    pub cpu: f64,
}

/// A part of the bill, in US dollars a month.
pub struct Part {
    pub name: &'static str,
    pub dollars: f64,
}

/// A limit, and at how many deliveries a second it is reached.
pub struct Limit {
    pub what: &'static str,
    pub rate: f64,
    pub then: &'static str,
    pub to_do: &'static str,
}

/// How many isolates of a gate answer so many deliveries a second.
fn isolates(rate: f64) -> f64 {
    (rate / OF_AN_ISOLATE).max(1.0).min(rate)
}

impl Load {
    /// What so many deliveries a second need.
    pub fn of(needs: &Needs, rate: f64, setup: Setup) -> Self {
        let builds = BUILT * rate;
        let ignored = rate - builds;
        let (of_an_ignored, of_a_built) = setup.journal.entries();
        let entries = ignored * of_an_ignored + builds * of_a_built;
        // An ignored push leaves an entry and nothing else, so a build's row is what its delivery leaves beyond that.
        let (entry, row) = (needs.ignored.bytes, needs.built.bytes - needs.ignored.bytes);
        let changes = needs.built.rows - needs.ignored.rows + TOLD * ROWS_OF_ONE_TOLD;
        let ledger = SECONDS_A_DAY * (entries * entry * DAYS + builds * row * DAYS_OF_A_BUILD);
        // What a build's own journal row is was measured with it; the rest of its statements are its own.
        let of_builds = builds * (needs.built.statements + TOLD * STATEMENTS_OF_ONE_TOLD);
        let gates = (ledger / LARGEST_LEDGER).max(of_builds / STATEMENTS_A_SECOND).ceil();
        let journal = if entries > 0.0 { gates * isolates(rate / gates) } else { 0.0 };
        // A batch of up to a hundred messages is three statements, at the most one batch in two seconds for each gate.
        let batches = (journal / 100.0).max((0.5 * gates).min(journal));
        let messages = builds * (1.0 + TOLD) + journal;
        // The batches of builds and of what GitHub is told are of ten.
        let requests = rate + builds * (REPORTED + (1.0 + TOLD) / 10.0) + batches;
        Self {
            rate,
            builds,
            statements: of_builds + 3.0 * batches,
            ledger,
            gates,
            // What is written is deleted after its time.
            rows: entries * needs.ignored.rows * 2.0 * WITH_INDEXES
                + builds * (changes * CHANGED_WITH_INDEXES + WITH_INDEXES),
            // Each of the gate's own, and one that Cloudflare writes of each request.
            lines: setup.logs * (rate + builds * (1.0 + TOLD + REPORTED) + requests),
            messages,
            requests,
            cpu: (ignored * needs.ignored.cpu + builds * needs.built.cpu) / 1e3,
        }
    }

    /// How many accounts.
    pub fn accounts(&self) -> f64 {
        (self.ledger / LARGEST_ACCOUNT).ceil()
    }

    /// What it costs, by the prices of November 2026. What is free in an account counts once, were there several.
    pub fn bill(&self) -> Vec<Part> {
        let beyond = |used_a_second: f64, included: f64, price: f64| {
            (used_a_second * SECONDS_A_MONTH / MILLION - included).max(0.0) * price
        };
        let stored = self.ledger / 1e9;
        vec![
            Part { name: "plan", dollars: 5.0 * self.accounts() },
            // https://developers.cloudflare.com/workers/platform/pricing/
            Part { name: "requests", dollars: beyond(self.requests, 10.0, 0.3) },
            Part { name: "CPU time", dollars: beyond(self.cpu, 30.0, 0.02) },
            Part { name: "logs", dollars: beyond(self.lines, 20.0, 0.6) },
            // Two keys for each delivery, where nothing is remembered: https://developers.cloudflare.com/kv/platform/pricing/
            Part { name: "KV", dollars: beyond(2.0 * self.rate, 10.0, 0.5) },
            // Written, read, deleted: https://developers.cloudflare.com/queues/platform/pricing/
            Part { name: "queues", dollars: beyond(3.0 * self.messages, 1.0, 0.4) },
            // https://developers.cloudflare.com/d1/platform/pricing/
            Part {
                name: "D1",
                dollars: beyond(self.rows, 50.0, 1.0) + (stored - 5.0).max(0.0) * 0.75,
            },
        ]
    }
}

/// The limits that end what one gate carries as it is shipped, what one carries at all, and what one account does.
pub const AS_SHIPPED: &str =
    "the ledger's size, as it is shipped: all deliveries for 30 days, builds for 90";
pub const ONE_GATE: &str = "the ledger's size, with `JOURNAL = \"off\"`: builds alone, for 90 days";
pub const ONE_ACCOUNT: &str =
    "what all ledgers of an account hold together, with `JOURNAL = \"off\"`";

/// What happens where a ledger is full, once it was said.
const AS_ABOVE: &str = "D1 takes no more rows: see the first line";

/// Where it ends, the first limit first.
pub fn limits(needs: &Needs) -> Vec<Limit> {
    let a_second = |journal| Load::of(needs, 1.0, Setup { journal, ..SHIPPED });
    let holds = |most: f64, journal| most / a_second(journal).ledger;
    let mut limits = vec![
        Limit {
            what: AS_SHIPPED,
            rate: holds(LARGEST_LEDGER, Journal::All),
            then: "D1 takes no more rows: the journal's queue waits, and builds are handed over without being kept or told of",
            to_do: "`JOURNAL = \"no-ignored\"`, or `JOURNAL_DAYS` down",
        },
        Limit {
            what: "the ledger's size, with `JOURNAL = \"no-ignored\"`",
            rate: holds(LARGEST_LEDGER, Journal::NoIgnored),
            then: AS_ABOVE,
            to_do: "`JOURNAL = \"off\"`, or `JOURNAL_DAYS` down",
        },
        Limit {
            what: ONE_GATE,
            rate: holds(LARGEST_LEDGER, Journal::Off),
            then: AS_ABOVE,
            to_do: "a second gate for some of the owners: a Worker, queues and a ledger of its own",
        },
        Limit {
            what: ONE_ACCOUNT,
            rate: holds(LARGEST_ACCOUNT, Journal::Off),
            then: AS_ABOVE,
            to_do: "a second account for some of the gates",
        },
        Limit {
            what: "statements a second in one ledger",
            rate: STATEMENTS_A_SECOND / a_second(Journal::Off).statements,
            then: "statuses on GitHub come late and the journal lags; deliveries are answered and handed over as ever",
            to_do: "a second gate, as for the ledger's size",
        },
        Limit {
            what: "calls of GitHub's, if all repositories are of one account",
            rate: CALLS_AN_HOUR / 3_600.0 / TOLD / BUILT,
            then: "what is said on GitHub waits for the next hour; nothing is lost",
            to_do: "nothing, where there are many accounts: each has a limit of its own. Else GitHub raises it with the number of repositories, to 12,500 an hour at the most",
        },
        Limit {
            what: "connections to the origin, if it takes 100 ms to answer",
            rate: CONNECTIONS / ORIGIN / BUILT,
            then: "build requests wait on the queue",
            to_do: "an origin that answers at once and builds later; further build queues",
        },
        Limit {
            what: "messages a second on the build queue",
            rate: MESSAGES_A_SECOND / BUILT,
            then: "what it does not take goes to the outbox, and then is answered 503",
            to_do: "`BUILD_QUEUE_2` and so on: each takes as many again",
        },
    ];
    limits.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    limits
}

/// How many builds a day that is.
pub fn builds_a_day(rate: f64) -> f64 {
    rate * BUILT * SECONDS_A_DAY
}
