//! How calls are measured, whatever is called: the definitions of `tests/bench/BENCH.md`.

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How long a closed loop runs before it may be counted.
const RAMP: Duration = Duration::from_millis(200);
/// Calls of each worker before that, so that no connection is opened in the window.
const FIRST_CALLS: u64 = 3;
/// Most time that is waited for those.
const RAMP_MAX: Duration = Duration::from_secs(6);
/// Calls of an open loop in flight at once; one that has to wait counts from when it was due.
const OPEN_MAX: usize = 128;

/// Something that is asked again and again.
pub trait Ask: Clone + Send + Sync + 'static {
    /// Sends this body and gives the one that came back.
    fn ask(&self, body: &str) -> impl Future<Output = String> + Send;
}

/// A body of so many characters.
pub fn body(size: usize) -> Arc<str> {
    "x".repeat(size).into()
}

/// One call; the answer must be as long as what was asked.
pub async fn once(asks: &impl Ask, body: &str) -> Duration {
    let began = Instant::now();
    let answer = asks.ask(body).await;
    let took = began.elapsed();
    assert_eq!(answer.len(), body.len(), "the answer is not what was asked");
    took
}

/// Round trips one after another: median and 99th percentile, in microseconds.
pub async fn round_trips(asks: &impl Ask, size: usize, count: usize, warm: usize) -> Value {
    let body = body(size);
    for _ in 0..warm {
        once(asks, &body).await;
    }
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        times.push(once(asks, &body).await);
    }
    spread(&mut times)
}

/// A closed loop: calls that ended within the window, a second.
pub async fn load(asks: &impl Ask, size: usize, in_flight: usize, window: Duration) -> Value {
    let (body, stop) = (body(size), Arc::new(AtomicBool::new(false)));
    let counts: Vec<_> = (0..in_flight).map(|_| Arc::new(AtomicU64::new(0))).collect();
    let mut workers = JoinSet::new();
    for count in &counts {
        let (asks, body) = (asks.clone(), Arc::clone(&body));
        let (stop, count) = (Arc::clone(&stop), Arc::clone(count));
        workers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                once(&asks, &body).await;
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let ramp = Instant::now();
    tokio::time::sleep(RAMP).await;
    let slowest = || counts.iter().map(|count| count.load(Ordering::Relaxed)).min();
    while slowest() < Some(FIRST_CALLS) && ramp.elapsed() < RAMP_MAX {
        tokio::time::sleep(RAMP / 10).await;
    }
    let done = || counts.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>();
    let (before, began) = (done(), Instant::now());
    tokio::time::sleep(window).await;
    let (after, took) = (done(), began.elapsed());
    stop.store(true, Ordering::Relaxed);
    workers.join_all().await;
    json!({ "per_second": (after - before) as f64 / took.as_secs_f64() })
}

/// An open loop: calls are due at a constant rate, and the time of each counts from then.
pub async fn arrivals(asks: &impl Ask, size: usize, per_second: u64, window: Duration) -> Value {
    let (body, room) = (body(size), Arc::new(Semaphore::new(OPEN_MAX)));
    let due = window.as_millis() as u64 * per_second / 1_000;
    let (began, mut calls) = (Instant::now(), JoinSet::new());
    let mut late = Vec::new();
    for number in 0..due {
        let at = began + Duration::from_nanos(number * 1_000_000_000 / per_second);
        tokio::time::sleep_until(at.into()).await;
        let place = Arc::clone(&room).acquire_owned().await.unwrap();
        let (asks, body) = (asks.clone(), Arc::clone(&body));
        late.push(at.elapsed());
        calls.spawn(async move {
            once(&asks, &body).await;
            drop(place);
            at.elapsed()
        });
    }
    let mut times = calls.join_all().await;
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    let mut said = spread(&mut times);
    said["per_second"] = json!(rate);
    said["late_us"] = spread(&mut late)["median_us"].clone();
    said
}

/// One call, in milliseconds.
pub async fn big(asks: &impl Ask, size: usize) -> Value {
    let body = body(size);
    json!({ "ms": once(asks, &body).await.as_secs_f64() * 1e3 })
}

/// Median and 99th percentile, in microseconds; of nothing, nulls.
pub fn spread(times: &mut [Duration]) -> Value {
    times.sort();
    let at = |index: usize| times.get(index).map(|time| time.as_secs_f64() * 1e6);
    json!({ "median_us": at(times.len() / 2), "p99_us": at(times.len() * 99 / 100) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers after a time.
    #[derive(Clone)]
    struct Slow(Duration);

    impl Ask for Slow {
        async fn ask(&self, body: &str) -> String {
            tokio::time::sleep(self.0).await;
            body.to_owned()
        }
    }

    #[test]
    fn the_middle_and_the_hundredth_are_those_of_the_sorted_times() {
        let mut times: Vec<_> = (1..=200).rev().map(Duration::from_micros).collect();
        let said = spread(&mut times);
        assert!((said["median_us"].as_f64().unwrap() - 101.0).abs() < 1e-6, "{said}");
        assert!((said["p99_us"].as_f64().unwrap() - 199.0).abs() < 1e-6, "{said}");
        assert_eq!(spread(&mut []), json!({ "median_us": null, "p99_us": null }));
    }

    #[tokio::test]
    async fn an_open_loop_counts_from_when_a_call_was_due() {
        // So many more are due than there is room for that the last wait for several rounds.
        let slow = Slow(Duration::from_millis(20));
        let said = arrivals(&slow, 1, 100_000, Duration::from_millis(10)).await;
        let [median, late] = ["median_us", "p99_us"].map(|name| said[name].as_f64().unwrap());
        assert!(late > 100_000.0, "1,000 calls in rounds of 128 of 20 ms each: {said}");
        assert!(median < late && median > 20_000.0, "{said}");
    }

    #[tokio::test]
    async fn a_closed_loop_has_so_many_in_flight() {
        let slow = Slow(Duration::from_millis(20));
        let said = load(&slow, 1, 8, Duration::from_millis(500)).await;
        let rate = said["per_second"].as_f64().unwrap();
        // 8 in flight of 20 ms each: at most 400 a second, and one of the window's edge each.
        assert!(rate > 1.0 && rate < 420.0, "{rate}");
    }
}
