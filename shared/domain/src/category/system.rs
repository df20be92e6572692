//! The system's set: what every household has, made from Plaid's taxonomy.
//!
//! Plaid's two versions are one set here. A category is called by version 2's code; version 1's codes that are not in
//! version 2 lead to what became of them. A primary is the parent of its details, but for three: paying off a credit
//! card, an advance or wages paid early moves money that counts where it was spent or earned, so these are transfers.
//! <https://plaid.com/documents/pfc-taxonomy-all.csv>

use std::{collections::HashMap, sync::LazyLock};

use super::{Category, CategoryName, Colour, Icon, Kind};
use crate::{ids::CategoryId, transaction::BankCategory};

/// A primary of Plaid's, with what is below it.
struct Group {
    code: &'static str,
    name: &'static str,
    kind: Kind,
    colour: &'static str,
    icon: &'static str,
    /// Code, name and icon.
    details: &'static [(&'static str, &'static str, &'static str)],
}

const SET: [Group; 18] = [
    Group {
        code: "INCOME",
        name: "Income",
        kind: Kind::Income,
        colour: "#2E7D32",
        icon: "coins",
        details: &[
            ("INCOME_SALARY", "Salary", "briefcase"),
            ("INCOME_GIG_ECONOMY", "Gig work", "bike"),
            ("INCOME_MILITARY", "Military pay", "shield"),
            ("INCOME_RENTAL", "Rent received", "key"),
            ("INCOME_DIVIDENDS", "Dividends", "chart"),
            ("INCOME_INTEREST_EARNED", "Interest earned", "percent"),
            ("INCOME_RETIREMENT_PENSION", "Pension", "sunset"),
            ("INCOME_CHILD_SUPPORT", "Child support", "child"),
            ("INCOME_LONG_TERM_DISABILITY", "Disability benefits", "wheelchair"),
            ("INCOME_UNEMPLOYMENT", "Unemployment benefits", "umbrella"),
            ("INCOME_TAX_REFUND", "Tax refund", "receipt"),
            ("INCOME_OTHER", "Other income", "coins"),
        ],
    },
    Group {
        code: "FOOD_AND_DRINK",
        name: "Food and drink",
        kind: Kind::Expense,
        colour: "#EF6C00",
        icon: "utensils",
        details: &[
            ("FOOD_AND_DRINK_GROCERIES", "Groceries", "basket"),
            ("FOOD_AND_DRINK_RESTAURANT", "Restaurants", "utensils"),
            ("FOOD_AND_DRINK_FAST_FOOD", "Fast food", "burger"),
            ("FOOD_AND_DRINK_COFFEE", "Coffee", "cup"),
            ("FOOD_AND_DRINK_BEER_WINE_AND_LIQUOR", "Beer, wine and spirits", "bottle"),
            ("FOOD_AND_DRINK_VENDING_MACHINES", "Vending machines", "snack"),
            ("FOOD_AND_DRINK_OTHER_FOOD_AND_DRINK", "Other food and drink", "utensils"),
        ],
    },
    Group {
        code: "RENT_AND_UTILITIES",
        name: "Rent and utilities",
        kind: Kind::Expense,
        colour: "#5D4037",
        icon: "house",
        details: &[
            ("RENT_AND_UTILITIES_RENT", "Rent", "key"),
            ("RENT_AND_UTILITIES_GAS_AND_ELECTRICITY", "Gas and electricity", "bolt"),
            ("RENT_AND_UTILITIES_INTERNET_AND_CABLE", "Internet and cable", "router"),
            ("RENT_AND_UTILITIES_TELEPHONE", "Telephone", "phone"),
            ("RENT_AND_UTILITIES_WATER", "Water", "drop"),
            ("RENT_AND_UTILITIES_SEWAGE_AND_WASTE_MANAGEMENT", "Sewage and waste", "bin"),
            ("RENT_AND_UTILITIES_OTHER_UTILITIES", "Other utilities", "house"),
        ],
    },
    Group {
        code: "HOME_IMPROVEMENT",
        name: "Home improvement",
        kind: Kind::Expense,
        colour: "#8D6E63",
        icon: "hammer",
        details: &[
            ("HOME_IMPROVEMENT_FURNITURE", "Furniture", "sofa"),
            ("HOME_IMPROVEMENT_HARDWARE", "Hardware", "hammer"),
            ("HOME_IMPROVEMENT_REPAIR_AND_MAINTENANCE", "Repair and maintenance", "wrench"),
            ("HOME_IMPROVEMENT_SECURITY", "Home security", "lock"),
            ("HOME_IMPROVEMENT_OTHER_HOME_IMPROVEMENT", "Other home improvement", "hammer"),
        ],
    },
    Group {
        code: "GENERAL_MERCHANDISE",
        name: "Shopping",
        kind: Kind::Expense,
        colour: "#AD1457",
        icon: "bag",
        details: &[
            ("GENERAL_MERCHANDISE_ONLINE_MARKETPLACES", "Online marketplaces", "cart"),
            ("GENERAL_MERCHANDISE_SUPERSTORES", "Superstores", "store"),
            ("GENERAL_MERCHANDISE_DEPARTMENT_STORES", "Department stores", "store"),
            ("GENERAL_MERCHANDISE_DISCOUNT_STORES", "Discount stores", "tag"),
            ("GENERAL_MERCHANDISE_CONVENIENCE_STORES", "Convenience stores", "store"),
            ("GENERAL_MERCHANDISE_CLOTHING_AND_ACCESSORIES", "Clothes and accessories", "shirt"),
            ("GENERAL_MERCHANDISE_ELECTRONICS", "Electronics", "laptop"),
            ("GENERAL_MERCHANDISE_BOOKSTORES_AND_NEWSSTANDS", "Books and newspapers", "book"),
            ("GENERAL_MERCHANDISE_GIFTS_AND_NOVELTIES", "Gifts", "gift"),
            ("GENERAL_MERCHANDISE_OFFICE_SUPPLIES", "Office supplies", "pen"),
            ("GENERAL_MERCHANDISE_PET_SUPPLIES", "Pet supplies", "paw"),
            ("GENERAL_MERCHANDISE_SPORTING_GOODS", "Sporting goods", "ball"),
            ("GENERAL_MERCHANDISE_TOBACCO_AND_VAPE", "Tobacco and vape", "smoke"),
            ("GENERAL_MERCHANDISE_OTHER_GENERAL_MERCHANDISE", "Other shopping", "bag"),
        ],
    },
    Group {
        code: "TRANSPORTATION",
        name: "Transport",
        kind: Kind::Expense,
        colour: "#1565C0",
        icon: "car",
        details: &[
            ("TRANSPORTATION_GAS", "Fuel", "fuel"),
            ("TRANSPORTATION_PUBLIC_TRANSIT", "Public transport", "bus"),
            ("TRANSPORTATION_TAXIS_AND_RIDE_SHARES", "Taxis and ride shares", "taxi"),
            ("TRANSPORTATION_PARKING", "Parking", "parking"),
            ("TRANSPORTATION_TOLLS", "Tolls", "road"),
            ("TRANSPORTATION_BIKES_AND_SCOOTERS", "Bikes and scooters", "bike"),
            ("TRANSPORTATION_OTHER_TRANSPORTATION", "Other transport", "car"),
        ],
    },
    Group {
        code: "TRAVEL",
        name: "Travel",
        kind: Kind::Expense,
        colour: "#00838F",
        icon: "suitcase",
        details: &[
            ("TRAVEL_FLIGHTS", "Flights", "plane"),
            ("TRAVEL_LODGING", "Hotels and lodging", "bed"),
            ("TRAVEL_RENTAL_CARS", "Rental cars", "car"),
            ("TRAVEL_OTHER_TRAVEL", "Other travel", "suitcase"),
        ],
    },
    Group {
        code: "MEDICAL",
        name: "Health",
        kind: Kind::Expense,
        colour: "#C62828",
        icon: "heart",
        details: &[
            ("MEDICAL_PRIMARY_CARE", "Doctors", "stethoscope"),
            ("MEDICAL_DENTAL_CARE", "Dentist", "tooth"),
            ("MEDICAL_EYE_CARE", "Eye care", "glasses"),
            ("MEDICAL_NURSING_CARE", "Nursing care", "nurse"),
            ("MEDICAL_PHARMACIES_AND_SUPPLEMENTS", "Pharmacy", "pill"),
            ("MEDICAL_VETERINARY_SERVICES", "Vet", "paw"),
            ("MEDICAL_OTHER_MEDICAL", "Other health", "heart"),
        ],
    },
    Group {
        code: "PERSONAL_CARE",
        name: "Personal care",
        kind: Kind::Expense,
        colour: "#D81B60",
        icon: "comb",
        details: &[
            ("PERSONAL_CARE_GYMS_AND_FITNESS_CENTERS", "Gym and fitness", "dumbbell"),
            ("PERSONAL_CARE_HAIR_AND_BEAUTY", "Hair and beauty", "scissors"),
            ("PERSONAL_CARE_LAUNDRY_AND_DRY_CLEANING", "Laundry and dry cleaning", "washer"),
            ("PERSONAL_CARE_OTHER_PERSONAL_CARE", "Other personal care", "comb"),
        ],
    },
    Group {
        code: "ENTERTAINMENT",
        name: "Entertainment",
        kind: Kind::Expense,
        colour: "#6A1B9A",
        icon: "ticket",
        details: &[
            ("ENTERTAINMENT_TV_AND_MOVIES", "TV and films", "film"),
            ("ENTERTAINMENT_MUSIC_AND_AUDIO", "Music and audio", "music"),
            ("ENTERTAINMENT_VIDEO_GAMES", "Video games", "gamepad"),
            (
                "ENTERTAINMENT_SPORTING_EVENTS_AMUSEMENT_PARKS_AND_MUSEUMS",
                "Sport, amusement parks and museums",
                "ticket",
            ),
            ("ENTERTAINMENT_CASINOS_AND_GAMBLING", "Casinos and gambling", "dice"),
            ("ENTERTAINMENT_OTHER_ENTERTAINMENT", "Other entertainment", "ticket"),
        ],
    },
    Group {
        code: "GENERAL_SERVICES",
        name: "Services",
        kind: Kind::Expense,
        colour: "#455A64",
        icon: "handshake",
        details: &[
            ("GENERAL_SERVICES_INSURANCE", "Insurance", "umbrella"),
            ("GENERAL_SERVICES_CHILDCARE", "Childcare", "child"),
            ("GENERAL_SERVICES_EDUCATION", "Education", "school"),
            ("GENERAL_SERVICES_AUTOMOTIVE", "Car service", "wrench"),
            ("GENERAL_SERVICES_ACCOUNTING_AND_FINANCIAL_PLANNING", "Accounting and advice", "calculator"),
            ("GENERAL_SERVICES_CONSULTING_AND_LEGAL", "Consulting and legal", "scales"),
            ("GENERAL_SERVICES_POSTAGE_AND_SHIPPING", "Postage and shipping", "parcel"),
            ("GENERAL_SERVICES_STORAGE", "Storage", "box"),
            ("GENERAL_SERVICES_OTHER_GENERAL_SERVICES", "Other services", "handshake"),
        ],
    },
    Group {
        code: "GOVERNMENT_AND_NON_PROFIT",
        name: "Government and donations",
        kind: Kind::Expense,
        colour: "#37474F",
        icon: "landmark",
        details: &[
            ("GOVERNMENT_AND_NON_PROFIT_TAX_PAYMENT", "Taxes", "receipt"),
            ("GOVERNMENT_AND_NON_PROFIT_DONATIONS", "Donations", "gift"),
            (
                "GOVERNMENT_AND_NON_PROFIT_GOVERNMENT_DEPARTMENTS_AND_AGENCIES",
                "Government departments and agencies",
                "landmark",
            ),
            (
                "GOVERNMENT_AND_NON_PROFIT_OTHER_GOVERNMENT_AND_NON_PROFIT",
                "Other government and non-profit",
                "landmark",
            ),
        ],
    },
    Group {
        code: "BANK_FEES",
        name: "Bank fees",
        kind: Kind::Expense,
        colour: "#B71C1C",
        icon: "bank",
        details: &[
            ("BANK_FEES_ATM_FEES", "Cash machine fees", "cash"),
            ("BANK_FEES_OVERDRAFT_FEES", "Overdraft fees", "bank"),
            ("BANK_FEES_INSUFFICIENT_FUNDS", "Insufficient funds", "bank"),
            ("BANK_FEES_LATE_FEES", "Late fees", "clock"),
            ("BANK_FEES_INTEREST_CHARGE", "Interest charged", "percent"),
            ("BANK_FEES_CASH_ADVANCE", "Cash advance fees", "cash"),
            ("BANK_FEES_FOREIGN_TRANSACTION_FEES", "Foreign transaction fees", "globe"),
            ("BANK_FEES_OTHER_BANK_FEES", "Other bank fees", "bank"),
        ],
    },
    Group {
        code: "LOAN_PAYMENTS",
        name: "Loan payments",
        kind: Kind::Expense,
        colour: "#4E342E",
        icon: "contract",
        details: &[
            ("LOAN_PAYMENTS_MORTGAGE_PAYMENT", "Mortgage", "house"),
            ("LOAN_PAYMENTS_CAR_PAYMENT", "Car loan", "car"),
            ("LOAN_PAYMENTS_STUDENT_LOAN_PAYMENT", "Student loan", "school"),
            ("LOAN_PAYMENTS_PERSONAL_LOAN_PAYMENT", "Personal loan", "contract"),
            ("LOAN_PAYMENTS_OTHER_PAYMENT", "Other loan payments", "contract"),
        ],
    },
    Group {
        code: "TRANSFER_OUT",
        name: "Transfers out",
        kind: Kind::Transfer,
        colour: "#546E7A",
        icon: "arrow-up",
        details: &[
            ("TRANSFER_OUT_ACCOUNT_TRANSFER", "To another account", "arrows"),
            ("TRANSFER_OUT_SAVINGS", "To savings", "piggy-bank"),
            ("TRANSFER_OUT_INVESTMENT_AND_RETIREMENT_FUNDS", "To investments and retirement", "chart"),
            ("TRANSFER_OUT_WITHDRAWAL", "Cash withdrawal", "cash"),
            ("TRANSFER_OUT_WIRE", "Wire sent", "wire"),
            ("LOAN_PAYMENTS_CREDIT_CARD_PAYMENT", "Credit card payment", "card"),
            ("LOAN_PAYMENTS_CASH_ADVANCES", "Cash advance repaid", "cash"),
            ("LOAN_PAYMENTS_EWA", "Early wages repaid", "clock"),
            ("TRANSFER_OUT_OTHER_TRANSFER_OUT", "Other transfers out", "arrow-up"),
        ],
    },
    Group {
        code: "TRANSFER_IN",
        name: "Transfers in",
        kind: Kind::Transfer,
        colour: "#607D8B",
        icon: "arrow-down",
        details: &[
            ("TRANSFER_IN_ACCOUNT_TRANSFER", "From another account", "arrows"),
            ("TRANSFER_IN_SAVINGS", "From savings", "piggy-bank"),
            ("TRANSFER_IN_INVESTMENT_AND_RETIREMENT_FUNDS", "From investments and retirement", "chart"),
            ("TRANSFER_IN_DEPOSIT", "Deposit", "cash"),
            ("TRANSFER_IN_WIRE", "Wire received", "wire"),
            ("TRANSFER_IN_OTHER_TRANSFER_IN", "Other transfers in", "arrow-down"),
        ],
    },
    Group {
        code: "LOAN_DISBURSEMENTS",
        name: "Money borrowed",
        kind: Kind::Transfer,
        colour: "#795548",
        icon: "contract",
        details: &[
            ("LOAN_DISBURSEMENTS_MORTGAGE", "Mortgage paid out", "house"),
            ("LOAN_DISBURSEMENTS_AUTO", "Car loan paid out", "car"),
            ("LOAN_DISBURSEMENTS_STUDENT", "Student loan paid out", "school"),
            ("LOAN_DISBURSEMENTS_PERSONAL", "Personal loan paid out", "contract"),
            ("LOAN_DISBURSEMENTS_BNPL", "Buy now, pay later", "cart"),
            ("LOAN_DISBURSEMENTS_CASH_ADVANCES", "Cash advance", "cash"),
            ("LOAN_DISBURSEMENTS_EWA", "Wages paid early", "clock"),
            ("LOAN_DISBURSEMENTS_OTHER_DISBURSEMENT", "Other money borrowed", "contract"),
        ],
    },
    Group {
        code: "OTHER",
        name: "Other",
        kind: Kind::Expense,
        colour: "#757575",
        icon: "question",
        details: &[],
    },
];

/// Codes that have no category of their own, and the code of the one that they mean.
const OTHER_CODES: [(&str, &str); 4] = [
    // Version 1's, by what became of them in version 2.
    ("INCOME_WAGES", "INCOME_SALARY"),
    ("INCOME_OTHER_INCOME", "INCOME_OTHER"),
    ("TRANSFER_IN_CASH_ADVANCES_AND_LOANS", "LOAN_DISBURSEMENTS"),
    // Says no more than its primary.
    ("OTHER_OTHER", "OTHER"),
];

/// What a code that nobody knows means.
const UNKNOWN: &str = "OTHER";

/// The set, each after its parent.
pub(super) static CATEGORIES: LazyLock<Vec<Category>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for group in &SET {
        let of = |code: &str, name, icon, parent| Category {
            id: CategoryId::of_system(code),
            name: CategoryName::known(name),
            parent,
            kind: group.kind,
            colour: Colour::known(group.colour),
            icon: Icon::known(icon),
            is_system: true,
            is_active: true,
            revision: 1,
        };
        let primary = of(group.code, group.name, group.icon, None);
        let parent = primary.id.clone();
        all.push(primary);
        all.extend(group.details.iter().map(|(code, name, icon)| of(code, name, icon, Some(parent.clone()))));
    }
    all
});

/// The category of each code of Plaid's.
static BY_CODE: LazyLock<HashMap<&'static str, CategoryId>> = LazyLock::new(|| {
    let details = SET.iter().flat_map(|group| group.details.iter().map(|(code, ..)| *code));
    let own = SET.iter().map(|group| group.code).chain(details).map(|code| (code, code));
    own.chain(OTHER_CODES).map(|(code, means)| (code, CategoryId::of_system(means))).collect()
});

/// What the bank's category means: by its detailed code, else its primary, else it is some other.
pub(super) fn of_bank(bank: &BankCategory) -> Option<&'static CategoryId> {
    let codes = [bank.detailed.as_deref(), Some(&bank.primary), Some(UNKNOWN)];
    codes.into_iter().flatten().find_map(|code| BY_CODE.get(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_says_what_parses() {
        for category in CATEGORIES.iter() {
            assert_eq!(category.id.as_str().parse(), Ok(category.id.clone()));
            assert_eq!(category.name.as_str().parse(), Ok(category.name.clone()));
            assert_eq!(category.colour.as_str().parse(), Ok(category.colour.clone()));
            assert_eq!(category.icon.as_str().parse(), Ok(category.icon.clone()));
        }
        for (_, means) in OTHER_CODES {
            let id = CategoryId::of_system(means);
            assert!(CATEGORIES.iter().any(|category| category.id == id), "{means}");
        }
    }

    #[test]
    fn what_is_new_at_plaid_falls_back() {
        let means = |primary: &str, detailed: &str| {
            let bank = serde_json::json!({"p": primary, "d": detailed});
            of_bank(&serde_json::from_value(bank).unwrap()).unwrap().as_str()
        };
        assert_eq!(means("FOOD_AND_DRINK", "FOOD_AND_DRINK_COFFEE"), "s_food_and_drink_coffee");
        assert_eq!(means("FOOD_AND_DRINK", "FOOD_AND_DRINK_MATCHA"), "s_food_and_drink");
        assert_eq!(means("SPACE", "INCOME_WAGES"), "s_income_salary");
        assert_eq!(means("SPACE", "SPACE_FLIGHTS"), "s_other");
        assert_eq!(means("", ""), "s_other");
    }
}
