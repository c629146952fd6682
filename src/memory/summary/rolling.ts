/** All that the kernel needs of summaries, as one module: it is loaded when the first summary is made or read. */
export { nearWords } from './sentences.ts'
export { makeSummary, stepsToLeave, summaryTokens } from './make-summary.ts'
export { readTitle, titleInstructions, titleRequest } from './model-summary.ts'
export { describeSummary, emptySummary, forgetInSummary, readSummary } from './summary.ts'
