//! What needs a hand, and what somebody was told of it.

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something could not be handed over or done, and waits for somebody.
    DeadLetter,
    /// The build service takes nothing.
    Origin,
    /// Deliveries of a webhook fail, by GitHub's own list.
    Webhook,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::DeadLetter, Self::Origin, Self::Webhook];

    /// The word that stands for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeadLetter => "dead-letter",
            Self::Origin => "origin",
            Self::Webhook => "webhook",
        }
    }
}

/// What is known of a kind of trouble.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// How much of it there is: none where it is over.
    pub count: u64,
    /// What tells the newest of it from what was there before: the greater, the newer.
    pub newest: u64,
    /// What it is, in words.
    pub detail: String,
}

/// What was said of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Whether that was that there is trouble.
    pub is_open: bool,
    /// The newest of it then.
    pub newest: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
}
