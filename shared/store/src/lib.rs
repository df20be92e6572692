#![doc = include_str!("../README.md")]

mod accounts;
mod actions;
mod admission;
mod allowance;
mod categories;
mod connections;
mod decode;
mod edits;
mod encode;
mod ending;
mod hints;
mod households;
mod intents;
mod invitations;
mod keys;
mod ledger;
mod members;
mod merging;
mod night;
mod outcome;
mod removal;
mod requests;
mod retries;
mod row;
mod search;
mod sync;
mod transactions;

use aws_sdk_dynamodb::Client;

/// The store: one table for data, one for guards.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    data: String,
    guards: String,
}

impl Store {
    /// A store on these tables. Nothing is sent yet.
    pub fn new(config: &aws_types::SdkConfig, tables: Tables) -> Self {
        Self { client: Client::new(config), data: tables.data, guards: tables.guards }
    }
}

/// The names of the tables. A function that may touch only one gives an empty name for the other.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// Households, items, accounts, transactions.
    pub data: String,
    /// Short-lived rows: exchanges under way, invitations, requests that are answered once.
    pub guards: String,
}
