//! Recognising the accounts of a bank that was granted anew: Plaid gives them new ids, people see the same accounts.

use jiff::Timestamp;

use crate::{
    account::{Account, AccountState, BankAccount, Generation},
    ids::{AccountId, InstitutionId, ItemId},
};

/// The effect of a list of accounts on stopped accounts that it contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoppedAccounts {
    /// They stay stopped.
    Stay,
    /// They are synced again: a person has just selected the listed accounts in Link.
    Restart,
}

impl StoppedAccounts {
    /// By whether accounts were selected in Link.
    pub fn from_selection(selected: bool) -> Self {
        if selected { Self::Restart } else { Self::Stay }
    }

    /// A listed account, restarted if it is to be. An account whose data is still being erased stays stopped.
    fn apply(self, account: &Account) -> Account {
        let can_restart =
            matches!(account.state, AccountState::Manual | AccountState::Removed { erased: true });
        if self == Self::Restart && can_restart {
            Account { state: AccountState::Unshared { missed_sweep: true }, ..account.clone() }
        } else {
            account.clone()
        }
    }
}

/// What the full list of an item's accounts makes of those that are stored: the ones that are new or other than before.
///
/// An account that is no longer listed is unshared, unless an unknown one continues it: then it goes on under the new
/// id, and what was decided about it (its names, that it was stopped) stays.
pub fn settle(
    (item, succession): (&ItemId, u32),
    stopped: StoppedAccounts,
    stored: &[Account],
    listed: &[BankAccount],
    now: Timestamp,
) -> Vec<Account> {
    // Of what is listed twice, the last word.
    let is_last = |(at, bank): &(usize, &BankAccount)| listed.iter().skip(at + 1).all(|b| b.id != bank.id);
    let listed: Vec<_> = listed.iter().enumerate().filter(is_last).map(|(_, bank)| bank).collect();
    let is_listed = |account: &&Account| listed.iter().any(|bank| bank.id == account.bank.id);
    let (known, absent): (Vec<&Account>, Vec<&Account>) = stored.iter().partition(is_listed);
    let mut settled = Vec::new();
    let mut strangers = Vec::new();
    for bank in listed {
        match known.iter().find(|account| account.bank.id == bank.id) {
            Some(account) => settled.push(stopped.apply(account).shared_as(bank)),
            None => strangers.push(bank),
        }
    }
    // A removed account that is selected with a new connection starts as a new account. A merged account has a successor.
    let is_over = |account: &&Account| {
        let is_of_before = account.generation.item != succession;
        account.state == AccountState::Merged
            || (matches!(account.state, AccountState::Removed { .. }) && is_of_before)
    };
    let absent: Vec<_> = absent.into_iter().filter(|account| !is_over(account)).collect();
    let pairs = pairs(&absent, &strangers);
    for bank in strangers {
        settled.push(match pairs.iter().find(|(_, new)| new.id == bank.id) {
            Some((account, _)) => continued(&stopped.apply(account), bank, succession, now),
            None => Account::of(succession, free_id(item, bank, stored), bank.clone()),
        });
    }
    let gone = absent.into_iter().filter(|account| pairs.iter().all(|(old, _)| old.id != account.id));
    let live = gone.filter(|account| account.state == AccountState::Live);
    let unshared = AccountState::Unshared { missed_sweep: false };
    settled.extend(live.map(|account| Account { state: unshared, ..account.clone() }));
    settled.retain(|account| !stored.contains(account));
    settled
}

/// Whether a listed account is the one that is stored, under whichever id.
pub fn is_same(stored: &BankAccount, listed: &BankAccount) -> bool {
    RULES.iter().any(|rule| rule(stored, listed))
}

/// The id of a new account. An account that continues under another id of Plaid's keeps ours, which was derived from its
/// first one: should the bank give that one to another account, the other needs an id of its own.
fn free_id(item: &ItemId, bank: &BankAccount, stored: &[Account]) -> AccountId {
    let ids = (0..).map(|number| AccountId::derive_nth(item, &bank.id, number));
    let mut free = ids.filter(|id| stored.iter().all(|account| account.id != *id));
    free.next().unwrap_or_else(|| AccountId::derive(item, &bank.id))
}

fn continued(account: &Account, bank: &BankAccount, succession: u32, now: Timestamp) -> Account {
    let before = account.generation;
    let number = before.number + 1;
    let reaches = if before.item == succession { before.reaches } else { number };
    let generation = Generation { number, since: Some(now), item: succession, reaches };
    // Whoever links a bank anew and chooses an account that was kept by hand wants it kept up to date again.
    let is_chosen = account.state == AccountState::Manual && before.item != succession;
    let shared = account.shared_as(bank);
    let state = if is_chosen { AccountState::Live } else { shared.state };
    Account { state, generation, ..shared }
}

type Rule = fn(&BankAccount, &BankAccount) -> bool;

/// From the surest to the least sure. A mask alone is not unique, and nothing at all says nothing.
const RULES: [Rule; 5] = [
    |old, new| old.persistent_id.is_some() && old.persistent_id == new.persistent_id,
    |old, new| {
        old.mask.is_some() && old.mask == new.mask && old.subtype == new.subtype && old.name == new.name
    },
    |old, new| {
        old.mask.is_none()
            && new.mask.is_none()
            && old.kind == new.kind
            && old.subtype.is_some()
            && old.subtype == new.subtype
            && old.name == new.name
    },
    |old, new| !are_two(old, new) && is_alike(old, new),
    // The account has another name at the bank.
    |old, new| {
        !are_two(old, new)
            && old.subtype.is_some()
            && is_of_kind(old, new)
            && masks_agree(old, new) == Some(true)
    },
];

/// Whether persistent ids tell two accounts apart.
fn are_two(old: &BankAccount, new: &BankAccount) -> bool {
    old.persistent_id.as_ref().zip(new.persistent_id.as_ref()).is_some_and(|(old, new)| old != new)
}

/// Whether two connections are to one bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Banks {
    /// Both name the same institution.
    Same,
    /// They name two.
    Two,
    /// One does not say.
    Unknown,
}

impl Banks {
    /// Compares two institutions.
    pub fn of(old: Option<&InstitutionId>, new: Option<&InstitutionId>) -> Self {
        match (old, new) {
            (Some(old), Some(new)) if old == new => Self::Same,
            (Some(_), Some(_)) => Self::Two,
            (None, _) | (_, None) => Self::Unknown,
        }
    }
}

/// Whether accounts of two items are one at the bank. A persistent id decides. Without it the accounts are of one bank, and
/// a mask or the balance confirms what the words say.
pub fn is_twin(old: &BankAccount, new: &BankAccount, banks: Banks) -> bool {
    if let (Some(old), Some(new)) = (&old.persistent_id, &new.persistent_id) {
        return old == new;
    }
    let has_same_mask = masks_agree(old, new) == Some(true);
    let has_same_balance = old.balances.current.is_some() && old.balances.current == new.balances.current;
    let is_renamed = is_of_kind(old, new) && has_same_mask && has_same_balance;
    match banks {
        Banks::Two => false,
        Banks::Unknown => is_alike(old, new) && has_same_mask,
        Banks::Same => is_renamed || (is_alike(old, new) && (has_same_mask || has_same_balance)),
    }
}

/// Whether the descriptions suggest, without proving it, that two accounts are the same: equal masks, or names that differ in
/// spelling at most.
pub fn may_be_same(old: &BankAccount, new: &BankAccount) -> bool {
    !are_two(old, new)
        && (is_alike(old, new) || (is_of_kind(old, new) && masks_agree(old, new) == Some(true)))
}

/// Whether two descriptions differ in spelling at most: a mask may be missing or shorter, and be part of the name.
pub fn is_alike(old: &BankAccount, new: &BankAccount) -> bool {
    let masks = masks_agree(old, new);
    let says_enough = masks.is_some() || (old.subtype.is_some() && new.subtype.is_some());
    let name = |bank: &BankAccount| plain_name(&bank.name, [old, new]);
    says_enough && masks != Some(false) && is_of_kind(old, new) && name(old) == name(new)
}

/// Whether two accounts are of one type, and of one subtype where both tell theirs.
pub fn is_of_kind(old: &BankAccount, new: &BankAccount) -> bool {
    let is_same_subtype = match (&old.subtype, &new.subtype) {
        (Some(old), Some(new)) => old == new,
        (None, _) | (_, None) => true,
    };
    old.kind == new.kind && is_same_subtype
}

/// Whether one mask ends in the other; `None` if one is missing.
fn masks_agree(old: &BankAccount, new: &BankAccount) -> Option<bool> {
    let (old, new) = (mask(old)?, mask(new)?);
    Some(old.ends_with(new) || new.ends_with(old))
}

fn mask(bank: &BankAccount) -> Option<&str> {
    bank.mask.as_deref().filter(|mask| !mask.is_empty())
}

/// The letters and digits of a name in lower case, without the masks.
fn plain_name(name: &str, accounts: [&BankAccount; 2]) -> String {
    let masks = accounts.into_iter().filter_map(mask);
    let name = masks.fold(name.to_owned(), |name, mask| name.replace(mask, ""));
    name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Pairs that are the only possibility for both sides, rule by rule.
fn pairs<'a>(absent: &[&'a Account], strangers: &[&'a BankAccount]) -> Vec<(&'a Account, &'a BankAccount)> {
    let mut pairs: Vec<(&Account, &BankAccount)> = Vec::new();
    for rule in RULES {
        let free_old: Vec<_> =
            absent.iter().filter(|old| pairs.iter().all(|(o, _)| o.id != old.id)).copied().collect();
        let free_new: Vec<_> =
            strangers.iter().filter(|new| pairs.iter().all(|(_, n)| n.id != new.id)).copied().collect();
        for old in &free_old {
            let fitting: Vec<_> = free_new.iter().filter(|new| rule(&old.bank, new)).collect();
            let [new] = fitting.as_slice() else { continue };
            let rivals = free_old.iter().filter(|other| rule(&other.bank, new)).count();
            if rivals == 1 {
                pairs.push((old, new));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bank(id: &str, name: &str, mask: Option<&str>) -> BankAccount {
        BankAccount {
            name: name.to_owned(),
            mask: mask.map(str::to_owned),
            subtype: Some("checking".to_owned()),
            ..BankAccount::placeholder(id.parse().unwrap())
        }
    }

    fn stored(banks: &[BankAccount]) -> Vec<Account> {
        let item = ItemId::from_entropy([1; 10]);
        settle((&item, 0), StoppedAccounts::Stay, &[], banks, Timestamp::UNIX_EPOCH)
    }

    fn settle_again(accounts: &[Account], listed: &[BankAccount]) -> Vec<Account> {
        settle(
            (&ItemId::from_entropy([1; 10]), 0),
            StoppedAccounts::Stay,
            accounts,
            listed,
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn what_is_listed_as_before_is_as_before() {
        let banks = [bank("a", "Checking", Some("1")), bank("b", "Savings", None)];
        assert_eq!(settle_again(&stored(&banks), &banks), []);
    }

    #[test]
    fn an_account_goes_on_under_a_new_id_and_stays_stopped() {
        let mut accounts = stored(&[bank("a", "Checking", Some("1")), bank("b", "Savings", None)]);
        accounts[1].state = AccountState::Manual;
        let settled =
            settle_again(&accounts, &[bank("c", "Checking", Some("1")), bank("d", "Savings", None)]);
        let ids: Vec<_> = settled.iter().map(|account| &account.id).collect();
        assert_eq!(ids, [&accounts[0].id, &accounts[1].id]);
        assert!(settled.iter().all(|account| account.generation.number == 1));
        assert_eq!(settled[1].state, AccountState::Manual);
    }

    #[test]
    fn an_account_that_was_kept_is_live_again_once_its_bank_is_linked_anew() {
        let mut accounts = stored(&[bank("a", "Checking", Some("1")), bank("b", "Savings", None)]);
        for account in &mut accounts {
            account.state = AccountState::Manual;
        }
        let item = ItemId::from_entropy([1; 10]);
        let listed = [bank("c", "Checking", Some("1"))];
        let [settled] = settle((&item, 1), StoppedAccounts::Stay, &accounts, &listed, Timestamp::UNIX_EPOCH)
            .try_into()
            .unwrap();
        assert_eq!((&settled.id, settled.state), (&accounts[0].id, AccountState::Live));
    }

    #[test]
    fn two_that_look_alike_are_not_guessed_at() {
        let accounts = stored(&[bank("a", "Checking", Some("1")), bank("b", "Checking", Some("1"))]);
        let settled = settle_again(&accounts, &[bank("c", "Checking", Some("1"))]);
        let new = settled.iter().find(|account| account.bank.id.as_str() == "c").unwrap();
        assert_eq!(new.generation.number, 0);
        assert_eq!(settled.iter().filter(|account| account.state.is_unshared()).count(), 2);
    }

    #[test]
    fn a_persistent_id_outweighs_a_new_name() {
        let known = |id: &str, name: &str| BankAccount {
            persistent_id: Some("p".to_owned()),
            ..bank(id, name, Some("1"))
        };
        let accounts = stored(&[known("a", "Checking")]);
        let settled = settle_again(&accounts, &[known("b", "Everyday"), bank("c", "Checking", Some("1"))]);
        assert_eq!(settled[0].id, accounts[0].id);
        assert_eq!(settled[0].bank.name, "Everyday");
        assert_ne!(settled[1].id, accounts[0].id);
    }

    /// A list may lack an account once that pages name, and show another for the first time: that is another one.
    #[test]
    fn an_account_that_was_never_described_is_taken_for_no_other() {
        let accounts = stored(&[BankAccount::placeholder("a".parse().unwrap())]);
        let settled = settle_again(&accounts, &[bank("b", "Tea", Some("2"))]);
        assert!(settled.iter().all(|account| account.generation.number == 0));
        assert_eq!(settled.len(), 2);
    }

    #[test]
    fn an_account_that_comes_back_is_live_again() {
        let banks = [bank("a", "Checking", Some("1"))];
        let gone = settle_again(&stored(&banks), &[]);
        assert_eq!(gone[0].state, AccountState::Unshared { missed_sweep: false });
        assert_eq!(settle_again(&gone, &banks)[0].state, AccountState::Live);
    }
}
