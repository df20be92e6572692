//! What can be done to an answer besides refusing the call. Numbers stay as they are written: an answer is taken apart into
//! its fields' texts, and never read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use crate::{
    changes::Change, cursor::Cursor, errors::PlaidError, generate::Generator, reply::Reply, world::World,
};

/// What is done to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mangle {
    /// A 503 with a page for people, as a proxy in front of Plaid has it. The call has no effect.
    Html,
    /// The first half of the body, as if it were all.
    Truncated,
    /// The connection breaks in the middle of the body.
    Reset,
    /// More is to come, and the next cursor is the request's own.
    SameCursor,
    /// More is to come, from a new cursor, and there are no rows. The cursors are good once it stops.
    Endless,
    /// Each row that is added or modified comes twice.
    Duplicated,
    /// The rows of each list come in any order.
    Reordered,
    /// One transaction of the item changes before the call is answered.
    Mutate,
    /// A call with a cursor is told that the cursor belongs to somebody else.
    CursorRefused,
    /// From now on, the cursor of the call is answered with a mutation for ever, if an update begins there.
    CursorStuck,
    /// One account is left out of the list.
    AccountMissing,
    /// Each row has more counterparties than a stored row holds.
    Bulky,
    /// Not ready: no rows, an empty cursor.
    NoCursor,
    /// Each row keeps its id, account, amount and date; its other fields have values of other types, or none, and there is a
    /// field that nobody knows.
    Unread,
}

/// The call that a fault meets.
pub(crate) struct Met<'a> {
    pub(crate) request: &'a [u8],
    pub(crate) request_id: &'a str,
}

impl Met<'_> {
    /// A text of the request, unless it is empty.
    fn text(&self, field: &str) -> Option<String> {
        let request: Value = serde_json::from_slice(self.request).ok()?;
        request.get(field).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    }
}

impl Mangle {
    /// What a call answers; `run` answers as if nothing were to be done to it.
    pub(crate) fn answer(
        self,
        met: &Met<'_>,
        world: &mut World,
        run: impl FnOnce(&mut World) -> Reply,
    ) -> Reply {
        match self {
            Self::Html => html(),
            Self::CursorRefused if met.text("cursor").is_some() => {
                PlaidError::foreign_cursor().reply(met.request_id)
            }
            Self::CursorRefused => run(world),
            Self::CursorStuck => {
                if let (Some(token), Some(cursor)) = (met.text("access_token"), met.text("cursor"))
                    && Cursor::decode(&cursor).is_some_and(|cursor| cursor.offset == 0)
                    && let Ok(item) = world.item(&token)
                {
                    item.stuck_cursor = Some(cursor);
                }
                run(world)
            }
            Self::Mutate => {
                mutate(met, world);
                run(world)
            }
            Self::Truncated => {
                let mut reply = run(world);
                reply.body.truncate(reply.body.len() / 2);
                reply
            }
            Self::Reset => {
                let reply = run(world);
                Reply { cut: Some(reply.body.len() / 2), ..reply }
            }
            Self::SameCursor
            | Self::Endless
            | Self::Duplicated
            | Self::Reordered
            | Self::NoCursor
            | Self::AccountMissing
            | Self::Bulky
            | Self::Unread => {
                let reply = run(world);
                match self.rewritten(&reply, met, &mut world.generator) {
                    Some(body) => Reply { body, ..reply },
                    None => reply,
                }
            }
        }
    }

    /// The body of a good answer in other words; `None` where it stays as it is.
    fn rewritten(self, reply: &Reply, met: &Met<'_>, generator: &mut Generator) -> Option<Vec<u8>> {
        if reply.status != 200 {
            return None;
        }
        let mut page: Page = serde_json::from_slice(&reply.body).ok()?;
        match self {
            Self::SameCursor => page.goes_on_at(&met.text("cursor").unwrap_or_default()),
            Self::Endless => {
                let place = page.place(met.text("cursor").as_deref())?;
                page.empty();
                page.goes_on_at(&place.disguised(generator.next()));
            }
            Self::Duplicated => page.rows(&ROWS, |rows| {
                *rows = rows.iter().flat_map(|row| [row.clone(), row.clone()]).collect();
            }),
            Self::Reordered => page.rows(&LISTS, |rows| generator.shuffle(rows)),
            Self::NoCursor => page.is_not_ready(),
            Self::AccountMissing => page.rows(&["accounts"], |rows| drop(rows.pop())),
            Self::Bulky => page.rows(&ROWS, |rows| rows.iter_mut().for_each(bulky)),
            Self::Unread => page.rows(&ROWS, |rows| {
                for row in rows {
                    unread(row, generator);
                }
            }),
            Self::Html
            | Self::Truncated
            | Self::Reset
            | Self::Mutate
            | Self::CursorRefused
            | Self::CursorStuck => return None,
        }
        serde_json::to_vec(&page).ok()
    }
}

fn html() -> Reply {
    let page = "<!DOCTYPE html><html><head><title>503 Service Temporarily Unavailable</title></head><body><center>\
                <h1>503 Service Temporarily Unavailable</h1></center></body></html>\n";
    Reply::new(503, "text/html", page.to_owned())
}

/// Changes one transaction of the item that the call is about.
fn mutate(met: &Met<'_>, world: &mut World) {
    let Some(item_id) = met.text("access_token").and_then(|token| world.item_id(&token)) else { return };
    let amend = Change::Amend { id: None, amount: None };
    let add = Change::Add {
        pending: false,
        amount: None,
        name: None,
        date: None,
        authorized_date: None,
        account: None,
    };
    for change in [amend, add] {
        if world.change_and_tell(&item_id, &change).is_some() {
            return;
        }
    }
}

type Row = Box<RawValue>;

/// The lists that have transactions, and those that have rows of any kind.
const ROWS: [&str; 3] = ["added", "modified", "transactions"];
const LISTS: [&str; 4] = ["added", "modified", "removed", "transactions"];
/// What an unread row can be relied on for.
const KEPT: [&str; 4] = ["transaction_id", "account_id", "amount", "date"];

/// An answer by its fields.
#[derive(Serialize, Deserialize)]
struct Page(BTreeMap<String, Row>);

impl Page {
    fn read<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Option<T> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    /// Another value for a field that is there.
    fn set(&mut self, name: &str, value: &impl Serialize) {
        if let (Some(field), Ok(value)) = (self.0.get_mut(name), to_raw_value(value)) {
            *field = value;
        }
    }

    fn rows(&mut self, lists: &[&str], mut change: impl FnMut(&mut Vec<Row>)) {
        for list in lists {
            if let Some(mut rows) = self.read::<Vec<Row>>(list) {
                change(&mut rows);
                self.set(list, &rows);
            }
        }
    }

    fn empty(&mut self) {
        self.rows(&LISTS, Vec::clear);
        self.rows(&["accounts"], Vec::clear);
    }

    fn goes_on_at(&mut self, cursor: &str) {
        self.set("next_cursor", &cursor);
        self.set("has_more", &true);
    }

    fn is_not_ready(&mut self) {
        self.empty();
        self.set("next_cursor", &"");
        self.set("has_more", &false);
        self.set("transactions_update_status", &"NOT_READY");
    }

    /// Where the request stood: at its cursor, or at the item's beginning.
    fn place(&self, cursor: Option<&str>) -> Option<Cursor> {
        match cursor {
            Some(cursor) => Cursor::decode(cursor),
            None => {
                let next = Cursor::decode(&self.read::<String>("next_cursor")?)?;
                Some(Cursor { from: 0, to: 0, offset: 0, ..next })
            }
        }
    }
}

/// About 40 KB: more than a stored row keeps.
const BULKY_PARTIES: usize = 400;

fn bulky(row: &mut Row) {
    let Ok(mut fields) = serde_json::from_str::<BTreeMap<String, Row>>(row.get()) else { return };
    let party =
        json!({"name": "A counterparty among many", "type": "merchant", "website": null, "logo_url": null});
    if let Ok(parties) = to_raw_value(&vec![party; BULKY_PARTIES]) {
        fields.insert("counterparties".to_owned(), parties);
    }
    if let Ok(changed) = to_raw_value(&fields) {
        *row = changed;
    }
}

fn unread(row: &mut Row, generator: &mut Generator) {
    let Ok(mut fields) = serde_json::from_str::<BTreeMap<String, Row>>(row.get()) else { return };
    // No texts and no flags: one in the place of another would be read, and be wrong.
    let strange = [json!(null), json!(17), json!({"brand": ["new"]}), json!([17])];
    for (name, field) in fields.iter_mut().filter(|(name, _)| !KEPT.contains(&name.as_str())) {
        let value = match name.as_str() {
            "payment_channel" | "transaction_type" => Some(json!("SOMETHING_NEW")),
            _ => generator.pick(&strange).cloned(),
        };
        if let Ok(value) = to_raw_value(&value) {
            *field = value;
        }
    }
    if let Ok(value) = to_raw_value(&json!({"nobody": "knows it"})) {
        fields.insert("brand_new_field".to_owned(), value);
    }
    if let Ok(changed) = to_raw_value(&fields) {
        *row = changed;
    }
}
