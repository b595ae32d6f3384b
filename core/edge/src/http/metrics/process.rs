//! When this process began.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time of the start of this process, in seconds; none where the system does not tell it.
pub(super) fn started_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let since_boot_s = ticks(&stat)? / ticks_per_s();
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let age_s = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9 - since_boot_s;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    Some(now_s - age_s)
}

fn ticks_per_s() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// The start of a process in ticks since that of the machine (proc(5), field 22). The name before
/// it may hold anything.
fn ticks(stat: &str) -> Option<f64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_began_before_now_and_after_its_machine() {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let began_s = started_s().unwrap();
        // A tick is a hundredth of a second.
        assert!(began_s <= now_s + 0.1 && began_s > 1.6e9, "{began_s} {now_s}");
    }

    #[test]
    fn the_field_is_found_behind_any_name() {
        let rest = (3..=52).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(ticks(&format!("7 (a) S 1 (b) {rest}")), Some(22.0));
        assert_eq!(ticks("7 (short) S"), None);
    }
}
