//! The report: tables for people, and a chart.

use std::fmt::Write;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use buildgate::time::rfc3339;
use charts_rs::BarChart;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::contender::Contender;
use crate::fixtures::PROJECT;
use crate::run::{Case, Figure, Results};

/// The contenders that a figure is held against, each with the most that buildgate may need of it.
type Bounds = &'static [(Contender, f64)];

/// What is aimed at: in CPU, or in memory, at most so many times what the other contender needs.
const TARGETS: [(Figure, Case, Bounds); 6] = {
    use Contender::{Floor, Handwritten, Octokit};
    [
        (Figure::Cpu, Case::Forged, &[(Octokit, 1.0), (Handwritten, 1.0), (Floor, 1.5)]),
        (Figure::Cpu, Case::Push7K, &[(Octokit, 0.65), (Handwritten, 0.75), (Floor, 1.8)]),
        (Figure::Cpu, Case::Deployment, &[(Octokit, 0.75), (Handwritten, 0.85)]),
        (Figure::Cpu, Case::Push1M, &[(Octokit, 0.7), (Handwritten, 0.75)]),
        (Figure::Cpu, Case::Push25M, &[(Octokit, 0.6), (Handwritten, 0.5)]),
        (Figure::Memory, Case::Push25M, &[(Octokit, 0.4), (Handwritten, 0.35)]),
    ]
};
/// The most that may be uploaded, gzipped, in KiB: the limit of .ci/run.
const LARGEST_UPLOAD: f64 = 480.0;
/// The time to the first answer, at most so many times octokit's.
const SLOWEST_START: f64 = 1.2;

/// The median of some values, their minimum and their maximum.
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted[middle],
        };
        Self { median, min: sorted[0], max: sorted[sorted.len() - 1] }
    }

    fn show(&self) -> String {
        let digits = match self.median {
            median if median < 10.0 => 2,
            median if median < 100.0 => 1,
            _ => 0,
        };
        let Self { median, min, max } = self;
        format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
    }
}

impl Results {
    fn spread(&self, figure: Figure, case: Case, contender: Contender) -> Option<Spread> {
        self.figures.get(&(figure, case, contender.name())).map(|values| Spread::of(values))
    }

    /// The ratio of buildgate's median to another contender's.
    fn ratio(&self, figure: Figure, case: Case, other: Contender) -> f64 {
        let median = |contender| {
            self.spread(figure, case, contender).map_or(f64::NAN, |spread| spread.median)
        };
        median(Contender::Buildgate) / median(other)
    }

    fn first_answer(&self, contender: Contender) -> Spread {
        Spread::of(&self.first_answer[contender.name()])
    }
}

/// Prints the report, and writes it where the README shows it.
pub fn report(results: &Results, rounds: usize, took: Duration) {
    let about = format!("{} · {}", date(), machine());
    let mut text = format!(
        "# Benchmark: buildgate beside the JavaScript that people would write instead\n\n\
         {about}\n\n\
         Printed by `npm run bench`, which took {} s. Medians of {rounds} interleaved rounds, with \
         minimum and maximum in brackets.\n",
        took.as_secs()
    );
    let mut section = |title: &str, table: Table| {
        let _ = write!(text, "\n## {title}\n\n{table}\n");
    };
    section("Targets", targets(results));
    for (title, figure) in [
        ("CPU time of the process, µs a request", Figure::Cpu),
        ("Requests a second", Figure::Rate),
        ("Median time to an answer, ms", Figure::Median),
        ("99th percentile of the time to an answer, ms", Figure::P99),
        ("Peak memory above the idle process, MiB", Figure::Memory),
    ] {
        section(title, figures(results, figure));
    }
    section("CPU time, buildgate's in relation to the others'", ratios(results));
    section("Size and start", size_and_start(results));

    write(&text, &chart(results, &about));
    // A reader that has gone is no reason to fail.
    let _ = write!(std::io::stdout(), "{text}");
}

fn write(text: &str, chart: &str) {
    for (name, content) in [("results.md", text), ("results.svg", chart)] {
        std::fs::write(format!("{PROJECT}/benches/{name}"), content).expect("a result is written");
    }
}

fn table(first: &str, columns: impl IntoIterator<Item = impl Into<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    let columns = columns.into_iter().map(Into::into);
    table.set_header(std::iter::once(first.to_owned()).chain(columns));
    table
}

fn targets(results: &Results) -> Table {
    let mut table = table("buildgate needs", ["against", "target", "measured", "met"]);
    let mut row = |what: &str, against: &str, target: String, measured: String, met: bool| {
        table.add_row([what, against, &target, &measured, if met { "yes" } else { "NO" }]);
    };
    for (figure, case, bounds) in TARGETS {
        let what = if figure == Figure::Memory { "memory" } else { "CPU" };
        for (other, bound) in bounds {
            let ratio = results.ratio(figure, case, *other);
            row(
                &format!("{what}: {}", case.name()),
                other.name(),
                format!("≤ {bound:.2}"),
                format!("{ratio:.2}"),
                ratio <= *bound,
            );
        }
    }
    let size = gzipped(Contender::Buildgate);
    row(
        "gzipped size of the upload",
        "",
        format!("≤ {LARGEST_UPLOAD} KiB"),
        format!("{size:.1} KiB"),
        size <= LARGEST_UPLOAD,
    );
    let start = results.first_answer(Contender::Buildgate).median
        / results.first_answer(Contender::Octokit).median;
    row(
        "time to the first answer",
        Contender::Octokit.name(),
        format!("≤ {SLOWEST_START:.2}"),
        format!("{start:.2}"),
        start <= SLOWEST_START,
    );
    table
}

fn figures(results: &Results, figure: Figure) -> Table {
    let mut table = table("", Contender::ALL.map(Contender::name));
    for case in Case::ALL {
        let cells: Vec<_> = Contender::ALL
            .into_iter()
            .filter_map(|contender| results.spread(figure, case, contender))
            .map(|spread| spread.show())
            .collect();
        if !cells.is_empty() {
            table.add_row(std::iter::once(case.name().to_owned()).chain(cells));
        }
    }
    table
}

fn ratios(results: &Results) -> Table {
    let others = [Contender::Octokit, Contender::Handwritten, Contender::Floor];
    let mut table = table("", others.map(|other| format!("to {}", other.name())));
    for case in Case::ALL {
        let ratios = others.map(|other| format!("{:.2}", results.ratio(Figure::Cpu, case, other)));
        table.add_row(std::iter::once(case.name().to_owned()).chain(ratios));
    }
    table
}

fn size_and_start(results: &Results) -> Table {
    let mut table = table("", Contender::ALL.map(Contender::name));
    let sizes = Contender::ALL.map(|contender| format!("{:.1}", gzipped(contender)));
    table.add_row(std::iter::once("gzipped size, KiB".to_owned()).chain(sizes));
    let starts = Contender::ALL.map(|contender| results.first_answer(contender).show());
    let what = "from the process's start to the first answer to a push, ms";
    table.add_row(std::iter::once(what.to_owned()).chain(starts));
    table
}

/// The gzipped size of all that would be uploaded, in KiB.
fn gzipped(contender: Contender) -> f64 {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for file in contender.files() {
        let content = std::fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        encoder.write_all(&content).expect("memory takes everything");
    }
    encoder.finish().expect("memory takes everything").len() as f64 / 1024.0
}

/// The CPU time of each contender, octokit's taken as 100.
fn chart(results: &Results, about: &str) -> String {
    let cpu = |case, contender| {
        results.spread(Figure::Cpu, case, contender).map_or(f64::NAN, |spread| spread.median)
    };
    let series: Vec<_> = Contender::ALL
        .into_iter()
        .map(|contender| {
            let relative =
                |case| (100.0 * cpu(case, contender) / cpu(case, Contender::Octokit)).round();
            let data: Vec<f64> = Case::ALL.into_iter().map(relative).collect();
            json!({ "name": contender.name(), "data": data, "label_show": true })
        })
        .collect();
    let options = json!({
        "width": 1000,
        "height": 420,
        "title_text": "CPU time a request, octokit = 100 (less is better)",
        "sub_title_text": about,
        "title_margin": { "left": 10.0, "top": 8.0 },
        "title_align": "left",
        "sub_title_align": "left",
        "legend_align": "right",
        "legend_font_size": 12,
        "series_list": series,
        "x_axis_data": Case::ALL.map(Case::short_name),
    });
    let chart = BarChart::from_json(&options.to_string()).and_then(|chart| chart.svg());
    chart.expect("a chart of these options")
}

fn date() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    rfc3339(now.as_millis() as u64).chars().take("2026-01-01".len()).collect()
}

/// What it ran on.
fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let workerd = Command::new(format!("{PROJECT}/node_modules/workerd/bin/workerd"))
        .arg("--version")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    format!("{}, {cores} cores, Linux, {workerd}", model.trim_start_matches([' ', '\t', ':']))
}
