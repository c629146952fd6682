/** Limits of what is kept for memory, each with its reason. */

/** One passage. They are cut to about 640; this only bounds what a mistake can do. */
export const maxPassageChars: number = 1024 * 1024
/** Passages of one entry: a book of ten million characters. */
export const maxPassages = 20_000
/** Changes of one call: they are one transaction. */
export const maxChanges = 20_000
/** Longer terms are cut to this, when they are kept and when they are looked for. */
export const maxTermChars = 128
/** Terms that one search looks for; more say nothing about what is wanted, and each costs a walk over its occurrences. */
export const maxSearchTerms = 128
export const maxHits = 1_000
export const maxListed = 1_000
/** Ids, names of models, streams and authors. */
export const maxNameChars = 512
export const maxTags = 256
export const maxTagChars = 256
/** `extra` of one entry. */
export const maxExtraChars: number = 256 * 1024
/** Of one vector; the longest that providers make have 4 096. */
export const maxDims = 16_384
/** Vectors that stand in one row, by consecutive passages: rows of single vectors would leave half of each page of 4 KiB empty. */
export const blockPassages = 16
/** From here on vectors are kept in sixteen bits a number: in shorter ones each number weighs more, and there is little to save. */
export const minScaledDims = 64
/** Removed passages that are remembered for readers, which drop them from what they hold; one that missed more reads all anew. */
export const keptRemovals = 20_000
/** Up to here vectors are held whole and compared one by one: 1.5 ms at 384 dimensions, for which they take 6 MB. */
export const maxExactVectors = 4_000
/** Floats that are held whole, whatever their number: 64 MiB. */
export const maxExactFloats: number = 16 * 1024 * 1024
/** Beyond that numbers of eight bits are held: 131 000 vectors of 384 dimensions. Beyond this, signs. */
export const maxSmallBytes: number = 48 * 1024 * 1024
/** Candidates by signs that are compared exactly, at least; and how many for each one asked. */
export const minRescored = 384
export const rescoredPerHit = 16
/** How many more than asked are compared exactly: eight bits put few in the wrong order. */
export const comparedBeyond = 24
/** Characters of passages that were found lately, held by the searching thread: some 4 000 messages. */
export const maxHeldCharacters: number = 4 * 1024 * 1024
/** Models whose vectors are held at once: the active one, and one that is being built. */
export const heldModels = 2
