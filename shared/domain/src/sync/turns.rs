//! Turns: runs of one item in one process go one after the other. Two at once would be right as well, the revision sees to
//! that; but both would ask Plaid before one of them finds the other's answer stored.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use futures::{
    future::{Either, select},
    lock::{Mutex as Turn, OwnedMutexGuard},
};

use crate::{ids::ItemRef, time::Clock};

/// Who is at which item.
#[derive(Debug, Default)]
pub struct Turns {
    items: Mutex<HashMap<ItemRef, Weak<Turn<()>>>>,
}

impl Turns {
    /// Waits for the turn at an item, for so long at most. It ends when what is returned is dropped.
    pub async fn take(
        &self,
        at: &ItemRef,
        clock: &dyn Clock,
        patience: Duration,
    ) -> Option<OwnedMutexGuard<()>> {
        let turn = self.of(at).lock_owned();
        match select(turn, clock.sleep(patience)).await {
            Either::Left((guard, _)) => Some(guard),
            Either::Right(((), _)) => None,
        }
    }

    fn of(&self, at: &ItemRef) -> Arc<Turn<()>> {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = items.get(at).and_then(Weak::upgrade) {
            return turn;
        }
        // Those that nobody is at any more go when somebody new comes: there are as many as one batch has items.
        items.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::new(()));
        items.insert(at.clone(), Arc::downgrade(&turn));
        turn
    }
}
