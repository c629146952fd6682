/** Limits of the built-in calls. Times are as long as a person would wait, and never the only bound: hands have their own. */

/**
 * Text of one page of a file, line numbers included. Below the 16 KiB at which the kernel cuts what a model reads, so that a
 * page ends at a line and says where the next one begins.
 */
export const pageBytes: number = 15 * 1024
export const defaultPageLines = 1_000
export const maxPageLines = 10_000

/** Bytes of a range that a model is shown whole: base64 makes them a third more. */
export const defaultPageBytes: number = 11 * 1024
/** Longest range, for programs; a model sees the beginning and the end of it. */
export const maxRangeBytes: number = 4 * 1024 * 1024

export const readTimeoutMs = 10_000
export const listTimeoutMs = 10_000
export const searchTimeoutMs = 20_000
export const changeTimeoutMs = 15_000
/** A folder that goes from /shared to /tmp is copied. */
export const moveTimeoutMs = 60_000
export const patchTimeoutMs = 30_000

/** More entries than a model can use at once; a narrower folder or depth helps it more. */
export const maxListEntries = 1_000
export const maxListDepth = 20
export const maxMatches = 200
/** Lines on each side of a match: more is better read from the file. */
export const maxContextLines = 20
/** How far paging goes. Whoever has seen so much needs a narrower question, not more of it. */
export const maxSkip = 100_000

/** Text of one write. Larger files are made by commands. */
export const maxWriteCharacters: number = 4 * 1024 * 1024
export const maxPathCharacters = 4_096
/** Files of all sessions whose last seen hash is remembered: some 200 KB. */
export const maxSeenFiles = 2_000

export const defaultCommandSeconds = 60
export const maxCommandSeconds = 600
/** How often a person who watches is shown the end of a running command's output. */
export const outputEveryMs = 1_000
/** Hands answer this long after a command's own limit at the latest: processes get a grace, then are killed. */
export const commandGraceMs = 10_000
/** Kept of each output stream; the model sees the ends of it and can page through the rest. */
export const maxOutputBytes: number = 4 * 1024 * 1024
/** Hosts that the text of a command with network names; the record has more. */
export const maxShownHosts = 15
/** Hosts that one command is held to. */
export const maxHostEntries = 50
/** As hands allow: Linux refuses a longer single argument. */
export const maxCommandCharacters = 120_000
export const maxStdinCharacters: number = 1024 * 1024

/** Text of one input to a session; hands take as many bytes. */
export const maxInputCharacters = 16_000
/** Keys after one text: enough to walk through a menu. */
export const maxKeys = 50
/** Longest that one call waits for a session. Whoever waits longer asks again, and can be cancelled in between. */
export const maxWaitSeconds = 120
export const defaultWriteWaitSeconds = 10
export const defaultJobWaitSeconds = 1
/** A program that says nothing for this long waits for input, or for the world. A shell's own prompt is noticed at once. */
export const defaultQuietMs = 2_000
/** After something new, the rest of it is waited for this long. */
export const readQuietMs = 300
export const minQuietMs = 50
export const maxQuietMs = 60_000
/** Output that one call shows whole; of more, so much of both ends, with what is between to be read on. */
export const sessionPageBytes: number = 14 * 1024
export const sessionHeadBytes: number = 5 * 1024
export const sessionTailBytes: number = 9 * 1024
/** Longest page of a session's output, for programs; as hands allow. */
export const maxSessionPageBytes: number = 256 * 1024
/** Hands answer this long after a session's wait at the latest. */
export const sessionGraceMs = 10_000
/** A terminal as wide as output is read well, and no larger than any screen. */
export const defaultColumns = 120
export const defaultRows = 30
export const maxCells = 1_000

/** A page of the web in one answer: below what the kernel shows, with room for where it came from. */
export const webPageBytes: number = 14 * 1024
/** Longest URL; the egress has the same limit. */
export const maxUrlCharacters = 8_192
/** Text that is kept of one page; more is a data set and no page. */
export const maxPageCharacters: number = 2 * 1024 * 1024
/** Pages whose text is kept to be read on, and their bytes together. */
export const maxKeptPages = 8
export const maxKeptBytes: number = 8 * 1024 * 1024
/** What the body of an error says is rarely longer, and often a whole page of decoration. */
export const errorPreviewBytes = 2_048
/** A URL or title in an answer; the whole URL stands in the journal. */
export const maxShownCharacters = 300
/** The egress's own limit for a fetch, and the time to read what came. */
export const webTimeoutMs = 45_000
/** Characters of a page read between two turns of the event loop: about 2 ms. */
export const pieceCharacters: number = 16 * 1024
/** A tag or comment of a megabyte may be a picture within the page; a longer one is there to cost time and memory. */
export const maxSilentPieces = 64
/** Lists and quotations deeper than this read like those at it: a prefix costs room on every line. */
export const maxListLevels = 8

/** Longest question to a search service; they cut at 400 (Brave) to 2 048 (Google) characters themselves. */
export const maxQueryCharacters = 1_000
export const maxSearchResults = 10
export const defaultSearchResults = 5
export const maxSnippetCharacters = 2_000
/** Two requests at the egress's own limit. */
export const webSearchTimeoutMs = 65_000

/** Reading a PDF: measured 0.12 s for a page, 2 s for 300; what takes longer was made to. */
export const pdfTimeoutMs = 20_000
/** Of the worker's heap, and as much beside it. */
export const pdfMemoryMb = 256
/** How often it is looked how much is beside the heap. Unpacking makes some 15 MB in that time. */
export const pdfLookMs = 50
/** RFC 9309, 2.5: at least 500 KiB of robots.txt must be read; the rest may be ignored. */
export const maxRobotsBytes: number = 512 * 1024
/** Of its patterns with an address. Measured: a quarter of a second; a true file needs a hundredth of it. */
export const maxRobotsComparisons = 100_000_000
/** RFC 9309, 2.4: not to be used for more than a day; a guest asks sooner. */
export const robotsMaxAgeMs = 3_600_000
/** One that could not be had is asked for again after this long: most sites are back by then. */
export const robotsRetryMs = 60_000
export const maxRobotsOrigins = 64

/** One attachment that is saved: what the reference takes. A message brings less. */
export const maxSavedBytes: number = 50 * 1024 * 1024
export const attachmentTimeoutMs = 60_000
/** A file that is sent to a person: what chat services take. */
export const maxMediaBytes = 50_000_000
export const mediaTimeoutMs = 60_000
/** What chat services show below a picture. */
export const maxCaptionCharacters = 1_024
/** A picture that a model is shown: 5 MB as base64, and 8 000 pixels a side, are the most that Anthropic takes; the others take more. */
export const maxPictureBytes = 3_750_000
export const maxPictureSide = 8_000
/** A file that is copied out of the vault: the largest that a sandbox writes by default. */
export const maxVaultBytes: number = 512 * 1024 * 1024
/** Read, hashed and written at once; hashing one holds up nothing else for long. */
export const vaultPieceBytes: number = 4 * 1024 * 1024
/** Half a gigabyte, on a disk that is slow. */
export const vaultTimeoutMs = 180_000

/** Tree or text of a page in one answer, and what an action shows of its changes: below what the kernel shows of a result. */
export const browserPageBytes: number = 12 * 1024
export const browserChangeBytes: number = 6 * 1024
/** A start of Chromium, a page that takes its 30 s, and the look at it. */
export const browserOpenMs = 90_000
/** An element that can be acted on only after 5 s, what follows, and the look at it. */
export const browserActMs = 45_000
export const browserLookMs = 25_000
/** As much as hands answer later than they were told, at most. */
export const browserGraceMs = 10_000
export const maxTypedCharacters = 20_000
export const maxKeyCharacters = 40
export const maxOptions = 50
export const maxTreeDepth = 50
export const maxDownloadWaitSeconds = 60
