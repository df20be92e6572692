//! The whole API, as its own description has it: who may call what, and what is wrong in a request.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

mod access;
mod bad_input;
mod endpoints;
