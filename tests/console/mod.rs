//! The console blocks of a document: each command of this program, and the lines of output that stand below it.

/// The words behind `$ roofprobe`, and the lines quoted below.
pub(crate) type Quoted<'a> = (Vec<String>, Vec<&'a str>);

/// Every command of this program in the console blocks of `page`, in its order. Other programs are left out.
pub(crate) fn commands(page: &str) -> Vec<Quoted<'_>> {
    let mut commands = Vec::new();
    for rest in page.split("```console\n").skip(1) {
        let (block, _) = rest.split_once("\n```").expect("the block ends");
        let mut lines = block.lines().peekable();
        while let Some(line) = lines.next() {
            let mut command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("is no command: {line}")).to_owned();
            while command.ends_with('\\') {
                command.pop();
                command += lines.next().expect("a line follows the backslash");
            }
            let mut output = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                output.push(line);
            }
            if let Some(arguments) = command.strip_prefix("roofprobe") {
                commands.push((words(arguments), output));
            }
        }
    }
    commands
}

/// The words of a command line. Single quotes around a word are taken off; nothing else of a shell is understood.
fn words(line: &str) -> Vec<String> {
    assert!(!line.contains(['|', '>', '<', ';', '&', '$', '"']), "needs a shell: {line}");
    line.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect()
}
