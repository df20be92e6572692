//! What was written on transactions that are no more: item by item, since each item's partition is read for it.

use domain::ids::{HouseholdId, ItemId, ItemRef, TransactionId};
use edge::{
    Problem,
    search::{Binding, OrphanedEdit},
};

use super::{Answer, Deps, Question};

/// Where a page begins: an item, after an id of it. Households, items and ids come in their order.
type Place = (HouseholdId, ItemId, Option<TransactionId>);

/// Megabytes that a page examines at most. It may come out short of it.
const MOST_READS: usize = 5;

pub(super) async fn answer(
    deps: &Deps,
    question: &Question,
    households: &[HouseholdId],
) -> Result<Answer, Problem> {
    let binding = Binding::new(&("orphaned", households));
    let begin = binding.place::<Place>(question.cursor.as_deref())?;
    let scope = question.asked.scope(&*deps.search, households).await?;
    let mut orphaned: Vec<OrphanedEdit> = Vec::new();
    let mut reads = 0;
    for (at, mut after) in items(deps, households, begin).await? {
        let tree = scope.tree(&at.household)?;
        loop {
            if reads == MOST_READS {
                let next_cursor = Some(binding.cursor(&(at.household, at.item, after)));
                return Ok(Answer::Orphaned { orphaned, next_cursor });
            }
            reads += 1;
            let some = deps.orphans.some_orphans(&at, after.as_ref()).await?;
            for orphan in some.orphans {
                if orphaned.len() == question.limit {
                    let next_cursor = orphaned.last().map(|last| binding.cursor(&place(last)));
                    return Ok(Answer::Orphaned { orphaned, next_cursor });
                }
                orphaned.push(OrphanedEdit::new(at.clone(), orphan, tree));
            }
            after = some.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(Answer::Orphaned { orphaned, next_cursor: None })
}

fn place(shown: &OrphanedEdit) -> Place {
    (shown.household_id.clone(), shown.item_id.clone(), Some(shown.id.clone()))
}

/// The items that may have some that were not shown yet, each with the id after which they come.
async fn items(
    deps: &Deps,
    households: &[HouseholdId],
    begin: Option<Place>,
) -> Result<Vec<(ItemRef, Option<TransactionId>)>, Problem> {
    let mut items = Vec::new();
    for household in households {
        let connections = deps.connections.connections(household).await?;
        items.extend(connections.into_iter().map(|connection| (connection.item.at, None)));
    }
    items.sort();
    let Some((household, item, after)) = begin else { return Ok(items) };
    let begin = ItemRef { household, item };
    items.retain(|(at, _)| *at >= begin);
    if let Some((_, first)) = items.first_mut().filter(|(at, _)| *at == begin) {
        *first = after;
    }
    Ok(items)
}
