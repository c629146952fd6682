/** Limits of texts, each with its reason. */

/** Longest Markdown that is parsed: more is a file on every platform, and is kept as it is. */
export const maxMarkdownChars = 32_000
/** Quotes and lists in each other. The parser takes time that grows with the cube of their depth. */
export const maxDepth = 16
/** Columns that a line may be indented and still be parsed: a list as deep as `maxDepth`. */
export const maxIndent = 64
/** Signs of emphasis in one paragraph or item. The parser takes time that grows with their square. */
export const maxEmphasisSigns = 500
/** Definitions of links, looked for by the parser one by one. */
export const maxDefinitions = 500
/** Characters of a link's text and address: a longer one is text, so that every link fits into a part. */
export const maxLinkText = 250
export const maxLinkUrl = 1_000
/** Columns of a table; a wider one could not be read anyhow. */
export const maxCellChars = 60
/** Names after `@` in one part that stay as they are; more would wake up a crowd. */
export const maxMentions = 5
