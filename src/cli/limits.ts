/** Every limit of the terminal programs, each with its reason. */

/** Text piped into `oxbow run`; larger text belongs in a file that the agent reads in parts. */
export const maxPipedBytes: number = 1024 * 1024
/** With a typed prompt, a pipe that stays silent for this long is inherited rather than intended. */
export const silentPipeMs = 1_000
/** Links followed in one path, as many as the operating system follows. */
export const maxLinks = 40
/** Sessions searched for an id prefix; the gateway lists no more. */
export const maxListedSessions = 1_000
/** Sessions on a page of `/sessions`: fits a terminal of 24 lines. */
export const sessionsOnPage = 20
/** Records read to show the state of a session. */
export const recentRecords = 200
/** A new guest resumes waiting turns; within this time they reach their approvals, unless a model call comes first. */
export const resumedTurnMs = 10_000
/** Runs of programs and graphs do so within this time. */
export const resumedRunMs = 1_000
/** A run gives up when its guests keep dying for this long without finishing a call or a reply. */
export const stuckGuestMs = 120_000
/** Pauses before the second and later restarts of a guest: a machine that is out of memory needs time, but a person is waiting. */
export const guestRestartMs = 250
export const maxGuestRestartMs = 5_000
/** A chat gives up after this many guests in a row that lived for less than `shortGuestLifeMs`. */
export const maxShortGuestLives = 5
export const shortGuestLifeMs = 30_000
/** A guest that its terminal stops has ended by then; see guestStopTimeoutMs of the runner. */
export const guestEndMs = 12_000
export const guestEndPollMs = 50
/** How often a follower of events looks for the next guest. */
export const guestPollMs = 500
/** A second Ctrl+C within this time ends the program. */
export const doubleInterruptMs = 2_000
/** A SIGINT within this time of another is the same Ctrl+C, forwarded by bin/oxbow.js; nobody presses twice so fast. */
export const sameInterruptMs = 500
/** Characters of a call's input in its line; the journal has the whole input. */
export const maxCallLineChars = 80
/** Changes listed after a catalog refresh; `--json` lists all. */
export const shownCatalogChanges = 40
/** Characters of the reason why a reply restarts, and of the model's name: usually one line. */
export const maxRestartReasonChars = 160
/**
 * A first chat looks this long for model services on this machine, in the background. They answer in milliseconds and the engine
 * waits 300 for each request; the rest is for the program that asks, whose first start fills the compile cache.
 */
export const setupLookMs = 3_000
/** Model services listed besides the first one. */
export const shownServices = 4
/** Limits that a person can set for a WASM tool: the sandbox's maximum. */
export const maxToolSeconds = 3_600
export const maxToolMemoryMib = 1_024
/** Memories imported by one call, and their total characters: they fit a gateway frame after JSON escaping. */
export const maxImportLines = 500
export const maxImportChars: number = 256 * 1024

/** Time to read typed-ahead input: a terminal delivers it at once, but the machine may be busy. */
export const typedAheadMs = 50
/** Seconds that one request for events waits; `oxbow events --follow` asks again after it. */
export const eventWaitS = 30
/** Bytes of the input of `oxbow call`: what the kernel takes. */
export const maxCallInputBytes: number = 1024 * 1024
/** Names that a shell is given to complete a word: it takes those that begin with what is typed, and there are 5 000 models. */
export const maxCompletedIds = 10_000

/** How long `oxbow start` waits for a guest, which may have to recover a large store, and `oxbow stop` for its end. */
export const startMs = 60_000
export const stopMs = 20_000
/** How long a start that was not the first one waits for the guest of the other one, and the server of a guest may take to note itself. */
export const otherStartMs = 5_000
export const noteMs = 1_000
/** How often both look, and how often a followed log is read. */
export const logPollMs = 100
/** Bytes of a log that are read at once. */
export const maxLogChunk = 4 * 1024 * 1024

/** The key of `oxbow mcp` is revoked when that ends; this is for one that could not. */
export const mcpKeySeconds: number = 30 * 24 * 3_600
/** A guest answers `initialize` within this time. */
export const mcpRebeginMs = 10_000
/** A program that has closed stdin gets the answers of what it has asked within this time. */
export const mcpLastAnswerMs = 60_000

/** How long a guest that restarts itself is waited for. */
export const guestReturnMs = 10_000

/** Files of a character's knowledge, the size of one, as memory ingests it, and the size of the pieces in which it is uploaded. */
export const maxKnowledgeFiles = 200
export const maxKnowledgeBytes: number = 20 * 1024 * 1024
export const knowledgePieceBytes: number = 768 * 1024

/** A guest that restarts ends its connections 150 ms after its answer; it is asked so often whether it is back, for so long. */
export const restartPollMs = 400
export const restartWaitMs = 20_000
/** Lines of a difference that `/undo` shows in a chat line by line. */
export const maxDiffLines = 60
/** Turns that `/undo list` lists. */
export const maxListedUndos = 20

/** How long verbs of a cluster wait for a guest on another node: it starts there, or is taken over after its lease has ended. */
export const clusterWaitMs = 60_000
export const clusterPollMs = 100
