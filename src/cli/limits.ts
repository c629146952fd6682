/** Every limit of the terminal programs, each with its reason. */

/** Text piped into `oxbow run`; over this it belongs into a file that the agent reads in parts. */
export const maxPipedBytes: number = 1024 * 1024
/** A pipe that says nothing for so long, next to a prompt that was typed, was inherited and not meant. */
export const silentPipeMs = 1_000
/** Links on the way to one file; the operating system follows as many. */
export const maxLinks = 40
/** Sessions that a prefix is looked up in; the gateway lists no more. */
export const maxListedSessions = 1_000
/** Sessions that `/sessions` shows at once: they fit a terminal of 24 lines. */
export const sessionsOnPage = 20
/** Sessions that one connection follows at once: below what the gateway takes. */
export const maxFollowedSessions = 50
/** Records read to show where a session stands. */
export const recentRecords = 200
/** A guest that was started for it takes up the turns that waited: they are at their questions by then, unless a model is asked first. */
export const resumedTurnMs = 10_000
/** A run gives up when its guests have died for so long without finishing a call or an answer. */
export const stuckGuestMs = 120_000
/** Pauses before the second and later restarts of a guest: a machine without memory needs time, a person is waiting. */
export const guestRestartMs = 250
export const maxGuestRestartMs = 5_000
/** A chat gives up when so many guests in a row have lived for less than this. */
export const maxShortGuestLives = 5
export const shortGuestLifeMs = 30_000
/** A guest that its terminal ends has gone by then; see guestStopTimeoutMs of the runner. */
export const guestEndMs = 12_000
export const guestEndPollMs = 50
/** The second Ctrl+C within this time ends the program whatever it is doing. */
export const doubleInterruptMs = 2_000
/** A SIGINT within this time of another is the same Ctrl+C, passed on by bin/oxbow.js; nobody presses twice so fast. */
export const sameInterruptMs = 500
/** Characters of a call's input in its one line; the whole input is in the journal. */
export const maxCallLineChars = 80
/** Lines of a running command that are shown as they come, and characters of each before the terminal clips them. */
export const liveLines = 5
export const maxLiveChars = 400
/** Shortest id shown: the first characters of a UUIDv7 are the time in about minutes. */
export const minIdChars = 8
/** Changes that a refreshed catalog lists one by one; `--json` has them all. */
export const shownCatalogChanges = 40
/** Characters of the reason for which an answer begins again, and of the model that begins it: one line, as a rule. */
export const maxRestartReasonChars = 160
/** A pasted text; over this it belongs into a file, as what is piped does. */
export const maxPasteChars: number = 1024 * 1024
/** A pasted line that is longer fills the screen, and the line editor draws all of it at each key. */
export const maxInlinePasteChars = 500
/** Pasted texts that a line from the history can still mean. */
export const maxKeptPastes = 20
/** After an Escape that nothing has followed for so long, it was a key and not the beginning of one. */
export const escapeKeyMs = 50
/**
 * A first chat looks this long for model services on this machine, beside the conversation. They answer in milliseconds and the
 * engine waits 300 for each question; the rest is for the program that asks, whose very first start fills the compile cache.
 */
export const setupLookMs = 3_000
/** Model services that are named beside the first one. */
export const shownServices = 4
/** What a person may give a tool of a program: the most that the sandbox takes. */
export const maxToolSeconds = 3_600
export const maxToolMemoryMib = 1_024
/** Memories that one call imports, and their characters together: below what a frame of the gateway holds, with room for its quotes. */
export const maxImportLines = 500
export const maxImportChars: number = 256 * 1024

/** A terminal of 80 by 24: of an input that is longer, the beginning has scrolled away when a person is asked about it. */
export const maxScreenChars = 1_920
export const beginningChars = 240
/** Why a person is asked: a sentence of ours with the name of a call in it. */
export const maxReasonChars = 300
/** A terminal hands over what it holds at once; for a program that waits for it, on a machine with other work. */
export const typedAheadMs = 50
