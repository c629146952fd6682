/** Limits of the program that runs a plugin. The guest has its own and does not rely on these. */

const mib = 1024 * 1024

/** One request of the guest: an upload to a route, in base64. */
export const maxRequestBytes: number = 16 * mib
export const maxPendingBytes: number = 32 * mib
/** One reply: less than what the guest takes. */
export const maxReplyBytes: number = 8 * mib
/** Requests of the guest at once. */
export const maxRequests = 128
/** Calls of the plugin that wait. */
export const maxCalls = 128
/** Of a provider that names no deadline, and the longest that one can name. */
export const providerMs = 2_000
export const maxProviderMs = 10_000
/** Reasons of hooks that failed at one step, and characters of each: the guest records them. */
export const maxHookFailures = 20
export const maxHookFailureChars = 300
