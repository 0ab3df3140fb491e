//! The scripts of the pages; the security policy admits them by their digests, and nothing else.

/// Sends a package, and follows an installation.
pub const UPDATE: &str = include_str!("update.js");
/// Waits for the restarted appliance.
pub const RESTARTING: &str = include_str!("restarting.js");
/// Says how strong a new password is.
pub const STRENGTH: &str = include_str!("strength.js");
/// Has the settings judged while somebody types.
pub const SETTINGS: &str = include_str!("settings.js");
/// Counts down a trial.
pub const TRIAL: &str = include_str!("trial.js");
/// Follows the log.
pub const LOGS: &str = include_str!("logs.js");

/// Renews the status.
pub const STATUS: &str = include_str!("status.js");

/// All of them.
pub const ALL: [&str; 7] = [UPDATE, RESTARTING, STRENGTH, SETTINGS, TRIAL, LOGS, STATUS];
