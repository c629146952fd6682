/** Limits of stored memory, with their reasons. */

/** A note is a fact, not a document: longer texts are ingested as files. */
export const maxNoteCharacters = 8_000
/** Limits of tags. */
export const maxTags = 16
export const maxTagCharacters = 64
/** Length of a stream or author name, the store's limit. */
export const maxNameCharacters = 512
/** Characters of a message that are indexed: longer ones are pasted text, whose beginning identifies it. */
export const maxMessageCharacters: number = 64 * 1024
/** Characters of the turn before that are indexed as context: about one passage, so that they do not outweigh the text itself. */
export const maxContextCharacters = 640
/** Records that the indexer reads per page: about ten turns. */
export const indexPage = 200
/** Approximate bytes of messages written per batch: other changes wait some tens of milliseconds for it. */
export const indexStretchBytes: number = 64 * 1024
/** What is said after a rest is indexed this soon, so that a turn of another session recalls it. A search does not wait for it. */
export const indexLingerMs = 200
/** While turns follow each other, what they say is indexed together this often: each run writes some twenty pages. */
export const indexEveryMs = 2_000
/** After a failure the indexer waits for the next turn, and at least this long, so as not to retry in a tight loop. */
export const indexRestMs = 1_000
/** A search waits this long for recent messages to be indexed. */
export const catchUpMs = 1_500
/** The first turns of a guest wait this long, as far as each waits at all, for what earlier guests left unread. */
export const firstCatchUpMs = 10_000
/** A guest that ends reads for at most this long what its last turns said, so that the next one, perhaps for one message, finds it at once. */
export const lastIndexMs = 1_000
/** Sessions whose last message is cached as context of the next; others are read again. */
export const maxHeldContexts = 200

/** Sessions recorded per entry: three give the highest protection that sessions can. */
export const maxSessions = 3
/** Contradicting or confirming entries per entry; tidying keeps the newest. */
export const maxRelations = 32
/** Memories searched per batch when forgetting: about 1 ms of the event loop. */
export const forgetItems = 32
/** Records of a session read per page to find the messages of a turn. */
export const turnPage = 100
/** Forgettings whose phrases are held in memory until their turns end; for more, the phrases are read from the turns. */
export const maxHeldForgettings = 100
/** Exchanges of one generation, one per try. */
export const maxExchanges = 500
/** Longest words of a forgotten text that are searched for in recorded queries. */
export const maxQueryWords = 16
/** Bodies erased at once: the store's limit. */
export const eraseBatch = 1_000
/** A shorter phrase occurs in too many places to be intended. */
export const minForgetCharacters = 4
/** The same for scripts with a letter per syllable or word, where names can have two letters. */
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

/**
 * Names of cursors that are places in the journal: of messages, of what is to be forgotten where messages are not kept, of the newest report,
 * and of where notes of plugins got their author.
 */
export const memoryCursors = ['journal', 'forgets', 'tidy.report', 'plugin.notes'] as const
