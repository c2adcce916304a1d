//! The operator looks after the gate, by the routes under `/-/`: admitted → asked for → ledger, queues → answer.

pub mod answer;
pub mod token;

use crate::ledger::dead_letters;
use crate::log;
use crate::platform::env::Env;
use crate::platform::request::{Request, headers};
use crate::platform::response::{self, Header, Response};
use crate::platform::{self, Error, queue};
use crate::route::{NoRoute, OperatorRoute};
use crate::time::rfc3339;
use crate::url::{Location, is_local};
use answer::{Dropped, Redriven, Refusal, json, letter_id};
use token::OperatorToken;

const NO_STORE: Header = ("Cache-Control", "no-store");

/// The operator's token, if there is one that is good for a gate reached at this URL; without it there are no
/// operator's routes.
pub fn token(env: &Env, gate: &str) -> Option<OperatorToken> {
    OperatorToken::new(env.text("OPERATOR_TOKEN"), is_local(gate))
}

/// Answers a request to an operator's route, from whoever has the token.
pub async fn answer(
    request: &Request,
    env: &Env,
    location: &Location<'_>,
    asked: Result<OperatorRoute, NoRoute>,
    token: &OperatorToken,
) -> Result<Response, Error> {
    let result = if token.admits(headers(request)("Authorization").as_deref()) {
        match asked {
            Ok(route) => perform(route, env).await,
            Err(why) => Err(why.into()),
        }
    } else {
        Err(Refusal::Unauthorized)
    };
    let refusal = result.as_ref().err();
    let (code, status) = refusal.map_or(("done", 200), Refusal::codes);
    let method = &request.method();
    platform::log(&log::Line::Operator { method, path: location.path, code, status });
    let headers: Vec<Header> =
        [NO_STORE].into_iter().chain(refusal.and_then(Refusal::header)).collect();
    let body = match result {
        Ok(body) => body,
        Err(refusal) => refusal.body().map_err(|error| error.to_string())?,
    };
    response::json(status, body, &headers)
}

/// Does what the operator asks for, and gives the answer's JSON.
async fn perform(route: OperatorRoute, env: &Env) -> Result<String, Refusal> {
    let no_such_letter = |id: u64| Refusal::NoSuchLetter(id.to_string());
    match route {
        OperatorRoute::ListLetters { after } => {
            json(&dead_letters::list(env, after).await.map_err(Refusal::LedgerUnavailable)?)
        }
        OperatorRoute::ShowLetter(id) => {
            let id = letter_id(&id)?;
            let letter = dead_letters::find(env, id).await.map_err(Refusal::LedgerUnavailable)?;
            json(&letter.ok_or_else(|| no_such_letter(id))?)
        }
        OperatorRoute::RedriveLetter(id) => {
            let id = letter_id(&id)?;
            let letter = dead_letters::find(env, id).await.map_err(Refusal::LedgerUnavailable)?;
            let letter = letter.ok_or_else(|| no_such_letter(id))?;
            let sent = queue::send(env, "BUILD_QUEUE", &letter.message).await;
            sent.map_err(Refusal::QueueUnavailable)?;
            // Only now: a letter that is marked must be on the queue.
            let marked = dead_letters::mark_redriven(env, id, &rfc3339(platform::now())).await;
            marked.map_err(Refusal::NotMarked)?;
            json(&Redriven { id, build: letter.summary.build })
        }
        OperatorRoute::DropLetter(id) => {
            let id = letter_id(&id)?;
            match dead_letters::delete(env, id).await.map_err(Refusal::LedgerUnavailable)? {
                true => json(&Dropped { id }),
                false => Err(no_such_letter(id)),
            }
        }
    }
}
