//! The entries of the menu, and why one cannot be chosen. Pure.

use vigie_update::Version;

use crate::guard::guard;
use crate::message::Message;
use crate::refusal::Refusal;
use crate::volumes::Installation;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// All volumes: the system's first, then the recordings.
    CheckAll,
    /// One of them.
    CheckOne,
    /// Root's password.
    RootPassword,
    /// That of the service account.
    ServicePassword,
    /// The other slot.
    Rollback,
    /// From this medium or a stick.
    Update,
    /// The installer, which keeps what it is told to.
    Reinstall,
    /// The settings of a new appliance, or all.
    Reset,
    /// Settings, logs, recordings.
    Export,
    /// What is on the disks, and how they are.
    Details,
    /// An expert is let in.
    Rescue,
    /// Another installation on this machine.
    Other,
    /// An expert works on it although it is of another major version.
    Expert,
    /// Restart.
    Restart,
    /// Switch off.
    PowerOff,
}

/// What the entries depend on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The installation that is worked on.
    pub installation: Option<&'a Installation>,
    /// How many there are.
    pub installations: usize,
    /// Whether there are volumes that no installation knows, such as recordings whose system disk is dead.
    pub others: bool,
    /// The version of this system.
    pub version: Version,
    /// Whether there is a medium with something to install.
    pub medium: bool,
    /// Whether an expert works on another major version.
    pub expert: bool,
}

impl Entry {
    const ALL: [Self; 15] = [
        Self::CheckAll,
        Self::CheckOne,
        Self::RootPassword,
        Self::ServicePassword,
        Self::Rollback,
        Self::Update,
        Self::Reinstall,
        Self::Reset,
        Self::Export,
        Self::Details,
        Self::Rescue,
        Self::Other,
        Self::Expert,
        Self::Restart,
        Self::PowerOff,
    ];

    /// Those that are offered, in their order.
    pub fn offered(facts: &Facts) -> Vec<Self> {
        let is = |entry: &Self| match entry {
            Self::Other => facts.installations > 1,
            Self::Expert => other_major(facts, false).is_some(),
            _ => true,
        };
        Self::ALL.into_iter().filter(is).collect()
    }

    /// Why it cannot be chosen.
    #[must_use]
    pub fn refused(self, facts: &Facts) -> Option<Message> {
        let none = || Message::new("screen.no-installation");
        match self {
            Self::Details | Self::Rescue | Self::Other | Self::Restart | Self::PowerOff => None,
            Self::Reinstall if !facts.medium => Some(Message::new("screen.no-medium")),
            // It repairs machines without any system, too.
            Self::Reinstall => None,
            Self::CheckAll if facts.others => None,
            _ if facts.installation.is_none() => Some(none()),
            Self::Rollback if previous(facts).is_none() => Some(Message::new("screen.no-previous")),
            // Looking only and taking out are for any version.
            Self::CheckAll | Self::CheckOne | Self::Export | Self::Expert => None,
            // It has rules of its own.
            Self::Update => None,
            _ => other_major(facts, facts.expert),
        }
    }

    /// In words.
    #[must_use]
    pub fn label(self, facts: &Facts) -> Message {
        match self {
            Self::CheckAll if facts.installation.is_none() && facts.others => {
                Message::new("menu.check-others")
            }
            Self::CheckAll => Message::new("menu.check-all"),
            Self::CheckOne => Message::new("menu.check-one"),
            Self::RootPassword => Message::new("menu.root-password"),
            Self::ServicePassword => Message::new("menu.service-password"),
            Self::Rollback => match previous(facts) {
                Some(version) => Message::new("menu.rollback").with("version", version),
                None => Message::new("menu.rollback-none"),
            },
            Self::Update => Message::new("menu.update"),
            Self::Reinstall => Message::new("menu.reinstall"),
            Self::Reset => Message::new("menu.reset"),
            Self::Export => Message::new("menu.export"),
            Self::Details => Message::new("menu.details"),
            Self::Rescue => Message::new("menu.rescue"),
            Self::Other => Message::new("menu.other"),
            Self::Expert if facts.expert => Message::new("menu.expert-no-more"),
            Self::Expert => Message::new("menu.expert"),
            Self::Restart => Message::new("menu.restart"),
            Self::PowerOff => Message::new("menu.power-off"),
        }
    }
}

/// The version in the slot that is not tried first.
fn previous(facts: &Facts) -> Option<Version> {
    let installation = facts.installation?;
    let other = installation.boot?.first.other();
    installation.facts.slots.get(&other)?.version
}

/// The refusal of an installation of another major version.
pub fn other_major(facts: &Facts, expert: bool) -> Option<Message> {
    let installation = facts.installation?;
    match guard(facts.version, installation.version(), expert) {
        Err(Refusal::OtherMajor {
            medium,
            installation,
        }) => {
            let text = Message::new("screen.other-major");
            Some(
                text.with("medium", medium)
                    .with("installation", installation),
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use vigie_update::{Slot, SlotState};

    use super::*;
    use crate::volumes::{Boot, SlotSays};

    fn installation(a: &str, b: Option<&str>) -> Installation {
        let mut one = Installation::default();
        let state = SlotState {
            good: true,
            tries: 3,
        };
        one.boot = Some(Boot {
            first: Slot::A,
            a: state,
            b: state,
        });
        for (slot, version) in [(Slot::A, Some(a)), (Slot::B, b)] {
            let version = version.map(|version| version.parse().unwrap());
            let says = SlotSays {
                version,
                wholeness: None,
            };
            one.facts.slots.insert(slot, says);
        }
        one
    }

    fn facts(installation: Option<&Installation>) -> Facts<'_> {
        Facts {
            installation,
            installations: usize::from(installation.is_some()),
            others: false,
            version: "5.1.0.0".parse().unwrap(),
            medium: true,
            expert: false,
        }
    }

    fn refused(facts: &Facts) -> Vec<Entry> {
        let offered = Entry::offered(facts).into_iter();
        offered.filter(|one| one.refused(facts).is_some()).collect()
    }

    #[test]
    fn a_clean_power_off_is_the_last_entry() {
        for one in [None, Some(&installation("5.1.0.0", None))] {
            assert_eq!(Entry::offered(&facts(one)).last(), Some(&Entry::PowerOff));
        }
    }

    #[test]
    fn what_cannot_be_done_is_shown_and_refused() {
        let one = installation("5.1.0.0", Some("5.0.0.0"));
        assert_eq!(refused(&facts(Some(&one))), []);
        let fresh = installation("5.1.0.0", None);
        assert_eq!(refused(&facts(Some(&fresh))), [Entry::Rollback]);
        let from_disk = Facts {
            medium: false,
            ..facts(Some(&one))
        };
        assert_eq!(refused(&from_disk), [Entry::Reinstall]);
        let empty = refused(&facts(None));
        for entry in [Entry::CheckAll, Entry::RootPassword, Entry::Export] {
            assert!(empty.contains(&entry), "{entry:?}");
        }
        for entry in [Entry::Reinstall, Entry::Details, Entry::Rescue] {
            assert!(!empty.contains(&entry), "{entry:?}");
        }
        // Recordings can be checked although their system disk is dead.
        let orphans = Facts {
            others: true,
            ..facts(None)
        };
        let refused = refused(&orphans);
        assert!(!refused.contains(&Entry::CheckAll) && refused.contains(&Entry::CheckOne));
        let label = |facts: &Facts| Entry::CheckAll.label(facts);
        assert_ne!(label(&orphans), label(&facts(None)));
    }

    #[test]
    fn another_major_version_is_for_experts() {
        let old = installation("4.9.0.0", Some("4.8.0.0"));
        let mut facts = facts(Some(&old));
        assert!(Entry::offered(&facts).contains(&Entry::Expert));
        assert_eq!(
            refused(&facts),
            [
                Entry::RootPassword,
                Entry::ServicePassword,
                Entry::Rollback,
                Entry::Reset
            ]
        );
        facts.expert = true;
        assert_eq!(refused(&facts), []);
        assert!(Entry::offered(&facts).contains(&Entry::Expert), "to end it");
    }
}
