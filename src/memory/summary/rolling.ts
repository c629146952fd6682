/** What the kernel needs of summaries, loaded when the first one is made or read. */
export { forgetInSummary } from './forget-words.ts'
export { makeSummary, stepsToLeave, summaryTokens } from './make-summary.ts'
export { nearWords } from '../forget/near-words.ts'
export { readTitle, titleInstructions, titleRequest } from './title.ts'
export { describeSummary, emptySummary, readSummary } from './summary.ts'
