//! The appliance's settings: one typed, versioned document, and how it becomes `/etc`.
//!
//! The road of a document, one module a step:
//! [`read`] (text → typed document, errors with line and field) → [`check`] (rules over several
//! fields) → [`store`] (atomic generations on the state volume) → [`render`] (document → files,
//! pure) → [`apply`] (files → `/etc`, writing only what differs).
//!
//! Beside it: [`live`] (what a change makes of the running system), [`here`] (what only the machine
//! knows), [`key`], [`edit`] and [`difference`] (single fields), [`ways`] (who gets in), [`backup`],
//! [`schema`]; [`noted`] and [`rows`] (what root did, for the audit trail).
//!
//! What is wrong with a document is said in both languages: [`words`].
//!
//! Invariants:
//! 1. A value that exists is well-formed: each of [`values`] can only be made by parsing.
//! 2. What is stored has passed [`check`].
//! 3. [`render`] reads nothing but its arguments.

mod account;
pub mod apply;
pub mod backup;
mod changing;
pub mod check;
pub mod difference;
pub mod document;
pub mod edit;
mod files;
pub mod forms;
pub mod here;
pub mod key;
pub mod live;
pub mod noted;
mod origin;
mod pruned;
pub mod read;
pub mod render;
pub mod rows;
pub mod schema;
mod stamp;
pub mod store;
mod told;
pub mod values;
pub mod ways;
pub mod words;

pub use account::{Account, SHORTEST_PASSWORD};
pub use changing::{ChangeError, Changing, Taken};
pub use check::{Problem, Problems};
pub use document::{
    Access, Addressing, Automatic, Hawkbit, Interface, Network, Registration, Role, Settings,
    System, Time, TokenKind, Update, User, Volume, Web,
};
pub use files::Files;
pub use read::{ReadError, line_at, parse_tree, read_all, read_toml, read_tree};
pub use stamp::{Stamp, seconds_now, utc};
pub use store::{DocumentError, Loaded, Origin, SaveError, Store, Unused};
pub use values::{
    Certificates, Cidr, Email, FsUuid, Host, HostName, HttpsUrl, IdleMinutes, InterfaceName,
    Invalid, Keymap, Language, Line, MacAddress, MountPoint, PasswordHash, PathName, SshKey,
    TimeZone, Token, UserName, VolumeName, WebHash, Window,
};
pub use words::{Catalog, Said, said};
