/** Limits of delegation, each with its reason. */

/** Tasks of one fan-out. */
export const maxFanTasks = 32
/** How long definitions of agents and graphs count as read: many children that begin together are one read. */
export const heldDefinitionsMs = 250
export const definitionReadMs = 10_000
/** Key of the notes that a persona keeps for itself. */
export const personaKey: RegExp = /^[a-z0-9]{8,32}$/
/** Words by which an agent is found. */
export const maxCapabilities = 30
/** A folder to which an agent can be confined. */
export const folderPattern: RegExp = /^\/shared(?:\/[^/\0]{1,200})+$/
/** Characters of the result of a delegated agent, and times that one is returned to be corrected. */
export const maxResultCharacters: number = 64 * 1024
export const maxRepairs = 2
/** What a delegation takes as known: facts, and characters of each. */
export const maxKeyFacts = 50
export const maxKeyFactCharacters = 500
/** Newest records in which the last words of an agent that was ended are looked for, and the oldest ones for the files that it changed. */
export const maxPartialRecords = 100
export const maxFileRecords = 5_000
/** Files that a result names. */
export const maxResultFiles = 200
/** Agents that one search names. */
export const maxFoundAgents = 10

/** Characters of what a character's prompt is made of: each session that runs as it keeps a copy in one document. */
export const maxPromptParts = 96_000
/** Of that, what it knows: more than its prompt shows. */
export const maxKnowledgeParts = 8_000
