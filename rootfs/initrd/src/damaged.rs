//! A slot whose system image is proved to be damaged is left, where the other one was good.
//!
//! GRUB starts a good slot for ever: it cannot know that each start ends here. So this writes the
//! boot state, one sector, on the ESP of the disk that GRUB started from, and on no other: the
//! other disks of a RAID may hold a whole copy, and each tells of its own.
//!
//! In recovery (`vigie.recovery`) it is the same, although a start of it is no attempt at a version:
//! damage is a fact about the slot, however it was met, and a start of the version would say as
//! much. No try is taken, the restart leads into the usual menu, and that starts the other slot,
//! which was good; its recovery entry does so, too. Where the other was never good nothing is
//! written, and what is left is the medium.

use std::path::Path;

use vigie_boot_state::{Slot, esp};
use vigie_disk::sysfs::Sysfs;
use vigie_initrd::cmdline::{Boot, Request};
use vigie_initrd::trouble::Trouble;

use crate::consoles::tell;
use crate::devices::BlockDevice;
use crate::root::Root;

/// Leaves the slot where that is called for, and says what comes next. Nothing here ends the boot:
/// that has ended already.
pub fn leave(request: &Request, root: &Root, trouble: &Trouble) {
    let (Boot::Installed { slot, .. }, Root::Installed { disk, .. }) = (&request.boot, root) else {
        return;
    };
    if !trouble.damaged {
        return;
    }
    match leave_on(disk, *slot) {
        Ok(true) => say_left(*slot),
        Ok(false) => say_alone(*slot),
        Err(error) => say_stuck(*slot, &error),
    }
}

fn leave_on(disk: &BlockDevice, slot: Slot) -> Result<bool, esp::EspError> {
    let disk = disk.node();
    let mut esp = esp::open_on(Path::new(&disk), &Sysfs::default(), true)?;
    esp::leave(&mut esp, slot)
}

fn say_left(slot: Slot) {
    let other = slot.other();
    tell(
        &format!(
            "THE SYSTEM IN SLOT {slot} IS DAMAGED and is not started again; slot {other}, which \
             was good, is next. Install the version of slot {slot} again"
        ),
        &format!(
            "LE SYSTÈME {slot} EST ENDOMMAGÉ et ne sera plus démarré ; le système {other}, qui \
             était bon, est le suivant. Réinstallez la version du système {slot}"
        ),
    );
}

fn say_alone(slot: Slot) {
    let other = slot.other();
    tell(
        &format!(
            "THE SYSTEM IN SLOT {slot} IS DAMAGED, and slot {other} holds none that was ever good; \
             start from the installation medium and choose repair"
        ),
        &format!(
            "LE SYSTÈME {slot} EST ENDOMMAGÉ, et le système {other} n'a jamais été bon ; démarrez \
             sur le support d'installation et choisissez la réparation"
        ),
    );
}

fn say_stuck(slot: Slot, error: &esp::EspError) {
    let other = slot.other();
    tell(
        &format!(
            "THE SYSTEM IN SLOT {slot} IS DAMAGED, and the boot state cannot be changed ({error}); \
             choose slot {other} in the menu"
        ),
        &format!(
            "LE SYSTÈME {slot} EST ENDOMMAGÉ, et l'état de démarrage ne peut être changé \
             ({error}) ; choisissez le système {other} dans le menu"
        ),
    );
}
