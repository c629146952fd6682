/** Limits of the calls about memory. */

/** As in the reference: searching 15 s, writing 10 s; one bound for both, since either may start the thread that reads texts. */
export const memoryTimeoutMs = 15_000
/** A turn waits so long for what memory has to say, as for any other provider of context, and no longer. */
export const recallTimeoutMs = 1_500
export const maxSearchResults = 20
export const defaultSearchResults = 5
export const maxQueryCharacters = 4_000
/** Tokens of all results together: below what a model is shown of one result, with room for their headings. */
export const searchTokens = 3_000
/** The journal is read from its beginning: 100 000 records take seconds. */
export const forgetTimeoutMs = 600_000
export const maxForgetIds = 100
export const maxForgetCharacters = 4_000
/** Places that are shown of what would go; all are counted. */
export const shownPlaces = 20
export const shownCharacters = 120

/** The largest file that is read as a document; its text has a limit of its own. */
export const maxDocumentBytes: number = 32 * 1024 * 1024
/** Files that one call takes from a folder. More is watched, or done folder by folder. */
export const maxIngestFiles = 500
export const ingestTimeoutMs = 600_000
export const ingestFileTimeoutMs = 60_000
/** Lines of one import, and their characters together: the longest message with its terms, and what a frame of the gateway holds in any script. */
export const maxImportLines = 1_000
export const maxImportCharacters: number = 1024 * 1024

/** Hands answer a watch when something changes, and at least this often. */
export const watchWaitMs = 20_000
/** Hands answer this long after the wait at the latest. */
export const watchGraceMs = 10_000
export const maxWatchedChanges = 200
export const maxWatchedFolders = 16
/** After a failure a watched folder is looked at again after so long. */
export const watchRestMs = 10_000
