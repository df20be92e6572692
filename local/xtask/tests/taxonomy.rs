//! The system's categories, against Plaid's published taxonomy.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails where it stands")]

use std::collections::BTreeSet;

use domain::{
    category::{Category, Kind, Tree},
    transaction::BankCategory,
};
use serde_json::{Value, json};

/// Those of a loan's payments that only give back what counted where it was spent or earned.
const GIVEN_BACK: [&str; 3] =
    ["LOAN_PAYMENTS_CREDIT_CARD_PAYMENT", "LOAN_PAYMENTS_CASH_ADVANCES", "LOAN_PAYMENTS_EWA"];

/// Primary and detailed codes of a version; beside the repository, where they are given.
fn codes(version: &str) -> Option<Vec<(String, String)>> {
    let file = xtask::root().join(format!("../shared/plaid/taxonomy/pfc_{version}_codes.json"));
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: Plaid's taxonomy {version} is not here");
        return None;
    };
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let of = |code: &Value, name: &str| code[name].as_str().unwrap().to_owned();
    Some(all.iter().map(|code| (of(code, "primary"), of(code, "detailed"))).collect())
}

fn means<'a>(tree: &'a Tree, primary: &str, detailed: &str) -> &'a Category {
    let bank: BankCategory = serde_json::from_value(json!({"p": primary, "d": detailed})).unwrap();
    tree.effective(None, Some(&bank)).unwrap().category
}

fn kind(primary: &str, detailed: &str) -> Kind {
    match primary {
        "INCOME" => Kind::Income,
        "TRANSFER_IN" | "TRANSFER_OUT" | "LOAN_DISBURSEMENTS" => Kind::Transfer,
        "LOAN_PAYMENTS" if GIVEN_BACK.contains(&detailed) => Kind::Transfer,
        _ => Kind::Expense,
    }
}

#[test]
fn every_code_of_both_versions_has_its_category() {
    let tree = Tree::system();
    let (Some(first), Some(second)) = (codes("v1"), codes("v2")) else { return };
    assert!(first.len() > 100 && second.len() > 100);
    let in_second: BTreeSet<_> = second.iter().map(|(_, detailed)| detailed).collect();
    for (primary, detailed) in first.iter().chain(&second) {
        let category = means(&tree, primary, detailed);
        assert_eq!(category.kind, kind(primary, detailed), "{detailed}");
        let own = format!("s_{}", detailed.to_lowercase());
        if in_second.contains(detailed) && detailed != "OTHER_OTHER" {
            assert_eq!(category.id.as_str(), own);
            let parent = if GIVEN_BACK.contains(&detailed.as_str()) { "TRANSFER_OUT" } else { primary };
            let parent = format!("s_{}", parent.to_lowercase());
            assert_eq!(category.parent.as_ref().unwrap().as_str(), parent, "{detailed}");
        } else if primary != "OTHER" {
            // What became of it, not what is left over.
            assert_ne!(category.id.as_str(), "s_other", "{detailed}");
        }
        let unknown = means(&tree, primary, "NEW_AT_PLAID");
        assert_eq!(unknown.id.as_str(), format!("s_{}", primary.to_lowercase()));
        assert_eq!(unknown.parent, None);
    }
}

#[test]
fn the_system_has_nothing_that_plaid_does_not_have() {
    let (tree, Some(second)) = (Tree::system(), codes("v2")) else { return };
    let all = second.iter().flat_map(|(primary, detailed)| [primary, detailed]);
    let ids: BTreeSet<_> = all.map(|code| format!("s_{}", code.to_lowercase())).collect();
    let unknown: Vec<_> = tree.all().filter(|category| !ids.contains(category.id.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(tree.all().count(), ids.len() - 1, "all but OTHER_OTHER");
}
