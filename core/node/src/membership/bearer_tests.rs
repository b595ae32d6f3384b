//! Tickets that admit without a minter: what they give, for how long, and what they never give.

use super::token::{self, Terms};
use super::*;
use crate::home::Home;
use crate::keys;
use crate::mesh::MeshChoice;
use biscuit_auth::builder::{BlockBuilder, Fact, Term};
use hubless_proto::error::Kind;
use hubless_proto::identity::{MeshId, NodeKey, SecretKey};
use hubless_proto::limits::{self, ms};
use std::time::Duration;

const NOW: u64 = 1_700_000_000_000;
const NODE: NodeKey = NodeKey::from_bytes([1; 32]);

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(Some(folder.path())).unwrap();
    (folder, home)
}

fn options(life: Duration) -> InviteOptions {
    InviteOptions { bearer: true, life, ..InviteOptions::default() }
}

/// The code with which a token is refused that `member` binds to the node; else the role.
fn role(token: &[u8], mesh: MeshId, member: &SecretKey, now_ms: u64) -> Result<String, String> {
    let bound = token::bind(token, mesh, member, NODE, now_ms + 1_000);
    let said = bound.and_then(|bound| token::verify(&bound, mesh, NODE, now_ms));
    said.map(|said| said.role).map_err(|error| error.code)
}

#[test]
fn admits_whoever_has_it_without_a_minter_until_it_ends() {
    let (_folder, home) = home();
    let ticket = invite(&home, &[], &options(limits::BEARER_LIFE), NOW).unwrap();
    let ticket: Ticket = ticket.text().parse().unwrap();
    assert_eq!(ticket.invite(), None);
    let end = NOW + ms(limits::BEARER_LIFE);
    // Used twice: nobody counts.
    for member in [key(4), key(5)] {
        let token = ticket.admit(&member.public()).unwrap().unwrap();
        assert_eq!(role(&token, ticket.mesh, &member, NOW), Ok("member".to_owned()));
        assert_eq!(role(&token, ticket.mesh, &member, end - 2_000), Ok("member".to_owned()));
        let late = role(&token, ticket.mesh, &member, end + 2_000);
        assert_eq!(late, Err("expired".to_owned()));
        // What it binds is over with it, whatever that says of itself.
        let bound = token::bind(&token, ticket.mesh, &member, NODE, end + 3_600_000).unwrap();
        assert_eq!(token::verify(&bound, ticket.mesh, NODE, NOW).unwrap().until_ms, end);
        let nobody = role(&token, ticket.mesh, &key(6), NOW);
        assert_eq!(nobody, Err("wrong_node".to_owned()), "it named another key");
    }
    // Without an invite it needs no node, and with one it does.
    let counted = InviteOptions::default();
    assert_eq!(invite(&home, &[], &counted, NOW).unwrap_err().code, "no_minter");
}

#[test]
fn lives_for_minutes_only_whatever_its_root_wrote() {
    let (_folder, home) = home();
    let long = options(limits::BEARER_LIFE + Duration::from_secs(1));
    let error = invite(&home, &[], &long, NOW).unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (Kind::InvalidArgument, Some("ttl")));
    // A root that is not ours to check might write a longer one, or one of later.
    let (root, bearer, member) = (key(1), key(2), key(4));
    let of = |issued_ms: u64, now_ms: u64| {
        let until_ms = NOW + 30 * 24 * 3_600_000;
        let terms = Terms { role: "member", groups: &[], zones: &[], until_ms };
        let token = token::mint_bearer(&root, &bearer.public(), terms, issued_ms).unwrap();
        let mesh = root.mesh_id();
        let token = token::admit(&token, mesh, &bearer, &member.public()).unwrap();
        role(&token, mesh, &member, now_ms)
    };
    let (life, skew) = (ms(limits::BEARER_LIFE), ms(limits::CLOCK_SKEW));
    assert_eq!(of(NOW, NOW + life - 2_000), Ok("member".to_owned()));
    assert_eq!(of(NOW, NOW + life + 2_000), Err("expired".to_owned()));
    assert_eq!(of(NOW + skew - 2_000, NOW), Ok("member".to_owned()));
    assert_eq!(of(NOW + skew + 2_000, NOW), Err("expired".to_owned()));
}

#[test]
fn gives_no_more_than_the_root_wrote_and_nothing_to_who_forges_it() {
    let (root, bearer, member) = (key(1), key(2), key(4));
    let (mesh, until_ms) = (root.mesh_id(), NOW + 60_000);
    let terms = Terms { role: "member", groups: &[], zones: &[], until_ms };
    let signed = token::mint_bearer(&root, &bearer.public(), terms, NOW).unwrap();
    let good = token::admit(&signed, mesh, &bearer, &member.public()).unwrap();
    assert_eq!(role(&good, mesh, &member, NOW), Ok("member".to_owned()));
    // A member key that somebody else named, or nobody.
    let forged = token::admit(&signed, mesh, &key(3), &member.public()).unwrap();
    assert_eq!(role(&forged, mesh, &member, NOW), Err("bad_token".to_owned()));
    assert_eq!(role(&signed, mesh, &member, NOW), Err("bad_token".to_owned()));
    // A node that the ticket names by itself, past a member key.
    let skipped = token::bind(&signed, mesh, &bearer, NODE, until_ms).unwrap();
    assert_eq!(token::verify(&skipped, mesh, NODE, NOW).unwrap_err().code, "bad_token");
    // Two keys in one token, to let in a whole crowd.
    let twice = token::admit(&good, mesh, &bearer, &key(5).public()).unwrap();
    assert_eq!(role(&twice, mesh, &member, NOW), Err("bad_token".to_owned()));
    // A ticket that another root signed.
    let foreign = token::mint_bearer(&key(9), &bearer.public(), terms, NOW).unwrap();
    assert!(token::admit(&foreign, mesh, &bearer, &member.public()).is_err());
    // A wider role, group or zone in the block of who joins counts for nothing.
    let fact = |name: &str| Fact::new(name.to_owned(), vec![Term::Str("owner".to_owned())]);
    let block = ["role", "group", "zone"]
        .iter()
        .try_fold(BlockBuilder::new(), |block, name| block.fact(fact(name)));
    let parent = token::parse(&good, mesh).unwrap();
    let wider = parent.append(block.unwrap()).unwrap().to_vec().unwrap();
    let bound = token::bind(&wider, mesh, &member, NODE, until_ms).unwrap();
    let said = token::verify(&bound, mesh, NODE, NOW).unwrap();
    assert_eq!((said.role.as_str(), said.groups.len(), said.zones.len()), ("member", 0, 0));
}

#[test]
fn a_data_folder_that_joined_by_one_is_a_member_for_its_owner() {
    let ((_ours, ours), (_theirs, theirs)) = (home(), home());
    let ticket = invite(&ours, &[], &options(Duration::from_secs(60)), NOW).unwrap();
    let member = member_key(&theirs, ticket.mesh).unwrap();
    let token = ticket.admit(&member.public()).unwrap().unwrap();
    save(&theirs, &ticket, &token, NOW).unwrap();
    let guest = Membership::open(&theirs, MeshChoice::Default).unwrap();
    assert_eq!(guest.mesh(), keys::root(&ours).unwrap().mesh_id());
    let owner = Membership::open(&ours, MeshChoice::Own).unwrap();
    let shown = guest.token_for(NODE, NOW).unwrap();
    assert_eq!(owner.verify(&shown, NODE, NOW).unwrap().role, "member");
}

#[test]
fn a_join_by_one_takes_away_nothing_that_is_better() {
    let ((_ours, ours), (_theirs, theirs)) = (home(), home());
    let addresses = vec!["10.0.0.1:1".parse().unwrap()];
    let minter = Minter { node: NODE, addresses, relays: Vec::new() };
    let counted = invite(&ours, &[minter], &InviteOptions::default(), NOW).unwrap();
    let member = member_key(&theirs, counted.mesh).unwrap().public();
    let long = redeem(&ours, counted.invite().unwrap(), &member, NOW).unwrap();
    save(&theirs, &counted, &long, NOW).unwrap();
    let join = |role: &str, now_ms: u64| {
        let options = InviteOptions { role: role.to_owned(), ..options(limits::BEARER_LIFE) };
        let ticket = invite(&ours, &[], &options, now_ms).unwrap();
        let token = ticket.admit(&member).unwrap().unwrap();
        save(&theirs, &ticket, &token, now_ms).unwrap();
        let kept = joined::load(&theirs, ticket.mesh).unwrap().unwrap();
        assert_eq!(kept.contacts, counted.contacts(), "it names no node");
        (kept.token == long, kept.token == token)
    };
    assert_eq!(join("member", NOW), (true, false), "the one of 30 days stays");
    // Other terms are what the ticket is for, and what is over is replaced.
    assert_eq!(join("helper", NOW), (false, true));
    save(&theirs, &counted, &long, NOW).unwrap();
    let over = NOW + ms(limits::MEMBER_TOKEN_LIFE) + 2_000;
    assert_eq!(join("member", over), (false, true));
}
