//! From a [`Machine`] to QEMU's arguments, one group of options after another.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, bail};

use super::command::{
    Accel, Cable, DirectKernel, Display, FIRST_MAC, Firmware, Forward, Machine, SECOND_MAC, Vars,
    Wire, mac_text,
};
use super::disk::{Bus, Disk, Format};

/// The arguments while they are put together.
#[derive(Default)]
pub(super) struct Arguments(pub(super) Vec<OsString>);

impl Arguments {
    fn option(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.push(name.into());
        self.0.push(value.into());
    }

    fn flag(&mut self, name: &str) {
        self.0.push(name.into());
    }

    pub(super) fn search_paths(&mut self, share: &Path) {
        self.option("-L", share.join("qemu"));
        self.option("-L", share.join("seabios"));
        self.option("-L", share.with_file_name("lib").join("ipxe/qemu"));
    }

    pub(super) fn machine(&mut self, machine: &Machine) {
        self.flag("-nodefaults");
        self.flag("-no-user-config");
        let smm = match machine.firmware {
            Firmware::SecureBoot => "on",
            Firmware::Bios | Firmware::Uefi => "off",
        };
        let mut board = format!("q35,smm={smm}");
        if let Some(path) = &machine.speaker {
            let file = with_path("wav,id=speaker", "path", path);
            self.option("-audiodev", file);
            board += ",pcspk-audiodev=speaker";
        }
        self.option("-machine", board);
        self.option(
            "-accel",
            match machine.accel {
                Accel::Kvm => "kvm",
                // One thread for all processors. With a thread for each, QEMU 10.0 lost a
                // processor's timer interrupt in about one start of a hundred, and the guest
                // stood still; and two machines on two cores start a fifth faster this way.
                Accel::Tcg => "tcg,thread=single",
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
        if machine.watchdog {
            self.option("-device", "i6300esb");
            self.option("-action", "watchdog=reset");
        }
        if machine.no_reboot {
            self.flag("-no-reboot");
        }
        if let Some(plate) = &machine.plate {
            self.option(
                "-smbios",
                format!("type=1,serial={}", escape(&plate.serial)),
            );
            self.option(
                "-smbios",
                format!("type=3,asset={}", escape(&plate.asset_tag)),
            );
        }
    }

    pub(super) fn firmware(&mut self, machine: &Machine, share: &Path) -> Result<()> {
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

    pub(super) fn wires(&mut self, machine: &Machine) {
        if self.chardev("serial0", &machine.serial) {
            self.option("-serial", "chardev:serial0");
        }
        if self.chardev("serial1", &machine.second_serial) {
            self.option("-serial", "chardev:serial1");
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

    pub(super) fn network(&mut self, forwards: &[Forward]) {
        let mut netdev = String::from("user,id=net0");
        for forward in forwards {
            netdev += &format!(",hostfwd=tcp:127.0.0.1:{}-:{}", forward.host, forward.guest);
        }
        self.option("-netdev", netdev);
        self.network_card("net0", FIRST_MAC);
    }

    pub(super) fn cable(&mut self, cable: Option<&Cable>) {
        let Some(Cable { machine, other }) = cable else {
            return;
        };
        let ends = "dgram,id=net1,local.type=unix,remote.type=unix";
        let mut netdev = with_path(ends, "local.path", machine);
        netdev.push(with_path("", "remote.path", other));
        self.option("-netdev", netdev);
        self.network_card("net1", SECOND_MAC);
    }

    /// No option ROM: nobody boots from the network here.
    fn network_card(&mut self, netdev: &str, mac: [u8; 6]) {
        let mac = mac_text(mac);
        let card = format!("virtio-net-pci,netdev={netdev},romfile=,mac={mac}");
        self.option("-device", card);
    }

    pub(super) fn disks(&mut self, disks: &[Disk]) {
        let mut sata_port = 0;
        for (index, disk) in disks.iter().enumerate() {
            self.option("-drive", drive(index, disk));
            self.option("-device", device(index, disk, &mut sata_port));
        }
    }

    pub(super) fn kernel(&mut self, kernel: Option<&DirectKernel>) {
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
        options += &format!(",cache={cache}");
        // Zeroes and discarded blocks leave holes in the file.
        options += match disk.discards {
            true => ",discard=unmap,detect-zeroes=unmap",
            false => ",discard=ignore,detect-zeroes=on",
        };
    }
    if disk.throwaway && !disk.read_only {
        options += ",snapshot=on";
    }
    match &disk.faults {
        None => with_file(&options, &disk.path),
        Some(faults) => {
            let path = format!("blkdebug:{}:{}", faults.display(), disk.path.display());
            with_file(&options, Path::new(&path))
        }
    }
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
    if let Some(wwn) = disk.wwn {
        device += &format!(",wwn={wwn:#x}");
    }
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
