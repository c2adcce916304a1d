//! What the stories say to one another over queues.

pub mod alert;
pub mod auto_deployment;
pub mod build;
pub mod build_request;
pub mod dead_letter;
pub mod github_job;
pub mod journal;
pub mod sweep;

/// What a queue's messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// What they ask for.
    pub work: Work,
    /// Whether the queue itself has given them up and moved them to its dead-letter queue.
    pub given_up: bool,
}

/// What messages ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// To hand a build request over.
    Builds,
    /// To do something at GitHub.
    GitHub,
    /// To keep what became of deliveries: for the console, and for nobody's build.
    Journal,
}

impl Work {
    /// The word that stands for it in the ledger, which is the queue's usual name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Builds => "builds",
            Self::GitHub => "github",
            Self::Journal => "journal",
        }
    }

    /// The binding by which such messages are put on their queue.
    pub fn binding(self) -> &'static str {
        match self {
            Self::Builds => "BUILD_QUEUE",
            Self::GitHub => "GITHUB_QUEUE",
            Self::Journal => "JOURNAL_QUEUE",
        }
    }

    /// The bindings of the queues that such messages are put on, of these names of bindings and more: `BUILD_QUEUE` and its
    /// further shards, `BUILD_QUEUE_2` and so on. Of the others there is one queue each.
    pub fn shards(self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        let is_shard = |name: &str| match name.strip_prefix(self.binding()) {
            Some("") => true,
            Some(rest) if self == Self::Builds => {
                let number = rest.strip_prefix('_').unwrap_or_default();
                !number.starts_with('0') && number.parse().is_ok_and(|number: u32| number > 1)
            }
            _ => false,
        };
        names.into_iter().filter(|name| is_shard(name)).collect()
    }

    /// What the word in the ledger stands for.
    pub fn from_word(word: &str) -> Self {
        if word == Self::GitHub.as_str() { Self::GitHub } else { Self::Builds }
    }
}

impl Queue {
    /// Tells by its name what a queue holds: `builds`, `github`, `journal`, or the dead-letter queue of one, which has
    /// `-dead` at its end. A queue belongs to the whole account and has one consumer, so a second gate's queues have other names:
    /// only the end counts.
    pub fn of(name: &str) -> Self {
        let (name, given_up) = match name.strip_suffix("-dead") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let others = [Work::GitHub, Work::Journal];
        let work = others.into_iter().find(|work| name.ends_with(work.as_str()));
        Self { work: work.unwrap_or(Work::Builds), given_up }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_known_by_its_end() {
        for (name, work, given_up) in [
            ("builds", Work::Builds, false),
            ("builds-dead", Work::Builds, true),
            ("staging-builds", Work::Builds, false),
            ("staging-builds-dead", Work::Builds, true),
            ("builds-2", Work::Builds, false),
            ("builds-2-dead", Work::Builds, true),
            ("github", Work::GitHub, false),
            ("github-dead", Work::GitHub, true),
            ("staging-github-dead", Work::GitHub, true),
            ("journal", Work::Journal, false),
            ("staging-journal", Work::Journal, false),
            ("dead", Work::Builds, false),
            ("", Work::Builds, false),
        ] {
            assert_eq!(Queue::of(name), Queue { work, given_up }, "{name}");
        }
    }

    #[test]
    fn builds_have_as_many_queues_as_are_bound_and_the_others_one_each() {
        let names = || {
            let names = [
                "BUILD_QUEUE",
                "BUILD_QUEUE_2",
                "BUILD_QUEUE_10",
                "BUILD_QUEUE_1",
                "BUILD_QUEUE_02",
                "BUILD_QUEUE_",
                "BUILD_QUEUE_x",
                "BUILD_QUEUE_-2",
                "BUILD_QUEUES",
                "MY_BUILD_QUEUE",
                "GITHUB_QUEUE",
                "GITHUB_QUEUE_2",
            ];
            names.map(str::to_owned)
        };
        let shards = Work::Builds.shards(names());
        assert_eq!(shards, ["BUILD_QUEUE", "BUILD_QUEUE_2", "BUILD_QUEUE_10"]);
        assert_eq!(Work::GitHub.shards(names()), ["GITHUB_QUEUE"]);
        assert!(Work::Journal.shards(names()).is_empty());
    }

    #[test]
    fn the_ledgers_word_leads_back_to_the_queue() {
        for work in [Work::Builds, Work::GitHub] {
            assert_eq!(Work::from_word(work.as_str()), work);
        }
    }
}
