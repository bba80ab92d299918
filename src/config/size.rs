//! A number of bytes as people write it: `64K`, `10M`, `1G`, or a plain number.

use std::str::FromStr;

use crate::config::OptionError;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// Far beyond any memory or disk of today, and far from overflow in every sum.
    const MOST: u64 = 1 << 50;
}

impl FromStr for ByteSize {
    type Err = OptionError;

    /// Returns the size that `text` writes; a unit is a power of 1024, in either case, perhaps with `B` or `iB`.
    fn from_str(text: &str) -> Result<ByteSize, OptionError> {
        let error = || OptionError::new(text, "a size such as `64K`, `10M` or `1G`");
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            _ => return Err(error()),
        };
        let number: u64 = number.parse().map_err(|_| error())?;
        let bytes = number.checked_mul(unit).filter(|bytes| (1..=ByteSize::MOST).contains(bytes));
        bytes.map(ByteSize).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::ByteSize;

    #[test]
    fn a_size_has_a_number_and_perhaps_a_unit() {
        for (text, bytes) in [
            ("1", 1),
            ("512", 512),
            ("64K", 65_536),
            ("64k", 65_536),
            ("10M", 10 << 20),
            ("10 MiB", 10 << 20),
            ("1GB", 1 << 30),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "K", "0", "0M", "-1", "1.5M", "1T", "1 M M", "99999999999G", "1099511627777K"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }
}
