//! What rows are asked for, as SQL: only the conditions that are given, so that the database can use its indexes.

use crate::platform::d1::Value;

/// The conditions of a list, each with its value.
#[derive(Default)]
pub(crate) struct Conditions<'a> {
    sql: String,
    values: Vec<Value<'a>>,
}

impl<'a> Conditions<'a> {
    /// With a condition that has one `?`, where a value is given for it.
    pub(crate) fn and(mut self, condition: &str, value: Option<impl Into<Value<'a>>>) -> Self {
        if let Some(value) = value {
            self.push(condition);
            self.values.push(value.into());
        }
        self
    }

    /// With a condition that has no `?`, where it is to hold.
    pub(crate) fn and_that(mut self, condition: &str, holds: bool) -> Self {
        if holds {
            self.push(condition);
        }
        self
    }

    /// With one for the owner of the repository in a column, which compares without regard to case; `range` is [`owned`] of
    /// the login.
    pub(crate) fn and_owned(self, column: &str, range: &'a Option<(String, String)>) -> Self {
        let Some((from, to)) = range else { return self };
        self.and(&format!("{column} >= ?"), Some(from.as_str()))
            .and(&format!("{column} < ?"), Some(to.as_str()))
    }

    fn push(&mut self, condition: &str) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(condition);
    }

    /// What follows a table's name.
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// The values, and then one more for a `LIMIT ?`.
    pub(crate) fn values_and(&self, limit: u64) -> Vec<Value<'a>> {
        self.values.iter().copied().chain([limit.into()]).collect()
    }

    /// The values.
    pub(crate) fn values(&self) -> &[Value<'a>] {
        &self.values
    }
}

/// The full names of an owner's repositories: from the first text to before the second, in the order of their bytes, without
/// regard to case.
pub(crate) fn owned(owner: &str) -> (String, String) {
    // What follows a slash is `0`.
    (format!("{owner}/"), format!("{owner}0"))
}
