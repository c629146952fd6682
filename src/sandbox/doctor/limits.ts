/** How long each examination may take: several times what it took on a busy machine. */

/** A command in a sandbox that stands. */
export const commandTimeoutMs = 5_000
/** A start of the process tier takes 0.1 s, a browser one second. */
export const startTimeoutMs = 10_000
/** Image check, container, hands: 1 to 3 s. */
export const containerTimeoutMs = 20_000
/** The first start of an emulated machine boots and freezes it: 10 to 20 s. */
export const bootTimeoutMs = 60_000
/** What a tool that never ends is given before it is ended. */
export const spinMs = 200
/** Files of a workspace that are looked at for what runs by itself, and how much of each: seconds at most. */
export const maxLookedAt = 50_000
export const maxReadBytes: number = 64 * 1024
/** Names that a person reads. */
export const maxTold = 20
