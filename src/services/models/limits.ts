/** Numbers of requests to models, each with its unit. */

/** A reservation that proves too small grows by at least this many output tokens. */
export const minReservedTokens = 256

/** Estimated bytes per token of an answer while it streams. */
export const bytesPerToken = 4

export const rememberedAnswers = 4

/** Output reserved for an answer, as a multiple of the longest of these latest ones. */
export const outputMargin = 2

/** Conversations whose usage is remembered, about 200 bytes each; others begin with the upper bounds. */
export const maxExpectedUsages = 1_000

/** Output reserved for the first answer of a conversation: most answers are shorter. */
export const firstOutputTokens = 1_024

/** Bytes of the requests kept to compare later ones with, of all sessions; if one is larger, only that one is kept. */
export const maxHeldRequestBytes: number = 4 * 1024 * 1024

/** A shorter common beginning is not worth a reference. */
export const minSharedBytes = 1_024

/** Tokens of an answer that the kernel itself asks a model for. */
export const maxCompletionTokens = 2_000

export const maxEmbedCharacters = 100_000

/** Texts that a program has embedded by one request, as many as OpenAI takes, and the characters of each. */
export const maxEmbeddedTexts = 2_048

/** Texts of one embedding request: what every service accepts, so that each request is settled by itself. */
export const maxEmbedTexts = 100

/** Bytes of files cached in their sent form, so that each step of a turn does not read them again. */
export const maxHeldFileBytes: number = 32 * 1024 * 1024

/** Bytes of the files in one generation: what vendors accept in a request. */
export const maxShownFileBytes = 20_000_000
