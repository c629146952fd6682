/** Limits of stored memory, with their reasons. */

/** A note is a fact, not a document: longer texts are ingested as files. */
export const maxNoteCharacters = 8_000
/** As in the reference. */
export const maxTags = 16
export const maxTagCharacters = 64
/** Of a stream or an author, as the store has it. */
export const maxNameCharacters = 512
/** Of one message so much is indexed: what is longer was pasted, and its beginning says what it is. */
export const maxMessageCharacters: number = 64 * 1024
/** Of the turn before: what a sentence or two refer to. Passages of about 640 characters are not outweighed by it. */
export const maxContextCharacters = 640
/** Records that the indexer reads at once: some ten turns, one message between threads. */
export const indexPage = 200
/** Messages of it that are kept at once, about: a change that waits for them waits some tens of milliseconds. */
export const indexStretchBytes: number = 64 * 1024
/** Turns that end within this time are indexed together: under load that is half of the work. A search does not wait for it. */
export const indexLingerMs = 200
/** After a failure the indexer waits for the next turn, and at least this long, so as not to retry in a tight loop. */
export const indexRestMs = 1_000
/** A search waits this long for recent messages to be indexed. */
export const catchUpMs = 1_500
/** Last messages kept by session, as context of the next; others are read again. */
export const maxHeldContexts = 200

/** Sessions in which an entry was wanted that are kept: with three of them protection is as high as sessions make it. */
export const maxSessions = 3
/** Entries that one entry names as at odds with it, or as saying the same: more is a debate and no memory. Tidying keeps the newest. */
export const maxRelations = 32
/** Memories looked through at once for what is to be forgotten: the event loop has them for a millisecond. */
export const forgetItems = 32
/** Records of a session read at once to find what a turn said. */
export const turnPage = 100
/** Forgettings whose words are held until their turns have ended; of more the words are read from the turns themselves. */
export const maxHeldForgettings = 100
/** Exchanges of one generation: its tries. */
export const maxExchanges = 500
/** Words of what is forgotten that are looked for in what was searched for, the longest: the others are seldom what tells it. */
export const maxQueryWords = 16
/** Bodies erased at once: the store's limit. */
export const eraseBatch = 1_000
/** A shorter phrase occurs in too many places to be intended. */
export const minForgetCharacters = 4
/** The same of scripts with a letter for a syllable or a word: names of people have two of them. */
export const minForgetDense = 2
/** Entries that one call can forget. To erase more, delete a session or a document. */
export const maxForgotten = 1_000

/** Characters of one document: a book. A longer one is refused, as only part of it could be indexed. */
export const maxDocumentCharacters: number = 4 * 1024 * 1024
/** One entry of a document: large enough that few are needed, small enough that one is written at once. */
export const sectionCharacters: number = 16 * 1024
/** Sections that the longest document can have: each but the last is at least half full. */
export const maxSections: number = (2 * maxDocumentCharacters) / sectionCharacters + 1

/** Entries listed at once, without texts: the store's limit. */
export const listPage = 1_000
/** Entries written at once. */
export const writeBatch = 64
/** Lines of one export page, and of one import. */
export const transferPage = 200
/** Ids recently shown in a session, which are not shown again immediately. */
export const maxShown = 200
export const maxShownSessions = 500
