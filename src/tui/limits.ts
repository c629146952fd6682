/** Every limit of the full-screen terminal, with its reason. */

/** Records read at once: some dozens of turns, more than a screen shows. */
export const pageRecords = 300
/** Pasted text above this becomes a placeholder in the editor, which draws all of its text at each key. */
export const inlinePasteChars = 800
export const inlinePasteLines = 8
/** Pasted text in one message: what the plain chat takes. */
export const maxPasteChars: number = 1024 * 1024
/** Text in the editor, placeholders not counted: far above what people type. */
export const maxEditorChars: number = 64 * 1024
/** Steps that the editor can undo. */
export const maxUndo = 200
/** Messages that the editor offers again. */
export const maxHistory = 1_000
/** Rows of the editor, and the part of the screen that it and a dialog may take. */
export const maxEditorRows = 10
/** Rows of a list of completions. */
export const completionRows = 8
/** A second Ctrl+C within this time exits. */
export const exitWindowMs = 2_000
/** How often the rules of a waiting call are asked for while its turn resumes, and the pause between. */
export const maxRuleTries = 20
export const ruleRetryMs = 500
/** A question that appears while a person types takes no keys until they stop for this long, or press Tab. */
export const typingPauseMs = 1_200
/** Keys in the first moment of a question were meant for what was there before. */
export const questionGraceMs = 350
/** How long a notice stands above the editor; one about a failure longer, because nobody waits for it. */
export const noticeMs = 8_000
export const errorNoticeMs = 40_000
/** Lines of a folded call: its output, and of a diff, which people want to read. */
export const foldedLines = 3
export const foldedDiffLines = 16
export const liveLines = 5
/** Lines of an unfolded call; the journal has the whole. */
export const openLines = 300
/** Characters of one line of output before it is truncated: wider than any screen. */
export const maxLineChars = 1_000
/** Characters of a text that are drawn as Markdown at once; longer blocks are drawn as plain text. */
export const maxBlockChars: number = 48 * 1024
/** Code blocks above this are not coloured: colouring takes milliseconds for each frame in which it grows. */
export const maxColouredChars: number = 24 * 1024
/** Drawn blocks that are kept: some screens' worth, so that scrolling back and forth draws nothing twice. */
export const keptBlocks = 600
/** Characters of one answer; an agent that repeats itself for hours must not fill the memory. */
export const maxReplyChars: number = 2 * 1024 * 1024
/** How often the tree of agents is read while it is shown. */
export const watchAgentsMs = 1_000
/** Sessions and models in a picker. */
export const maxListed = 1_000
/** Versions that `/undo` offers. */
export const maxVersions = 30
/** Entries that a completion reads of a folder. */
export const maxFolderEntries = 500
/** How often a spinner moves, and the clock of a running turn. */
export const tickMs = 120
/** A search looks through older messages up to this many pages back. */
export const searchPages = 40
/** Characters of a line of a list, a status or a notice. */
export const maxTitleChars = 120
/** The screen gives up after this many guests in a row that lived for less than `shortLifeMs`, and pauses a little longer before each. */
export const maxShortLives = 5
export const shortLifeMs = 30_000
export const guestPauseMs = 250
