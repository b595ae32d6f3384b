//! Meshes that live for one test.
//!
//! Owns: their handles. Must not know: what a node of one does. Tested by
//! `include/tests/testing.c`.

use crate::ask::ask;
use crate::entry::{entry, give_handle, look};
use crate::fault::{Result, hubless_error};
use crate::handles::{Handle, Table};
use crate::types::{hubless_status, hubless_str, hubless_testing_mesh};
use serde::Deserialize;
use serde_json::json;

static MESHES: Table<Mesh> = Table::new("testing");

/// A mesh as the library below knows it.
#[derive(Deserialize)]
struct Mesh {
    mesh: u64,
    home: String,
}

/// Makes the temporary home of a mesh of its own, for `testing` of `hubless_node_options`: its
/// nodes read no `HUBLESS_*` variable, bind loopback only and meet nobody else.
/// `HUBLESS_CONFIGURATION`, code `not_writable`, where no folder can be made.
///
/// # Safety
/// `mesh` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_testing_mesh_new(
    mesh: *mut *mut hubless_testing_mesh,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give_handle("mesh", mesh, || {
                let made: Mesh = ask("testing.mesh", &json!({}))?.read()?;
                Ok(Handle::of(MESHES.insert(made).0))
            })
        })
    }
}

/// Folder of the nodes of a mesh, where a test may put files; lives until it is freed. No text for
/// a freed one.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_testing_mesh_home(mesh: *const hubless_testing_mesh) -> hubless_str {
    // The table keeps the text alive after this returns.
    look(hubless_str::NONE, || {
        MESHES.get(mesh).map_or(hubless_str::NONE, |mesh| hubless_str::of(&mesh.home))
    })
}

/// Removes the home of a mesh with all that is in it; close its nodes first.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_testing_mesh_free(mesh: *mut hubless_testing_mesh) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe {
        entry(std::ptr::null_mut(), || {
            let mesh = MESHES.remove(mesh)?;
            ask("testing.drop", &json!({ "mesh": mesh.mesh })).map(drop)
        })
    }
}

/// The number of a mesh in the library below; none for NULL.
pub(crate) fn number(mesh: *const hubless_testing_mesh) -> Result<Option<u64>> {
    if mesh.is_null() { Ok(None) } else { MESHES.get(mesh).map(|mesh| Some(mesh.mesh)) }
}
