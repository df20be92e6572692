//! `cargo dev dead-letters`: what nobody could deal with, and another try for it.

use clap::{Args, Subcommand};
use domain::{
    night::{NightMessage, ShardMessage},
    sync::{QueueError, SyncMessage},
};
use queue::{DeadLetter, DeadLetterQueue};
use template::Template;

use crate::{Ready, Stack, StackError, cli::running, names, output::print, stack::sdk_config};

/// What to do with dead letters.
#[derive(Subcommand)]
pub(crate) enum DeadLetters {
    /// List them: when each was sent, its message, how often it was received, why it is here, what it asked for.
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Send them back to the queue that they came from.
    Redrive {
        /// Only the letters of this message.
        #[arg(long)]
        message: Option<String>,
        #[command(flatten)]
        of: Of,
        /// The queue of AWS that they go back to.
        #[arg(long, requires = "dead_letters_url")]
        queue_url: Option<String>,
    },
}

/// Whose dead letters.
#[derive(Args)]
pub(crate) struct Of {
    /// Those of this queue of the template: `SyncQueue` is sync, `NightQueue` is night.
    #[arg(long, default_value = SYNC, value_parser = known_queue, conflicts_with = "dead_letters_url")]
    queue: String,
    /// The dead letters of AWS at this URL, with the environment's credentials.
    #[arg(long)]
    dead_letters_url: Option<String>,
}

/// The queue of syncs, as the command line calls it.
const SYNC: &str = "sync";
const LETTERS: &str = "DeadLetters";

pub(crate) async fn run(command: DeadLetters) -> Result<(), StackError> {
    match command {
        DeadLetters::List { of } => list(&letters_at(&of)?).await,
        DeadLetters::Redrive { message, of, queue_url } => {
            let to = match (queue_url, &of.dead_letters_url) {
                (Some(url), _) => url,
                (None, None) => queue_of(&of.queue)?,
                (None, Some(_)) => {
                    return Err(StackError::Unexpected("--queue-url says where they go back to".to_owned()));
                }
            };
            redrive(&letters_at(&of)?, &to, message.as_deref()).await
        }
    }
}

/// A queue's name on the command line, if the template has dead letters of it.
fn known_queue(name: &str) -> Result<String, String> {
    let names = queues_with_letters().map_err(|error| error.to_string())?;
    if names.iter().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    Err(format!("must be one of {}", names.join(", ")))
}

/// The queues of the template that have dead letters, as the command line calls them.
fn queues_with_letters() -> Result<Vec<String>, StackError> {
    let template = Template::load(&crate::root().join("template.yaml"))?;
    let ids = template.queues().into_iter().map(|queue| queue.id);
    Ok(ids.filter_map(|id| Some(id.strip_suffix(LETTERS)?.to_lowercase())).collect())
}

/// The logical id that belongs to a name.
fn logical_id(name: &str, kind: &str) -> String {
    let (first, rest) = name.split_at(name.len().min(1));
    format!("{}{rest}{kind}", first.to_uppercase())
}

/// Where the letters of a queue go back to. What a schedule could not run came from no queue.
fn queue_of(name: &str) -> Result<String, StackError> {
    let id = logical_id(name, "Queue");
    let template = Template::load(&crate::root().join("template.yaml"))?;
    if template.queues().iter().any(|queue| queue.id == id) {
        return Ok(names::queue_url(&names::queue(&id)));
    }
    Err(StackError::Unexpected(format!(
        "what is among the dead letters of {name} came from no queue: the next run, or `cargo dev night`, does it again"
    )))
}

impl Stack {
    /// The dead letters of the syncs, as an operator sees them.
    pub fn dead_letters(&self) -> Result<DeadLetterQueue, StackError> {
        letters_of(&self.ready, SYNC)
    }

    /// Those of another queue, by its name on the command line.
    pub fn dead_letters_of(&self, name: &str) -> Result<DeadLetterQueue, StackError> {
        letters_of(&self.ready, name)
    }
}

fn letters_of(ready: &Ready, name: &str) -> Result<DeadLetterQueue, StackError> {
    let url = names::queue_url(&names::queue(&logical_id(name, LETTERS)));
    Ok(DeadLetterQueue::new(&sdk_config(&ready.aws_url)?, url))
}

/// Those of AWS at a URL, or those of the stack that runs.
fn letters_at(of: &Of) -> Result<DeadLetterQueue, StackError> {
    match &of.dead_letters_url {
        Some(url) => Ok(DeadLetterQueue::new(&aws_config()?, url.clone())),
        None => letters_of(&running()?, &of.queue),
    }
}

/// The SDK's configuration for AWS, with the environment's credentials.
pub(crate) fn aws_config() -> Result<aws::SdkConfig, StackError> {
    let settings = aws::settings().map_err(|error| StackError::Unexpected(error.to_string()))?;
    aws::sdk_config(settings).map_err(|error| StackError::Unexpected(error.to_string()))
}

async fn list(letters: &DeadLetterQueue) -> Result<(), StackError> {
    let letters = letters.list().await.map_err(|error| unreachable(&error))?;
    for letter in &letters {
        print(&line(letter));
    }
    print(&format!("{} dead letter(s)", letters.len()));
    Ok(())
}

async fn redrive(
    letters: &DeadLetterQueue,
    queue_url: &str,
    message: Option<&str>,
) -> Result<(), StackError> {
    let count = letters.redrive(queue_url, message).await.map_err(|error| unreachable(&error))?;
    if let (0, Some(message)) = (count, message) {
        return Err(StackError::Unexpected(format!("no dead letter is of the message {message}")));
    }
    print(&format!("{count} dead letter(s) sent back"));
    Ok(())
}

fn unreachable(error: &QueueError) -> StackError {
    StackError::Unexpected(error.to_string())
}

/// A letter on one line. Its body is shown only as far as it is a message of ours.
fn line(letter: &DeadLetter) -> String {
    let sent = letter.sent.map_or_else(|| "-".to_owned(), |sent| sent.to_string());
    let reason = letter.reason.as_deref().unwrap_or("received too often");
    let start = format!("{sent}  {}  {}  {reason}", letter.id, letter.receives);
    format!("{start}{}", asked(&letter.body))
}

/// What a message of ours asked for.
fn asked(body: &str) -> String {
    if let Ok(SyncMessage { at, want, .. }) = serde_json::from_str(body) {
        return format!("  {}{}", at.item, want.map(|want| format!(" want {want}")).unwrap_or_default());
    }
    if let Ok(NightMessage { night, items, .. }) = serde_json::from_str(body) {
        let items: Vec<_> = items.iter().map(|item| item.at.item.as_str()).collect();
        return format!("  night of {night} {}", items.join(" "));
    }
    if let Ok(ShardMessage { night, shard, .. }) = serde_json::from_str(body) {
        return format!("  night of {night} shard {shard}");
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn letter(body: &str, reason: Option<&str>) -> DeadLetter {
        DeadLetter {
            id: "message-0".to_owned(),
            body: body.to_owned(),
            reason: reason.map(str::to_owned),
            sent: Some(Timestamp::UNIX_EPOCH),
            receives: 11,
        }
    }

    #[test]
    fn a_line_tells_the_item_where_it_can_be_read_and_never_another_body() {
        let body = r#"{"v":1,"household":"hh_a11ce00000000000","item":"itm_0000000000000000","cause":"night","want":7}"#;
        assert_eq!(
            line(&letter(body, None)),
            "1970-01-01T00:00:00Z  message-0  11  received too often  itm_0000000000000000 want 7"
        );
        assert_eq!(
            line(&letter("poison", Some("the message has no version"))),
            "1970-01-01T00:00:00Z  message-0  11  the message has no version"
        );
    }

    #[test]
    fn a_line_tells_the_night_and_its_items() {
        let item = r#"{"place":3,"household":"hh_a11ce00000000000","item":"itm_0000000000000000"}"#;
        let night = r#""v":1,"night":"2026-11-24","shard":7,"ends":"2026-11-25T07:00:00Z""#;
        let (message, shard) =
            (format!("{{{night},\"number\":0,\"items\":[{item}]}}"), format!("{{{night}}}"));
        assert!(
            line(&letter(&message, Some("never")))
                .ends_with("never  night of 2026-11-24 itm_0000000000000000")
        );
        assert!(line(&letter(&shard, Some("never"))).ends_with("never  night of 2026-11-24 shard 07"));
    }

    #[test]
    fn each_queue_with_dead_letters_is_called_by_its_name() {
        assert!(known_queue("sync").is_ok() && known_queue("night").is_ok());
        assert!(known_queue("nights").unwrap_err().contains("night"));
        assert!(queue_of("night").unwrap().ends_with("NightQueue"));
        assert!(queue_of("schedule").is_err(), "a schedule is no queue");
    }
}
