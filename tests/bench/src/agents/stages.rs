//! Where the time of a call goes, as the core tells it with each answer.

use super::Caller;
use hubless_bench::measure::body;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Medians, in microseconds: of all, and of what the core says of queue, handler and way.
pub(super) async fn run(caller: &Caller, size: usize, count: usize) -> Value {
    let body = body(size);
    let [mut total, mut queue, mut handler, mut network] = [const { Vec::new() }; 4];
    for _ in 0..count {
        let began = Instant::now();
        let reply = caller.reply(&body).await;
        let decoded = reply.content.decoded();
        total.push(began.elapsed());
        drop(decoded);
        queue.push(Duration::from_micros(reply.timing.queue_us));
        handler.push(Duration::from_micros(reply.timing.handler_us));
        network.push(Duration::from_micros(reply.timing.network_us));
    }
    let [total, queue, handler, network] = [total, queue, handler, network].map(median_us);
    json!({ "total_us": total, "queue_us": queue, "handler_us": handler, "network_us": network })
}

fn median_us(mut times: Vec<Duration>) -> Option<f64> {
    times.sort();
    times.get(times.len() / 2).map(|time| time.as_secs_f64() * 1e6)
}
