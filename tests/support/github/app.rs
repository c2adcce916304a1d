//! GitHub Apps: they speak for themselves with a JWT, and for an installation with a token that they are given for it.

use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};

use super::access::Who;
use super::described::{example, with};
use super::hooks::config_shown;
use super::server::{Answer, Asked, created, not_found, ok, refused};
use super::{GitHub, State, digits, milliseconds, now};

/// The private key of every App here. It is a test's: everybody knows it, and it opens nothing.
pub const PEM: &str = include_str!("app_key.pem");
const PUBLIC_PEM: &str = include_str!("app_key.pub.pem");

pub type Permissions = BTreeMap<String, String>;

/// An App that is to be there.
pub struct App<'a> {
    pub permissions: &'a [(&'a str, &'a str)],
    pub events: &'a [&'a str],
    pub hook_url: Option<&'a str>,
    pub secret: Option<&'a str>,
    pub repositories: &'a [&'a str],
}

/// An App that is there.
#[derive(Clone, Debug)]
pub struct Installed {
    pub id: u64,
    pub client_id: String,
    pub slug: String,
    pub pem: String,
    /// Of the owner of the first repository.
    pub installation: u64,
}

#[derive(Clone)]
pub struct Registered {
    pub id: u64,
    pub client_id: String,
    pub slug: String,
    pub name: String,
    pub owner: String,
    pub url: String,
    pub permissions: Permissions,
    pub events: Vec<String>,
    /// The configuration of its webhook, where it has one.
    pub hook: Option<Value>,
    pub hook_id: u64,
    pub installations: Vec<Installation>,
    pub created_at: String,
}

#[derive(Clone)]
pub struct Installation {
    pub id: u64,
    pub account: String,
    pub repositories: Vec<&'static str>,
    pub permissions: Permissions,
    pub created_at: String,
}

/// A token of an installation.
pub struct Token {
    pub text: String,
    pub app: usize,
    pub installation: u64,
    pub repositories: Vec<&'static str>,
    pub permissions: Permissions,
    /// In milliseconds.
    pub expires: u64,
    /// How often it was used.
    pub uses: usize,
}

impl Registered {
    pub fn installation(&self, id: u64) -> Option<&Installation> {
        self.installations.iter().find(|installation| installation.id == id)
    }
}

/// Whether permissions are enough for something.
pub fn grants(permissions: &Permissions, name: &str, level: &str) -> bool {
    let rank = |level: &str| ["read", "write", "admin"].iter().position(|known| *known == level);
    permissions.get(name).is_some_and(|granted| rank(granted) >= rank(level))
}

impl GitHub {
    /// Registers an App, and installs it on repositories.
    pub fn install_app(&self, app: App) -> Installed {
        let mut state = self.state();
        let name = format!("Deploys {}", state.apps.len() + 1);
        let mut permissions: Permissions =
            app.permissions.iter().map(|(n, l)| ((*n).to_owned(), (*l).to_owned())).collect();
        permissions.insert("metadata".into(), "read".into());
        let events = app.events.iter().map(|event| (*event).to_owned()).collect();
        let mut registered = state.new_app(&name, "octocat", permissions, events);
        registered.hook = app.hook_url.map(|url| {
            let mut config = json!({"url": url, "content_type": "json", "insecure_ssl": "0"});
            if let Some(secret) = app.secret {
                config["secret"] = secret.into();
            }
            config
        });
        let slug = registered.slug.clone();
        state.apps.push(registered);
        state.install(&slug, app.repositories);
        state.installed(&slug)
    }

    /// Installs an App that is there on more repositories.
    pub fn install(&self, slug: &str, repositories: &[&str]) -> Installed {
        let mut state = self.state();
        state.install(slug, repositories);
        state.installed(slug)
    }

    /// Takes an App away from everywhere. Its tokens end with that.
    pub fn uninstall(&self, slug: &str) {
        let mut state = self.state();
        let app = state.apps.iter_mut().find(|app| app.slug == slug).unwrap();
        app.installations.clear();
    }

    /// The Apps that are there.
    pub fn apps(&self) -> Vec<Installed> {
        let state = self.state();
        state.apps.iter().map(|app| state.installed(&app.slug)).collect()
    }

    /// The configuration of an App's webhook, with its secret.
    pub fn app_hook(&self, slug: &str) -> Value {
        let state = self.state();
        let app = state.apps.iter().find(|app| app.slug == slug).unwrap();
        app.hook.clone().unwrap_or_default()
    }

    /// How long the tokens of installations are valid that are made from now on.
    pub fn set_token_life(&self, seconds: u64) {
        self.state().token_life = seconds;
    }
}

impl State {
    pub fn new_app(
        &mut self,
        name: &str,
        owner: &str,
        permissions: Permissions,
        events: Vec<String>,
    ) -> Registered {
        let id = 200_000 + self.id();
        let slug = name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        Registered {
            id,
            client_id: format!("Iv23{}", &digits(&slug)[..16]),
            name: name.to_owned(),
            owner: owner.to_owned(),
            url: "https://buildgate.example".into(),
            permissions,
            events,
            hook: None,
            hook_id: 300_000 + id,
            installations: vec![],
            created_at: now(),
            slug,
        }
    }

    /// Each account has an installation of its own.
    pub fn install(&mut self, slug: &str, repositories: &[&str]) {
        for name in repositories {
            let repository = self.repository(name).name;
            let account = repository.split('/').next().unwrap().to_owned();
            let id = 400_000 + self.id();
            let app = self.apps.iter_mut().find(|app| app.slug == slug).unwrap();
            let permissions = app.permissions.clone();
            match app.installations.iter_mut().find(|known| known.account == account) {
                Some(known) if known.repositories.contains(&repository) => {}
                Some(known) => known.repositories.push(repository),
                None => app.installations.push(Installation {
                    id,
                    account,
                    repositories: vec![repository],
                    permissions,
                    created_at: now(),
                }),
            }
        }
    }

    fn installed(&self, slug: &str) -> Installed {
        let app = self.apps.iter().find(|app| app.slug == slug).unwrap();
        Installed {
            id: app.id,
            client_id: app.client_id.clone(),
            slug: app.slug.clone(),
            pem: PEM.into(),
            installation: app.installations.first().map_or(0, |first| first.id),
        }
    }

    /// An App as GitHub shows it.
    pub fn integration(&self, app: &Registered) -> Value {
        with(
            example("integration"),
            json!({
                "id": app.id, "slug": app.slug, "client_id": app.client_id, "name": app.name,
                "owner": self.user(&app.owner), "external_url": app.url,
                "html_url": format!("{}/apps/{}", self.base, app.slug),
                "created_at": app.created_at, "updated_at": app.created_at,
                "permissions": app.permissions, "events": app.events,
            }),
        )
    }

    fn installation_shown(&self, app: &Registered, installation: &Installation) -> Value {
        let id = installation.id;
        let kind = self.user(&installation.account)["type"].clone();
        let account = self.user(&installation.account);
        with(
            example("installation"),
            json!({
                "id": id, "account": account, "target_id": account["id"], "target_type": kind,
                "repository_selection": "selected", "app_id": app.id, "app_slug": app.slug,
                "client_id": app.client_id, "permissions": installation.permissions,
                "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", self.base),
                "repositories_url": format!("{}/installation/repositories", self.base),
                "html_url": format!("{}/settings/installations/{id}", self.base),
                "events": app.events, "created_at": installation.created_at,
                "updated_at": installation.created_at,
            }),
        )
    }
}

/// Whose JWT it is, or what is wrong with it.
///
/// Source: <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app>
pub fn verified(state: &State, jwt: &str) -> Result<usize, Answer> {
    // Times are compared here, as strictly as GitHub does.
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let key = DecodingKey::from_rsa_pem(PUBLIC_PEM.as_bytes()).unwrap();
    let claims = decode::<Value>(jwt, &key, &validation)
        .map_err(|_| refused(401, "A JSON web token could not be decoded"))?
        .claims;
    let now = milliseconds() / 1000;
    let time = |name: &str| claims[name].as_u64();
    let wrong = if time("iat").is_none_or(|iat| iat > now) {
        "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
    } else if time("exp").is_none_or(|exp| exp <= now) {
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which \
         the assertion expires"
    } else if time("exp") > Some(now + 600) {
        "'Expiration time' claim ('exp') is too far in the future"
    } else {
        ""
    };
    if !wrong.is_empty() {
        return Err(refused(401, wrong));
    }
    let issuer = match &claims["iss"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let found =
        state.apps.iter().position(|app| app.client_id == issuer || app.id.to_string() == issuer);
    found.ok_or_else(|| refused(404, "Integration not found"))
}

/// The App that asks.
fn asking<'a>(state: &'a State, asked: &Asked) -> &'a Registered {
    let Who::App(app) = asked.who else { unreachable!("only Apps come here") };
    &state.apps[app]
}

pub fn get(state: &mut State, asked: &Asked) -> Answer {
    ok(state.integration(asking(state, asked)))
}

pub fn hook_config(state: &mut State, asked: &Asked) -> Answer {
    match &asking(state, asked).hook {
        Some(config) => ok(config_shown(config)),
        None => not_found(),
    }
}

pub fn set_hook_config(state: &mut State, asked: &Asked) -> Answer {
    let Who::App(app) = asked.who else { unreachable!("only Apps come here") };
    let usual = json!({"content_type": "form", "insecure_ssl": "0"});
    let config = state.apps[app].hook.get_or_insert(usual);
    config.as_object_mut().unwrap().extend(asked.body.as_object().cloned().unwrap_or_default());
    ok(config_shown(config))
}

pub fn installations(state: &mut State, asked: &Asked) -> Answer {
    let app = asking(state, asked);
    let all = app.installations.iter();
    asked.list(all.map(|installation| state.installation_shown(app, installation)).collect())
}

pub fn installation(state: &mut State, asked: &Asked) -> Answer {
    let app = asking(state, asked);
    match asked.id("installation_id").and_then(|id| app.installation(id)) {
        Some(installation) => ok(state.installation_shown(app, installation)),
        None => not_found(),
    }
}

pub fn installation_of(state: &mut State, asked: &Asked) -> Answer {
    let app = asking(state, asked);
    let mut all = app.installations.iter();
    match all.find(|installation| installation.repositories.contains(&asked.repository)) {
        Some(installation) => ok(state.installation_shown(app, installation)),
        None => not_found(),
    }
}

pub fn create_token(state: &mut State, asked: &Asked) -> Answer {
    let Who::App(number) = asked.who else { unreachable!("only Apps come here") };
    let app = &state.apps[number];
    let found = asked.id("installation_id").and_then(|id| app.installation(id));
    let Some(installation) = found.cloned() else { return not_found() };
    let app_id = app.id;

    let mut repositories = installation.repositories.clone();
    let is_narrowed = ["repositories", "repository_ids"].iter().any(|f| asked.body[*f].is_array());
    if is_narrowed {
        let wanted = ["repositories", "repository_ids"]
            .iter()
            .flat_map(|field| asked.body[*field].as_array().cloned().unwrap_or_default());
        let find = |wanted: Value| {
            let mut all = installation.repositories.iter().copied();
            all.find(|name| {
                let short = name.split('/').nth(1).unwrap();
                wanted.as_str().is_some_and(|text| text.eq_ignore_ascii_case(short))
                    || wanted.as_u64() == Some(state.repository(name).id)
            })
        };
        let Some(narrowed) = wanted.map(find).collect::<Option<Vec<_>>>() else {
            let message = "There is at least one repository that does not exist or is not accessible to the \
                           parent installation.";
            return refused(422, message);
        };
        repositories = narrowed;
    }

    let mut permissions = installation.permissions.clone();
    if let Some(wanted) = asked.body["permissions"].as_object() {
        let wanted: Permissions = wanted
            .iter()
            .map(|(name, level)| (name.clone(), level.as_str().unwrap().to_owned()))
            .collect();
        if wanted.iter().any(|(name, level)| !grants(&permissions, name, level)) {
            let message = "The permissions requested are not granted to this installation.";
            return refused(422, message);
        }
        permissions = wanted;
        permissions.insert("metadata".into(), "read".into());
    }

    let expires = milliseconds() + state.token_life * 1000;
    // As long as those that GitHub makes now, and no more to be read than they are.
    let made = state.id();
    let part = |part: usize| digits(&format!("token {made} {expires} {part}"));
    let parts: Vec<String> = (0..12).map(part).collect();
    let text =
        format!("ghs_{app_id}_{}.{}.{}", parts[0], parts[1..6].concat(), parts[6..].concat());
    let mut answer = json!({
        "token": text, "expires_at": buildgate::time::rfc3339(expires),
        "permissions": permissions, "repository_selection": "selected",
    });
    if is_narrowed {
        let shown = |name: &&str| {
            let mut shown = state.full_repository(name, false);
            shown["permissions"] = json!({"admin": false, "push": false, "pull": false});
            shown
        };
        answer["repositories"] = repositories.iter().map(shown).collect();
    }
    let installation = installation.id;
    let token =
        Token { text, app: number, installation, repositories, permissions, expires, uses: 0 };
    state.tokens.push(token);
    created(answer)
}
