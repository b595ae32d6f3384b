//! The temporary home of a mesh that exists for one test.

use crate::node::{Listen, NodeOptions};
use hubless_proto::error::{Error, Kind, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

/// A folder of its own for the nodes of one test, removed with all that is in it when this is
/// dropped: close the nodes first.
///
/// ```
/// use hubless::Node;
/// use hubless::testing::House;
/// use std::time::Duration;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let house = House::new()?;
/// let one = Node::start(house.options()).await?;
/// let other = Node::start(house.options()).await?;
/// assert_eq!(one.mesh_id(), other.mesh_id());
/// for node in [one, other] {
///     node.close(Duration::ZERO).await;
/// }
/// let folder = house.home().to_owned();
/// drop(house);
/// assert!(!folder.exists());
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct House(TempDir);

impl House {
    /// Makes the folder, with mode 0700, in the system's folder for temporary files.
    ///
    /// # Errors
    /// `configuration`, code `not_writable`, when it cannot be made.
    pub fn new() -> Result<Self> {
        let private = std::fs::Permissions::from_mode(0o700);
        let made =
            tempfile::Builder::new().prefix("hubless-testing-").permissions(private).tempdir();
        made.map(Self).map_err(|error| {
            let message = format!(
                "cannot make a temporary home in {}: {error}; set TMPDIR to a folder that can be \
                 written",
                std::env::temp_dir().display()
            );
            Error::new(Kind::Configuration, message).with_code("not_writable")
        })
    }

    /// The folder.
    pub fn home(&self) -> &Path {
        self.0.path()
    }

    /// Options of a node of this mesh: it reads no `HUBLESS_*` of its surroundings, binds loopback
    /// only, and meets nobody but the other nodes of this home.
    pub fn options(&self) -> NodeOptions {
        NodeOptions {
            home: Some(self.home().to_owned()),
            mesh: Some("own".to_owned()),
            listen: Some(Listen::Loopback),
            hermetic: true,
            ..NodeOptions::default()
        }
    }
}
