/**
 * The table of the HTTP API: which call answers a method and a path below `/api/v1`. Segments such as `{id}`, the query and the JSON body
 * together are the input of the call, so a field has the same name everywhere; what the schema of the call does not know is refused. Every
 * call that terminals may make is also at `POST /calls/{name}`.
 */
import { turnCall } from '../../protocol/index.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface Route {
  readonly method: Method
  /** `{field}` takes one segment, `{field+}` the rest of the path. */
  readonly path: string
  readonly call: string
  /** Where the output has a list, which is answered in pages; '' for an output that is one. */
  readonly list?: string
  /** Status of a success: 201 for what is created. */
  readonly status?: 200 | 201
}

const get = (path: string, call: string, list?: string): Route => ({ method: 'GET', path, call, ...(list !== undefined && { list }) })
const post = (path: string, call: string, more: Partial<Route> = {}): Route => ({ method: 'POST', path, call, ...more })
const put = (path: string, call: string): Route => ({ method: 'PUT', path, call })
const patch = (path: string, call: string): Route => ({ method: 'PATCH', path, call })
const del = (path: string, call: string): Route => ({ method: 'DELETE', path, call })
const created = { status: 201 } as const

export const routes: readonly Route[] = [
  get('/sessions', 'session.list', ''),
  post('/sessions', 'session.create', created),
  get('/sessions/{session}', 'session.records'),
  patch('/sessions/{session}', 'session.rename'),
  del('/sessions/{session}', 'session.delete'),
  post('/sessions/{session}/archive', 'session.archive'),
  post('/sessions/{session}/fork', 'session.fork', created),
  post('/sessions/{session}/compact', 'session.compact'),
  post('/sessions/{session}/cancel', 'turn.cancel'),
  post('/sessions/cancel', 'turn.cancel_all'),
  post('/sessions/{session}/messages', turnCall),
  post('/messages', turnCall),

  get('/agents', 'agent.list', 'agents'),
  post('/agents', 'agent.spawn', created),
  post('/agents/{to}/messages', 'agent.send'),
  post('/agents/{agent}/kill', 'agent.kill'),
  post('/agents/wait', 'agent.wait'),

  get('/approvals', 'approval.list', ''),
  post('/approvals/{call}', 'call.decide'),
  get('/approvals/rules', 'approval.rules', ''),
  del('/approvals/rules/{rule}', 'approval.revoke'),

  get('/schedules', 'schedule.search', 'schedules'),
  post('/schedules', 'schedule.create', created),
  patch('/schedules/{id}', 'schedule.edit'),
  del('/schedules/{id}', 'schedule.delete'),
  post('/schedules/{id}/trigger', 'schedule.trigger'),
  get('/schedules/{id}/runs', 'schedule.runs', 'runs'),
  get('/schedules/runs/{turn}', 'schedule.run_output'),

  get('/state', 'state.list', 'documents'),
  get('/state/{category+}/{name}', 'state.load'),
  put('/state/{category+}/{name}', 'state.save'),
  del('/state/{category+}/{name}', 'state.delete'),

  get('/versions', 'version.log', 'commits'),
  post('/versions', 'version.commit', created),
  get('/versions/diff', 'version.diff'),
  get('/versions/{at}/files/{path+}', 'version.show'),
  post('/versions/{at}/restore', 'version.restore'),
  put('/versions/tags/{tag}', 'version.tag'),

  get('/files', 'file.list'),
  get('/files/{path+}', 'file.bytes'),
  put('/files/{path+}', 'file.write'),
  patch('/files/{path+}', 'file.edit'),
  del('/files/{path+}', 'file.delete'),
  post('/files/move', 'file.move'),
  post('/files/patch', 'file.patch'),
  get('/search', 'file.search'),

  get('/memory/search', 'memory.search'),
  get('/memory/stats', 'memory.stats'),
  get('/memory/map', 'memory.map'),
  post('/memory', 'memory.save', created),
  patch('/memory/{note_id}', 'memory.update'),
  del('/memory/{note_id}', 'memory.delete'),
  get('/memory/{note_id}/why', 'memory.why'),
  post('/memory/{note_id}/pin', 'memory.pin'),
  post('/memory/{note_id}/confirm', 'memory.confirm'),
  post('/memory/{note_id}/contradict', 'memory.contradict'),
  post('/memory/{note_id}/promote', 'memory.promote'),
  post('/memory/{note_id}/supersede', 'memory.supersede'),
  put('/memory/{note_id}/valid', 'memory.valid'),
  post('/memory/forget', 'memory.forget'),
  post('/memory/ingest', 'memory.ingest'),
  get('/memory/export', 'memory.export'),
  post('/memory/import', 'memory.import'),
  post('/memory/tidy', 'memory.tidy'),
  get('/memory/report', 'memory.report'),
  post('/memory/undo', 'memory.undo'),
  post('/memory/reindex', 'memory.reindex'),

  get('/audit', 'audit.query', 'records'),
  post('/audit', 'audit.append', created),
  get('/audit/status', 'audit.status'),
  post('/audit/verify', 'audit.verify'),
  post('/audit/cancel', 'audit.cancel'),
  get('/now', 'system.now'),
  get('/health', 'system.health'),
  get('/usage', 'usage.series'),
  get('/resources', 'resources.show'),
  get('/budgets', 'budget.show'),
  put('/budgets', 'budget.set'),
  del('/budgets', 'budget.remove'),
  post('/budgets/reset', 'budget.reset'),
  post('/budgets/check', 'budget.check'),
  get('/budgets/forecast', 'budget.forecast'),
  get('/config', 'config.show'),
  get('/config/schema', 'config.schema'),
  post('/config/check', 'config.check'),
  put('/config', 'config.save'),
  post('/restart', 'guest.restart'),
  get('/models', 'model.list', 'models'),
  get('/models/services', 'model.services'),
  get('/models/local', 'model.discover'),
  get('/models/usable', 'model.usable', 'models'),
  get('/models/address', 'model.probe'),
  get('/models/{model+}', 'model.show'),
  get('/secrets', 'secret.list', ''),
  put('/secrets/{name}', 'secret.set'),
  del('/secrets/{name}', 'secret.remove'),
  get('/secrets/found', 'secret.found'),
  put('/secrets/{name}/use', 'secret.allow'),
  del('/secrets/{name}/use', 'secret.withdraw'),
  post('/secrets/{name}/release', 'secret.release'),
  post('/secrets/{name}/reveal', 'secret.reveal'),
  get('/calls', 'system.calls', ''),
  get('/roles', 'role.list', ''),
  put('/roles/{role}', 'role.set'),
  del('/roles/{role}', 'role.remove'),
  get('/exec', 'exec.rules'),
  patch('/exec', 'exec.change'),
  get('/keys', 'key.list', ''),
  post('/keys', 'key.create', created),
  del('/keys/{key}', 'key.revoke'),

  post('/events', 'events.publish', created),
  post('/subscribers', 'events.subscribe', created),
  get('/subscribers/{subscriber}', 'events.next'),
  del('/subscribers/{name}', 'events.unsubscribe'),
  get('/time', 'time.now'),
]

interface Matched {
  readonly route: Route
  /** Decoded segments by field. */
  readonly fields: Readonly<Record<string, string>>
}

type Match = Matched | { readonly allowed: readonly Method[] }

const patterns = routes.map((route) => ({ route, pattern: patternOf(route.path) }))

function patternOf(path: string): RegExp {
  const source = path
    .replaceAll('.', '\\.')
    .replaceAll(/\{(\w+)(\+?)\}/g, (_, field: string, rest: string) => `(?<${field}>${rest === '' ? '[^/]+' : '.+'})`)
  return new RegExp(`^${source}$`)
}

/**
 * @param path below `/api/v1`, as sent
 * @returns the route, or the methods that the path has; none: nothing is there
 * @throws URIError for a segment that is no valid percent-encoding
 */
export function matchRoute(method: string, path: string): Match {
  const call = /^\/calls\/([a-z][a-z0-9_.-]*)$/.exec(path)?.[1]
  if (call !== undefined) return method === 'POST' ? { route: { method, path, call }, fields: {} } : { allowed: ['POST'] }
  const matching = patterns.flatMap(({ route, pattern }) => {
    const found = pattern.exec(path)
    return found === null ? [] : [{ route, groups: found.groups ?? {} }]
  })
  // Words before fields: `/agents/wait` is no agent.
  const best = matching.filter(({ route }) => route.method === method).toSorted((a, b) => fieldsIn(a.route) - fieldsIn(b.route))[0]
  if (best === undefined) return { allowed: [...new Set(matching.map(({ route }) => route.method))] }
  const fields = Object.entries(best.groups).map(([name, text]) => [name, decodeURIComponent(text)] as const)
  return { route: best.route, fields: Object.fromEntries(fields) }
}

function fieldsIn({ path }: Route): number {
  return path.split('{').length
}
