/** Limits on what agents of others may send, and how long Oxbow waits for them. */

const kib = 1024
const mib = 1024 * kib

export const maxRemotes = 50
/** A card, and the keys of its signatures. */
export const maxCardBytes: number = 256 * kib
export const maxCardDepth = 32
export const cardTimeoutMs = 10_000
/** How long a card counts as current: each task checks one that is older. */
export const cardFreshMs = 60_000
/** Of a skill or a card, as a model reads it. */
export const maxSummaryBytes: number = 2 * kib
export const maxSkills = 100

/** So many failures in a row, and the remote is left alone until the time is over. */
export const maxFailures = 5
export const breakMs = 30_000
/** Between tries to come back to a task whose connection was lost: doubled from the first to the last. */
export const firstReturnMs = 200
export const lastReturnMs = 5_000
/** Tries to reach an agent that takes no connection: about ten seconds. */
export const maxSendTries = 7
/** Tries without news of the task, before it is given up: about two minutes. */
export const maxReturns = 30
/** For an agent that goes on by itself after it has said that it waits for input. */
export const inputGraceMs = 1_000
/** To cancel a task that nobody waits for any more. */
export const cancelTimeoutMs = 4_000
/** One request that is no stream. */
export const requestTimeoutMs = 30_000

/** Of one task. */
export const maxEvents = 100_000
export const maxArtifacts = 100
export const maxTextChars: number = 2 * mib
export const maxFiles = 4
export const maxFileBytes: number = 3 * mib
/** Calls whose tasks are remembered for a repeat after a crash. */
export const keptCalls = 200
