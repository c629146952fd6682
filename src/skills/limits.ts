/** Limits of skills, instructions and commands, each with its reason. */

/** What stands between the `---` lines: names and sentences. A larger one could be made to cost time to parse. */
export const maxFrontmatterChars: number = 64 * 1024
/** Values of a frontmatter that are turned into text: aliases can make a small file a huge value. */
export const maxValueNodes = 10_000
/** Texts that are kept of what a person trusts, so that a change can be shown. Larger files are compared by their hashes. */
export const maxKeptTextBytes: number = 64 * 1024
export const maxKeptTotalBytes: number = 512 * 1024
/** Names and descriptions of all skills in the system prompt. */
export const maxListTokens = 4_000
/** The body of a skill, as `skill.open` returns it. */
export const maxBodyTokens = 5_000
/** One file of a skill, as `skill.open` returns it. */
export const maxFileBytes: number = 64 * 1024
/** An AGENTS.md, and all of those that count together. */
export const maxInstructionBytes: number = 32 * 1024
/** Instruction files that are found below a folder, and how deep. */
export const maxInstructionFiles = 50
export const instructionDepth = 5
/** What a command becomes with its arguments. */
export const maxExpandedChars = 100_000
/** One request to hands, which may have to be started. */
export const readTimeoutMs = 20_000
/** How long an answer of the host counts; then it is asked again, in the background. */
export const heldMs = 3_000
/** Turns wait so long for the first answer of the host, all together; afterwards they go on without its skills until it has answered. */
export const firstAnswerMs = 1_000
/** Results of a search. */
export const maxFound = 10
/** How long a script may run, and how much of its output is kept. */
export const maxScriptSeconds = 600
export const maxScriptOutputBytes: number = 256 * 1024
/** A section of the system prompt serves so long without a look at what it is made of; and sections of so many agents are held. */
export const heldSectionMs = 3_000
export const maxHeldSections = 100
