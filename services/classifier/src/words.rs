//! Which of a few telling words stand in an agent: all of them found in one pass.

use aho_corasick::{AhoCorasick, MatchKind};
use std::sync::LazyLock;

macro_rules! words {
    ($($word:ident = $text:literal),* $(,)?) => {
        /// A word that tells something wherever it stands.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Word {
            $(#[doc = concat!("`", $text, "`")] $word,)*
        }

        const ALL: &[(Word, &str)] = &[$((Word::$word, $text)),*];
    };
}

words! {
    Mozilla = "Mozilla/",
    Trident = "Trident/",
    Msie = "MSIE ",
    MsOffice = "ms-office",
    Chrome = "Chrome/",
    IPad = "iPad",
    ProdIPad = ".prod.ipad",
    IPhone = "iPhone",
    IPod = "iPod",
    ProdIPhone = ".prod.iphone",
    WindowsPhone = "Windows Phone",
    WindowsNt = "Windows NT",
    Android = "Android",
    Mobile = "Mobile",
    Macintosh = "Macintosh",
    MacOsX = "Mac OS X",
    MacOutlook = "MacOutlook/",
    X11 = "X11;",
    CrOs = "CrOS",
}

/// No word is a part of another, so those that stand leftmost are all there are, but for an `X11;` whose `X` ends `Mac OS X`:
/// both say the same.
static AUTOMATON: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .build(ALL.iter().map(|(_, text)| text))
        .expect("a few short words")
});

/// The words that stand in an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Words {
    /// One bit a word.
    said: u32,
    /// `Mozilla/` stands there again, outside of all parentheses.
    pub(crate) mozilla_twice: bool,
    /// A space follows an `Android`, and then its version.
    pub(crate) android_version: bool,
    /// The number behind the first `Chrome/`.
    pub(crate) chrome: Option<u32>,
}

impl Words {
    pub(crate) fn of(agent: &str) -> Self {
        let mut words = Self::default();
        for found in AUTOMATON.find_iter(agent) {
            let (word, _) = ALL[found.pattern().as_usize()];
            let (before, behind) = (&agent[..found.start()], &agent[found.end()..]);
            match word {
                Word::Mozilla if words.say(word) => words.mozilla_twice |= outside_parentheses(before),
                Word::Chrome if !words.say(word) => words.chrome = number(behind),
                Word::Android => words.android_version |= behind.starts_with(' '),
                _ => {}
            }
            words.said |= 1 << word as u32;
        }
        words
    }

    /// Whether a word stands there.
    pub(crate) fn say(&self, word: Word) -> bool {
        self.said & 1 << word as u32 != 0
    }

    /// Whether one of these does.
    pub(crate) fn say_one(&self, words: &[Word]) -> bool {
        words.iter().any(|word| self.say(*word))
    }
}

/// Whether what comes next stands outside of all parentheses.
fn outside_parentheses(before: &str) -> bool {
    let depth = before.bytes().fold(0u32, |depth, byte| match byte {
        b'(' => depth + 1,
        b')' => depth.saturating_sub(1),
        _ => depth,
    });
    depth == 0
}

/// The number that a text begins with.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_agent_is_read_in_one_pass() {
        let words = Words::of(
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
        );
        assert!(words.say(Word::Mozilla) && words.say_one(&[Word::IPad, Word::Mobile]));
        assert!(words.android_version && !words.mozilla_twice && !words.say(Word::WindowsNt));
        assert_eq!(words.chrome, Some(142));
        let odd = Words::of("Mozilla/4.0 (Mozilla/5.0) Chrome/x Chrome/9 Android; Mozilla/5.0");
        assert!(odd.mozilla_twice && !odd.android_version && odd.say(Word::Android));
        assert_eq!(odd.chrome, None);
        assert!(!Words::of("Mozilla/4.0 (Mozilla/5.0)").mozilla_twice);
    }

    proptest! {
        /// Whatever stands around it, before it and behind it.
        #[test]
        fn a_word_is_found_where_it_stands_and_nowhere_else(
            parts in prop::collection::vec((0..ALL.len(), "[ (;/A-Za-z0-9]{0,3}"), 0..8),
        ) {
            let agent: String = parts.iter().flat_map(|(word, text)| [ALL[*word].1, text]).collect();
            let words = Words::of(&agent);
            for (word, text) in ALL {
                // One that begins with another's last letter is told by that one.
                let hidden = *word == Word::X11 && agent.contains("Mac OS X11;");
                prop_assert_eq!(words.say(*word) || hidden, agent.contains(text), "{} in {}", text, agent);
            }
        }
    }
}
