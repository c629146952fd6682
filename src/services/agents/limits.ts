/** Limits of agents, each with its reason. */

/** Agents that have ended and whose records are kept. */
export const maxEndedAgents = 200
/** Messages that one run of an agent answers, and characters of each. */
export const maxAgentMessages = 64
export const maxAgentMessageCharacters: number = 64 * 1024
/** Characters of the instructions of an agent that is started without a definition. */
export const maxInstructionCharacters = 8_000
/** Characters of an answer in an agent's record, and in the mail to its parent. The record of its turn has the whole. */
export const maxReplyCharacters: number = 16 * 1024
export const maxMailCharacters = 4_000
/** The longest that one `agent.wait` waits. */
export const maxAgentWaitS = 3_600
/** How often running agents are looked at for signs of life. */
export const agentSweepMs = 15_000
/** How long the end of an agent waits for its turn to end: calls that ignore their signal are abandoned before. */
export const agentEndMs = 10_000
/** Time that the list of agents waits for what their commands use. */
export const usageTimeoutMs = 2_000
