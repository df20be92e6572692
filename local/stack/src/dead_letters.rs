//! `cargo dev dead-letters`: what nobody could deal with, and another try for it.

use clap::Subcommand;
use domain::sync::{QueueError, SyncMessage};
use queue::{DeadLetter, DeadLetterQueue};

use crate::{Ready, Stack, StackError, cli::running, names, output::print, stack::sdk_config};

/// What to do with dead letters.
#[derive(Subcommand)]
pub(crate) enum DeadLetters {
    /// List them: when each was sent, its message, how often it was received, why it is here, what it asked for.
    List {
        /// The dead letters of AWS at this URL, with the environment's credentials.
        #[arg(long)]
        dead_letters_url: Option<String>,
    },
    /// Send them back to the queue that they came from.
    Redrive {
        /// Only the letters of this message.
        #[arg(long)]
        message: Option<String>,
        /// The dead letters of AWS at this URL, with the environment's credentials.
        #[arg(long, requires = "queue_url")]
        dead_letters_url: Option<String>,
        /// The queue of AWS that they go back to.
        #[arg(long, requires = "dead_letters_url")]
        queue_url: Option<String>,
    },
}

pub(crate) async fn run(command: DeadLetters) -> Result<(), StackError> {
    match command {
        DeadLetters::List { dead_letters_url } => list(&letters_at(dead_letters_url)?).await,
        DeadLetters::Redrive { message, dead_letters_url, queue_url } => {
            let queue_url = queue_url.unwrap_or_else(|| names::queue_url(&names::queue("SyncQueue")));
            redrive(&letters_at(dead_letters_url)?, &queue_url, message.as_deref()).await
        }
    }
}

impl Stack {
    /// The dead letters of the syncs, as an operator sees them.
    pub fn dead_letters(&self) -> Result<DeadLetterQueue, StackError> {
        letters_of(&self.ready)
    }
}

fn letters_of(ready: &Ready) -> Result<DeadLetterQueue, StackError> {
    let url = names::queue_url(&names::queue("SyncDeadLetters"));
    Ok(DeadLetterQueue::new(&sdk_config(&ready.aws_url)?, url))
}

/// Those of AWS at a URL, or those of the stack that runs.
fn letters_at(url: Option<String>) -> Result<DeadLetterQueue, StackError> {
    let Some(url) = url else { return letters_of(&running()?) };
    let settings = aws::settings().map_err(|error| StackError::Unexpected(error.to_string()))?;
    let config = aws::sdk_config(settings).map_err(|error| StackError::Unexpected(error.to_string()))?;
    Ok(DeadLetterQueue::new(&config, url))
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
    match serde_json::from_str::<SyncMessage>(&letter.body) {
        Ok(SyncMessage { at, want: Some(want), .. }) => format!("{start}  {} want {want}", at.item),
        Ok(SyncMessage { at, want: None, .. }) => format!("{start}  {}", at.item),
        Err(_no_message_of_ours) => start,
    }
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
}
