/** Limits of the thread that reads texts, each with its reason. */

/** Most characters of one question: the longest text that is cut. They are copied into the thread. */
export const maxAskedUnits: number = 16 * 1024 * 1024
/** Without a question for this long the thread ends, and its table of vectors with it. Starting again takes less than a second. */
export const threadIdleMs = 60_000
