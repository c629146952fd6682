/** Limits of the store, each with its reason: of the journal, of Postgres, of upkeep, of memory and its search. */

/** Larger bodies go to the blob table by hash, so that a scan of the journal never reads a file or a long answer. */
export const maxInlineBodyBytes = 4_096
/** One blob. Larger things are files, and files live in the workspace. */
export const maxBlobBytes: number = 64 * 1024 * 1024
/** Writes that may wait for the writer: about two seconds of work. More means that the caller does not wait for answers. */
export const maxWaitingWrites = 100_000
/** How long a lazy write waits for others to share its transaction: less than a person notices, longer than a quick step takes. */
export const lingerMs = 2
/** Records in one transaction: about 30 ms of work, so that nobody waits long behind a burst. */
export const maxBatchRecords = 2_000
/** Text in one transaction, in UTF-16 units: bounds the memory that a message to the writer takes. */
export const maxBatchChars: number = 8 * 1024 * 1024
/** Bodies erased at once, each looked up by itself: as many as one request to forget touches, and few enough not to hold up the writer. */
export const maxErasedAtOnce = 1_000
/** Reason of an erasure: a sentence, or the id of a call. */
export const maxReasonChars = 200
/** Rows that one read returns; a reader continues from its cursor. */
export const maxRowsPerRead = 10_000
/** How long another process (a backup) may hold the file before a write fails. */
export const busyTimeoutMs = 5_000
/** The wait before a lock is tried again where the thread goes on meanwhile; most transactions take less. */
export const lockPauseMs = 10
/** SQLite's page cache. Its default of 2 MiB makes a large store ten times slower. */
export const writerCacheKib: number = 16 * 1024
export const readerCacheKib: number = 8 * 1024
/** A thread of SQLite that only reads ends after this long without a read: it holds megabytes, and starts again in some 40 ms. */
export const idleReaderMs = 60_000
/** More documents at once are read in the thread of reads. */
export const maxBriefDocuments = 100
/** A short read that has waited this long for the writer starts the thread of reads, for those after it. */
export const maxReadWaitMs = 50
/** A batch that the calling thread commits by itself: at most 1 ms of work. Larger ones are worth the way to the writer's thread. */
export const maxInlineRecords = 40
export const maxInlineChars: number = 64 * 1024
/** After so many the thread has one, so that it looks whether a checkpoint is due: it alone makes checkpoints. */
export const maxInlineCommits = 500
/** A commit that took longer waited for the disk, or for the processor: the writer's thread has all batches for so many times as long. */
export const slowCommitMs = 50
export const asidePerSlow = 20
/** Page cache of the calling thread's connection: the ends of the journal and its indexes. */
export const secondCacheKib: number = 4 * 1024
/** Pages of write-ahead log between checkpoints: 16 MiB, so that a checkpoint's two syncs are rare. */
export const checkpointPages = 4_000
/** The log file is truncated to this after a checkpoint. */
export const keptLogBytes: number = 32 * 1024 * 1024
/** With less free disk space SQLite cannot open a file that has a log: its index of the log grows in steps of this size. */
export const leastRoomBytes: number = 32 * 1024

/** Postgres: how long one connection may take to be made. A server nearby answers in milliseconds, one far away in one second. */
export const connectMs = 2_000
/** One statement. A scan of a whole journal takes seconds; a statement that takes longer is stuck and holds up others. */
export const maxStatementMs = 30_000
/** How much longer the client waits than the server, so that the server's own message arrives. */
export const statementGraceMs = 5_000
/** Where another server may stand in: statements without an answer for so long have their server asked whether it is there. */
export const silentServerMs = 4_000
/** How often it is asked, each time by a new connection: after 8 s in all its connections are given up. */
export const serverAsks = 2
/** How long connections may take to end in order. A server that is gone never says that they have. */
export const closeMs = 2_000
/** An idle connection for reading is closed after this: a shared server has few. */
export const idleSessionMs = 60_000
/** How long a write waits for a server that is gone: a restart takes one or two seconds, a failover five to ten. */
export const patienceMs = 15_000
/** The same before the store was open once: a person is waiting for the start, and the address may be wrong. With a start it makes less than 3 s. */
export const startPatienceMs = 2_000
/** Delay between two attempts to connect: the first, and the longest. */
export const firstRetryMs = 50
export const longestRetryMs = 2_000
/** Retries of a transaction that conflicts with another. */
export const maxConflictRetries = 5
/** Reads that may wait for a connection. More means that the caller does not wait for answers. */
export const maxWaitingReads = 1_000

/** Manifest of a backup: a few counts. A larger one is not ours. */
export const maxManifestBytes: number = 64 * 1024
/** Problems of a store in one report: with more, restore a backup. */
export const maxProblemsShown = 50
/** Rows in one transaction of a move: a kill loses a tenth of a second of work. */
export const copyBatchRows = 2_000
/** Text and bytes in one statement of a move; one row may have more. */
export const copyBatchBytes: number = 8 * 1024 * 1024
/** One secret: a key, a token or a certificate with its key. Larger things are files. */
export const maxSecretBytes: number = 64 * 1024
/** Secrets that one transaction re-encrypts: an interrupted rotation continues from there. */
export const maxRotatedAtOnce = 100

/** How long one slice of a phrase scan blocks the reader thread: too short for a turn that reads after it to notice. */
export const scanSliceMs = 10
/** Rows of a slice that are read at once; their bodies are read one by one. */
export const scanPage = 64

/**
 * Niceness of threads that index and search, from -20 to 19. On an overloaded machine 500 sessions that recall delay the event loop by a
 * third of what they do without it, at the same throughput; at 7 and more, recall itself waits too long.
 */
export const backgroundNiceness = 5

/** One passage. They are about 640 characters long; this only bounds what a mistake can do. */
export const maxPassageChars: number = 1024 * 1024
/** Passages of one entry: a book of ten million characters. */
export const maxPassages = 20_000
/** Changes in one call, which is one transaction. */
export const maxChanges = 20_000
/** Longer terms are truncated to this, both when stored and when searched for. */
export const maxTermChars = 128
/** Terms of one search; more add nothing to what is wanted, and each costs a pass over its occurrences. */
export const maxSearchTerms = 128
export const maxHits = 1_000
export const maxListed = 1_000
/** Ids, names of models, streams and authors. */
export const maxNameChars = 512
export const maxTags = 256
export const maxTagChars = 256
/** `extra` of one entry. */
export const maxExtraChars: number = 256 * 1024
/** Numbers in one vector; the longest that providers make have 4 096. */
export const maxDims = 16_384
/** Vectors in one row, of consecutive passages: rows of single vectors would leave half of each 4 KiB page empty. */
export const blockPassages = 16
/** Vectors with at least so many dimensions are stored in sixteen bits a number: in shorter ones each number weighs more, and little is saved. */
export const minScaledDims = 64
/** Removals that are recorded for readers, which drop those passages from memory; a reader that missed more reads everything again. */
export const keptRemovals = 20_000
/** Beyond so many bytes of vectors, at one for each number, Postgres makes an index of them where it can: 131 000 vectors of 384 dimensions. */
export const maxHeldBytes: number = 48 * 1024 * 1024
/** How many more than wanted are compared exactly: eight bits put few in the wrong order. */
export const comparedBeyond = 24
/** Characters of recently found passages that the searching thread caches, with their vectors: some 4 000 messages. */
export const maxHeldCharacters: number = 4 * 1024 * 1024
/** Vectors that it has read to compare exactly. */
export const maxHeldVectors = 4_096
/**
 * A word is common when this share of all passages has it, within the two bounds below. A word in a tenth of all passages tells little
 * about one of them, and a search for nothing else finds whatever is newest.
 */
export const commonShare = 0.1
export const fewestCommon = 64
export const mostCommon = 20_000
/** BM25: saturation of repeated words, and the influence of length. The values of FTS5 and Lucene. */
export const bm25 = { k1: 1.2, b: 0.75 } as const
/** Passages of one word that a ranking reads along with rarer words: half a millisecond. */
export const maxPlaces = 50_000
/** Passages of words that were weighed last, in 12 bytes each: enough for some questions, or the most common words. */
export const heldPlaces = 262_144
/** New passages whose words stand in plain lists, which take ten times as much: so many, or this share of all. */
export const mergedPassages = 2_000
export const mergedShare = 0.1
/** A snapshot of what a search holds: a million passages. A larger memory is read from the database. */
export const maxSnapshotBytes: number = 512 * 1024 * 1024
/** It is written anew when so many changes, or this share of all passages, are not in it. */
export const snapshotChanges = 500
export const snapshotShare = 0.05
/** Between two that are written because the last was erased: all of it is written, a tenth of a second for 100 000 passages. */
export const snapshotRestMs = 30_000
/** Its newest passages, which are compared with those in the database. */
export const comparedPassages = 24
/** Models whose vectors are held at once: the active one and one that is being built. */
export const heldModels = 2

/** The longest vector that an HNSW index of pgvector takes. */
export const maxNearDims = 4_000
/** Blocks of vectors newer than the index that are compared one by one: 20 000 vectors. With more, the index is not used. */
export const maxTailBlocks = 1_250
/** Candidates beyond the hits wanted: sixteen bits a number put few in the wrong order, and a filter may exclude some. */
export const nearSpare = 64
export const nearPerHit = 3
/** Most candidates that pgvector gives. */
export const maxCandidates = 1_000
/** Above this share of new vectors the index is rebuilt: adding them one by one takes longer. */
export const rebuiltPart = 0.25
/** Blocks copied into the index's table at once: 256 vectors. */
export const copiedBlocks = 16

/** Files and folders in a backup: more than any workspace that people work in has, and some minutes of unpacking. */
export const maxArchiveEntries = 5_000_000
/** Folders within each other, each held open while it is read: below what a process may open. */
export const maxArchiveDepth = 200
/** Longest name of an entry with its folders: what Linux takes. */
export const maxArchiveNameBytes = 4_096
/** A file of the configuration, as the runner reads it. */
export const maxArchivedConfigBytes: number = 1024 * 1024
/** Sealed at once, and held in memory when it is opened. */
export const sealedPieceBytes: number = 1024 * 1024

/** Marks of memories in one record of the journal: a body of some 70 kB. */
export const marksPerRecord = 1_000
/** Characters of documents that are kept in memory once they were read or written. */
export const maxKeptChars = 1_000_000
/** What keeping one takes besides its body. */
export const keptRowChars = 200
