/** Limits of what is kept about costs. */

/** Groups of one document: some 20 kB, which a count rewrites. */
export const groupsOfDocument = 150
/** Records read at once, without their blobs. */
export const recordsOfPage = 500
/** Pages of one count, whose sums are then kept: a count that is interrupted loses no more. */
export const pagesOfCount = 100
/** How often turns that end have the records counted: a day's notice comes at most this late, and a question finds little left to count. */
export const countEveryMs = 60_000
/** A usual day is the median of the last so many days that had costs; with fewer than `leastDays` of them there is no usual day. */
export const usualDays = 14
export const leastDays = 3
/** A day at this many times the usual is an event. */
export const highFactor = 2
/** A day below this is never high: it is less than a cent. */
export const leastHighMicroDollars = 10_000
/** Lines of one answer. */
export const maxCostLines = 1_000
