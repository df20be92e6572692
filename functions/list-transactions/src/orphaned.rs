//! What was written on transactions that are no more: item by item, since each item's partition is read for it.

use domain::{
    edit::Orphan,
    ids::{HouseholdId, ItemId, ItemRef, TransactionId},
};
use edge::{
    Problem,
    search::{Binding, OrphanedEdit},
};

use super::{Answer, Deps, Question};

/// The last one that was shown: households, items and ids come in their order.
type Place = (HouseholdId, ItemId, TransactionId);

pub(super) async fn answer(
    deps: &Deps,
    question: &Question,
    households: &[HouseholdId],
) -> Result<Answer, Problem> {
    let binding = Binding::new(&("orphaned", households));
    let after = binding.place::<Place>(question.cursor.as_deref())?;
    let scope = question.asked.scope(&*deps.search, households).await?;
    let mut orphaned: Vec<OrphanedEdit> = Vec::new();
    for at in items(deps, households, after.as_ref()).await? {
        let Some(tree) = scope.tree(&at.household) else { continue };
        for orphan in in_order(deps, &at, after.as_ref()).await? {
            if orphaned.len() == question.limit {
                let next_cursor = orphaned.last().map(|last| binding.cursor(&place(last)));
                return Ok(Answer::Orphaned { orphaned, next_cursor });
            }
            orphaned.push(OrphanedEdit::new(at.clone(), orphan, tree));
        }
    }
    Ok(Answer::Orphaned { orphaned, next_cursor: None })
}

fn place(shown: &OrphanedEdit) -> Place {
    (shown.household_id.clone(), shown.item_id.clone(), shown.id.clone())
}

/// The items that may have some that were not shown yet.
async fn items(
    deps: &Deps,
    households: &[HouseholdId],
    after: Option<&Place>,
) -> Result<Vec<ItemRef>, Problem> {
    let mut items = Vec::new();
    for household in households {
        let connections = deps.connections.connections(household).await?;
        items.extend(connections.into_iter().map(|connection| connection.item.at));
    }
    items.sort_by(|left, right| (&left.household, &left.item).cmp(&(&right.household, &right.item)));
    items
        .retain(|at| after.is_none_or(|(household, item, _)| (&at.household, &at.item) >= (household, item)));
    Ok(items)
}

/// What was not shown yet of an item.
async fn in_order(deps: &Deps, at: &ItemRef, after: Option<&Place>) -> Result<Vec<Orphan>, Problem> {
    let mut orphans = deps.orphans.orphans(at).await?;
    orphans.sort_by(|left, right| left.key.cmp(&right.key));
    if let Some((household, item, id)) = after
        && (household, item) == (&at.household, &at.item)
    {
        orphans.retain(|orphan| orphan.key > *id);
    }
    Ok(orphans)
}
