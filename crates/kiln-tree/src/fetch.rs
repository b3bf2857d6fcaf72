//! Getting packages with the distribution's own downloader, without root.
//!
//! Makes the commands and reads what they print; the caller runs them. Knows package managers, not
//! archives.

/// The value of a field of a Debian control paragraph, continuation lines joined by spaces.
pub fn control_field(paragraph: &str, name: &str) -> Option<String> {
    let mut out: Option<String> = None;
    for line in paragraph.lines() {
        if let Some(value) = &mut out {
            if !line.starts_with([' ', '\t']) {
                break;
            }
            value.push(' ');
            value.push_str(line.trim());
        } else if let Some((key, value)) = line.split_once(':')
            && key.eq_ignore_ascii_case(name)
        {
            out = Some(value.trim().to_string());
        }
    }
    out
}

/// The names in a Depends field; of alternatives the first.
pub fn dependency_names(depends: &str) -> Vec<String> {
    depends
        .split(',')
        .filter_map(|group| {
            let first = group.split('|').next()?.trim();
            let name = first.split([' ', '(', ':', '[']).next()?.trim();
            (!name.is_empty()).then(|| name.to_string())
        })
        .collect()
}
