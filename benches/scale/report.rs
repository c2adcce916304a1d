//! The report: docs/scale.md and its chart.

use std::fmt::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use buildgate::time::rfc3339;
use charts_rs::BarChart;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde_json::json;

use crate::measure::Needs;
use crate::model::{
    AS_SHIPPED, BUILT, Journal, Load, ONE_ACCOUNT, ONE_GATE, SHIPPED, Setup, builds_a_day, limits,
};
use crate::support::fixtures::PROJECT;

/// The rates that are looked at, in deliveries a second, how the gate is set up, and what is to be done at each.
const STEPS: [(f64, Setup, &str); 4] = [
    (1.0, SHIPPED, "Nothing."),
    (
        100.0,
        SHIPPED,
        "As many gates as the column says, each for a part of the owners: the ledger is what a gate has one of. An App's webhook \
         is one URL, so each gate has an App; an organization on GitHub can register a hundred. Better is the next line.",
    ),
    (
        100.0,
        Setup { name: "no-ignored", journal: Journal::NoIgnored, logs: 0.1 },
        "`JOURNAL = \"no-ignored\"`; `head_sampling_rate = 0.1` under `[observability]`; as many gates as the column says. \
         `max_concurrency` for an origin that bears little.",
    ),
    (
        10_000.0,
        Setup { name: "off", journal: Journal::Off, logs: 0.01 },
        "This is more than one account carries: `JOURNAL = \"off\"`, `head_sampling_rate = 0.01`, and the gates spread over as many \
         accounts, and as many organizations for their Apps, as the column says. The ledgers are full of builds, each of which \
         is kept for 90 days.",
    ),
];

/// Writes the report.
pub fn report(needs: &Needs) {
    let limits = limits(needs);
    let mut text = format!(
        "# How far it goes\n\n\
         For the operator: what a delivery and a build need, where one account ends, what it costs, and what to do then. Written \
         by `npm run scale` on {}.\n\n\
         ## Measured\n\n\
         By the built worker in workerd with stand-ins that count ([benches/scale](../benches/scale)); CPU time is that of the \
         whole process, workerd's own share of HTTP among it, on one of two cores.\n\n",
        date()
    );
    let mut measured = table(["", "an ignored push", "a deployment, built and reported of twice"]);
    for (what, digits, ignored, built) in [
        ("CPU time, µs", 0, needs.ignored.cpu, needs.built.cpu),
        ("statements in the ledger", 2, needs.ignored.statements, needs.built.statements),
        ("SQLite's time for them, µs", 0, needs.ignored.sqlite, needs.built.sqlite),
        ("rows changed", 2, needs.ignored.rows, needs.built.rows),
        ("bytes in the ledger", 0, needs.ignored.bytes, needs.built.bytes),
        (
            "messages on queues, without the journal's",
            2,
            needs.ignored.messages,
            needs.built.messages,
        ),
    ] {
        measured.add_row([
            what.to_owned(),
            format!("{ignored:.digits$}"),
            format!("{built:.digits$}"),
        ]);
    }
    let _ = write!(
        text,
        "{measured}\n\n\
         A build is some fourteen exchanges over HTTP: its delivery and two reports, a message and its batch, the origin's answer, \
         and the statements. Each costs the process less than an ignored push does, of which more than half is workerd's own \
         ([the floor](../benches/results.md)), and none of that is on Cloudflare's bill. What GitHub is told of a build is not \
         among them: three times a message, a call and three statements.\n\n\
         ## Where it ends\n\n\
         With one delivery in {:.0} that builds, by the limits that [Cloudflare](https://developers.cloudflare.com/workers/platform/limits/) \
         and [GitHub](https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api) document; sustained, not \
         for a burst. Workers and KV have no limit of their own that would come before.\n\n",
        1.0 / BUILT
    );
    let mut ends =
        table(["limit", "deliveries a second", "builds a day", "what happens then", "what to do"]);
    for limit in &limits {
        ends.add_row([
            limit.what.to_owned(),
            number(limit.rate),
            number(builds_a_day(limit.rate)),
            limit.then.to_owned(),
            limit.to_do.to_owned(),
        ]);
    }
    let rate_of =
        |what: &str| limits.iter().find(|limit| limit.what == what).map_or(0.0, |limit| limit.rate);
    let (gate, account) = (rate_of(ONE_GATE), rate_of(ONE_ACCOUNT));
    let _ = write!(
        text,
        "{ends}\n\n\
         So one gate carries {} deliveries a second as it is shipped, and some {} without a journal, which are {} builds a day; of \
         repositories with 20 deliveries a day those are {}. One account carries a hundred such gates: {} deliveries a second, {} \
         builds a day, {} repositories. In a burst the queues take up what the ledger and the origin cannot: [Whatever hangs](operate.md#whatever-hangs).\n\n\
         ## What it costs\n\n\
         US dollars a month, by the prices of November 2026 for \
         [Workers](https://developers.cloudflare.com/workers/platform/pricing/), \
         [logs](https://developers.cloudflare.com/workers/observability/logs/workers-logs/#pricing), \
         [KV](https://developers.cloudflare.com/kv/platform/pricing/), \
         [Queues](https://developers.cloudflare.com/queues/platform/pricing/) and \
         [D1](https://developers.cloudflare.com/d1/platform/pricing/), each set up as its column says, for which [What to do](#what-to-do) has \
         the settings and the number of gates. No policy is taken for remembered, the CPU time is the process's, as above, and of several accounts, what \
         is free in each counts once.\n\n",
        number(rate_of(AS_SHIPPED)),
        number(gate),
        number(builds_a_day(gate)),
        number(gate * 86_400.0 / 20.0),
        number(account),
        number(builds_a_day(account)),
        number(account * 86_400.0 / 20.0),
    );
    let loads: Vec<Load> =
        STEPS.iter().map(|(rate, setup, _)| Load::of(needs, *rate, *setup)).collect();
    let names: Vec<String> = STEPS
        .iter()
        .map(|(rate, setup, _)| format!("{} a second, {}", number(*rate), setup.name))
        .collect();
    let mut bill = table(std::iter::once(String::new()).chain(names.iter().cloned()));
    let bills: Vec<_> = loads.iter().map(Load::bill).collect();
    for (position, part) in bills[0].iter().enumerate() {
        let dollars = bills.iter().map(|bill| format!("{:.2}", bill[position].dollars));
        bill.add_row(std::iter::once(part.name.to_owned()).chain(dollars));
    }
    let totals: Vec<f64> =
        bills.iter().map(|bill| bill.iter().map(|part| part.dollars).sum()).collect();
    let sums = totals.iter().map(|total| format!("**{total:.2}**"));
    bill.add_row(std::iter::once("**together**".to_owned()).chain(sums));
    let _ = write!(
        text,
        "{bill}\n\n\
         ![What the bill is made of, by rate](images/scale.svg)\n\n\
         ## What to do\n\n"
    );
    let mut steps = table([
        "deliveries a second",
        "builds a second",
        "statements a second in the ledgers",
        "what they hold, GB",
        "gates",
        "accounts",
        "what to do",
    ]);
    for ((_, setup, to_do), load) in STEPS.iter().zip(&loads) {
        steps.add_row([
            format!("{}, {}", number(load.rate), setup.name),
            number(load.builds),
            number(load.statements),
            number(load.ledger / 1e9),
            format!("{:.0}", load.gates),
            format!("{:.0}", load.accounts()),
            (*to_do).to_owned(),
        ]);
    }
    let _ = write!(text, "{steps}\n\nNext: [Architecture](architecture.md).\n");

    let parts = bills[0].iter().enumerate().map(|(position, part)| {
        let share = |(bill, total): (&Vec<_>, &f64)| {
            let part: &crate::model::Part = &bill[position];
            (100.0 * part.dollars / total).round()
        };
        let data: Vec<f64> = bills.iter().zip(&totals).map(share).collect();
        json!({ "name": part.name, "data": data, "label_show": true })
    });
    let options = json!({
        "width": 1000,
        "height": 420,
        "title_text": "What the bill is made of, in percent",
        "sub_title_text": "by deliveries a second; the sums are US dollars a month",
        "title_margin": { "left": 10.0, "top": 8.0 },
        "sub_title_margin": { "left": 10.0 },
        "title_align": "left",
        "sub_title_align": "left",
        "legend_align": "right",
        "legend_font_size": 12,
        "series_list": parts.collect::<Vec<_>>(),
        "x_axis_data": names.iter().zip(&totals)
            .map(|(name, total)| format!("{name}: ${}", number(*total))).collect::<Vec<_>>(),
    });
    let chart = BarChart::from_json(&options.to_string()).and_then(|chart| chart.svg());
    let chart = chart.expect("a chart of these options");
    println!("{text}");
    let docs = Path::new(PROJECT).join("docs");
    std::fs::write(docs.join("scale.md"), text).expect("docs/scale.md");
    std::fs::write(docs.join("images/scale.svg"), chart).expect("docs/images/scale.svg");
}

fn table(header: impl IntoIterator<Item = impl Into<comfy_table::Cell>>) -> Table {
    let mut table = Table::new();
    table
        .load_preset(ASCII_MARKDOWN)
        .set_header(header.into_iter().map(Into::into).collect::<Vec<comfy_table::Cell>>());
    table
}

/// A number as a person reads it: two digits that say something, and commas between the thousands.
fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.1}").trim_end_matches(".0").to_owned();
    }
    let magnitude = 10_f64.powi(value.log10().floor() as i32 - 1);
    let digits = format!("{:.0}", (value / magnitude).round() * magnitude);
    let mut number = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            number.push(',');
        }
        number.push(digit);
    }
    number
}

fn date() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    rfc3339(now.as_millis() as u64).chars().take("2026-01-01".len()).collect()
}
