/** Limits of the runtime, with their reasons. */

/** Read-only calls of one step that run side by side. More would only queue in the sandbox. */
export const maxParallelCalls = 8
/** The same call, arguments and result this often in a row is a loop: the model is told, and the next one ends the turn. */
export const maxRepeats = 3
/** Context providers that are slower than this are left out of a turn: a person waits. */
export const providerDeadlineMs = 2_000
/** Tokens a message costs beside its text: role and separators, on every wire that is known. */
export const tokensPerMessage = 8
/** Room left in the window for what the count cannot see. */
export const safetyTokens = 256
