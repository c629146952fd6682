/** Limits of the index of pgvector, each with its reason. */

/** More numbers in a vector an HNSW index of pgvector does not take. */
export const maxNearDims = 4_000
/** Blocks of vectors that came after the index was made and are compared one by one: 20 000 vectors. Beyond it the index is left aside. */
export const maxTailBlocks = 1_250
/** Candidates beyond what is asked for: sixteen bits a number put few in the wrong order, and a filter may let some not pass. */
export const nearSpare = 64
export const nearPerHit = 3
/** Most candidates that pgvector gives. */
export const maxCandidates = 1_000
/** Above this part of new vectors the index is made anew: to add them one by one takes longer. */
export const rebuiltPart = 0.25
/** Blocks that are copied into the index's table at once: 256 vectors. */
export const copiedBlocks = 16
