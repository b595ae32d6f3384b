//! Targets for what a metering gateway reads: spending keys, requests for a provider, price tables,
//! words between it and the nodes, rows of its till.

use hubless_proto::killswitch::{Component::CostMicros, Receipt};
use hubless_proto::metering::bound::{self, Bounded};
use hubless_proto::metering::chain::{SpendKey, verify};
use hubless_proto::metering::prices::Prices;
use hubless_proto::metering::till::{Paid, Row};
use hubless_proto::metering::word;
use serde_json::json;

/// Most tokens of an answer, by the table of every run.
const MOST: u64 = 100;

/// The text of a spending key: whatever is taken is one that its holder could have written, and a
/// narrower one can be made of it or the reason is said.
pub fn spend_key(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(key) = SpendKey::read(text) else { return false };
    assert_eq!(*key.text(), text, "one key has one text");
    let chain = verify(text, |root| *root == key.chain().root);
    assert_eq!(chain.as_ref(), Ok(key.chain()));
    for pair in key.chain().links.windows(2) {
        if let [above, below] = pair {
            assert!(below.limit.min(&above.limit) == below.limit);
            assert!(below.until_ms <= above.until_ms);
        }
    }
    if let Some(last) = key.chain().links.last() {
        let times = (last.issued_ms, last.until_ms);
        match key.issue([9; 32], last.limit, times) {
            Ok(child) => assert_eq!(child.chain().links.len(), key.chain().links.len() + 1),
            Err(error) => assert_eq!(error.code, "bad_chain"),
        }
    }
    true
}

/// A request for a chat completion: what is sent to the provider is bounded, and bounding it again
/// changes nothing.
pub fn chat_request(data: &[u8]) -> bool {
    fixed(bound::chat, data)
}

/// A request for embeddings, as [`chat_request`].
pub fn embeddings_request(data: &[u8]) -> bool {
    fixed(bound::embeddings, data)
}

/// A table of prices; a user's own file.
pub fn prices(data: &[u8]) -> bool {
    let Ok(table) = serde_json::from_slice(data) else { return false };
    let Ok(prices) = Prices::read(&table) else { return false };
    assert!(prices.names().all(|name| prices.of(name).is_ok()));
    true
}

/// What a node and a gateway say to each other: whatever is read is written and read the same.
pub fn word(data: &[u8]) -> bool {
    let mut taken = false;
    if let Ok(purpose) = word::read_end(data) {
        assert_eq!(word::read_end(word::end(purpose).as_bytes()), Ok(purpose));
        taken = true;
    }
    if let Ok(said) = word::read_trip(data) {
        assert_eq!(word::read_trip(word::trip(&said).as_bytes()), Ok(said));
        taken = true;
    }
    if let Some(said) = word::read_paid(data) {
        assert_eq!(word::read_paid(word::paid(said).as_bytes()), Some(said));
        let cost = word::read_cost(data).expect("who says all says the cost");
        let costs = |said: Paid| [said.spent, said.reserved].map(|all| all.of(CostMicros));
        assert_eq!(costs(cost), costs(said));
        taken = true;
    }
    if let Some(bytes) = word::read_receipt(data) {
        assert!(bytes.len() <= hubless_proto::limits::RECEIPT_BYTES);
        taken |= Receipt::open(&bytes).is_ok();
    }
    taken
}

/// A row of a till, as whoever can write the file may have changed it.
pub fn till_row(data: &[u8]) -> bool {
    let Ok(row) = Row::decode(data) else { return false };
    assert_eq!(Row::decode(&row.encode()).as_ref(), Ok(&row));
    true
}

type Bound = fn(&Prices, &[u8]) -> hubless_proto::error::Result<Bounded>;

fn fixed(bound: Bound, data: &[u8]) -> bool {
    let table = json!({"models": {"*": {
        "input_micros": 1_000_000, "output_micros": 2_000_000, "max_output_tokens": MOST}}});
    let prices = Prices::read(&table).expect("a table of ours");
    let Ok(bounded) = bound(&prices, data) else { return false };
    assert!(bounded.output_tokens <= MOST);
    let again = bound(&prices, bounded.body.as_bytes()).expect("what is sent is bounded");
    assert_eq!(again.body, bounded.body);
    assert_eq!(again.output_tokens, bounded.output_tokens);
    true
}
