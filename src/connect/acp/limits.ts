/** Limits on what coding agents of others may send, and on how long Oxbow waits for them. */

const kib = 1024
const mib = 1024 * kib

export const maxCoders = 50
/** From the start of a program to the end of its handshake: wrappers and Python need seconds. */
export const connectTimeoutMs = 20_000
/** A cancelled agent answers within this time, or is ended. */
export const cancelWaitMs = 3_000
/** A conversation that nobody continues ends after this. */
export const idleMs = 10 * 60_000
/** Conversations that wait to be continued, each a process with its sandbox; the one that waits longest ends first. */
export const maxIdle = 4

/** One message of an agent. */
export const maxMessageBytes: number = 8 * mib
/** Messages and bytes of one task; more is a flood. */
export const maxTaskMessages = 200_000
export const maxTaskBytes: number = 64 * mib
/** Messages that are handled before other work of this process gets its turn. */
export const messagesPerTurn = 64
/** Lines that are no message, e.g. of a program that logs to its standard output. */
export const maxStrayLines = 1_000
/** Requests of an agent without an answer. */
export const maxOpenRequests = 32
/** The newest output of a program's standard error that is kept. */
export const maxLogChars: number = 16 * kib

/** Of the answer, its end. */
export const maxAnswerChars: number = 64 * kib
/** Shown while it works. */
export const maxProgressChars: number = 4 * kib
export const maxListedFiles = 100
/** Of what a person judges. */
export const maxShownChars: number = 8 * kib
/** Text of one file that an agent reads or writes. */
export const maxFileChars: number = 4 * mib
export const fileTimeoutMs = 30_000
/** A command in a terminal that an agent asks for. */
export const commandTimeoutMs = 600_000
export const maxCommandOutputBytes: number = mib
export const maxTerminals = 16
