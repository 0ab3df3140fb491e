//! The order of the steps, and which of them apply. Pure.

use super::draft::{Draft, Place, Task};
use crate::answers::Keep;

/// One question; Esc leads to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// English or French.
    Language,
    /// The keymap.
    Keyboard,
    /// A line to try the keys.
    TryKeyboard,
    /// A new installation, or one that keeps something.
    Task,
    /// Which disk carries the system, or that several do.
    SystemDisk,
    /// Which disks, if several.
    Members,
    /// What joins them.
    Level,
    /// Whether the last data volume grows into an enlarged disk.
    Grow,
    /// Whether recordings on other disks are kept.
    KeepDisks,
    /// Further disks for recordings.
    DataDisks,
    /// What joins these.
    DataLevel,
    /// The appliance's name.
    HostName,
    /// The port of the network.
    Port,
    /// DHCP or a fixed address.
    Addressing,
    /// The address.
    Address,
    /// The way out of the network.
    Gateway,
    /// Who knows names.
    NameServers,
    /// The port of the cameras' network, if it is a separate one.
    Cameras,
    /// The address there.
    CameraAddress,
    /// The time zone, or its region.
    Zone,
    /// The city in the region.
    City,
    /// A part of the zone's name.
    ZoneSearch,
    /// Which of those that have it in their name.
    ZoneFound,
    /// Root's password.
    Password,
    /// Whether a weak one is meant.
    WeakPassword,
    /// The password once more.
    PasswordAgain,
    /// The plan, and the serial numbers.
    Confirm,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 27] = [
        Self::Language,
        Self::Keyboard,
        Self::TryKeyboard,
        Self::Task,
        Self::SystemDisk,
        Self::Members,
        Self::Level,
        Self::Grow,
        Self::KeepDisks,
        Self::DataDisks,
        Self::DataLevel,
        Self::HostName,
        Self::Port,
        Self::Addressing,
        Self::Address,
        Self::Gateway,
        Self::NameServers,
        Self::Cameras,
        Self::CameraAddress,
        Self::Zone,
        Self::City,
        Self::ZoneSearch,
        Self::ZoneFound,
        Self::Password,
        Self::WeakPassword,
        Self::PasswordAgain,
        Self::Confirm,
    ];
}

/// What the machine says about which steps apply.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// The person is at a text console, whose keymap can be set.
    pub text_console: bool,
    /// How many Ethernet ports there are.
    pub ports: usize,
    /// How many installations of ours are on the disks.
    pub installations: usize,
    /// A kept data volume has room to grow.
    pub can_grow: bool,
    /// How many sets of other disks have recordings of ours on them.
    pub recordings: usize,
    /// How many disks are left for recordings.
    pub free_disks: usize,
    /// The password that was given is weak.
    pub weak_password: bool,
}

/// The step after this one; none after the last.
pub fn next(step: Step, draft: &Draft, facts: &Facts) -> Option<Step> {
    let later = Step::ALL.into_iter().filter(|other| *other > step);
    later.into_iter().find(|step| applies(*step, draft, facts))
}

fn applies(step: Step, draft: &Draft, facts: &Facts) -> bool {
    let new = draft.task == Task::New;
    let keeps_settings = matches!(
        draft.task,
        Task::Reinstall {
            keep: Keep::DataAndState,
            ..
        }
    );
    match step {
        Step::Language | Step::Keyboard | Step::Confirm => true,
        Step::TryKeyboard => facts.text_console,
        Step::Task => facts.installations > 0,
        Step::SystemDisk => new,
        Step::Members | Step::Level => new && draft.several,
        Step::Grow => !new && facts.can_grow,
        Step::KeepDisks => facts.recordings > 0,
        // The kept settings name the volumes.
        Step::DataDisks => !keeps_settings && facts.free_disks > 0,
        Step::DataLevel => !keeps_settings && draft.data.len() > 1,
        _ if keeps_settings => false,
        Step::HostName | Step::Zone | Step::Password | Step::PasswordAgain => true,
        Step::Port => facts.ports > 0,
        Step::Addressing => draft.port.is_some(),
        Step::Address | Step::Gateway | Step::NameServers => draft.port.is_some() && draft.is_fixed,
        Step::Cameras => facts.ports > 1,
        Step::CameraAddress => facts.ports > 1 && draft.camera_port.is_some(),
        Step::City => matches!(draft.place, Place::Region(_)),
        Step::ZoneSearch | Step::ZoneFound => draft.place == Place::Search,
        Step::WeakPassword => facts.weak_password,
    }
}

#[cfg(test)]
mod tests {
    use vigie_settings::Language;

    use super::*;

    fn steps(draft: &Draft, facts: &Facts) -> Vec<Step> {
        let mut steps = vec![Step::Language];
        while let Some(step) = next(steps[steps.len() - 1], draft, facts) {
            steps.push(step);
        }
        steps
    }

    #[test]
    fn all_steps_are_in_their_order() {
        assert!(Step::ALL.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn the_shortest_way() {
        let draft = Draft::new(Language::En);
        assert_eq!(
            steps(&draft, &Facts::default()),
            [
                Step::Language,
                Step::Keyboard,
                Step::SystemDisk,
                Step::HostName,
                Step::Zone,
                Step::Password,
                Step::PasswordAgain,
                Step::Confirm
            ]
        );
    }

    #[test]
    fn kept_settings_are_not_asked() {
        let draft = Draft {
            task: Task::Reinstall {
                which: 0,
                keep: Keep::DataAndState,
            },
            ..Draft::new(Language::En)
        };
        let facts = Facts {
            installations: 1,
            ports: 2,
            free_disks: 3,
            recordings: 1,
            can_grow: true,
            ..Facts::default()
        };
        assert_eq!(
            steps(&draft, &facts),
            [
                Step::Language,
                Step::Keyboard,
                Step::Task,
                Step::Grow,
                Step::KeepDisks,
                Step::Confirm
            ]
        );
    }

    #[test]
    fn the_longest_way_has_every_step_but_those_of_the_other_task() {
        let mut draft = Draft::new(Language::En);
        draft.several = true;
        draft.is_fixed = true;
        draft.port = Some(0);
        draft.camera_port = Some(1);
        draft.data = vec!["/dev/sdb".to_owned(), "/dev/sdc".to_owned()];
        draft.place = Place::Search;
        let facts = Facts {
            text_console: true,
            ports: 2,
            installations: 1,
            can_grow: true,
            recordings: 1,
            free_disks: 2,
            weak_password: true,
        };
        let missing = [Step::Grow, Step::City];
        let expected: Vec<Step> = Step::ALL
            .into_iter()
            .filter(|step| !missing.contains(step))
            .collect();
        assert_eq!(steps(&draft, &facts), expected);
    }
}
