use serde::{Deserialize, Serialize};
use vigie_update::Version;
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub product: String,
    pub version: String,
    pub arch: String,
    pub build_time: u64,
    pub root_hash: String,
    pub hash_offset: u64,
    pub members: Vec<Member>,
}
#[derive(Debug, Serialize, Deserialize)]
pub struct Member {
    pub role: Role,
    pub path: String,
    pub size: u64,
    pub sha256: String,
}
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    Boot,
    BiosBoot,
    BiosCore,
    Shim,
    Grub,
    Mok,
    GrubCfg,
}
impl Role {
    pub const ALL: [Role; 8] = [
        Role::System,
        Role::Boot,
        Role::BiosBoot,
        Role::BiosCore,
        Role::Shim,
        Role::Grub,
        Role::Mok,
        Role::GrubCfg,
    ];
    pub fn path(self) -> &'static str {
        match self {
            Role::System => "system.img",
            Role::Boot => "boot.img",
            Role::BiosBoot => "bios-boot.img",
            Role::BiosCore => "bios-core.img",
            Role::Shim => "shimx64.efi",
            Role::Grub => "grubx64.efi",
            Role::Mok => "mmx64.efi",
            Role::GrubCfg => "grub.cfg",
        }
    }
}
