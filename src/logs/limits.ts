/** Every limit of the logs, each with its reason. */

/** Files of a role, and the bytes of each: a week of a busy guest, and at most 64 MiB. */
export const keptFiles = 8
export const maxFileBytes: number = 8 * 1024 * 1024
/** Bytes that may wait for a slow disk; further lines are lost, and counted. */
export const maxWaitingBytes: number = 1024 * 1024
/** Lines that may wait until the writer is loaded. */
export const maxWaitingLines = 2_000
/** After the first line the writer is loaded, which must not delay a start. */
export const loadMs = 1_000
/** A file that cannot be opened is tried again after this time. */
export const reopenMs = 10_000
/** A longer line is cut: it is a dump, which belongs elsewhere. */
export const maxLineChars = 16_384
/** How often a reader that follows looks for new lines. */
export const followMs = 200
/** Read first from the end of a file, and so many times more when that has too few lines. */
export const tailBytes: number = 128 * 1024
export const tailGrowth = 8
/** Read at once by a reader that follows. */
export const maxFollowBytes: number = 1024 * 1024
