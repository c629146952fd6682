/** Limits of the built-in calls. Timeouts are as long as a person would wait; hands have their own, shorter ones. */

/**
 * Text of one page of a file, with line numbers. Below the 16 KiB at which the kernel truncates a result for the model, so that a
 * page ends at a line and names the next one.
 */
export const pageBytes: number = 15 * 1024
export const defaultPageLines = 1_000
export const maxPageLines = 10_000

/** Bytes of a range that a model sees whole: base64 adds a third. */
export const defaultPageBytes: number = 11 * 1024
/** Longest range, for programs; a model sees the first and last part of it. */
export const maxRangeBytes: number = 4 * 1024 * 1024

/** One piece of a file that a person downloads or uploads: a few milliseconds of the event loop. */
export const maxTransferPieceBytes: number = 1024 * 1024
export const maxPieceCharacters: number = Math.ceil(maxTransferPieceBytes / 3) * 4
/** One uploaded file. What is larger is quicker to copy into the folder of the workspace. */
export const maxUploadBytes: number = 1024 * 1024 * 1024

export const readTimeoutMs = 10_000
export const listTimeoutMs = 10_000
export const searchTimeoutMs = 20_000
export const changeTimeoutMs = 15_000
/** Moving a folder from /shared to /tmp copies it. */
export const moveTimeoutMs = 60_000
export const patchTimeoutMs = 30_000

/** More entries than a model can use at once; a narrower folder or depth serves it better. */
export const maxListEntries = 1_000
export const maxListDepth = 20
export const maxMatches = 200
/** Lines on each side of a match. To see more, read the file. */
export const maxContextLines = 20
/** How far paging goes. A caller that has paged this far needs a narrower query. */
export const maxSkip = 100_000

/** Text of one write. Larger files are written by commands. */
export const maxWriteCharacters: number = 4 * 1024 * 1024
export const maxPathCharacters = 4_096
/** Files, over all sessions, whose last seen hash is kept: about 200 KB. */
export const maxSeenFiles = 2_000

export const defaultCommandSeconds = 60
export const maxCommandSeconds = 600
/** Interval at which the live output of a running command is shown. */
export const outputEveryMs = 1_000
/** How long after the limit of a command hands may still answer: processes get a grace period, then are killed. */
export const commandGraceMs = 10_000
/** Bytes kept of each output stream; the model sees its first and last part and can page through the rest. */
export const maxOutputBytes: number = 4 * 1024 * 1024
/** Hosts that the text result of a command with network lists; the record holds more. */
export const maxShownHosts = 15
/** Hosts that one command can be restricted to. */
export const maxHostEntries = 50
/** The limit of hands: Linux refuses a longer single argument. */
export const maxCommandCharacters = 120_000
/** Of a program that is started without a shell. */
export const maxProgramArguments = 1_000
export const maxEnvironmentVariables = 100
export const maxStdinCharacters: number = 1024 * 1024

/** Text of one input to a session; hands accept the same number of bytes. */
export const maxInputCharacters = 16_000
/** Keys after one text: enough to walk through a menu. */
export const maxKeys = 50
/** Longest wait of one call for a session. A caller that waits longer repeats the call, and can be cancelled in between. */
export const maxWaitSeconds = 120
export const defaultWriteWaitSeconds = 10
export const defaultJobWaitSeconds = 1
/** A program without output for this long is taken to wait for input. A shell's own prompt is detected at once. */
export const defaultQuietMs = 2_000
/** After new output, how long to wait for the rest of it. */
export const readQuietMs = 300
export const minQuietMs = 50
export const maxQuietMs = 60_000
/** Output that one call shows whole; of longer output it shows this much in all, from both ends. */
export const sessionPageBytes: number = 14 * 1024
export const sessionHeadBytes: number = 5 * 1024
export const sessionTailBytes: number = 9 * 1024
/** Longest page of a session's output, for programs; the limit of hands. */
export const maxSessionPageBytes: number = 256 * 1024
/** How long after the wait of a session hands may still answer. */
export const sessionGraceMs = 10_000
/** Terminal size: wide enough for readable output, no larger than a screen. */
export const defaultColumns = 120
export const defaultRows = 30
export const maxCells = 1_000

/** Page of a web document in one answer: below what the kernel shows, with space for its header. */
export const webPageBytes: number = 14 * 1024
/** Longest URL; the egress has the same limit. */
export const maxUrlCharacters = 8_192
/** Text kept of one page; anything longer is a data set. */
export const maxPageCharacters: number = 2 * 1024 * 1024
/** Pages whose text is kept for paging, and their total size. */
export const maxKeptPages = 8
export const maxKeptBytes: number = 8 * 1024 * 1024
/** Text shown of an error page: the message is rarely longer, the decoration often is. */
export const errorPreviewBytes = 2_048
/** A URL or title in a text result; the journal has the full URL. */
export const maxShownCharacters = 300
/** The egress's own limit for a fetch, plus the time to convert the response. */
export const webTimeoutMs = 45_000
/** Characters of a page parsed between two turns of the event loop: about 2 ms. */
export const pieceCharacters: number = 16 * 1024
/** Longest tag or comment: a megabyte may be an inline picture; a longer one only costs time and memory. */
export const maxSilentPieces = 64
/** Lists and quotations deeper than this are shown at this depth: the prefix takes space on every line. */
export const maxListLevels = 8

/** Longest query to a search service; the services truncate at 400 (Brave) to 2 048 (Google) characters. */
export const maxQueryCharacters = 1_000
export const maxSearchResults = 10
export const defaultSearchResults = 5
export const maxSnippetCharacters = 2_000
/** Two requests at the egress's own limit. */
export const webSearchTimeoutMs = 65_000

/** Time to read a PDF. Measured: 0.12 s for one page, 2 s for 300. */
export const pdfTimeoutMs = 20_000
/** Of the worker's heap, and the same again outside of it. */
export const pdfMemoryMb = 256
/** Interval at which memory outside of the heap is checked. Unpacking fills about 15 MB in that time. */
export const pdfLookMs = 50
/** RFC 9309, 2.5: at least 500 KiB of robots.txt must be parsed; the rest may be ignored. */
export const maxRobotsBytes: number = 512 * 1024
/** Steps to compare its patterns with a URL. Measured: a quarter of a second; a real file needs a hundredth of that. */
export const maxRobotsComparisons = 100_000_000
/** RFC 9309, 2.4: do not use a copy for more than a day. Ours expires sooner. */
export const robotsMaxAgeMs = 3_600_000
/** How soon a robots.txt that could not be fetched is requested again: most sites are back by then. */
export const robotsRetryMs = 60_000
export const maxRobotsOrigins = 64

/** Size of a saved attachment: what the reference implementation accepts. A message holds less. */
export const maxSavedBytes: number = 50 * 1024 * 1024
export const attachmentTimeoutMs = 60_000
/** A file that is sent to a person: what chat services accept. */
export const maxMediaBytes = 50_000_000
export const mediaTimeoutMs = 60_000
/** Caption length that chat services show below a picture. */
export const maxCaptionCharacters = 1_024
/** A picture that a model sees: Anthropic accepts at most 5 MB as base64 and 8 000 pixels a side; the others accept more. */
export const maxPictureBytes = 3_750_000
export const maxPictureSide = 8_000
/** A file that is copied out of the vault: the largest that a sandbox writes by default. */
export const maxVaultBytes: number = 512 * 1024 * 1024
/** Piece that is read, hashed and written at once; hashing one blocks the event loop only briefly. */
export const vaultPieceBytes: number = 4 * 1024 * 1024
/** Half a gigabyte on a slow disk. */
export const vaultTimeoutMs = 180_000

/** Tree or text of a page in one answer, and the changes that an action shows: below what the kernel shows of a result. */
export const browserPageBytes: number = 12 * 1024
export const browserChangeBytes: number = 6 * 1024
/** Start of Chromium, a page that takes its 30 s, and the snapshot. */
export const browserOpenMs = 90_000
/** 5 s until an element can be acted on, the effects of the action, and the snapshot. */
export const browserActMs = 45_000
export const browserLookMs = 25_000
/** How long after their own limit hands may still answer. */
export const browserGraceMs = 10_000
export const maxTypedCharacters = 20_000
export const maxKeyCharacters = 40
export const maxOptions = 50
export const maxTreeDepth = 50
export const maxDownloadWaitSeconds = 60

/** The reference implementation allows 15 s to search and 10 s to write; one limit for both, since either may start the embedding thread. */
export const memoryTimeoutMs = 15_000
/** A turn waits less for memory before its first request; what comes later precedes the next one. Longer than the longest patience. */
export const recallTimeoutMs = 6_000
export const maxMemoryResults = 20
export const defaultMemoryResults = 5
export const maxMemoryQueryCharacters = 4_000
/** Tokens of all results together: below what a model is shown of one result, with space for headings. */
export const searchTokens = 3_000
/** Reads the journal from the beginning: 100 000 records take seconds. */
export const forgetTimeoutMs = 600_000
export const maxForgetIds = 100
export const maxForgetCharacters = 4_000
/** Places that a preview lists; all are counted. */
export const shownPlaces = 20
export const shownCharacters = 120

/** Largest file that is read as a document; its text has a separate limit. */
export const maxDocumentBytes: number = 32 * 1024 * 1024
/** Files that one call ingests from a folder. Larger folders are watched, or ingested folder by folder. */
export const maxIngestFiles = 500
export const ingestTimeoutMs = 600_000
export const ingestFileTimeoutMs = 60_000
/** Lines and characters of one import: the longest message with its terms, and what fits a gateway frame in any script. */
export const maxImportLines = 1_000
export const maxImportCharacters: number = 1024 * 1024

/** Hands answer a watch on a change, and at least this often. */
export const watchWaitMs = 20_000
/** How long after that interval hands may still answer. */
export const watchGraceMs = 10_000
export const maxWatchedChanges = 200
export const maxWatchedFolders = 16
/** Pause before a watched folder is tried again after a failure. */
export const watchRestMs = 10_000

/** What a checker of schemas takes. A schema that people write has some kilobytes and five levels. */
export const maxSchemaBytes: number = 64 * 1024
export const maxSchemaDepth = 32
export const maxCheckedValueBytes: number = 4 * 1024 * 1024
/** Less deep than the stack of a validation that calls itself for each level. */
export const maxCheckedValueDepth = 200
/** One check takes a millisecond; a pattern that runs away would take hours. */
export const schemaCheckMs = 1_000
/** Its thread loads ajv in about 100 ms, on a busy machine in seconds. */
export const schemaStartMs = 30_000
export const schemaIdleMs = 60_000
export const schemaMemoryMb = 128
/** Checks that wait: each holds a value in memory. */
export const maxSchemaQuestions = 1_000
export const keptSchemas = 100
/** Problems that are reported of one value, and characters of each: enough to correct it. */
export const maxSchemaProblems = 20
export const maxSchemaWordCharacters = 300
