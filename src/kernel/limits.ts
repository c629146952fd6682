/** Every limit of the kernel, with its reason. */

/** Bytes of one tool result in a model's context. The rest can be read with `output.read`. */
export const maxResultBytes: number = 16 * 1024
/** Bytes of the output of a durable call that its record keeps; of a longer one, only the text is known after a restart. */
export const maxKeptOutputBytes: number = 64 * 1024
/** A model that writes more arguments than this is confused; terminals can send files instead. */
export const maxInputBytes: number = 1024 * 1024
/** Time between `progress` events of a running call: often enough to show that it is alive, at no noticeable cost. */
export const heartbeatMs = 5_000
/** Crashes of the guest in one turn: another turn may have caused the first, and a third try would end the same. */
export const maxTurnCrashes = 2
/** Messages that may wait in one lane. */
export const maxQueuedMessages = 1_000
/** Lease of a lane: after this long the sessions of a dead worker can be taken over. */
export const leaseMs = 10_000
/** Lanes that are held, about 100 bytes each; a lane that was evicted is claimed again by its next turn. */
export const maxHeldEpochs = 10_000
/** Calls whose intents a takeover refused, until their outcomes have come, too: those of the calls that run at once. */
export const maxLostIntents = 10_000
/** Bytes of all cached conversations; evicted ones are read again when needed. */
export const maxWarmBytes: number = 24 * 1024 * 1024
/** Idle sessions whose conversation stays cached, and how long: a turn after that reads it from the journal, in some milliseconds. */
export const maxWarmIdle = 50
export const warmIdleMs: number = 30 * 60_000
/** How often idle sessions are looked for. */
export const idleSweepMs = 60_000
/** Messages of which a summary is made ahead of its need; of fewer it would cost more than it saves. */
export const minSummarized = 6
/** Budgets kept in memory, about 200 bytes each; others are read again, one row each. */
export const maxHeldAccounts = 10_000
/** Rows read at once when a conversation is read back. The first page is shorter: a full window or a summary often needs no more. */
export const historyPage = 200
export const firstHistoryPage = 32
/** Upper bound of the bytes per token: at most window × this is read of a conversation. */
export const maxBytesPerToken = 6
/** The part of a budget at whose use people are warned. */
export const warningRatio = 0.8
/** Records sent at once to a follower that is catching up. */
export const followPage = 500
/** Characters of the first line of a message that becomes a session's title. */
export const maxTitleLength = 60
/** Recorded characters of the name of an unknown call; no real name is longer. */
export const maxNameLength = 100

/**
 * Tools that requests offer from the start, and their bytes without the words of the wire; with more, the rare ones are found by
 * `tool.search`. A model chooses worse among more, and every request pays for each.
 */
export const maxOfferedTools = 40
export const maxOfferedBytes = 9_000
/** Share of the model's window that tools may take in each request; less than `maxOfferedBytes` only where the window is small. */
export const maxToolShare = 0.1
/** Bytes of a token of JSON, at the least that is usual. */
export const toolBytesPerToken = 3
/** Names of tools of servers, for a model that may search them: at most 3 000 tokens. */
export const maxNamedBytes = 9_000
/** Tools that one search loads: a family. */
export const maxLoadedTools = 10
/** Found tools for which a request keeps room: three searches. */
export const maxCountedTools = 30
/** Share of the model's window that found tools may take: those that were found last stay. */
export const maxLoadedShare = 0.15
/** Lists of tools that are kept for the sets that searches have loaded. */
export const maxHeldToolLists = 100

/** Values of a field that its tool lists; of more, the description names examples. A wrong one is refused with the list. */
export const maxListedValues = 8

/** How long before an approval expires its warning comes; at most half of the whole time. */
export const approvalWarningMs = 60_000

/** Due times whose distance is checked when a cron expression is taken in. */
export const maxCadenceChecks = 200
/** Characters of a cron expression. */
export const maxCronLength = 200

/** How often a queue that the rate or an overload holds back is looked at again. */
export const admissionRetryMs = 1_000
/** Profiles of agents whose tools are kept, about 20 kB each. */
export const maxHeldPersonas = 50
/** Characters about a malformed input: five fields with what each was expected to be. */
export const maxWhyLength = 1_000

/** Records that may wait for the store before their producers wait too: a tenth of what the store refuses. */
export const maxRecordsBehind = 10_000

/** Pieces of one attachment: as many as the largest one needs, and some for senders that cut smaller ones. */
export const maxPieces = 16
/** Records of a session in which files of earlier messages are looked for, the newest. */
export const maxMessagesSearched = 2_000

/** Scratchpads kept in memory; others are read again, one record each. */
export const maxHeldScratchpads = 500

/** Long outputs whose labels are remembered, about 150 bytes each; others have all labels. */
export const maxKnownOutputs = 10_000
/** Forks between a session and its first ancestor. */
export const maxForkDepth = 16
/** Summaries kept in memory; others are read again, one record each. */
export const maxHeldSummaries = 500
/** Sessions searched for a title, or for forks of a session. */
export const maxSessionsRead = 10_000
/** Bodies named by one record of an erasure: with more, its body would not fit into the journal itself, where an audit reads it directly. */
export const maxErasedAtOnce = 200

/** Files that a command names and that are read before it is approved, and the time for that. */
export const maxNamedFiles = 40
export const inputsTimeoutMs = 10_000
/** Files that keep changing while a call waits and that a person may leave out of the comparison. */
export const maxRestlessFiles = 100
/** For comparing all files of a workspace: 500 000 take some seconds on a slow disk. */
export const fingerprintTimeoutMs = 60_000

/** Tools of a program in one message: as many as OpenAI takes, with room for their schemas. Each request to a model carries them. */
export const maxClientTools = 128
export const maxClientToolBytes: number = 128 * 1024
/** Deeper schemas are no help to a model; recursion over hostile ones would exhaust the stack. */
export const maxClientToolDepth = 32

/** Providers of plugins have deadlines of their own, 10 s at most; behind this, a turn begins without any of them. */
export const pluginDeadlineMs = 11_000
/** A guest that ends waits so long for evaluators of plugins: those of a one-shot run have just begun. */
export const maxEvaluatorWaitMs = 5_000
