//! Where the gate's secrets are kept: at Cloudflare, or on one's own machine in `.dev.vars`.

use buildgate::published::is_published;
use secrecy::{ExposeSecret, SecretString};

use crate::dev_vars;
use crate::local;
use crate::wrangler::Wrangler;

/// Where the gate's secrets are kept.
pub enum Store<'a> {
    /// With the worker, at Cloudflare.
    Worker(Wrangler<'a>),
    /// In `.dev.vars`.
    Local,
}

impl Store<'_> {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Worker(_) => "the worker",
            Self::Local => ".dev.vars",
        }
    }

    /// Those of these names that are there. What comes with the project is no secret, and so is not, unless it counts.
    pub fn present(
        &self,
        names: &[&'static str],
        counts_published: bool,
    ) -> Result<Vec<&'static str>, String> {
        let there = match self {
            Self::Local => names
                .iter()
                .filter(|name| {
                    let value = local::secret(name).map(|found| found.value);
                    value.is_some_and(|value| {
                        let value = value.expose_secret();
                        !value.trim().is_empty() && (counts_published || !is_published(value))
                    })
                })
                .copied()
                .collect(),
            Self::Worker(wrangler) => {
                let all = wrangler.secrets()?.ok_or(
                    "the gate was never deployed, so it can be given no secrets: run cargo run -- deploy first",
                )?;
                names.iter().filter(|name| all.iter().any(|n| n == *name)).copied().collect()
            }
        };
        Ok(there)
    }

    /// Sets secrets.
    pub fn set(&self, secrets: &[(&str, &SecretString)]) -> Result<(), String> {
        match self {
            Self::Worker(wrangler) => Ok(wrangler.set_secrets(secrets)?),
            Self::Local => dev_vars::set(secrets),
        }
    }
}
