//! The command line.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use domain::store::{Intents, OneConnection, StoreError};
use serde_json::json;
use store::Store;

use crate::{
    Client, StackError,
    dead_letters::{self, DeadLetters},
    demo, invoke, night,
    options::{Options, Plaid},
    output::print,
    plaid_cli, runs,
    stack::{CLIENT_ID, Ready, SECRET, Stack, store_at},
    storm,
};

const PLAID_SANDBOX: &str = "https://sandbox.plaid.com";

/// The whole system on this machine.
#[derive(Parser)]
#[command(name = "cargo dev", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything and serve until Ctrl-C (what happens without a command).
    Up(Up),
    /// Link banks, sync, list: the main job end to end; exits 0 if all of it worked.
    Demo,
    /// Run one event through a function and print its answer.
    Invoke {
        /// The function, such as list-accounts.
        function: String,
        /// The files of events, which run one after the other on one stack.
        #[arg(required = true)]
        events: Vec<PathBuf>,
    },
    /// Print a token for a user of the stack that runs.
    Token {
        /// The user, such as alice.
        user: String,
    },
    /// List the exchanges that never ended, of the stack that runs.
    Intents,
    /// What the syncs of an item did, of the stack that runs.
    Runs(runs::Runs),
    /// Make the running stack's Plaid answer an error, or something stranger.
    Plaid(plaid_cli::Fault),
    /// Change an item of the running stack's Plaid.
    PlaidChange(plaid_cli::Change),
    /// Send a webhook of an item of the running stack's Plaid.
    PlaidWebhook(plaid_cli::Webhook),
    /// Run a night now, on the stack that runs, and show what became of its items.
    Night(night::Night),
    /// Many webhooks of many items, each several times and in any order, on a stack of its own.
    Storm(Storm),
    /// What nobody could deal with, of the stack that runs or of AWS.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
}

#[derive(Args, Default)]
struct Up {
    /// The API's port; 0 takes a free one.
    #[arg(long, default_value_t = 4000)]
    port: u16,
    /// Keep everything in this folder between runs; memory if absent.
    #[arg(long)]
    data: Option<PathBuf>,
    /// A server that speaks Plaid's API, instead of the built-in sandbox.
    #[arg(long)]
    plaid_url: Option<String>,
    /// Write what is where into this file when all is up.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Divide queue delays, visibility timeouts and the sandbox's waits.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    time_scale: u32,
}

#[derive(Args)]
struct Storm {
    /// Items.
    #[arg(long, default_value_t = 200)]
    items: u32,
    /// Webhooks, over all items.
    #[arg(long, default_value_t = 1_000)]
    webhooks: u32,
    /// How often each is delivered.
    #[arg(long, default_value_t = 3)]
    copies: u32,
}

/// Runs a storm, and says what became of it.
async fn run_storm(size: &Storm) -> Result<(), StackError> {
    let Storm { items, webhooks, copies } = *size;
    let outcome = storm::run(storm::Size { items, webhooks, copies, time_scale: 1 }).await?;
    print(&format!(
        "{} deliveries of webhooks over {items} items led to {} syncs within {:.1} s; {} items equal their bank's ledger",
        outcome.delivered,
        outcome.syncs,
        outcome.took.as_secs_f32(),
        outcome.equal
    ));
    let all = usize::try_from(items).unwrap_or(usize::MAX);
    if outcome.equal == all {
        Ok(())
    } else {
        Err(StackError::Unexpected("not all items are equal".to_owned()))
    }
}

/// Runs the command line.
pub async fn run() -> ExitCode {
    let command =
        Cli::parse().command.unwrap_or(Command::Up(Up { port: 4000, time_scale: 1, ..Up::default() }));
    let outcome = match command {
        Command::Up(up) => serve(up).await,
        Command::Demo => demo::run().await,
        Command::Invoke { function, events } => invoke_all(&function, &events).await,
        Command::Token { user } => token(&user).await,
        Command::Intents => intents().await,
        Command::Runs(options) => runs::run(&options).await,
        Command::Plaid(fault) => plaid_cli::fault(&fault).await,
        Command::PlaidChange(change) => plaid_cli::change(&change).await,
        Command::PlaidWebhook(webhook) => plaid_cli::webhook(&webhook).await,
        Command::Night(options) => night::run(options).await,
        Command::Storm(size) => run_storm(&size).await,
        Command::DeadLetters(command) => dead_letters::run(command).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the terminal is what this tool talks to")]
fn complain(error: &StackError) {
    eprintln!("cargo dev: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        eprintln!("  because {cause}");
        source = cause.source();
    }
}

/// Where the stack that runs says what is where.
fn state_file() -> PathBuf {
    crate::root().join("target").join("dev-stack.json")
}

fn which_plaid(url: Option<String>) -> Plaid {
    let keys = (edge::env::variable("PLAID_CLIENT_ID"), edge::env::variable("PLAID_SECRET"));
    match (url, keys) {
        (Some(url), (client_id, secret)) => Plaid::At {
            url,
            client_id: client_id.unwrap_or_else(|| CLIENT_ID.to_owned()),
            secret: secret.unwrap_or_else(|| SECRET.to_owned()),
        },
        (None, (Some(client_id), Some(secret))) => {
            Plaid::At { url: PLAID_SANDBOX.to_owned(), client_id, secret }
        }
        (None, _) => Plaid::BuiltIn,
    }
}

async fn serve(up: Up) -> Result<(), StackError> {
    print("building the functions …");
    let options = Options {
        port: up.port,
        data: up.data,
        plaid: which_plaid(up.plaid_url),
        time_scale: up.time_scale,
        verbose: true,
        seed: None,
    };
    let stack = Stack::start(options).await?;
    announce(&stack.ready);
    list_intents(&stack.store()?).await?;
    write_ready(&state_file(), &stack.ready)?;
    if let Some(file) = &up.ready_file {
        write_ready(file, &stack.ready)?;
    }
    until_stopped().await?;
    print("stopping …");
    let address = stack.ready.api_url.clone();
    stack.stop().await?;
    // Nobody runs any more whom these could lead to.
    for file in up.ready_file.into_iter().chain([state_file()]) {
        remove_ready(&file, &address)?;
    }
    Ok(())
}

/// Removes what this stack has written, and nothing that another has written since.
fn remove_ready(file: &Path, address: &str) -> Result<(), StackError> {
    let Ok(text) = std::fs::read_to_string(file) else { return Ok(()) };
    let is_ours = serde_json::from_str::<Ready>(&text).is_ok_and(|ready| ready.api_url == address);
    if is_ours {
        std::fs::remove_file(file)?;
    }
    Ok(())
}

/// Written whole or not at all: whoever waits for the file may read it at once.
fn write_ready(file: &Path, ready: &Ready) -> Result<(), StackError> {
    let json =
        serde_json::to_string_pretty(ready).map_err(|error| StackError::Unexpected(error.to_string()))?;
    let half_written = file.with_extension("half");
    std::fs::write(&half_written, json)?;
    std::fs::rename(half_written, file)?;
    Ok(())
}

async fn until_stopped() -> Result<(), StackError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn announce(ready: &Ready) {
    print(&format!("API       {}", ready.api_url));
    print(&format!("Plaid     {}", ready.plaid_url));
    print(&format!("issuer    {}", ready.issuer_url));
    print(&format!("webhooks  {}", ready.webhook_url));
    print(&format!("console   {}", ready.console_url));
    print(&format!("docs      {}{}", ready.console_url, crate::console::DOCS));
    print(&format!("log       {}", ready.log.display()));
    for (user, household) in &ready.households {
        print(&format!("{user:<9} {household}  (cargo dev token {user})"));
    }
}

/// What is where, of the stack that runs.
pub(crate) fn running() -> Result<Ready, StackError> {
    let text = std::fs::read_to_string(state_file()).map_err(|_absent| {
        StackError::Unexpected("no stack is running: start one with `cargo dev`".to_owned())
    })?;
    serde_json::from_str(&text).map_err(|error| StackError::Unexpected(error.to_string()))
}

async fn invoke_all(function: &str, events: &[PathBuf]) -> Result<(), StackError> {
    let stack = invoke::stack().await?;
    let mut failed = 0;
    for event in events {
        let outcome = invoke::run(&stack, function, event).await?;
        print(&outcome.text);
        failed += u32::from(!outcome.is_good);
    }
    stack.stop().await?;
    match failed {
        0 => Ok(()),
        count => Err(StackError::Unexpected(format!("{count} of {} events failed", events.len()))),
    }
}

async fn token(user: &str) -> Result<(), StackError> {
    let issuer = Client::new(&running()?.issuer_url)?;
    let (_, answer) = issuer.post("/token", &json!({"user": user})).await?;
    let token = answer["token"].as_str();
    print(token.ok_or_else(|| StackError::Unexpected("the issuer gave no token".to_owned()))?);
    Ok(())
}

async fn intents() -> Result<(), StackError> {
    list_intents(&store_at(&running()?.aws_url)?).await
}

/// Exchanges that never ended: counted, and one a line. One whose item is stored has lost nothing.
async fn list_intents(store: &Store) -> Result<(), StackError> {
    let unreadable = |error: StoreError| StackError::Unexpected(error.to_string());
    let mut lines = Vec::new();
    for intent in store.unfinished().await.map_err(unreadable)? {
        if store.connection(&intent.at).await.map_err(unreadable)?.is_none() {
            lines.push(format!(
                "{}  {}  {}  {}",
                intent.began, intent.at.household, intent.at.item, intent.user
            ));
        }
    }
    print(&format!("{} unfinished exchange(s)", lines.len()));
    for line in &lines {
        print(line);
    }
    Ok(())
}
