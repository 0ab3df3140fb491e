//! The QEMU command line of a virtual machine, as a value.
//!
//! [`Machine`] says what the machine is (firmware, disks, ports, wires);
//! [`Machine::arguments`] turns it into arguments and touches nothing, so tests read the
//! command line as data. Every machine is a q35 with no default devices: what a guest sees
//! is what is written here.
//!
//! Limits that come from QEMU and the firmware, refused here rather than met as a hang:
//! SATA disks and CDs have 512-byte logical sectors, and SeaBIOS boots from nothing else.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

/// Where the Debian programs come from (QEMU, qemu-img, mkfs.fat, mcopy ...).
pub trait Programs: Send + Sync {
    /// A command that runs the program `name`.
    fn command(&self, name: &str) -> Command;
    /// The `usr/share` folder of the tree that the programs come from: firmware lives there.
    fn share_dir(&self) -> &Path;
}

/// What starts the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF without keys: Secure Boot is off.
    Uefi,
    /// OVMF with Microsoft's keys enrolled and Secure Boot enforced, behind SMM.
    SecureBoot,
}

impl Firmware {
    /// All three, for matrices.
    pub const ALL: [Firmware; 3] = [Firmware::Bios, Firmware::Uefi, Firmware::SecureBoot];

    fn ovmf(self) -> Option<(&'static str, &'static str)> {
        match self {
            Firmware::Bios => None,
            Firmware::Uefi => Some(("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")),
            Firmware::SecureBoot => Some(("OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd")),
        }
    }

    /// The file that a fresh set of firmware variables is copied from; none for BIOS.
    pub fn vars_template(self, share: &Path) -> Option<PathBuf> {
        self.ovmf().map(|(_, vars)| share.join("OVMF").join(vars))
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Firmware::Bios => "bios",
            Firmware::Uefi => "uefi",
            Firmware::SecureBoot => "secureboot",
        })
    }
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// The processor itself, by /dev/kvm.
    Kvm,
    /// QEMU's translator: works everywhere, ten to thirty times slower.
    Tcg,
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Accel::Kvm => "kvm",
            Accel::Tcg => "tcg",
        })
    }
}

/// How a disk is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk: /dev/vda.
    Virtio,
    /// AHCI: /dev/sda.
    Sata,
    /// NVMe: /dev/nvme0n1.
    Nvme,
    /// A USB stick: /dev/sda.
    Usb,
    /// A CD in a SATA drive: /dev/sr0.
    Cd,
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bus::Virtio => "virtio",
            Bus::Sata => "sata",
            Bus::Nvme => "nvme",
            Bus::Usb => "usb",
            Bus::Cd => "cd",
        })
    }
}

/// The format of a disk's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the disk.
    Raw,
    /// QEMU's own, for overlays.
    Qcow2,
}

/// Logical and physical sector size, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectorSize {
    /// What a block address counts.
    pub logical: u32,
    /// What the disk says it writes at once.
    pub physical: u32,
}

impl SectorSize {
    /// 512 bytes, both.
    pub const B512: SectorSize = SectorSize {
        logical: 512,
        physical: 512,
    };
    /// 512 bytes logical over 4096 physical ("512e").
    pub const B512E: SectorSize = SectorSize {
        logical: 512,
        physical: 4096,
    };
    /// 4096 bytes, both ("4Kn").
    pub const B4096: SectorSize = SectorSize {
        logical: 4096,
        physical: 4096,
    };
}

/// One disk of a machine.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The file behind it.
    pub path: PathBuf,
    /// How it is attached.
    pub bus: Bus,
    /// The file's format.
    pub format: Format,
    /// The serial number that the guest reads; `disk-N` when absent.
    pub serial: Option<String>,
    /// Sector sizes.
    pub sectors: SectorSize,
    /// What the guest writes is thrown away when the machine ends.
    pub throwaway: bool,
    /// The guest cannot write.
    pub read_only: bool,
    /// The firmware may boot from it, in the order of the disks.
    pub bootable: bool,
    /// Flushes reach the host's disk. Without, they stop at QEMU: faster, and still safe
    /// against `kill -9` of QEMU on a raw file, whose writes are in the host's page cache.
    pub durable: bool,
}

impl Disk {
    /// A bootable, writable raw disk with 512-byte sectors; a CD is read-only.
    pub fn new(path: impl Into<PathBuf>, bus: Bus) -> Disk {
        Disk {
            path: path.into(),
            bus,
            format: Format::Raw,
            serial: None,
            sectors: SectorSize::B512,
            throwaway: false,
            read_only: bus == Bus::Cd,
            bootable: true,
            durable: false,
        }
    }

    /// The file is qcow2.
    pub fn qcow2(mut self) -> Disk {
        self.format = Format::Qcow2;
        self
    }

    /// The serial number that the guest reads.
    pub fn serial(mut self, serial: &str) -> Disk {
        self.serial = Some(serial.to_owned());
        self
    }

    /// Other sector sizes.
    pub fn sectors(mut self, sectors: SectorSize) -> Disk {
        self.sectors = sectors;
        self
    }

    /// The file stays as it is: what the guest writes is thrown away at the end.
    pub fn throwaway(mut self) -> Disk {
        self.throwaway = true;
        self
    }

    /// The firmware does not boot from it.
    pub fn data_only(mut self) -> Disk {
        self.bootable = false;
        self
    }

    /// Flushes reach the host's disk.
    pub fn durable(mut self) -> Disk {
        self.durable = true;
        self
    }
}

/// A TCP port of the guest, reached on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The port on the host; 0 where the starter picks a free one.
    pub host: u16,
    /// The port in the guest.
    pub guest: u16,
}

/// Where a character device of the machine leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Not there.
    None,
    /// QEMU's own standard input and output.
    Stdio,
    /// A connected stream socket that QEMU inherits under this descriptor number.
    Fd(i32),
    /// What the guest sends is written to a file.
    File(PathBuf),
    /// QEMU listens on a unix socket, without waiting for anyone.
    Listen(PathBuf),
}

/// Where UEFI keeps its variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vars {
    /// A fresh set that is thrown away at the end.
    Throwaway,
    /// A writable copy of [`Firmware::vars_template`], kept between boots.
    Keep(PathBuf),
}

/// The screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Display {
    /// Nobody watches; screenshots still work.
    None,
    /// VNC on 127.0.0.1, port 5900 + this number.
    Vnc(u16),
}

/// A kernel that QEMU loads itself, past any boot loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectKernel {
    /// The kernel.
    pub image: PathBuf,
    /// Its initrd.
    pub initrd: Option<PathBuf>,
    /// Its command line.
    pub append: String,
}

/// A virtual machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What starts it.
    pub firmware: Firmware,
    /// What executes it.
    pub accel: Accel,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Processors.
    pub cpus: u32,
    /// Disks, in boot order.
    pub disks: Vec<Disk>,
    /// Ports forwarded through the user network; empty still gives a network card.
    pub forwards: Vec<Forward>,
    /// The screen.
    pub display: Display,
    /// Where UEFI keeps its variables.
    pub vars: Vars,
    /// A kernel loaded directly.
    pub kernel: Option<DirectKernel>,
    /// ttyS0.
    pub serial: Wire,
    /// The machine protocol.
    pub qmp: Wire,
    /// SeaBIOS's own log (OVMF release builds write nothing there).
    pub firmware_log: Wire,
    /// The processors wait for `cont`.
    pub paused: bool,
    /// A reset by the guest ends QEMU.
    pub no_reboot: bool,
}

/// Ports of the built-in AHCI controller.
const SATA_PORTS: usize = 6;

impl Machine {
    /// 2 processors, 2 GiB, software execution, no disk, nothing wired.
    pub fn new(firmware: Firmware) -> Machine {
        Machine {
            firmware,
            accel: Accel::Tcg,
            memory_mib: 2048,
            cpus: 2,
            disks: Vec::new(),
            forwards: Vec::new(),
            display: Display::None,
            vars: Vars::Throwaway,
            kernel: None,
            serial: Wire::None,
            qmp: Wire::None,
            firmware_log: Wire::None,
            paused: false,
            no_reboot: false,
        }
    }

    /// Executed by `accel`.
    pub fn accel(mut self, accel: Accel) -> Machine {
        self.accel = accel;
        self
    }

    /// With this much memory.
    pub fn memory_mib(mut self, memory_mib: u32) -> Machine {
        self.memory_mib = memory_mib;
        self
    }

    /// With one more disk.
    pub fn disk(mut self, disk: Disk) -> Machine {
        self.disks.push(disk);
        self
    }

    /// With a guest port forwarded from a free port of the host.
    pub fn forward(mut self, guest: u16) -> Machine {
        self.forwards.push(Forward { host: 0, guest });
        self
    }

    /// With firmware variables kept in `path`.
    pub fn keep_vars(mut self, path: impl Into<PathBuf>) -> Machine {
        self.vars = Vars::Keep(path.into());
        self
    }

    /// With a kernel loaded directly.
    pub fn kernel(mut self, image: impl Into<PathBuf>, append: &str) -> Machine {
        self.kernel = Some(DirectKernel {
            image: image.into(),
            initrd: None,
            append: append.to_owned(),
        });
        self
    }

    /// A reset by the guest ends QEMU.
    pub fn no_reboot(mut self) -> Machine {
        self.no_reboot = true;
        self
    }

    /// The arguments of `qemu-system-x86_64`. `share` is [`Programs::share_dir`].
    pub fn arguments(&self, share: &Path) -> Result<Vec<OsString>> {
        self.check()?;
        let mut args = Arguments::default();
        args.search_paths(share);
        args.machine(self);
        args.firmware(self, share)?;
        args.wires(self);
        args.network(&self.forwards);
        args.disks(&self.disks);
        args.kernel(self.kernel.as_ref());
        Ok(args.0)
    }

    /// Refuses what QEMU or the firmware cannot do.
    fn check(&self) -> Result<()> {
        for disk in &self.disks {
            let path = disk.path.display();
            if matches!(disk.bus, Bus::Sata | Bus::Cd) && disk.sectors.logical != 512 {
                bail!(
                    "disk {path}: a {} disk has 512-byte logical sectors, not {}; \
                     use virtio, nvme or usb",
                    disk.bus,
                    disk.sectors.logical
                );
            }
            if self.firmware == Firmware::Bios && disk.bootable && disk.sectors.logical != 512 {
                bail!(
                    "disk {path}: SeaBIOS boots only from 512-byte logical sectors, not {}; \
                     use uefi or make the disk data_only",
                    disk.sectors.logical
                );
            }
        }
        let on_sata = |disk: &&Disk| matches!(disk.bus, Bus::Sata | Bus::Cd);
        let sata = self.disks.iter().filter(on_sata).count();
        ensure!(
            sata <= SATA_PORTS,
            "{sata} SATA disks and CDs, but the controller has {SATA_PORTS} ports"
        );
        Ok(())
    }
}

/// The arguments while they are put together.
#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn option(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.push(name.into());
        self.0.push(value.into());
    }

    fn flag(&mut self, name: &str) {
        self.0.push(name.into());
    }

    fn search_paths(&mut self, share: &Path) {
        self.option("-L", share.join("qemu"));
        self.option("-L", share.join("seabios"));
        self.option("-L", share.with_file_name("lib").join("ipxe/qemu"));
    }

    fn machine(&mut self, machine: &Machine) {
        self.flag("-nodefaults");
        self.flag("-no-user-config");
        let smm = match machine.firmware {
            Firmware::SecureBoot => "on",
            Firmware::Bios | Firmware::Uefi => "off",
        };
        self.option("-machine", format!("q35,smm={smm}"));
        self.option(
            "-accel",
            match machine.accel {
                Accel::Kvm => "kvm",
                Accel::Tcg => "tcg,thread=multi",
            },
        );
        self.option("-cpu", "max");
        self.option("-smp", machine.cpus.to_string());
        self.option("-m", machine.memory_mib.to_string());
        self.option("-vga", "std");
        match &machine.display {
            Display::None => self.option("-display", "none"),
            Display::Vnc(number) => self.option("-vnc", format!("127.0.0.1:{number}")),
        }
        // No virtio-rng: the processors have RDRAND, emulated ones too.
        self.option("-device", "qemu-xhci,id=usb");
        if machine.paused {
            self.flag("-S");
        }
        if machine.no_reboot {
            self.flag("-no-reboot");
        }
    }

    fn firmware(&mut self, machine: &Machine, share: &Path) -> Result<()> {
        let Some((code, _)) = machine.firmware.ovmf() else {
            return Ok(());
        };
        if machine.firmware == Firmware::SecureBoot {
            // Only code in SMM may write the variables: what makes Secure Boot mean something.
            self.option("-global", "driver=cfi.pflash01,property=secure,value=on");
        }
        // OVMF brings its own drivers for the network card and would spend a minute on PXE and
        // HTTP boot before it says that no disk boots.
        for name in ["IPv4Support", "IPv6Support"] {
            let option = format!("name=opt/org.tianocore/{name},string=no");
            self.option("-fw_cfg", option);
        }
        let code = share.join("OVMF").join(code);
        self.option(
            "-drive",
            with_file("if=pflash,unit=0,format=raw,readonly=on", &code),
        );
        match &machine.vars {
            Vars::Keep(path) => {
                self.option("-drive", with_file("if=pflash,unit=1,format=raw", path));
            }
            Vars::Throwaway => {
                let Some(template) = machine.firmware.vars_template(share) else {
                    bail!("{} has no firmware variables", machine.firmware);
                };
                let drive = with_file("if=pflash,unit=1,format=raw,snapshot=on", &template);
                self.option("-drive", drive);
            }
        }
        Ok(())
    }

    fn wires(&mut self, machine: &Machine) {
        if self.chardev("serial0", &machine.serial) {
            self.option("-serial", "chardev:serial0");
        }
        if self.chardev("qmp0", &machine.qmp) {
            self.option("-mon", "chardev=qmp0,mode=control");
        }
        if self.chardev("firmware0", &machine.firmware_log) {
            self.option("-device", "isa-debugcon,iobase=0x402,chardev=firmware0");
        }
    }

    /// Adds the character device `id`; false where there is none.
    fn chardev(&mut self, id: &str, wire: &Wire) -> bool {
        let value = match wire {
            Wire::None => return false,
            // Ctrl-C belongs to the program around QEMU.
            Wire::Stdio => format!("stdio,id={id},signal=off").into(),
            Wire::Fd(fd) => format!("socket,id={id},fd={fd}").into(),
            Wire::File(path) => with_path(&format!("file,id={id}"), "path", path),
            Wire::Listen(path) => {
                with_path(&format!("socket,id={id},server=on,wait=off"), "path", path)
            }
        };
        self.option("-chardev", value);
        true
    }

    fn network(&mut self, forwards: &[Forward]) {
        let mut netdev = String::from("user,id=net0");
        for forward in forwards {
            netdev += &format!(",hostfwd=tcp:127.0.0.1:{}-:{}", forward.host, forward.guest);
        }
        self.option("-netdev", netdev);
        // No option ROM: nobody boots from the network here.
        self.option("-device", "virtio-net-pci,netdev=net0,romfile=");
    }

    fn disks(&mut self, disks: &[Disk]) {
        let mut sata_port = 0;
        for (index, disk) in disks.iter().enumerate() {
            self.option("-drive", drive(index, disk));
            self.option("-device", device(index, disk, &mut sata_port));
        }
    }

    fn kernel(&mut self, kernel: Option<&DirectKernel>) {
        let Some(kernel) = kernel else { return };
        self.option("-kernel", &kernel.image);
        if let Some(initrd) = &kernel.initrd {
            self.option("-initrd", initrd);
        }
        self.option("-append", &kernel.append);
    }
}

/// The back end of a disk.
fn drive(index: usize, disk: &Disk) -> OsString {
    let format = match disk.format {
        Format::Raw => "raw",
        Format::Qcow2 => "qcow2",
    };
    let mut options = format!("if=none,id=drive{index},format={format}");
    if disk.read_only {
        options += ",readonly=on";
    } else {
        let cache = if disk.durable { "writeback" } else { "unsafe" };
        // Zeroes and discarded blocks leave holes in the file.
        options += &format!(",cache={cache},discard=unmap,detect-zeroes=unmap");
    }
    if disk.throwaway && !disk.read_only {
        options += ",snapshot=on";
    }
    with_file(&options, &disk.path)
}

/// The front end of a disk.
fn device(index: usize, disk: &Disk, sata_port: &mut usize) -> String {
    let mut device = match disk.bus {
        Bus::Virtio => "virtio-blk-pci".to_owned(),
        Bus::Nvme => "nvme".to_owned(),
        Bus::Usb => "usb-storage,bus=usb.0,removable=on".to_owned(),
        Bus::Sata => format!("ide-hd,bus=ide.{sata_port}"),
        Bus::Cd => format!("ide-cd,bus=ide.{sata_port}"),
    };
    if matches!(disk.bus, Bus::Sata | Bus::Cd) {
        *sata_port += 1;
    }
    let serial = disk.serial.clone().unwrap_or(format!("disk-{index}"));
    device += &format!(",drive=drive{index},serial={}", escape(&serial));
    if disk.bus != Bus::Cd {
        device += &format!(
            ",logical_block_size={},physical_block_size={}",
            disk.sectors.logical, disk.sectors.physical
        );
    }
    if disk.bootable {
        // Number 0 belongs to a kernel that is loaded directly.
        device += &format!(",bootindex={}", index + 1);
    }
    device
}

fn with_file(options: &str, path: &Path) -> OsString {
    with_path(options, "file", path)
}

/// `options,key=path`, with the commas of the path doubled as QEMU wants them.
fn with_path(options: &str, key: &str, path: &Path) -> OsString {
    let mut value = OsString::from(format!("{options},{key}="));
    match path.to_str() {
        Some(path) => value.push(escape(path)),
        None => value.push(path),
    }
    value
}

fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(machine: &Machine) -> String {
        let args = machine.arguments(Path::new("/t/usr/share")).unwrap();
        let words: Vec<_> = args.iter().map(|word| word.to_str().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn what_a_machine_is_stands_on_its_command_line() {
        let base = || Machine::new(Firmware::Bios);
        let disk = |bus| Disk::new("/d", bus);
        let cases: Vec<(Machine, &str)> = vec![
            (
                base(),
                "-machine q35,smm=off -accel tcg,thread=multi -cpu max -smp 2 -m 2048",
            ),
            (base().accel(Accel::Kvm), "-accel kvm -cpu max"),
            (
                base(),
                "-L /t/usr/share/qemu -L /t/usr/share/seabios -L /t/usr/lib/ipxe/qemu",
            ),
            (
                Machine::new(Firmware::SecureBoot),
                "-drive if=pflash,unit=0,format=raw,readonly=on,file=/t/usr/share/OVMF/OVMF_CODE_4M.ms.fd \
                 -drive if=pflash,unit=1,format=raw,snapshot=on,file=/t/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
            ),
            (Machine::new(Firmware::SecureBoot), "q35,smm=on"),
            (
                Machine::new(Firmware::SecureBoot),
                "-global driver=cfi.pflash01,property=secure,value=on",
            ),
            (
                Machine::new(Firmware::Uefi),
                "-fw_cfg name=opt/org.tianocore/IPv4Support,string=no",
            ),
            (
                Machine::new(Firmware::Uefi).keep_vars("/v"),
                "-drive if=pflash,unit=1,format=raw,file=/v",
            ),
            (
                base().disk(disk(Bus::Virtio)),
                "-device virtio-blk-pci,drive=drive0,serial=disk-0,",
            ),
            (
                base().disk(disk(Bus::Usb)),
                "-device usb-storage,bus=usb.0,removable=on,drive=drive0",
            ),
            (
                base().disk(disk(Bus::Cd)),
                "readonly=on,file=/d -device ide-cd,bus=ide.0,drive=drive0",
            ),
            (
                base()
                    .disk(disk(Bus::Cd))
                    .disk(disk(Bus::Sata).serial("a,b")),
                "-device ide-hd,bus=ide.1,drive=drive1,serial=a,,b,logical_block_size=512,physical_block_size=512,bootindex=2",
            ),
            (
                Machine::new(Firmware::Uefi).disk(disk(Bus::Nvme).sectors(SectorSize::B4096)),
                "nvme,drive=drive0,serial=disk-0,logical_block_size=4096,physical_block_size=4096",
            ),
            (
                base().disk(Disk::new("/x,y.qcow2", Bus::Virtio).qcow2().throwaway()),
                "format=qcow2,cache=unsafe,discard=unmap,detect-zeroes=unmap,snapshot=on,file=/x,,y.qcow2",
            ),
            (base().disk(disk(Bus::Virtio).durable()), "cache=writeback"),
            (
                Machine {
                    forwards: vec![Forward {
                        host: 8080,
                        guest: 80,
                    }],
                    ..base()
                },
                "-netdev user,id=net0,hostfwd=tcp:127.0.0.1:8080-:80",
            ),
            (
                Machine {
                    serial: Wire::Fd(1),
                    qmp: Wire::Fd(0),
                    paused: true,
                    ..base()
                },
                "-S -chardev socket,id=serial0,fd=1 -serial chardev:serial0 \
                 -chardev socket,id=qmp0,fd=0 -mon chardev=qmp0,mode=control",
            ),
            (
                base().kernel("/k", "quiet a=b"),
                "-kernel /k -append quiet a=b",
            ),
            (
                Machine {
                    display: Display::Vnc(3),
                    ..base()
                },
                "-vnc 127.0.0.1:3",
            ),
        ];
        for (machine, expected) in cases {
            let line = line(&machine);
            assert!(line.contains(expected), "{expected}\nis not in\n{line}");
        }
    }

    #[test]
    fn a_disk_that_may_not_boot_has_no_boot_index() {
        let machine = Machine::new(Firmware::Bios).disk(Disk::new("/d", Bus::Usb).data_only());
        assert!(!line(&machine).contains("bootindex"));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let cases = [
            (
                Firmware::Uefi,
                Bus::Sata,
                SectorSize::B4096,
                "512-byte logical sectors",
            ),
            (
                Firmware::Bios,
                Bus::Nvme,
                SectorSize::B4096,
                "SeaBIOS boots only",
            ),
        ];
        for (firmware, bus, sectors, expected) in cases {
            let machine = Machine::new(firmware).disk(Disk::new("/d", bus).sectors(sectors));
            let error = machine.arguments(Path::new("/t/usr/share")).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let mut machine = Machine::new(Firmware::Uefi);
        for _ in 0..7 {
            machine = machine.disk(Disk::new("/d", Bus::Sata));
        }
        assert!(machine.arguments(Path::new("/s")).is_err());
    }
}
