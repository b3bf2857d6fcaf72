//! CRC-32 as genksyms uses it: the reflected polynomial 0xEDB88320, sixteen bytes at a step.
//!
//! It does not know what the bytes are. The caller starts with all ones and inverts at the end.

/// `TABLES[k][b]`: the effect of byte `b` followed by `k` zero bytes.
static TABLES: [[u32; 256]; 16] = tables();

const fn tables() -> [[u32; 256]; 16] {
    let mut all = [[0u32; 256]; 16];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 != 0 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        all[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < 16 {
        let mut byte = 0;
        while byte < 256 {
            let before = all[k - 1][byte];
            all[k][byte] = (before >> 8) ^ all[0][(before & 0xff) as usize];
            byte += 1;
        }
        k += 1;
    }
    all
}

/// The state after `bytes`, from the state before them.
pub fn update(mut crc: u32, bytes: &[u8]) -> u32 {
    let t = &TABLES;
    let (chunks, rest) = bytes.as_chunks::<16>();
    for c in chunks {
        let head = crc ^ u32::from_le_bytes([c[0], c[1], c[2], c[3]]);
        let [h0, h1, h2, h3] = head.to_le_bytes();
        crc = t[15][h0 as usize]
            ^ t[14][h1 as usize]
            ^ t[13][h2 as usize]
            ^ t[12][h3 as usize]
            ^ t[11][c[4] as usize]
            ^ t[10][c[5] as usize]
            ^ t[9][c[6] as usize]
            ^ t[8][c[7] as usize]
            ^ t[7][c[8] as usize]
            ^ t[6][c[9] as usize]
            ^ t[5][c[10] as usize]
            ^ t[4][c[11] as usize]
            ^ t[3][c[12] as usize]
            ^ t[2][c[13] as usize]
            ^ t[1][c[14] as usize]
            ^ t[0][c[15] as usize];
    }
    for &b in rest {
        crc = t[0][((crc ^ u32::from(b)) & 0xff) as usize] ^ (crc >> 8);
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::update;

    #[test]
    fn check_value_and_splits() {
        assert_eq!(!update(!0, b"123456789"), 0xcbf4_3926);
        let text: Vec<u8> = (0..200u8).collect();
        let whole = update(!0, &text);
        for cut in 0..text.len() {
            assert_eq!(update(update(!0, &text[..cut]), &text[cut..]), whole);
        }
    }
}
