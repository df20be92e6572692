//! Sums of decimals that lose nothing.

use std::{
    fmt,
    ops::{Add, AddAssign, Neg, Sub},
};

use rust_decimal::Decimal;

/// The digits of a fraction: as many as a decimal can have.
const DIGITS: u32 = Decimal::MAX_SCALE;
const ONE: i128 = 10_i128.pow(DIGITS);

/// An exact sum. A decimal has 28 digits, and rounds what does not fit; here a thousand million of the largest and the
/// smallest fit together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum {
    whole: i128,
    /// In units of the smallest decimal; never against the sign of the whole.
    fraction: i128,
}

impl Sum {
    fn of(whole: i128, fraction: i128) -> Self {
        let (mut whole, mut fraction) = (whole + fraction / ONE, fraction % ONE);
        if whole > 0 && fraction < 0 {
            (whole, fraction) = (whole - 1, fraction + ONE);
        } else if whole < 0 && fraction > 0 {
            (whole, fraction) = (whole + 1, fraction - ONE);
        }
        Self { whole, fraction }
    }

    /// Whether it is more than nothing.
    pub fn is_positive(self) -> bool {
        self > Self::default()
    }

    /// Without its sign.
    pub fn abs(self) -> Self {
        if self < Self::default() { -self } else { self }
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

impl From<Decimal> for Sum {
    fn from(decimal: Decimal) -> Self {
        let one = 10_i128.pow(decimal.scale());
        let digits = decimal.mantissa();
        Self::of(digits / one, digits % one * 10_i128.pow(DIGITS - decimal.scale()))
    }
}

impl Add for Sum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::of(self.whole + other.whole, self.fraction + other.fraction)
    }
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Neg for Sum {
    type Output = Self;

    fn neg(self) -> Self {
        Self { whole: -self.whole, fraction: -self.fraction }
    }
}

impl Sub for Sum {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if *self < Self::default() { "-" } else { "" };
        write!(f, "{sign}{}", self.whole.unsigned_abs())?;
        let digits = format!("{:028}", self.fraction.unsigned_abs());
        match digits.trim_end_matches('0') {
            "" => Ok(()),
            digits => write!(f, ".{digits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(texts: &[&str]) -> String {
        let decimals = texts.iter().map(|text| text.parse::<Decimal>().unwrap());
        decimals.fold(Sum::default(), |sum, decimal| sum + decimal.into()).to_string()
    }

    #[test]
    fn the_largest_and_the_smallest_add_up_to_the_last_digit() {
        assert_eq!(
            sum(&["79228162514264337593543950335", "0.0000000000000000000000000001"]),
            "79228162514264337593543950335.0000000000000000000000000001"
        );
        assert_eq!(sum(&["79228162514264337593543950335"; 3]), "237684487542793012780631851005");
        assert_eq!(sum(&["-1", "0.25"]), "-0.75");
        assert_eq!(sum(&["1", "-0.25", "-0.75"]), "0");
        assert_eq!(sum(&["0.5", "-2"]), "-1.5");
        assert_eq!(sum(&[]), "0");
    }

    proptest! {
        #[test]
        fn it_is_the_decimals_sum_where_that_is_exact(cents: Vec<i32>) {
            let decimals: Vec<_> = cents.iter().map(|cents| Decimal::new(i64::from(*cents), 2)).collect();
            let sum: Decimal = decimals.iter().sum();
            let exact = decimals.into_iter().fold(Sum::default(), |sum, decimal| sum + decimal.into());
            prop_assert_eq!(exact.to_string(), sum.normalize().to_string());
            prop_assert_eq!(exact, Sum::from(sum));
            prop_assert_eq!(exact.is_positive(), sum > Decimal::ZERO);
            prop_assert!((exact - Sum::from(sum)).is_zero());
        }
    }
}
