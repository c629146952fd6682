/** Limits of reading texts, and of the thread that does it, each with its reason. */
/** What a passage aims at, in UTF-16 units: about a hundred words, which one vector can still stand for. */
export const passageUnits = 640
/** How much of the passage before is said again, so that what stands at a border is found with its surroundings. */
export const overlapUnits = 96
/** Sections smaller than this are joined with the next one: a file of headings alone would become a passage a line. */
export const smallestSection = 160
/** The longest text that is cut: a book of 5 000 pages. Its passages and their terms take about ten times as much. */
export const maxCutUnits: number = 16 * 1024 * 1024
/** Messages that are cut before a question gets its turn: about a millisecond. */
export const cutAtOnce = 8
/** Terms are made of passages; terms of a longer text would be an index that nobody could search. */
export const maxTermUnits: number = 1024 * 1024
/** A term is a word or a name. What is longer is data, and its beginning is enough to find it. */
export const maxTermLength = 64
/** Class terms of one passage: a hundred words have about fifty nouns with some ten classes each, many of them shared. */
export const maxClassTerms = 512
/** Parts of one name, e.g. of an address with a long query: beyond these it is data too. */
export const maxNameParts = 32
/** A question is a message of a person; what is pasted below it need not be looked up word by word. */
export const maxQuestionUnits: number = 8 * 1024
/** Every term is one lookup in the index; rare words of a long message come first, see `readQuestion`. */
export const maxQuestionTerms = 64
/** Phrases and names that are looked for as they are written. */
export const maxExact = 8
/** Parts of a question that are searched one by one. */
export const maxQuestionParts = 4

/** Most characters of one question: the longest text that is cut. They are copied into the thread. */
export const maxAskedUnits: number = 16 * 1024 * 1024
/**
 * Without a question for this long the thread ends, and its table of vectors with it (32 MB). Starting again takes 0.1 s, and on a busy
 * machine more than a turn waits. A person who reads an answer for some minutes and goes on should not be the one who pays for it.
 */
export const threadIdleMs: number = 10 * 60_000
