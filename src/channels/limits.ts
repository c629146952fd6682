/** Limits of the process of channels, each with its reason. */

/** Files of a message that are taken in: as many as its turn can have. */
export const maxFiles = 10
/** Bytes of a file. */
export const maxFileBytes = 20_000_000
/** A piece of a file on its way to the guest: as the guest takes it. */
export const pieceBytes: number = 1024 * 1024
/** How long reading one file may take. */
export const fileMs: number = 5 * 60_000
/** Parts of a text; a longer one becomes a file. */
export const maxParts = 5
/** One wait for what is to be delivered. */
export const outboxWaitS = 300
/** The pause between two: less than anybody notices, and enough that hundreds of answers a second are not listed one by one. */
export const outboxRestMs = 20
/** One wait for the owner, who lets others read an answer: a closed connection is noticed meanwhile. */
export const releaseWaitS = 60
/** Pauses between attempts to connect, and to deliver. */
export const firstRetryMs = 1_000
export const longestRetryMs = 60_000
/** The longest that a platform can have us wait: after it a delivery is given up. */
export const longestHoldMs: number = 24 * 60 * 60_000
/** So often in a row a platform may say when to try again; then the pauses grow, whatever it says. */
export const believedHolds = 5
/** The first pause before a message is handed to the guest again. */
export const firstTakeMs = 500
/** Messages that are handed to the guest at once: enough to fill its commits, and far below what one connection may ask at once. */
export const maxTakenAtOnce = 64
/** How far back messages are looked for that came while nothing was connected. Of those older than a day one note is written. */
export const missedMs: number = 7 * 24 * 60 * 60_000
/** Senders that are remembered. */
export const maxSenders = 5_000
/** How long the process may take to end. */
export const endMs = 4_000
