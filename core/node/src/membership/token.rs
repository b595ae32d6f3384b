//! Tokens: biscuits that name a node key, directly or through a member key.
//!
//! The authority block, signed by the root, holds `node(key)`, `member(key)` or `admits(key)`, with
//! `role`, `group`, `zone` and `until`. A member key binds node keys of its own in a third-party
//! block, and the key of a bearer ticket (`admits`) a member key. Facts of any other block count
//! for nothing, so appending to a token can only narrow it.

use super::narrowed;
use biscuit_auth::builder::{Algorithm, AuthorizerBuilder, BlockBuilder, Check, Fact, Term};
use biscuit_auth::builder_ext::AuthorizerExt;
use biscuit_auth::datalog::RunLimits;
use biscuit_auth::{Authorizer, Biscuit, KeyPair, PrivateKey, PublicKey, error};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{MeshId, NodeKey, SecretKey};
use hubless_proto::limits::{self, ms};
use std::time::Duration;

/// Looked at between two steps only. A step is bounded by [`narrowed`], and far below this on a
/// busy machine: time alone never refuses a good token.
const TIME: Duration = Duration::from_secs(10);
/// What names the key of a bearer ticket.
const ADMITS: &str = "admits";
/// What names the key of a pass: who has it may use the relays of the mesh and is in it no more
/// than before.
const PASSES: &str = "passes";

/// What a token states about its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) role: String,
    pub(super) groups: Vec<String>,
    pub(super) zones: Vec<String>,
    /// Unix time; the earliest end of all that it rests on.
    pub(super) until_ms: u64,
    /// The same without what a member key says of its node: the end of the membership, which
    /// tokens for one node after another rest on. None: the root named the node.
    pub(super) member_until_ms: Option<u64>,
    /// The keys that it rests on.
    pub(super) named: Named,
}

/// By which keys a token stands for a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// The key of the bearer ticket that named the member key; none: the root named it.
    pub(super) bearer: Option<[u8; 32]>,
    /// The member key that bound the node; none: the root named the node.
    pub(super) member: Option<[u8; 32]>,
}

/// What is written into a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) role: &'a str,
    pub(crate) groups: &'a [String],
    pub(crate) zones: &'a [String],
    pub(crate) until_ms: u64,
}

/// Mints a token that names a node key.
pub(super) fn mint_node(root: &SecretKey, node: NodeKey, terms: Terms<'_>) -> Result<Vec<u8>> {
    mint(root, ("node", node.as_bytes()), terms, None)
}

/// Mints a token that names a member key, which may bind node keys of its own.
pub(crate) fn mint_member(root: &SecretKey, key: &[u8; 32], terms: Terms<'_>) -> Result<Vec<u8>> {
    mint(root, ("member", key), terms, None)
}

/// Mints a token in which whoever has the key of a bearer ticket may name a member key.
pub(super) fn mint_bearer(
    root: &SecretKey,
    key: &[u8; 32],
    terms: Terms<'_>,
    issued_ms: u64,
) -> Result<Vec<u8>> {
    mint(root, (ADMITS, key), terms, Some(issued_ms))
}

/// Mints a pass for relays, for whoever has this key.
pub(super) fn mint_pass(root: &SecretKey, key: &[u8; 32], until_ms: u64) -> Result<Vec<u8>> {
    let terms = Terms { role: "", groups: &[], zones: &[], until_ms };
    mint(root, (PASSES, key), terms, None)
}

/// Names a member key in the token of a bearer ticket.
pub(super) fn admit(
    token: &[u8],
    mesh: MeshId,
    bearer: &SecretKey,
    member: &[u8; 32],
) -> Result<Vec<u8>> {
    append(token, mesh, bearer, BlockBuilder::new().fact(bytes_fact("member", member)))
}

/// Binds a node key to a token of a member key.
pub(super) fn bind(
    token: &[u8],
    mesh: MeshId,
    member: &SecretKey,
    node: NodeKey,
    until_ms: u64,
) -> Result<Vec<u8>> {
    let made = || -> std::result::Result<_, error::Token> {
        BlockBuilder::new()
            .fact(bytes_fact("node", node.as_bytes()))?
            .fact(date_fact("until", until_ms))?
            .check(until_check(until_ms)?)
    };
    append(token, mesh, member, made())
}

/// Appends a block that `signer` signs.
fn append(
    token: &[u8],
    mesh: MeshId,
    signer: &SecretKey,
    block: std::result::Result<BlockBuilder, error::Token>,
) -> Result<Vec<u8>> {
    let parent = parse(token, mesh)?;
    let pair = pair(signer)?;
    let made = || -> std::result::Result<Vec<u8>, error::Token> {
        let block = parent.third_party_request()?.create_block(&pair.private(), block?)?;
        parent.append_third_party(pair.public(), block)?.to_vec()
    };
    made().map_err(|error| Error::new(Kind::Internal, format!("cannot bind a key: {error}")))
}

/// Checks a token that a minter made for our member key, by using it once.
pub(crate) fn check_member(
    token: &[u8],
    mesh: MeshId,
    member: &SecretKey,
    node: NodeKey,
    now_ms: u64,
) -> Result<()> {
    let bound = bind(token, mesh, member, node, now_ms.saturating_add(1_000))?;
    verify(&bound, mesh, node, now_ms).map(|_| ())
}

/// Checks that `token` stands under `mesh` and names `node`, at `now_ms`.
pub(super) fn verify(token: &[u8], mesh: MeshId, node: NodeKey, now_ms: u64) -> Result<Statement> {
    let mut authorizer = evaluate(&parse(token, mesh)?, [], now_ms)?;
    match named_by(&mut authorizer, node)? {
        None => Err(refused("names no key", "bad_token")),
        Some(named) => statement(&mut authorizer, named, now_ms),
    }
}

/// Checks that a pass stands under `mesh` and names `node`, at `now_ms`.
#[cfg(any(test, feature = "relay-server"))]
pub(super) fn verify_pass(
    pass: &[u8],
    mesh: MeshId,
    node: NodeKey,
    now_ms: u64,
) -> Result<Statement> {
    let mut authorizer = evaluate(&parse(pass, mesh)?, [], now_ms)?;
    let key = only(&keys(&mut authorizer, PASSES, None)?)?;
    if !keys(&mut authorizer, "node", Some(&key))?.contains(node.as_bytes()) {
        return Err(refused("names another node", "wrong_node"));
    }
    statement(&mut authorizer, Named { bearer: None, member: Some(key) }, now_ms)
}

/// What a token of a member key states that is bound to no node.
pub(super) fn stated_of(token: &[u8], mesh: MeshId, now_ms: u64) -> Result<Statement> {
    let mut authorizer = evaluate(&parse(token, mesh)?, [], now_ms)?;
    let named = member_of(&mut authorizer)?.ok_or_else(|| refused("names no key", "bad_token"))?;
    statement(&mut authorizer, named, now_ms)
}

/// What a token says at `now_ms`, its checks held against the time and `facts` besides.
pub(super) fn evaluate<const N: usize>(
    biscuit: &Biscuit,
    facts: [Fact; N],
    now_ms: u64,
) -> Result<Authorizer> {
    if biscuit.block_count() > limits::TOKEN_DEPTH + 1 {
        return Err(refused("is attenuated too often", "too_deep")
            .with_limit("TOKEN_DEPTH", limits::TOKEN_DEPTH as u64));
    }
    let bad = |_: error::Token| refused("cannot be evaluated", "bad_token");
    let mut builder = AuthorizerBuilder::new().fact(date_fact("time", now_ms)).map_err(bad)?;
    for fact in facts {
        builder = builder.fact(fact).map_err(bad)?;
    }
    let (max_facts, max_iterations) = (limits::TOKEN_FACTS, limits::TOKEN_ROUNDS);
    let run = RunLimits { max_facts, max_iterations, max_time: TIME };
    let mut authorizer = builder.allow_all().set_limits(run).build(biscuit).map_err(bad)?;
    authorizer.authorize().map_err(|_| refused("is over or does not allow this", "expired"))?;
    Ok(authorizer)
}

/// The keys by which a token stands for `node`; none: it names no node at all.
pub(super) fn named_by(authorizer: &mut Authorizer, node: NodeKey) -> Result<Option<Named>> {
    let mut named = Named::default();
    let mut nodes = keys(authorizer, "node", None)?;
    if nodes.is_empty() {
        let Some(found) = member_of(authorizer)? else { return Ok(None) };
        named = found;
        nodes = keys(authorizer, "node", named.member.as_ref())?;
    }
    if !nodes.contains(node.as_bytes()) {
        return Err(refused("names another node", "wrong_node"));
    }
    Ok(Some(named))
}

/// The member key of a token, and who named it; none: it has none.
fn member_of(authorizer: &mut Authorizer) -> Result<Option<Named>> {
    let mut bearer = None;
    let mut members = keys(authorizer, "member", None)?;
    if members.is_empty() {
        let admitting = keys(authorizer, ADMITS, None)?;
        if admitting.is_empty() {
            return Ok(None);
        }
        let key = only(&admitting)?;
        members = keys(authorizer, "member", Some(&key))?;
        bearer = Some(key);
    }
    Ok(Some(Named { bearer, member: Some(only(&members)?) }))
}

fn only(keys: &[[u8; 32]]) -> Result<[u8; 32]> {
    match keys {
        [key] => Ok(*key),
        [] => Err(refused("names no member key", "bad_token")),
        _ => Err(refused("names several keys", "bad_token")),
    }
}

/// The keys that the root states by this name, or that `signer` does in a block of its own.
fn keys(
    authorizer: &mut Authorizer,
    name: &str,
    signer: Option<&[u8; 32]>,
) -> Result<Vec<[u8; 32]>> {
    let rule = format!("data($k) <- {name}($k){}", trusting(signer));
    let found: Vec<(Vec<u8>,)> =
        authorizer.query(rule.as_str()).map_err(|_| refused("cannot be evaluated", "bad_token"))?;
    let key = |(key,): (Vec<u8>,)| {
        <[u8; 32]>::try_from(key).map_err(|_| refused("names no key", "bad_token"))
    };
    found.into_iter().map(key).collect()
}

fn trusting(signer: Option<&[u8; 32]>) -> String {
    signer.map_or_else(String::new, |key| {
        format!(" trusting ed25519/{}", hubless_proto::identity::hex::encode(key))
    })
}

fn statement(authorizer: &mut Authorizer, named: Named, now_ms: u64) -> Result<Statement> {
    let bad = |_: error::Token| refused("cannot be evaluated", "bad_token");
    let roles: Vec<(String,)> = authorizer.query("data($r) <- role($r)").map_err(bad)?;
    let groups: Vec<(String,)> = authorizer.query("data($g) <- group($g)").map_err(bad)?;
    let zones: Vec<(String,)> = authorizer.query("data($z) <- zone($z)").map_err(bad)?;
    let mut ends = dates(authorizer, "until", None)?;
    if let Some(bearer) = &named.bearer {
        ends.extend(dates(authorizer, "until", Some(bearer))?);
        ends.push(bearer_end(&dates(authorizer, "issued", None)?, now_ms)?);
    }
    let mut member_until_ms = None;
    if let Some(member) = &named.member {
        member_until_ms = ends.iter().min().copied();
        ends.extend(dates(authorizer, "until", Some(member))?);
    }
    let sorted = |words: Vec<(String,)>| {
        let mut words: Vec<String> = words.into_iter().map(|(word,)| word).collect();
        words.sort_unstable();
        words
    };
    let until_ms = ends.into_iter().min().ok_or_else(|| refused("has no end", "bad_token"))?;
    let role = roles.into_iter().map(|(role,)| role).next().unwrap_or_default();
    let (groups, zones) = (sorted(groups), sorted(zones));
    Ok(Statement { role, groups, zones, until_ms, member_until_ms, named })
}

/// The times that the root states by this name, or that `signer` does, in Unix milliseconds.
fn dates(authorizer: &mut Authorizer, name: &str, signer: Option<&[u8; 32]>) -> Result<Vec<u64>> {
    let rule = format!("data($t) <- {name}($t){}", trusting(signer));
    let found: Vec<Fact> =
        authorizer.query(rule.as_str()).map_err(|_| refused("cannot be evaluated", "bad_token"))?;
    let date = |fact: Fact| match fact.predicate.terms.first() {
        Some(Term::Date(seconds)) => Some(seconds.saturating_mul(1_000)),
        _ => None,
    };
    Ok(found.into_iter().filter_map(date).collect())
}

/// The end of a token by which a bearer ticket admits, whatever else it says.
fn bearer_end(issued_ms: &[u64], now_ms: u64) -> Result<u64> {
    let [issued_ms] = issued_ms else { return Err(refused("has no beginning", "bad_token")) };
    let until_ms = issued_ms.saturating_add(ms(limits::BEARER_LIFE));
    if now_ms > until_ms || *issued_ms > now_ms.saturating_add(ms(limits::CLOCK_SKEW)) {
        return Err(refused("is over or does not allow this", "expired"));
    }
    Ok(until_ms)
}

fn mint(
    root: &SecretKey,
    (what, key): (&str, &[u8; 32]),
    terms: Terms<'_>,
    issued_ms: Option<u64>,
) -> Result<Vec<u8>> {
    let root = pair(root)?;
    let made = || -> std::result::Result<Vec<u8>, error::Token> {
        let mut builder = Biscuit::builder()
            .fact(bytes_fact(what, key))?
            .fact(text_fact("role", terms.role))?
            .fact(date_fact("until", terms.until_ms))?
            .check(until_check(terms.until_ms)?)?;
        for group in terms.groups {
            builder = builder.fact(text_fact("group", group))?;
        }
        for zone in terms.zones {
            builder = builder.fact(text_fact("zone", zone))?;
        }
        if let Some(issued_ms) = issued_ms {
            builder = builder.fact(date_fact("issued", issued_ms))?;
        }
        builder.build(&root)?.to_vec()
    };
    made().map_err(|error| Error::new(Kind::Internal, format!("cannot mint a token: {error}")))
}

/// Reads a token that stands under `mesh`, in its one form.
pub(super) fn parse(token: &[u8], mesh: MeshId) -> Result<Biscuit> {
    if token.len() > limits::TOKEN_BYTES {
        return Err(refused("is too large", "too_large")
            .with_limit("TOKEN_BYTES", limits::TOKEN_BYTES as u64));
    }
    let root = PublicKey::from_bytes(mesh.as_bytes(), Algorithm::Ed25519)
        .map_err(|_| refused("stands under a broken root", "bad_token"))?;
    let bad = |_: error::Token| refused("is not signed by this mesh", "bad_signature");
    let biscuit = Biscuit::from(token, root).map_err(bad)?;
    // What the signatures do not cover, such as fields of the encoding that no reader knows, must
    // not make a second form of the same token.
    if biscuit.to_vec().map_err(bad)? != token {
        return Err(refused("is not in its one form", "bad_signature"));
    }
    if !narrowed::is_bounded(token) {
        return Err(refused("is narrowed by more than can be looked at", "bad_token"));
    }
    Ok(biscuit)
}

pub(super) fn pair(key: &SecretKey) -> Result<KeyPair> {
    let private = PrivateKey::from_bytes(key.seed().as_slice(), Algorithm::Ed25519)
        .map_err(|_| Error::new(Kind::Internal, "a key of ours is no key"))?;
    Ok(KeyPair::from(&private))
}

/// The end stands in the check itself: a fact could be met by that of another block.
pub(super) fn until_check(ms: u64) -> std::result::Result<Check, error::Token> {
    let mut check = Check::try_from("check if time($t), $t <= {until}")?;
    check.set("until", Term::Date(ms / 1_000))?;
    Ok(check)
}

fn bytes_fact(name: &str, bytes: &[u8]) -> Fact {
    Fact::new(name.to_owned(), vec![Term::Bytes(bytes.to_vec())])
}

pub(super) fn text_fact(name: &str, text: &str) -> Fact {
    Fact::new(name.to_owned(), vec![Term::Str(text.to_owned())])
}

fn date_fact(name: &str, ms: u64) -> Fact {
    Fact::new(name.to_owned(), vec![Term::Date(ms / 1_000)])
}

fn refused(what: &str, code: &str) -> Error {
    Error::refusal(Kind::Auth, code, format!("the membership token {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn terms(groups: &[String]) -> Terms<'_> {
        Terms { role: "member", groups, zones: &[], until_ms: NOW + 60_000 }
    }

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32])
    }

    #[test]
    fn a_root_names_a_node() {
        let (root, node) = (key(1), key(2).node_key());
        let groups = vec!["a".to_owned(), "b".to_owned()];
        let token = mint_node(&root, node, terms(&groups)).unwrap();
        let found = verify(&token, root.mesh_id(), node, NOW).unwrap();
        assert_eq!((found.role.as_str(), &found.groups), ("member", &groups));
        assert_eq!((found.until_ms, found.member_until_ms), (NOW + 60_000, None));
    }

    #[test]
    fn refuses_another_root_node_and_time() {
        let (root, node) = (key(1), key(2).node_key());
        let token = mint_node(&root, node, terms(&[])).unwrap();
        let check = |mesh, node, now| verify(&token, mesh, node, now).unwrap_err().code;
        assert_eq!(check(key(9).mesh_id(), node, NOW), "bad_signature");
        assert_eq!(check(root.mesh_id(), key(3).node_key(), NOW), "wrong_node");
        assert_eq!(check(root.mesh_id(), node, NOW + 61_000), "expired");
    }

    #[test]
    fn a_member_binds_nodes_and_nobody_else_does() {
        let (root, member, node) = (key(1), key(4), key(2).node_key());
        let mesh = root.mesh_id();
        let token = mint_member(&root, &member.public(), terms(&[])).unwrap();
        let bound = bind(&token, mesh, &member, node, NOW + 30_000).unwrap();
        let found = verify(&bound, mesh, node, NOW).unwrap();
        assert_eq!((found.until_ms, found.member_until_ms), (NOW + 30_000, Some(NOW + 60_000)));
        assert_eq!(verify(&bound, mesh, node, NOW + 31_000).unwrap_err().code, "expired");
        let stolen = bind(&token, mesh, &key(5), node, NOW + 30_000).unwrap();
        assert_eq!(verify(&stolen, mesh, node, NOW).unwrap_err().code, "wrong_node");
        assert_eq!(verify(&token, mesh, node, NOW).unwrap_err().code, "wrong_node");
    }

    #[test]
    fn zones_come_from_the_root_alone() {
        let (root, member, node) = (key(1), key(4), key(2).node_key());
        let (mesh, zones) = (root.mesh_id(), vec!["on-prem".to_owned(), "eu".to_owned()]);
        let token = mint_member(&root, &member.public(), Terms { zones: &zones, ..terms(&[]) });
        let bound = bind(&token.unwrap(), mesh, &member, node, NOW + 30_000).unwrap();
        assert_eq!(verify(&bound, mesh, node, NOW).unwrap().zones, ["eu", "on-prem"]);
        let plain = mint_node(&root, node, terms(&[])).unwrap();
        let block = BlockBuilder::new().fact(text_fact("zone", "eu")).unwrap();
        let wider = parse(&plain, mesh).unwrap().append(block).unwrap().to_vec().unwrap();
        assert!(verify(&wider, mesh, node, NOW).unwrap().zones.is_empty());
    }

    #[test]
    fn attenuation_adds_no_node() {
        let (root, node, other) = (key(1), key(2).node_key(), key(3).node_key());
        let token = mint_node(&root, node, terms(&[])).unwrap();
        let parent = parse(&token, root.mesh_id()).unwrap();
        let block = BlockBuilder::new().fact(bytes_fact("node", other.as_bytes())).unwrap();
        let wider = parent.append(block).unwrap().to_vec().unwrap();
        assert!(verify(&wider, root.mesh_id(), node, NOW).is_ok());
        assert_eq!(verify(&wider, root.mesh_id(), other, NOW).unwrap_err().code, "wrong_node");
    }

    #[test]
    fn refuses_a_token_attenuated_once_too_often() {
        let (root, node) = (key(1), key(2).node_key());
        let mut token = mint_node(&root, node, terms(&[])).unwrap();
        for depth in 1..=limits::TOKEN_DEPTH + 1 {
            let block = BlockBuilder::new().fact(text_fact("note", "x")).unwrap();
            let parent = parse(&token, root.mesh_id()).unwrap();
            token = parent.append(block).unwrap().to_vec().unwrap();
            let is_taken = verify(&token, root.mesh_id(), node, NOW).is_ok();
            assert_eq!(is_taken, depth <= limits::TOKEN_DEPTH);
        }
        let error = verify(&token, root.mesh_id(), node, NOW).unwrap_err();
        assert_eq!((error.kind, error.limit.unwrap().name.as_str()), (Kind::Auth, "TOKEN_DEPTH"));
    }

    #[test]
    fn a_token_has_so_many_bytes() {
        let (root, node) = (key(1), key(2).node_key());
        let token = |letters: usize| {
            let token = mint_node(&root, node, terms(&[])).unwrap();
            let note = "x".repeat(letters);
            let block = BlockBuilder::new().fact(text_fact("note", &note)).unwrap();
            parse(&token, root.mesh_id()).unwrap().append(block).unwrap().to_vec().unwrap()
        };
        let around = token(limits::TOKEN_BYTES / 2).len() - limits::TOKEN_BYTES / 2;
        let longest = token(limits::TOKEN_BYTES - around);
        assert!((limits::TOKEN_BYTES - 8..=limits::TOKEN_BYTES).contains(&longest.len()));
        verify(&longest, root.mesh_id(), node, NOW).unwrap();
        let error = verify(&token(limits::TOKEN_BYTES), root.mesh_id(), node, NOW).unwrap_err();
        assert_eq!((error.kind, error.limit.unwrap().name.as_str()), (Kind::Auth, "TOKEN_BYTES"));
    }

    /// Whether a token of the root that says this is evaluated to its end.
    fn is_evaluated(code: &str) -> bool {
        let root = key(1);
        let token = Biscuit::builder().code(code).unwrap().build(&pair(&root).unwrap()).unwrap();
        let token = parse(&token.to_vec().unwrap(), root.mesh_id()).unwrap();
        evaluate(&token, [], NOW).is_ok()
    }

    #[test]
    fn the_rules_of_a_root_derive_so_many_facts() {
        // Each pair is one more, and the time is one.
        let pairs = |count: u64| {
            let facts = (0..count).map(|n| format!("f({n});")).collect::<String>();
            (count * count + count + 1, format!("{facts}g($a, $b) <- f($a), f($b);"))
        };
        let ((below, taken), (above, refused)) = (pairs(22), pairs(23));
        assert!(below < limits::TOKEN_FACTS && above >= limits::TOKEN_FACTS);
        assert!(is_evaluated(&taken) && !is_evaluated(&refused));
    }

    #[test]
    fn the_rules_of_a_root_run_so_many_rounds() {
        // Each rule waits for what the one before derives.
        let chain = |rounds: u64| {
            let rules = (0..rounds).map(|n| format!("s{}($a) <- s{n}($a);", n + 1));
            format!("s0(1);{}", rules.collect::<String>())
        };
        assert!(is_evaluated(&chain(limits::TOKEN_ROUNDS - 1)));
        assert!(!is_evaluated(&chain(limits::TOKEN_ROUNDS)));
    }

    /// Where a token is kept that this version must take for ever; a seed of the fuzz target too.
    const KEPT: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus/token/node.bin");

    #[test]
    fn takes_a_token_that_an_earlier_build_minted() {
        let (root, node) = (key(1), key(2).node_key());
        let groups = vec!["a".to_owned()];
        if std::env::var("HUBLESS_VECTORS").as_deref() == Ok("write") {
            let terms =
                Terms { role: "member", groups: &groups, zones: &[], until_ms: 4_000_000_000_000 };
            let token = mint_node(&root, node, terms).unwrap();
            let bound = mint_member(&root, &key(4).public(), terms).unwrap();
            let bound = bind(&bound, root.mesh_id(), &key(4), node, terms.until_ms).unwrap();
            std::fs::create_dir_all(std::path::Path::new(KEPT).parent().unwrap()).unwrap();
            std::fs::write(KEPT, token).unwrap();
            std::fs::write(KEPT.replace("node.bin", "member.bin"), bound).unwrap();
        }
        for kept in [KEPT.to_owned(), KEPT.replace("node.bin", "member.bin")] {
            let token = std::fs::read(&kept).unwrap();
            let found = verify(&token, root.mesh_id(), node, NOW).unwrap();
            assert_eq!((found.role.as_str(), &found.groups), ("member", &groups), "{kept}");
            assert_eq!(found.until_ms, 4_000_000_000_000, "{kept}");
        }
    }

    #[test]
    fn each_flipped_bit_is_refused() {
        let (root, node) = (key(1), key(2).node_key());
        let token = mint_node(&root, node, terms(&[])).unwrap();
        for bit in 0..token.len() * 8 {
            let mut bad = token.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let error = verify(&bad, root.mesh_id(), node, NOW).unwrap_err();
            assert_eq!(error.code, "bad_signature", "bit {bit}");
        }
    }
}
