//! The origin reports what has become of a build: request → verified → report → ledger → answer. GitHub is told by a job.

pub mod answer;

use crate::build::Report;
use crate::log;
use crate::platform::env::Env;
use crate::platform::request::{Body, BodyError, Bounds, Request, SMALL, headers, read_body};
use crate::platform::response::{self, Header, Response};
use crate::platform::{self, Error};
use crate::progress::{self, Taken};
use crate::signature::standard_webhooks::{
    ID_HEADER, OriginSecrets, SIGNATURE_HEADER, TIMESTAMP_HEADER,
};
use crate::url::is_local;
use answer::Answer;

/// How much of a report is read before anybody knows who sends it, beside the bodies of deliveries.
const BOUNDS: Bounds = Bounds {
    most: SMALL,
    together: 50 * 1024 * 1024,
    reserve: 2 * 1024 * 1024,
    milliseconds: 8_000,
};

const NO_STORE: Header = ("Cache-Control", "no-store");

/// Takes a report that came to a gate that was reached at the URL `gate`, and answers it.
pub async fn receive(request: &Request, env: &Env, gate: &str) -> Result<Response, Error> {
    let mut report = None;
    let answer = take(request, env, gate, &mut report).await.unwrap_or_else(|refused| refused);
    let (outcome, code, status) = answer.codes();
    platform::log(&log::Line::Report {
        outcome,
        code,
        status,
        build: report.as_ref().map(|report: &Report| &*report.build),
        state: report.as_ref().map(|report| report.status.state.as_str()),
        detail: answer.detail(),
    });
    let body = answer.body(report.as_ref()).map_err(|error| error.to_string())?;
    let headers: Vec<Header> = [NO_STORE].into_iter().chain(answer.header()).collect();
    response::json(status, body, &headers)
}

/// Takes a report: the order of these steps is the order of the refusals.
async fn take(
    request: &Request,
    env: &Env,
    gate: &str,
    known: &mut Option<Report>,
) -> Result<Answer, Answer> {
    if request.method() != "POST" {
        return Err(Answer::MethodNotAllowed);
    }
    let now = platform::now();
    let header = headers(request);
    let announced = header("Content-Length");
    let Body { bytes, room } =
        read_body(request, announced.as_deref(), BOUNDS, now).await.map_err(Answer::from)?;
    let secrets = OriginSecrets::parse(env.text("ORIGIN_SECRET").as_deref(), is_local(gate));
    let secrets = secrets.map_err(Answer::NotConfigured)?;
    let [id, timestamp, signature] = [ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER].map(&header);
    let signed = (id.as_deref(), timestamp.as_deref(), signature.as_deref());
    secrets.verify(signed, &bytes, now / 1_000).map_err(Answer::BadSignature)?;

    let report = known.insert(Report::parse(&bytes).map_err(Answer::Malformed)?);
    drop(room);
    match progress::report(env, report, now).await.map_err(Answer::LedgerUnavailable)? {
        None => Err(Answer::NoSuchBuild),
        Some(Taken::Used) => Ok(Answer::Queued),
        Some(Taken::Again) => Ok(Answer::SaidBefore),
        Some(Taken::Late(state)) => Ok(Answer::Ended { state }),
    }
}

impl From<BodyError> for Answer {
    fn from(why: BodyError) -> Self {
        match why {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::TooSlow => Self::TooSlow,
            BodyError::NoRoom => Self::Busy,
            BodyError::BrokeOff => Self::Malformed("the body broke off before its end".to_owned()),
        }
    }
}
