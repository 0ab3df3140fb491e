//! What must not be interrupted by a restart: the locks of logind. Pure.
//!
//! systemctl asks for them, too, and logind refuses root's requests as everybody's (systemctl(1) of
//! systemd 257, `--check-inhibitors=auto`), so what begins in between is safe. They are asked for
//! here because systemctl speaks English, and its advice is how to get around them.

use serde::Deserialize;

/// Asks logind; the answer is for [`blocks`].
pub const ASK: [&str; 7] = [
    "/usr/bin/busctl",
    "--json=short",
    "call",
    "org.freedesktop.login1",
    "/org/freedesktop/login1",
    "org.freedesktop.login1.Manager",
    "ListInhibitors",
];

/// Who holds the machine, and why, in their own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub who: String,
    pub why: String,
}

/// org.freedesktop.login1(5): what, who, why, mode, user, process.
type Lock = (String, String, String, String, u32, u32);

#[derive(Deserialize)]
struct Answer {
    data: [Vec<Lock>; 1],
}

/// The locks in logind's answer that hold a restart back for as long as they last. An answer that
/// is none has none: without logind nobody holds anything.
pub fn blocks(answer: &str) -> Vec<Held> {
    let Ok(Answer { data: [locks] }) = serde_json::from_str(answer) else {
        return Vec::new();
    };
    let blocks = |(what, _, _, mode, _, _): &Lock| {
        mode == "block" && what.split(':').any(|what| what == "shutdown")
    };
    let held = |(_, who, why, _, _, _): Lock| Held { who, why };
    locks.into_iter().filter(blocks).map(held).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_blocks_a_restart_counts() {
        let locks = |locks: &str| format!(r#"{{"type":"a(ssssuu)","data":[[{locks}]]}}"#);
        let repair = r#"["shutdown:sleep:handle-power-key","vigie-recovery","repairs data-1","block",0,812]"#;
        for (answer, expected) in [
            (locks(""), 0),
            (locks(repair), 1),
            (locks(&format!("{repair},{repair}")), 2),
            // A delay ends by itself, a weak one is not for root, and sleep is another thing.
            (locks(&repair.replace("block", "delay")), 0),
            (locks(&repair.replace("block", "block-weak")), 0),
            (locks(&repair.replace("shutdown:", "")), 0),
            (locks(&repair.replace("shutdown:", "shutdown-x:")), 0),
            ("Call failed: no such service".to_owned(), 0),
            (String::new(), 0),
        ] {
            assert_eq!(blocks(&answer).len(), expected, "{answer}");
        }
        let held = Held {
            who: "vigie-recovery".into(),
            why: "repairs data-1".into(),
        };
        assert_eq!(blocks(&locks(repair)), [held]);
    }
}
