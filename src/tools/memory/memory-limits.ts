/** Limits of the calls about memory. */

/** The reference implementation allows 15 s to search and 10 s to write; one limit for both, since either may start the embedding thread. */
export const memoryTimeoutMs = 15_000
/** How long a turn waits for memory: as for any other context provider. */
export const recallTimeoutMs = 1_500
export const maxSearchResults = 20
export const defaultSearchResults = 5
export const maxQueryCharacters = 4_000
/** Tokens of all results together: below what a model is shown of one result, with space for headings. */
export const searchTokens = 3_000
/** Reads the journal from the beginning: 100 000 records take seconds. */
export const forgetTimeoutMs = 600_000
export const maxForgetIds = 100
export const maxForgetCharacters = 4_000
/** Places that a preview lists; all are counted. */
export const shownPlaces = 20
export const shownCharacters = 120

/** Largest file that is read as a document; its text has a separate limit. */
export const maxDocumentBytes: number = 32 * 1024 * 1024
/** Files that one call ingests from a folder. Larger folders are watched, or ingested folder by folder. */
export const maxIngestFiles = 500
export const ingestTimeoutMs = 600_000
export const ingestFileTimeoutMs = 60_000
/** Lines and characters of one import: the longest message with its terms, and what fits a gateway frame in any script. */
export const maxImportLines = 1_000
export const maxImportCharacters: number = 1024 * 1024

/** Hands answer a watch on a change, and at least this often. */
export const watchWaitMs = 20_000
/** How long after that interval hands may still answer. */
export const watchGraceMs = 10_000
export const maxWatchedChanges = 200
export const maxWatchedFolders = 16
/** Pause before a watched folder is tried again after a failure. */
export const watchRestMs = 10_000
