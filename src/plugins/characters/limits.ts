/** Limits of characters in prompts. */

/** A prompt of eight thousand tokens leaves room for a conversation in any window that models have. */
export const maxPromptCharacters = 30_000
/** Of that, what the character knows. All of it is in its memory as well. */
export const maxKnowledgeCharacters = 6_000
/** Documents of its knowledge that a prompt names. */
export const maxNamedDocuments = 20
/** Of the text `system`, and of every other entry. */
export const maxSystemCharacters = 8_000
export const maxEntryCharacters = 2_000

/** Entries that a prompt shows of a list; elizaOS chooses as many. */
export const shown = { bio: 10, lore: 10, style: 40, conversations: 5, topics: 5 } as const
