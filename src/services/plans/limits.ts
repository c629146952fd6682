/** Model tokens of a plan for which nobody has named a budget. */
export const usualPlanTokens = 500_000

/** Effects of one plan: as many as a person can still read. */
export const maxPlannedEffects = 200

/** Bytes of the answers that stand for its effects. */
export const maxStandInBytes: number = 256 * 1024

/** Plans that are kept; the oldest that were applied or dropped are forgotten. */
export const maxKeptPlans = 200

/** A whole turn of an agent, which has its own limits, and what follows it. */
export const planTimeoutMs: number = 2 * 60 * 60_000

/** How long `plan.apply` waits for the end, which comes without it, too. */
export const applyWaitMs: number = 60 * 60_000

/** Characters of what an effect was given, in one line for people. */
export const shownInputChars = 300
