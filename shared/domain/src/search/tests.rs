//! What transactions come to.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::edit::{Part, Splits};

const CATEGORIES: [&str; 6] = [
    "s_travel",
    "s_travel_flights",
    "s_food_and_drink",
    "s_food_and_drink_coffee",
    "s_income_salary",
    "s_transfer_in_account_transfer",
];

/// A transaction, as a strategy makes it: amount and parts in cents, the parts with their categories.
#[derive(Debug, Clone)]
struct Made {
    cents: i64,
    category: Option<usize>,
    parts: Vec<(i64, Option<usize>)>,
    month: i8,
    currency: bool,
}

fn made() -> impl Strategy<Value = Made> {
    let category = || prop::option::of(0..CATEGORIES.len());
    let parts = prop::collection::vec((-500_i64..500, category()), 0..5);
    (-1_000_i64..1_000, category(), parts, 1_i8..4, any::<bool>()).prop_map(
        |(cents, category, mut parts, month, currency)| {
            parts.retain(|(cents, _)| *cents != 0);
            if parts.len() < 2 {
                parts.clear();
            }
            Made { cents, category, parts, month, currency }
        },
    )
}

fn decimal(cents: i64) -> Decimal {
    Decimal::new(cents, 2)
}

fn id(index: usize) -> CategoryId {
    CATEGORIES[index].parse().unwrap()
}

fn listed(made: &Made) -> Listed {
    let parts = made.parts.iter().map(|(cents, category)| Part {
        amount: decimal(*cents),
        category: category.map(id),
        note: None,
    });
    // What the parts are less or more than the amount is what the bank changed since.
    let of = decimal(made.parts.iter().map(|(cents, _)| cents).sum());
    let splits = (!made.parts.is_empty()).then(|| Splits::new(of, parts.collect()).unwrap());
    let item = ItemId::from_entropy([1; 10]);
    Listed {
        household: HouseholdId::from_entropy([1; 10]),
        account: AccountId::of(&item, "0000000000").unwrap(),
        item,
        id: "t".parse().unwrap(),
        amount: Some(decimal(made.cents)),
        currency: made.currency.then(|| "USD".to_owned()),
        date: jiff::civil::date(2026, made.month, 1),
        authorized_date: None,
        name: "Name".to_owned(),
        merchant_name: None,
        pending: false,
        payment_channel: None,
        payment_meta: PaymentMeta::default(),
        category: None,
        check_number: None,
        code: None,
        logo_url: None,
        is_manual: false,
        is_guessed: false,
        half: UserHalf { category: made.category.map(id), splits, ..UserHalf::default() },
    }
}

/// Count, in and out in cents.
type Cents = BTreeMap<Option<String>, (u64, i64, i64)>;

fn cents(totals: &Totals) -> Cents {
    let read = |sum: Sum| sum.to_string().parse::<Decimal>().unwrap() * Decimal::ONE_HUNDRED;
    let all = totals.by_currency().map(|(currency, amounts)| {
        let transferred = amounts.transfers_in - amounts.transfers_out;
        assert_eq!(amounts.net() + transferred, amounts.incoming - amounts.outgoing);
        let of = |sum| i64::try_from(read(sum)).unwrap();
        (currency.map(str::to_owned), (amounts.count, of(amounts.incoming), of(amounts.outgoing)))
    });
    all.collect()
}

/// What each transaction has in the categories that `is_in` lets pass; nothing of one that has no part there.
fn model(all: &[Made], is_in: impl Fn(Option<&str>) -> bool) -> Cents {
    let mut sums = Cents::new();
    for made in all {
        let mut parts: Vec<_> =
            made.parts.iter().map(|(cents, category)| (*cents, category.or(made.category))).collect();
        let rest = made.cents - parts.iter().map(|(cents, _)| cents).sum::<i64>();
        if rest != 0 || parts.is_empty() {
            parts.push((rest, made.category));
        }
        parts.retain(|(_, category)| is_in(category.map(|index| CATEGORIES[index])));
        if parts.is_empty() {
            continue;
        }
        let sum: i64 = parts.iter().map(|(cents, _)| cents).sum();
        let (count, incoming, outgoing) = sums.entry(made.currency.then(|| "USD".to_owned())).or_default();
        *count += 1;
        *(if sum > 0 { outgoing } else { incoming }) += sum.abs();
    }
    sums
}

fn summary(all: &[Made], filter: &Filter, by: &[GroupBy]) -> Summary {
    let tree = Tree::system();
    let matcher = Matcher::new(filter, &tree);
    let mut summary = Summary::new(by);
    for listed in all.iter().map(listed).filter(|listed| matcher.matches(listed)) {
        summary.add(&matcher, &listed);
    }
    summary
}

proptest! {
    #[test]
    fn groups_come_to_what_their_parts_do(all in prop::collection::vec(made(), 0..40)) {
        let by_category = summary(&all, &Filter::default(), &[GroupBy::Category]);
        prop_assert_eq!(cents(&by_category.totals), model(&all, |_| true));
        for (key, group) in &by_category.groups {
            let [Key::Category(id)] = key.as_slice() else { panic!("{key:?}") };
            let id = id.as_ref().map(CategoryId::as_str);
            prop_assert_eq!(cents(&group.own), model(&all, |of| of == id));
            let is_below = |of: Option<&str>| match (of, id) {
                (Some(of), Some(id)) => of.starts_with(id),
                (of, id) => of == id,
            };
            // The income that is no salary is above it, and nobody's own.
            prop_assert_eq!(cents(&group.with_children), model(&all, is_below));
        }
        let by_month = summary(&all, &Filter::default(), &[GroupBy::Month]);
        prop_assert_eq!(cents(&by_month.totals), model(&all, |_| true));
        for (key, group) in &by_month.groups {
            let [Key::Month(month)] = key.as_slice() else { panic!("{key:?}") };
            let of_month: Vec<_> =
                all.iter().filter(|made| Month::of(listed(made).date) == *month).cloned().collect();
            prop_assert_eq!(cents(&group.own), model(&of_month, |_| true));
            prop_assert_eq!(&group.own, &group.with_children);
        }
    }

    #[test]
    fn two_groupings_come_to_what_single_ones_do(all in prop::collection::vec(made(), 0..40)) {
        let both = summary(&all, &Filter::default(), &[GroupBy::Category, GroupBy::Month]);
        for month in 1..=12_i8 {
            let of_month: Vec<_> = all.iter().filter(|made| listed(made).date.month() == month).cloned().collect();
            let alone = summary(&of_month, &Filter::default(), &[GroupBy::Category]);
            let together: BTreeMap<_, _> = both.groups.iter().filter_map(|(keys, group)| match keys.as_slice() {
                [category, Key::Month(of)] if of.first_day().month() == month => Some((vec![category.clone()], group.clone())),
                _ => None,
            }).collect();
            prop_assert_eq!(together, alone.groups);
        }
        let by_category = summary(&all, &Filter::default(), &[GroupBy::Category]);
        prop_assert_eq!(both.totals, by_category.totals);
    }

    #[test]
    fn a_category_counts_with_its_parts_alone(all in prop::collection::vec(made(), 0..40), chosen in 0..3_usize) {
        let chosen = [Some("s_travel"), Some("s_food_and_drink_coffee"), None][chosen];
        let filter = Filter {
            categories: [chosen.map(|id| id.parse().unwrap())].into(),
            ..Filter::default()
        };
        let is_in = |of: Option<&str>| match (of, chosen) {
            (Some(of), Some(chosen)) => of.starts_with(chosen),
            (of, chosen) => of == chosen,
        };
        for by in [GroupBy::Category, GroupBy::Month, GroupBy::Merchant, GroupBy::Account] {
            let summary = summary(&all, &filter, &[by]);
            prop_assert_eq!(cents(&summary.totals), model(&all, is_in));
            let is_chosen = |key: &Key| match key {
                Key::Category(id) => is_in(id.as_ref().map(CategoryId::as_str)),
                Key::Month(_) | Key::Merchant(_) | Key::Account(_) => true,
            };
            prop_assert!(summary.groups.keys().flatten().all(is_chosen));
        }
    }

    #[test]
    fn the_best_are_the_first_of_all(
        amounts in prop::collection::vec((0_i64..30, any::<bool>()), 0..60),
        limit in 1_usize..12,
        sort in 0..4_usize,
    ) {
        let (_, sort) = Sort::ALL[sort];
        let all: Vec<_> = amounts.iter().enumerate().map(|(number, (cents, has))| {
            let made = Made { cents: *cents, category: None, parts: Vec::new(), month: 1, currency: true };
            let listed = listed(&made);
            Listed { id: format!("t{number}").parse().unwrap(), amount: listed.amount.filter(|_| *has), ..listed }
        }).collect();
        let mut expected: Vec<_> = all.iter().map(|listed| sort.position(listed)).collect();
        expected.sort_by(|left, right| sort.compare(left, right));
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let mut best = Best::new(sort, after.as_ref(), limit);
            for listed in &all {
                best.add(listed.clone());
            }
            let page = best.page();
            prop_assert!(page.transactions.len() <= limit);
            found.extend(page.transactions.iter().map(|listed| sort.position(listed)));
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn what_has_no_amount_counts_and_adds_nothing() {
    let made =
        Made { cents: 1, category: Some(0), parts: vec![(5, None), (-4, Some(2))], month: 1, currency: true };
    let mut unreadable = listed(&made);
    unreadable.amount = None;
    let tree = Tree::system();
    let filter = Filter { categories: [Some(id(2))].into(), ..Filter::default() };
    let matcher = Matcher::new(&filter, &tree);
    assert!(matcher.matches(&unreadable));
    let mut totals = Totals::default();
    totals.add(&unreadable, &matcher.shares(&unreadable));
    assert_eq!(cents(&totals), BTreeMap::from([(Some("USD".to_owned()), (1, 0, 0))]));
    let filter = Filter { least: Some(Decimal::ZERO), ..Filter::default() };
    assert!(!Matcher::new(&filter, &tree).matches(&unreadable));
}
