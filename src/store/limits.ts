/** Limits of the store, each with its reason: of the journal, of Postgres, of upkeep, of memory and its search. */

/** Larger bodies go to the blob table by hash, so that a scan of the journal never reads a file or a long answer. */
export const maxInlineBodyBytes = 4_096
/** One blob. Larger things are files, and files live in the workspace. */
export const maxBlobBytes: number = 64 * 1024 * 1024
/** Writes that may wait for the writer: about two seconds of work. More means that nobody waits for answers. */
export const maxWaitingWrites = 100_000
/** How long a write that nobody looks for waits for company: below what a person sees, above the time of a quick step. */
export const lingerMs = 2
/** Records in one transaction: about 30 ms of work, so that nobody waits long behind a burst. */
export const maxBatchRecords = 2_000
/** Text in one transaction, in UTF-16 units: bounds the memory that a message to the writer takes. */
export const maxBatchChars: number = 8 * 1024 * 1024
/** Bodies erased at once, each looked at alone: what one forgetting of a person touches, and the writer is back in a moment. */
export const maxErasedAtOnce = 1_000
/** Text that says why a body was erased: a sentence, or the id of a call. */
export const maxReasonChars = 200
/** Rows that one read returns; a reader that wants more asks again from its cursor. */
export const maxRowsPerRead = 10_000
/** How long another process (a backup) may hold the file before a write fails. */
export const busyTimeoutMs = 5_000
/** SQLite's page cache. Its default of 2 MiB makes a large store ten times slower. */
export const writerCacheKib: number = 16 * 1024
export const readerCacheKib: number = 8 * 1024
/** Pages of write-ahead log between checkpoints: 16 MiB, so that a checkpoint's two syncs are rare. */
export const checkpointPages = 4_000
/** The log file is cut back to this after a checkpoint. */
export const keptLogBytes: number = 32 * 1024 * 1024
/** With less room on the disk SQLite cannot open a file that has a log: its index of the log is made in steps of this size. */
export const leastRoomBytes: number = 32 * 1024

/** Postgres: how long one connection may take to be made. A server nearby answers in milliseconds, one far away in one second. */
export const connectMs = 2_000
/** One statement. A scan of a whole journal takes seconds; one that takes longer is stuck, and holds others up. */
export const maxStatementMs = 30_000
/** How much longer the client waits than the server, for the server's own words to arrive. */
export const statementGraceMs = 5_000
/** A connection for reading that nobody uses goes: a shared server has few. */
export const idleSessionMs = 60_000
/** How long a write waits for a server that is gone: a restart takes one or two seconds, a failover five to ten. */
export const patienceMs = 15_000
/** The same before the store was open once: a person is waiting for the start, and the address may be wrong. With a start it makes less than 3 s. */
export const startPatienceMs = 2_000
/** Between two attempts to connect: at first, and at most. */
export const firstRetryMs = 50
export const longestRetryMs = 2_000
/** How often a transaction is tried again that another one was in the way of. */
export const maxConflictRetries = 5
/** Reads that wait for a connection. More means that nobody waits for answers. */
export const maxWaitingReads = 1_000

/** Manifest of a backup: a few counts. More is not ours. */
export const maxManifestBytes: number = 64 * 1024
/** What is wrong with a store, in one report: whoever has more restores a backup. */
export const maxProblemsShown = 50
/** Rows in one transaction of a move: a tenth of a second of work that a kill undoes. */
export const copyBatchRows = 2_000
/** Text and bytes in one statement of a move; one row may have more. */
export const copyBatchBytes: number = 8 * 1024 * 1024
/** One secret: a key, a token or a certificate with its key. Larger things are files. */
export const maxSecretBytes: number = 64 * 1024
/** Secrets that one transaction seals anew: a rotation that is cut off goes on from there. */
export const maxRotatedAtOnce = 100

/** How long one look for phrases holds the thread that reads: a turn that reads behind it does not notice. */
export const scanSliceMs = 10
/** Rows of it that are held at once; their bodies are read one by one. */
export const scanPage = 64

/**
 * Of threads that index and search, from -20 to 19. On a machine with more to do than it can, 500 sessions that recall delay the event
 * loop by a third of what they do without, and get as much done; at 7 and more, recall itself waits too long.
 */
export const backgroundNiceness = 5

/** One passage. They are cut to about 640; this only bounds what a mistake can do. */
export const maxPassageChars: number = 1024 * 1024
/** Passages of one entry: a book of ten million characters. */
export const maxPassages = 20_000
/** Changes of one call: they are one transaction. */
export const maxChanges = 20_000
/** Longer terms are cut to this, when they are kept and when they are looked for. */
export const maxTermChars = 128
/** Terms that one search looks for; more say nothing about what is wanted, and each costs a walk over its occurrences. */
export const maxSearchTerms = 128
export const maxHits = 1_000
export const maxListed = 1_000
/** Ids, names of models, streams and authors. */
export const maxNameChars = 512
export const maxTags = 256
export const maxTagChars = 256
/** `extra` of one entry. */
export const maxExtraChars: number = 256 * 1024
/** Of one vector; the longest that providers make have 4 096. */
export const maxDims = 16_384
/** Vectors that stand in one row, by consecutive passages: rows of single vectors would leave half of each page of 4 KiB empty. */
export const blockPassages = 16
/** From here on vectors are kept in sixteen bits a number: in shorter ones each number weighs more, and there is little to save. */
export const minScaledDims = 64
/** Removed passages that are remembered for readers, which drop them from what they hold; one that missed more reads all anew. */
export const keptRemovals = 20_000
/** Up to here vectors are held whole and compared one by one: 1.5 ms at 384 dimensions, for which they take 6 MB. */
export const maxExactVectors = 4_000
/** Floats that are held whole, whatever their number: 64 MiB. */
export const maxExactFloats: number = 16 * 1024 * 1024
/** Beyond that numbers of eight bits are held: 131 000 vectors of 384 dimensions. Beyond this, signs. */
export const maxSmallBytes: number = 48 * 1024 * 1024
/** Candidates by signs that are compared exactly, at least; and how many for each one asked. */
export const minRescored = 384
export const rescoredPerHit = 16
/** How many more than asked are compared exactly: eight bits put few in the wrong order. */
export const comparedBeyond = 24
/** Characters of passages that were found lately, held by the searching thread: some 4 000 messages. */
export const maxHeldCharacters: number = 4 * 1024 * 1024
/** Models whose vectors are held at once: the active one, and one that is being built. */
export const heldModels = 2

/** More numbers in a vector an HNSW index of pgvector does not take. */
export const maxNearDims = 4_000
/** Blocks of vectors that came after the index was made and are compared one by one: 20 000 vectors. Beyond it the index is left aside. */
export const maxTailBlocks = 1_250
/** Candidates beyond what is asked for: sixteen bits a number put few in the wrong order, and a filter may let some not pass. */
export const nearSpare = 64
export const nearPerHit = 3
/** Most candidates that pgvector gives. */
export const maxCandidates = 1_000
/** Above this part of new vectors the index is made anew: to add them one by one takes longer. */
export const rebuiltPart = 0.25
/** Blocks that are copied into the index's table at once: 256 vectors. */
export const copiedBlocks = 16
