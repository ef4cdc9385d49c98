//! XML from a card or a disk, within bounds.

use roxmltree::{Document, Error, ParsingOptions};

/// Most declarations of namespaces in a document. Those of a card have three at most.
const MAX_NAMESPACES: usize = 32;
/// Most attributes of an element. Those of cards and their images have four at most.
const MAX_ATTRIBUTES: usize = 32;

/// Parses without DTD, and so without entities, up to `max_nodes` nodes and 32 declarations of namespaces.
///
/// # Errors
/// The document is not well formed, or above a bound.
pub(crate) fn parse(text: &str, max_nodes: u32) -> Result<Document<'_>, Error> {
    parse_within(text, max_nodes, MAX_NAMESPACES)
}

/// The same for a document with up to `max_namespaces` declarations of namespaces.
///
/// The parser compares all attributes of an element with each other, and hands all namespaces down to every element that
/// declares one: hours for a document that is no longer than it may be. That is why these are counted before.
///
/// # Errors
/// The document is not well formed, or above a bound.
pub(crate) fn parse_within(text: &str, max_nodes: u32, max_namespaces: usize) -> Result<Document<'_>, Error> {
    if text.matches("xmlns").count() > max_namespaces {
        return Err(Error::NamespacesLimitReached);
    }
    // No `<` can stand inside an element's brackets: between two of them is one element, and the text behind it. What is
    // between them in a comment or a CDATA section belongs to no element.
    let is_element = |piece: &&str| !piece.starts_with("!--") && !piece.starts_with("![CDATA[");
    if text.split('<').filter(is_element).any(|element| element.matches('=').count() > MAX_ATTRIBUTES) {
        return Err(Error::AttributesLimitReached);
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: max_nodes, ..ParsingOptions::default() };
    Document::parse_with_options(text, options)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn what_a_document_may_have_it_may_have() {
        let attributes: String = (0..32).fold(String::new(), |text, n| text + &format!(" a{n}=''"));
        let namespaces: String = (0..32).fold(String::new(), |text, n| text + &format!(" xmlns:a{n}='x'"));
        assert!(parse(&format!("<a{attributes}><b{namespaces}/></a>"), 10).is_ok());
        assert_eq!(parse(&format!("<a{attributes} b=''/>"), 10).err(), Some(Error::AttributesLimitReached));
        let line = "=".repeat(80);
        assert!(
            parse(&format!("<!-- {line} --><a><![CDATA[{line}]]></a>"), 10).is_ok(),
            "a ruled comment is no attribute"
        );
        assert_eq!(parse(&format!("<a{namespaces}><a xmlns='y'/></a>"), 10).err(), Some(Error::NamespacesLimitReached));
    }

    /// Seconds and minutes where they are not counted, and no document of a card is refused for its length alone.
    #[test]
    fn many_attributes_and_namespaces_are_refused_at_once() {
        let mut attributes = "<a".to_owned();
        (0..100_000).for_each(|n| write!(attributes, " a{n}=''").unwrap());
        assert!(parse(&(attributes + "/>"), 10).is_err());
        let mut namespaces = "<a".to_owned();
        (0..2_000).for_each(|n| write!(namespaces, " xmlns:a{n}='x'").unwrap());
        namespaces.push('>');
        (0..1_900).for_each(|_| namespaces.push_str("<a xmlns:z='x'/>"));
        assert!(parse(&(namespaces + "</a>"), 2_000).is_err());
    }
}
