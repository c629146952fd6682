/** Limits of tidying, with their reasons. */

/** Hot entries, shown in every context: few enough for a person to review and small compared with a model's window. */
export const hotEntries = 50
export const hotTokens = 3_000
/** Warm entries. */
export const warmEntries = 500
export const warmTokens = 50_000
/** Maximum number of extracted facts: the lowest-scored ones beyond it are removed. */
export const coldEntries = 10_000
/** Facts removed in one run, each with its text in the report. */
export const maxDropped = 1_000
/** Notes and facts that one run examines, newest first: about 30 MB of memory meanwhile. */
export const maxPruned = 30_000
/** Further candidates per tier: a long entry that does not fit leaves its place to the next. */
export const tierMargin = 200
/** Minimum score of a hot entry. */
export const hotScore = 0.5
/** Approximate UTF-8 bytes per token. */
export const bytesPerToken = 3
/** Protection drops by one level for each of these periods without an access. */
export const staleDays = 30
export const maxStepsDown = 3
/** Lower bound of importance, so that faded entries can still be found. */
export const leastImportance = 0.05
/** Smaller changes of importance are not written. */
export const leastChange = 0.02
/**
 * Shingle overlap and cosine from which two texts are duplicates. Of 180 pairs with different facts in similar words, a cosine of 0.95
 * merges 66, 0.98 merges 22 and 0.99 merges 12 (shingles alone 8); of 60 pairs that differ by a remark, 0.99 finds 33, shingles alone 9.
 */
export const sameShingles = 0.8
export const sameCosine = 0.99
/** Entries listed per page, and texts read per batch: each takes a few milliseconds of the event loop. */
export const listedAtOnce = 500
export const readAtOnce = 200
/** Entries compared with each other in one run, newest first. */
export const maxCompared = 1_000
/** Pairs compared before yielding: 1 to 2 ms of the event loop, about 10 ms if all are long. */
export const comparedAtOnce = 2_000
/** Messages read for facts in one run; the next run continues after them. */
export const maxGathered = 2_000
/** Facts per message. */
export const maxFactsEach = 4
/** One fact: a sentence. */
export const maxFactChars = 300
/** Characters of messages per model request, and requests per run. */
export const maxModelChars = 12_000
export const maxModelQuestions = 20
/** Sentences of one message that are weighed, and characters of it that a model reads, when something is learned from it after its turn. */
export const maxWeighedSentences = 40
export const maxLearnChars = 3_000
/** Changes per report; the next run continues. */
export const maxChanges = 5_000
/** Lines shown for each kind of change. */
export const maxShownLines = 20
/** Entries with unwritten accesses, and how long writing is delayed. */
export const maxHeldAccesses = 64
export const accessDelayMs = 5_000
/** How long the list of hot entries is cached: it changes mainly when memory is tidied. */
export const hotFreshMs = 60_000
/** Sessions for which shown hot entries are remembered. */
export const maxHotSessions = 500
