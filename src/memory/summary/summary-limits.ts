/** Limits of summaries, with their reasons. */

/** Pins in all: what a person can still look over, and about 2 000 tokens at the most. */
export const maxPins = 72
/** One pin: a sentence, cut behind what makes it one. */
export const maxPinChars = 200
/** Text of all pins together; beyond it the least important and oldest go, and stay to be found by their range. */
export const maxPinsChars = 8_000
/** Ranges of what was left out. Beyond it the two smallest neighbours become one. */
export const maxRanges = 40
/** Messages in one range: a range is read again as a whole. */
export const messagesPerRange = 24
/** One line about a range. */
export const maxAboutChars = 100
/** Text of a summary, whatever the window: longer is no summary. */
export const maxSummaryChars = 12_000
/** Part of the window that a whole summary may take, with pins and ranges. */
export const summaryPart = 0.2
/** A summary is never pressed below this: goals and decisions alone take it. */
export const minSummaryTokens = 300
/** Bytes of UTF-8 for one token, at least, in texts of people; what a summary is measured by before it is counted. */
export const bytesPerToken = 3
/** Sentences shorter than this say nothing by themselves; longer ones are cut. */
export const minSentenceChars = 12
export const maxSentenceChars = 320
/** Of one text this much is looked through for sentences: about a millisecond of work. What is longer is a file, not a message. */
export const maxScannedChars = 100_000
/** Of one message a model reads this much: head and tail. The whole stays in the journal. */
export const maxMessageChars = 2_000
/** Of all that is summarised at once a model reads this much. */
export const maxSourceChars = 120_000
/** A title: what a list shows in one line with time and turns. */
export const maxTitleChars = 60
/** What a model is shown for a title: the matter of a conversation stands at its beginning. */
export const maxTitleSourceChars = 2_000
