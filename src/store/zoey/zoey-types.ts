/**
 * Data of ZoeyOS and elizaOS plugins, in their own names and shapes: camelCase, UUID strings, times in unix milliseconds. Keys that are
 * not listed here are stored unchanged.
 */
import type { Json } from '../../base/index.ts'

/** A UUID as plugins make them, of any version. */
export type Uuid = string
type Free = { readonly [key: string]: unknown }

export interface ZoeyAgent extends Free {
  readonly id: Uuid
  readonly name: string
}
export interface ZoeyEntity extends Free {
  readonly id: Uuid
  readonly agentId: Uuid
  readonly components?: readonly ZoeyComponent[]
}
export interface ZoeyWorld extends Free {
  readonly id: Uuid
  readonly agentId: Uuid
  readonly name?: string
}
export interface ZoeyRoom extends Free {
  readonly id: Uuid
  readonly agentId?: Uuid
  readonly worldId?: Uuid
  readonly name?: string
}
export type FollowState = 'FOLLOWED' | 'MUTED' | null
export interface ZoeyParticipant extends Free {
  readonly entityId: Uuid
  readonly roomId: Uuid
  readonly userState?: FollowState
}
/** Either pair of names is accepted; both are returned. */
export interface ZoeyRelationship extends Free {
  readonly id?: Uuid
  readonly entityIdA?: Uuid
  readonly entityIdB?: Uuid
  readonly sourceEntityId?: Uuid
  readonly targetEntityId?: Uuid
  readonly agentId?: Uuid
  readonly type?: string
  readonly tags?: readonly string[]
}
export interface ZoeyComponent extends Free {
  readonly id: Uuid
  readonly entityId: Uuid
  readonly type: string
  readonly worldId?: Uuid
  readonly sourceEntityId?: Uuid
}
export interface ZoeyTask extends Free {
  readonly id?: Uuid
  readonly name: string
  readonly agentId?: Uuid
  readonly roomId?: Uuid
  readonly worldId?: Uuid
  readonly entityId?: Uuid
  readonly status?: string
  readonly tags?: readonly string[]
  readonly createdAt?: number
  readonly updatedAt?: number
}
export interface ZoeyLog extends Free {
  readonly id?: Uuid
  readonly entityId: Uuid
  readonly roomId?: Uuid
  readonly type: string
  readonly body: Free
  readonly createdAt?: number
}
/** A memory as ZoeyOS and elizaOS have it. */
export interface ZoeyMemory extends Free {
  readonly id?: Uuid
  readonly entityId: Uuid
  readonly roomId: Uuid
  readonly agentId?: Uuid
  readonly worldId?: Uuid
  readonly content: Free & { readonly text?: string }
  readonly embedding?: readonly number[]
  readonly unique?: boolean
  readonly createdAt?: number
  /** Set by a search: cosine from -1 to 1, or a word score above 0. */
  readonly similarity?: number
}

export interface MemoryQuery {
  readonly tableName: string
  readonly entityId?: Uuid
  readonly agentId?: Uuid
  readonly roomId?: Uuid
  readonly worldId?: Uuid
  readonly unique?: boolean
  readonly count?: number
  readonly offset?: number
  /** Both inclusive. */
  readonly start?: number
  readonly end?: number
}
export interface MemorySearchParams extends Omit<MemoryQuery, 'offset' | 'start' | 'end'> {
  readonly embedding?: readonly number[]
  /** Ranks by words if there is no embedding. */
  readonly query?: string
  /** Minimum similarity. */
  readonly threshold?: number
  readonly match_threshold?: number
}
export interface LogQuery {
  readonly entityId?: Uuid
  readonly roomId?: Uuid
  readonly type?: string
  readonly count?: number
  readonly offset?: number
}
export interface RunSummary {
  readonly runId: string
  readonly status: string
  readonly startedAt: number
  readonly endedAt: number | null
  readonly durationMs: number | null
  readonly entityId: Uuid
  readonly roomId: Uuid
  /** Counts of the run's log entries by type. */
  readonly counts: Readonly<Record<string, number>>
}
export type CacheValue = Json
