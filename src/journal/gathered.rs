//! What an isolate has answered and not sent yet. It has a bound, so that a queue which takes nothing costs no memory
//! without end: then the oldest deliveries are let go of, and their counts stay.

use std::collections::VecDeque;

use serde::Serialize;
use uuid::Builder;

use crate::message::journal::{Count, Entry};

/// How many deliveries are held at most, of about a kilobyte each.
const MOST: usize = 2_000;

/// How many counts are held at most: an hour has fewer codes and events than that, unless somebody who knows a secret makes
/// events up. What comes above that is counted under no event.
const MOST_COUNTS: usize = 500;

/// How long a message is at most, in bytes: a queue takes 128,000
/// (<https://developers.cloudflare.com/queues/platform/limits/>).
const LONGEST: usize = 100_000;

/// How long whoever sends is waited for, in milliseconds: the runtime lets go of what goes on for 30 seconds after an answer
/// (<https://developers.cloudflare.com/workers/runtime-apis/context/#waituntil>).
const SENDING: u64 = 30_000;

const HOUR: u64 = 3_600_000;

/// What is random of a message: all else of its ids is the time.
pub type Random = [u8; 16];

/// What was gathered.
#[derive(Default)]
pub struct Gathered {
    entries: VecDeque<Entry>,
    counts: Vec<Count>,
    /// A message that is being sent: it stays as it is until the queue has it, so that sending it again changes nothing.
    unsent: Option<Message>,
    sending_until: u64,
    lost: u64,
}

/// A message for the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id: what is kept of a message is kept once.
    pub id: String,
    /// Its text.
    pub text: String,
}

impl Gathered {
    /// Counts an answer that was given at a time; `event` only where it was verified.
    pub fn count(&mut self, at: u64, event: Option<&str>, code: &'static str) {
        let hour = at - at % HOUR;
        let full = self.counts.len() >= MOST_COUNTS;
        let event = event.unwrap_or_default();
        let is = |count: &Count, event: &str| {
            count.hour == hour && count.code == code && count.event == event
        };
        let found = self.counts.iter().position(|count| is(count, event));
        let found = found.or_else(|| self.counts.iter().position(|count| full && is(count, "")));
        match found.and_then(|at| self.counts.get_mut(at)) {
            Some(count) => count.count += 1,
            None => {
                let event = if full { "" } else { event }.to_owned();
                self.counts.push(Count { hour, event, code, count: 1 });
            }
        }
    }

    /// Takes a delivery.
    pub fn note(&mut self, entry: Entry) {
        if self.entries.len() >= MOST {
            self.entries.pop_front();
            self.lost += 1;
        }
        self.entries.push_back(entry);
    }

    /// Whether somebody has to send what is here, for nobody is doing it at this time: whoever asks, and is told so, does.
    pub fn is_due(&mut self, now: u64) -> bool {
        let is_due = now >= self.sending_until && !self.is_empty();
        if is_due {
            self.sending_until = now + SENDING;
        }
        is_due
    }

    fn is_empty(&self) -> bool {
        self.unsent.is_none() && self.entries.is_empty() && self.counts.is_empty()
    }

    /// The next message to send, if there is something: the same until it is [`sent`](Self::sent).
    pub fn next(&mut self, now: u64, random: Random) -> Option<Message> {
        if self.unsent.is_none() && !self.is_empty() {
            self.unsent = Some(self.message(now, random));
        }
        self.unsent.clone()
    }

    /// The queue has the message of this id.
    pub fn sent(&mut self, id: &str) {
        if self.unsent.as_ref().is_some_and(|message| message.id == id) {
            self.unsent = None;
        }
    }

    /// Whoever was sending does so no more. Gives how many deliveries were let go of since the last time.
    pub fn release(&mut self) -> u64 {
        self.sending_until = 0;
        std::mem::take(&mut self.lost)
    }

    /// A message of as much as it can hold.
    fn message(&mut self, now: u64, random: Random) -> Message {
        #[derive(Serialize)]
        struct WithId<'a> {
            id: String,
            #[serde(flatten)]
            entry: &'a Entry,
        }
        #[derive(Serialize)]
        struct Head<'a> {
            version: u8,
            id: &'a str,
            counts: Vec<Count>,
        }
        let id = id(now, &random, None);
        let head = Head { version: 1, id: &id, counts: std::mem::take(&mut self.counts) };
        // What cannot be written here are maps with strange keys, of which there are none.
        let mut text = serde_json::to_string(&head).unwrap_or_default();
        text.pop();
        text.push_str(",\"entries\":[");
        let mut number: u16 = 0;
        while let Some(entry) = self.entries.front() {
            let entry = WithId { id: self::id(entry.at, &random, Some(number)), entry };
            let entry = serde_json::to_string(&entry).unwrap_or_default();
            if number > 0 && text.len() + entry.len() + 3 > LONGEST {
                break;
            }
            if number > 0 {
                text.push(',');
            }
            text.push_str(&entry);
            self.entries.pop_front();
            number += 1;
        }
        text.push_str("]}");
        Message { id, text }
    }
}

/// An id that is a time and then random: a UUID of version 7 (RFC 9562, section 5.7), so ids are in the order of their times.
/// Those of one message differ in their number.
fn id(at: u64, random: &Random, number: Option<u16>) -> String {
    let [a, b, c, d, e, f, g, h, ..] = *random;
    let [i, j] = number.map_or([0xff, 0xff], u16::to_be_bytes);
    Builder::from_unix_timestamp_millis(at, &[a & 0xf, b, c & 0x3f, d, e, f, g, h, i, j])
        .into_uuid()
        .to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const RANDOM: Random = [7; 16];

    fn entry(at: u64, message: &str) -> Entry {
        Entry {
            at,
            delivery: Some("72d3162e-cc78-11e3-81ab-4c9367dc0958".into()),
            event: Some("push".into()),
            repository: Some("octocat/Hello-World".into()),
            trigger: Some("commit"),
            outcome: "queued",
            code: "push-queued",
            status: 202,
            message: message.into(),
            build: Some("push:octocat/hello-world:refs/heads/main:1:2".into()),
            ms: 3,
        }
    }

    fn read(message: &Message) -> Value {
        serde_json::from_str(&message.text).unwrap()
    }

    #[test]
    fn a_message_holds_what_was_noted_and_counted() {
        let mut gathered = Gathered::default();
        assert_eq!(gathered.next(1, RANDOM), None);
        for (at, event, code) in [
            (HOUR + 1, Some("push"), "push-queued"),
            (2 * HOUR - 1, Some("push"), "push-queued"),
            (2 * HOUR, Some("push"), "push-queued"),
            (2 * HOUR, None, "bad-signature"),
        ] {
            gathered.count(at, event, code);
        }
        gathered.note(entry(HOUR + 1, "one"));
        gathered.note(entry(HOUR + 1, "two"));
        let message = gathered.next(2 * HOUR, RANDOM).unwrap();
        let text = read(&message);
        assert_eq!(text["id"], message.id);
        let counts: Vec<_> = text["counts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|count| {
                let hours = count["hour"].as_u64().unwrap() / HOUR;
                (
                    hours,
                    count["event"].as_str().unwrap(),
                    count["code"].as_str().unwrap(),
                    count["count"].as_u64().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            counts,
            [
                (1, "push", "push-queued", 2),
                (2, "push", "push-queued", 1),
                (2, "", "bad-signature", 1)
            ]
        );
        let entries = text["entries"].as_array().unwrap();
        assert_eq!(
            entries.iter().map(|entry| &entry["message"]).collect::<Vec<_>>(),
            ["one", "two"]
        );
        assert_eq!((&entries[0]["status"], &entries[0]["at"]), (&202.into(), &(HOUR + 1).into()));
    }

    #[test]
    fn a_message_stays_the_same_until_the_queue_has_it() {
        let mut gathered = Gathered::default();
        gathered.note(entry(1, "one"));
        let first = gathered.next(1, RANDOM).unwrap();
        gathered.note(entry(2, "two"));
        assert_eq!(gathered.next(2, [8; 16]).as_ref(), Some(&first));
        gathered.sent("another");
        assert_eq!(gathered.next(3, [8; 16]).as_ref(), Some(&first));
        gathered.sent(&first.id);
        let second = gathered.next(4, [8; 16]).unwrap();
        assert_eq!(read(&second)["entries"][0]["message"], "two");
        gathered.sent(&second.id);
        assert_eq!(gathered.next(5, RANDOM), None);
    }

    #[test]
    fn one_sends_at_a_time_and_another_where_that_one_was_let_go_of() {
        let mut gathered = Gathered::default();
        assert!(!gathered.is_due(1), "there is nothing");
        gathered.count(1, None, "bad-signature");
        assert!(gathered.is_due(1));
        assert!(!gathered.is_due(SENDING));
        assert!(gathered.is_due(1 + SENDING));
        assert_eq!(gathered.release(), 0);
        assert!(gathered.is_due(2 + SENDING));
    }

    #[test]
    fn a_message_is_one_that_a_queue_takes_and_nothing_is_left_out() {
        let mut gathered = Gathered::default();
        for number in 0..300 {
            gathered.note(entry(number, &"\u{1}".repeat(200)));
        }
        let mut noted = 0;
        let mut messages = 0;
        while let Some(message) = gathered.next(1, [messages; 16]) {
            assert!(message.text.len() <= LONGEST, "{}", message.text.len());
            noted += read(&message)["entries"].as_array().unwrap().len();
            gathered.sent(&message.id);
            messages += 1;
        }
        assert_eq!(noted, 300);
        assert!(messages > 1);
    }

    #[test]
    fn a_queue_that_takes_nothing_costs_the_oldest_and_no_count() {
        let mut gathered = Gathered::default();
        for number in 0..MOST as u64 + 5 {
            gathered.count(number, Some(&format!("event_{number}")), "event-not-used");
            gathered.note(entry(number, "m"));
        }
        assert_eq!(gathered.entries.len(), MOST);
        assert_eq!(gathered.entries.front().unwrap().at, 5);
        assert_eq!(gathered.counts.iter().map(|count| count.count).sum::<u64>(), MOST as u64 + 5);
        assert!(gathered.counts.len() <= MOST_COUNTS + 1);
        assert_eq!((gathered.release(), gathered.release()), (5, 0));
    }

    #[test]
    fn ids_are_in_the_order_of_their_times_and_no_two_the_same() {
        let ids = [id(1, &RANDOM, Some(0)), id(1, &RANDOM, Some(1)), id(1, &RANDOM, None)];
        assert!(ids.is_sorted() && ids[0] != ids[1] && ids[1] != ids[2]);
        assert!(id(1, &[0xff; 16], Some(9)) < id(2, &[0; 16], Some(0)));
        assert_eq!(id(1_795_378_320_000, &RANDOM, Some(3)), "01a204e3-1280-7707-8707-070707070003");
    }
}
