//! A package that holds only changes, on an appliance that UEFI starts with Secure Boot on: it is put
//! together out of the slot that runs, and makes the other slot what the full package makes of it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use vigie_update::package::Header;
use vigie_update::package::header::ImageDigest;

use super::bad_packages::header_of;
use super::disk::check_lockdown;
use super::update::{Appliance, NEXT, Package, image_package};
use super::{scenario, variant};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::Firmware;

/// The first disk's volumes, by their place in the partition table.
const BOOT_A: &str = "/dev/vda3";
const BOOT_B: &str = "/dev/vda4";
const SYSTEM_B: &str = "/dev/vda6";
/// Boot state and boot image of the other slot, and the beginning of its system.
const DIGESTS: &str = "sha256sum /dev/vda2 /dev/vda4; head -c 64M /dev/vda6 | sha256sum";
/// The sector of the boot image that is changed, as it was.
const KEPT: &str = "/run/kept-sector";
/// Of a full package, a package of changes of the version alone is less than this part.
const PART: u64 = 4;

pub(super) fn step() -> Step {
    scenario(
        "update-delta",
        "with Secure Boot on, a package of changes makes the other slot what the full one would, and starts from it; on another base it is refused and nothing is changed",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let full = Package::build(ctx, NEXT, |_| Ok(()))?;
    let delta = variant::delta(ctx, NEXT, &image_package(ctx)?)?;
    let header = of_the_same_images(ctx, &full.path, &delta)?;
    let appliance = Appliance::boot_by(ctx, Firmware::SecureBoot)?;
    let vm = &appliance.up.vm;
    appliance.up.blame(check_lockdown(ctx, vm))?;
    appliance.says("systemctl start vigie-mark-good.service")?;
    appliance
        .up
        .blame(a_changed_base(&appliance, &delta, &header))?;
    let said = appliance.pipe(&delta, "vigie-update apply --json --who ci -")?;
    ensure!(said.contains("\"installed\""), "apply: {said}");
    appliance.restart_into("b", NEXT)?;
    appliance.up.blame(check_lockdown(ctx, vm))?;
    appliance.expect_history(&["installed", "good"])?;
    appliance.up.blame(as_signed(&appliance, &header))?;
    appliance.up.blame(another_base(&appliance, &delta))?;
    vm.kill()
}

/// Both make the same images, one of them out of the image under test; gives the full one's header.
fn of_the_same_images(ctx: &Context, full: &Path, delta: &Path) -> Result<Header> {
    let (header, changes) = (header_of(full)?, header_of(delta)?);
    let base = changes.base.as_ref().context("it names no base")?;
    let same = changes.system == header.system
        && changes.boot == header.boot
        && base.version.to_string() == ctx.image()?.version;
    ensure!(same, "the package of changes is for others:\n{changes}");
    let length = |path: &Path| Ok::<_, anyhow::Error>(fs::metadata(path)?.len());
    let (whole, part) = (length(full)?, length(delta)?);
    ctx.note(format!("{part} of {whole} bytes"));
    ensure!(
        part < whole / PART,
        "{part} bytes of changes, and {whole} in all"
    );
    Ok(header)
}

/// The running version is the right one, and a sector of its boot image is not.
fn a_changed_base(appliance: &Appliance<'_>, delta: &Path, header: &Header) -> Result<()> {
    let changes = header_of(delta)?;
    let base = changes.base.context("it names no base")?;
    let last = base.boot.size.get().div_ceil(512) - 1;
    ensure!(header.boot.size.get() > 0 && last > 0, "no boot image");
    appliance.says(&format!(
        "dd if={BOOT_A} of={KEPT} bs=512 skip={last} count=1 && \
         tr '\\000-\\377' '\\001-\\377\\000' < {KEPT} | \
         dd of={BOOT_A} bs=512 seek={last} conv=notrunc,fsync"
    ))?;
    let refused = refused_unchanged(appliance, "vigie-update apply -", delta);
    appliance.says(&format!(
        "dd if={KEPT} of={BOOT_A} bs=512 seek={last} conv=notrunc,fsync && rm {KEPT}"
    ))?;
    let said = refused?;
    let words = "this system's boot image is not that one; use the full package";
    ensure!(said.contains(words), "a changed base: {said}");
    Ok(())
}

/// The version that it builds on does not run any more.
fn another_base(appliance: &Appliance<'_>, delta: &Path) -> Result<()> {
    let newer = refused_unchanged(appliance, "vigie-update apply -", delta)?;
    ensure!(newer.contains("a newer version is needed"), "{newer}");
    let said = refused_unchanged(appliance, "vigie-update apply --reinstall -", delta)?;
    let words = "holds only the changes since";
    ensure!(
        said.contains(words) && said.contains("take the full package"),
        "another base: {said}"
    );
    Ok(())
}

/// What is said to a package that is refused; neither the boot state nor the other slot is touched.
fn refused_unchanged(appliance: &Appliance<'_>, command: &str, file: &Path) -> Result<String> {
    let look = format!("vigie-update status; {DIGESTS}");
    let before = appliance.says(&look)?;
    let said = appliance.refused_by(command, file)?;
    let after = appliance.says(&look)?;
    ensure!(before == after, "it changed\n{before}\ninto\n{after}");
    Ok(said)
}

/// The slot that runs holds the images of the full package.
fn as_signed(appliance: &Appliance<'_>, full: &Header) -> Result<()> {
    for (device, image) in [(SYSTEM_B, &full.system), (BOOT_B, &full.boot)] {
        let found = digest(appliance, device, image)?;
        let expected = hex::encode(image.sha256);
        ensure!(
            found == expected,
            "{device} has the sha256 {found}, the full package {expected}"
        );
    }
    Ok(())
}

fn digest(appliance: &Appliance<'_>, device: &str, image: &ImageDigest) -> Result<String> {
    let said = appliance.says(&format!(
        "head -c {} {device} | sha256sum",
        image.size.get()
    ))?;
    let digest = said.split_whitespace().next();
    digest.map(str::to_owned).context("no digest")
}
