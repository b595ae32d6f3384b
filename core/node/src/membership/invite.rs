//! Invites: rows in the data folder that every running minter of this user reads.

use super::ticket::{Minter, Secret, Ticket, pass_key};
use super::token::{Terms, mint_bearer, mint_member, mint_pass};
use crate::audit;
use crate::home::{self, Folders, Home, Lock};
use crate::keys;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{SecretKey, hex};
use hubless_proto::limits::{self, ms};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// Version of an invite's file.
const VERSION: u32 = 1;

/// What an invite allows.
///
/// ```
/// use hubless::membership::InviteOptions;
///
/// let once = InviteOptions::default();
/// assert_eq!((once.role.as_str(), once.uses), ("member", 1));
/// ```
#[derive(Debug, Clone)]
pub struct InviteOptions {
    /// Role of who joins.
    pub role: String,
    /// Groups of who joins; at most 16.
    pub groups: Vec<String>,
    /// Zones of who joins, such as `eu` or `on-prem`; at most 16.
    pub zones: Vec<String>,
    /// How long it can be redeemed; default 24 h.
    pub life: Duration,
    /// How often it can be redeemed; default once.
    pub uses: u32,
    /// Allows minters that listen on this machine only.
    pub local: bool,
    /// Makes a ticket that admits without a minter: for at most 10 min, and as often as it is used
    /// until then, since nobody counts.
    pub bearer: bool,
}

impl Default for InviteOptions {
    fn default() -> Self {
        Self {
            role: "member".to_owned(),
            groups: Vec::new(),
            zones: Vec::new(),
            life: limits::INVITE_LIFE,
            uses: 1,
            local: false,
            bearer: false,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    version: u32,
    role: String,
    groups: Vec<String>,
    #[serde(default)]
    zones: Vec<String>,
    uses: u32,
    until_ms: u64,
}

/// Writes an invite to the user's own mesh and gives the ticket for it. `minters` are running
/// nodes of this user; of those without a relay, addresses on this machine only count with `local`.
///
/// # Errors
/// `configuration` with code `no_minter` when no running node can be reached from elsewhere, which
/// a ticket does not need that is a `bearer`; `invalid_argument` for an empty or long role, group
/// or zone, no use, or no time.
pub fn invite(
    home: &Home,
    minters: &[Minter],
    options: &InviteOptions,
    now_ms: u64,
) -> Result<Ticket> {
    check(options)?;
    let folders = need(home)?;
    let reachable = reachable(minters, options.local);
    if options.bearer {
        return bearer(home, reachable, options, now_ms);
    }
    if reachable.is_empty() {
        let message = "no running node of this user can be reached from another machine; start \
                       one with listen = \"all\" (HUBLESS_LISTEN=all) or with a relay \
                       (HUBLESS_RELAYS), or use --local";
        return Err(Error::new(Kind::Configuration, message).with_code("no_minter"));
    }
    let root = keys::root(home)?;
    let secret = Zeroizing::new(keys::random::<32>()?);
    let row = Row {
        version: VERSION,
        role: options.role.clone(),
        groups: options.groups.clone(),
        zones: options.zones.clone(),
        uses: options.uses,
        until_ms: now_ms.saturating_add(ms(options.life)),
    };
    write(&path(folders, secret.as_slice()), &row)?;
    let minted = Entry::of(Event::InviteMinted).invite(&audit::digest(secret.as_slice()));
    audit::record_in(home, minted.mesh(root.mesh_id()).because(&row.role).times(row.uses.into()));
    let pass = pass(&root, secret.as_slice(), &reachable, row.until_ms)?;
    let mesh = root.mesh_id();
    Ok(short(Ticket { mesh, minters: reachable, secret: Secret::Invite(secret), pass }))
}

/// A token by which whoever has the invite may come to a minter by its relay.
fn pass(
    root: &SecretKey,
    secret: &[u8],
    minters: &[Minter],
    until_ms: u64,
) -> Result<Option<Vec<u8>>> {
    let has_relay = minters.iter().any(|minter| !minter.relays.is_empty());
    let minted = || mint_pass(root, &pass_key(secret).public(), until_ms);
    has_relay.then(minted).transpose()
}

/// Leaves out minters until the ticket is one that is read.
fn short(mut ticket: Ticket) -> Ticket {
    while ticket.text().len() > limits::TICKET_BYTES && ticket.minters.len() > 1 {
        ticket.minters.pop();
    }
    ticket
}

/// Makes a ticket that needs no minter: whoever has it names its own member key in the token of it.
fn bearer(
    home: &Home,
    minters: Vec<Minter>,
    options: &InviteOptions,
    now_ms: u64,
) -> Result<Ticket> {
    let (root, seed) = (keys::root(home)?, Zeroizing::new(keys::random::<32>()?));
    let InviteOptions { role, groups, zones, .. } = options;
    let until_ms = now_ms.saturating_add(ms(options.life));
    let terms = Terms { role, groups, zones, until_ms };
    let key = SecretKey::from_seed(*seed).public();
    let token = mint_bearer(&root, &key, terms, now_ms)?;
    let minted = Entry::of(Event::InviteMinted).invite(&audit::digest(seed.as_slice()));
    // By this key all who joined by it are revoked, until their tokens are renewed.
    let name = format!("bearer {}", hex::encode(&key));
    audit::record_in(home, minted.mesh(root.mesh_id()).because(role).named(&name));
    let (mesh, secret) = (root.mesh_id(), Secret::Bearer { token, seed });
    Ok(short(Ticket { mesh, minters, secret, pass: None }))
}

/// Turns an invite into a token for `member_key`. The use is charged before the token is made, so
/// that a crash between the two costs a use and never gives one away.
///
/// # Errors
/// `denied` for an invite that is unknown, over or used up: one answer, so that it tells nothing.
pub(crate) fn redeem(
    home: &Home,
    secret: &[u8],
    member_key: &[u8; 32],
    now_ms: u64,
) -> Result<Vec<u8>> {
    let refused = || {
        let message = "the invite is unknown, over, or used up; ask for a new ticket";
        Error::refusal(Kind::Denied, "invite", message)
    };
    let folders = need(home)?;
    let path = path(folders, secret);
    if !path.exists() {
        return Err(refused());
    }
    let row = {
        let _held = Lock::wait(&path.with_extension("json.lock"))?;
        let Some(bytes) = home::read_private(&path)? else { return Err(refused()) };
        let mut row: Row = serde_json::from_slice(&bytes).map_err(|_| refused())?;
        if row.version != VERSION || now_ms >= row.until_ms || row.uses == 0 {
            return Err(refused());
        }
        row.uses -= 1;
        write(&path, &row)?;
        row
    };
    let until_ms = now_ms.saturating_add(ms(limits::MEMBER_TOKEN_LIFE));
    let terms = Terms { role: &row.role, groups: &row.groups, zones: &row.zones, until_ms };
    mint_member(&keys::root(home)?, member_key, terms)
}

fn check(options: &InviteOptions) -> Result<()> {
    let bad = |field: &str, what: String| Err(Error::invalid(field, what));
    word("role", &options.role)?;
    if options.groups.len() > limits::INVITE_GROUPS {
        let message = format!("expected at most {} groups", limits::INVITE_GROUPS);
        return Err(Error::invalid("groups", message)
            .with_limit("INVITE_GROUPS", limits::INVITE_GROUPS as u64));
    }
    options.groups.iter().try_for_each(|group| word("groups", group))?;
    check_zones(&options.zones)?;
    if options.uses == 0 {
        return bad("uses", "expected at least one use".to_owned());
    }
    let most = if options.bearer { limits::BEARER_LIFE } else { limits::MEMBER_TOKEN_LIFE };
    if options.life.is_zero() || options.life > most {
        return bad("ttl", format!("expected up to {most:?}"));
    }
    Ok(())
}

/// Checks the zones of a node, or of who joins.
pub(super) fn check_zones(zones: &[String]) -> Result<()> {
    if zones.len() > limits::NODE_ZONES {
        let message = format!("expected at most {} zones", limits::NODE_ZONES);
        return Err(
            Error::invalid("zones", message).with_limit("NODE_ZONES", limits::NODE_ZONES as u64)
        );
    }
    zones.iter().try_for_each(|zone| word("zones", zone))
}

/// Checks the name of a role, a group or a zone.
fn word(field: &str, text: &str) -> Result<()> {
    let most = limits::INVITE_WORD_BYTES;
    if (1..=most).contains(&text.len()) && text.chars().all(|c| !c.is_control()) {
        return Ok(());
    }
    let message = format!("expected names of 1 to {most} bytes without control characters");
    Err(Error::invalid(field, message).with_limit("INVITE_WORD_BYTES", most as u64))
}

fn reachable(minters: &[Minter], local: bool) -> Vec<Minter> {
    let keep = |minter: &Minter| {
        let addresses = minter.addresses.iter();
        let addresses: Vec<_> =
            addresses.copied().filter(|address| local || !address.ip().is_loopback()).collect();
        let relays: Vec<_> = minter.relays.iter().take(limits::NODE_RELAYS).cloned().collect();
        let is_reachable = !addresses.is_empty() || !relays.is_empty();
        is_reachable.then_some(Minter { node: minter.node, addresses, relays })
    };
    minters.iter().filter_map(keep).take(limits::TICKET_MINTERS).collect()
}

fn path(folders: &Folders, secret: &[u8]) -> PathBuf {
    folders.data().join("invites").join(format!("{}.json", audit::digest(secret)))
}

fn write(path: &std::path::Path, row: &Row) -> Result<()> {
    let bytes =
        serde_json::to_vec(row).map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
    home::replace(path, &path.with_extension("json.new"), &bytes)
}

fn need(home: &Home) -> Result<&Folders> {
    home.folders().ok_or_else(|| {
        let message = "invites need a home folder that can be written";
        Error::new(Kind::Configuration, message).with_code("memory_only")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter;
    use data_encoding::HEXLOWER;
    use hubless_proto::identity::NodeKey;

    const NOW: u64 = 1_700_000_000_000;

    fn minter(address: &str) -> Minter {
        let node = NodeKey::from_bytes([1; 32]);
        Minter { node, addresses: vec![address.parse().unwrap()], relays: Vec::new() }
    }

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(Some(folder.path())).unwrap();
        (folder, home)
    }

    #[test]
    fn names_so_many_groups_and_minters_with_so_long_names() {
        let (_folder, home) = home();
        let minters = vec![minter("10.0.0.1:1"); limits::TICKET_MINTERS + 1];
        let of = |many: usize, letters: usize| {
            let name = "g".repeat(letters);
            let groups = vec![name.clone(); many];
            let options = InviteOptions { role: name, groups, ..InviteOptions::default() };
            let made = invite(&home, &minters, &options, NOW);
            made.map(|ticket| ticket.minters.len()).map_err(|error| error.limit.unwrap().name)
        };
        let (many, letters) = (limits::INVITE_GROUPS, limits::INVITE_WORD_BYTES);
        assert_eq!(of(many, letters), Ok(limits::TICKET_MINTERS));
        assert_eq!(of(many + 1, letters), Err("INVITE_GROUPS".to_owned()));
        assert_eq!(of(many, letters + 1), Err("INVITE_WORD_BYTES".to_owned()));
    }

    #[test]
    fn names_so_many_zones_with_so_long_names() {
        let of = |many: usize, letters: usize| {
            let zones = vec!["z".repeat(letters); many];
            check_zones(&zones).map_err(|error| (error.field.unwrap(), error.limit.unwrap().name))
        };
        let (many, letters) = (limits::NODE_ZONES, limits::INVITE_WORD_BYTES);
        assert_eq!(of(many, letters), Ok(()));
        assert_eq!(of(many + 1, letters), Err(("zones".to_owned(), "NODE_ZONES".to_owned())));
        assert_eq!(of(many, letters + 1).unwrap_err().1, "INVITE_WORD_BYTES");
    }

    #[test]
    fn an_invite_of_a_version_without_zones_is_read() {
        let row = r#"{"version":1,"role":"member","groups":[],"uses":1,"until_ms":7}"#;
        assert!(serde_json::from_str::<Row>(row).unwrap().zones.is_empty());
    }

    #[test]
    fn serves_as_often_as_it_says() {
        let (_folder, home) = home();
        let options = InviteOptions { uses: 2, ..InviteOptions::default() };
        let ticket = invite(&home, &[minter("10.0.0.1:1")], &options, NOW).unwrap();
        let again = || redeem(&home, ticket.invite().unwrap(), &[7; 32], NOW);
        assert!(again().is_ok() && again().is_ok());
        assert_eq!(again().unwrap_err().kind, Kind::Denied);
    }

    #[test]
    fn two_joiners_race_for_the_last_use() {
        let (_folder, home) = home();
        let options = InviteOptions::default();
        let ticket = invite(&home, &[minter("10.0.0.1:1")], &options, NOW).unwrap();
        let served: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| redeem(&home, ticket.invite().unwrap(), &[7; 32], NOW)))
                .collect();
            tries.into_iter().map(|t| usize::from(t.join().unwrap().is_ok())).sum()
        });
        assert_eq!(served, 1);
    }

    #[test]
    fn a_minter_killed_between_count_and_answer_has_charged_the_use() {
        if let Some(home) = meter::subject() {
            let home = Home::open(Some(&home)).unwrap();
            meter::obey(|secret| {
                let secret = HEXLOWER.decode(secret.as_bytes()).unwrap();
                redeem(&home, &secret, &[7; 32], NOW).is_ok().to_string()
            });
        }
        let (folder, home) = home();
        let options = InviteOptions { uses: 2, ..InviteOptions::default() };
        let ticket = invite(&home, &[minter("10.0.0.1:1")], &options, NOW).unwrap();
        let secret = HEXLOWER.encode(ticket.invite().unwrap());
        let row = path(home.folders().unwrap(), ticket.invite().unwrap());
        let uses = || serde_json::from_slice::<Row>(&std::fs::read(&row).unwrap()).unwrap().uses;
        let test = "membership::invite::tests::\
                    a_minter_killed_between_count_and_answer_has_charged_the_use";
        let mut minter = meter::Subject::start(test, folder.path());
        assert_eq!((minter.tell(&secret).as_str(), uses()), ("true", 1));

        // Without the key of the mesh it waits, after the count, for who holds the lock to make it.
        let key = folder.path().join("data/own/root.key");
        let away = key.with_extension("away");
        let held = Lock::wait(&key.with_extension("key.lock")).unwrap();
        std::fs::rename(&key, &away).unwrap();
        minter.order(&secret);
        let began = std::time::Instant::now();
        while uses() == 1 {
            assert!(began.elapsed() < Duration::from_secs(20), "it counts the use");
            std::thread::yield_now();
        }
        drop(minter); // by SIGKILL
        std::fs::rename(&away, &key).unwrap();
        drop(held);
        let third = redeem(&home, ticket.invite().unwrap(), &[7; 32], NOW).unwrap_err();
        assert_eq!((third.kind, uses()), (Kind::Denied, 0));
    }

    #[test]
    fn an_invite_lives_for_a_day_and_the_token_that_it_gives_for_a_month() {
        let (_folder, home) = home();
        let options = InviteOptions { uses: 2, ..InviteOptions::default() };
        let ticket = invite(&home, &[minter("10.0.0.1:1")], &options, NOW).unwrap();
        let end = NOW + ms(limits::INVITE_LIFE);
        let member = keys::fresh().unwrap();
        let token = redeem(&home, ticket.invite().unwrap(), &member.public(), end - 1).unwrap();
        assert!(redeem(&home, ticket.invite().unwrap(), &member.public(), end).is_err());
        let (mesh, node) = (ticket.mesh, NodeKey::from_bytes([3; 32]));
        let holds = |now| super::super::check_member(&token, mesh, &member, node, now);
        // Tokens count whole seconds.
        let over = end + ms(limits::MEMBER_TOKEN_LIFE);
        holds(over - 2_000).unwrap();
        assert_eq!(holds(over + 1_000).unwrap_err().kind, Kind::Auth);
    }

    #[test]
    fn refuses_late_and_unknown_invites_alike() {
        let (_folder, home) = home();
        let options = InviteOptions { life: Duration::from_secs(60), ..InviteOptions::default() };
        let ticket = invite(&home, &[minter("10.0.0.1:1")], &options, NOW).unwrap();
        let late = redeem(&home, ticket.invite().unwrap(), &[7; 32], NOW + 60_000).unwrap_err();
        let unknown = redeem(&home, &[9; 32], &[7; 32], NOW).unwrap_err();
        assert_eq!(late, unknown);
    }

    #[test]
    fn a_minter_with_a_relay_needs_no_other_address_and_the_ticket_lets_to_the_relay() {
        let (_folder, home) = home();
        let relay = |name: &str| format!("https://{name}.example").parse().unwrap();
        let behind = Minter { relays: vec![relay("relay")], ..minter("127.0.0.1:1") };
        let options = InviteOptions::default();
        let ticket = invite(&home, std::slice::from_ref(&behind), &options, NOW).unwrap();
        let told = &ticket.minters[0];
        assert!(told.addresses.is_empty(), "{told:?}");
        assert_eq!(told.relays, behind.relays);
        let (node, until) = (NodeKey::from_bytes([3; 32]), NOW + ms(limits::INVITE_LIFE));
        let pass = ticket.pass(node, until).unwrap().expect("a pass goes with a relay");
        let outsider = crate::membership::Membership::outsider(ticket.mesh);
        outsider.let_by(&pass, node, NOW).unwrap();
        // It is good for nothing else, for no other node, and no longer than the invite.
        assert_eq!(outsider.verify(&pass, node, NOW).unwrap_err().code, "bad_token");
        let other = outsider.let_by(&pass, NodeKey::from_bytes([4; 32]), NOW);
        assert_eq!(other.unwrap_err().code, "wrong_node");
        assert_eq!(outsider.let_by(&pass, node, until + 1_000).unwrap_err().code, "expired");
        // The control: one without a relay has none.
        let ticket = invite(&home, &[minter("10.0.0.1:1")], &options, NOW).unwrap();
        assert_eq!(ticket.pass(node, until).unwrap(), None);
    }

    #[test]
    fn a_ticket_names_as_many_minters_as_it_has_room_for() {
        let (_folder, home) = home();
        let relay = |number: usize| {
            let letters = limits::RELAY_URL_BYTES - "https://.example".len() - 1;
            format!("https://{}{number}.example", "a".repeat(letters)).parse().unwrap()
        };
        let relays: Vec<_> = (0..limits::NODE_RELAYS + 1).map(relay).collect();
        let large = Minter { relays, ..minter("10.0.0.1:1") };
        let minters = vec![large; limits::TICKET_MINTERS];
        let ticket = invite(&home, &minters, &InviteOptions::default(), NOW).unwrap();
        let read: Ticket = ticket.text().parse().unwrap();
        let named = read.minters.len();
        assert!((1..limits::TICKET_MINTERS).contains(&named), "{named}");
        assert_eq!(read.minters[0].relays.len(), limits::NODE_RELAYS);
    }

    #[test]
    fn needs_a_minter_that_can_be_reached() {
        let (_folder, home) = home();
        let options = InviteOptions::default();
        let error = invite(&home, &[minter("127.0.0.1:1")], &options, NOW).unwrap_err();
        assert_eq!(error.code, "no_minter");
        let options = InviteOptions { local: true, ..options };
        assert!(invite(&home, &[minter("127.0.0.1:1")], &options, NOW).is_ok());
    }
}
