//! `unlink`: ends what `link` began.

use std::error::Error;
use std::process::ExitCode;

use buildgate::repository::RepositoryName;
use clap::Args;

use crate::steps::Steps;
use crate::target::Target;

/// Unlink a repository: take its webhook and its trigger away.
///
/// Deletes every webhook of the repository that points at the gate, and then the policy in KV.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- unlink octocat/Hello-World --url https://buildgate.example.workers.dev
  cargo run -- unlink octocat/Hello-World --url https://… --dry-run")]
pub struct Unlink {
    /// The repository's full name, such as octocat/Hello-World.
    repository: RepositoryName,

    #[command(flatten)]
    target: Target,

    /// Print every step and change nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Unlink {
    /// Says so where a policy for all of the owner's repositories is in force for this one, too.
    fn tell_of_the_owners_policy(
        &self,
        repository: &RepositoryName,
        steps: &mut Steps,
    ) -> Result<(), String> {
        let key = repository.as_lower();
        let stored = self.target.triggers.find(repository)?;
        if let Some((all, policy)) = stored.filter(|(stored, _)| stored.ends_with("/*")) {
            let manual = self.target.triggers.put_command(key, "manual");
            let what = format!(
                "{all} is {}, which counts for {key}, too; to have no webhook build it: {manual}",
                policy.trim()
            );
            steps.did("trigger", "still in force", &what);
        }
        Ok(())
    }

    /// Unlinks.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let github = self.target.github()?;
        let service = self.target.find_gate()?;
        let mut steps = Steps::telling(self.target.json);
        steps.doing("looking the repository up");
        let repository = github.repository(&self.repository)?.full_name;
        let hooks = github.hooks(&repository)?;
        let all: Vec<String> = hooks.iter().map(|hook| hook.config.url.clone()).collect();
        let ours = service.ours(&repository, hooks);
        // A gate at another address may have the same policies.
        let route = format!("/{}", repository.as_lower());
        let elsewhere: Vec<&String> = all
            .iter()
            .filter(|url| url.to_lowercase().ends_with(&route))
            .filter(|url| ours.iter().all(|hook| hook.config.url != **url))
            .collect();
        let triggers = &self.target.triggers;
        let delete = triggers.delete_command(repository.as_lower());
        if ours.is_empty() {
            // A wrong URL would take the policy of a webhook away that stays.
            if !all.is_empty() {
                return Err(format!(
                    "no webhook of the repository points at {}, and nothing was changed; there are: {}. If one of them is \
                     the gate's, give the gate's URL; to take only the policy away: {delete}",
                    service.url,
                    all.join(", ")
                )
                .into());
            }
            steps.did("webhook", "is not there", "the repository has no webhook");
        }
        for hook in ours {
            if self.dry_run {
                steps.did("webhook", "would be deleted", &hook.config.url);
            } else {
                github.delete_hook(&repository, hook.id)?;
                steps.did("webhook", "deleted", &hook.config.url);
            }
        }
        steps.doing("looking the trigger up with wrangler");
        let stored = triggers.find(&repository)?;
        match stored.filter(|(key, _)| key == repository.as_lower()) {
            None => steps.did("trigger", "is not there", "the repository has no policy of its own"),
            Some(_) if !elsewhere.is_empty() => {
                let others: Vec<&str> = elsewhere.iter().map(|url| url.as_str()).collect();
                let what = format!(
                    "another webhook of the repository points at what may be a gate: {}. To take the policy away: {delete}",
                    others.join(", ")
                );
                steps.did("trigger", "kept", &what);
            }
            Some((_, policy)) => {
                let what = format!("{delete} (it was {})", policy.trim());
                if self.dry_run {
                    steps.did("trigger", "would be deleted", &what);
                } else {
                    steps.doing("deleting the trigger with wrangler");
                    triggers.delete(&repository)?;
                    steps.did("trigger", "deleted", &what);
                }
            }
        }
        self.tell_of_the_owners_policy(&repository, &mut steps)?;
        steps.end(&repository, None);
        Ok(ExitCode::SUCCESS)
    }
}
