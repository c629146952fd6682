/** Limits of runs, each with its reason. */

/** How often the queue looks whether an overload is over, or the minute of starts. */
export const overloadRetryMs = 1_000
/** How long a worker has the runs of a kind after it last said so: another one waits that long for a worker that died. */
export const runLeaseMs = 30_000
/** How often timers look at the clock although none is due, and waits at what they wait for: clocks are set, and others change documents. */
export const runCheckMs = 60_000
/** A run whose work throws goes on again after this, each time later, and at the latest after the second. */
export const firstRunRetryMs = 1_000
export const longestRunRetryMs = 60_000
/** How long a cancelled run has to end: calls that ignore their signal are abandoned before. */
export const runEndMs = 10_000
