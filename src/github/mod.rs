//! GitHub, as the gate talks to it by its REST API: as an App, with a token for just one repository and just what has to
//! be done there, or with the token that it was given in place of an App.
//!
//! This is no story but what several have in common: who asks, and how an answer is waited for.

pub mod api;
pub mod app;
pub mod settings;

use std::cell::RefCell;
use std::num::NonZeroUsize;

use secrecy::{ExposeSecret, SecretString};

use crate::memory::Remembered;
use crate::platform::env::Env;
use crate::platform::http::{self, NoAnswer};
use crate::platform::{self, crypto};
use crate::repository::RepositoryName;
use api::{AccessToken, Answer, Call, Failure, Installation, Listed};
use app::{App, Identity, NoIdentity};
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
    /// The tokens of installations, by the repository's id.
    static TOKENS: RefCell<Remembered<u64, SecretString>> =
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
}

/// All pages of a list.
pub struct Pages(Vec<Page>);

impl Pages {
    /// Whether there is another page, which `call` then asks for. Errors where there are too many.
    fn wants_more(&self, call: &mut Call) -> Result<bool, Failure> {
        match self.0.last() {
            None => Ok(true),
            Some(_) if self.0.len() == MOST_PAGES => {
                Err(Failure::Unreachable(format!("a list has more than {MOST_PAGES} pages")))
            }
            Some(Page { next: Some(next), .. }) => {
                call.path.clone_from(next);
                Ok(true)
            }
            Some(_) => Ok(false),
        }
    }

    /// What is listed on them.
    pub fn list<T: Listed>(self) -> Result<Vec<T>, Failure> {
        let pages: Result<Vec<Vec<T>>, String> =
            self.0.iter().map(|page| api::list(&page.body)).collect();
        Ok(pages.map_err(strange)?.into_iter().flatten().collect())
    }
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

    /// GitHub, to be asked about one repository. `installation` is where the App is said to be installed.
    pub fn at<'a>(
        &'a self,
        repository: &'a RepositoryName,
        id: u64,
        installation: Option<u64>,
    ) -> AtRepository<'a> {
        AtRepository { github: self, repository, id, installation }
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
            let url = format!("{}{path}", self.api);
            let sent = http::send(call.method, &url, &headers, call.body.as_deref(), PATIENCE);
            let answer = sent.await.map_err(unreachable)?;
            let status = answer.status();
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
                    let now = platform::now() / 1_000;
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

    /// Makes a call that answers a list, page by page.
    pub async fn pages(&self, mut call: Call) -> Result<Pages, Failure> {
        let mut pages = Pages(Vec::new());
        while pages.wants_more(&mut call)? {
            pages.0.push(self.ask(&call).await?);
        }
        Ok(pages)
    }
}

/// GitHub, to be asked about one repository.
pub struct AtRepository<'a> {
    github: &'a GitHub,
    /// Its name.
    pub repository: &'a RepositoryName,
    id: u64,
    installation: Option<u64>,
}

impl AtRepository<'_> {
    /// Whether it is the App that asks, and not whoever has a token.
    pub fn is_app(&self) -> bool {
        matches!(self.github.identity, Identity::App(_))
    }

    /// Makes a call that answers a list, page by page.
    pub async fn pages(&self, mut call: Call) -> Result<Pages, Failure> {
        let mut pages = Pages(Vec::new());
        while pages.wants_more(&mut call)? {
            pages.0.push(self.ask(&call).await?);
        }
        Ok(pages)
    }

    /// Makes a call. A token that was remembered and is refused is made anew; a new one is tried for some seconds, for
    /// GitHub takes a moment to know it everywhere.
    pub async fn ask(&self, call: &Call) -> Result<Page, Failure> {
        let ask = async |token: &SecretString| self.github.call(As::Token(token), call).await;
        let app = match &self.github.identity {
            Identity::Token(token) => return ask(token).await,
            Identity::App(app) => AsApp { github: self.github, app },
        };
        let now = platform::now() / 1_000;
        if let Some(token) = TOKENS.with_borrow_mut(|tokens| tokens.get(&self.id, now)) {
            match ask(&token).await {
                Err(Failure::Unauthorized) => {}
                answer => return answer,
            }
        }
        let AccessToken { token, expires_at } = self.new_token(&app).await?;
        let made_at = platform::now() / 1_000;
        let until = expires_at.seconds().saturating_sub(MARGIN);
        TOKENS.with_borrow_mut(|tokens| tokens.keep(self.id, token.clone(), until));
        loop {
            match ask(&token).await {
                Err(Failure::Unauthorized) if platform::now() / 1_000 < made_at + NEW_FOR => {
                    platform::wait(BETWEEN).await;
                }
                Err(Failure::Unauthorized) => {
                    TOKENS.with_borrow_mut(|tokens| tokens.forget(&self.id));
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
        let call = |installation| Call::access_token(installation, self.id, api::NEEDED);
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
        let permissions = api::NEEDED.missing(&found.permissions);
        if !permissions.is_empty() {
            return Err(Failure::Lacks { permissions });
        }
        let token = app.ask(&call(found.id)).await?.object()?;
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
