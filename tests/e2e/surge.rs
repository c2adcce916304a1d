//! Bursts, and what Cloudflare is made of not answering: whatever hangs, each delivery is answered within 10 seconds, and
//! what was answered 202 arrives. `npm run surge` makes each a minute of ten times the usual rate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::support::delivery::Delivery;
use crate::support::edge::{Edge, Mood};
use crate::support::fixtures::payload;
use crate::support::origin::{Origin, Received, Reply};

/// How many deliveries a second are usual.
const USUAL: u32 = 20;

/// Within what GitHub wants an answer.
const PATIENCE_OF_GITHUB: Duration = Duration::from_secs(10);

/// How long the origin may get nothing new before what is missing counts as lost.
const STANDSTILL: Duration = Duration::from_secs(30);

/// How often the minute's cron trigger goes off here.
const MINUTE: Duration = Duration::from_secs(2);

/// How long there are deliveries, and how many a second.
struct Load {
    lasting: Duration,
    rate: u32,
}

impl Load {
    /// Seconds by the variable `SURGE_SECONDS`, at ten times the usual rate; a short one at the usual rate without it.
    fn of_this_run() -> Self {
        match std::env::var("SURGE_SECONDS") {
            Ok(seconds) => {
                Self { lasting: Duration::from_secs(seconds.parse().unwrap()), rate: 10 * USUAL }
            }
            Err(_) => Self { lasting: Duration::from_secs(3), rate: USUAL },
        }
    }
}

/// What came of a surge.
#[derive(Debug, Default)]
struct Counts {
    answers: BTreeMap<String, usize>,
    slowest: Duration,
    accepted: BTreeSet<String>,
    arrived: BTreeMap<String, usize>,
}

impl Counts {
    fn lost(&self) -> usize {
        self.accepted.iter().filter(|build| !self.arrived.contains_key(*build)).count()
    }

    fn unasked(&self) -> usize {
        self.arrived.keys().filter(|build| !self.accepted.contains(*build)).count()
    }

    fn answered(&self, answer: &str) -> usize {
        self.answers.get(answer).copied().unwrap_or(0)
    }
}

/// A deployment of its own, of one of a hundred repositories.
fn deployment(number: u32) -> Delivery {
    deployment_of(&format!("octocat/repository-{}", number % 100), 1_000_000 + number)
}

/// A deployment of a repository, of this id.
fn deployment_of(repository: &str, id: u32) -> Delivery {
    let mut payload = payload("deployment.created");
    payload["repository"]["full_name"] = repository.into();
    payload["repository"]["clone_url"] = format!("https://github.com/{repository}.git").into();
    payload["deployment"]["id"] = id.into();
    // Whoever has a repository's secret can write any.
    payload["repository"]["id"] = id.into();
    Delivery::json("deployment", payload.to_string())
}

/// Sends one delivery, which is queued.
fn send_one(edge: &Edge, Delivery { headers, body, .. }: Delivery) {
    let request = headers
        .into_iter()
        .fold(ureq::post(&edge.url), |request, (name, value)| request.header(name, value));
    assert_eq!(request.send(&body).unwrap().status(), 202);
}

/// Sends deliveries at a steady rate, whether or not those before are answered, as GitHub does.
fn send(edge: &Edge, load: &Load) -> Counts {
    let runtime = Runtime::new().unwrap();
    let counts = Arc::new(Mutex::new(Counts::default()));
    let client = reqwest::Client::builder().pool_max_idle_per_host(64).build().unwrap();
    let count = (load.lasting.as_secs_f64() * f64::from(load.rate)) as u32;
    runtime.block_on(async {
        let began = Instant::now();
        let mut sent = tokio::task::JoinSet::new();
        for number in 0..count {
            let due = began + Duration::from_secs(1) * number / load.rate;
            tokio::time::sleep_until(due.into()).await;
            let Delivery { headers, body, .. } = deployment(number);
            let mut request = client.post(&edge.url).body(body);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let counts = Arc::clone(&counts);
            sent.spawn(async move {
                let began = Instant::now();
                let answer = request.send().await.expect("an answer");
                let status = answer.status().as_u16();
                let body: serde_json::Value =
                    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
                let mut counts = counts.lock().unwrap();
                counts.slowest = counts.slowest.max(began.elapsed());
                let code = body["code"].as_str().unwrap();
                *counts.answers.entry(format!("{status} {code}")).or_default() += 1;
                if status == 202 {
                    counts.accepted.insert(body["build"].as_str().unwrap().to_owned());
                }
            });
        }
        sent.join_all().await;
    });
    Arc::try_unwrap(counts).unwrap().into_inner().unwrap()
}

/// How often each build has been accepted by the origin.
fn arrived(accepted: &Mutex<BTreeMap<String, usize>>) -> BTreeMap<String, usize> {
    accepted.lock().unwrap().clone()
}

/// Has a surge come to a gate with so many build queues, some of whose neighbours are as they are told; makes them well
/// when it is over, and waits for what was accepted.
fn surge(
    name: &str,
    shards: &[u32],
    vars: &[(&'static str, &str)],
    moods: &[(&str, Mood)],
) -> Counts {
    let taken = Arc::new(Mutex::new(BTreeMap::new()));
    let noted = Arc::clone(&taken);
    let origin = Origin::start_with(move |received: &Received, _| {
        let build = received.body["id"].as_str().unwrap().to_owned();
        *noted.lock().unwrap().entry(build).or_default() += 1;
        Reply::Status(202)
    });
    let edge = Edge::start(&origin.url, shards, vars);
    edge.set("octocat/*", "deployment");
    for (stand_in, mood) in moods {
        edge.tell(stand_in, *mood);
    }
    let load = Load::of_this_run();
    let mut counts = send(&edge, &load);
    for (stand_in, _) in moods {
        edge.tell(stand_in, Mood::Well);
    }
    let healed = Instant::now();
    let (mut progress, mut ticked) = (Instant::now(), Instant::now() - MINUTE);
    let waiting = || edge.number("SELECT COUNT(*) FROM outbox");
    while (counts.lost() > 0 || waiting() > 0) && progress.elapsed() < STANDSTILL {
        if ticked.elapsed() >= MINUTE {
            edge.cron("* * * * *");
            ticked = Instant::now();
        }
        thread::sleep(Duration::from_millis(100));
        let now = arrived(&taken);
        if now.len() > counts.arrived.len() {
            progress = Instant::now();
        }
        counts.arrived = now;
    }
    let all_after = healed.elapsed();
    // What comes twice may come later.
    thread::sleep(Duration::from_secs(1));
    counts.arrived = arrived(&taken);
    let twice = counts.arrived.values().filter(|times| **times > 1).count();
    let mut told = format!("{name}: {} a second for {} s\n", load.rate, load.lasting.as_secs());
    for (answer, count) in &counts.answers {
        let _ = writeln!(told, "  {count:>6}  answered {answer}");
    }
    let _ = writeln!(told, "  {:>6.2}  seconds, the slowest answer", counts.slowest.as_secs_f64());
    let _ = writeln!(told, "  {:>6}  accepted", counts.accepted.len());
    let _ = writeln!(
        told,
        "  {:>6}  arrived, all of them {:.1} s after the surge",
        counts.arrived.len(),
        all_after.as_secs_f64()
    );
    let _ = writeln!(told, "  {twice:>6}  arrived twice, under the same id");
    let _ = writeln!(told, "  {:>6}  lost", counts.lost());
    let _ = writeln!(told, "  {:>6}  in the outbox", waiting());
    print!("{told}");
    assert!(counts.slowest < PATIENCE_OF_GITHUB, "{name}: {:?}", counts.slowest);
    assert_eq!(counts.lost(), 0, "{name}");
    assert_eq!(waiting(), 0, "{name}");
    counts
}

/// A name, the build queues that are bound, how who is disposed, and the one answer that all deliveries get.
type Case<'a> = (&'a str, &'a [u32], &'a [(&'a str, Mood)], &'a str);

/// Holds each of these to what every surge is held to, and to the one answer that all its deliveries get.
fn hold(cases: &[Case]) {
    let hold = |(name, shards, moods, answer): &Case| {
        let counts = surge(name, shards, &[], moods);
        let sent: usize = counts.answers.values().sum();
        assert_eq!(counts.answered(answer), sent, "{name}: {counts:?}");
        // What was refused may arrive where only the answer was lost, and nothing else does.
        if !moods.iter().any(|(_, mood)| *mood == Mood::LosesAnswers) {
            assert_eq!(counts.unasked(), 0, "{name}");
        }
    };
    if std::env::var("SURGE_SECONDS").is_ok() {
        // One after the other, for each is to have the machine for itself.
        cases.iter().for_each(hold);
        return;
    }
    // They wait most of the time.
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || hold(case));
        }
    });
}

const QUEUED: &str = "202 deployment-queued";

#[test]
fn what_a_queue_does_not_take_in_time_another_or_the_outbox_does() {
    use Mood::{Hangs, LosesAnswers, Refuses};
    hold(&[
        ("all is well", &[1], &[], QUEUED),
        ("the queue hangs", &[1], &[("builds", Hangs)], QUEUED),
        ("the queue refuses", &[1], &[("builds", Refuses)], QUEUED),
        ("the queue loses its answers", &[1], &[("builds", LosesAnswers)], QUEUED),
        ("one of three queues hangs", &[1, 2, 3], &[("builds-2", Hangs)], QUEUED),
        (
            "all of three queues hang",
            &[1, 2, 3],
            &[("builds", Hangs), ("builds-2", Hangs), ("builds-3", Hangs)],
            QUEUED,
        ),
    ]);
}

#[test]
fn where_the_ledger_or_kv_hangs_each_delivery_is_answered_in_time() {
    use Mood::{Hangs, LosesAnswers, Refuses};
    hold(&[
        ("the ledger hangs", &[1], &[("d1", Hangs)], QUEUED),
        ("the ledger refuses", &[1], &[("d1", Refuses)], QUEUED),
        ("KV hangs", &[1], &[("kv", Hangs)], "503 policy-unavailable"),
        (
            "the queue hangs, and the ledger loses its answers",
            &[1],
            &[("builds", Hangs), ("d1", LosesAnswers)],
            "503 queue-unavailable",
        ),
        (
            "the queue and the ledger hang",
            &[1],
            &[("builds", Hangs), ("d1", Hangs)],
            "503 queue-unavailable",
        ),
    ]);
}

/// How many build requests are held.
fn held(edge: &Edge) -> usize {
    edge.number("SELECT COUNT(*) FROM held") as usize
}

/// Waits until the breaker has opened for the first time.
fn wait_for_the_breaker(edge: &Edge) {
    edge.wait_until(|| edge.number("SELECT COUNT(*) FROM marks WHERE name = 'breaker'") == 1);
}

/// Has the minute's cron trigger go off again and again, and twice at once, as may happen, until as many are there as are
/// `wanted`: says how long that took.
fn ticked_until(edge: &Edge, what: &str, wanted: usize, there: impl Fn() -> usize) -> Duration {
    let began = Instant::now();
    let (mut most, mut progress) = (0, Instant::now());
    loop {
        let now = there();
        if now >= wanted {
            return began.elapsed();
        }
        if now > most {
            (most, progress) = (now, Instant::now());
        }
        assert!(
            progress.elapsed() < 2 * STANDSTILL,
            "{now} of {wanted} {what}, and no more come:\n{}",
            edge.output()
        );
        thread::scope(|scope| {
            scope.spawn(|| edge.cron("* * * * *"));
            edge.cron("* * * * *");
        });
        thread::sleep(MINUTE);
    }
}

#[test]
fn an_origin_that_is_down_is_asked_by_few_and_gets_everything_when_it_is_up() {
    let is_down = Arc::new(AtomicBool::new(true));
    let attempts = Arc::new(AtomicUsize::new(0));
    let taken = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    let (down, asked, noted) = (Arc::clone(&is_down), Arc::clone(&attempts), Arc::clone(&taken));
    let origin = Origin::start_with(move |received: &Received, _| {
        if down.load(Ordering::SeqCst) {
            asked.fetch_add(1, Ordering::SeqCst);
            return Reply::Status(502);
        }
        let build = received.body["id"].as_str().unwrap().to_owned();
        *noted.lock().unwrap().entry(build).or_default() += 1;
        Reply::Status(202)
    });
    let vars = [("RETRY_FIRST_SECONDS", "1"), ("BACKLOG_PER_MINUTE", "60000")];
    let edge = Edge::start(&origin.url, &[1], &vars);
    edge.set("octocat/*", "deployment");
    let load = Load::of_this_run();
    let counts = send(&edge, &load);
    let held = || held(&edge);
    ticked_until(&edge, "wait", counts.accepted.len() - 1, held);
    let (asked, are_held) = (attempts.load(Ordering::SeqCst), held());
    is_down.store(false, Ordering::SeqCst);
    let arrived = || taken.lock().unwrap().clone();
    let took = ticked_until(&edge, "are there", counts.accepted.len(), || arrived().len());
    let twice = arrived().values().filter(|times| **times > 1).count();
    println!("the origin is down: {} a second for {} s", load.rate, load.lasting.as_secs());
    println!("  {:>6}  accepted", counts.accepted.len());
    println!("  {asked:>6}  times the origin was asked while it was down");
    println!("  {are_held:>6}  held in the ledger at its end");
    println!("  {:>6}  arrived, {:.1} s after it was up", arrived().len(), took.as_secs_f64());
    println!("  {twice:>6}  arrived twice, under the same id");
    assert_eq!(counts.answered(QUEUED), counts.accepted.len());
    assert_eq!(arrived().into_keys().collect::<BTreeSet<_>>(), counts.accepted);
    assert_eq!(twice, 0);
    // Those that are on their way when the fifth comes back, and the probes.
    assert!(asked < 60, "{asked} of {}", counts.accepted.len());
}

#[test]
fn a_pause_that_the_origin_asks_for_is_one_of_the_whole_gate() {
    let pause = Duration::from_secs(15);
    let origin = Origin::start_with(move |_, number| match number {
        0 => Reply::With {
            status: 503,
            headers: vec![("Retry-After", pause.as_secs().to_string())],
            body: "builders are full".into(),
        },
        _ => Reply::Status(202),
    });
    let edge = Edge::start(&origin.url, &[1], &[("RETRY_FIRST_SECONDS", "1")]);
    edge.set("octocat/*", "deployment");
    let deliver = |number: u32| {
        send_one(&edge, deployment(number));
    };
    deliver(0);
    origin.wait_for(1);
    wait_for_the_breaker(&edge);
    for number in 1..=10 {
        deliver(number);
    }
    // One that is held already, and comes again, is kept under another number: who is letting go of the former one may be
    // about to forget that.
    edge.wait_until(|| held(&edge) >= 10);
    let newest = || edge.number("SELECT MAX(number) FROM held");
    let before = newest();
    deliver(10);
    edge.wait_until(|| newest() > before);
    assert!(held(&edge) <= 11, "{}", held(&edge));
    let builds = edge.ask("builds");
    let are_held = |build: &&serde_json::Value| build["is_held"] == true;
    assert!(builds["items"].as_array().unwrap().iter().filter(are_held).count() >= 10, "{builds}");
    ticked_until(&edge, "are there", 12, || origin.received().len());
    let received = origin.settled(12);
    let ids: BTreeSet<String> =
        received.iter().map(|received| received.body["id"].to_string()).collect();
    assert_eq!((received.len(), ids.len()), (12, 11));
    let waited = received[1].at.duration_since(received[0].at);
    assert!(waited >= pause - Duration::from_millis(100), "{waited:?}");
}

#[test]
fn a_repository_whose_builds_all_fail_keeps_no_other_waiting() {
    let taken = Arc::new(Mutex::new(BTreeSet::<String>::new()));
    let noted = Arc::clone(&taken);
    let origin = Origin::start_with(move |received: &Received, _| {
        if received.body["repository"]["full_name"] == "octocat/failing" {
            return Reply::Status(500);
        }
        noted.lock().unwrap().insert(received.body["id"].to_string());
        Reply::Status(202)
    });
    // What failed comes again long after this.
    let edge = Edge::start(&origin.url, &[1], &[("RETRY_FIRST_SECONDS", "3600")]);
    edge.set("octocat/*", "deployment");
    for number in 0..5 {
        send_one(&edge, deployment_of("octocat/failing", number));
    }
    wait_for_the_breaker(&edge);
    let others = 20;
    for number in 0..others {
        send_one(&edge, deployment_of(&format!("octocat/other-{number}"), 1_000 + number));
    }
    // It is the newest of all.
    send_one(&edge, deployment_of("octocat/failing", 2_000));
    ticked_until(&edge, "are there", others as usize, || taken.lock().unwrap().len());
}

#[test]
fn what_is_held_until_the_time_is_over_is_posted_once_more_and_then_a_dead_letter() {
    let origin = Origin::start_with(move |_, _| Reply::With {
        status: 503,
        headers: vec![("Retry-After", "600".to_owned())],
        body: String::new(),
    });
    let edge = Edge::start(&origin.url, &[1], &[]);
    edge.set("octocat/*", "deployment");
    send_one(&edge, deployment(0));
    wait_for_the_breaker(&edge);
    for number in 1..=3 {
        send_one(&edge, deployment(number));
    }
    edge.wait_until(|| held(&edge) == 3);
    let posted = origin.received().len();
    // 90 hours and a minute go by.
    edge.change(
        "UPDATE held SET queued_at = queued_at - 324060000; \
         UPDATE builds SET queued_at = queued_at - 324060000, since = since - 324060000 WHERE id IN (SELECT build FROM held)",
    );
    ticked_until(&edge, "are dead letters", 3, || {
        edge.number("SELECT COUNT(*) FROM dead_letters") as usize
    });
    assert_eq!(held(&edge), 0);
    assert_eq!(origin.received().len(), posted + 3);
    edge.wait_until(|| edge.number("SELECT COUNT(*) FROM builds WHERE state = 'error'") == 3);
}

#[test]
fn a_repository_with_many_builds_keeps_no_other_waiting_at_an_origin_that_takes_few() {
    const A_SECOND: usize = 20;
    let is_full = Arc::new(AtomicBool::new(true));
    let taken = Arc::new(Mutex::new(Vec::<(Instant, String)>::new()));
    let (full, noted) = (Arc::clone(&is_full), Arc::clone(&taken));
    let origin = Origin::start_with(move |received: &Received, _| {
        let mut taken = noted.lock().unwrap();
        let lately = taken.iter().rev().take_while(|(at, _)| at.elapsed() < Duration::from_secs(1));
        if full.load(Ordering::SeqCst) || lately.count() >= A_SECOND {
            let headers = vec![("Retry-After", "3".to_owned())];
            return Reply::With { status: 429, headers, body: String::new() };
        }
        taken.push((Instant::now(), received.body["repository"]["full_name"].to_string()));
        Reply::Status(202)
    });
    // Three quarters of what the origin can take.
    let backlog = (A_SECOND * 45).to_string();
    let vars = [("RETRY_FIRST_SECONDS", "1"), ("BACKLOG_PER_MINUTE", backlog.as_str())];
    let edge = Edge::start(&origin.url, &[1], &vars);
    edge.set("octocat/*", "deployment");
    let (many, others) = match std::env::var("SURGE_SECONDS") {
        Ok(_) => (5_000, 50),
        Err(_) => (300, 20),
    };
    let deliver = |repository: &str, id: u32| {
        send_one(&edge, deployment_of(repository, id));
    };
    let began = Instant::now();
    for number in 0..many {
        deliver("octocat/many", 1_000_000 + number);
    }
    for number in 0..others {
        deliver(&format!("octocat/other-{number}"), 2_000_000 + number);
    }
    let delivered = began.elapsed();
    let all = (many + others) as usize;
    let held = || held(&edge);
    ticked_until(&edge, "wait", all - 2, held);
    let began = Instant::now();
    is_full.store(false, Ordering::SeqCst);
    ticked_until(&edge, "are there", all, || taken.lock().unwrap().len());
    let taken = taken.lock().unwrap();
    let last_of = |is_wanted: &dyn Fn(&str) -> bool| {
        let wanted = taken.iter().filter(|(_, repository)| is_wanted(repository));
        wanted.map(|(at, _)| at.duration_since(began)).max().unwrap()
    };
    let (all, last_other) = (last_of(&|_| true), last_of(&|name| name.contains("other")));
    println!(
        "one repository with {many} builds, {others} with one each, an origin that takes {A_SECOND} a second"
    );
    println!("  {:>6.1}  seconds until all were delivered", delivered.as_secs_f64());
    println!(
        "  {:>6.1}  seconds after it was well, the last of the others' was at the origin",
        last_other.as_secs_f64()
    );
    println!("  {:>6.1}  seconds after it was well, the last of all was", all.as_secs_f64());
    assert!(last_other < all / 2, "{last_other:?} of {all:?}");
}

/// Sends a deployment whose last byte comes after `pause`: gives the answer's first line, and how long it took in all.
fn send_slowly(edge: &Edge, number: u32, pause: Duration) -> (String, Duration) {
    let Delivery { headers, body, .. } = deployment(number);
    let address = edge.url.trim_start_matches("http://").trim_end_matches('/');
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(stream, "POST / HTTP/1.1\r\nHost: gate\r\n{headers}Content-Length: {length}\r\n\r\n")
        .unwrap();
    let (last, first) = body.split_last().unwrap();
    stream.write_all(first).unwrap();
    thread::sleep(pause);
    stream.write_all(&[*last]).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    (line.trim().to_owned(), began.elapsed())
}

#[test]
fn a_body_that_comes_late_leaves_the_others_less_time_and_all_of_them_have_nine_seconds() {
    let pause = Duration::from_millis(7_500);
    let all = ["builds", "builds-2", "d1", "kv"];
    thread::scope(|scope| {
        for (hanging, answer) in [
            (&all[..1], "HTTP/1.1 202 Accepted"),
            (&all[..2], "HTTP/1.1 202 Accepted"),
            (&all[..3], "HTTP/1.1 503 Service Unavailable"),
            (&all[3..], "HTTP/1.1 503 Service Unavailable"),
        ] {
            scope.spawn(move || {
                let origin = Origin::start();
                let edge = Edge::start(&origin.url, &[1, 2], &[]);
                edge.set("octocat/*", "deployment");
                for stand_in in hanging {
                    edge.tell(stand_in, Mood::Hangs);
                }
                let (line, took) = send_slowly(&edge, 1, pause);
                assert_eq!(line, answer, "{hanging:?} hang");
                assert!(took < PATIENCE_OF_GITHUB, "{hanging:?} hang: {took:?}");
            });
        }
    });
}

#[test]
fn a_queue_is_added_and_drained_and_nothing_is_lost() {
    let origin = Origin::start();
    let mut edge = Edge::start(&origin.url, &[1], &[]);
    edge.set("octocat/*", "deployment");
    edge.pause(true);
    let mut number = 0;
    let mut deliver = |edge: &Edge, count: u32| {
        for _ in 0..count {
            number += 1;
            send_one(edge, deployment(number));
        }
        (edge.on_queue("builds"), edge.on_queue("builds-2"))
    };
    assert_eq!(deliver(&edge, 20), (20, 0));
    edge.bind(&[1, 2]);
    let (first, second) = deliver(&edge, 40);
    assert!(first > 20 && second > 0 && first + second == 60, "{first} {second}");
    // Nothing is put on it any more, and what lies there is still delivered.
    edge.bind(&[1]);
    assert_eq!(deliver(&edge, 20), (first + 20, second));
    edge.pause(false);
    let builds: Vec<String> =
        origin.settled(80).iter().map(|received| received.body["id"].to_string()).collect();
    assert_eq!((builds.len(), builds.iter().collect::<BTreeSet<_>>().len()), (80, 80));
    assert_eq!((edge.on_queue("builds"), edge.on_queue("builds-2")), (0, 0));
}
