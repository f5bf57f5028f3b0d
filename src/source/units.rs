//! Durations and sizes as people write them.

use std::time::Duration;

use super::document::Size;

/// Longest time limit that can be written.
const MAX_DURATION: Duration = Duration::from_hours(1);
/// Least and longest time between two lists of a server's tools.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(10), Duration::from_hours(2));

/// `500ms`, `5s`, `2m`; above zero, at most [`MAX_DURATION`].
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("must be more than zero".to_owned()),
        duration if duration <= MAX_DURATION => Ok(duration),
        _ => Err("must be at most 60m".to_owned()),
    }
}

/// `10s` to `120m`.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let (least, most) = INTERVAL;
    let read = time(text)?;
    if (least..=most).contains(&read) { Ok(read) } else { Err("must be 10s to 120m".to_owned()) }
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a whole number with its unit, `ms`, `s` or `m`".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_not_a_number| wrong())?;
    Ok(Duration::from_millis(number.saturating_mul(millis)))
}

/// `65536`, `64KiB`, `4MiB`; in bytes, within `range`.
pub(super) fn size(size: &Size, least: usize, most: usize) -> Result<usize, String> {
    let wrong = || "must be a whole number of bytes, or one with `KiB` or `MiB`".to_owned();
    let bytes = match size {
        Size::Bytes(number) => number.as_u64().ok_or_else(wrong)?,
        Size::Text(text) => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
            let shift = match unit.trim_start() {
                "" => 0,
                "KiB" => 10,
                "MiB" => 20,
                _ => return Err(wrong()),
            };
            number.parse::<u64>().map_err(|_not_a_number| wrong())?.saturating_mul(1 << shift)
        }
    };
    match usize::try_from(bytes) {
        Ok(bytes) if (least..=most).contains(&bytes) => Ok(bytes),
        Ok(_) | Err(_) => Err(format!("must be {} to {}", shown(least), shown(most))),
    }
}

fn shown(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 => format!("{}MiB", bytes >> 20),
        bytes => format!("{}KiB", bytes >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_and_is_neither_zero_nor_endless() {
        for (text, millis) in
            [("500ms", 500), ("5s", 5000), ("2m", 120_000), ("60m", 3_600_000), ("007s", 7000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "5h",
            "5S",
            "1.5s",
            "0s",
            "61m",
            "99999999999999999999s",
            "5µs",
            "½s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_interval_is_ten_seconds_to_two_hours() {
        for (text, seconds) in [("10s", 10), ("10000ms", 10), ("60s", 60), ("120m", 7200)] {
            assert_eq!(interval(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["9999ms", "0s", "121m", "7200001ms", "18446744073709551615m", "2h"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_in_bytes_kib_or_mib_and_in_its_range() {
        let read = |text: &str| size(&Size::Text(text.into()), 1 << 10, 64 << 20);
        for (text, bytes) in
            [("1024", 1024), ("1KiB", 1024), ("4MiB", 4 << 20), ("4 MiB", 4 << 20), ("64MiB", 64 << 20)]
        {
            assert_eq!(read(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "1023", "0", "65MiB", "4MB", "4mib", "-1", "1.5MiB", "99999999999999999999", "MiB", "é"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        let number = |number: i64| size(&Size::Bytes(number.into()), 1 << 10, 64 << 20);
        assert_eq!(number(65536), Ok(65536));
        assert_eq!(number(-1), Err("must be a whole number of bytes, or one with `KiB` or `MiB`".into()));
        assert_eq!(number(1), Err("must be 1KiB to 64MiB".into()));
    }
}
