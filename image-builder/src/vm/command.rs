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

use super::arguments::Arguments;
pub use super::disk::{Bus, Disk, Format, SectorSize};

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

    pub(super) fn ovmf(self) -> Option<(&'static str, &'static str)> {
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
    /// A second network card, of which somebody holds the cable's other end.
    pub cable: Option<Cable>,
    /// The screen.
    pub display: Display,
    /// Where UEFI keeps its variables.
    pub vars: Vars,
    /// A kernel loaded directly.
    pub kernel: Option<DirectKernel>,
    /// ttyS0.
    pub serial: Wire,
    /// ttyS1, where there is a ttyS0.
    pub second_serial: Wire,
    /// The machine protocol.
    pub qmp: Wire,
    /// SeaBIOS's own log (OVMF release builds write nothing there).
    pub firmware_log: Wire,
    /// The processors wait for `cont`.
    pub paused: bool,
    /// A reset by the guest ends QEMU.
    pub no_reboot: bool,
    /// A hardware watchdog (Intel 6300ESB) that resets the machine.
    pub watchdog: bool,
    /// What the PC speaker plays is written to a file (WAV), unless nobody listens.
    pub speaker: Option<PathBuf>,
    /// What the maker wrote into the firmware: the system's serial number (SMBIOS type 1) and the
    /// owner's asset tag (type 3); what QEMU writes where this is not given.
    pub plate: Option<Plate>,
}

/// A network cable: each Ethernet frame is a datagram between two Unix sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cable {
    /// Where the machine receives; QEMU makes it.
    pub machine: PathBuf,
    /// Where the machine sends to.
    pub other: PathBuf,
}

/// Hardware address of the first network card.
pub const FIRST_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// Hardware address of the second one.
pub const SECOND_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x57];

/// A hardware address as it is written.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// What stands on a machine's plate, and in its SMBIOS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plate {
    /// Serial number of the system.
    pub serial: String,
    /// Asset tag of the chassis.
    pub asset_tag: String,
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
            cable: None,
            display: Display::None,
            vars: Vars::Throwaway,
            kernel: None,
            serial: Wire::None,
            second_serial: Wire::None,
            qmp: Wire::None,
            firmware_log: Wire::None,
            paused: false,
            no_reboot: false,
            watchdog: false,
            speaker: None,
            plate: None,
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

    /// With a second network card.
    pub fn cable(mut self, cable: Cable) -> Machine {
        self.cable = Some(cable);
        self
    }

    /// With a second serial port; QEMU listens at `path` for what is on its cable.
    pub fn second_serial(mut self, path: impl Into<PathBuf>) -> Machine {
        self.second_serial = Wire::Listen(path.into());
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

    /// With a hardware watchdog.
    pub fn watchdog(mut self) -> Machine {
        self.watchdog = true;
        self
    }

    /// With a speaker that plays into a file.
    pub fn speaker(mut self, path: impl Into<PathBuf>) -> Machine {
        self.speaker = Some(path.into());
        self
    }

    /// With a serial number and an asset tag.
    pub fn plate(mut self, serial: &str, asset_tag: &str) -> Machine {
        self.plate = Some(Plate {
            serial: serial.to_owned(),
            asset_tag: asset_tag.to_owned(),
        });
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
        args.cable(self.cable.as_ref());
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
            if disk.wwn.is_some() && disk.bus != Bus::Sata {
                bail!(
                    "disk {path}: QEMU gives no world-wide name to a {} disk; use sata",
                    disk.bus
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
            self.serial != Wire::None || self.second_serial == Wire::None,
            "a second serial port without a first one would be the first"
        );
        ensure!(
            sata <= SATA_PORTS,
            "{sata} SATA disks and CDs, but the controller has {SATA_PORTS} ports"
        );
        Ok(())
    }
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
                "-machine q35,smm=off -accel tcg,thread=single -cpu max -smp 2 -m 2048",
            ),
            (base().accel(Accel::Kvm), "-accel kvm -cpu max"),
            (
                Machine {
                    serial: Wire::Stdio,
                    ..base().second_serial("/raid")
                },
                "-serial chardev:serial0 -chardev socket,id=serial1,server=on,wait=off,path=/raid -serial chardev:serial1",
            ),
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
                base().speaker("/a,b.wav"),
                "-audiodev wav,id=speaker,path=/a,,b.wav -machine q35,smm=off,pcspk-audiodev=speaker",
            ),
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
                base().disk(disk(Bus::Sata).wwn(0x5000_c500_0000_0001)),
                "serial=disk-0,wwn=0x5000c50000000001,logical_block_size=512",
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
                base().disk(disk(Bus::Virtio).without_discards()),
                "cache=unsafe,discard=ignore,detect-zeroes=on,file=/d",
            ),
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
                base().cable(Cable {
                    machine: "/a,b".into(),
                    other: "/c".into(),
                }),
                "-netdev dgram,id=net1,local.type=unix,remote.type=unix,local.path=/a,,b,remote.path=/c \
                 -device virtio-net-pci,netdev=net1,romfile=,mac=52:54:00:12:34:57",
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
        let named = Machine::new(Firmware::Uefi).disk(Disk::new("/d", Bus::Virtio).wwn(1));
        let error = named.arguments(Path::new("/s")).unwrap_err();
        assert!(error.to_string().contains("use sata"), "{error}");
        let alone = Machine::new(Firmware::Uefi).second_serial("/raid");
        assert!(alone.arguments(Path::new("/s")).is_err());
        let mut machine = Machine::new(Firmware::Uefi);
        for _ in 0..7 {
            machine = machine.disk(Disk::new("/d", Bus::Sata));
        }
        assert!(machine.arguments(Path::new("/s")).is_err());
    }
}
