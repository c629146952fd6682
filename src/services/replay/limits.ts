/** Limits of replays, comparisons and transfers of sessions. */

/** Records read at once, with their blobs. */
export const recordsOfPage = 200
/** How long a replay may take. */
export const replayTimeoutMs: number = 30 * 60_000

/** Messages, answers and calls of one side of a comparison. */
export const maxDiffUnits = 5_000
/** Requests of one side that are compared word for word: each is held, and may be a megabyte. */
export const maxComparedAsks = 100
export const maxDiffFiles = 1_000
export const maxSearchedVersions = 2_000
/** Characters of a text that a comparison shows. */
export const shownDiffChars = 300
/** Rows that a comparison returns; what is the same goes first. */
export const maxDiffRows = 1_000

/** A file that is exported or imported; a frame of the gateway holds one. */
export const maxTransferBytes: number = 3 * 1024 * 1024
export const maxImportedTurns = 10_000
/** Characters of one text of an imported file. */
export const maxTranscriptText: number = 2 * 1024 * 1024
