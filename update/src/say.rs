//! Lines to standard output and standard error.
//!
//! Whoever reads them may have gone: a lost SSH session must not end an update without a line in
//! the history, and `println!` panics where nobody reads.

/// As `println!`; where nobody reads any more, nothing is said.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

/// As `eprintln!`; where nobody reads any more, nothing is said.
#[macro_export]
macro_rules! warn {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($words)*);
    }};
}
