//! Tokens that a caller shows as its credential: biscuits under a root that the agent names.
//!
//! The authority block states the facts; those of any other block count for nothing. Checks of
//! every block must hold, and may speak of `time`, of the `caller`, of the `agent` asked and of the
//! `skill`. With `bearer` the root names the only one who may show it; a token of a mesh names a
//! node, and only that node may. Without either, whoever has it.

use super::token::{self, text_fact};
use crate::home::Home;
use crate::keys;
use biscuit_auth::builder::{Fact, Predicate, Rule, Term, variable};
use biscuit_auth::{Authorizer, Biscuit, error};
use data_encoding::{BASE64URL, BASE64URL_NOPAD};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, MeshId, SecretKey};
use hubless_proto::limits;
use hubless_proto::policy::{Caller, CallerKind, FactValue, StatedFact, TokenRule};
use std::time::SystemTime;

/// The call for which a token is shown.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) agent: AgentId,
    /// Empty: none named.
    pub(crate) skill: &'a str,
    pub(crate) now_ms: u64,
}

/// What is written into a token that proves something to agents.
#[derive(Debug, Clone)]
pub struct Credential {
    /// What it states.
    pub facts: Vec<StatedFact>,
    /// Who may show it: an agent id or a principal such as `mesh:<node key>`; none: whoever has it.
    pub bearer: Option<String>,
    /// When it ends, in whole seconds.
    pub until: SystemTime,
}

impl Credential {
    /// Signs it. The text is URL-safe base64, as any reader of Biscuit tokens takes it.
    ///
    /// ```
    /// use hubless::membership::Credential;
    /// use hubless_proto::identity::SecretKey;
    /// use hubless_proto::policy::StatedFact;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let until = SystemTime::now() + Duration::from_secs(60);
    /// let facts = vec![StatedFact::parse("team=finance")?];
    /// let token = Credential { facts, bearer: None, until }.sign(&SecretKey::from_seed([1; 32]))?;
    /// assert!(token.starts_with('E'));
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// # Errors
    /// `too_large`, limit `TOKEN_BYTES`; `invalid_argument` for an end that cannot be written.
    pub fn sign(&self, root: &SecretKey) -> Result<String> {
        let until = self.until.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |at| at.as_secs());
        let until_ms = until.checked_mul(1_000);
        let until_ms =
            until_ms.ok_or_else(|| Error::invalid("until", "expected an earlier end"))?;
        let pair = token::pair(root)?;
        let made = || -> std::result::Result<Vec<u8>, error::Token> {
            let mut builder = Biscuit::builder().check(token::until_check(until_ms)?)?;
            for fact in &self.facts {
                builder = builder.fact(Fact::new(fact.name.clone(), vec![term(&fact.value)]))?;
            }
            if let Some(bearer) = &self.bearer {
                builder = builder.fact(text_fact("bearer", bearer))?;
            }
            builder.build(&pair)?.to_vec()
        };
        let broken = |error| Error::new(Kind::Internal, format!("cannot sign a token: {error}"));
        let bytes = made().map_err(broken)?;
        if bytes.len() > limits::TOKEN_BYTES {
            let message = "the token is too large; state fewer or shorter facts";
            return Err(Error::new(Kind::TooLarge, message)
                .with_limit("TOKEN_BYTES", limits::TOKEN_BYTES as u64));
        }
        Ok(BASE64URL.encode(&bytes))
    }

    /// Whether `token` proves what `rule` asks for, when `caller` shows it to `agent` and names no
    /// skill. Takes milliseconds, for signatures.
    ///
    /// For those who test readers of what others send.
    ///
    /// # Errors
    /// `auth`: `expired` for one that is over or whose checks do not allow the call, otherwise
    /// `bad_credential`.
    pub fn prove(
        token: &str,
        rule: &TokenRule,
        caller: &Caller,
        agent: AgentId,
        now_ms: u64,
    ) -> Result<()> {
        check(token, rule, &Shown { caller, agent, skill: "", now_ms })
    }

    /// Signs it with the root of the user's own mesh, which is made on first use; gives that as
    /// well, for the agents that are to take it.
    ///
    /// # Errors
    /// As [`Credential::sign`]; those of reading the key.
    pub fn sign_in(&self, home: &Home) -> Result<(String, MeshId)> {
        let root = keys::root(home)?;
        Ok((self.sign(&root)?, root.mesh_id()))
    }
}

/// Whether `token` proves what `rule` asks for. Takes milliseconds, for signatures.
///
/// # Errors
/// `auth`: `expired` for one that is over or whose checks do not allow the call, otherwise
/// `bad_credential`; neither says what was asked for.
pub(crate) fn check(token: &str, rule: &TokenRule, shown: &Shown<'_>) -> Result<()> {
    let read = BASE64URL.decode(token.as_bytes());
    let read = read.or_else(|_| BASE64URL_NOPAD.decode(token.as_bytes())).map_err(|_| bad())?;
    let biscuit = token::parse(&read, rule.root).map_err(|_| bad())?;
    let facts = [
        text_fact("caller", &shown.caller.principal),
        text_fact("agent", &shown.agent.to_string()),
        text_fact("skill", shown.skill),
    ];
    let evaluated = token::evaluate(&biscuit, facts, shown.now_ms);
    let mut authorizer = evaluated.map_err(|error| match error.code.as_str() {
        "expired" => {
            let message = "the credential is over, or not for this call";
            Error::refusal(Kind::Auth, "expired", message).with_field("auth")
        }
        _ => bad(),
    })?;
    let named = token::named_by(&mut authorizer, shown.caller.node).map_err(|_| bad())?;
    // The node of a client of a gateway is the gateway's: its token is not the client's to show.
    if named.is_some() && shown.caller.kind == CallerKind::Edge {
        return Err(bad());
    }
    let bearers = stated(&mut authorizer, "bearer")?;
    let is_bearer = |bearer: &Term| {
        let Term::Str(bearer) = bearer else { return false };
        *bearer == shown.caller.principal
            || shown.caller.agent.is_some_and(|agent| *bearer == agent.to_string())
    };
    if !bearers.is_empty() && !bearers.iter().any(is_bearer) {
        return Err(bad());
    }
    for fact in &rule.facts {
        if !stated(&mut authorizer, &fact.name)?.contains(&term(&fact.value)) {
            return Err(bad());
        }
    }
    Ok(())
}

/// What the root stated by this name.
fn stated(authorizer: &mut Authorizer, name: &str) -> Result<Vec<Term>> {
    let head = Predicate::new("data".to_owned(), vec![variable("value")]);
    let body = Predicate::new(name.to_owned(), vec![variable("value")]);
    let found: Vec<Fact> =
        authorizer.query(Rule::new(head, vec![body], Vec::new(), Vec::new())).map_err(|_| bad())?;
    Ok(found.into_iter().filter_map(|fact| fact.predicate.terms.into_iter().next()).collect())
}

fn term(value: &FactValue) -> Term {
    match value {
        FactValue::Text(text) => Term::Str(text.clone()),
        FactValue::Integer(number) => Term::Integer(*number),
        FactValue::Flag(flag) => Term::Bool(*flag),
    }
}

fn bad() -> Error {
    let message = "the credential does not hold";
    Error::refusal(Kind::Auth, "bad_credential", message).with_field("auth")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::token::{Terms, mint_node};
    use biscuit_auth::builder::BlockBuilder;
    use hubless_proto::identity::NodeKey;
    use serde_json::{Value, json};
    use std::time::Duration;

    const NOW: u64 = 1_700_000_000_000;

    fn root() -> SecretKey {
        SecretKey::from_seed([1; 32])
    }

    fn rule(facts: &Value) -> TokenRule {
        let root = root().mesh_id();
        TokenRule::read("token", json!({"root": root, "facts": facts})).unwrap()
    }

    fn credential(facts: &[&str], bearer: Option<String>) -> Credential {
        let facts = facts.iter().map(|fact| StatedFact::parse(fact).unwrap()).collect();
        let until = SystemTime::UNIX_EPOCH + Duration::from_millis(NOW + 60_000);
        Credential { facts, bearer, until }
    }

    fn token(facts: &[&str]) -> String {
        credential(facts, None).sign(&root()).unwrap()
    }

    fn caller() -> Caller {
        let agent = AgentId::from_bytes([8; 32]);
        Caller::of_node(CallerKind::Member, NodeKey::from_bytes([7; 32]), Some(agent))
    }

    /// The code of the refusal; empty: it holds.
    fn outcome(token: &str, facts: &Value, now_ms: u64) -> String {
        let agent = AgentId::from_bytes([9; 32]);
        let shown = Shown { caller: &caller(), agent, skill: "rate", now_ms };
        check(token, &rule(facts), &shown).map_or_else(|error| error.code, |()| String::new())
    }

    fn narrowed(token: &str, check: &str) -> String {
        let read = BASE64URL.decode(token.as_bytes()).unwrap();
        let read = token::parse(&read, root().mesh_id()).unwrap();
        let block = BlockBuilder::new().code(check).unwrap();
        BASE64URL.encode(&read.append(block).unwrap().to_vec().unwrap())
    }

    #[test]
    fn holds_when_the_root_states_each_fact() {
        let token = token(&["team=finance", "team=audit", "level=3", "cleared=true"]);
        for (facts, code) in [
            (json!({}), ""),
            (json!({"team": "finance"}), ""),
            (json!({"team": ["finance", "audit"], "level": 3, "cleared": true}), ""),
            (json!({"team": "sales"}), "bad_credential"),
            (json!({"team": ["finance", "sales"]}), "bad_credential"),
            (json!({"level": "3"}), "bad_credential"),
            (json!({"level": 4}), "bad_credential"),
            (json!({"cleared": false}), "bad_credential"),
            (json!({"unheard": 1}), "bad_credential"),
        ] {
            assert_eq!(outcome(&token, &facts, NOW), code, "{facts}");
        }
        let unpadded = token.trim_end_matches('=');
        assert_eq!(outcome(unpadded, &json!({"level": 3}), NOW), "");
    }

    #[test]
    fn refuses_what_another_root_signed_what_is_over_and_what_is_no_token() {
        let facts = json!({"team": "finance"});
        let signed = credential(&["team=finance"], None);
        let foreign = signed.sign(&SecretKey::from_seed([2; 32])).unwrap();
        assert_eq!(outcome(&foreign, &facts, NOW), "bad_credential");
        let good = signed.sign(&root()).unwrap();
        assert_eq!(outcome(&good, &facts, NOW + 59_000), "");
        assert_eq!(outcome(&good, &facts, NOW + 61_000), "expired");
        for none in ["", "!", "AAAA", &good[..good.len() / 2], &good.to_lowercase()] {
            assert_eq!(outcome(none, &facts, NOW), "bad_credential", "{none}");
        }
    }

    #[test]
    fn who_holds_it_can_narrow_it_and_never_widen_it() {
        let facts = json!({"team": "finance"});
        let poor = token(&["team=audit"]);
        assert_eq!(outcome(&narrowed(&poor, "team(\"finance\");"), &facts, NOW), "bad_credential");
        let good = token(&["team=finance"]);
        let of = |check: &str| outcome(&narrowed(&good, check), &facts, NOW);
        assert_eq!(of("check if skill(\"rate\");"), "");
        assert_eq!(of("check if skill(\"other\");"), "expired");
        let (agent, principal) = (AgentId::from_bytes([9; 32]), caller().principal);
        assert_eq!(of(&format!("check if agent(\"{agent}\"), caller(\"{principal}\");")), "");
        assert_eq!(of("check if caller(\"mesh:00\");"), "expired");
    }

    #[test]
    fn is_shown_by_its_bearer_alone() {
        let facts = json!({"team": "finance"});
        let of = |bearer: String| {
            let signed = credential(&["team=finance"], Some(bearer)).sign(&root()).unwrap();
            outcome(&signed, &facts, NOW)
        };
        assert_eq!(of(caller().principal), "");
        assert_eq!(of(caller().agent.unwrap().to_string()), "");
        assert_eq!(of(AgentId::from_bytes([9; 32]).to_string()), "bad_credential");
    }

    #[test]
    fn a_token_of_a_mesh_is_shown_by_its_node_alone() {
        let of = |node: u8| {
            let terms = Terms { role: "member", groups: &[], zones: &[], until_ms: NOW + 60_000 };
            let node = NodeKey::from_bytes([node; 32]);
            let minted = mint_node(&root(), node, terms).unwrap();
            outcome(&BASE64URL.encode(&minted), &json!({"role": "member"}), NOW)
        };
        assert_eq!((of(7).as_str(), of(6).as_str()), ("", "bad_credential"));
    }

    #[test]
    fn a_client_of_a_gateway_does_not_show_the_token_of_its_node() {
        let agent = AgentId::from_bytes([9; 32]);
        let client = Caller::edge(NodeKey::from_bytes([7; 32]), "edge:http:anonymous").unwrap();
        let of = |token: &str, facts: &Value| {
            let shown = Shown { caller: &client, agent, skill: "", now_ms: NOW };
            check(token, &rule(facts), &shown).map_or_else(|error| error.code, |()| String::new())
        };
        for node in [7, 6] {
            let terms = Terms { role: "member", groups: &[], zones: &[], until_ms: NOW + 60_000 };
            let minted = mint_node(&root(), NodeKey::from_bytes([node; 32]), terms).unwrap();
            let token = BASE64URL.encode(&minted);
            assert_eq!(of(&token, &json!({"role": "member"})), "bad_credential", "{node}");
        }
        assert_eq!(of(&token(&["team=finance"]), &json!({"team": "finance"})), "", "the control");
    }

    #[test]
    fn a_token_that_would_take_long_is_refused_at_once() {
        let facts = (0..32).map(|n| format!("f({n});")).collect::<String>();
        let check = "check if f($a), f($b), f($c), f($d), f($e), f($g), f($h), $a == -1;";
        let long = narrowed(&token(&["team=finance"]), &format!("{facts}{check}"));
        assert_eq!(outcome(&long, &json!({"team": "finance"}), NOW), "bad_credential");
    }

    #[test]
    fn an_end_beyond_all_times_is_no_end() {
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::MAX / 1_000 + 1);
        let signed = Credential { until, ..credential(&["a=1"], None) };
        assert_eq!(signed.sign(&root()).unwrap_err().field.as_deref(), Some("until"));
    }

    #[test]
    fn no_token_is_signed_that_nobody_would_take() {
        let facts = vec![StatedFact::parse(&format!("a={}", "x".repeat(limits::TOKEN_BYTES)))];
        let facts = facts.into_iter().collect::<Result<_>>().unwrap();
        let until = SystemTime::now();
        let error = Credential { facts, bearer: None, until }.sign(&root()).unwrap_err();
        assert_eq!(
            (error.kind, error.limit.unwrap().name.as_str()),
            (Kind::TooLarge, "TOKEN_BYTES")
        );
    }
}
