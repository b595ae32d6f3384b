//! The short form of an agent id: a handle, never a proof.

use super::{AgentId, MeshId};
use crate::error::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

const TAG: &[u8] = b"hubless-address-v1";

/// `N:NNNN.HHHH.LLLL`: number of the mesh in decimal, then 48 bits of the agent in upper-case hex.
///
/// Made from keys alone, so it is permanent and needs no one's permission. 48 bits collide (and
/// can be searched for): a look-up that finds two agents is `ambiguous`, and whoever answers is
/// authenticated on the full key.
///
/// ```
/// use hubless_proto::identity::{Address, SecretKey};
///
/// let mesh = SecretKey::from_seed([1; 32]).mesh_id();
/// let agent = SecretKey::from_seed([2; 32]).agent_id();
/// let address = Address::new(&mesh, &agent);
/// assert_eq!(address.to_string().parse(), Ok(address));
/// let short = format!("0:{}", address.to_string().split_once(':').unwrap().1);
/// assert_eq!(short.parse::<Address>().unwrap().within(&mesh), address);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    mesh: u16,
    handle: u64,
}

impl Address {
    /// The address of an agent in a mesh.
    pub fn new(mesh: &MeshId, agent: &AgentId) -> Self {
        Self { mesh: mesh_number(mesh), handle: handle(agent) }
    }

    /// Number of the mesh; 0 in an address that was written for one's own mesh.
    pub const fn mesh_number(self) -> u16 {
        self.mesh
    }

    /// The 48 bits of the agent, the same in every mesh.
    pub const fn handle(self) -> u64 {
        self.handle
    }

    /// The same address with `0:` replaced by the number of `mesh`.
    #[must_use]
    pub fn within(self, mesh: &MeshId) -> Self {
        match self.mesh {
            0 => Self { mesh: mesh_number(mesh), ..self },
            _ => self,
        }
    }
}

/// First 48 bits of SHA-256 over the tag and the agent key.
fn handle(agent: &AgentId) -> u64 {
    let digest = Sha256::new_with_prefix(TAG).chain_update(agent.as_bytes()).finalize();
    digest.iter().take(6).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

/// First 16 bits of SHA-256 over the root key. 0 stands for "my own mesh", so a mesh whose first
/// 16 bits are zero takes the next that are not.
fn mesh_number(mesh: &MeshId) -> u16 {
    let digest = Sha256::digest(mesh.as_bytes());
    let (words, _) = digest.as_chunks::<2>();
    words.iter().map(|word| u16::from_be_bytes(*word)).find(|number| *number != 0).unwrap_or(1)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |shift: u32| self.handle >> shift & 0xffff;
        write!(f, "{}:{:04X}.{:04X}.{:04X}", self.mesh, word(32), word(16), word(0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = Error;

    /// Reads the printed form; hex digits of either case, and `0:` for one's own mesh.
    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            let message = "expected an address such as 4711:0A1B.2C3D.4E5F";
            Error::invalid("address", message).with_code("bad_address")
        })
    }
}

fn parse(text: &str) -> Option<Address> {
    let (mesh, handle) = text.split_once(':')?;
    let canonical = mesh == "0" || !mesh.starts_with(['0', '+']);
    let mesh = mesh.parse::<u16>().ok().filter(|_| canonical)?;
    let words: Vec<&str> = handle.splitn(4, '.').collect();
    let [high, middle, low] = words.as_slice() else {
        return None;
    };
    let handle = [high, middle, low].into_iter().try_fold(0, |bits, word| {
        let hex = word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let word = u64::from_str_radix(word, 16).ok().filter(|_| hex)?;
        Some(bits << 16 | word)
    })?;
    Some(Address { mesh, handle })
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_no_address() {
        let bad = [
            "",
            ":",
            "1:",
            "1:0000",
            "1:0000.0000",
            "1:0000.0000.0000.0000",
            "1:000.0000.0000",
            "1:00000.0000.0000",
            "01:0000.0000.0000",
            "+1:0000.0000.0000",
            "-1:0000.0000.0000",
            "65536:0000.0000.0000",
            "1:G000.0000.0000",
            "1:+000.0000.0000",
            "1:0000.0000.0000 ",
            "1 :0000.0000.0000",
            "1:0000:0000:0000",
            "1:００００.0000.0000",
            "00:0000.0000.0000",
        ];
        for text in bad {
            assert_eq!(text.parse::<Address>().unwrap_err().code, "bad_address", "{text}");
        }
        assert!("0:0000.0000.0000".parse::<Address>().is_ok());
        assert_eq!("65535:abcd.EF01.2345".parse::<Address>().unwrap().handle(), 0xabcd_ef01_2345);
    }

    #[test]
    fn only_the_own_mesh_is_filled_in() {
        let mesh = MeshId::from_bytes([3; 32]);
        let foreign: Address = "7:0000.0000.0001".parse().unwrap();
        assert_eq!(foreign.within(&mesh), foreign);
        let own: Address = "0:0000.0000.0001".parse().unwrap();
        assert_eq!(own.within(&mesh).mesh_number(), mesh_number(&mesh));
    }

    proptest! {
        #[test]
        fn prints_what_it_reads(mesh: [u8; 32], agent: [u8; 32]) {
            let address = Address::new(&MeshId::from_bytes(mesh), &AgentId::from_bytes(agent));
            prop_assert!(address.mesh_number() != 0);
            prop_assert_eq!(address.to_string().parse(), Ok(address));
            prop_assert_eq!(address.to_string().to_lowercase().parse(), Ok(address));
        }

        #[test]
        fn any_text_reads_or_is_refused(text in "\\PC{0,24}|[0-9]{1,6}:[0-9a-fA-F.]{0,16}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string(), text.to_uppercase());
            }
        }
    }
}
