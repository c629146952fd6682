/** Every limit of the kernel, with its reason. */

/** What one tool result may add to a model's context. The rest stays readable through `output.read`. */
export const maxResultBytes: number = 16 * 1024
/** A model that needs more arguments than this is confused; a terminal that sends more has another way (files). */
export const maxInputBytes: number = 1024 * 1024
/** Beats of `progress` while a call runs: often enough to show life, rare enough to cost nothing. */
export const heartbeatMs = 5_000
/** Messages that may wait in one lane; a sender that outruns the agent by this much must wait. */
export const maxQueuedMessages = 1_000
/** Lease of a lane. A dead worker's sessions can be taken over after this long. */
export const leaseMs = 10_000
/** Lanes that are held, some 100 bytes each; one that is not is claimed again by its next turn. */
export const maxHeldEpochs = 10_000
/** Conversations kept warm, all together; beyond it the least recently used are read again when needed. */
export const maxWarmBytes: number = 24 * 1024 * 1024
/** Budgets kept in memory, some 200 bytes each; others are read again, one row each. */
export const maxHeldAccounts = 10_000
/** Rows read at once when a conversation is read back. */
export const historyPage = 200
/** Bytes of text for one token, at most: what is read of a conversation never exceeds window × this. */
export const maxBytesPerToken = 6
/** Records sent at once to a follower that catches up. */
export const followPage = 500
/** Longest first line of a message that becomes a session's title. */
export const maxTitleLength = 60
/** Longest name of a call that is recorded as asked for; a longer one is nobody's name. */
export const maxNameLength = 100

/** What is said of a malformed input: five fields with what each was expected to be. */
export const maxWhyLength = 1_000

/** Records that may wait for the store before those that make more of them wait too: a tenth of what the store would refuse at. */
export const maxRecordsBehind = 10_000

/** Pieces of one attachment: as many as its most bytes need, and some for a sender that cuts smaller ones. */
export const maxPieces = 16
/** Bytes of the files that a model is shown at once: what vendors take in one request. */
export const maxShownFileBytes = 20_000_000
/** Files that are held as they are sent, so that each step of a turn does not read them again. */
export const maxHeldFileBytes: number = 32 * 1024 * 1024

/** Notes of an agent for itself: enough for a plan and its state, little enough to be shown in every turn. */
export const maxScratchpadItems = 32
export const maxScratchpadCharacters = 240
export const maxScratchpadBytes: number = 8 * 1024
/** Scratchpads kept in memory; others are read again, one record each. */
export const maxHeldScratchpads = 500

/** Requests to models that are held for comparison, all sessions together; one that is larger is held alone. */
export const maxHeldRequestBytes: number = 4 * 1024 * 1024
/** A common beginning shorter than this is not worth a reference to it. */
export const minSharedBytes = 1_024
/** Bytes of an answer for one token, where nothing better is known while it streams. */
export const bytesPerToken = 4
/** A reservation that proves too small grows by at least this many output tokens. */
export const minReservedTokens = 256
/** Output reserved for the first answer of a conversation: most answers are shorter. */
export const firstOutputTokens = 1_024
/** Output reserved for an answer, as a multiple of the longest of these latest ones. */
export const outputMargin = 2
export const rememberedAnswers = 4
/** Conversations whose usage is remembered, some 200 bytes each; others begin with the upper bounds. */
export const maxExpectedUsages = 1_000
/** Long outputs whose labels are known: some 150 bytes each; of others the strictest is taken. */
export const maxKnownOutputs = 10_000
/** Sessions between one and the first that it was forked from, over others. */
export const maxForkDepth = 16
/** Summaries kept in memory; others are read again, one record each. */
export const maxHeldSummaries = 500
/** What `memory.expand` gives at once: below what a result may add to a context, so that its own pages are whole. */
export const maxExpandedCharacters = 12_000
export const maxExpandedRows = 400
/** Longest answer of a model that the system asks for itself. */
export const maxCompletionTokens = 2_000
/** Texts of one question for vectors: what every service takes in one request, so that each is settled by itself. */
export const maxEmbedTexts = 100
/** A run of tidying that has not said for so long that it lives is dead: another may take over. */
export const tidyLeaseMs = 60_000
/** The longest run; what is left is done by the next. */
export const tidyTimeoutMs: number = 30 * 60_000
/** What titles may cost is counted by the day. */
export const titleBudgetMs: number = 24 * 60 * 60_000
/** Between two looks at whether memory is to be tidied. */
export const tidyCheckMs: number = 10 * 60_000
/** Steps of one report: a run makes one for each phase. */
export const maxTidySteps = 20
/** Sessions that are looked through for a title, or for forks of one. */
export const maxSessionsRead = 10_000
/** Bodies that one record says are erased: with so many it stays in the journal itself, where an audit sees it without reading more. */
export const maxErasedAtOnce = 200
