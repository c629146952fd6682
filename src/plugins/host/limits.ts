/** Limits on what hosts of plugins may send, and how long they live and are waited for. */

const kib = 1024
const mib = 1024 * kib

/** From the start of the launcher to the end of the plugin's `init`. Measured: 0.12 s; packages of elizaOS take 0.6 s. */
export const hostStartMs = 30_000
/** All tests of a plugin together, before a new host takes over. */
export const testsMs = 300_000
/** Failed tests that an error names. */
export const maxShownTests = 5
/** A host that nobody needed for so long ends. */
export const hostIdleMs: number = 10 * 60_000
/** The same for a host that was only asked what it has. */
export const describedIdleMs = 5_000
/** Hosts that are started at once to say what they have. */
export const describedAtOnce = 2
/** While requests wait, a host is asked so often whether it still answers, and ends when it does not within the same time again. */
export const hostCheckMs = 5_000
/** The same for hosts of elizaOS: making a database of PGlite blocks one for 2 s, and for 10 s on a busy machine. */
export const elizaCheckMs = 20_000
/** After a cancel the program of a host answers at once, unless the plugin blocks it. */
export const cancelGraceMs = 2_000
/** An old host has so long for what it is doing, and for its `dispose`. */
export const drainMs = 10_000
/** A crash is one that counts for so long, and so many of them disable the plugin. */
export const crashWindowMs: number = 10 * 60_000
export const maxCrashes = 5
/** Before a host starts again: doubled with each crash that counts, up to a minute. */
export const firstRestartMs = 1_000
export const maxRestartFactor = 60

/** Interval between counts of `/data`: a fast disk takes half a gigabyte meanwhile. */
export const dataCountMs = 500
/** After a count that took long the next one waits for so many times its time, up to two seconds. */
export const pauseOfCount = 20
export const maxDataPauseMs = 2_000
/** A file or folder without content takes an inode; a file system has one for every 16 KiB or less. */
export const emptyFileBytes: number = 4 * kib
export const defaultDataBytes: number = 512 * mib

/** One message of a host. */
export const maxReplyBytes: number = 8 * mib + 64 * kib
export const maxPendingBytes: number = 24 * mib
/** Requests that wait for one host. */
export const maxRequests = 96
/** Types of services that one host may have started. */
export const maxServices = 200
/** Calls of a host at once, and for one request; one that makes more is in a loop. */
export const maxCallsAtOnce = 128
export const maxCallsPerRequest = 10_000
/** Messages that are handled before other work of this process gets its turn. */
export const messagesPerTurn = 64
/** What a plugin has learned of a call. */
export const maxCallTextChars: number = 1 * mib
/** The end of what a host has written. */
export const maxLogChars: number = 16 * kib
export const maxFailureText = 4_000
