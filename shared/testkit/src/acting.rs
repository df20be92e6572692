//! A handler under test has the rights of its function.

tokio::task_local! {
    static FUNCTION: &'static str;
}

/// Runs a handler of this package with the rights that the template gives its function: a call to AWS that needs another one
/// fails the test.
#[macro_export]
macro_rules! acting {
    ($handler:expr) => {
        $crate::acting_as(env!("CARGO_PKG_NAME"), $handler)
    };
}

/// What [`acting!`] does, for any function. A handler's future is large, and a test's would grow with each that it awaits.
pub fn acting_as<F: Future>(function: &'static str, handler: F) -> impl Future<Output = F::Output> {
    FUNCTION.scope(function, Box::pin(handler))
}

/// The function whose handler runs, if one does; a test itself owns the account.
pub(crate) fn function() -> Option<&'static str> {
    FUNCTION.try_with(|name| *name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::World;

    #[tokio::test]
    #[should_panic = "the template does not let list-accounts perform kms:Encrypt"]
    async fn what_a_functions_policy_does_not_allow_fails_the_test() {
        let world = World::new().await;
        acting_as("list-accounts", world.item("user_good", "pass_good")).await;
    }
}
