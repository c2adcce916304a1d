//! What goes wrong at GitHub, or on the way to it: asked for by a test, for requests that it names.

use super::{GitHub, State};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// All is well: what goes wrong is one of those after it.
    Nothing,
    /// Answers with this status, and does nothing.
    Status(u16),
    /// Does what was asked, and closes the connection without an answer.
    LostAnswer,
    /// The primary limit: 403, and when it is over.
    RateLimited { reset_in: u64 },
    /// The secondary limit: 403, and when to come again.
    Secondary { retry_after: u64 },
    /// Takes so many seconds, and then does what was asked, or answers with a status and does nothing.
    Slow { seconds: u64, then: Option<u16> },
    /// Neither answers nor closes the connection.
    Hang,
    /// A token of an installation is not known everywhere at once: its first uses, `times` for each, are refused.
    FreshTokenRefused,
}

#[derive(Clone, Debug)]
pub struct Fault {
    /// `*` is any.
    pub method: &'static str,
    /// A path as GitHub's description writes it, or `*`.
    pub template: &'static str,
    /// How often: after that, all is well again.
    pub times: usize,
    pub kind: Kind,
}

impl GitHub {
    pub fn fault(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }
}

impl Fault {
    fn is_of(&self, method: &str, template: &str) -> bool {
        [(self.method, method), (self.template, template)].iter().all(|(a, b)| *a == "*" || a == b)
    }
}

impl State {
    /// What goes wrong with a request. It is used up by it.
    pub fn fault_of(&mut self, method: &str, template: &str) -> Option<Kind> {
        let fits = |fault: &&mut Fault| {
            fault.kind != Kind::FreshTokenRefused
                && fault.times > 0
                && fault.is_of(method, template)
        };
        let fault = self.faults.iter_mut().find(fits)?;
        fault.times -= 1;
        (fault.kind != Kind::Nothing).then_some(fault.kind)
    }

    /// How many uses of a new token are refused.
    pub fn refused_uses(&self, method: &str, template: &str) -> usize {
        let refuse = self.faults.iter().filter(|fault| fault.kind == Kind::FreshTokenRefused);
        refuse.filter(|fault| fault.is_of(method, template)).map(|fault| fault.times).sum()
    }
}
