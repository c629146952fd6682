/** Limits on what an editor may send, and on what is kept for one that does not read. */

const kib = 1024
const mib = 1024 * kib

/** One message of an editor: a prompt with the most files that a message may have, as base64, and room for its text. */
export const maxMessageBytes: number = 56 * mib
/** Requests of an editor without an answer; more are refused, so that `session/cancel` always arrives. */
export const maxOpenRequests = 64
/** Sessions that one editor has open. */
export const maxOpenSessions = 64
/** What waits for an editor that does not read; beyond it the connection ends. The sessions are in the journal. */
export const maxUnsentBytes: number = 64 * mib
/** Notifications that nobody knows, and responses to nothing, after which an editor counts as one that floods. */
export const maxStrayMessages = 20_000

/** A cancelled prompt is answered after this at the latest; its turn may still be ending. */
export const cancelWaitMs = 5_000
/** Permission, reading and writing of files in the editor; a person may take hours to answer the first. */
export const editorTimeoutMs = 60_000
/** Of a command in the editor's terminal. */
export const commandTimeoutMs = 600_000

/** Records of a session that `session/load` replays, and of one page of them. */
export const maxReplayedRecords = 10_000
export const recordsPerPage = 1_000
export const listedSessions = 1_000
export const sessionsPerPage = 100
/** Models that the editor's menu offers. */
export const listedModels = 200
/** Answers that do not fit what is asked, after which it is refused. */
export const maxFormTries = 5

/** Text of a prompt that stands in the message; what is longer becomes a file. */
export const maxInlineChars: number = 64 * kib
/** A result, as the editor shows it; the journal has all of it. */
export const maxShownChars: number = 32 * kib
export const maxDiffChars: number = 512 * kib
export const maxTitleChars = 160
/** A picture that the agent sends, as the editor shows it in the conversation. */
export const maxPictureBytes: number = 4 * mib
/** What a tool of the editor returns to the model. */
export const maxToolChars: number = 64 * kib
/** Rules that a question offers, the narrowest first. */
export const maxOfferedRules = 2

/** Servers of an editor that one session asks about; more would not be read. */
export const maxAskedServers = 10
/** Servers of an editor that are looked at: as many as Oxbow keeps. */
export const maxEditorServers = 50
/** The command line of a server, which a person must be able to read as a whole. */
export const maxCommandChars = 4_000
export const maxServerVariables = 50
/** Of one variable: what `secret.set` takes. */
export const maxVariableChars: number = 64 * kib
/** The end of the log of a server that did not start. */
export const maxLogChars = 300

/** Guests that die young, one after another, after which no other is started until the editor asks for something. */
export const maxShortLives = 3
export const shortLifeMs = 30_000
export const guestPauseMs = 500
