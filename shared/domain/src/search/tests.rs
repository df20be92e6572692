//! What is found, and what it comes to.

use super::*;
