//! Scripts made from a grammar of what recipes are made of. The same number gives the same script.

/// A generator of scripts.
pub struct Generator {
    state: u64,
    loops: u32,
}

impl Generator {
    pub fn new(number: u64) -> Generator {
        Generator { state: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995, loops: 0 }
    }

    /// A number below the bound (splitmix64).
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A whole script.
    pub fn script(&mut self) -> String {
        let mut script = String::new();
        if self.chance(30) {
            script.push_str("set -e; ");
        }
        if self.chance(40) {
            let value = self.value();
            script.push_str(&format!("v={value}; "));
        }
        script.push_str(&self.list(3));
        if self.chance(50) {
            script.push_str("; echo $?");
        }
        script
    }

    fn list(&mut self, depth: usize) -> String {
        let mut list = self.and_or(depth);
        for _ in 0..self.below(3) {
            let separator = self.pick(&["; ", "; ", ";", "\n", " ; \\\n  "]);
            list.push_str(separator);
            let next = self.and_or(depth);
            list.push_str(&next);
        }
        list
    }

    fn and_or(&mut self, depth: usize) -> String {
        let mut text = self.pipeline(depth);
        while self.chance(30) {
            let op = self.pick(&[" && ", " || ", " &&\n", "||"]);
            text.push_str(op);
            let next = self.pipeline(depth);
            text.push_str(&next);
        }
        text
    }

    fn pipeline(&mut self, depth: usize) -> String {
        let not = if self.chance(8) { "! " } else { "" };
        if self.chance(12) {
            let pipe = self.pipe();
            return format!("{not}{pipe}");
        }
        let command = self.command(depth);
        format!("{not}{command}")
    }

    fn command(&mut self, depth: usize) -> String {
        if depth == 0 || self.chance(60) {
            return self.simple();
        }
        let depth = depth - 1;
        let command = match self.below(8) {
            0 => {
                let (test, then) = (self.and_or(depth), self.list(depth));
                match self.below(3) {
                    0 => format!("if {test}; then {then}; fi"),
                    1 => {
                        let otherwise = self.list(depth);
                        format!("if {test}; then {then}; else {otherwise}; fi")
                    }
                    _ => {
                        let (second, other) = (self.and_or(depth), self.list(depth));
                        format!("if {test}\nthen {then}\nelif {second}; then {other}\nfi")
                    }
                }
            }
            1 => {
                let (words, body) = (self.words(), self.list(depth));
                format!("for f in {words}; do {body}; done")
            }
            2 => {
                self.loops += 1;
                let (n, body) = (self.loops, self.list(depth));
                format!("while [ ! -e stop{n} ]; do touch stop{n}; {body}; done")
            }
            3 => {
                let subject = self.word();
                let (first, second) = (self.list(depth), self.list(depth));
                let pattern = self.pick(&["a*", "*.c", "[a-m]*|x", "\"$v\"", "$v", "''", "?"]);
                format!("case {subject} in {pattern}) {first};; *) {second};; esac")
            }
            4 | 5 => {
                let body = self.list(depth);
                format!("({body})")
            }
            _ => {
                let body = self.list(depth);
                format!("{{ {body}; }}")
            }
        };
        if self.chance(25) {
            let redirection = self.redirection();
            format!("{command} {redirection}")
        } else {
            command
        }
    }

    fn simple(&mut self) -> String {
        let mut text = String::new();
        if self.chance(10) {
            let value = self.value();
            text.push_str(&format!("v={value} "));
        }
        let command = match self.below(16) {
            0..=3 => {
                let words = self.words();
                format!("echo {words}")
            }
            4 => {
                let words = self.words();
                let format = self.pick(&["'%s\\n'", "'[%s] '", "'%5s|%-3s|\\n'", "'a\\tb%b\\n'"]);
                format!("printf {format} {words}")
            }
            5 => {
                let words = self.words();
                format!("./args {words}")
            }
            6 => self.test(),
            7 => self.pick(&["true", "false", ":", "./fail3", "(exit 4)", "! true"]).to_owned(),
            8 => {
                let value = self.value();
                let name = self.pick(&["v", "w", "x"]);
                format!("{name}={value}")
            }
            9 => {
                let file = self.file();
                let flags = self.pick(&["-f", "-f", "-rf"]);
                format!("rm {flags} {file}")
            }
            10 => {
                let (from, to) = (self.file(), self.file());
                let program = self.pick(&["mv -f", "cp", "cmp -s", "ln -s", "ln -sf", "cp -f"]);
                format!("{program} {from} {to}")
            }
            11 => {
                let files = self.file();
                let program = self.pick(&["cat", "mkdir -p", "touch", "grep -q one", "ls -d"]);
                format!("{program} {files}")
            }
            12 => self
                .pick(&[
                    "cd dir",
                    "cd dir/sub",
                    "cd nope",
                    "cd ./dirlink",
                    "cd -P dirlink",
                    "cd ''",
                ])
                .to_owned(),
            13 => self
                .pick(&[
                    "exit 3", "exit", "break", "continue", "set +e", "set -e", "break 2", "pwd",
                ])
                .to_owned(),
            14 => self
                .pick(&["export v", "unset v", "export w=$v", "nonexistent a", "./plain", "env"])
                .replace("env", "env | sort"),
            _ => return self.redirection(),
        };
        text.push_str(&command);
        if self.chance(25) && !text.contains('|') {
            let redirection = self.redirection();
            text.push_str(&format!(" {redirection}"));
        }
        text
    }

    /// Commands that run beside each other. Only one of them may have something to say on its
    /// standard error: the order of two messages is nobody's to tell.
    fn pipe(&mut self) -> String {
        let words = self.words().replace("$(cat words)", "$(echo words)");
        let file = self.file();
        let quiet = |this: &mut Self| this.pick(&["cat", "sort", "tr a-m A-M", "wc -l"]).to_owned();
        let mut stages = vec![match self.below(3) {
            0 => format!("printf '%s\\n' {words}"),
            _ => format!("echo {words}"),
        }];
        let mut last = quiet(self);
        match self.below(4) {
            0 => stages[0] = self.pick(&["nonexistent", "./args a", "./fail3"]).to_owned(),
            1 => stages[0] = format!("cat {file}"),
            2 => last = self.pick(&["nonexistent", "./fail3 2>&1", "sort > nodir/x"]).to_owned(),
            _ => last = format!("cat {file} -"),
        }
        if self.chance(30) {
            let middle = quiet(self);
            stages.push(middle);
        }
        stages.push(last);
        if self.chance(20) {
            let to = self.pick(&["> out", "2>&1", "2>/dev/null", ">> dir/out 2>&1", ">&2"]);
            if let Some(last) = stages.last_mut().filter(|last| !last.contains('>')) {
                last.push_str(&format!(" {to}"));
            }
        }
        stages.join(" | ")
    }

    fn test(&mut self) -> String {
        let (a, b) = (self.word(), self.word());
        let file = self.file();
        let body = match self.below(7) {
            0 => format!("{a} = {b}"),
            1 => format!("{a} != {b}"),
            2 => format!("-f {file}"),
            3 => format!("! -e {file}"),
            4 => format!("-z x{a} -a -n x{b}"),
            5 => format!("{a} -lt 3"),
            // Without an operand after -o dash reads past the end of its arguments.
            _ => format!("-d {file} -o x{a}"),
        };
        if self.chance(70) { format!("[ {body} ]") } else { format!("test {body}") }
    }

    fn redirection(&mut self) -> String {
        let file = self.pick(&["out", "out", "dir/out", "$v.txt", "nodir/x", "/dev/null"]);
        let source = self.pick(&["a.c", "words", "nope", "empty", "/dev/null"]);
        match self.below(8) {
            0 => format!("> {file}"),
            1 => format!(">> {file}"),
            2 => format!("2> {file}"),
            3 => format!("> {file} 2>&1"),
            4 => format!("2>&1 > {file}"),
            5 => ">&2".to_owned(),
            6 => format!("< {source}"),
            _ => format!("2>/dev/null < {source} > {file}"),
        }
    }

    fn file(&mut self) -> String {
        let file = self.pick(&[
            "a.c",
            "b.c",
            "same",
            "empty",
            "dir",
            "dir/x.h",
            "link",
            "dangling",
            "nope",
            "nodir/y",
            "*.c",
            "\"with space\"",
            "out",
            "$v",
            "dirlink",
            "dir/new",
            "a.c/",
            "./a.c",
            "words",
        ]);
        file.to_owned()
    }

    fn words(&mut self) -> String {
        let mut words = self.word();
        for _ in 0..self.below(3) {
            words.push(' ');
            let next = self.word();
            words.push_str(&next);
        }
        words
    }

    fn word(&mut self) -> String {
        let mut word = self.piece();
        while self.chance(25) {
            let next = self.piece();
            word.push_str(&next);
        }
        word
    }

    fn piece(&mut self) -> String {
        let piece = self.pick(&[
            "a",
            "b",
            "abc",
            "x.c",
            "1",
            "2",
            "-n",
            "=",
            "$v",
            "$v",
            "\"$v\"",
            "${v}",
            "$w",
            "$f",
            "\"$f\"",
            "'a  b'",
            "\"a  $v b\"",
            "\\$",
            "\\ ",
            "''",
            "\"\"",
            "*.c",
            "'*.c'",
            "d*",
            "[ab].c",
            "\\*",
            "?",
            "$?",
            "\"$?\"",
            "${v:-none}",
            "${w:-a $v}",
            "\"${w:-a b}\"",
            "${v:+set}",
            "${v+set}",
            "${x:=new}",
            "${#v}",
            "${v%b*}",
            "${v#*a}",
            "${v##*/}",
            "${v%%.*}",
            "\"${v%.c}.o\"",
            "'it'\\''s'",
            "\"q\\\"q\"",
            "$",
            "#",
            "a#b",
            "%s",
            "\\\\n",
            "$(echo x)",
            "\"$(echo 'p  q')\"",
            "$(cat words)",
            "$(false)",
            "$(echo $v; exit 3)",
        ]);
        piece.to_owned()
    }

    fn value(&mut self) -> String {
        if self.chance(50) {
            return self
                .pick(&[
                    "abc", "'a  b'", "' pad '", "a.c", "dir/x.h", "''", "'*.c'", "'a\\*'", "12",
                ])
                .to_owned();
        }
        self.word().replace("-n", "n")
    }
}
