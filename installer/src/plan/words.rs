//! A plan in words: what will be on which disk, and what will be lost.

use vigie_settings::Language;

use super::{Plan, Planned, Role};
use crate::inventory::Disk;
use crate::layout::{NoLayout, Origin, Part};
use crate::messages::Text;

impl Plan {
    /// The plan in words, and what will be lost.
    pub fn lines(&self, language: Language) -> Vec<String> {
        let title = Text::new("plan.title").with("version", &self.version);
        let mut lines = vec![title.to(language)];
        lines.extend(self.groups.iter().flat_map(|group| group.lines(language)));
        lines
    }
}

impl Planned {
    /// One group in words.
    fn lines(&self, language: Language) -> Vec<String> {
        let title = match self.role {
            Role::System => Text::new("plan.system"),
            Role::Data => Text::new("plan.recordings"),
        };
        let mut title = title.to(language);
        if let Some(level) = self.raid {
            let text = Text::new("plan.raid").with("level", level.to_string().to_uppercase());
            title += &text.with("count", self.disks.len()).to(language);
        }
        let mut lines = vec![title];
        for disk in &self.disks {
            lines.push(format!("  {}", disk.title()));
            lines.push(format!("    {}", self.fate(disk).to(language)));
        }
        let parts = self.partitions.parts().iter().zip(1..);
        lines.extend(parts.map(|(part, number)| self.line(number, part, language)));
        lines
    }

    /// What becomes of what is on a disk.
    fn fate(&self, disk: &Disk) -> Text {
        if self.is_untouched() {
            return Text::new("plan.untouched");
        }
        if disk.contents.is_empty() {
            return Text::new("plan.empty");
        }
        if self.keep.is_nothing() {
            return Text::new("plan.erases").with_text("contents", disk.contents_in_short());
        }
        let kept: Vec<String> = self
            .partitions
            .kept()
            .map(|part| part.purpose.name())
            .collect();
        Text::new("plan.keeps").with("kept", kept.join(", "))
    }

    fn line(&self, number: u32, part: &Part, language: Language) -> String {
        let name = part.purpose.name();
        let size = self.capacity(part).to_string();
        let note = match part.origin {
            Origin::New => return format!("  {number:>3}  {name:<12} {size:>10}"),
            Origin::Kept => Text::new("plan.kept"),
            Origin::Grown => Text::new("plan.grown"),
        };
        format!(
            "  {number:>3}  {name:<12} {size:>10}  {}",
            note.to(language)
        )
    }
}

/// Why there is no layout.
pub fn no_layout(why: &NoLayout) -> Text {
    match why {
        NoLayout::TooSmall(smallest) => Text::new("disk.too-small").with("smallest", smallest),
        NoLayout::SlotTooSmall(name, size, need) => Text::new("refusal.slot")
            .with("name", name)
            .with("size", size)
            .with("need", need),
        NoLayout::TooManyVolumes(count) => Text::new("refusal.volumes").with("count", count),
        NoLayout::NoRoomForData(size) => Text::new("refusal.no-room-for-data").with("size", size),
        NoLayout::NothingToKeep(name) => Text::new("refusal.nothing-to-keep").with("name", name),
        NoLayout::Foreign(name) => Text::new("refusal.foreign-partition").with("name", name),
        NoLayout::Misplaced(name) => Text::new("refusal.misplaced").with("name", name),
        NoLayout::NoRoomForSystem(size, need) => Text::new("refusal.no-room-for-system")
            .with("size", size)
            .with("need", need),
        NoLayout::ArrayCannotGrow => Text::new("refusal.array-cannot-grow"),
    }
}
