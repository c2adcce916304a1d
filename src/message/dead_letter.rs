//! Dead letters, as the operator asks for them.

/// What a list of dead letters is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The repository's full name, without regard to case.
    pub repository: Option<String>,
    /// The login of the repository's owner, without regard to case.
    pub owner: Option<String>,
    /// What the message asks for: `builds` or `github`.
    pub queue: Option<String>,
    /// Why it is kept.
    pub reason: Option<String>,
    /// The build request's id.
    pub build: Option<String>,
    /// Whether it was put back on the queue.
    pub redriven: Option<bool>,
    /// Only what was kept at this time or later, by RFC 3339 in UTC, to the second.
    pub since: Option<String>,
    /// Only what was kept before this time, likewise.
    pub until: Option<String>,
    /// Only what has a greater id.
    pub after: Option<u64>,
    /// Only what has no greater id.
    pub through: Option<u64>,
    /// How many at most.
    pub limit: u64,
}
