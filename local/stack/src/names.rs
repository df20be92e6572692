//! What the template's references stand for on this machine.

use std::collections::BTreeMap;

use emulators::{ACCOUNT, names};
use template::{Known, Template};

pub(crate) use emulators::names::{REGION, queue_arn, queue_url};

/// What each name begins with.
const STACK: &str = "wumbo-";

/// The audience of local tokens.
pub(crate) const AUDIENCE: &str = "wumbo-local";

pub(crate) fn table(logical_id: &str) -> String {
    format!("{STACK}{logical_id}")
}

pub(crate) fn queue(logical_id: &str) -> String {
    format!("{STACK}{logical_id}")
}

pub(crate) fn function_arn(binary: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{binary}")
}

/// The name of the secret with Plaid's keys.
pub(crate) fn secret(logical_id: &str) -> String {
    format!("{STACK}{logical_id}")
}

/// All references: what the resources became, and the parameters.
pub(crate) fn known(template: &Template, parameters: BTreeMap<String, String>) -> Known {
    let mut known = names::known(template, STACK);
    known.refs.extend(parameters);
    known
}
