//! `-l`: whether the machine is too busy for one more job. Linux tells how many processes are
//! runnable right now, and that is what make compares.

/// Whether more processes are runnable than `limit`. A limit below zero is none.
pub(crate) fn too_high(limit: Option<f64>) -> bool {
    let Some(limit) = limit.filter(|l| *l >= 0.0) else { return false };
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    running(&text).is_some_and(|count| f64::from(count) > limit)
}

/// `<1m> <5m> <15m> <running>/<total> <pid>`
fn running(text: &str) -> Option<u32> {
    text.split(' ').nth(3)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_runnable_processes() {
        assert_eq!(running("0.20 0.18 0.12 3/80 11206\n"), Some(3));
        assert_eq!(running(""), None);
    }
}
