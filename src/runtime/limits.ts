/** Limits of the runtime, with their reasons. */

/** Read-only calls of one step that run side by side. More would only queue in the sandbox. */
export const maxParallelCalls = 8
/** The same call, arguments and result this often in a row is a loop: the model is told, and the next one ends the turn. */
export const maxRepeats = 3
/** Context providers that are slower than this are left out of a turn: a person waits. */
export const providerDeadlineMs = 2_000
/** Tokens a message costs beside its text: role and separators, on every wire that is known. */
export const tokensPerMessage = 8
/** Tokens of a picture or document: what the usual one takes at most. An endpoint that finds it too long says so. */
export const mediaTokens = 2_000
/** Room left in the window for what the count cannot see. */
export const safetyTokens = 256
/** Arguments of a tool call in a step that does not fit: enough to see what was asked and how it began and ended. */
export const shortArgumentBytes: number = 4 * 1024
/** The shortest that arguments and results get: below it the words around the cut outweigh what is left. */
export const minArgumentBytes = 256
export const minResultBytes = 512
/** A step that is larger than this part of the window and fits no more is kept cut to half of the part, not forgotten at once. */
export const largeStepPart = 0.5
/** Of what an endpoint refused as too long, this much is sent again: less loses more, more may be refused again. */
export const overflowPart = 0.6
/** Bytes of a token, fewer than in nearly every text: below this no tokenizer is started to see whether a window is full. */
export const usualBytesPerToken = 2
