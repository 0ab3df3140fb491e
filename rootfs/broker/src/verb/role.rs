//! The three roles, in their order.

use serde::{Deserialize, Serialize};

/// What somebody may do; each one includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Runs the recorder day by day.
    Operator,
    /// Does everything.
    Administrator,
}

impl Role {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }
}

impl From<vigie_settings::Role> for Role {
    fn from(role: vigie_settings::Role) -> Self {
        match role {
            vigie_settings::Role::Viewer => Self::Viewer,
            vigie_settings::Role::Operator => Self::Operator,
            vigie_settings::Role::Administrator => Self::Administrator,
        }
    }
}

impl From<Role> for vigie_settings::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Operator => Self::Operator,
            Role::Administrator => Self::Administrator,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_includes_those_below() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Administrator);
    }
}
