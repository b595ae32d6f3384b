//! What may be appended to a token: so much as can be looked at in moments, whoever appended it.
//!
//! The library that evaluates tokens looks at the clock between its steps only, and one step may
//! join facts with each other without an end. So the blocks after the authority, which anyone who
//! has a token may append, are read for what they would cost before they are evaluated.
//! Source: the schema of Biscuit 3 (<https://github.com/eclipse-biscuit/biscuit>, `schema.proto`).

use hubless_proto::limits;
use prost::Message as _;

/// Facts that a check states besides those of the token.
const OWN_FACTS: usize = 8;

/// The fields of a token that say what it costs; the others are skipped.
#[derive(Clone, PartialEq, prost::Message)]
struct Token {
    #[prost(message, optional, tag = "2")]
    authority: Option<Signed>,
    #[prost(message, repeated, tag = "3")]
    appended: Vec<Signed>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Signed {
    #[prost(bytes = "vec", tag = "1")]
    block: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Block {
    #[prost(bytes = "vec", repeated, tag = "4")]
    facts: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "5")]
    rules: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "6")]
    checks: Vec<Check>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Check {
    #[prost(message, repeated, tag = "1")]
    queries: Vec<Query>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Query {
    #[prost(bytes = "vec", repeated, tag = "2")]
    predicates: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "3")]
    expressions: Vec<Expression>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Expression {
    #[prost(message, repeated, tag = "1")]
    steps: Vec<Step>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Step {
    /// Runs once for each element of a set.
    #[prost(bytes = "vec", optional, tag = "4")]
    closure: Option<Vec<u8>>,
}

/// True when what was appended to a token, whose signatures hold, is looked at in moments: no rule,
/// no closure, few facts, and checks that join few of them.
pub(super) fn is_bounded(token: &[u8]) -> bool {
    let Ok(token) = Token::decode(token) else { return false };
    let read = |signed: &Signed| Block::decode(signed.block.as_slice()).ok();
    let blocks: Option<Vec<Block>> = token.appended.iter().map(read).collect();
    let Some(blocks) = blocks else { return false };
    // A block may look at those of other blocks that it trusts.
    let stated = token.authority.as_ref().and_then(read);
    let facts = stated.iter().chain(&blocks).map(|block| block.facts.len()).sum::<usize>();
    let facts = facts + OWN_FACTS;
    let mut work = 0_usize;
    blocks.iter().all(|block| {
        let queries = || block.checks.iter().flat_map(|check| &check.queries);
        for query in queries() {
            let joined = u32::try_from(query.predicates.len()).unwrap_or(u32::MAX);
            work = work.saturating_add(facts.saturating_pow(joined));
        }
        let mut steps = queries().flat_map(|query| &query.expressions).flat_map(|one| &one.steps);
        block.rules.is_empty()
            && block.facts.len() <= limits::TOKEN_BLOCK_FACTS
            && work <= limits::TOKEN_COMBINATIONS
            && steps.all(|step| step.closure.is_none())
    })
}

/// True when exactly so many blocks were appended to a token, and none but the last holds a check:
/// nobody narrowed it whose word would be lost if the root signed its facts anew.
pub(super) fn is_plain(token: &[u8], appended: usize) -> bool {
    let Ok(token) = Token::decode(token) else { return false };
    let checks = |signed: &Signed| {
        Block::decode(signed.block.as_slice()).map_or(usize::MAX, |block| block.checks.len())
    };
    let last = token.appended.len().saturating_sub(1);
    token.appended.len() == appended
        && token.authority.as_ref().map(checks) == Some(1)
        && token.appended.iter().take(last).all(|block| checks(block) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use biscuit_auth::builder::BlockBuilder;
    use biscuit_auth::{Biscuit, KeyPair};

    fn with(code: &str) -> bool {
        let root = KeyPair::new();
        let token = Biscuit::builder().code("team(\"a\"); team(\"b\");").unwrap();
        let token = token.build(&root).unwrap();
        let block = BlockBuilder::new().code(code).unwrap();
        is_bounded(&token.append(block).unwrap().to_vec().unwrap())
    }

    #[test]
    fn what_narrows_a_token_in_daily_use_is_looked_at() {
        for code in [
            "check if skill(\"rate\");",
            "check if time($t), $t <= 2030-01-01T00:00:00Z;",
            "check if skill(\"a\") or skill(\"b\");",
            "check if caller($c), $c.starts_with(\"mesh:\");",
            "check if team($a), team($b), $a != $b;",
            "note(\"x\");",
        ] {
            assert!(with(code), "{code}");
        }
    }

    #[test]
    fn what_would_take_long_is_not_evaluated() {
        let facts = |count| (0..count).map(|n| format!("f({n});")).collect::<String>();
        let most = limits::TOKEN_BLOCK_FACTS;
        // Two facts of the token and eight of the check: a hundred pairs each time.
        let pairs = |times| "check if team($a), team($b), true;".repeat(times);
        let join = "check if f($a), f($b), f($c), f($d), f($e), $a == -1;";
        for code in [
            format!("{}{join}", facts(most)),
            join.to_owned(),
            facts(most + 1),
            "f($x) <- team($x);".to_owned(),
            "check if [1, 2].all($x -> $x > 0);".to_owned(),
            pairs(limits::TOKEN_COMBINATIONS / 100 + 1),
        ] {
            assert!(!with(&code), "{}", &code[..code.len().min(80)]);
        }
        assert!(with(&facts(most)), "the bound itself");
        assert!(with(&pairs(limits::TOKEN_COMBINATIONS / 100)), "the bound itself");
    }

    #[test]
    fn bytes_that_are_no_token_are_no_bounded_one() {
        assert!(!is_bounded(&[0xff; 40]));
    }
}
