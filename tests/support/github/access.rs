//! Who asks, and what they may: a person with a token, an App with a JWT, or one of its installations with a token that is
//! limited to repositories and permissions.

use super::server::{Answer, Asked, refused};
use super::{FINE_GRAINED_TOKEN, State, TOKEN, app};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Who {
    #[default]
    Nobody,
    Person {
        fine_grained: bool,
    },
    /// Which of the Apps.
    App(usize),
    /// Which of the tokens that were made.
    Installation(usize),
}

/// What it takes to be allowed a request.
#[derive(Clone, Copy, PartialEq)]
pub enum Needs {
    Nothing,
    /// What everybody with a token may.
    Metadata,
    Person,
    Permission(&'static str, &'static str),
    /// An App that speaks for itself.
    Jwt,
}

impl State {
    /// Who sent an `Authorization`.
    pub fn who(&mut self, asked: &Asked, needs: Needs, authorization: &str) -> Result<Who, Answer> {
        let (scheme, token) = authorization.split_once(' ').unwrap_or_default();
        let is_known_scheme =
            scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
        if needs == Needs::Nothing {
            return Ok(Who::Nobody);
        }
        if needs == Needs::Jwt {
            // A JWT goes by the one scheme only.
            let is_bearer = scheme.eq_ignore_ascii_case("bearer");
            let token = if is_bearer { token } else { "" };
            return app::verified(self, token).map(Who::App);
        }
        let bad = || refused(401, "Bad credentials");
        if !is_known_scheme {
            return Err(bad());
        }
        if token == TOKEN || token == FINE_GRAINED_TOKEN {
            return Ok(Who::Person { fine_grained: token == FINE_GRAINED_TOKEN });
        }
        let refused_uses = self.refused_uses(&asked.method, asked.template);
        let number = self.tokens.iter().position(|made| made.text == token).ok_or_else(bad)?;
        let made = &mut self.tokens[number];
        made.uses += 1;
        let is_over = made.expires <= super::milliseconds();
        let is_installed = self.apps[made.app].installation(made.installation).is_some();
        if is_over || !is_installed || made.uses <= refused_uses {
            return Err(bad());
        }
        Ok(Who::Installation(number))
    }

    /// Why somebody may not do something.
    pub fn forbidden(&self, asked: &Asked, needs: Needs) -> Option<Answer> {
        let not_by_person = "Resource not accessible by personal access token";
        let not_by_app = || refused(403, "Resource not accessible by integration");
        match (asked.who, needs) {
            // There is no such permission for them at all.
            (Who::Person { fine_grained: true }, Needs::Permission("checks", _)) => {
                Some(refused(403, not_by_person))
            }
            (Who::Installation(_), Needs::Person) => Some(not_by_app()),
            (Who::Installation(token), _) => {
                let token = &self.tokens[token];
                let is_theirs =
                    asked.repository.is_empty() || token.repositories.contains(&asked.repository);
                if !is_theirs {
                    return Some(refused(404, "Not Found"));
                }
                match needs {
                    Needs::Permission(name, level)
                        if !app::grants(&token.permissions, name, level) =>
                    {
                        Some(not_by_app())
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Under what name somebody does something.
    pub fn login(&self, who: Who) -> String {
        match who {
            Who::Installation(token) => {
                format!("{}[bot]", self.apps[self.tokens[token].app].slug)
            }
            _ => "octocat".into(),
        }
    }
}
