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
/** How often idle sessions are looked for. */
export const idleSweepMs = 60_000
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
/** Tools that are named when a search finds none. */
export const maxNamedTools = 60
/** Of a description in the results of a search. */
export const maxFoundChars = 200
/** Lists of tools that are kept for the sets that searches have loaded. */
export const maxHeldToolLists = 100
/** Refusals of one session after which the person is asked, in a row or not: a list that is still read. */
export const maxRefusedInSession = 20
/** Calls of such a question. */
export const maxListedRefusals = 20
/** Characters of one of them as JSON, with its whole input: a longer one is refused without a question, since nobody would read it to its end. */
export const maxListedInputChars = 2_000
/** Characters of all of them: every terminal and editor shows this much without a cut, even with each invisible character written out. */
export const maxListedRefusalsChars = 5_000
/** Such questions of one session: an agent that provokes refusals cannot wear a person down. */
export const maxRefusalQuestions = 5
/** Sessions whose refusals are counted. */
export const maxHeldRefusals = 1_000
/** Sessions whose mode is known without reading it. */
export const maxHeldModes = 1_000

/** Values of a field that its tool lists; of more, the description names examples. A wrong one is refused with the list. */
export const maxListedValues = 8

/** Records read at once when events are looked for, and the most that one request looks through. */
export const eventPage = 500
export const maxEventScan = 20_000
/** Requests that wait for events; more are answered at once. */
export const maxEventWaiters = 1_000

/** How long before an approval expires its warning comes; at most half of the whole time. */
export const approvalWarningMs = 60_000
/** Learned rules of a user: each question looks through them. */
export const maxRules = 500

/** API keys of a user, and those that are checked at once, each with 32 MiB. */
export const maxKeys = 200
/** Calls of one key, from a model outside, that run or wait at once; and those that have ended and are still known without the journal. */
export const maxForeignRuns = 64
export const keptForeignRuns = 500
/** Pictures of one result. */
export const maxReplyPictures = 8
export const maxKeyChecks = 4
/** How often the last use of a key is recorded, and a refusal of it. */
export const keyUseMs = 60_000
/** How long a key that was read is used without reading it again. */
export const heldKeyMs = 1_000

/** Due times whose distance is checked when a cron expression is taken in. */
export const maxCadenceChecks = 200
/** Characters of a cron expression. */
export const maxCronLength = 200

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
/** Bytes of the files in one generation: what vendors accept in a request. */
export const maxShownFileBytes = 20_000_000
/** Bytes of files cached in their sent form, so that each step of a turn does not read them again. */
export const maxHeldFileBytes: number = 32 * 1024 * 1024

/** Scratchpads kept in memory; others are read again, one record each. */
export const maxHeldScratchpads = 500

/** Bytes of the requests kept to compare later ones with, of all sessions; a larger one is kept alone. */
export const maxHeldRequestBytes: number = 4 * 1024 * 1024
/** A shorter common beginning is not worth a reference. */
export const minSharedBytes = 1_024
/** Estimated bytes per token of an answer while it streams. */
export const bytesPerToken = 4
/** A reservation that proves too small grows by at least this many output tokens. */
export const minReservedTokens = 256
/** Output reserved for the first answer of a conversation: most answers are shorter. */
export const firstOutputTokens = 1_024
/** Output reserved for an answer, as a multiple of the longest of these latest ones. */
export const outputMargin = 2
export const rememberedAnswers = 4
/** Conversations whose usage is remembered, about 200 bytes each; others begin with the upper bounds. */
export const maxExpectedUsages = 1_000
/** Long outputs whose labels are remembered, about 150 bytes each; others have all labels. */
export const maxKnownOutputs = 10_000
/** Forks between a session and its first ancestor. */
export const maxForkDepth = 16
/** Summaries kept in memory; others are read again, one record each. */
export const maxHeldSummaries = 500
/** Tokens of an answer that the kernel itself asks a model for. */
export const maxCompletionTokens = 2_000
/** Texts of one embedding request: what every service accepts, so that each request is settled by itself. */
export const maxEmbedTexts = 100
/** Sessions searched for a title, or for forks of a session. */
export const maxSessionsRead = 10_000
/** Bodies named by one record of an erasure: with more, its body would not fit into the journal itself, where an audit reads it directly. */
export const maxErasedAtOnce = 200

/** The thread of the versions ends after this long without a request, and its memory with it. */
export const versionsIdleMs = 60_000
/** Time limit of one request to hands for versions, and of one whole checkpoint. */
export const snapshotTimeoutMs = 60_000
export const checkpointTimeoutMs: number = 10 * 60_000
/** How long after a commit the stamps of all files are saved: 1 MB for 10 000 files, too much for each of many commits. */
export const saveStampsMs = 2_000
/** How long a guest that stops waits for the versions of the turns that have ended: 10 000 new files take a second. */
export const lastVersionsMs = 60_000
/** A file above this has no version, and no call changes it: it would fill the disk. */
export const maxLargeFileBytes: number = 4 * 1024 * 1024 * 1024
/** How often an undo starts over because files have changed while it was planned. */
export const maxUndoTries = 5
/** Names in a command that may remove a repository: each costs hands a look. */
export const maxRemovedNames = 40
/** Turns that are undone with the turn that started them, and calls of one of them that are looked at. */
export const maxTurnParts = 200
export const maxTurnRecords = 10_000
/** Turns that `version.turns` lists. */
export const maxListedTurns = 100
/** Bytes of files in one reply of hands. */
export const maxCollectedBytes: number = 4 * 1024 * 1024
/** Commits of one log. */
export const maxLogged = 200
/** Files whose names are compared with one that no version has. */
export const maxNamesCompared = 20_000
/** Files of one comparison or preview that are listed. */
export const maxListedChanges = 1_000
/** Newest versions that are searched for those of one session. */
export const maxSearchedVersions = 200
/** Bytes of a file that a diff compares by lines, and of the diff as a whole. */
export const maxDiffedBytes: number = 512 * 1024
/** A call about a branch of files: a copy, or a merge of all of it. */
export const branchTimeoutMs = 300_000
/** How long the files of a merge may take to get into the workspace. */
export const branchMergeMs = 120_000
/** Branches of files that were merged or dropped and are still listed. */
export const maxEndedBranches = 100
/** How long two texts of a merge are compared: texts that differ everywhere would take minutes. */
export const mergeDiffMs = 2_000
export const maxDiffBytes: number = 256 * 1024
/** Bytes of a file that `version.show` prints. */
export const maxShownBytes: number = 256 * 1024

/** Patterns of programs that `oxbow exec` may add. */
export const maxProgramPatterns = 1_000
/** Files that a command names and that are read before it is approved, and the time for that. */
export const maxNamedFiles = 40
export const inputsTimeoutMs = 10_000
/** Files that keep changing while a call waits and that a person may leave out of the comparison. */
export const maxRestlessFiles = 100
/** For comparing all files of a workspace: 500 000 take some seconds on a slow disk. */
export const fingerprintTimeoutMs = 60_000
/** Roles that a person may add. */
export const maxRoles = 200

/** Tools of a program in one message: as many as OpenAI takes, with room for their schemas. Each request to a model carries them. */
export const maxClientTools = 128
export const maxClientToolBytes: number = 128 * 1024
/** Deeper schemas are no help to a model; recursion over hostile ones would exhaust the stack. */
export const maxClientToolDepth = 32
/** Texts that a program has embedded by one request, as many as OpenAI takes, and the characters of each. */
export const maxEmbeddedTexts = 2_048
export const maxEmbedCharacters = 100_000

/** Files with labels that are listed one by one; of more, whole folders are labelled. About 300 bytes each. */
export const maxFileLabels = 4_000

/** What a hook of a plugin has for a step; a turn waits for it. The start of its host does not count. */
export const hookTimeoutMs = 500
/** Characters of a hook's reason, of what it adds to the system prompt, and levels of an input that it changes. */
export const maxHookReason = 300
export const maxHookAppend: number = 16 * 1024
export const maxInputLevels = 64
/** Steps that wait to be observed by one plugin; more are dropped, and that is recorded. */
export const maxWaitingHooks = 1_000
/** Providers of plugins have deadlines of their own, 10 s at most; behind this, a turn begins without any of them. */
export const pluginDeadlineMs = 11_000
/** Events are delivered and evaluators begin so long after what they look at: the turn comes first. Ten plugins held one up by 10 ms. */
export const pluginEventDelayMs = 50
/** A guest that ends waits so long for evaluators of plugins: those of a one-shot run have just begun. */
export const maxEvaluatorWaitMs = 5_000
/** Events that wait for one plugin; of more, it learns how many were lost. */
export const maxPluginEvents = 1_000
/** Tasks and events of plugins are connected so long after the start: what a guest answers with comes first. */
export const pluginDeskMs = 100
