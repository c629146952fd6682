/** Tasks, logs with the runs derived from them, and the cache. */
import { randomUUID } from 'node:crypto'
import { type Found, missingField, type ZoeyRows } from './zoey-rows.ts'
import type { CacheValue, LogQuery, RunSummary, Uuid, ZoeyLog, ZoeyTask } from './zoey-types.ts'
import { ownValue, setOwn } from '../../base/index.ts'

export interface WorkMethods {
  createTask(task: ZoeyTask): Promise<Uuid>
  getTask(id: Uuid): Promise<ZoeyTask | null>
  /** Tasks that have all of the tags, oldest first. */
  getTasks(query: { readonly roomId?: Uuid; readonly entityId?: Uuid; readonly tags?: readonly string[] }): Promise<readonly ZoeyTask[]>
  getTasksByName(name: string): Promise<readonly ZoeyTask[]>
  /** Tasks with the status `PENDING`, in upper or lower case, or without a status. */
  getPendingTasks(agentId: Uuid): Promise<readonly ZoeyTask[]>
  /** Changes the given fields only. @returns whether it existed */
  updateTask(id: Uuid, change: Partial<ZoeyTask>): Promise<boolean>
  deleteTask(id: Uuid): Promise<void>
  log(entry: ZoeyLog): Promise<void>
  getLogs(query: LogQuery): Promise<readonly ZoeyLog[]>
  deleteLog(id: Uuid): Promise<void>
  /** Runs, derived from log entries of type `run_event`, newest first. */
  getAgentRunSummaries(query: {
    readonly roomId?: Uuid
    readonly entityId?: Uuid
    readonly status?: string
    readonly limit?: number
  }): Promise<readonly RunSummary[]>
  getCache(key: string): Promise<CacheValue | undefined>
  setCache(key: string, value: CacheValue): Promise<boolean>
  deleteCache(key: string): Promise<boolean>
}

const defaultLogs = 10
const defaultRuns = 20

export function workMethods(rows: ZoeyRows): WorkMethods {
  return { ...taskMethods(rows), ...logMethods(rows), ...cacheMethods(rows) }
}

type TaskMethods = Pick<
  WorkMethods,
  'createTask' | 'getTask' | 'getTasks' | 'getTasksByName' | 'getPendingTasks' | 'updateTask' | 'deleteTask'
>

function taskMethods(rows: ZoeyRows): TaskMethods {
  const put = async (task: ZoeyTask & { readonly id: Uuid }): Promise<void> => {
    const { id, name, agentId = '', entityId = '', roomId = '', worldId = '' } = task
    const columns = { name, agent: agentId, entity: entityId, room: roomId, world: worldId, type: (task.status ?? 'PENDING').toUpperCase() }
    await rows.put('task', { id, ...columns, createdAt: task.createdAt, body: task })
  }
  const tasks = (found: readonly Found[]): readonly ZoeyTask[] => found.map(({ body }) => body as unknown as ZoeyTask).toReversed()
  return {
    async createTask(task) {
      if (!task.name) throw missingField('task', 'name')
      const now = rows.clock.now()
      const made = { tags: [], metadata: {}, createdAt: now, updatedAt: now, ...task, id: task.id ?? randomUUID() }
      await put(made)
      return made.id
    },
    getTask: async (id) => ((await rows.get('task', id))?.body as ZoeyTask | undefined) ?? null,
    getTasks: async ({ roomId, entityId, tags = [] }) =>
      tasks(await rows.find('task', { columns: { room: roomId, entity: entityId } })).filter((task) =>
        tags.every((tag) => task.tags?.includes(tag) === true),
      ),
    getTasksByName: async (name) => tasks(await rows.find('task', { columns: { name } })),
    getPendingTasks: async (agentId) => tasks(await rows.find('task', { columns: { agent: agentId, type: 'PENDING' } })),
    updateTask: (id, change) =>
      rows.transaction(async () => {
        const before = (await rows.get('task', id))?.body as ZoeyTask | undefined
        if (before === undefined) return false
        await put({ ...before, updatedAt: rows.clock.now(), ...change, id })
        return true
      }),
    deleteTask: async (id) => void (await rows.remove('task', { columns: { id } })),
  }
}

type LogMethods = Pick<WorkMethods, 'log' | 'getLogs' | 'deleteLog' | 'getAgentRunSummaries'>

function logMethods(rows: ZoeyRows): LogMethods {
  const find = async ({ entityId, roomId, type, count, offset }: LogQuery): Promise<readonly ZoeyLog[]> =>
    (await rows.find('log', { columns: { entity: entityId, room: roomId, type }, limit: count, offset })).map(
      ({ body }) => body as unknown as ZoeyLog,
    )
  return {
    async log(entry) {
      if (!entry.entityId) throw missingField('log entry', 'entityId')
      const { id = randomUUID(), createdAt = rows.clock.now(), entityId, roomId = '', type } = entry
      await rows.put('log', { id, type, entity: entityId, room: roomId, createdAt, body: { ...entry, id, createdAt } })
    },
    getLogs: ({ count = defaultLogs, ...query }) => find({ ...query, count }),
    deleteLog: async (id) => void (await rows.remove('log', { columns: { id } })),
    async getAgentRunSummaries({ status, limit = defaultRuns, ...query }) {
      const runs = new Map<string, ZoeyLog[]>()
      for (const entry of await find(query)) {
        const run = entry.body['runId']
        if (typeof run === 'string') runs.set(run, [...(runs.get(run) ?? []), entry])
      }
      return [...runs]
        .flatMap(([runId, entries]) => summaryOf(runId, entries.toReversed()) ?? [])
        .filter((summary) => status === undefined || summary.status === status)
        .toSorted((one, other) => other.startedAt - one.startedAt)
        .slice(0, limit)
    },
  }
}

/** @param entries of one run, oldest first. @returns null for a run without `run_event` entries */
function summaryOf(runId: string, entries: readonly ZoeyLog[]): RunSummary | null {
  const events = entries.filter(({ type }) => type === 'run_event')
  const [first, last] = [events[0], events.at(-1)]
  if (first === undefined || last === undefined) return null
  const counts: Record<string, number> = {}
  for (const { type } of entries) if (type !== 'run_event') setOwn(counts, type, (ownValue(counts, type) ?? 0) + 1)
  const status = typeof last.body['status'] === 'string' ? last.body['status'] : 'started'
  const startedAt = first.createdAt ?? 0
  const endedAt = status === 'started' ? null : (last.createdAt ?? 0)
  const durationMs = endedAt === null ? null : endedAt - startedAt
  return { runId, status, startedAt, endedAt, durationMs, entityId: first.entityId, roomId: first.roomId ?? '', counts }
}

function cacheMethods(rows: ZoeyRows): Pick<WorkMethods, 'getCache' | 'setCache' | 'deleteCache'> {
  return {
    getCache: async (key) => (await rows.get('cache', key))?.body['value'] as CacheValue | undefined,
    setCache: async (key, value) => rows.put('cache', { id: key, body: { value } }).then(() => true),
    deleteCache: async (key) => (await rows.remove('cache', { columns: { id: key } })) > 0,
  }
}
