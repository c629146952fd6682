/** Limits of the runtime, with their reasons. */

/** Read-only calls of one step that run in parallel. More would only queue in the sandbox. */
export const maxParallelCalls = 8
/** The same call with the same result this many times in a row is a loop: the model gets a notice, and the next repetition ends the turn. */
export const maxRepeats = 3
/** Context providers slower than this are left out of a turn: the user is waiting. */
export const providerDeadlineMs = 2_000
/** Tokens a message costs in addition to its text, for its role and separators, on every wire. */
export const tokensPerMessage = 8
/** Upper bound of the tokens of a usual picture or document. An endpoint that finds it too long says so. */
export const mediaTokens = 2_000
/** With a window at least this many times the upper bound of a text's tokens, the bound is used instead of a count. */
export const roomyFactor = 4
/** How many more tokens another tokenizer may make of the same text. */
export const foreignFactor = 1.25
/** Below this room, what fills the window is not the person's message but the instructions, the tools and the answer's part. */
export const leastRoomTokens = 512
/** Margin for tokens that the count does not include. */
export const safetyTokens = 256
/** Arguments of a tool call in a step that does not fit: enough to see how they begin and end. */
export const shortArgumentBytes: number = 4 * 1024
/** Arguments and results are never cut below this: the note about the cut would be longer than the rest. */
export const minArgumentBytes = 256
export const minResultBytes = 512
/** A step that does not fit and exceeds this part of the window is cut to half of it instead of being dropped. */
export const largeStepPart = 0.5
/** The part that is sent again of what an endpoint refused as too long: less loses more, more may be refused again. */
export const overflowPart = 0.6
/** Bytes per token, fewer than in nearly every text: a text shorter than this estimate is not counted. */
export const usualBytesPerToken = 2
/** Characters of a conversation, newest first, whose words are not recalled from other sessions: some 60 pages, compared in a millisecond. */
export const maxComparedCharacters: number = 256 * 1024
