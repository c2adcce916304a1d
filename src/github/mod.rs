//! GitHub, as the gate talks to it by its REST API: as an App, with a token for just one repository and just what has to
//! be done there, or with the token that it was given in place of an App.
//!
//! This is no story but what several have in common: who asks, and how an answer is waited for.

pub mod api;
pub mod app;
pub mod limit;
pub mod settings;

use std::cell::RefCell;
use std::num::NonZeroUsize;

use secrecy::{ExposeSecret, SecretString};

use crate::memory::Remembered;
use crate::platform::env::Env;
use crate::platform::http::{self, NoAnswer};
use crate::platform::{self, crypto};
use crate::repository::RepositoryName;
use api::{AccessToken, Answer, Call, Failure, Installation, Listed, Purpose};
use app::{App, Identity, NoIdentity};
use limit::{Limit, Seen};
use settings::Settings;

/// How long GitHub is given to answer, in seconds.
const PATIENCE: u32 = 20;

/// The most bytes of an answer: a page of a hundred check runs has some hundred kilobytes.
const LARGEST_ANSWER: usize = 8 * 1024 * 1024;

/// The most pages of a list: GitHub keeps 1,000 statuses of a commit and context, and shows the runs of 1,000 suites.
const MOST_PAGES: usize = 50;

/// The most redirections that are followed.
const MOST_REDIRECTS: usize = 3;

/// How many repositories' tokens and installations an isolate remembers.
const MOST_REMEMBERED: NonZeroUsize = NonZeroUsize::new(200).unwrap();

/// How long before its end a token is no longer used, in seconds: what is being done with it takes a while.
const MARGIN: u64 = 5 * 60;

/// How long an installation's id is remembered, in seconds.
const INSTALLATION_MEMORY: u64 = 60 * 60;

/// For how long a new token may be refused until all of GitHub knows it, in seconds, and how long is waited in between, in
/// milliseconds (<https://github.com/octokit/auth-app.js/blob/main/src/hook.ts>).
const NEW_FOR: u64 = 5;
const BETWEEN: u32 = 1_000;

thread_local! {
    /// What GitHub said last of how much it may still be asked.
    static SEEN: RefCell<Seen> = RefCell::default();
    /// The tokens of installations, by the repository's id and what each is for.
    static TOKENS: RefCell<Remembered<(u64, Purpose), SecretString>> =
        RefCell::new(Remembered::at_most(MOST_REMEMBERED));
    /// The installations, by the repository's id.
    static INSTALLATIONS: RefCell<Remembered<u64, u64>> =
        RefCell::new(Remembered::at_most(MOST_REMEMBERED));
}

/// GitHub, to be asked by whoever the gate is there.
pub struct GitHub {
    /// The API's base URL, without a slash at its end.
    api: String,
    identity: Identity,
}

/// Who asks.
enum As<'a> {
    /// The App itself.
    App(&'a App),
    /// Whoever has this token.
    Token(&'a SecretString),
}

/// What GitHub answered, and where the list goes on. (What is read out of it is read apart from the waiting for it: that is
/// then compiled once, and not for each kind of answer.)
pub struct Page {
    body: Vec<u8>,
    next: Option<String>,
}

impl Page {
    /// What it tells.
    pub fn object<T: Answer>(self) -> Result<T, Failure> {
        api::object(&self.body).map_err(strange)
    }

    /// Where the list goes on, if it does: a path of the API.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// What is listed on it.
    pub fn list<T: Listed>(self) -> Result<Vec<T>, Failure> {
        api::list(&self.body).map_err(strange)
    }
}

/// Asks for a list page by page, and has each one read before the next one is asked for, for together they may be large.
/// Errors where there are too many.
async fn each_page(
    mut call: Call,
    ask: impl AsyncFn(&Call) -> Result<Page, Failure>,
    take: &mut dyn FnMut(Page) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for _ in 0..MOST_PAGES {
        let page = ask(&call).await?;
        let next = page.next.clone();
        take(page)?;
        match next {
            Some(next) => call.path = next,
            None => return Ok(()),
        }
    }
    Err(Failure::Unreachable(format!("a list has more than {MOST_PAGES} pages")))
}

/// Reads what is listed on a page into a list, each as what is made of it.
pub fn gather<T: Listed, U>(
    into: &mut Vec<U>,
    made: impl Fn(T) -> U,
) -> impl FnMut(Page) -> Result<(), Failure> {
    move |page| {
        into.extend(page.list()?.into_iter().map(&made));
        Ok(())
    }
}

/// How much GitHub may still be asked, by what it has said to this isolate, if that is to be kept now.
pub fn limit_to_keep() -> Option<Limit> {
    SEEN.with_borrow_mut(|seen| seen.take(platform::now() / 1_000))
}

impl GitHub {
    /// Takes the gate's settings. Errors where it is nobody at GitHub.
    pub fn of(env: &Env) -> Result<Self, NoIdentity> {
        let Settings { api, identity } = Settings::read(|name| env.text(name))?;
        Ok(Self { api, identity })
    }

    /// Whether the gate is an App, and not whoever has a token.
    pub fn app(&self) -> Option<AsApp<'_>> {
        match &self.identity {
            Identity::App(app) => Some(AsApp { github: self, app }),
            Identity::Token(_) => None,
        }
    }

    /// GitHub, to be asked about one repository, for one purpose. `installation` is where the App is said to be installed.
    pub fn at<'a>(
        &'a self,
        repository: &'a RepositoryName,
        id: u64,
        installation: Option<u64>,
        purpose: Purpose,
    ) -> AtRepository<'a> {
        AtRepository { github: self, repository, id, installation, purpose }
    }

    /// Makes a call, and follows where it is redirected.
    async fn call(&self, who: As<'_>, call: &Call) -> Result<Page, Failure> {
        let authorization = match who {
            As::App(app) => self.jwt(app).await?,
            As::Token(token) => token.clone(),
        };
        let authorization = format!("Bearer {}", authorization.expose_secret());
        let mut headers = api::HEADERS.to_vec();
        headers.push(("Authorization", &authorization));
        if call.body.is_some() {
            headers.push(("Content-Type", "application/json"));
        }
        let mut path = call.path.clone();
        let mut redirects = 0;
        loop {
            if call.not_after.is_some_and(|until| platform::now() > until) {
                return Err(Failure::Unreachable(
                    "what led up to it took so long that somebody else may be making it".to_owned(),
                ));
            }
            let url = format!("{}{path}", self.api);
            let sent = http::send(call.method, &url, &headers, call.body.as_deref(), PATIENCE);
            let answer = sent.await.map_err(unreachable)?;
            let status = answer.status();
            let now = platform::now() / 1_000;
            if let Some(limit) = Limit::of(|name| answer.header(name), now) {
                SEEN.with_borrow_mut(|seen| seen.see(limit));
            }
            let body = answer.body(LARGEST_ANSWER).await.map_err(unreachable)?;
            if (200..300).contains(&status) {
                let link = answer.header("link").unwrap_or_default();
                let next = api::next_page(&link, &self.api).map_err(|url| {
                    strange(format!("the next page, {url}, is not under {}", self.api))
                })?;
                return Ok(Page { body, next: next.map(str::to_owned) });
            }
            let location = answer.header("location");
            match api::redirected(status, location.as_deref(), &self.api) {
                Some(to) if redirects < MOST_REDIRECTS => {
                    path = to.to_owned();
                    redirects += 1;
                }
                _ => {
                    return Err(Failure::of(status, |name| answer.header(name), &body, now));
                }
            }
        }
    }

    async fn jwt(&self, app: &App) -> Result<SecretString, Failure> {
        let claims = app.claims(platform::now() / 1_000);
        let claims = claims.map_err(|error| Failure::Unreachable(error.to_string()))?;
        let signed = crypto::rs256(app.key().expose_secret(), claims.as_bytes()).await;
        // The runtime tells what is wrong with the key, and nothing of it.
        let signature = signed.map_err(|detail| {
            Failure::Unreachable(format!("GITHUB_APP_PRIVATE_KEY cannot sign: {detail}"))
        })?;
        Ok(app::jwt(&claims, &signature))
    }
}

/// GitHub, to be asked by the App itself.
pub struct AsApp<'a> {
    github: &'a GitHub,
    app: &'a App,
}

impl AsApp<'_> {
    /// Makes a call.
    pub async fn ask(&self, call: &Call) -> Result<Page, Failure> {
        self.github.call(As::App(self.app), call).await
    }

    /// Makes a call that answers a list, page by page, each of which `take` reads.
    pub async fn pages(
        &self,
        call: Call,
        take: &mut dyn FnMut(Page) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        each_page(call, async |call| self.ask(call).await, take).await
    }
}

/// GitHub, to be asked about one repository.
pub struct AtRepository<'a> {
    github: &'a GitHub,
    /// Its name.
    pub repository: &'a RepositoryName,
    id: u64,
    installation: Option<u64>,
    purpose: Purpose,
}

impl AtRepository<'_> {
    /// Whether it is the App that asks, and not whoever has a token.
    pub fn is_app(&self) -> bool {
        matches!(self.github.identity, Identity::App(_))
    }

    /// Makes a call that answers a list, page by page, each of which `take` reads.
    pub async fn pages(
        &self,
        call: Call,
        take: &mut dyn FnMut(Page) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        each_page(call, async |call| self.ask(call).await, take).await
    }

    /// Makes a call. A token that was remembered and is refused is made anew; a new one is tried for some seconds, for
    /// GitHub takes a moment to know it everywhere.
    pub async fn ask(&self, call: &Call) -> Result<Page, Failure> {
        let ask = async |token: &SecretString| self.github.call(As::Token(token), call).await;
        let app = match &self.github.identity {
            Identity::Token(token) => return ask(token).await,
            Identity::App(app) => AsApp { github: self.github, app },
        };
        let (now, key) = (platform::now() / 1_000, (self.id, self.purpose));
        if let Some(token) = TOKENS.with_borrow_mut(|tokens| tokens.get(&key, now)) {
            match ask(&token).await {
                Err(Failure::Unauthorized) => {}
                answer => return answer,
            }
        }
        let AccessToken { token, expires_at } = self.new_token(&app).await?;
        let made_at = platform::now() / 1_000;
        let until = expires_at.seconds().saturating_sub(MARGIN);
        TOKENS.with_borrow_mut(|tokens| tokens.keep(key, token.clone(), until));
        loop {
            match ask(&token).await {
                Err(Failure::Unauthorized) if platform::now() / 1_000 < made_at + NEW_FOR => {
                    platform::wait(BETWEEN).await;
                }
                Err(Failure::Unauthorized) => {
                    TOKENS.with_borrow_mut(|tokens| tokens.forget(&key));
                    return Err(Failure::Unauthorized);
                }
                answer => return answer,
            }
        }
    }

    /// Has a token made for this repository alone, where the App is said to be installed, or else where it is.
    async fn new_token(&self, app: &AsApp<'_>) -> Result<AccessToken, Failure> {
        let now = platform::now() / 1_000;
        let remembered = || INSTALLATIONS.with_borrow_mut(|known| known.get(&self.id, now));
        let needs = self.purpose.needs();
        let call = |installation| Call::access_token(installation, self.id, needs);
        if let Some(installation) = self.installation.or_else(remembered) {
            match app.ask(&call(installation)).await {
                // It is another one by now, or is not granted what it was.
                Err(Failure::NotFound | Failure::Forbidden { .. } | Failure::Refused { .. }) => {}
                token => return token?.object(),
            }
        }
        let found: Installation = match app.ask(&Call::installation(self.repository)).await {
            Err(Failure::NotFound) => return Err(Failure::NotInstalled),
            found => found?.object()?,
        };
        if found.suspended_at.is_some() {
            return Err(Failure::Suspended);
        }
        let permissions = needs.missing(&found.permissions);
        if !permissions.is_empty() {
            return Err(Failure::Lacks { permissions });
        }
        let token = match app.ask(&call(found.id)).await {
            // That is said of the token, and not of what it was wanted for.
            Err(Failure::Refused { status, message }) => Err(Failure::Unreachable(format!(
                "GitHub makes no token for the installation, and answers {status}: {message}"
            ))),
            token => token?.object(),
        }?;
        let until = now + INSTALLATION_MEMORY;
        INSTALLATIONS.with_borrow_mut(|known| known.keep(self.id, found.id, until));
        Ok(token)
    }
}

fn unreachable(error: NoAnswer) -> Failure {
    Failure::Unreachable(match error {
        NoAnswer::TooLate => format!("no answer within {PATIENCE} s"),
        NoAnswer::Failed(detail) => detail,
    })
}

/// An answer that is not of the shape that GitHub describes.
fn strange(problem: String) -> Failure {
    Failure::Unreachable(format!("its answer cannot be read: {problem}"))
}
