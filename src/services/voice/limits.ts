/** Limits of hearing and speaking, each with its reason. */

/** Audio of one message: what a person says at once. */
export const maxAudioSeconds = 600
/** Bytes of it: as many as a channel takes in. */
export const maxAudioBytes: number = 20_000_000
/** Pieces of it. */
export const maxAudioPieces = 100
/** Characters that are spoken at once: services take 4 096. */
export const maxSpokenChars = 4_000
/** Characters of a transcript: ten minutes of fast speech, twice. */
export const maxTranscriptChars = 32_000
/** Services bill at least so much of a request. */
export const leastBilledSeconds = 10
/** What budgets in tokens count of a second of audio that a service hears: about as many as its models read. */
export const tokensPerSecond = 10
/** And of text that it speaks. */
export const spokenCharsPerToken = 4
/** Bytes that a program may answer with: ten minutes, uncompressed. */
export const maxProgramBytes: number = 24 * 1024 * 1024
/** Of what it says besides, for people. */
export const maxProgramErrorChars = 300
