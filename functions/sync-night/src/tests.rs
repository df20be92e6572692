//! What the function does to the store, and what it sends.
