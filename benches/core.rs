//! The core on this machine's own processor, step by step: verify, parse, decide, build request. What the wasm
//! of it costs in the runtime is measured by `npm run bench`.

#[path = "../tests/support/fixtures.rs"]
#[allow(dead_code)]
mod fixtures;

use std::hint::black_box;

use buildgate::delivery::decision::{Decision, decide};
use buildgate::delivery::event::Event;
use buildgate::policy::Policy;
use buildgate::signature::github::{Signature, WebhookSecrets, sign};
use buildgate::signature::hmac_sha256;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::FutureExt;

use fixtures::fixture;

const SECRET: &str = "the benchmark's webhook secret";
const DELIVERY: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
const RECEIVED_AT: u64 = 1_795_000_000_000;

fn verify(criterion: &mut Criterion) {
    let body = fixture("push");
    let secrets = WebhookSecrets::new(Some(SECRET.to_owned()), None, false).expect("a secret");
    let signature = sign(&SECRET.to_owned().into(), body.as_bytes());
    let signature = Signature::parse(&signature).expect("a signature");
    let hmac = async |key: &[u8], message: &[u8]| hmac_sha256(key, message);
    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("push", |bencher| {
        bencher.iter(|| {
            let verified = secrets.verify(black_box(body.clone().into_bytes()), &signature, hmac);
            verified.now_or_never().expect("nothing to wait for").is_ok()
        });
    });
    group.finish();
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for (event, name) in [("push", "push"), ("deployment", "deployment.created"), ("ping", "ping")]
    {
        let payload = fixture(name);
        group.throughput(Throughput::Bytes(payload.len() as u64));
        group.bench_function(event, |bencher| {
            bencher.iter(|| Event::parse(event, black_box(payload.as_bytes())).is_ok());
        });
    }
    group.finish();
    criterion.bench_function("parse/policy", |bencher| {
        let policy = r#"{"trigger":"deployment","environments":["production"],"branches":["main","release/*"]}"#;
        bencher.iter(|| Policy::parse(black_box(policy)).is_ok());
    });
}

fn decide_and_build(criterion: &mut Criterion) {
    let event =
        Event::parse("deployment", fixture("deployment.created").as_bytes()).expect("a deployment");
    let policy = Policy::parse(r#"{"trigger":"deployment","branches":["main","release/*"]}"#);
    let policy = policy.expect("a policy");
    criterion.bench_function("decide", |bencher| {
        bencher.iter(|| matches!(decide(black_box(&event), Some(&policy)), Decision::Build(_)));
    });
    let Decision::Build(build) = decide(&event, Some(&policy)) else { panic!("it is not built") };
    criterion.bench_function("build request", |bencher| {
        bencher.iter(|| black_box(&build).request(DELIVERY, RECEIVED_AT).into_message().is_ok());
    });
}

criterion_group!(core, verify, parse, decide_and_build);
criterion_main!(core);
