//! How a stack is to be started.

use std::path::PathBuf;

/// Which Plaid the functions talk to.
#[derive(Debug, Clone)]
pub enum Plaid {
    /// The sandbox that is built in.
    BuiltIn,
    /// A server that speaks Plaid's API.
    At {
        /// Its address.
        url: String,
        /// Our id there.
        client_id: String,
        /// Our secret there.
        secret: String,
    },
}

/// How a stack is to be started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The API's port; 0 takes a free one.
    pub port: u16,
    /// Where everything is kept between runs; memory if absent.
    pub data: Option<PathBuf>,
    /// Which Plaid.
    pub plaid: Plaid,
    /// Divides queue delays, visibility timeouts and the sandbox's waits.
    pub time_scale: u32,
    /// Whether to print a line a request.
    pub verbose: bool,
    /// What the sandbox's world is made from; by the clock if absent.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 0, data: None, plaid: Plaid::BuiltIn, time_scale: 1, verbose: false, seed: None }
    }
}
