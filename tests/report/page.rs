//! HTML taken apart as a browser does, as far as our pages go: what is not known here fails.

/// Elements without an end.
const VOID: [&str; 4] = ["meta", "input", "wbr", "!DOCTYPE"];
const TAGS: [&str; 47] = [
    "html", "head", "title", "style", "body", "a", "header", "p", "nav", "main", "h1", "h2", "h3", "section", "div",
    "article", "b", "span", "dl", "dt", "dd", "ul", "li", "details", "summary", "figure", "label", "form", "select",
    "option", "output", "table", "thead", "tbody", "tr", "th", "td", "button", "pre", "footer", "script", "svg", "g",
    "path", "text", "circle", "desc",
];
const ATTRIBUTES: [&str; 47] = [
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "href",
    "id",
    "aria-label",
    "aria-labelledby",
    "aria-hidden",
    "role",
    "tabindex",
    "hidden",
    "type",
    "checked",
    "value",
    "data-k",
    "data-v",
    "data-for",
    "data-column",
    "data-name",
    "scope",
    "open",
    "autocomplete",
    "viewBox",
    "d",
    "transform",
    "x",
    "y",
    "text-anchor",
    "html",
    "width",
    "height",
    "rows",
    "for",
    "r",
    "cx",
    "cy",
    "fill",
    "stroke",
    "title",
    "selected",
    "media",
    "dir",
    "colspan",
    "lang",
];

struct Element {
    tag: String,
    attributes: Vec<(String, String)>,
    /// Where its content begins and ends in the text.
    content: (usize, usize),
}

/// A page and its elements.
pub(crate) struct Page {
    pub(crate) text: String,
    elements: Vec<Element>,
}

impl Page {
    /// Takes `text` apart.
    pub(crate) fn of(text: String) -> Page {
        let mut elements: Vec<Element> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut at = 0;
        while let Some(begin) = text[at..].find('<').map(|far| at + far) {
            let (tag, attributes, end) = tag(&text, begin);
            at = end;
            if let Some(name) = tag.strip_prefix('/') {
                let last = open.pop().unwrap_or_else(|| panic!("nothing is open before </{name}>"));
                assert_eq!(elements[last].tag, name, "{}", &text[begin.saturating_sub(200)..end]);
                elements[last].content.1 = begin;
                continue;
            }
            let alone = VOID.contains(&tag.as_str()) || text[..end].ends_with("/>");
            elements.push(Element { tag: tag.clone(), attributes, content: (end, end) });
            if alone {
                continue;
            }
            open.push(elements.len() - 1);
            // What is in these is no markup.
            if ["script", "style"].contains(&tag.as_str()) {
                at = end + text[end..].find(&format!("</{tag}")).expect("an end");
            }
        }
        assert!(open.is_empty(), "{} elements are never closed", open.len());
        Page { text, elements }
    }

    fn all<'p>(&'p self, tag: &'p str) -> impl Iterator<Item = &'p Element> {
        self.elements.iter().filter(move |element| element.tag == tag)
    }

    /// How many elements of that tag there are.
    pub(crate) fn count(&self, tag: &str) -> usize {
        self.all(tag).count()
    }

    /// What is in the only element of that tag.
    pub(crate) fn inside(&self, tag: &str) -> &str {
        assert_eq!(self.count(tag), 1, "{tag}");
        let (from, to) = self.all(tag).next().unwrap().content;
        &self.text[from..to]
    }

    /// The values of all attributes of that name.
    pub(crate) fn attributes<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        let all = self.elements.iter().flat_map(|element| &element.attributes);
        all.filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Only elements and attributes that we write are there, one script, no address but places of the page, ids once.
    pub(crate) fn holds(&self) {
        for element in &self.elements {
            let known = TAGS.contains(&element.tag.as_str()) || VOID.contains(&element.tag.as_str());
            assert!(known, "<{}>", element.tag);
            for (name, value) in &element.attributes {
                assert!(ATTRIBUTES.contains(&name.as_str()), "<{} {name}={value}>", element.tag);
            }
        }
        assert!(self.attributes("href").all(|href| href.starts_with('#')));
        assert_eq!(
            ["script", "style", "title", "main", "h1"].map(|tag| {
                // Pictures have titles of their own.
                self.all(tag)
                    .filter(|element| tag != "title" || element.content.0 < self.text.find("<body").unwrap())
                    .count()
            }),
            [1; 5]
        );
        let mut ids: Vec<&str> = self.attributes("id").collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "an id stands twice");
        assert!(self.attributes("aria-labelledby").all(|id| ids.contains(&id)));
        let words = self.words();
        let none = |word: &str| matches!(word, "NaN" | "inf");
        assert!(!words.split(|c: char| !c.is_alphanumeric()).any(none), "a number is none: {words}");
    }

    /// The profiles, as the browser gives them back.
    pub(crate) fn profiles(&self) -> Vec<String> {
        let text = |element: &Element| {
            let inside = &self.text[element.content.0..element.content.1];
            // A line feed behind the tag is none of its text.
            unescaped(inside.strip_prefix('\n').unwrap_or(inside))
        };
        self.all("pre").map(text).collect()
    }

    /// The page without the files in it.
    pub(crate) fn without_profiles(&self) -> String {
        let mut text = self.text.clone();
        for element in self.elements.iter().rev().filter(|element| element.tag == "pre") {
            text.replace_range(element.content.0..element.content.1, "");
        }
        text
    }

    /// What a reader reads: the text outside of script, style sheet and profiles, titles of pictures included.
    pub(crate) fn words(&self) -> String {
        let text = self.without_profiles();
        let body = &text[text.find("<main").unwrap()..text.find("<script").unwrap()];
        let mut words = String::new();
        for part in body.split('<') {
            let (tag, text) = part.split_once('>').unwrap_or(("", part));
            // Of the words in a line no tag makes two.
            let inline = ["b", "/b", "span", "/span", "wbr"].contains(&tag.split(' ').next().unwrap_or_default());
            words.push_str(if inline { "" } else { " " });
            words.push_str(&unescaped(text));
        }
        words.split([' ', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// The tag at `begin`, its attributes, and where it ends. Values stand in double quotes, and no bare `<` in them.
fn tag(text: &str, begin: usize) -> (String, Vec<(String, String)>, usize) {
    let rest = &text[begin + 1..];
    let length = rest
        .find([' ', '>', '/'])
        .filter(|length| *length > 0)
        .unwrap_or_else(|| 1 + rest[1..].find([' ', '>']).unwrap());
    let (name, mut rest) = rest.split_at(length);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\n']);
        if let Some(behind) = rest.strip_prefix("/>").or_else(|| rest.strip_prefix('>')) {
            return (name.to_owned(), attributes, text.len() - behind.len());
        }
        let end = rest.find(['=', ' ', '>']).expect("a tag ends");
        let (own, behind) = rest.split_at(end);
        assert!(own.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "<{name} {own}");
        let value = behind.strip_prefix("=\"").map(|behind| behind.split_once('"').expect("an end of a value"));
        let (value, behind) = value.unwrap_or(("", behind));
        assert!(!value.contains('<'), "<{name} {own}=\"{value}\"");
        attributes.push((own.to_owned(), unescaped(value)));
        rest = behind;
    }
}

fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    for (written, meant) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#13;", "\r"),
        ("\u{a0}", " "),
        ("&amp;", "&"),
    ] {
        text = text.replace(written, meant);
    }
    text
}
