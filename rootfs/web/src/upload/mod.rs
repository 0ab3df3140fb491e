//! Packages that come by the web: a raw body, or a form's file, streamed to the state volume.
//!
//! - [`store`]: the files, their names, their space;
//! - [`receive`]: bytes into a file, with bounds in time, and the package judged as early as can be;
//! - [`alive`]: the session goes on for as long as a package comes;
//! - [`form`]: a form's file, of which nobody says the length before;
//! - [`pace`]: how slowly bytes may come;
//! - [`range`]: which part of an upload a request brings.
//!
//! Invariants:
//! 1. A file gets the name under which the updater finds it only when every byte of it was checked
//!    by the updater. Until then it ends in `.part`.
//! 2. Names are made here; nothing that a client sends becomes part of a path.
//! 3. Nothing of a package is understood here: the updater says what it is.

pub mod alive;
pub mod form;
pub mod pace;
pub mod range;
pub mod receive;
pub mod store;
