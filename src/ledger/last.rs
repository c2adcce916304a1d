//! What came last of a repository, or of one of an owner's: a delivery, and a build.

use std::collections::HashMap;

use crate::ledger::LEDGER;
use crate::message::build::LastBuild;
use crate::message::journal::LastDelivery;
use crate::platform::d1;
use crate::platform::env::Env;
use crate::time::{rfc3339, rfc3339_to_the_millisecond};

/// The last delivery and the last build, where there are any.
pub(crate) type Last = (Option<LastDelivery>, Option<LastBuild>);

/// What came last of each of these: full names, or `owner/*`.
pub(crate) async fn of(env: &Env, names: &[&str]) -> Result<HashMap<String, Last>, String> {
    let list = serde_json::to_string(names).map_err(|error| error.to_string())?;
    // Of one repository, an index leads straight to it; of all of an owner's, through all of theirs, which are between
    // `owner/` and `owner0`.
    let last = |column: &str, table: &str| {
        format!(
            "CASE WHEN name.value LIKE '%/*' \
             THEN (SELECT max({column}) FROM {table} WHERE repository >= rtrim(name.value, '*') \
             AND repository < replace(name.value, '/*', '0')) \
             ELSE (SELECT {column} FROM {table} WHERE repository = name.value ORDER BY {column} DESC LIMIT 1) END"
        )
    };
    let statement = format!(
        "SELECT name, d.id AS delivery, d.at, d.event, d.outcome, d.code, b.id AS build, b.state, b.since \
         FROM (SELECT name.value AS name, {} AS delivery, {} AS build FROM json_each(?) AS name) AS last \
         LEFT JOIN deliveries AS d ON d.id = last.delivery LEFT JOIN builds AS b ON b.number = last.build",
        last("id", "deliveries"),
        last("number", "builds")
    );
    let rows = d1::rows(env, LEDGER, &statement, &[list.as_str().into()]).await?;
    let mut all = HashMap::new();
    for row in &rows {
        let delivery = match row.get::<Option<String>>("delivery")? {
            None => None,
            Some(id) => Some(LastDelivery {
                id,
                at: rfc3339_to_the_millisecond(row.get("at")?),
                event: row.get("event")?,
                outcome: row.get("outcome")?,
                code: row.get("code")?,
            }),
        };
        let build = match row.get::<Option<String>>("build")? {
            None => None,
            Some(id) => {
                Some(LastBuild { id, state: row.get("state")?, since: rfc3339(row.get("since")?) })
            }
        };
        all.insert(row.get("name")?, (delivery, build));
    }
    Ok(all)
}
