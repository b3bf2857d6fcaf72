//! The arguments for another pass after a makefile was remade: the same ones, with makefile names as
//! they were understood the first time, so that standard input is not read twice.

/// `argv` with each makefile name replaced by its entry of `makefiles`; the one that is the copy of
/// standard input becomes `--temp-stdin=NAME`.
#[must_use]
pub fn arguments(argv: &[Vec<u8>], makefiles: &[Vec<u8>], stdin: Option<usize>) -> Vec<Vec<u8>> {
    let mut out = Vec::with_capacity(argv.len() + 1);
    let mut args = argv.iter();
    out.extend(args.next().cloned());
    let mut next = 0;
    while let Some(arg) = args.next() {
        let Some(name) = makefiles.get(next).filter(|_| arg.starts_with(b"-")) else {
            out.push(arg.clone());
            continue;
        };
        let from_stdin = stdin == Some(next);
        if arg.starts_with(b"--") {
            let joined = arg.starts_with(b"--file=") || arg.starts_with(b"--makefile=");
            let apart = arg == b"--file" || arg == b"--makefile";
            if !joined && !apart {
                out.push(arg.clone());
                continue;
            }
            if apart {
                args.next();
            }
            let lead: &[u8] = if from_stdin { b"--temp-stdin=" } else { b"-f" };
            out.push([lead, name].concat());
            next += 1;
            continue;
        }
        let Some(at) = arg.iter().position(|&c| c == b'f') else {
            out.push(arg.clone());
            continue;
        };
        let apart = at + 1 == arg.len();
        if apart {
            args.next();
        }
        if from_stdin {
            // The letters before the `f` stay.
            if at > 1 {
                out.push(arg[..at].to_vec());
            }
            out.push([b"--temp-stdin=", name.as_slice()].concat());
        } else if apart {
            out.push(arg.clone());
            out.push(name.clone());
        } else {
            out.push([&arg[..=at], name].concat());
        }
        next += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::arguments;

    fn check(argv: &str, makefiles: &[&str], stdin: Option<usize>, expect: &str) {
        let argv: Vec<Vec<u8>> = argv.split(' ').map(|a| a.as_bytes().to_vec()).collect();
        let makefiles: Vec<Vec<u8>> = makefiles.iter().map(|m| m.as_bytes().to_vec()).collect();
        let got = arguments(&argv, &makefiles, stdin);
        let got: Vec<_> = got.iter().map(|a| String::from_utf8_lossy(a)).collect();
        assert_eq!(got.join(" "), expect);
    }

    #[test]
    fn standard_input_becomes_its_copy() {
        check("make -Rf- all", &["/tmp/Gm1"], Some(0), "make -R --temp-stdin=/tmp/Gm1 all");
        check("make -f - all", &["/tmp/Gm1"], Some(0), "make --temp-stdin=/tmp/Gm1 all");
        check("make --file=- all", &["/tmp/Gm1"], Some(0), "make --temp-stdin=/tmp/Gm1 all");
    }

    #[test]
    fn names_are_as_understood() {
        check("make -f ./a -kfb x", &["a", "b"], None, "make -f a -kfb x");
        check("make --makefile ./a", &["a"], None, "make -fa");
        check("make x", &[], None, "make x");
    }
}
