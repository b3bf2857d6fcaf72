//! The smallest module file: an ELF header, section names, and `.modinfo`.

/// A 64-bit little-endian object whose `.modinfo` holds this.
pub fn module(modinfo: &str) -> Vec<u8> {
    let names = b"\0.shstrtab\0.modinfo\0";
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(64, 0);
    let names_at = out.len() as u64;
    out.extend_from_slice(names);
    let modinfo_at = out.len() as u64;
    out.extend_from_slice(modinfo.as_bytes());
    out.resize(out.len().next_multiple_of(8), 0);
    let table = out.len() as u64;
    for (name, at, size) in [
        (0u32, 0u64, 0u64),
        (1, names_at, names.len() as u64),
        (11, modinfo_at, modinfo.len() as u64),
    ] {
        let mut header = [0u8; 64];
        header[..4].copy_from_slice(&name.to_le_bytes());
        header[4..8].copy_from_slice(&1u32.to_le_bytes());
        header[24..32].copy_from_slice(&at.to_le_bytes());
        header[32..40].copy_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&header);
    }
    out[16..18].copy_from_slice(&1u16.to_le_bytes());
    out[18..20].copy_from_slice(&62u16.to_le_bytes());
    out[40..48].copy_from_slice(&table.to_le_bytes());
    out[58..60].copy_from_slice(&64u16.to_le_bytes());
    out[60..62].copy_from_slice(&3u16.to_le_bytes());
    out[62..64].copy_from_slice(&1u16.to_le_bytes());
    out
}
