/**
 * The profile of a session: as whom its turns run, where that is not the person's usual agent. Whoever starts work in a session of its own,
 * an agent, a graph, a program with a key, writes one, in a document by the session's id.
 */
import type { CallId, JsonObject, SandboxTier, SessionId } from '../../types/index.ts'

/** As whom the turns of a session run. */
export interface AgentProfile {
  readonly agent: CallId
  readonly name: string
  readonly rights: readonly string[]
  readonly model: string
  readonly instructions: string
  /** Session and actor that spawned it: what it uses comes out of their budgets. Absent in records of older versions. */
  readonly home?: SessionId | ''
  readonly spawner?: string
  /** Name of the API key whose program started it: it has what the key still has. */
  readonly key?: string | undefined
  readonly branch?: string | undefined
  /** Turns of the session do not run any more. */
  readonly killed: boolean
  /** Of an agent by a definition: the entries of rights that it can pass on. Absent: all of its rights that are not withheld. */
  readonly delegable?: readonly string[]
  /** The weakest isolation that its turns run with. */
  readonly tier?: SandboxTier | ''
  /** The most requests to a model in one turn. */
  readonly maxTurns?: number | undefined
  /** JSON Schema of its result. */
  readonly result?: JsonObject | undefined
  readonly character?: CharacterProfile | undefined
}

/** Of an agent that is a character: what of its file makes its prompt, and values of `${NAME}` in it. */
export interface CharacterProfile {
  readonly file: JsonObject
  readonly variables: Readonly<Record<string, string>>
}

/** What a definition adds to a profile. */
export type DefinedProfile = Pick<AgentProfile, 'delegable' | 'tier' | 'maxTurns' | 'result' | 'character'>

/** @returns why a text cannot be the character of a profile; empty if it can */
export async function characterProblem(text: string): Promise<string> {
  return (await import('../../plugins/index.ts')).characterProblem(text)
}

export const profileCategory = 'system/agent_profiles'
