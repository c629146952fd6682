/** Limits and weights of recall, each with its reason. What is a matter of measuring was measured by `npm run bench -- --only recall`. */

/** Of each list, for each result that is wanted; between these two. Lists of 40 find what lists of 100 do (R@10 0.601 and 0.606), for a third of the time. */
export const candidatesPerResult = 4
export const fewestCandidates = 40
export const mostCandidates = 120
/** A question is read so far; what is pasted below it need not be looked up. */
export const maxQuestionUnits: number = 8 * 1024
/** Most results, whatever is asked for. */
export const maxResults = 50
/** Parts of a question that are searched beside the whole: each is a search of its own. */
export const maxParts = 3
/** Of all terms of a question, those of exact names and days included: each is a lookup in the index. */
export const maxTerms = 96

/** What a term of the turn before counts beside one of the turn itself: enough to find an answer by its question, too little to be taken for it (as one: R@5 −1.2). */
export const contextWeight = 0.75
/** Of reciprocal ranks, as its inventors have it: the first ranks differ little, so that both lists must agree. */
export const rankOffset = 60
/** A list whose best knows only some of the question's words counts less: a single hit is not right because it is alone. */
export const leastCertainty = 0.5

/** What likeness of vectors counts by itself where closeness makes both lists small. */
export const nearShare = 0.04
/** For a turn of somebody whom the question names; more gained nothing, and others speak of people, too. */
export const speakerBonus = 0.25
/** For a turn that names a day, when the question asks when. */
export const dayBonus = 0.08
/** A turn that only asks loses this, and one without any word that tells something that; ten such words are enough. */
export const askingCost = 0.12
export const reactionCost = 0.05
export const tellingWords = 10

/** A turn fits from this score on; what it has beyond raises turns so many places away by these shares. Lifelike: R@10 +1.7 to +2.1 points on three seeds. */
export const fitsFrom = 0.4
export const sameTalk: ReadonlyMap<number, number> = new Map([
  [2, 0.2],
  [4, 0.1],
])

/** What all exact names and phrases together add: above anything that likeness and priors can reach. */
export const exactBonus = 1.5
/** Most that recency and importance add. Both together are less than a rank or two among good hits. */
export const recencyBonus = 0.02
export const importanceBonus = 0.02
export const recencyHalfLifeMs: number = 30 * 86_400_000

/** Shares of equal triples of words from which two texts say the same. */
export const duplicateShare = 0.85
/** Shorter texts than this are duplicates only when they are equal: in `yes` and `yes please` one word is much. */
export const duplicateWords = 6

/** Turns beside a hit that are joined to it: one says what it answers, one what became of it. */
export const neighboursBefore = 1
export const neighboursAfter = 1
/** Results whose neighbours are looked up: each is a question to the store, and the budget is mostly used up by then. */
export const joinedResults = 8
/** Hits of each list whose neighbours come with the search: three of four results are among the first 8 of a list, 19 of 20 among these. */
export const besideFirst = 24

/** What answers a part counts beside what answers the whole: two parts are then answered by turns. */
export const partShare = 0.9
