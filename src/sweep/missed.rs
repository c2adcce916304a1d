//! Which events were missed, by GitHub's own list of deliveries.
//!
//! Source: <https://docs.github.com/en/webhooks/using-webhooks/automatically-redelivering-failed-deliveries-for-a-github-app-webhook>

use std::collections::{BTreeMap, BTreeSet};

use crate::github::api::HookDelivery;
use crate::message::sweep::Place;

/// The events that the gate uses: another one is not worth a redelivery.
pub const EVENTS: [&str; 6] =
    ["push", "deployment", "deployment_status", "status", "check_run", "check_suite"];

/// How often a delivery is asked for again, and in how many milliseconds after each time it is looked whether it came.
pub const AGAIN_AFTER: [u64; 3] = [30 * 60_000, 3 * 60 * 60_000, 60 * 60_000];

/// How long a delivery may take until it is listed, in milliseconds: what is newer is looked at once more.
const LISTED_WITHIN: u64 = 60_000;

/// What became of the part of the list that earlier sweeps had left.
#[derive(Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing was left, or it was looked at to its end.
    Done,
    /// It goes on here.
    GoesOn(String),
    /// GitHub does not know any more where it went on.
    Gone,
}

/// How far deliveries are known after a sweep. `newest` is when the newest that was listed was delivered, in milliseconds
/// since 1970; `cut` is where the list goes on that was not looked at to its end, and `rest` what became of what was left
/// of an earlier one.
pub fn next_place(
    before: &Place,
    newest: Option<u64>,
    cut: Option<String>,
    rest: Rest,
    now: u64,
) -> Place {
    let left_until = before.rest.as_ref().map_or(before.seen_until, |(_, until)| *until);
    let rest = match (cut, rest) {
        // What was left lies behind this, and part of what was seen between the two: that is looked at once more.
        (Some(cursor), _) | (None, Rest::GoesOn(cursor)) => Some((cursor, left_until)),
        (None, Rest::Done) => None,
        (None, Rest::Gone) => return Place { seen_until: left_until, rest: None },
    };
    let seen_until = newest.map_or(before.seen_until, |newest| {
        newest.min(now).saturating_sub(LISTED_WITHIN).max(before.seen_until)
    });
    Place { seen_until, rest }
}

/// What a list of deliveries comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// The GUIDs that have come.
    pub delivered: Vec<String>,
    /// The newest delivery of each GUID that has not.
    pub missed: Vec<HookDelivery>,
}

/// Sorts deliveries by their GUIDs: any success ends one, and whatever else is not one. A redelivery that failed, and whose
/// first delivery is neither among these nor known, is left out: that was a success, or is too old.
pub fn sort(listed: Vec<HookDelivery>, is_known: impl Fn(&str) -> bool) -> Sorted {
    let mut delivered = BTreeSet::new();
    let mut first = BTreeSet::new();
    let mut failed: BTreeMap<String, HookDelivery> = BTreeMap::new();
    for delivery in listed {
        if delivery.is_success() {
            delivered.insert(delivery.guid);
            continue;
        }
        if !delivery.redelivery {
            first.insert(delivery.guid.clone());
        }
        let newest = failed.get(&delivery.guid);
        if newest
            .is_none_or(|newest| newest.delivered_at.seconds() < delivery.delivered_at.seconds())
        {
            failed.insert(delivery.guid.clone(), delivery);
        }
    }
    let is_missed = |delivery: &HookDelivery| {
        EVENTS.contains(&&*delivery.event)
            && !delivered.contains(&delivery.guid)
            && (first.contains(&delivery.guid) || is_known(&delivery.guid))
    };
    let missed = failed.into_values().filter(is_missed).collect();
    Sorted { delivered: delivered.into_iter().collect(), missed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Moment;

    fn delivery(guid: &str, id: u64, code: u16, redelivery: bool) -> HookDelivery {
        HookDelivery {
            id,
            guid: guid.into(),
            delivered_at: Moment::from_seconds(1_795_378_320 + id).unwrap(),
            status_code: code,
            event: "push".into(),
            redelivery,
        }
    }

    #[test]
    fn any_success_ends_a_guid_and_whatever_is_not_one_is_missed() {
        let ping = HookDelivery { event: "ping".into(), ..delivery("ping", 20, 502, false) };
        let listed = vec![
            delivery("healed", 9, 202, true),
            delivery("again", 8, 500, true),
            ping,
            delivery("late-failure", 7, 504, true),
            delivery("again", 6, 502, false),
            delivery("healed", 5, 401, false),
            delivery("redirect", 4, 302, false),
            delivery("nobody", 3, 0, false),
            delivery("fine", 2, 200, false),
            delivery("late-failure", 1, 200, false),
            delivery("of-long-ago", 10, 500, true),
            delivery("known", 11, 500, true),
        ];
        let sorted = sort(listed, |guid| guid == "known");
        assert_eq!(sorted.delivered, ["fine", "healed", "late-failure"]);
        let missed: Vec<(&str, u64)> =
            sorted.missed.iter().map(|missed| (&*missed.guid, missed.id)).collect();
        assert_eq!(missed, [("again", 8), ("known", 11), ("nobody", 3), ("redirect", 4)]);
    }

    #[test]
    fn what_is_too_long_for_one_sweep_is_gone_on_with_by_the_next() {
        const NOW: u64 = 10_000_000;
        let place = |seen_until: u64, rest: Option<(&str, u64)>| Place {
            seen_until,
            rest: rest.map(|(cursor, until)| (cursor.to_owned(), until)),
        };
        let cursor = |text: &str| Some(text.to_owned());
        let known = place(1_000_000, None);
        let left = place(5_000_000, Some(("a", 1_000_000)));
        let goes_on = |text: &str| Rest::GoesOn(text.to_owned());
        for (before, newest, cut, rest, after) in [
            // Nothing new.
            (&known, None, None, Rest::Done, place(1_000_000, None)),
            // All of it was looked at, and the newest minute will be once more.
            (&known, Some(9_000_000), None, Rest::Done, place(8_940_000, None)),
            (&known, Some(1_000_001), None, Rest::Done, place(1_000_000, None)),
            // GitHub's clock is ahead.
            (&known, Some(11_000_000), None, Rest::Done, place(9_940_000, None)),
            // It goes on at `a` until what was known before.
            (
                &known,
                Some(5_060_000),
                cursor("a"),
                Rest::Done,
                place(5_000_000, Some(("a", 1_000_000))),
            ),
            // What was left is done, or goes on at `b`.
            (&left, None, None, Rest::Done, place(5_000_000, None)),
            (&left, None, None, goes_on("b"), place(5_000_000, Some(("b", 1_000_000)))),
            // Twice too long: it goes on at the newer one, until what was known before the older one.
            (
                &left,
                Some(9_060_000),
                cursor("c"),
                goes_on("a"),
                place(9_000_000, Some(("c", 1_000_000))),
            ),
            // Where it went on is not known any more: the list is looked at from its beginning.
            (&left, Some(9_060_000), None, Rest::Gone, place(1_000_000, None)),
        ] {
            let next = next_place(before, newest, cut, rest, NOW);
            assert_eq!(next, after, "{before:?} {newest:?}");
        }
    }

    #[test]
    fn the_attempts_are_further_apart_each_time() {
        assert_eq!(AGAIN_AFTER.len(), 3);
        assert!(AGAIN_AFTER[0] < AGAIN_AFTER[1]);
    }
}
