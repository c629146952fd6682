/** Limits of tidying, with their reasons. */

/** What is part of every context: as much as a person can look over, and what few models notice in their window. */
export const hotEntries = 50
export const hotTokens = 3_000
/** What is searched first. */
export const warmEntries = 500
export const warmTokens = 50_000
/** What is kept at all of facts that tidying has found itself: the least wanted ones over it go. */
export const coldEntries = 10_000
/** Of those over it so many go in one time, each with its words in the report. */
export const maxDropped = 1_000
/** Notes and facts that one time looks at, the newest: about 30 MB while it does. */
export const maxPruned = 30_000
/** Entries beside those that have a place: one that is long leaves its place to the next. */
export const tierMargin = 200
/** Below this an entry is not shown in every context, however much room there is. */
export const hotScore = 0.5
/** Bytes of UTF-8 for one token, about. */
export const bytesPerToken = 3
/** Days without an access after which protection sinks by one step, and by one more for each further such time. */
export const staleDays = 30
export const maxStepsDown = 3
/** A retention below this is written as this: what has faded can still be found. */
export const leastImportance = 0.05
/** A change of importance smaller than this is not worth a write. */
export const leastChange = 0.02
/**
 * Two texts whose shingles overlap this much, or whose vectors are this near, say the same. Of 180 pairs that say another thing in the
 * same words a cosine of 0.95 takes 66 for one, 0.98 takes 22, and 0.99 takes 12, of which shingles take 8 alone; of 60 that only add
 * a remark 0.99 finds 33, shingles alone 9.
 */
export const sameShingles = 0.8
export const sameCosine = 0.99
/** Entries that are listed at once, and those whose texts are read at once: some milliseconds of the event loop. */
export const listedAtOnce = 500
export const readAtOnce = 200
/** Entries that are compared with each other in one time; the newest ones. */
export const maxCompared = 1_000
/** Pairs of them at once: a millisecond or two of the event loop, and some ten where all are long. */
export const comparedAtOnce = 2_000
/** Messages that are read for facts in one time; the next time goes on behind them. */
export const maxGathered = 2_000
/** Facts out of one message. */
export const maxFactsEach = 4
/** One fact: a sentence. */
export const maxFactChars = 300
/** Characters of messages that a model reads at once, and how often it is asked in one time. */
export const maxModelChars = 12_000
export const maxModelQuestions = 20
/** Changes in one report: beyond it the next time goes on. */
export const maxChanges = 5_000
/** Lines of each kind that a person is shown. */
export const maxShownLines = 20
/** Entries whose accesses are counted before they are written, and how long they wait. */
export const maxHeldAccesses = 64
export const accessDelayMs = 5_000
/** How long the list of hot entries is held: it changes when memory is tidied, and otherwise seldom. */
export const hotFreshMs = 60_000
/** Sessions of which is known what they were told. */
export const maxHotSessions = 500
