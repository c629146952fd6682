/** Limits and weights of recall, with their reasons. Weights were measured with `npm run bench -- --only recall`. */
import { threadIdleMs } from '../text/text-limits.ts'

/** Of each list, for each result that is wanted; between these two. Lists of 40 find what lists of 100 do (R@10 0.601 and 0.606), for a third of the time. */
export const candidatesPerResult = 4
export const minCandidates = 40
export const maxCandidates = 120
/** Characters of a question that are read; text pasted below it is ignored. */
export const maxQuestionUnits: number = 8 * 1024
/** Maximum number of results. */
export const maxResults = 50
/** Parts of a question that are searched besides the whole, each in a search of its own. */
export const maxParts = 3
/**
 * Length of a part's lists compared with the whole question's: only its best are wanted, and reading candidates is most of a search in a large
 * memory. The lists of all parts together are no longer than the whole question's.
 */
export const partCandidates = 0.5
/**
 * A search that has waited so long is made for the message as a whole, which halves it: others wait behind it. Where 64 speak at once on an
 * idle machine none does. Shorter lists were worse: half as long, a sixth of the messages was given something else.
 */
export const hurriedAfterMs = 200
/** Terms of a question, including exact names and days: each is a lookup in the index. */
export const maxTerms = 96

/** Weight of a term of the turn before: enough to find an answer by its question without ranking the question itself first (1: R@5 −1.2). */
export const contextWeight = 0.75
/** Constant of reciprocal rank fusion as published: the first ranks differ little, so that both lists must agree. */
export const rankOffset = 60
/** Weight of a word list whose best hit has none of the question's terms; 1 with all of them. */
export const leastCertainty = 0.5

/** Weight of vector similarity besides closeness. */
export const nearShare = 0.04
/** For a turn by a speaker that the question names; more gained nothing. */
export const speakerBonus = 0.25
/** For a turn that names a day, if the question asks when. */
export const dayBonus = 0.08
/** For a turn that begins with what its speaker did, if the question asks for all that somebody did. Lifelike: R@10 +1.3 points. */
export const deedBonus = 0.1
/** Costs of a turn that only asks, and of one without informative words; ten such words are enough. */
export const askingCost = 0.12
export const reactionCost = 0.05
export const tellingWords = 10

/** The score above this raises turns that many places away by these shares. Lifelike: R@10 +1.7 to +2.1 points on three seeds. */
export const fitsFrom = 0.4
export const sameTalk: ReadonlyMap<number, number> = new Map([
  [2, 0.2],
  [4, 0.1],
])

/** Total bonus of all exact names and phrases: more than similarity and priors together. */
export const exactBonus = 1.5
/** Maximum bonus of recency and importance: a rank or two among good hits. */
export const recencyBonus = 0.02
export const importanceBonus = 0.02
export const recencyHalfLifeMs: number = 30 * 86_400_000

/** Jaccard similarity of word triples from which two texts are duplicates. */
export const duplicateShare = 0.85
/** Texts with fewer triples are duplicates only if they are equal. */
export const duplicateWords = 6

/** Turns joined to a hit: the one that it answers, and the reply to it. */
export const neighboursBefore = 1
export const neighboursAfter = 1
/** Results whose neighbours are looked up, each with a request to the store; the budget is mostly used up by then. */
export const joinedResults = 8

/** Weight of results for a part of the question, so that results for the parts alternate. */
export const partShare = 0.9

/**
 * How long a turn waits for what is recalled before its first request to the model, which takes a second: a search takes 5 to 50 ms. The
 * first search of a guest, and the first after ten minutes without one, also starts a thread and opens tables.
 */
export const warmPatienceMs = 150
export const coldPatienceMs = 400
/** Without a search for this long, what a search needs may have been closed: a little less than it takes. */
export const restedMs: number = threadIdleMs - 5_000
/**
 * The first turns of a guest, and the first after a rest, wait this long for memory to open before that patience begins. It opens while the guest loads what a turn
 * needs, in 0.1 to 0.3 s; only where other programs use the processors does it take longer than those.
 */
export const openingPatienceMs = 600
/**
 * Where many sessions speak at once, a search first waits for those before it, and its patience begins when these are answered, or after this
 * long: 64 searches take a quarter of a second, on an overloaded machine some seconds, as all else does; a memory that comes too late for its
 * request was found for nothing. No turn is slower for it where processors are what all wait for.
 */
export const queuedPatienceMs = 4_000

/** Cosine of sentences about one matter in different words. With averaged word vectors any two sentences have about 0.4. */
export const leastNearness = 0.7
/** What a turn about the person's own must be near to, word by word, for anything to be given. */
export const leastPersonalCloseness = 0.2
/** The same of a message in which the person only occurs. */
export const leastSpeakerCloseness = 0.3
/** The same by the share of words in common, where words cannot be compared one by one; and of a turn that is about nobody's own. */
export const leastPersonalCoverage = 0.3
export const leastCoverage = 0.5
/** What is certain without the table has such a share of the best score. */
export const leastShare = 0.6
/** How likely a turn must need a memory to be given it, where it is about the person, and elsewhere; docs/recall.md compares other bounds. */
export const leastOwn = 0.3
export const leastPlain = 0.45
/** Where nothing is so likely, a turn about the person's own is given so many, each with such a share of the best likelihood, and the nearest by vectors. */
export const surelyNeeded = 0.5
export const mostWhenUnsure = 4
export const leastWhenUnsure = 0.15
/** So many more results than it is given a turn looks through, as a share. */
export const lookedThrough = 0.25
