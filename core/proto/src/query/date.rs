//! Dates and times of attributes (RFC 3339), as spans of Unix milliseconds.

/// From the first to the last millisecond that a text means: a full-date means its whole day
/// (UTC), a date-time one moment.
pub(super) fn span(text: &str) -> Option<(i64, i64)> {
    if !text.is_ascii() || text.len() > 64 {
        return None;
    }
    let (date, time) = match text.split_at_checked(10) {
        Some((date, "")) => (date, None),
        Some((date, time)) => (date, Some(time)),
        None => return None,
    };
    let day_ms = days(date)?.checked_mul(86_400_000)?;
    match time {
        None => Some((day_ms, day_ms + 86_399_999)),
        Some(time) => {
            let at = day_ms.checked_add(time_of_day(time)?)?;
            Some((at, at))
        }
    }
}

/// Days from 1970-01-01 of a proleptic Gregorian date.
fn days(date: &str) -> Option<i64> {
    let (year, rest) = date.split_at_checked(4)?;
    let (month, day) = rest.strip_prefix('-')?.split_once('-')?;
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Milliseconds of `T10:20:30.5Z` or with an offset, relative to midnight UTC.
fn time_of_day(text: &str) -> Option<i64> {
    let text = text.strip_prefix(['T', 't', ' '])?;
    let (clock, offset_min) = if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        (clock, 0)
    } else {
        let (clock, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
        let sign = match offset.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (hours, minutes) = offset.get(1..)?.split_once(':')?;
        (clock, sign * (in_range(hours, 23)? * 60 + in_range(minutes, 59)?))
    };
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, digits)) => (clock, millis(digits)?),
        None => (clock, 0),
    };
    let (hours, rest) = clock.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':')?;
    // A leap second counts as the one before it.
    let seconds = in_range(seconds, 60)?.min(59);
    let minutes = in_range(hours, 23)? * 60 + in_range(minutes, 59)?;
    Some(((minutes - offset_min) * 60 + seconds) * 1_000 + fraction)
}

fn millis(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kept: String = digits.chars().chain("00".chars()).take(3).collect();
    kept.parse().ok()
}

fn in_range(text: &str, most: i64) -> Option<i64> {
    number(text, 2).filter(|value| *value <= most)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments() {
        for (text, low, high) in [
            ("1970-01-01", 0, 86_399_999),
            ("1969-12-31", -86_400_000, -1),
            ("2000-02-29", 951_782_400_000, 951_868_799_999),
            ("2024-12-31T23:59:59.999Z", 1_735_689_599_999, 1_735_689_599_999),
            ("2024-12-31T23:59:59.5+01:00", 1_735_685_999_500, 1_735_685_999_500),
            ("2024-12-31t00:00:00-00:30", 1_735_605_000_000, 1_735_605_000_000),
            ("1990-12-31T23:59:60Z", 662_687_999_000, 662_687_999_000),
            ("0000-01-01", -62_167_219_200_000, -62_167_132_800_001),
        ] {
            assert_eq!(span(text), Some((low, high)), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2021",
            "2021-1-1",
            "2021-13-01",
            "2021-00-10",
            "2021-02-29",
            "1900-02-29",
            "2021-04-31",
            "21-01-01",
            "2021-01-01T",
            "2021-01-01T10:00Z",
            "2021-01-01T10:00:00",
            "2021-01-01T24:00:00Z",
            "2021-01-01T10:60:00Z",
            "2021-01-01T10:00:61Z",
            "2021-01-01T10:00:00.Z",
            "2021-01-01T10:00:00+24:00",
            "2021-01-01X10:00:00Z",
            "+021-01-01",
            "２０２１-01-01",
            "2021-01-01T10:00:00.xZ",
        ] {
            assert_eq!(span(text), None, "{text}");
        }
    }
}
