//! What the stories say to one another over queues.

pub mod build_request;

/// What a queue's messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Build requests.
    Builds {
        /// Whether the queue itself has given them up and moved them to its dead-letter queue.
        given_up: bool,
    },
}

impl Queue {
    /// Tells by its name what a queue holds: `builds`, or its dead-letter queue `builds-dead`. A queue belongs to
    /// the whole account and has one consumer, so a second gate's queues have other names: only the end counts.
    pub fn of(name: &str) -> Self {
        Self::Builds { given_up: name.ends_with("-dead") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_queue_is_known_by_its_end() {
        for (name, given_up) in [
            ("builds", false),
            ("builds-dead", true),
            ("staging-builds", false),
            ("staging-builds-dead", true),
            ("dead", false),
            ("", false),
        ] {
            assert_eq!(Queue::of(name), Queue::Builds { given_up }, "{name}");
        }
    }
}
