//! What goes wrong with webhooks on demand.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// One fault, for so many webhooks from now on. It is met when a webhook is due; those that were due before are not hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookFault {
    /// Only webhooks of this code; any if absent.
    #[serde(default)]
    pub webhook_code: Option<String>,
    /// Webhooks that pass before it sets in.
    #[serde(default)]
    pub after: u32,
    /// Webhooks that it hits.
    pub times: u32,
    /// How often each is delivered.
    #[serde(default = "once")]
    pub copies: NonZeroU32,
    /// What else happens to it.
    #[serde(default)]
    pub flaw: Option<Flaw>,
}

fn once() -> NonZeroU32 {
    NonZeroU32::MIN
}

/// What happens to a webhook on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// It is never sent.
    Lost,
    /// It is held until the fault has hit all of its webhooks. Then they are sent in any order.
    Reordered,
    /// Its first delivery is signed with a key that has expired. A retry is as it should be.
    ExpiredKey,
    /// Its first delivery says that it was signed longer ago than anybody should believe. A retry is as it should be.
    StaleIat,
}

/// What a webhook meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Met {
    pub(crate) copies: u32,
    pub(crate) flaw: Option<Flaw>,
    /// The fault holds webhooks, and all of them are there now.
    pub(crate) releases: bool,
}

/// The faults in force. Those of one code set in one after the other.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct WebhookFaults(Vec<WebhookFault>);

impl WebhookFaults {
    pub(crate) fn add(&mut self, fault: WebhookFault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts a webhook, and gives what it meets.
    pub(crate) fn meet(&mut self, code: &str) -> Met {
        self.0.retain(|fault| fault.times > 0);
        let fits = |fault: &&mut WebhookFault| fault.webhook_code.as_deref().is_none_or(|only| only == code);
        let none = Met { copies: 1, flaw: None, releases: false };
        let Some(fault) = self.0.iter_mut().find(fits) else { return none };
        if fault.after > 0 {
            fault.after -= 1;
            return none;
        }
        fault.times -= 1;
        let releases = fault.flaw == Some(Flaw::Reordered) && fault.times == 0;
        Met { copies: fault.copies.get(), flaw: fault.flaw, releases }
    }
}
