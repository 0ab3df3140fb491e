//! Whether the system that is handed over to runs with the appliance's own settings.
//!
//! A version on trial that does not is not healthy: it may have the wrong address, and nobody could
//! reach it to go back.

/// Is there where the settings are not in use: the health check fails. `vigie-settings` leaves it
/// as well, and takes it away where it finds nothing wrong: so this is written after it ran.
pub const UNUSED: &str = "/run/vigie/settings-not-used";

/// What is mounted on /var.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volume {
    /// The state volume.
    State,
    /// Memory, because the state volume cannot be had.
    Lost,
    /// Memory, as always in a live system and in recovery.
    Live,
}

/// Why the settings are not in use, as far as the initrd knows; `applied` is what came of
/// `vigie-settings`.
pub fn unused(volume: Volume, applied: Result<(), &str>) -> Option<String> {
    match (volume, applied) {
        (Volume::Live, _) | (Volume::State, Ok(())) => None,
        (Volume::Lost, _) => {
            Some("the state volume cannot be used, so the defaults are".to_owned())
        }
        (Volume::State, Err(why)) => Some(format!("the settings could not be applied: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_without_its_settings_is_not_healthy() {
        for (volume, applied, reason) in [
            (Volume::State, Ok(()), None),
            (Volume::State, Err("it took too long"), Some("too long")),
            (Volume::Lost, Ok(()), Some("state volume")),
            (Volume::Lost, Err("it took too long"), Some("state volume")),
            (Volume::Live, Ok(()), None),
            (Volume::Live, Err("it took too long"), None),
        ] {
            let found = unused(volume, applied);
            assert_eq!(found.is_some(), reason.is_some(), "{volume:?} {applied:?}");
            let text = found.unwrap_or_default();
            assert!(text.contains(reason.unwrap_or_default()), "{text}");
        }
    }

    #[test]
    fn the_health_check_looks_at_the_flag() {
        let unit = include_str!("../../overlay/usr/lib/systemd/system/vigie-health.service");
        assert!(unit.contains(&format!("test ! -e {UNUSED}\n")));
    }
}
