//! From trees to what boots: the system image, the boot image, the payload, the medium.

pub mod boot;
pub mod initrd;
pub mod loader;
pub mod medium;
pub mod system;
