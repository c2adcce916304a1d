//! Bodies that strangers send: what they announce takes no room, what they begin and do not end is let go of, and a good
//! delivery is answered meanwhile.

use std::io::Write;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::delivery::Delivery;
use crate::support::fixtures::fixture;
use crate::support::gate::{Gate, Setup};

const LARGEST: usize = 26_214_400;

/// Begins a delivery that announces more than it sends.
fn begin(gate: &Gate, announced: usize, sent: usize) -> TcpStream {
    let host = gate.url.trim_start_matches("http://").trim_end_matches('/');
    let mut head = format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {announced}\r\n");
    for (name, value) in &Delivery::json("push", "{}").headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    stream.write_all(&vec![b' '; sent]).unwrap();
    stream
}

fn start() -> Gate {
    let gate = Gate::start(&Setup::without_origin());
    gate.set(&[("octocat/hello-world", "deployment")]);
    gate
}

fn push(gate: &Gate) -> (u16, String) {
    Delivery::json("push", fixture("push")).send(gate).code()
}

fn said(gate: &Gate, code: &str) -> usize {
    gate.output().matches(&format!("\"code\":\"{code}\"")).count()
}

const IGNORED: (u16, &str) = (200, "trigger-is-deployment");

#[test]
fn a_body_that_is_not_there_in_time_is_too_slow_and_takes_little_room() {
    let gate = start();
    let good = (IGNORED.0, IGNORED.1.to_owned());
    assert_eq!(push(&gate), good);
    let idle = gate.memory();
    let above_idle = || {
        let above = gate.memory().into_iter().map(|(id, memory)| memory - idle[&id].min(memory));
        above.max().unwrap() / 1024
    };

    let began = Instant::now();
    let slow: Vec<TcpStream> = (0..24).map(|_| begin(&gate, LARGEST, 1_100_000)).collect();
    // Until all of it has been read, and in between.
    let mut most = 0;
    while began.elapsed() < Duration::from_secs(5) {
        assert_eq!(push(&gate), good);
        most = most.max(above_idle());
        sleep(Duration::from_millis(100));
    }
    println!("24 connections of 1.1 MB each: {most} MiB above idle");
    // The bodies, 26 MB of them, and what JavaScript has not collected yet of their pieces.
    assert!((1..90).contains(&most), "{most} MiB above idle");

    // (The simulator holds the answer back until the body has come; the log shows that it is made before.)
    gate.wait_until(|| said(&gate, "body-too-slow") == 24);
    let took = began.elapsed();
    assert!((8..16).contains(&took.as_secs()), "{took:?}");
    // Small ones, too, and those that send nothing at all.
    let silent: Vec<TcpStream> = [(500, 100), (500_000, 0)].map(|(a, s)| begin(&gate, a, s)).into();
    gate.wait_until(|| said(&gate, "body-too-slow") == 26);
    drop((slow, silent));
    assert_eq!(push(&gate), good);
}

#[test]
fn what_is_announced_and_not_sent_leaves_room_for_the_others() {
    let gate = start();
    let announced: Vec<TcpStream> = (0..100).map(|_| begin(&gate, 1_000_000, 10)).collect();
    assert_eq!(push(&gate), (IGNORED.0, IGNORED.1.to_owned()));
    assert_eq!(said(&gate, "busy"), 0);
    drop(announced);
}

#[test]
fn a_few_large_bodies_keep_no_small_one_out() {
    let gate = start();
    // What has come counts by whole pieces: 24 MiB and 64 KiB of the first, 24 MiB of the second, and all but 64 KiB of 2
    // MiB of the third, which with what is left of it make 50 MiB and no more.
    let sent = [LARGEST - 300, LARGEST - 300, 2 * 1024 * 1024 - 5_536];
    let large = sent.map(|sent| begin(&gate, LARGEST, sent));
    let body = [fixture("push").into_bytes(), vec![b' '; 200_000]].concat();
    gate.wait_until(|| Delivery::json("push", body.clone()).send(&gate).code().1 == "busy");
    assert_eq!(push(&gate), (IGNORED.0, IGNORED.1.to_owned()));
    drop(large);
}

#[test]
fn more_than_there_is_room_for_is_busy_until_it_is_let_go_of() {
    let gate = start();
    let good = (IGNORED.0, IGNORED.1.to_owned());
    let large: Vec<TcpStream> = (0..3).map(|_| begin(&gate, LARGEST, 20_000_000)).collect();
    gate.wait_until(|| said(&gate, "busy") > 0);
    gate.wait_until(|| said(&gate, "busy") + said(&gate, "body-too-slow") == 3);
    drop(large);
    assert_eq!(push(&gate), good);
    // What a client leaves behind is let go of, too.
    for _ in 0..6 {
        let gone: Vec<TcpStream> = (0..2).map(|_| begin(&gate, LARGEST, 20_000_000)).collect();
        sleep(Duration::from_millis(500));
        drop(gone);
    }
    sleep(Duration::from_secs(12));
    let busy = said(&gate, "busy");
    let body = [fixture("push").into_bytes(), vec![b' '; 20_000_000]].concat();
    for _ in 0..3 {
        assert_eq!(Delivery::json("push", body.clone()).send(&gate).code(), good);
    }
    assert_eq!(said(&gate, "busy"), busy);
}
