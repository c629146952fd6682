/** Ids of the tokens of one word, unknown ones as -1. */
export type WordTokens = (word: string) => readonly number[]
