//! What machine this is: what its maker wrote into it, its Ethernet ports, and a signature that
//! stays the same for as long as the machine has its mainboard.
//!
//! Everything is read from a tree like /sys ([`Source`]), so a test can hold a machine in a folder.

mod dmi;
mod netlink;
mod ports;
mod signature;
mod source;

use serde::Serialize;

pub use dmi::{Dmi, is_placeholder};
pub use ports::Port;
pub use signature::Signature;
pub use source::Source;

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// What its maker wrote into it.
    #[serde(flatten)]
    pub dmi: Dmi,
    /// Its id; none where too little tells it from others, or where it may not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Its wired Ethernet ports, by name.
    pub ports: Vec<Port>,
}

impl Machine {
    /// The running machine.
    #[must_use]
    pub fn this() -> Self {
        Self::read(&Source::this())
    }

    /// The machine that a source tells of.
    #[must_use]
    pub fn read(source: &Source) -> Self {
        let dmi = Dmi::read(source);
        let ports = ports::read(source);
        Self {
            signature: Signature::of(&dmi, &ports),
            dmi,
            ports,
        }
    }
}
