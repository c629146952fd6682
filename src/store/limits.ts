/** Limits of the store room, each with its reason. */

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
