//! Lowest versions below which a dependency has a known fault.

/// Crate and lowest version; the advisories are in RustSec's database.
pub const FLOORS: &[(&str, &str)] = &[
    ("quinn-proto", "0.11.15"),
    ("noq-proto", "1.4.0"),
    ("rustls", "0.23.18"),
    ("rustls-webpki", "0.103.13"),
    ("h2", "0.4.16"),
    ("pyo3", "0.29.0"),
    ("tokio", "1.44.2"),
    ("ring", "0.17.12"),
    ("curve25519-dalek", "4.1.3"),
    ("snow", "0.9.5"),
    ("hickory-proto", "0.26.1"),
];

/// Crates that are not maintained and must not carry our bytes.
pub const BANNED: &[&str] = &["bincode", "serde_cbor"];

/// Locked crates that are below their floor or banned.
#[must_use]
pub fn below(lock: &str) -> Vec<String> {
    let table: toml::Table = match lock.parse() {
        Ok(table) => table,
        Err(error) => return vec![format!("Cargo.lock: {error}")],
    };
    let packages = table.get("package").and_then(|packages| packages.as_array());
    let mut places = Vec::new();
    for package in packages.into_iter().flatten() {
        let text = |key: &str| package.get(key).and_then(|v| v.as_str()).unwrap_or_default();
        let (name, version) = (text("name"), text("version"));
        if BANNED.contains(&name) {
            places.push(format!("{name} {version} is banned"));
        }
        let floor = FLOORS.iter().find(|(known, _)| *known == name);
        if let Some((_, floor)) = floor.filter(|(_, floor)| numbers(version) < numbers(floor)) {
            places.push(format!("{name} {version} is below {floor}"));
        }
    }
    places
}

fn numbers(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    release.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_versions_below_their_floor_and_banned_crates() {
        let lock = "[[package]]\nname = \"tokio\"\nversion = \"1.9.0\"\n\
                    [[package]]\nname = \"ring\"\nversion = \"0.17.14\"\n\
                    [[package]]\nname = \"bincode\"\nversion = \"2.0.0\"\n";
        assert_eq!(below(lock).len(), 2);
    }
}
